"""What client and signer say to each other, and how the bytes look.

A message is a big-endian u32 with the length of what follows, then canonical JSON of at most
1 MiB: one object, its type in the member `t`. Each request gets one answer, in order. Bytes travel
as standard base64. A message has one spelling only: whatever would not be written the same way is
`Malformed`.

==============  ==============================================  =======================
Request         Members                                         Answer
==============  ==============================================  =======================
status          none                                            standing
extend          from, entries (1 to 256)                        staged
sign_head       origin, size, root, pq                          note
sign_document   typ, payload, key, size, root, note             document
wrap, unwrap    epoch, purpose, subject, data                   sealed
rewrap          source, target, keys (1 to 256)                 resealed
attest          label                                           attested
confirm         statement, officers                             confirmed
any of them                                                     refused: code, detail
==============  ==============================================  =======================
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from ledger.kernel.envelope import ENTRY_BYTES_MAX, ENTRY_BYTES_MIN, canonical
from ledger.kernel.errors import Malformed
from ledger.kernel.hashing import HASH_BYTES
from ledger.kernel.sealing import SealedKey
from ledger.signer.ports import DeviceState, PublicKey
from ledger.tlog.tree import SIZE_MAX

LENGTH_BYTES = 4
MESSAGE_BYTES_MAX = 1024 * 1024
"""Of one message, without its length."""

ENTRIES_MAX = 256
"""Of one `extend`."""

PAYLOAD_BYTES_MAX = 720 * 1024
"""Of a document: in base64, with the rest of its message, it still fits."""

KEY_BYTES_MAX = 4096
"""Of a key to wrap, and of a wrapped one."""

KEYS_MAX = 256
"""Of one `rewrap`: a device of 4 ms an operation does them in 3 s."""

OFFICERS_MAX = 8

Code = Literal[
    "malformed",
    "no_state",
    "not_found",
    "blocked",
    "origin_unknown",
    "gap",
    "root_differs",
    "fork",
    "clock",
    "wrong_signature",
    "checkpoint_unknown",
    "typ_not_allowed",
    "document_differs",
    "does_not_open",
    "confirmation_wrong",
    "unavailable",
]
"""Why the signer does not do it. The first that holds is the answer."""

Size = Annotated[int, Meta(ge=0, le=SIZE_MAX)]
Hash = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
EntryBytes = Annotated[bytes, Meta(min_length=ENTRY_BYTES_MIN, max_length=ENTRY_BYTES_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Epoch = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Purpose = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,39}$", max_length=40)]
KeyBytes = Annotated[bytes, Meta(min_length=1, max_length=KEY_BYTES_MAX)]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t"):
    """One object on the wire; its type in the member `t`."""


# Requests ---------------------------------------------------------------------


class Status(_Message, frozen=True, tag="status"):
    """Ask how the signer stands. The one request that is always answered."""


class Extend(_Message, frozen=True, tag="extend", rename={"start": "from"}):
    """Stage entries, as stored, for the next head; `start` is the position of the first."""

    start: Size
    entries: Annotated[tuple[EntryBytes, ...], Meta(min_length=1, max_length=ENTRIES_MAX)]


class SignHead(_Message, frozen=True, tag="sign_head"):
    """Sign the head of the staged entries; `pq` asks for an ML-DSA-44 line as well."""

    origin: Name
    size: Size
    root: Hash
    pq: bool


class SignDocument(_Message, frozen=True, tag="sign_document"):
    """Sign a document that names a checkpoint.

    `note` is that checkpoint with its lines, or empty when this signer made it itself.
    """

    typ: Name
    payload: Annotated[bytes, Meta(min_length=2, max_length=PAYLOAD_BYTES_MAX)]
    key: Literal["documents", "certificates"]
    size: Size
    root: Hash
    note: bytes


class Wrap(_Message, frozen=True, tag="wrap"):
    """Seal a subject's key."""

    epoch: Epoch
    purpose: Purpose
    subject: Name
    data: KeyBytes


class Unwrap(_Message, frozen=True, tag="unwrap"):
    """Open a subject's sealed key."""

    epoch: Epoch
    purpose: Purpose
    subject: Name
    data: KeyBytes


class Rewrap(_Message, frozen=True, tag="rewrap"):
    """Seal subjects' keys of one epoch anew under another; none of them leaves the signer."""

    source: Epoch
    target: Epoch
    keys: Annotated[tuple[SealedKey, ...], Meta(min_length=1, max_length=KEYS_MAX)]


class Attest(_Message, frozen=True, tag="attest"):
    """Ask for a device's own statement about one of its keys."""

    label: Name


class OfficerSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An officer's Ed25519 signature over the bytes of a confirmation's statement."""

    officer: Name
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Confirm(_Message, frozen=True, tag="confirm"):
    """Lift a block, or accept the clock, by the word of two officers."""

    statement: Annotated[bytes, Meta(min_length=2, max_length=4096)]
    officers: Annotated[tuple[OfficerSignature, ...], Meta(max_length=OFFICERS_MAX)]


Request = Status | Extend | SignHead | SignDocument | Wrap | Unwrap | Rewrap | Attest | Confirm


# Answers ----------------------------------------------------------------------


class Standing(_Message, frozen=True, tag="standing"):
    """How the signer stands; sizes are -1 and `root` is empty before the first head.

    `size` is the newest head the signer is bound to, `signed_at` the time it signed last (us),
    `block` the number of the open block or 0.
    """

    origin: str
    size: int
    root: bytes
    staged_size: int
    signed_at: int
    block: int
    ready: bool
    devices: tuple[DeviceState, ...]
    keys: tuple[PublicKey, ...]


class Staged(_Message, frozen=True, tag="staged"):
    """The tree of all entries staged so far."""

    size: Size
    root: Hash


class SignedNote(_Message, frozen=True, tag="note"):
    """A signed checkpoint."""

    note: bytes


class SignedDocument(_Message, frozen=True, tag="document"):
    """A JWS in compact form."""

    jws: str


class Sealed(_Message, frozen=True, tag="sealed"):
    """A wrapped key, or what was in one."""

    data: bytes


class Resealed(_Message, frozen=True, tag="resealed"):
    """Keys sealed anew, in the order they were given."""

    keys: tuple[bytes, ...]


class Attested(_Message, frozen=True, tag="attested"):
    """The device's statement, empty when it makes none."""

    data: bytes


class Confirmed(_Message, frozen=True, tag="confirmed"):
    """The block is lifted, or the clock accepted."""


class Refused(_Message, frozen=True, tag="refused"):
    """The signer does not do it; `detail` is a sentence for a person."""

    code: Code
    detail: str


Answer = (
    Standing
    | Staged
    | SignedNote
    | SignedDocument
    | Sealed
    | Resealed
    | Attested
    | Confirmed
    | Refused
)

_M = TypeVar("_M", bound=Request | Answer)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    """Write a message with its length before it; `Malformed` when it is too long to send."""
    try:
        body = canonical(message)
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate", field="message") from error
    if len(body) > MESSAGE_BYTES_MAX:
        raise Malformed(f"longer than {MESSAGE_BYTES_MAX} bytes", field="message")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_length(prefix: bytes) -> int:
    """Read the length before a message; `Malformed` when no message can have it."""
    length = int.from_bytes(prefix, "big")
    if len(prefix) != LENGTH_BYTES or not 0 < length <= MESSAGE_BYTES_MAX:
        raise Malformed(f"a message has 1 to {MESSAGE_BYTES_MAX} bytes", field="length")
    return length


def parse_request(body: bytes) -> Request:
    """Read a request; `Malformed` for anything that `frame` would not write."""
    try:
        message = _requests.decode(body)
    except _UNREADABLE as error:
        raise Malformed(f"not a request: {error}", field="request") from error
    return _same(message, body)


def parse_answer(body: bytes) -> Answer:
    """Read an answer; `Malformed` for anything that `frame` would not write."""
    try:
        message = _answers.decode(body)
    except _UNREADABLE as error:
        raise Malformed(f"not an answer: {error}", field="answer") from error
    return _same(message, body)


def _same(message: _M, body: bytes) -> _M:
    if canonical(message) != body:
        raise Malformed("not in canonical form", field="message")
    return message
