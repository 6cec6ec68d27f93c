"""Check parts of a tree: leaves [start, end) that stand in it as one node.

The proofs of the draft on Merkle tree certificates (draft-ietf-plants-merkle-tree-certs, sections
4.1, 4.3 and 4.4), which the type 0x06 of cosignatures can sign. A subtree is valid when `start` is
a multiple of the smallest power of two that is not smaller than its number of leaves: then it is a
node of every larger tree, or the right edge of one.
"""

from collections.abc import Sequence

from ledger.kernel.errors import ProofInvalid
from ledger.kernel.hashing import EMPTY_ROOT, HASH_BYTES, node_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.verify import implied_root


def implied_subtree_root(index: int, span: range, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Compute the root of the subtree over `span` that a path from leaf `index` claims.

    Proves nothing alone: the caller compares the answer with a root that is already trusted.

    Raises:
        ProofInvalid: `span` is no subtree or has no such leaf, or no path can have this shape.
    """
    _check_span(span)
    return implied_root(index - span.start, span.stop - span.start, leaf, path)


def check_subtree(
    signed: SignedCheckpoint, span: range, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the leaves of `span` have this root within the tree of a checkpoint (4.4.3).

    The subtree without leaves needs no path, and has the root of the empty tree.

    Raises:
        ProofInvalid: the checkpoint was not opened, `span` is no subtree of its tree, or the path
            does not lead to both roots.
    """
    if not signed.signed_by:
        raise ProofInvalid("a checkpoint nobody vouched for")
    said = signed.checkpoint
    if span.stop > said.size:
        raise ProofInvalid(f"no leaves up to {span.stop} in a tree of {said.size}")
    if 0 <= span.start == span.stop:
        if path or root != EMPTY_ROOT:
            raise ProofInvalid("a subtree without leaves, but with a proof or a root")
        return
    _check_span(span)
    if _climb_both(said, span, root, path) != (root, said.root):
        raise ProofInvalid("the path leads to other roots")


def _climb_both(
    said: Checkpoint, span: range, root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Compute the roots of subtree and tree that the path claims."""
    first, last, end = span.start, span.stop - 1, said.size - 1
    # a subtree that is one perfect node, or ends where the tree does, is its own start
    while first != last and (last == end or last & 1):
        first, last, end = first >> 1, last >> 1, end >> 1
    whole = first == last
    if any(len(each) != HASH_BYTES for each in path) or not (whole or path):
        raise ProofInvalid("a hash too short, or none at all")
    small = large = root if whole else path[0]
    for sibling in path if whole else path[1:]:
        if not end:
            raise ProofInvalid("more hashes than the path has steps")
        if last & 1 or last == end:
            if first < last:
                small = node_hash(sibling, small)
            large = node_hash(sibling, large)
            while not last & 1:
                first, last, end = first >> 1, last >> 1, end >> 1
        else:
            large = node_hash(large, sibling)
        first, last, end = first >> 1, last >> 1, end >> 1
    if end:
        raise ProofInvalid("fewer hashes than the path has steps")
    return small, large


def _check_span(span: range) -> None:
    leaves = span.stop - span.start  # `len` fails on more than an index can count
    if span.start < 0 or leaves < 1 or span.start % (1 << (leaves - 1).bit_length()):
        raise ProofInvalid(f"[{span.start}, {span.stop}) is no subtree")
