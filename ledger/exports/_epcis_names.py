"""How things of the ledger are named in EPCIS documents: as web addresses below one base.

::

    <base>/8004/<giai>                   a pack whose GIAI is bound (GS1 Digital Link)
    <base>/pack/<pack id>                any pack
    <base>/class/<class>                 a class of packs
    <base>/code/<code>                   a traction battery code, where re-coding is told
    <base>/station/<station>[/slot/<n>]  a station, a slot
    <base>/site/<party>                  where a party keeps packs
    <base>/party/<party>                 a party
    <base>/vehicle/<vehicle>             a vehicle
    <base>/swap|order|booking/<id>       transactions

The addresses are names first: they need not lead anywhere. Drivers have none, on purpose.
"""

from datetime import timedelta
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_datetime

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
UTC_OFFSET = "+00:00"
"""Offset where the time zone of the site is not known."""
_KEYS = ("8004", "414", "417")
"""Primary keys of Digital Links that we write: assets, locations, parties."""


class Naming(msgspec.Struct, frozen=True):
    """Makes names below `base`, an absolute web address without an end slash."""

    base: str

    @property
    def namespace(self) -> str:
        """Address of our own words, written ``mg:word``."""
        return f"{self.base}/epcis/"

    def name(self, *parts: str) -> str:
        """Name a thing.

        >>> Naming("https://id.example").name("station", "ST-1", "slot", "4")
        'https://id.example/station/ST-1/slot/4'
        """
        return "/".join((self.base, *(quote(part, safe="") for part in parts)))

    def pack(self, pack_id: str, giai: str = "") -> str:
        """Name a pack, by its GIAI where it has one."""
        return self.name("8004", giai) if giai else self.name("pack", pack_id)

    def expanded(self, word: str) -> str:
        """Give the full address of one of our words.

        >>> Naming("https://id.example").expanded("mg:stateOfHealth")
        'https://id.example/epcis/stateOfHealth'
        """
        return self.namespace + word.removeprefix("mg:")

    def canonical(self, text: str) -> str:
        """Give the canonical form of a Digital Link; any other text as it is."""
        for key in _KEYS:
            if text.startswith(f"{self.base}/{key}/"):
                return f"https://id.gs1.org{text.removeprefix(self.base)}"
        return text


def naming_of(base: str) -> Naming:
    """Take a base for names; `Malformed` when it is no plain web address."""
    try:
        parts = urlsplit(base)
        is_good = bool(
            parts.scheme in {"http", "https"}
            and parts.hostname
            and not (parts.query or parts.fragment or parts.username)
            and parts.port != 0
            and base.isascii()
            and quote(base, safe=":/%[]@!$&'()*+,;=~-._") == base
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise Malformed(
            f"not a web address such as https://id.example: {base[:80]!r}", field="base"
        )
    return Naming(base.rstrip("/"))


def time_text(instant: int) -> str:
    """Write a time in UTC with milliseconds, as EPCIS wants it; finer parts are cut off.

    >>> time_text(1_767_600_000_123_999)
    '2026-01-05T08:00:00.123Z'
    """
    return as_datetime(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def offset_text(at: int, zone: str) -> str:
    """Give the offset of a zone's clocks at a time; that of UTC for a zone nobody knows.

    >>> offset_text(1_767_600_000_000_000, "Asia/Shanghai")
    '+08:00'
    """
    try:
        offset = as_datetime(at).astimezone(ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC_OFFSET
    minutes = (offset or timedelta()) // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
