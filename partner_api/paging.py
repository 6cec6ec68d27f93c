"""Cursors: opaque, signed, bound to their filters, good for a day.

A cursor pins the moment of the first page in both times, so a list stays the same list while the
log grows under it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256

import msgspec

from ledger.kernel.instants import DAY, Clock
from partner_api.problems import DoorProblem

CURSOR_CHARACTERS_MAX = 1_000
MAC_BYTES = 16

Key = tuple[str | int, ...]


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a list goes on: digest of its filters, moment, key of the last item, time of issue."""

    filters: bytes
    valid_at: int
    end: int
    after: Key
    issued_at: int


class Cursors:
    """Writes and reads cursors with one secret of the process."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        """Sign with `secret`, at least 16 bytes."""
        self._secret = secret
        self._clock = clock

    def write(self, filters: str, valid_at: int, end: int, after: Key) -> str:
        """Write the cursor of the next page."""
        place = Place(_digest(filters), valid_at, end, after, self._clock.now())
        data = msgspec.json.encode(place)
        return urlsafe_b64encode(self._mac(data) + data).decode().rstrip("=")

    def read(self, text: str, filters: str) -> Place:
        """Read a cursor of ours; `cursor_invalid`, `cursor_expired` or `cursor_mismatch`."""
        if len(text) > CURSOR_CHARACTERS_MAX or not text.isascii():
            raise DoorProblem("cursor_invalid")
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (NotBase64, ValueError) as error:
            raise DoorProblem("cursor_invalid") from error
        mac, data = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(data)):
            raise DoorProblem("cursor_invalid")
        place = msgspec.json.decode(data, type=Place)
        if place.issued_at + DAY < self._clock.now():
            raise DoorProblem("cursor_expired")
        if place.filters != _digest(filters):
            raise DoorProblem("cursor_mismatch")
        return place

    def derived(self, label: str) -> bytes:
        """Give 16 bytes that nobody can guess, the same for the same label in this process."""
        return hmac.digest(self._secret, f"derived\n{label}".encode(), "sha256")[:MAC_BYTES]

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._secret, data, "sha256")[:MAC_BYTES]


def _digest(filters: str) -> bytes:
    return sha256(filters.encode()).digest()[:8]
