"""Checkpoints: a signed note that says how large the log is and what its root is.

The text has three lines (C2SP tlog-checkpoint)::

    <origin>
    <size>
    <base64 of the root>

The origin is the log's name, a URL without scheme, and also the name of its keys. Other logs may
add lines of their own; ours has none, and `open_checkpoint` refuses them, because nobody audits
what they say.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence

import msgspec

from ledger.kernel.errors import CheckpointInvalid, Malformed
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.note import (
    ED25519,
    ML_DSA_44,
    Signer,
    Verifier,
    VerifierKey,
    check_name,
    open_note,
    read_decimal,
    read_hash,
    sign_note,
)

LOG_KINDS = (ED25519, ML_DSA_44)
"""Types of keys that a log signs with; a cosignature of type 0x04 is never the log's own."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What a checkpoint says, whoever says it: the root of the first `size` entries."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


class SignedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint that the caller's own keys vouch for, with its note as it came.

    Only what verifies signatures makes one with `signed_by` (`open_checkpoint` here, and its
    neighbours in policy.py and witness.py); the checks of proofs refuse one without.
    """

    checkpoint: Checkpoint
    note: bytes
    signed_by: tuple[VerifierKey, ...]


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint; `Malformed` for any other bytes. Believes nothing."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", field="checkpoint") from error
    if len(lines) < 4 or lines.pop() or not all(lines):  # noqa: PLR2004  three lines and their end
        raise Malformed("origin, size and root, each on a line", field="checkpoint")
    origin, size, root, *extensions = lines
    return Checkpoint(
        check_name(origin), read_decimal(size, "size"), read_hash(root, "root"), tuple(extensions)
    )


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Write the text of a checkpoint; `Malformed` when `parse_checkpoint` would not read it."""
    root = b64encode(checkpoint.root).decode()
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    text = "".join(f"{line}\n" for line in lines).encode()
    if parse_checkpoint(text) != checkpoint:
        raise Malformed("holds what a checkpoint cannot say", field="checkpoint")
    return text


def sign_checkpoint(checkpoint: Checkpoint, signers: Iterable[Signer]) -> bytes:
    """Sign a checkpoint with each signer, in order, and write the note."""
    return sign_note(format_checkpoint(checkpoint), signers)


def open_checkpoint(note: bytes, origin: str, verifiers: Sequence[Verifier]) -> SignedCheckpoint:
    """Check a signed checkpoint of the log `origin` against keys from the caller's own policy.

    Raises:
        Malformed: the bytes are no note, or its text is no checkpoint.
        SignatureInvalid: as `open_note`.
        CheckpointInvalid: it is another log's, no key of the log itself signed it, it carries
            extension lines, or it gives an empty log a root.
    """
    text, signed_by = open_note(note, verifiers)
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != origin:
        raise CheckpointInvalid("a checkpoint of another log")
    if all(key.name != origin or key.kind not in LOG_KINDS for key in signed_by):
        raise CheckpointInvalid("no key of the log itself signed")
    check_sound(checkpoint)
    return SignedCheckpoint(checkpoint, note, signed_by)


def check_sound(checkpoint: Checkpoint) -> None:
    """Raise `CheckpointInvalid` for extension lines, and for an empty log with a root."""
    if checkpoint.extensions:
        raise CheckpointInvalid("a checkpoint with extension lines")
    if not checkpoint.size and checkpoint.root != EMPTY_ROOT:
        raise CheckpointInvalid("an empty log with a root")
