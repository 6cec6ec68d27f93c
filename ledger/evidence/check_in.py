"""Check-in codes: what a driver shows to a station, which reads it without any network.

A code is text of ASCII, short enough for a picture that a cheap camera reads::

    MG1.<payload>.<signature>          both in base64url without padding
    payload    canonical JSON: [code_id, booking_id, station_id, from_s, until_s]
    signature  Ed25519 (RFC 8032) over ``MG1.<payload>``, 64 bytes

Times are seconds since 1970. Whoever has the public key checks that the code is ours, for this
station and in its time; that it was not used before is known by the ledger alone.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE, SECOND

PREFIX = "MG1"
CHARACTERS_MAX = 300
CLOCK_SLACK_US = 2 * MINUTE
"""How far the clock of a station may be off."""

_PARTS = 3


class CheckIn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a code says: one booking at one station, good in [`from_s`, `until_s`)."""

    code_id: str
    booking_id: str
    station_id: str
    from_s: int
    until_s: int


def sign(key: Ed25519PrivateKey, said: CheckIn) -> str:
    """Write a code."""
    text = f"{PREFIX}.{_fold(msgspec.json.encode(said))}"
    code = f"{text}.{_fold(key.sign(text.encode()))}"
    assert len(code) <= CHARACTERS_MAX, "ids have 40 characters at most"
    return code


def read(text: str, key: Ed25519PublicKey) -> CheckIn:
    """Read a code of ours; `Malformed` for any other text."""
    parts = text.split(".")
    if len(text) > CHARACTERS_MAX or len(parts) != _PARTS or parts[0] != PREFIX:
        raise _no_code()
    try:
        signature = _unfold(parts[2])
        key.verify(signature, f"{parts[0]}.{parts[1]}".encode())
        said = msgspec.json.decode(_unfold(parts[1]), type=CheckIn)
    except (InvalidSignature, msgspec.MsgspecError, UnicodeError) as error:
        raise _no_code() from error
    return said


def is_good_at(said: CheckIn, at: int) -> bool:
    """Tell whether a code is in its time (us), by a clock that may be off a little."""
    return said.from_s * SECOND - CLOCK_SLACK_US <= at < said.until_s * SECOND + CLOCK_SLACK_US


def _fold(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _unfold(text: str) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise _no_code() from error
    if _fold(data) != text:
        raise _no_code()
    return data


def _no_code() -> Malformed:
    return Malformed("no check-in code of ours", field="code")
