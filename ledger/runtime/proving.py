"""Checkpoints of a ledger and proofs of its entries, for strangers to check offline."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ledger.kernel.errors import (
    CheckpointInvalid,
    Conflict,
    InvariantBroken,
    Malformed,
    Misconfigured,
    NotFound,
    ProofInvalid,
)
from ledger.kernel.hashing import leaf_hash
from ledger.runtime import writer
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry, Reads, TileReader
from ledger.store import journal
from ledger.store.witnessing import cosigned_note
from ledger.tlog import checkpoint as checkpoints
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, ProvenEntry, format_proof, verify_proof
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import Ed25519Verifier, Signer, Verifier, parse_note, parse_vkey

# Checkpoints ------------------------------------------------------------------


def sign_checkpoint(ledger: Ledger, signer: Signer, now: int) -> bytes:
    """Sign the head and keep the checkpoint; give its note. Durable when it returns.

    At most one checkpoint per size: asking again without new entries gives the same note. The
    checkpoint before must lead to the new one, else nothing is signed.

    Args:
        ledger: whose head is signed.
        signer: its key bears the name of the log's origin.
        now: time of signing in us.

    Raises:
        Misconfigured: the key is another log's, or did not sign the newest checkpoint.
        TamperEvidence: the newest checkpoint is not of this history, or its signature is wrong.
    """
    name = ledger.name
    if signer.key.name != name.origin:
        raise Misconfigured(f"signer: the key is of {signer.key.name}, the log is {name.origin}")
    with ledger.reading() as reads:
        head = reads.head
        _check_signed_by(reads, signer)
        newest = check_newest_checkpoint(reads)
        if newest is not None and newest.size == head.size:
            return newest_note(reads)
    said = Checkpoint(name.origin, head.size, head.root)
    note = checkpoints.sign_checkpoint(said, [signer])
    checkpoints.open_checkpoint(note, name.origin, [Ed25519Verifier(signer.key)])
    row = {"size": head.size, "root": head.root, "note": note, "signed_at": now}
    try:
        with ledger.writing() as tx:
            journal.add_checkpoint(tx, name.log_id, row)
    except InvariantBroken:
        # Another process signed this size in between; the same key gives the same note.
        with ledger.reading() as reads:
            newest = newest_checkpoint(reads)
            if newest is None or newest.size < head.size:
                raise
    return note


def newest_checkpoint(reads: Reads) -> Checkpoint | None:
    """Read what the newest stored checkpoint says, None before the first; checks nothing."""
    stored = journal.newest_checkpoint(reads.tx, reads.name.log_id)
    if stored is None:
        return None
    try:
        return parse_checkpoint(parse_note(stored[1]).text)
    except Malformed as error:
        raise CheckpointInvalid(f"the checkpoint at {stored[0]} does not parse") from error


def check_newest_checkpoint(reads: Reads) -> Checkpoint | None:
    """Check that our tree leads through the newest stored checkpoint; None before the first.

    Raises:
        CheckpointInvalid: it is another log's, larger than the log, or has another root than our
            entries: the database was restored from an older state, or edited.
    """
    said = newest_checkpoint(reads)
    if said is None:
        return None
    if said.origin != reads.name.origin:
        raise CheckpointInvalid(f"the newest checkpoint is of another log, {said.origin}")
    if said.size > reads.size:
        raise CheckpointInvalid(f"{said.size} entries were signed, but only {reads.size} are here")
    if proof.root(said.size, tile_reader(reads)) != said.root:
        raise CheckpointInvalid(f"the first {said.size} entries are not those that were signed")
    return said


def _check_signed_by(reads: Reads, signer: Signer) -> None:
    """See that the newest checkpoint bears a good signature of this very key."""
    if newest_checkpoint(reads) is None:
        return
    note = newest_note(reads)
    lines = {(line.name, line.key_id) for line in parse_note(note).signatures}
    if (signer.key.name, signer.key.key_id) not in lines:
        raise Misconfigured("signer.key_file: this key did not sign the newest checkpoint")
    checkpoints.open_checkpoint(note, reads.name.origin, [Ed25519Verifier(signer.key)])


def newest_note(reads: Reads) -> bytes:
    """Give the newest checkpoint as it was signed; `NotFound` before the first."""
    stored = journal.newest_checkpoint(reads.tx, reads.name.log_id)
    if stored is None:
        raise NotFound("no checkpoint was signed yet; sign one with `checkpoint --publish`")
    return stored[1]


def full_note(reads: Reads) -> bytes:
    """Give the newest checkpoint with every line it got: witnesses', and further keys of ours.

    `NotFound` before the first. Lines may come later, so the same checkpoint may have more of them.
    """
    size = parse_checkpoint(parse_note(newest_note(reads)).text).size
    return cosigned_note(reads.tx, reads.name.log_id, size)


# Proofs -----------------------------------------------------------------------


def prove_entry(ledger: Ledger, position: int) -> bytes:
    """Make the proof file of one entry, with the entry in it, under the newest checkpoint.

    Raises:
        NotFound: the log has no such entry, or no checkpoint.
        Conflict: the newest checkpoint is older than the entry; sign one and try again.
    """
    return next(prove_entries(ledger, [position]))


def prove_entries(
    ledger: Ledger, positions: Iterable[int], *, is_bare: bool = False
) -> Iterator[bytes]:
    """Make the proof files of several entries, in the order given; raises as `prove_entry`.

    The checkpoint bears all its lines; where `is_bare`, only those it was kept with, so that the
    same checkpoint always gives the same bytes.
    """
    with ledger.reading() as reads:
        note = newest_note(reads) if is_bare else full_note(reads)
        size = parse_checkpoint(parse_note(note).text).size
        read_tile = tile_reader(reads)
        for position in positions:
            data = reads.entry(position).data
            if position >= size:
                raise Conflict(f"the newest checkpoint covers {size} entries, not yet {position}")
            path = proof.inclusion(position, size, read_tile)
            yield format_proof(ProofFile(position, path, note, data))


def tile_reader(reads: Reads) -> TileReader:
    """Read the tiles of the tree, full ones and the open edge, as `reads` sees them."""
    tree = writer.restore_tree(reads.tx, reads.name.log_id, reads.head)
    return reads.tile_reader(tree.tiles)


def check_chain(history: Sequence[Entry], pack_id: str) -> None:
    """Check that entries, by position, are the first ones of a pack and linked without a gap.

    Raises:
        ProofInvalid: an entry is missing, or one names another predecessor; says which.
    """
    previous: Entry | None = None
    for count, entry in enumerate(history, start=1):
        position = entry.envelope.position
        link = next((link for link in entry.envelope.packs if link.pack == pack_id), None)
        if link is None or link.count != count:
            raise ProofInvalid(f"position {position} is not entry {count} of pack {pack_id}")
        before: tuple[int | None, bytes | None] = (None, None)
        if previous is not None:
            before = (previous.envelope.position, leaf_hash(previous.data))
        if (link.previous, link.previous_leaf) != before:
            raise ProofInvalid(f"position {position} does not follow the pack's entry before it")
        previous = entry


# Checking offline -------------------------------------------------------------


def verify_bundle(data: bytes, verifiers: Sequence[Verifier]) -> ProvenEntry:
    """Check a proof file offline against the caller's own keys of one log.

    Raises:
        Misconfigured: no key was given, or keys of several logs.
        Malformed: the bytes are no proof file.
        SignatureInvalid, CheckpointInvalid, ProofInvalid: the evidence does not hold.
    """
    origins = {each.key.name for each in verifiers}
    if len(origins) != 1:
        raise Misconfigured("give the verifier keys of exactly one log")
    return verify_proof(data, origins.pop(), verifiers)


def read_vkey(text: str) -> Verifier:
    """Read one Ed25519 verifier key; `Malformed` or `Misconfigured` when it is none."""
    return Ed25519Verifier(parse_vkey(text.strip()))


# A signed state ---------------------------------------------------------------


class SignedLog(msgspec.Struct, frozen=True):
    """The log as its newest checkpoint says it: what an export of the log reads."""

    reads: Reads
    checkpoint: bytes
    size: int
    root: bytes

    def entries(self, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of the entries in [first, end), in order."""
        return self.reads.raw(first, end)


def signed_log(reads: Reads) -> SignedLog:
    """Give the log under its newest checkpoint; `NotFound` before the first one."""
    note = newest_note(reads)
    said = check_newest_checkpoint(reads)
    assert said is not None, "a note is a checkpoint, within one read transaction"
    return SignedLog(reads, note, said.size, said.root)
