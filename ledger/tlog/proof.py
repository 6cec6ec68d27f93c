"""Proofs made from tiles (RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4).

Both proofs climb from a node to the root and note the sibling of every step. Seen from a node of a
tree of n leaves the climb has three parts. Below the place where its way parts from that of the
last leaf all siblings are perfect subtrees. At that place the sibling is the ragged right edge.
Above it the node lies on the edge itself, and only left siblings, again perfect, are left.

A proof reads each tile once: for n leaves at most two in each of log256(n) levels.
"""

from ledger.kernel.errors import NotFound
from ledger.kernel.hashing import EMPTY_ROOT, node_hash
from ledger.tlog.tiles import ReadTile, read_checked, subtree_hash, tile_width


def inclusion(index: int, size: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of the first `size` leaves; leaf sibling first.

    Raises:
        NotFound: that tree has no such leaf.
        TamperEvidence: a tile is shorter than its width.
    """
    if not 0 <= index < size:
        raise NotFound(f"no entry {index} in a tree of {size}")
    return _climb(index, 0, size, _each_once(size, read_tile))


def consistency(old: int, new: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """Prove that the first `old` leaves of the tree of `new` leaves are the whole older tree.

    Empty for equal sizes. Raises as `inclusion`; from size 0 there is nothing to prove.
    """
    if not 0 < old <= new:
        raise NotFound(f"no consistency proof from {old} to {new}")
    if old == new:
        return ()
    read_once = _each_once(new, read_tile)
    # The smallest perfect subtree of the old tree is where the climb starts; a verifier who holds
    # the old root knows it already when the old tree is nothing but that subtree.
    level = (old & -old).bit_length() - 1
    start = (old >> level) - 1
    seed = (subtree_hash(level, start, read_once),) if start else ()
    return seed + _climb(old - 1, level, new, read_once)


def root(size: int, read_tile: ReadTile) -> bytes:
    """Compute the root of the first `size` leaves; raises as `inclusion`."""
    return _edge_hash(0, size, _each_once(size, read_tile)) if size else EMPTY_ROOT


def _climb(index: int, start: int, size: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """List the siblings on the way up from the node over leaf `index` at level `start`."""
    inner = (index ^ size - 1).bit_length()
    path = [subtree_hash(level, index >> level ^ 1, read_tile) for level in range(start, inner - 1)]
    if inner > start:
        path.append(_edge_hash((index >> inner - 1) + 1 << inner - 1, size, read_tile))
    lefts = (level for level in range(inner, index.bit_length()) if index >> level & 1)
    path += [subtree_hash(level, (index >> level) - 1, read_tile) for level in lefts]
    return tuple(path)


def _edge_hash(first: int, size: int, read_tile: ReadTile) -> bytes:
    """Fold the perfect subtrees of the leaves [first, size), smallest first; never empty."""
    count = size - first
    levels = [level for level in range(count.bit_length()) if count >> level & 1]
    pieces = (subtree_hash(level, (size >> level) - 1, read_tile) for level in levels)
    node = next(pieces)
    for piece in pieces:
        node = node_hash(piece, node)
    return node


def _each_once(size: int, read_tile: ReadTile) -> ReadTile:
    """Remember tiles, asking for each in the width it has in a tree of `size` leaves."""
    seen: dict[tuple[int, int], bytes] = {}

    def read(level: int, number: int, _width: int) -> bytes:
        if (level, number) not in seen:
            whole = tile_width(size, level, number)
            seen[level, number] = read_checked(read_tile, level, number, whole)
        return seen[level, number]

    return read
