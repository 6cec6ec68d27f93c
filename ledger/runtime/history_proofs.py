"""Proofs of the complete history of a pack: asking for a map, making the file, checking it."""

import threading
from collections.abc import Mapping, Sequence

from ledger.domain.history_map import MAPS, NEWEST, HistoryMapped, MapHistory
from ledger.kernel.errors import Conflict, Misconfigured, NotFound, ReplayDiffers
from ledger.kernel.messages import Actor, Request
from ledger.kernel.sealing import Opening
from ledger.runtime import proving
from ledger.runtime.history_maps import Mapper
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.store.queries.chains import links_of
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.history import (
    BUNDLE_TYPE,
    HistoryFile,
    ProvenHistory,
    ProvenPart,
    format_history,
    verify_complete_history,
)
from ledger.tlog.history_map import MapTree
from ledger.tlog.note import Verifier, parse_note
from ledger.tlog.proof import inclusion
from ledger.tlog.tiles import ReadTile

SYSTEM = Actor(id="system", role="system")


def map_history(
    ledger: Ledger, key: bytes, at: int, *, actor: Actor = SYSTEM, on_request: bool = False
) -> None:
    """Append a history map, unless nothing was written since the newest one; durable when done.

    The clockwork calls this hourly and after a period was closed; `on_request` is for a person.

    Raises:
        Refused: on request, and the newest map is less than a minute old.
        Conflict: the key was used before, for something else.
    """
    command = MapHistory(on_request=on_request)
    ledger.execute(Request(key=key, principal=actor.id, actor=actor, at=at, command=command))


class HistoryProver:
    """Makes history files of one ledger; keeps the rows of the newest map between two files.

    The first file after a start reads the last link of every pack, later ones only what the next
    map changed. For any number of threads, one of which works at a time.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Prepare; nothing is read yet."""
        self._ledger = ledger
        self._mapper = Mapper()
        self._one = threading.Lock()

    def prove(
        self,
        pack_id: str,
        *,
        absent: bool = False,
        openings: Mapping[int, tuple[Opening, ...]] | None = None,
    ) -> bytes:
        """Make the history file of a pack under the newest map and the newest checkpoint.

        Entries that name the pack after the map are in it too, as later ones.

        Args:
            pack_id: the pack.
            absent: whether a pack that no entry below the map names gets a proof of just that.
            openings: the sealed fields to disclose, by position.

        Raises:
            NotFound: no map or checkpoint was made yet, or no entry below the map names the pack.
            Conflict: the newest checkpoint is older than the map; sign one and try again.
            TamperEvidence: the stored links do not lead to the map that was signed.
        """
        with self._one, self._ledger.reading() as reads:
            note = proving.full_note(reads)
            size = parse_checkpoint(parse_note(note).text).size
            as_of = _newest_map(reads, size)
            rows = self._mapper.at(reads.tx, reads.name.log_id, as_of)
            _same_root(reads, as_of, rows)
            row = rows.row(pack_id)
            if row is None and not absent:
                raise NotFound(f"no entry below the map at position {as_of} names pack {pack_id}")
            before, following = (None, None) if row else rows.neighbours(pack_id)
            read_tile = proving.tile_reader(reads)
            entries, later = _entries(reads, pack_id, as_of, size)
            if len(entries) != (row.count if row else 0):
                raise ReplayDiffers(f"the links of pack {pack_id} have a gap", position=as_of)
            made = HistoryFile(
                t=BUNDLE_TYPE,
                checkpoint=note.decode(),
                map=_part(reads, as_of, size, read_tile),
                entries=tuple(entries),
                openings={str(each): shown for each, shown in sorted((openings or {}).items())},
                row=rows.place(pack_id) if row else None,
                before=before,
                next=following,
                after=tuple(_part(reads, each, size, read_tile) for each in later),
            )
        return format_history(made)


def _newest_map(reads: Reads, size: int) -> int:
    newest = reads.row(MAPS, NEWEST)
    if newest is None:
        raise NotFound("no map of all histories was made yet")
    if newest.position >= size:
        raise Conflict(
            f"the newest checkpoint covers {size} entries, not yet the map at {newest.position}"
        )
    return newest.position


def _same_root(reads: Reads, as_of: int, rows: MapTree) -> None:
    event = reads.entry(as_of).event
    if not isinstance(event, HistoryMapped) or (event.packs, event.root) != (
        len(rows),
        rows.root(),
    ):
        raise ReplayDiffers("the stored links do not lead to the map there", position=as_of)


def _entries(reads: Reads, pack_id: str, as_of: int, size: int) -> tuple[list[bytes], list[int]]:
    """Give the bytes of the entries below the map, newest first, and the positions after it."""
    newest_first: list[bytes] = []
    later: list[int] = []
    for position, data in links_of(reads.tx, reads.name.log_id, pack_id, size):
        if position < as_of:
            newest_first.append(data)
        else:
            later.append(position)
    return newest_first[::-1], later


def _part(reads: Reads, position: int, size: int, read_tile: ReadTile) -> ProvenPart:
    return ProvenPart(reads.entry(position).data, inclusion(position, size, read_tile))


# Checking offline -------------------------------------------------------------


def verify_history(data: bytes, verifiers: Sequence[Verifier], pack_id: str) -> ProvenHistory:
    """Check a history file offline against the caller's own keys of one log.

    Raises:
        Misconfigured: no key was given, or keys of several logs.
        Malformed: the bytes are no history file.
        SignatureInvalid, CheckpointInvalid, ProofInvalid: the evidence does not hold.
    """
    origins = {each.key.name for each in verifiers}
    if len(origins) != 1:
        raise Misconfigured("give the verifier keys of exactly one log")
    return verify_complete_history(data, origins.pop(), verifiers, pack_id)
