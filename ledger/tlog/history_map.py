"""The history map: one row for every pack ever named, and the Merkle tree over the rows.

A row says how many entries name a pack, which is the last of them, and its leaf hash::

    {"count": 3, "last": 52, "leaf": "<base64>", "pack": "PK-1", "t": "mobilegrid/history-row/1"}

in canonical JSON. Rows stand in the order of the ASCII bytes of the pack ids, no pack twice, and
are the leaves of a tree as in RFC 6962. An entry ``history.mapped`` at position S signs the root
over the rows of the entries 0 to S - 1. Because the order is known, two neighbouring rows also
prove that no pack stands between them.
"""

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.hashing import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash

ROW_TYPE = "mobilegrid/history-row/1"


class HistoryRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the chain of a pack goes: `count` entries, the last at position `last`."""

    count: int
    last: int
    leaf: bytes
    pack: str
    t: str = ROW_TYPE


_decoder = msgspec.json.Decoder(HistoryRow)


def parse_row(data: bytes) -> HistoryRow:
    """Read the bytes of a row; `Malformed` for anything but the canonical form of one."""
    try:
        row = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a row of a history map: {error}", field="row") from error
    if canonical(row) != data:
        raise Malformed("not in canonical form", field="row")
    if row.t != ROW_TYPE:
        raise Malformed("not a row of a type known here", field="row")
    if row.count < 1 or row.last < row.count - 1 or len(row.leaf) != HASH_BYTES:
        raise Malformed("a count, a position or a leaf that no chain can have", field="row")
    return row


class PlacedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"data": "bytes"}):
    """The bytes of a row, its place among the rows, and its path to the root of the map."""

    data: bytes
    index: int
    path: tuple[bytes, ...]


class MapTree:
    """The rows of a map as a tree that grows with the log.

    Rows are taken in at any time; hashing waits until a root or a path is asked for, and costs
    about 17 hashes for a changed row among 100,000. A pack that is new moves all rows behind it,
    which are then hashed again. About 250 bytes of memory for a row.
    """

    def __init__(self) -> None:
        """Start with no row."""
        self._packs: list[str] = []
        self._rows: dict[str, HistoryRow] = {}
        self._leaves: dict[str, bytes] = {}
        self._levels: list[list[bytes]] = [[]]
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, rows: Iterable[HistoryRow]) -> None:
        """Take in rows, each in the place of an older one of its pack."""
        for row in rows:
            self._rows[row.pack] = row
            self._changed.add(row.pack)

    def row(self, pack_id: str) -> HistoryRow | None:
        """Give the row of a pack, None when it has none."""
        return self._rows.get(pack_id)

    def root(self) -> bytes:
        """Give the root over all rows; `EMPTY_ROOT` when there is none."""
        self._settle()
        return self._levels[-1][0] if self._rows else EMPTY_ROOT

    def place(self, pack_id: str) -> PlacedRow:
        """Give the row of a pack with its path; `NotFound` when it has none."""
        if pack_id not in self._rows:
            raise NotFound(f"no entry names pack {pack_id}")
        self._settle()
        return self._at(bisect_left(self._packs, pack_id))

    def neighbours(self, pack_id: str) -> tuple[PlacedRow | None, PlacedRow | None]:
        """Give the rows before and after a pack that has none; None at the edges."""
        self._settle()
        index = bisect_left(self._packs, pack_id)
        before = self._at(index - 1) if index else None
        return before, self._at(index) if index < len(self._packs) else None

    def _at(self, index: int) -> PlacedRow:
        path: list[bytes] = []
        place = index
        for level in self._levels[:-1]:
            sibling = place ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            place >>= 1
        return PlacedRow(canonical(self._rows[self._packs[index]]), index, tuple(path))

    def _settle(self) -> None:
        """Hash what was taken in since the last time."""
        if not self._changed:
            return
        added = [pack for pack in self._changed if pack not in self._leaves]
        for pack in self._changed:
            self._leaves[pack] = leaf_hash(canonical(self._rows[pack]))
        shifted = len(self._packs)
        if added:
            self._packs += added
            self._packs.sort()
            shifted = bisect_left(self._packs, min(added))
            moved = [self._leaves[pack] for pack in self._packs[shifted:]]
            self._levels[0][shifted:] = moved
        single = {bisect_left(self._packs, pack) for pack in self._changed}
        single = {index for index in single if index < shifted}
        for index in single:
            self._levels[0][index] = self._leaves[self._packs[index]]
        self._changed.clear()
        self._climb(single, shifted)

    def _climb(self, single: set[int], shifted: int) -> None:
        """Hash again what lies above some nodes and above everything from `shifted` on."""
        height = 0
        while len(below := self._levels[height]) > 1:
            height += 1
            if height == len(self._levels):
                self._levels.append([])
            level = self._levels[height]
            shifted >>= 1
            single = {index >> 1 for index in single if index >> 1 < shifted}
            for index in single:
                level[index] = node_hash(below[2 * index], below[2 * index + 1])
            rest = below[2 * shifted :]
            nodes = [node_hash(*pair) for pair in zip(rest[::2], rest[1::2], strict=False)]
            level[shifted:] = nodes + rest[-1:] * (len(rest) & 1)
