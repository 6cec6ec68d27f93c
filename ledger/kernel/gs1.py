"""GS1 keys of a pack: its GIAI, the Digital Link on its label, and the EPC URI.

::

    GIAI            9520001PK0000000042       company prefix, then our asset reference
    element string  (8004)9520001PK0000000042
    Digital Link    https://id.example.net/8004/9520001PK0000000042
    slot, party     https://id.example.net/414/<gln>/254/<slot>   https://id.example.net/417/<gln>
    EPC URI         urn:epc:id:giai:9520001.PK0000000042

A GIAI (AI 8004) has at most 30 characters and no check digit; where its company prefix ends is not
written in it. Our asset reference is ``PK`` and ten digits, so it fits behind any prefix.
Sources: GS1 General Specifications 3.10 and figure 7.11-1 (characters), GS1 Digital Link 1.1,
EPC Tag Data Standard 2.0 section 7.4.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ledger.kernel.errors import Malformed

GIAI_LENGTH_MAX = 30
ASSET_NO_MAX = 9_999_999_999

_PREFIX = re.compile(r"[0-9]{6,12}")
_GIAI = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,30}")
_ASSET = re.compile(r"PK([0-9]{10})")
_GLN = re.compile(r"[0-9]{13}")
_SLOT = re.compile(r"0|[1-9][0-9]{0,5}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_RESOLVER = re.compile(rf"{_LABEL}(?:\.{_LABEL})+(?::[1-9][0-9]{{0,4}})?")
_LINK = re.compile(r"https://([^/?#]{1,260})/([^?#]{1,300})")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Linked(NamedTuple):
    """What a Digital Link names: a pack by `giai`, a `slot` at a `gln`, or a party by its `gln`."""

    resolver: str
    giai: str = ""
    gln: str = ""
    slot: str = ""


def giai_of(prefix: str, asset_no: int) -> str:
    """Write the GIAI of our pack with a running number, 0 to 9,999,999,999.

    >>> giai_of("9520001", 42)
    '9520001PK0000000042'
    """
    if not 0 <= asset_no <= ASSET_NO_MAX:
        raise Malformed(f"a number from 0 to {ASSET_NO_MAX}", field="asset_no")
    return f"{check_prefix(prefix)}PK{asset_no:010d}"


def asset_no_of(giai: str, prefix: str) -> int:
    """Read the running number out of a GIAI of ours; `Malformed` for one of somebody else.

    >>> asset_no_of("9520001PK0000000042", "9520001")
    42
    """
    found = _ASSET.fullmatch(_asset(giai, prefix))
    if found is None:
        raise Malformed("our asset reference is PK and ten digits", field="giai")
    return int(found[1])


def check_prefix(prefix: str) -> str:
    """Return a GS1 company prefix of 6 to 12 digits; else raise `Malformed`."""
    if not _PREFIX.fullmatch(prefix):
        raise Malformed("a company prefix has 6 to 12 digits", field="prefix")
    return prefix


def check_giai(text: str) -> str:
    """Return a text that can be a GIAI, 1 to 30 characters of GS1's set; else raise `Malformed`."""
    if not _GIAI.fullmatch(text):
        raise Malformed("1 to 30 characters of the GS1 set of 82", field="giai")
    return text


def check_gln(text: str) -> str:
    """Return a GLN: 13 digits, the last one the check digit; else raise `Malformed`.

    >>> check_gln("9520001000010")
    '9520001000010'
    """
    if not _GLN.fullmatch(text):
        raise Malformed("a GLN has 13 digits", field="gln")
    weighted = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(text))
    if weighted % 10:
        raise Malformed("the check digit differs", field="gln")
    return text


def _asset(giai: str, prefix: str) -> str:
    asset = check_giai(giai).removeprefix(check_prefix(prefix))
    if asset in ("", giai):
        raise Malformed("does not begin with the company prefix", field="giai")
    return asset


def element_string(giai: str) -> str:
    """Write a GIAI as a person reads it under a bar code.

    >>> element_string("9520001PK0000000042")
    '(8004)9520001PK0000000042'
    """
    return f"(8004){check_giai(giai)}"


def epc_uri(giai: str, prefix: str) -> str:
    """Write the EPC pure identity URI; what an URI cannot hold is escaped.

    >>> epc_uri("9520001PK0000000042", "9520001")
    'urn:epc:id:giai:9520001.PK0000000042'
    """
    asset = quote(_asset(giai, prefix), safe="!'()*+,-.:;=_")
    return f"urn:epc:id:giai:{prefix}.{asset}"


def pack_link(resolver: str, giai: str) -> str:
    """Write the Digital Link of a pack, the text of the QR code on it.

    >>> pack_link("id.example.net", "9520001PK0000000042")
    'https://id.example.net/8004/9520001PK0000000042'
    """
    return f"https://{_host(resolver)}/8004/{quote(check_giai(giai), safe='')}"


def slot_link(resolver: str, gln: str, slot: str) -> str:
    """Write the Digital Link of a slot: the place by GLN, the slot as its extension (AI 254)."""
    return f"https://{_host(resolver)}/414/{check_gln(gln)}/254/{_slot(slot)}"


def party_link(resolver: str, gln: str) -> str:
    """Write the Digital Link of a party (AI 417)."""
    return f"https://{_host(resolver)}/417/{check_gln(gln)}"


def _host(resolver: str) -> str:
    if not _RESOLVER.fullmatch(resolver):
        raise Malformed("a host name in lower case, perhaps with a port", field="resolver")
    return resolver


def _slot(slot: str) -> str:
    if not _SLOT.fullmatch(slot):
        raise Malformed("a slot is a number without leading zero", field="slot")
    return slot


def parse_link(text: str) -> Linked:
    """Read a Digital Link of one of the three forms above; query and fragment are not part of it.

    >>> parse_link("https://id.example.net/8004/9520001PK0000000042").giai
    '9520001PK0000000042'
    """
    found = _LINK.fullmatch(text)
    if found is None or _ESCAPE.search(found[2]):
        raise Malformed("https://<resolver>/<application identifier>/<value>", field="link")
    resolver = _host(found[1])
    match found[2].split("/"):
        case ["8004", giai]:
            return Linked(resolver, giai=check_giai(_plain(giai)))
        case ["414", gln, "254", slot]:
            return Linked(resolver, gln=check_gln(gln), slot=_slot(slot))
        case ["417", gln]:
            return Linked(resolver, gln=check_gln(gln))
        case _:
            raise Malformed("no key of a pack, slot or party (8004, 414/254, 417)", field="link")


def _plain(segment: str) -> str:
    # a byte outside ASCII becomes a character that no GIAI holds
    return unquote_to_bytes(segment.encode()).decode("latin-1")
