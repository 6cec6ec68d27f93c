"""Prove many entries under one checkpoint, with each hash of their paths only once.

The proof is a list of hashes: the roots of the largest subtrees that hold none of the entries, from
left to right. A verifier walks the tree from its root, taking the next hash where no entry lies
below, and the leaf of an entry where it gets there. For neighbours this is far shorter than one
path for each: a thousand entries in a row need about as many hashes as two of them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ledger.kernel.errors import NotFound
from ledger.kernel.hashing import node_hash
from ledger.tlog.tiles import ReadTile, subtree_hash


def prove_many(positions: Sequence[int], size: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """Prove that entries are in the tree of the first `size` leaves.

    Args:
        positions: strictly ascending, at least one.
        size: of the tree.
        read_tile: gives its tiles.

    Raises:
        NotFound: no position is given, or that tree has no such leaf.
        TamperEvidence: a tile is shorter than its width.
    """
    if not positions or not 0 <= positions[0] <= positions[-1] < size:
        raise NotFound(f"no such entries in a tree of {size}")
    return tuple(_without(0, size, positions, read_tile))


def _without(
    first: int, count: int, positions: Sequence[int], read_tile: ReadTile
) -> Iterator[bytes]:
    """Yield the roots of the largest subtrees below a node that hold none of the positions."""
    if not positions:
        yield _root(first, count, read_tile)
    elif count > 1:
        half = 1 << (count - 1).bit_length() - 1
        middle = bisect_left(positions, first + half)
        yield from _without(first, half, positions[:middle], read_tile)
        yield from _without(first + half, count - half, positions[middle:], read_tile)


def _root(first: int, count: int, read_tile: ReadTile) -> bytes:
    """Compute the root of a subtree; a ragged one, at the right edge, from its perfect parts."""
    half = 1 << (count - 1).bit_length() - 1 if count > 1 else 1
    if count in (half, 2 * half):
        level = count.bit_length() - 1
        return subtree_hash(level, first >> level, read_tile)
    left = subtree_hash(half.bit_length() - 1, first >> half.bit_length() - 1, read_tile)
    return node_hash(left, _root(first + half, count - half, read_tile))
