"""The entry and its one canonical form (evidence handbook 2).

`seal` makes the bytes of an entry exactly once; they are stored, hashed, served and signed as they
are. The form is the JSON of RFC 8785 for the values we allow: member names in ASCII
``[a-z0-9_]``, sorted; integers within 2^53; no floats, no null; UTF-8 without NUL.
"""

import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Actor, ClockReading, Evidence, Source
from ledger.kernel.postings import Posting

ENTRY_BYTES_MIN = 2
ENTRY_BYTES_MAX = 65_535
"""Limit of an entry: what a tlog-tiles entry bundle can hold."""

ENVELOPE_VERSION = 1


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """Chains an entry to the one before it that named the same pack (evidence handbook 2.3)."""

    count: int
    pack: str
    previous: int | None = None
    previous_leaf: bytes | None = None


class Books(msgspec.Struct, frozen=True):
    """On which day of the books an entry stands, ``YYYY-MM-DD``, where its time does not tell.

    Absent, it is the local day on which the entry happened (money handbook 11.2).
    """

    posting_date: str


class Envelope(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One entry of the journal; members as in evidence handbook 2.2, absent ones left out."""

    v: int
    ledger: str
    position: int
    entry_id: str
    kind: str
    version: int
    actor: Actor
    policy_version: str
    recorded_at: int
    body: msgspec.Raw
    command_key: bytes | None = None
    occurred_at: int | None = None
    received_at: int | None = None
    clock: ClockReading | None = None
    source: Source | None = None
    causes: tuple[int, ...] = ()
    reverses: int | None = None
    corrects: int | None = None
    correlation_id: str = ""
    entities: tuple[str, ...] = ()
    packs: tuple[Link, ...] = ()
    postings: tuple[Posting, ...] = ()
    books: Books | None = None
    sealed: dict[str, bytes] = {}
    evidence: tuple[Evidence, ...] = ()

    @property
    def valid_at(self) -> int:
        """Valid time: when it happened, or when it was written for facts without another time."""
        return self.recorded_at if self.occurred_at is None else self.occurred_at


# a NUL's escape, but not the six characters of it behind an escaped backslash
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Envelope)


def canonical(value: object) -> bytes:
    """Encode a Struct, dict or list of allowed values in the canonical form."""
    return _encoder.encode(value)


def seal(envelope: Envelope) -> bytes:
    """Make the bytes of an entry; `Malformed` when the text holds what the form does not allow.

    The length is not checked here: the writer refuses the command, because only it can undo one.
    """
    try:
        data = _encoder.encode(envelope)
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate", field="entry") from error
    if b"\\u0000" in data and _NUL.search(data):
        raise Malformed("text holds a NUL", field="entry")
    return data


def open_entry(data: bytes) -> Envelope:
    """Read the bytes of an entry strictly; `Malformed` for anything that `seal` would not make.

    The body stays raw; its own canonical form is checked where its kind is known.
    """
    if not ENTRY_BYTES_MIN <= len(data) <= ENTRY_BYTES_MAX:
        raise Malformed(f"an entry has {ENTRY_BYTES_MIN} to {ENTRY_BYTES_MAX} bytes", field="entry")
    try:
        envelope = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an entry: {error}", field="entry") from error
    if seal(envelope) != data:
        raise Malformed("not in canonical form", field="entry")
    return envelope


def peek(data: bytes) -> Envelope:
    """Read bytes this ledger wrote and verified before, without the canonical comparison."""
    return _decoder.decode(data)


def command_key(ledger: str, principal: str, key: bytes) -> bytes:
    """Name a request in public: SHA-256 over its length-prefixed parts, never over its body."""
    return sha256(_prefix(ledger, principal) + len(key).to_bytes(4, "big") + key).digest()


@lru_cache(maxsize=1_024)
def _prefix(*parts: str) -> bytes:
    texts = [part.encode() for part in parts]
    return b"".join([len(text).to_bytes(4, "big") + text for text in texts])


def base64_text(data: bytes) -> str:
    """Standard base64 with padding, as everywhere in entries and notes."""
    return b64encode(data).decode("ascii")
