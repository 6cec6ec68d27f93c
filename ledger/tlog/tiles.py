"""Tiles: the hashes of the tree cut into files that never change (C2SP tlog-tiles, height 8).

A tile of level l and number n lists up to 256 hashes, 32 bytes each. Its hash i is the root of the
leaves [(256 n + i) 256^l, (256 n + i + 1) 256^l). A tile with 256 hashes is full and has a hash of
its own in the level above; a partial tile has none. An entry bundle carries the entries of a
level 0 tile, each as two bytes of length, big-endian, and its bytes.

Paths: ``tile/<level>/<number>`` or ``tile/<level>/<number>.p/<width>``, with ``entries`` as the
level of bundles. The number stands in groups of three digits, all but the last prefixed by ``x``:

>>> Tile(3, 1234067, 256).path
'tile/3/x001/x234/067'
>>> Tile(ENTRIES, 5, 17).path
'tile/entries/005.p/17'
>>> [tile.path for tile in tiles_of(70_000) if tile.width < 256]
['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias

import msgspec

from ledger.kernel.envelope import ENTRY_BYTES_MAX
from ledger.kernel.errors import Malformed, TamperEvidence
from ledger.kernel.hashing import HASH_BYTES
from ledger.tlog.tree import SIZE_MAX, Frontier

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
LEVEL_MAX = 63
PATH_LENGTH_MAX = 64

ENTRIES = -1
"""The level of entry bundles."""

ReadTile: TypeAlias = Callable[[int, int, int], bytes]
"""`read_tile(level, number, width)`: at least `width` hashes of a tile; more is welcome.

A reader of files looks for the width the tile has in its checkpoint (`tile_width`); a reader of a
growing store hands out what it has.
"""

TileData: TypeAlias = tuple[int, int, bytes]
"""The content of a tile: level, number, hashes joined (8,192 bytes when full)."""

_PATH = re.compile(r"tile/(entries|[0-9]+)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class Tile(msgspec.Struct, frozen=True):
    """Where a tile stands and how many hashes, or entries at level `ENTRIES`, it holds."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """The one path of this tile below the root of the log."""
        groups = f"{self.number:,}".split(",")
        folded = "/".join([f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"])
        level = "entries" if self.level == ENTRIES else self.level
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{folded}{partial}"


def parse_tile_path(path: str) -> Tile:
    """Read a tile path; `Malformed` for every spelling but the one `Tile.path` writes."""
    found = _PATH.fullmatch(path)
    if found is None or len(path) > PATH_LENGTH_MAX:
        raise Malformed("not a tile path", field="path")
    level, number, width = found.groups()
    tile = Tile(
        level=ENTRIES if level == "entries" else int(level),
        number=int(number.replace("x", "").replace("/", "")),
        width=TILE_WIDTH if width is None else int(width),
    )
    in_range = tile.level <= LEVEL_MAX and tile.number <= SIZE_MAX and 1 <= tile.width <= TILE_WIDTH
    if not in_range or tile.path != path:
        raise Malformed("not the canonical tile path", field="path")
    return tile


def tile_width(size: int, level: int, number: int) -> int:
    """Tell how many hashes a tile has in a tree of `size` leaves: 0 (no such tile) to 256."""
    hashes = size >> TILE_HEIGHT * max(level, 0)
    return max(0, min(hashes - number * TILE_WIDTH, TILE_WIDTH))


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """List the hash tiles of a tree of `size` leaves, level by level, in order.

    With `since`, only those that a tree of `since` leaves did not have in this width.
    """
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        before = since >> TILE_HEIGHT * level
        if before < hashes:
            for number in range(before // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
                yield Tile(level, number, tile_width(size, level, number))
        level += 1


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Make an entry bundle of at most 256 entries of at most 65,535 bytes each."""
    listed = list(entries)
    if len(listed) > TILE_WIDTH or any(len(entry) > ENTRY_BYTES_MAX for entry in listed):
        raise Malformed("more than a bundle can hold", field="entries")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in listed])


def decode_entries(data: bytes) -> list[bytes]:
    """Take an entry bundle apart; `Malformed` when it is cut short or holds over 256 entries."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        first = at + 2
        at = first + int.from_bytes(data[at:first], "big")
        entries.append(data[first:at])
    if at != len(data) or len(entries) > TILE_WIDTH:
        raise Malformed("not a whole bundle", field="entries")
    return entries


def read_checked(read_tile: ReadTile, level: int, number: int, width: int) -> bytes:
    """Read a tile and cut it to `width` hashes; `TamperEvidence` when it holds fewer."""
    data = read_tile(level, number, width)
    if len(data) < width * HASH_BYTES:
        raise TamperEvidence(f"tile {level}/{number} holds {len(data)} bytes, not {width} hashes")
    return data[: width * HASH_BYTES]


def fold(hashes: bytes) -> bytes:
    """Hash a power of two of neighbouring hashes, joined, into the root above them."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs]
        )
    return hashes


def subtree_hash(level: int, index: int, read_tile: ReadTile) -> bytes:
    """Give the root of the perfect subtree over leaves [index * 2^level, (index + 1) * 2^level).

    Reads one tile, at most 255 hashes of work.
    """
    tile_level, height = divmod(level, TILE_HEIGHT)
    number, place = divmod(index << height, TILE_WIDTH)
    end = place + (1 << height)
    data = read_checked(read_tile, tile_level, number, end)
    return _folded_before(data[place * HASH_BYTES : end * HASH_BYTES])


# Nearly all proofs pass through the same few upper tiles. 2,048 keys of at most 8 KiB; the answer
# depends on the bytes alone, so a changed tile can never meet an old answer.
_folded_before = lru_cache(maxsize=2048)(fold)


class TileBuilder(msgspec.Struct, frozen=True):
    """The open tiles of a growing tree: `edges[level]` holds the hashes of each, joined.

    Immutable like the frontier. Feeding 256^k leaves closes a tile of every level below k.
    """

    size: int = 0
    edges: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        for level, edge in enumerate(self.edges):
            hashes = (self.size >> TILE_HEIGHT * level) % TILE_WIDTH
            if len(edge) != hashes * HASH_BYTES:
                raise Malformed(f"{len(edge)} bytes at level {level}", field="edges")
        if self.size >> TILE_HEIGHT * len(self.edges):
            raise Malformed(f"{len(self.edges)} levels for {self.size} leaves", field="edges")

    def extend(self, leaves: Iterable[bytes]) -> tuple["TileBuilder", list[TileData]]:
        """Feed leaf hashes in order; give the builder after them and the tiles they completed.

        Tiles come level by level, in order. About one hash of work for each leaf. Hashes may also
        come already joined, as a tile holds them.
        """
        fresh = b"".join(leaves)
        size = self.size + len(fresh) // HASH_BYTES
        edges = list(self.edges)
        done: list[TileData] = []
        level = 0
        while fresh:
            edge = (edges[level] if level < len(edges) else b"") + fresh
            number = self.size >> TILE_HEIGHT * (level + 1)
            full = len(edge) // TILE_BYTES
            tiles = [edge[n * TILE_BYTES : (n + 1) * TILE_BYTES] for n in range(full)]
            done.extend((level, number + n, tile) for n, tile in enumerate(tiles))
            edges[level : level + 1] = [edge[full * TILE_BYTES :]]
            fresh = b"".join([fold(tile) for tile in tiles])
            level += 1
        return TileBuilder(size, tuple(edges)), done

    def partial_tiles(self) -> Iterator[TileData]:
        """List the open tiles that are not empty: level by level."""
        for level, edge in enumerate(self.edges):
            if edge:
                yield level, self.size >> TILE_HEIGHT * (level + 1), edge

    def read_edge(self, level: int, number: int) -> bytes | None:
        """Give the open tile with these coordinates, or None when that tile is full or absent."""
        is_open = level < len(self.edges) and number == self.size >> TILE_HEIGHT * (level + 1)
        return self.edges[level] if is_open else None

    def frontier(self) -> Frontier:
        """Give the frontier of the same tree; at most 255 hashes of work for each level."""
        bits = reversed(range(self.size.bit_length()))
        return Frontier(
            self.size, tuple(self._subtree(bit) for bit in bits if self.size >> bit & 1)
        )

    def _subtree(self, bit: int) -> bytes:
        """Fold the 2^bit leaves that a set bit of the size stands for; they lie in an open tile."""
        level, height = divmod(bit, TILE_HEIGHT)
        first = (self.size >> bit + 1 << height + 1) % TILE_WIDTH
        return fold(self.edges[level][first * HASH_BYTES : (first + (1 << height)) * HASH_BYTES])

    @classmethod
    def restore(
        cls,
        size: int,
        read_tile: Callable[[int, int], bytes],
        read_leaves: Callable[[int, int], Iterable[bytes]],
    ) -> "TileBuilder":
        """Build the open tiles again from the full tiles that are stored.

        Args:
            size: leaves in the tree.
            read_tile: gives the full tile (level, number), 8,192 bytes.
            read_leaves: gives the leaf hashes [first, end) of the open level 0 tile.

        Raises:
            TamperEvidence: a stored tile is shorter, or there are other than end - first leaves.
        """
        open_first = size - size % TILE_WIDTH
        leaves = b"".join(read_leaves(open_first, size)) if open_first < size else b""
        if len(leaves) != (size - open_first) * HASH_BYTES:
            raise TamperEvidence(f"{len(leaves)} bytes of leaves from {open_first} to {size}")
        edges = [leaves] if size else []
        while hashes := size >> TILE_HEIGHT * len(edges):
            below = len(edges) - 1
            numbers = range(hashes - hashes % TILE_WIDTH, hashes)
            edges.append(b"".join([_root_of(read_tile(below, n), below, n) for n in numbers]))
        return cls(size, tuple(edges))


def _root_of(data: bytes, level: int, number: int) -> bytes:
    if len(data) != TILE_BYTES:
        raise TamperEvidence(f"tile {level}/{number} holds {len(data)} bytes, not {TILE_BYTES}")
    return fold(data)
