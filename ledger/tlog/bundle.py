"""Proof files: one entry, its path and a checkpoint, checked offline (C2SP tlog-proof).

::

    c2sp.org/tlog-proof@v1
    extra <base64>
    index <position>
    <base64 of a hash>          one line for each hash of the path, leaf sibling first

    <the checkpoint, with all its lines>

The extra line may be absent and is vouched for by nobody. Ours holds ``{"entry": <base64>}`` in
canonical JSON: the bytes of the entry. They count only because their leaf leads to the root. An
extra line that says more is refused, for what is not checked must not look as if it were.
"""

from base64 import b64encode
from collections.abc import Sequence

import msgspec

from ledger.kernel.errors import Malformed, ProofInvalid
from ledger.kernel.hashing import leaf_hash
from ledger.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tlog.note import (
    NOTE_BYTES_MAX,
    Verifier,
    parse_note,
    read_base64,
    read_decimal,
    read_hash,
)
from ledger.tlog.verify import check_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
PATH_HASHES_MAX = 63
PROOF_FILE_BYTES_MAX = 3 * NOTE_BYTES_MAX


class ProofFile(msgspec.Struct, frozen=True):
    """What a proof file holds, none of it checked; `note` is the checkpoint as it came."""

    index: int
    path: tuple[bytes, ...]
    note: bytes
    entry: bytes | None = None


class ProvenEntry(msgspec.Struct, frozen=True):
    """An entry whose place in the log is proven under `signed`."""

    position: int
    entry: bytes
    signed: SignedCheckpoint


class _Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entry: bytes


def format_proof(proof: ProofFile) -> bytes:
    """Write a proof file; `Malformed` when it is one that `parse_proof` would not read."""
    lines = [HEADER]
    if proof.entry is not None:
        lines.append(f"extra {b64encode(msgspec.json.encode(_Extra(proof.entry))).decode()}")
    lines.append(f"index {proof.index}")
    lines += [b64encode(each).decode() for each in proof.path]
    data = "\n".join(lines).encode() + b"\n\n" + proof.note
    parse_proof(data)
    return data


def parse_proof(data: bytes) -> ProofFile:
    """Read a proof file without checking it; `Malformed` for any other bytes."""
    head, gap, note = data.partition(b"\n\n")
    if len(data) > PROOF_FILE_BYTES_MAX or not gap:
        raise Malformed("too long, or without a checkpoint", field="proof")
    parse_note(note)
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not ASCII", field="proof") from error
    entry = None
    if lines and lines[0].startswith("extra "):
        entry = _read_extra(lines.pop(0).removeprefix("extra "))
    if header != HEADER or not lines or not lines[0].startswith("index "):
        raise Malformed("no proof file of a version known here", field="proof")
    if len(lines) - 1 > PATH_HASHES_MAX:
        raise Malformed(f"more than {PATH_HASHES_MAX} hashes", field="path")
    return ProofFile(
        index=read_decimal(lines[0].removeprefix("index "), "index"),
        path=tuple(read_hash(line, "path") for line in lines[1:]),
        note=note,
        entry=entry,
    )


def verify_proof(
    data: bytes, origin: str, verifiers: Sequence[Verifier], *, entry: bytes | None = None
) -> ProvenEntry:
    """Check a proof file of the log `origin` against the caller's own keys, offline (steps E1-E5).

    `entry` gives the bytes of the entry when the file does not carry them; when both do, they must
    be the same.

    Raises:
        Malformed: the bytes are no proof file, or nobody gave the entry.
        SignatureInvalid, CheckpointInvalid: as `open_checkpoint`.
        ProofInvalid: the entry is not at that place of the log.
    """
    proof = parse_proof(data)
    signed = open_checkpoint(proof.note, origin, verifiers)  # E1
    return check_proof(proof, signed, entry=entry)


def check_proof(
    proof: ProofFile, signed: SignedCheckpoint, *, entry: bytes | None = None
) -> ProvenEntry:
    """Check a proof under its checkpoint, once that is opened (steps E2-E5); see `verify_proof`."""
    known = proof.entry if entry is None else entry
    if known is None:
        raise Malformed("carries no entry, and none was given", field="extra")
    if proof.entry not in (None, known):
        raise ProofInvalid("step E2: the file carries another entry")
    check_inclusion(signed, proof.index, leaf_hash(known), proof.path)  # E2 to E5
    return ProvenEntry(proof.index, known, signed)


def _read_extra(text: str) -> bytes:
    raw = read_base64(text, "extra")
    try:
        extra = msgspec.json.decode(raw, type=_Extra)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not the canonical JSON of an entry", field="extra") from error
    if msgspec.json.encode(extra) != raw:
        raise Malformed("not canonical JSON", field="extra")
    return extra.entry
