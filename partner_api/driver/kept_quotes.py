"""Quotes that are kept by whoever asked: sealed, so that we need not remember them.

The id of a quote is what was quoted, with a mark that only we can make. It is bound to its driver:
another one's quote is none.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256

import msgspec

from ledger.kernel.errors import NotFound

MAC_BYTES = 16
CHARACTERS_MAX = 600


class Kept(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What was quoted; times in us, amounts in minor units, fees net of tax."""

    driver_id: str
    station_id: str
    pack_class: str
    count: int
    arrive_at: int
    valid_until: int
    tariff_version: str
    total_minor: int
    currency: str
    no_show_minor: int
    cancel_minor: int
    cancel_until_at: int
    compensation_minor: int
    deposit_minor: int


def seal(secret: bytes, kept: Kept) -> str:
    """Make the id of a quote."""
    data = msgspec.json.encode(kept)
    return urlsafe_b64encode(_mac(secret, data) + data).decode().rstrip("=")


def unseal(secret: bytes, text: str, driver_id: str) -> Kept:
    """Read the id of a quote; `NotFound` for one of another driver, or none of ours."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mac, data = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(secret, data)):
            raise NotFound("no such quote")
        kept = msgspec.json.decode(data, type=Kept)
    except (NotBase64, ValueError) as error:
        raise NotFound("no such quote") from error
    if kept.driver_id != driver_id:
        raise NotFound("no such quote")
    return kept


def digest_of(text: str) -> str:
    """Name a quote shortly."""
    return sha256(text.encode()).hexdigest()[:16]


def _mac(secret: bytes, data: bytes) -> bytes:
    return hmac.digest(secret, data, "sha256")[:MAC_BYTES]
