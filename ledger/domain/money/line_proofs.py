"""The place of a line in its document: RFC 6962 inclusion proofs over the lines of a statement."""

from collections.abc import Sequence

import msgspec

from ledger.kernel.envelope import base64_text
from ledger.kernel.hashing import HASH_BYTES, leaf_hash, node_hash

PATH_MAX = 60


class LineProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a line stands among the lines (from 0), and the hashes that lead to the root."""

    index: int
    path: tuple[bytes, ...]


NO_PROOF = LineProof(-1, ())


def is_proven(data: bytes, proof: LineProof, line_count: int, lines_root: str) -> bool:
    """Tell whether a line is one of those under a root (base64), by RFC 9162 section 2.1.3.2."""
    index, last = proof.index, line_count - 1
    if not 0 <= index <= last or len(proof.path) > PATH_MAX:
        return False
    node = leaf_hash(data)
    for step in proof.path:
        if not last or len(step) != HASH_BYTES:
            return False
        if index & 1 or index == last:
            node = node_hash(step, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, step)
        index, last = index >> 1, last >> 1
    return not last and base64_text(node) == lines_root


def prove(leaves: Sequence[bytes], index: int) -> LineProof:
    """Prove the line at an index by the leaf hashes of all lines."""
    path: list[bytes] = []
    begin, end, place = 0, len(leaves), index
    spans: list[tuple[int, int]] = []
    while end - begin > 1:
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if place < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((begin, middle))
            begin = middle
    path = [_root(leaves, *span) for span in reversed(spans)]
    return LineProof(index, tuple(path))


def _root(leaves: Sequence[bytes], begin: int, end: int) -> bytes:
    if end - begin == 1:
        return leaves[begin]
    middle = begin + (1 << (end - begin - 1).bit_length() - 1)
    return node_hash(_root(leaves, begin, middle), _root(leaves, middle, end))
