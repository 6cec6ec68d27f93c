"""The names of packs as they stand and as they stood: bindings, look-up in both times, form.

A value names one pack at a time. What it named before stays known, and so does when that was
learnt: `pack_at` answers for any pair of valid time and knowledge.
"""

import re

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Shelf, Stamp
from ledger.kernel.battery_code import CodeMalformed, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.gs1 import check_giai
from ledger.kernel.public_key import read_key

BINDING_TYPES: dict[str, int] = {
    "GBT_CODE": 24,
    "GBT_PART_CODE": 24,
    "BMS_SERIAL": 50,
    "SUPPLIER_SERIAL": 90,
    "LABEL": 200,
    "BMS_KEY": 400,
    "GIAI": 30,
    "PASSPORT": 100,
}
"""What can name a pack, and the longest value; a supplier's serial is written ``<maker>/<serial>``,
because it is unique only for its maker."""

CODES = frozenset({"GBT_CODE", "GBT_PART_CODE"})

ATTESTED_KEYS = frozenset({"secp256r1", "secp384r1", "ed25519"})
"""Curves of the keys that a management system can be enrolled with."""

SEEN_MAX = 16
"""Answers of a key that are remembered, to hold later ones against them."""

_PREFIX = re.compile(r"[A-Z0-9]{3}[PMC][A-GZ][A-Z0-9]{2}")


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """One time in which a value named a pack, and the positions of the entries that say so.

    `valid_to` and `known_to` are 0 while it does.
    """

    pack_id: str
    valid_from: int
    known_from: int
    valid_to: int = 0
    known_to: int = 0


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """An identifier bound to a pack; `valid_to` 0 while it is open, `past` what it named before."""

    pack_id: str
    valid_from: int
    valid_to: int = 0
    known_from: int = 0
    known_to: int = 0
    past: tuple[Span, ...] = ()

    def spans(self) -> tuple[Span, ...]:
        """List all it ever named, in the order in which that was learnt."""
        now = Span(self.pack_id, self.valid_from, self.known_from, self.valid_to, self.known_to)
        return (*self.past, now)


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One valid answer of a key: its counter, when (us) and where it was given, its digest."""

    seq: int
    at: int
    station_id: str
    sha256: str


class PackBms(msgspec.Struct, frozen=True, omit_defaults=True):
    """The management system of a pack (BMS), as it is bound now, and its last valid answers.

    `seen` is in the order of the counter.
    """

    pack_id: str
    serial: str = ""
    public_key: str = ""
    key_id: str = ""
    seen: tuple[Seen, ...] = ()

    def names(self) -> tuple[tuple[str, str], ...]:
        """List what is bound: type and value."""
        pairs = (("BMS_SERIAL", self.serial), ("BMS_KEY", self.public_key))
        return tuple(pair for pair in pairs if pair[1])

    def with_name(self, kind: str, value: str) -> "PackBms":
        """Bind or (empty value) unbind its serial or key; another key has given no answer yet."""
        if kind == "BMS_SERIAL":
            return replace(self, serial=value)
        key_id = read_key(value).key_id if value else ""
        return replace(self, public_key=value, key_id=key_id, seen=())

    def with_answer(self, answer: Seen) -> "PackBms":
        """Remember a valid answer."""
        seen = sorted((*self.seen, answer), key=lambda one: one.seq)
        return replace(self, seen=tuple(seen[-SEEN_MAX:]))


class CodePrefix(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first seven characters of battery codes, as they were filed."""

    prefix: str
    maker: str
    filing_ref: str = ""


BINDINGS = Shelf("bindings", Binding, listed_by=lambda row: row.pack_id)  # key: type, value
PACK_BMS = Shelf("pack_bms", PackBms)
CODE_PREFIXES = Shelf("code_prefixes", CodePrefix)


def is_prefix(text: str) -> bool:
    """Tell whether a text can be what is filed of a battery code."""
    return _PREFIX.fullmatch(text) is not None


def broken_rule(binding_type: str, value: str) -> str:
    """Name the rule that a value breaks as an identifier of a type, "" for none."""
    if binding_type not in BINDING_TYPES:
        return "TYPE_UNKNOWN"
    if not 0 < len(value) <= BINDING_TYPES[binding_type]:
        return "CODE_LENGTH" if binding_type in CODES else "VALUE_LENGTH"
    if not value.isprintable():
        return "VALUE_CHARACTER"
    try:
        return _broken_form(binding_type, value)
    except CodeMalformed as error:
        return error.verdict
    except Malformed as error:
        return error.rule


def _broken_form(binding_type: str, value: str) -> str:
    if binding_type in CODES:
        is_pack = parse(value).product == "P"
        return "" if is_pack == (binding_type == "GBT_CODE") else "CODE_PRODUCT"
    if binding_type == "BMS_KEY":
        return "" if read_key(value).curve in ATTESTED_KEYS else "KEY_CURVE"
    if binding_type == "GIAI":
        check_giai(value)
    return ""


def bind_row(row: Binding | None, pack_id: str, stamp: Stamp) -> Binding:
    """Let a value name a pack from now on."""
    past = () if row is None else row.spans()
    return Binding(pack_id, stamp.occurred_at, known_from=stamp.position, past=past)


def unbind_row(row: Binding, stamp: Stamp) -> Binding:
    """Let a value name nothing any more."""
    return replace(row, valid_to=stamp.occurred_at, known_to=stamp.position)


def pack_at(row: Binding | None, valid_at: int, end: int) -> str:
    """Give the pack that a value named at a time (us), as the first `end` entries know it.

    "" for none. Where two statements speak of the same time, the later one is believed.
    """
    spans = () if row is None else row.spans()
    for span in reversed(spans):
        is_over = bool(span.valid_to) and span.known_to < end and span.valid_to <= valid_at
        if span.known_from < end and span.valid_from <= valid_at and not is_over:
            return span.pack_id
    return ""
