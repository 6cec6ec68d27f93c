"""Verifying a ledger from its bytes; every failure names the first position that differs.

`verify_bytes` hashes every stored entry again and compares leaves, tiles, frontier and root.
`verify_books` adds every posting up again, and every opening of a sealed field is tried on its
entry. `verify_deep` replays all rules (replay.py) and compares every row of every table that is
derived from the log.
"""

from array import array
from collections.abc import Iterable
from typing import Any

import msgspec

from ledger.domain.privacy import SUBJECTS
from ledger.kernel.envelope import command_key
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.hashing import HASH_BYTES, leaf_hash
from ledger.kernel.messages import Receipt
from ledger.runtime.key_history import check_revoked
from ledger.runtime.openings import SEALED_KINDS, verify_openings
from ledger.runtime.reads import Reads
from ledger.runtime.replay import Progress, Replayed, no_progress, replay, row_hash
from ledger.runtime.titles import check_titles
from ledger.store import scan
from ledger.store.erasures import scan_erasures
from ledger.tlog.tiles import LEVEL_MAX, TILE_WIDTH, TileBuilder, TileData


class Verified(msgspec.Struct, frozen=True):
    """What was found in order: entries, the root over them, and how deep the look was."""

    size: int
    root: bytes
    deep: bool


def verify(reads: Reads, *, deep: bool = False, progress: Progress = no_progress) -> Verified:
    """Verify bytes, tree, head and books; with `deep` also replay everything and compare.

    Raises:
        ReplayDiffers: something differs; the message and `position` say what and where.
        InvariantBroken: titles do not sum to the commissioned fleet.
    """
    sealed = verify_bytes(reads, no_progress if deep else progress)
    if deep:
        # only now: rules may trust that these are the bytes they once wrote
        compare(reads, replay(reads, progress))
    verify_books(reads)
    verify_openings(reads, sealed)
    check_revoked(reads)
    if deep:
        check_titles(reads)
    return Verified(reads.size, reads.head.root, deep)


def verify_bytes(reads: Reads, progress: Progress = no_progress) -> "array[int]":
    """Hash all stored entries again and compare with tiles, edge, frontier and root.

    Gives the positions of entries with sealed fields, as their rows tell the kind: no other pass
    over the log is needed to find them.
    """
    _no_more_entries(reads)
    sealed = array("q")
    tiles = TileBuilder()
    stored = _StoredTiles(reads)
    position = 0
    for chunk in scan.scan_bytes(reads.tx, reads.name.log_id, reads.size):
        if chunk[0][0] != position or chunk[-1][0] != position + len(chunk) - 1:
            raise ReplayDiffers("the entry is missing", position=_gap(chunk, position))
        tiles, done = tiles.extend(_leaves(chunk))
        for tile in done:
            _same_tile(stored, tile)
        sealed.extend([at for at, kind, _ in chunk if kind in SEALED_KINDS])
        position += len(chunk)
        progress(position, reads.size)
    if position != reads.size:
        raise ReplayDiffers("the entry is missing", position=position)
    _same_head(reads, tiles)
    _same_time(reads)
    _no_more_tiles(reads)
    return sealed


def _leaves(chunk: list[tuple[int, str, Any]]) -> list[bytes]:
    try:
        return [leaf_hash(data) for _, _, data in chunk]
    except TypeError as error:  # a changed file can hold a text where the bytes were
        position = next(at for at, _, data in chunk if not isinstance(data, bytes))
        raise ReplayDiffers("the bytes are none", position=position) from error


def _gap(chunk: list[tuple[int, str, bytes]], position: int) -> int:
    expected = position
    for found, _, _ in chunk:
        if found != expected:
            return expected
        expected += 1
    return expected


class _StoredTiles:
    """Full tiles in the order in which a growing tree completes them; leaf tiles in one scan."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        chunks = scan.scan_tiles(reads.tx, reads.name.log_id, 0)
        self._leaves = (tile for chunk in chunks for tile in chunk)
        self._next = next(self._leaves, None)

    def read(self, level: int, number: int) -> bytes | None:
        if level:
            return self._reads.tile(level, number)
        while self._next is not None and self._next[0] < number:
            self._next = next(self._leaves, None)
        found = self._next
        return found[1] if found is not None and found[0] == number else None


def _same_tile(tiles: _StoredTiles, tile: TileData) -> None:
    level, number, data = tile
    stored = tiles.read(level, number)
    if stored == data:
        return
    if stored is None or level:
        raise ReplayDiffers(
            f"tile {level}/{number} is {'missing' if stored is None else 'another one'}",
            position=number * TILE_WIDTH ** (level + 1),
        )
    raise ReplayDiffers(
        "the bytes are not those that were hashed",
        position=number * TILE_WIDTH + _first_difference(stored, data),
    )


def _first_difference(stored: bytes, computed: bytes) -> int:
    length = max(len(stored), len(computed))
    for at in range(0, length, HASH_BYTES):
        if stored[at : at + HASH_BYTES] != computed[at : at + HASH_BYTES]:
            return at // HASH_BYTES
    return 0


def _same_head(reads: Reads, tiles: TileBuilder) -> None:
    head = reads.head
    edge = tiles.edges[0] if tiles.edges else b""
    if edge != head.edge:
        first = reads.size - reads.size % TILE_WIDTH
        raise ReplayDiffers(
            "the bytes are not those that were hashed",
            position=first + _first_difference(head.edge, edge),
        )
    frontier = tiles.frontier()
    if frontier.root() != head.root or frontier.to_bytes() != head.frontier:
        raise ReplayDiffers("the head row has another root", position=reads.size)


def _same_time(reads: Reads) -> None:
    last = reads.size - 1
    if reads.size and reads.entry(last).envelope.recorded_at != reads.head.recorded_at:
        raise ReplayDiffers("the head row has another time than the entry", position=last)


def _no_more_tiles(reads: Reads) -> None:
    for level, smallest, largest in scan.outermost_tiles(reads.tx, reads.name.log_id):
        span = TILE_WIDTH ** (level + 1) if 0 <= level <= LEVEL_MAX else reads.size + 1
        for number in (smallest, largest):
            if not 0 <= number < reads.size // span:
                raise ReplayDiffers(f"tile {level}/{number} is one too many")


def _no_more_entries(reads: Reads) -> None:
    extra = scan.beyond(reads.tx, reads.name.log_id, reads.size)
    if extra is not None:
        raise ReplayDiffers("an entry stands beyond the head", position=extra)


def verify_books(reads: Reads) -> None:
    """Add all postings up again: each commodity to zero, each balance to what is kept."""
    tx, log_id = reads.tx, reads.name.log_id
    same = scan.same_books(tx, log_id)
    for table in ("entry_pack",) if same else ("entry_pack", "posting"):
        position = scan.in_another_stretch(tx, log_id, table)
        if position is not None:
            raise ReplayDiffers(f"{table}: a row lies in another stretch", position=position)
    account = None if same else scan.differing_balance(tx, log_id)
    # balances that are the sums of their postings have the same total as these
    commodity = scan.unbalanced_commodity(tx, log_id, by_balance=account is None)
    if commodity is not None:
        raise ReplayDiffers(f"the postings of {commodity[0]} sum to {commodity[1]}, not to zero")
    if account is not None:
        raise ReplayDiffers(
            f"the balance of {account[0]} is not the sum of its postings", position=account[1]
        )


def compare(reads: Reads, replayed: Replayed) -> None:
    """Compare every derived table with what the replay says it must hold."""
    _compare_postings(reads, replayed)
    _compare_links(reads, replayed)
    _compare_receipts(reads, replayed)
    _compare_balances(reads, replayed)
    for name, expected in replayed.views().items():
        _compare_view(reads, name, expected)
    _compare_erasures(reads, replayed)


def _compare_postings(reads: Reads, replayed: Replayed) -> None:
    chunks = scan.scan_postings(reads.tx, reads.name.log_id)
    _compare_rows(reads, chunks, replayed.posting_sums, ("posting", "posting"))


def _compare_links(reads: Reads, replayed: Replayed) -> None:
    chunks = scan.scan_links(reads.tx, reads.name.log_id)
    _compare_rows(reads, chunks, replayed.link_sums, ("pack's link", "pack index"))


def _compare_rows(
    reads: Reads,
    chunks: Iterable[list[tuple[Any, ...]]],
    sums: "array[int]",
    names: tuple[str, str],
) -> None:
    """Take the rows of a table off the sums of the replay; the position stands fourth in a row.

    `names` are what one row is, and what the table is.
    """
    one, table = names
    for chunk in chunks:
        for row in chunk:
            position = row[3]
            if not 0 <= position < reads.size:
                raise ReplayDiffers(f"a {one} stands beyond the head", position=position)
            sums[position] -= row_hash(row)
    _all_zero(sums, f"the {table} rows are not those of the entry")


def _compare_receipts(reads: Reads, replayed: Replayed) -> None:
    """Compare the answers that made entries; of refusals the log knows nothing.

    Of entries that came back from a copy there are none.
    """
    sums = replayed.answer_sums
    lost = [(some, sums[some.start : some.stop]) for some in replayed.adopted]
    for chunk in scan.scan_receipts(reads.tx, reads.name.log_id):
        for principal, key, answer in chunk:
            try:
                receipt = msgspec.json.decode(answer, type=Receipt)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise ReplayDiffers(f"a receipt of {principal} holds no answer") from error
            if not receipt.count:
                continue
            if not 0 <= receipt.first < reads.size:
                raise ReplayDiffers("a receipt stands beyond the head", position=receipt.first)
            public_key = command_key(reads.name.ledger, principal, bytes(key))
            sums[receipt.first] -= row_hash((public_key, receipt.count))
    for some, before in lost:
        for position, wanted in zip(some, before, strict=True):
            sums[position] = 0 if sums[position] == wanted else sums[position]
    _all_zero(sums, "the receipt is not that of the entry")


def _all_zero(sums: "array[int]", what: str) -> None:
    if any(sums):
        position = next(at for at, total in enumerate(sums) if total)
        raise ReplayDiffers(what, position=position)


def _compare_balances(reads: Reads, replayed: Replayed) -> None:
    expected = dict(replayed.balances)
    for chunk in scan.scan_balances(reads.tx, reads.name.log_id):
        for account, item, commodity, quantity, position in chunk:
            if expected.pop((account, item, commodity), None) != (quantity, position):
                raise ReplayDiffers(f"the balance of {account} {item} differs", position=position)
    if expected:
        (account, item, _), (_, position) = next(iter(expected.items()))
        raise ReplayDiffers(f"the balance of {account} {item} is missing", position=position)


def _compare_erasures(reads: Reads, replayed: Replayed) -> None:
    """A row that is missing would let an erased person be read again."""
    subjects = replayed.world.rows(SUBJECTS)
    expected = {key: (row.ordered_at, row.ordered) for key, row in subjects if row.ordered}
    for subject, ordered_at, position in scan_erasures(reads.tx, reads.name.log_id):
        if expected.pop(subject, None) != (ordered_at, position):
            raise ReplayDiffers(f"the erasure of {subject} differs", position=position)
    if expected:
        subject, (_, position) = next(iter(expected.items()))
        raise ReplayDiffers(f"the erasure of {subject} is missing", position=position)


def _compare_view(reads: Reads, name: str, expected: dict[str, tuple[int, str, bytes]]) -> None:
    for chunk in scan.scan_view(reads.tx, reads.name.log_id, name):
        for key, position, listed, state in chunk:
            if expected.pop(key, None) != (position, listed, bytes(state)):
                raise ReplayDiffers(f"view_{name}: the row {key} differs", position=position)
    if expected:
        key, (position, _, _) = next(iter(expected.items()))
        raise ReplayDiffers(f"view_{name}: the row {key} is missing", position=position)
