"""Opaque identifiers, and the port that makes new ones.

An id is 1 to 40 characters of ``[A-Za-z0-9-]``, first one an upper-case letter or a digit, so that
it can stand as a segment of an account path (custody handbook 3.1). Ids never carry meaning or
personal data, and authorisation never rests on one being secret.
"""

import re
from hashlib import sha1
from typing import NewType, Protocol

from ledger.kernel.errors import Malformed

PackId = NewType("PackId", str)
PartyId = NewType("PartyId", str)
StationId = NewType("StationId", str)
SwapId = NewType("SwapId", str)
BookingId = NewType("BookingId", str)
SessionId = NewType("SessionId", str)
MeterId = NewType("MeterId", str)
CaseId = NewType("CaseId", str)
HoldId = NewType("HoldId", str)
TariffId = NewType("TariffId", str)
ContractId = NewType("ContractId", str)

ID_PATTERN = "[A-Z0-9][A-Za-z0-9-]{0,39}"
_ID = re.compile(ID_PATTERN)

KEY_BYTES = 16
"""Length of an idempotency key: a UUID's bytes."""


class IdSource(Protocol):
    """Makes ids and keys nobody can guess; the composition root hands in the one real source."""

    def key(self) -> bytes:
        """Make a fresh idempotency key of `KEY_BYTES` bytes, growing with time (UUIDv7)."""
        ...

    def new(self, prefix: str) -> str:
        """Make a fresh id ``<prefix>-<26 characters>``."""
        ...


def check_id(text: str, field: str) -> str:
    """Return `text` when it has the form of an id; else raise `Malformed` naming `field`.

    >>> check_id("ST-17", "station_id")
    'ST-17'
    """
    if not _ID.fullmatch(text):
        raise Malformed(f"an id matches {ID_PATTERN}, got {text[:60]!r}", field=field)
    return text


def is_id(text: str) -> bool:
    """Tell whether `text` has the form of an id."""
    return _ID.fullmatch(text) is not None


def derived_id(prefix: str, *parts: str) -> str:
    """Make the id that always belongs to these parts: ``<prefix>-<26 hex characters>``.

    Parts are length-prefixed before hashing, so that no two lists of parts can give the same
    bytes. SHA-1 as in UUIDv5: the id names, it does not protect.

    >>> derived_id("PK", "dundee", "17") == derived_id("PK", "dundee", "17")
    True
    >>> derived_id("PK", "a", "bc") == derived_id("PK", "ab", "c")
    False
    """
    joined = b"".join(
        len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
    )
    return f"{prefix}-{sha1(joined, usedforsecurity=False).hexdigest()[:26]}"


def key_at(instant_us: int, *parts: str) -> bytes:
    """Make the idempotency key that always belongs to these parts, ordered by time like a UUIDv7.

    48 bits of milliseconds, then 80 bits of a hash of the parts: repeated imports meet their own
    receipts, and the receipt index still grows at its end.
    """
    joined = b"".join(
        len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
    )
    millis = max(instant_us // 1000, 0) & (1 << 48) - 1
    return millis.to_bytes(6, "big") + sha1(joined, usedforsecurity=False).digest()[:10]
