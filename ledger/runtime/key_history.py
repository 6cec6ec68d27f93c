"""The log's keys as the log tells them: for `/keys`, for `/ceremonies`, and against revoked keys.

Old public keys are told for ever, so that old checkpoints verify for ever. Whom a verifier trusts
is his own affair; what stands here is what was announced, when, and by which ceremony.
"""

from ledger.domain.ceremonies import HELD_CEREMONIES, Ceremony
from ledger.domain.log_keys import LOG_KEYS, LogKey
from ledger.kernel.errors import TamperEvidence
from ledger.runtime.reads import Reads
from ledger.store.journal import covering_checkpoint
from ledger.store.witnessing import cosigned_note
from ledger.tlog.note import Note, parse_note, parse_vkey


def announced_keys(reads: Reads, purpose: str | None = None) -> list[LogKey]:
    """List every key ever announced, perhaps of one purpose, in the order of their entries."""
    rows = reads.rows(LOG_KEYS, listed=purpose)
    return sorted((row for _, row in rows), key=lambda row: row.announced)


def held_ceremonies(reads: Reads) -> list[Ceremony]:
    """List every ceremony written down, in the order of their entries."""
    return sorted((row for _, row in reads.rows(HELD_CEREMONIES)), key=lambda row: row.position)


def announced_vkeys(reads: Reads) -> list[str]:
    """List the verifier keys of checkpoints, those that sign no more too, oldest first."""
    return [row.vkey for row in announced_keys(reads, "checkpoint")]


def check_revoked(reads: Reads) -> None:
    """See that no checkpoint rests on revoked keys alone beyond what they are trusted for.

    Raises:
        TamperEvidence: one does; whoever took the key away may have made it.
    """
    revoked = {
        (vkey.name, vkey.key_id): row.last_trusted_size
        for row in announced_keys(reads, "checkpoint")
        if row.revoked
        for vkey in (parse_vkey(row.vkey),)
    }
    end = min(revoked.values(), default=0) + 1
    while revoked and (found := covering_checkpoint(reads.tx, reads.name.log_id, end)):
        size = found[0]
        note = parse_note(cosigned_note(reads.tx, reads.name.log_id, size))
        if not _own_lines(note, reads.name.origin, revoked, size):
            raise TamperEvidence(f"the checkpoint over {size} entries bears revoked keys alone")
        end = size + 1


def _own_lines(note: Note, origin: str, revoked: dict[tuple[str, bytes], int], size: int) -> int:
    """Count the lines of the log itself whose keys are trusted for a size."""
    lines = ((each.name, each.key_id) for each in note.signatures if each.name == origin)
    return sum(size <= revoked.get(line, size) for line in lines)
