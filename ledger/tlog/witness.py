"""The witness protocol: what is asked, what a witness decides, how the answer is read.

C2SP tlog-witness. A log posts its new checkpoint to ``<submission prefix>/add-checkpoint``, with
the proof that it continues the last one this witness signed::

    old <size of that one>
    <base64 of a hash>          one line for each hash of the consistency proof, at most 63

    <the checkpoint, with all its lines>

The witness answers 200 with one or more signature lines, or refuses; `decide` says when. A refusal
with 409 carries the size this witness signed last, in decimal, with the content type
``text/x.tlog.size``.

A witness keeps, for each log, the newest checkpoint it cosigned, and replaces it before the answer
leaves. Of a checkpoint that is validly signed and does not fit, it keeps evidence.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import msgspec

from ledger.kernel.errors import (
    CheckpointInvalid,
    Malformed,
    Misconfigured,
    ProofInvalid,
    SignatureInvalid,
)
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.bundle import PATH_HASHES_MAX
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from ledger.tlog.cosign import signed_at
from ledger.tlog.note import (
    COSIGNATURE_V1,
    NOTE_BYTES_MAX,
    Note,
    Signature,
    Signer,
    Verifier,
    VerifierKey,
    format_lines,
    format_note,
    open_note,
    parse_lines,
    parse_note,
    read_decimal,
    read_hash,
)
from ledger.tlog.policy import FUTURE_S_MAX
from ledger.tlog.verify import check_consistency

REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4 * 1024
SIZE_TYPE = "text/x.tlog.size"
PLAIN_TYPE = "text/plain; charset=utf-8"

SIGNED = 200
MALFORMED = 400
NOT_TRUSTED = 403
UNKNOWN_LOG = 404
OTHER_SIZE = 409
UNPROVEN = 422


class AddCheckpoint(msgspec.Struct, frozen=True):
    """A request: the size this witness should have signed last, the proof from there, the note."""

    old: int
    path: tuple[bytes, ...]
    note: bytes


class Evidence(msgspec.Struct, frozen=True):
    """A checkpoint that its log validly signed, and that does not fit what we signed before.

    `note` has the lines of the log alone, so that strangers cannot make many of one; `held` is the
    note we signed before, empty when there was none.
    """

    origin: str
    reason: str
    note: bytes
    held: bytes


class Refusal(msgspec.Struct, frozen=True):
    """A request that is not signed: what is answered, and what is kept of it for a judge."""

    status: int
    body: str
    evidence: Evidence | None = None

    @property
    def content_type(self) -> str:
        """The media type of the answer's body."""
        return SIZE_TYPE if self.status == OTHER_SIZE else PLAIN_TYPE


class Accepted(msgspec.Struct, frozen=True):
    """A checkpoint that this witness may sign: it replaces `replaces`, which must still stand."""

    signed: SignedCheckpoint
    replaces: SignedCheckpoint | None


def parse_request(data: bytes) -> AddCheckpoint:
    """Read a request without checking it; `Malformed` for any other bytes."""
    head, gap, note = data.partition(b"\n\n")
    if len(data) > REQUEST_BYTES_MAX or not gap:
        raise Malformed("too long, or without a checkpoint", field="request")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not ASCII", field="request") from error
    if not first.startswith("old "):
        raise Malformed("the first line names the old size", field="old")
    if len(lines) > PATH_HASHES_MAX:
        raise Malformed(f"more than {PATH_HASHES_MAX} hashes", field="path")
    parse_checkpoint(parse_note(note).text)
    return AddCheckpoint(
        old=read_decimal(first.removeprefix("old "), "old"),
        path=tuple(read_hash(line, "path") for line in lines),
        note=note,
    )


def format_request(request: AddCheckpoint) -> bytes:
    """Write a request; `Malformed` when it is one that `parse_request` would not read."""
    lines = [f"old {request.old}", *(b64encode(each).decode() for each in request.path)]
    data = "\n".join(lines).encode() + b"\n\n" + request.note
    parse_request(data)
    return data


def decide(
    data: bytes,
    trusted: Mapping[str, Sequence[Verifier]],
    held: Callable[[str], SignedCheckpoint | None],
) -> Accepted | Refusal:
    """Decide on a request, in the order of the protocol; the first rule that fails answers.

    Args:
        data: the body of the request.
        trusted: keys of each known log, by origin.
        held: gives the newest checkpoint this witness signed for an origin, None before the first;
            asked at most once, and only for what a trusted key signed.
    """
    try:
        request = parse_request(data)
    except Malformed as error:
        return Refusal(MALFORMED, f"{error}\n")
    said = parse_checkpoint(parse_note(request.note).text)
    if said.origin not in trusted:
        return Refusal(UNKNOWN_LOG, "this log is not known here\n")
    try:
        _, signed_by = open_note(request.note, trusted[said.origin])
    except SignatureInvalid as error:
        return Refusal(NOT_TRUSTED, f"{error}\n")
    signed = SignedCheckpoint(said, _with_lines_of(request.note, signed_by), signed_by)
    before = held(said.origin)
    refusal = _refusal(request, signed, before)
    return Accepted(signed, before) if refusal is None else refusal


def _refusal(
    request: AddCheckpoint, signed: SignedCheckpoint, before: SignedCheckpoint | None
) -> Refusal | None:
    """Test what is asked against what is held; None when nothing is wrong."""
    said = signed.checkpoint
    size = 0 if before is None else before.checkpoint.size
    contradiction = _contradiction(said, before)
    evidence = _evidence(contradiction, signed, before) if contradiction else None
    if request.old > said.size:
        return Refusal(MALFORMED, "the old size is the larger one\n", evidence)
    if request.old != size:
        return Refusal(OTHER_SIZE, f"{size}\n", evidence)
    if evidence:
        return Refusal(UNPROVEN, f"{contradiction}\n", evidence)
    if before is None or said.size == size or not size:
        # from nothing, or to the same, there is nothing to prove
        return Refusal(UNPROVEN, "a proof where none belongs\n") if request.path else None
    try:
        check_consistency(before, signed, request.path)
    except ProofInvalid as error:
        # whoever asked may have made the proof: the note is kept for a judge, it is no verdict
        reason = f"not proven to continue size {size}"
        return Refusal(UNPROVEN, f"{reason}: {error}\n", _evidence(reason, signed, before))
    return None


def _evidence(reason: str, signed: SignedCheckpoint, before: SignedCheckpoint | None) -> Evidence:
    held = b"" if before is None else before.note
    return Evidence(signed.checkpoint.origin, reason, signed.note, held)


def _contradiction(said: Checkpoint, before: SignedCheckpoint | None) -> str:
    """Say what no proof could mend: two roots of one size, or a root of nothing."""
    if not said.size and said.root != EMPTY_ROOT:
        return "an empty log with a root"
    if before is not None and said.size == before.checkpoint.size:
        return "" if said.root == before.checkpoint.root else "two roots of one size"
    return ""


def _with_lines_of(note: bytes, keys: Sequence[VerifierKey]) -> bytes:
    """Keep of a note only the lines of these keys: strangers cannot make it another one."""
    parsed = parse_note(note)
    known = {(key.name, key.key_id) for key in keys}
    lines = tuple(each for each in parsed.signatures if (each.name, each.key_id) in known)
    return format_note(Note(parsed.text, lines))


# What a witness holds -------------------------------------------------------------------------


def cosign(signed: SignedCheckpoint, cosigners: Sequence[Signer]) -> tuple[bytes, bytes]:
    """Cosign an accepted checkpoint: give the answer's body, and the note to hold.

    A checkpoint with extension lines gets no line of type 0x06, which would not cover them.

    Raises:
        Misconfigured: no cosigner can sign this text; a witness has at least one of type 0x04.
    """
    text = parse_note(signed.note).text
    able = [
        each
        for each in cosigners
        if each.key.kind == COSIGNATURE_V1 or not signed.checkpoint.extensions
    ]
    if not able:
        raise Misconfigured("a witness needs a key of type 0x04")
    body = format_lines(Signature(each.key.name, each.key.key_id, each.sign(text)) for each in able)
    return body, add_lines(signed.note, body)


def open_held(note: bytes, origin: str, own: Sequence[Verifier]) -> SignedCheckpoint:
    """Read a note that this witness holds, by its own signature.

    Raises:
        Malformed: the bytes are no note, or no checkpoint.
        SignatureInvalid: this witness never signed it.
        CheckpointInvalid: it is another log's.
    """
    text, signed_by = open_note(note, own)
    said = parse_checkpoint(text)
    if said.origin != origin:
        raise CheckpointInvalid("a checkpoint of another log")
    return SignedCheckpoint(said, note, signed_by)


def origin_hash(origin: str) -> str:
    """Name a log in the monitoring path: hex of the SHA-256 of its origin, lower case."""
    return sha256(origin.encode()).hexdigest()


# What a log makes of the answer ---------------------------------------------------------------


def parse_size(data: bytes) -> int:
    """Read the body of a 409: the size this witness signed last; `Malformed` otherwise."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("not ASCII", field="size") from error
    if not text.endswith("\n"):
        raise Malformed("a number and a newline", field="size")
    return read_decimal(text.removesuffix("\n"), "size")


def known_lines(
    text: bytes, body: bytes, verifiers: Sequence[Verifier], now_s: int
) -> tuple[Signature, ...]:
    """Take from the answer to `text` the lines of these keys; others are passed over.

    Raises:
        Malformed: the body is no signature lines.
        SignatureInvalid: no line is of these keys, the line of one fails or stands twice, or its
            time is more than `FUTURE_S_MAX` ahead of `now_s`.
    """
    lines = parse_lines(body)
    _, signed_by = open_note(format_note(Note(text, lines)), verifiers)
    known = {(key.name, key.key_id) for key in signed_by}
    kept = tuple(line for line in lines if (line.name, line.key_id) in known)
    if any(signed_at(line.payload) > now_s + FUTURE_S_MAX for line in kept):
        raise SignatureInvalid("a cosignature from the future")
    return kept


def add_lines(note: bytes, body: bytes) -> bytes:
    """Add signature lines to a note; lines of a key that signed it already are left out."""
    parsed = parse_note(note)
    there = {(line.name, line.key_id) for line in parsed.signatures}
    added = [line for line in parse_lines(body) if (line.name, line.key_id) not in there]
    return format_note(Note(parsed.text, (*parsed.signatures, *added)))
