"""Public keys of meters and of packs, as SubjectPublicKeyInfo (RFC 5480, 8410).

Only the form is read here: which curve, and whether the bytes have the one spelling we take (DER,
named curve, point not compressed). Whether the point lies on the curve is seen where a signature is
checked. A key's id is the first 16 hex digits of SHA-256 over its SPKI.
"""

from base64 import b64decode
from binascii import Error
from hashlib import sha256

import msgspec

from ledger.kernel.envelope import base64_text
from ledger.kernel.errors import Malformed

ED25519 = "ed25519"

_OIDS = {  # curve: object identifier in DER, bytes of a coordinate
    "secp192k1": ("2b8104001f", 24),
    "secp192r1": ("2a8648ce3d030101", 24),
    "secp256k1": ("2b8104000a", 32),
    "secp256r1": ("2a8648ce3d030107", 32),
    "secp384r1": ("2b81040022", 48),
    "brainpool256r1": ("2b2403030208010107", 32),
    "brainpool384r1": ("2b240303020801010b", 48),
}
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")


def _wrap(tag: int, content: bytes) -> bytes:
    # all our keys are shorter than 128 bytes inside
    return bytes((tag, len(content))) + content


def _head(oid: str, size: int) -> bytes:
    """Give the bytes of an SPKI before the coordinates of its point."""
    algorithm = _wrap(0x30, _EC_PUBLIC_KEY + _wrap(0x06, bytes.fromhex(oid)))
    point = _wrap(0x03, b"\x00\x04" + bytes(2 * size))
    return _wrap(0x30, algorithm + point)[: -2 * size]


_FORMS = {curve: (_head(oid, size), 2 * size) for curve, (oid, size) in _OIDS.items()} | {
    ED25519: (bytes.fromhex("302a300506032b6570032100"), 32)
}

CURVES = frozenset(_FORMS)
"""Every curve whose keys are understood; not on each of them is a signature checked."""

SPKI_TEXT_MAX = 200
"""Longest SPKI in base64 that is read."""


class PublicKey(msgspec.Struct, frozen=True):
    """A key: its curve by the name OCMF gives it, and its SPKI in DER."""

    curve: str
    spki: bytes

    @property
    def key_id(self) -> str:
        """Name the key in entries."""
        return sha256(self.spki).hexdigest()[:16]

    @property
    def text(self) -> str:
        """Write the SPKI in base64, as it stands in entries."""
        return base64_text(self.spki)


def read_spki(spki: bytes, field: str = "public_key") -> PublicKey:
    """Read a SubjectPublicKeyInfo; `Malformed` names `field`."""
    for curve, (head, size) in _FORMS.items():
        if spki.startswith(head) and len(spki) == len(head) + size:
            return PublicKey(curve, spki)
    raise Malformed("no SPKI of a known curve with its point in full", field=field)


def read_key(text: str, field: str = "public_key") -> PublicKey:
    """Read an SPKI in base64, in its one spelling; `Malformed` names `field`."""
    try:
        if len(text) > SPKI_TEXT_MAX:
            raise Malformed(f"longer than {SPKI_TEXT_MAX} characters", field=field)
        spki = b64decode(text.encode("ascii"), validate=True)
    except (Error, UnicodeEncodeError) as error:
        raise Malformed("not base64", field=field) from error
    if base64_text(spki) != text:
        raise Malformed("not the one spelling in base64", field=field)
    return read_spki(spki, field)
