"""Check proofs and tiles against signed checkpoints.

The numbers of the steps are those of docs/verify.md. Nothing here takes a bare root: what is
checked is checked against a checkpoint that `open_checkpoint` accepted under the caller's own keys
(steps 1 and 2 there). Every failure is `ProofInvalid` and names its step.
"""

from collections.abc import Iterable, Sequence

from ledger.kernel.errors import Malformed, ProofInvalid
from ledger.kernel.hashing import HASH_BYTES, leaf_hash, node_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.tiles import (
    TILE_WIDTH,
    ReadTile,
    TileBuilder,
    TileData,
    decode_entries,
    tiles_of,
)


def check_inclusion(
    signed: SignedCheckpoint, index: int, leaf: bytes, path: Sequence[bytes]
) -> None:
    """Check that `leaf` is the leaf hash of entry `index` under a checkpoint (RFC 9162 2.1.3.2).

    Raises:
        ProofInvalid: the checkpoint was not opened, or the path does not lead to its root.
    """
    known = _opened(signed)
    if implied_root(index, known.size, leaf, path) != known.root:
        raise ProofInvalid("step E5: the path leads to another root")


def implied_root(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Compute the root that a path claims; `ProofInvalid` when no path can have this shape.

    Proves nothing alone: the caller compares the answer with a root that is already trusted.
    """
    # E3: the entry lies in the tree.
    if not 0 <= index < size:
        raise ProofInvalid(f"step E3: no entry {index} in a tree of {size}")
    # E4: the path has exactly the length that index and size call for.
    inner = (index ^ size - 1).bit_length()
    if len(path) != inner + (index >> inner).bit_count():
        raise ProofInvalid(f"step E4: {len(path)} hashes in the path")
    _whole_hashes("E4", (leaf, *path))
    # E5: RFC 9162 2.1.3.2, steps 2 to 4; its last condition, nothing left to climb, is E4.
    node, last = index, size - 1
    root = leaf
    for sibling in path:
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root


def check_consistency(old: SignedCheckpoint, new: SignedCheckpoint, path: Sequence[bytes]) -> None:
    """Check that the log behind `new` begins with the whole log behind `old` (RFC 9162 2.1.4.2).

    Raises:
        ProofInvalid: a checkpoint was not opened, they name different logs, the older one is empty
            (which would prove nothing) or larger, or the path does not lead to both roots.
    """
    first, second = _opened(old), _opened(new)
    # 3.1: one log.
    if first.origin != second.origin:
        raise ProofInvalid("step 3.1: checkpoints of different logs")
    # 3.2: something to prove, in the right order.
    if not 0 < first.size <= second.size:
        raise ProofInvalid(f"step 3.2: nothing leads from size {first.size} to {second.size}")
    # 3.3: equal sizes need equal roots and no hashes.
    if first.size == second.size:
        if path or first.root != second.root:
            raise ProofInvalid("step 3.3: one size, two roots, or hashes too many")
        return
    _whole_hashes("3.4", path)
    if _climb_both(first, second.size, path) != (first.root, second.root):
        raise ProofInvalid("step 3.6: the path leads to other roots")


def _climb_both(old: Checkpoint, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Compute both roots a consistency path claims; `ProofInvalid` for a wrong length."""
    # 3.4: an old tree that is one perfect subtree is its own start (RFC step 2, 3).
    rest = list(path) if old.size.bit_count() > 1 else [old.root, *path]
    level = (old.size & -old.size).bit_length() - 1
    node, last = old.size - 1 >> level, size - 1 >> level
    inner = (node ^ last).bit_length()
    if len(rest) != 1 + inner + (node >> inner).bit_count():
        raise ProofInvalid(f"step 3.4: {len(path)} hashes in the path")
    # 3.5: left siblings belong to both trees, right ones to the new tree only (RFC step 6).
    old_root = new_root = rest[0]
    for sibling in rest[1:]:
        if node & 1 or node == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            while not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new_root = node_hash(new_root, sibling)
        node, last = node >> 1, last >> 1
    return old_root, new_root


def check_tiles(signed: SignedCheckpoint, read_tile: ReadTile) -> None:
    """Recompute the root, and every tile above level 0, from the tiles of level 0 (step 4).

    Reads each tile once; memory for one tile of each level. Errors of the reader pass through.

    Raises:
        ProofInvalid: the checkpoint was not opened, or a tile is short or differs.
    """
    known = _opened(signed)
    builder = TileBuilder()
    for tile in tiles_of(known.size):
        if tile.level:
            break
        builder, done = builder.extend([_read(read_tile, 0, tile.number, tile.width)])
        _compare(read_tile, done)
    _compare(read_tile, builder.partial_tiles())
    if builder.frontier().root() != known.root:
        raise ProofInvalid("step 4: the tiles lead to another root")


def check_entries(number: int, bundle: bytes, tile: bytes) -> list[bytes]:
    """Check an entry bundle against its level 0 tile (step 5) and give its entries.

    Args:
        number: of the tile and the bundle.
        bundle: its bytes.
        tile: the leaf hashes, already checked by `check_tiles`.

    Raises:
        ProofInvalid: the bundle does not parse, or an entry is missing, surplus or differs.
    """
    try:
        entries = decode_entries(bundle)
    except Malformed as error:
        raise ProofInvalid(f"step 5: bundle {number} does not parse") from error
    for place, entry in enumerate(entries):
        if leaf_hash(entry) != tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]:
            raise ProofInvalid(f"step 5: entry {number * TILE_WIDTH + place} differs")
    if len(entries) * HASH_BYTES != len(tile):
        raise ProofInvalid(f"step 5: bundle {number} holds {len(entries)} entries")
    return entries


def _opened(signed: SignedCheckpoint) -> Checkpoint:
    """Step 2: only a checkpoint that trusted keys signed counts."""
    if not signed.signed_by:
        raise ProofInvalid("step 2: a checkpoint nobody vouched for")
    return signed.checkpoint


def _whole_hashes(step: str, hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofInvalid(f"step {step}: a hash has {HASH_BYTES} bytes")


def _read(read_tile: ReadTile, level: int, number: int, width: int) -> bytes:
    data = read_tile(level, number, width)[: width * HASH_BYTES]
    if len(data) != width * HASH_BYTES:
        raise ProofInvalid(f"step 4: tile {level}/{number} is cut short")
    return data


def _compare(read_tile: ReadTile, computed: Iterable[TileData]) -> None:
    for level, number, data in computed:
        if level and _read(read_tile, level, number, len(data) // HASH_BYTES) != data:
            raise ProofInvalid(f"step 4: tile {level}/{number} differs")
