"""The frontier: all a writer needs to know of a Merkle tree to append to it (RFC 6962).

A tree of n leaves is a row of perfect subtrees, one for each set bit of n, largest first. Their
roots are the frontier. Folding them from the right gives the root of the tree; the next leaf merges
as many of them as n has trailing ones. A tree of 10^9 leaves has a frontier of at most 30 hashes.

Stored form: the hashes one after the other, 32 * popcount(size) bytes; the size is kept beside it.
"""

from collections.abc import Iterable
from functools import reduce
from hashlib import sha256

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.hashing import EMPTY_ROOT, HASH_BYTES, node_hash

SIZE_MAX = 2**63 - 1
"""Largest tree the formats can name."""


class Frontier(msgspec.Struct, frozen=True):
    """A tree of `size` leaves, as the roots of its perfect subtrees, largest first.

    Immutable: a batch that is rolled back simply keeps the frontier it started from.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.subtrees) != self.size.bit_count():
            raise Malformed(
                f"{len(self.subtrees)} subtrees do not make a tree of {self.size}", field="frontier"
            )

    def append(self, leaf: bytes) -> "Frontier":
        """Give the tree with one more leaf hash; amortised one hash of work."""
        kept = self.size & self.size + 1
        merged = self.subtrees[kept.bit_count() :]
        node = reduce(lambda right, left: node_hash(left, right), reversed(merged), leaf)
        return Frontier(self.size + 1, (*self.subtrees[: kept.bit_count()], node))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Give the tree with more leaf hashes, in order; about one hash of work for each.

        Works level by level over whole lists, which is several times faster than repeated
        `append`; memory is proportional to the number of leaves handed in.
        """
        nodes = list(leaves)
        size = self.size + len(nodes)
        old = list(self.subtrees)
        new: list[bytes] = []
        level = 0
        while nodes:
            if self.size >> level & 1:
                nodes.insert(0, old.pop())
            if len(nodes) & 1:
                new.append(nodes.pop())
            nodes = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(nodes[::2], nodes[1::2], strict=True)
            ]
            level += 1
        return Frontier(size, (*old, *reversed(new)))

    def root(self) -> bytes:
        """Fold the subtrees into the root of the tree; `EMPTY_ROOT` for no leaves.

        >>> Frontier().root().hex()[:16]
        'e3b0c44298fc1c14'
        """
        if not self.subtrees:
            return EMPTY_ROOT
        return reduce(lambda right, left: node_hash(left, right), reversed(self.subtrees))

    def to_bytes(self) -> bytes:
        """Give the stored form: 32 * popcount(size) bytes."""
        return b"".join(self.subtrees)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """Read the stored form back; `Malformed` when its length does not fit the size."""
        if len(data) % HASH_BYTES:
            raise Malformed(f"{len(data)} bytes are no whole hashes", field="frontier")
        starts = range(0, len(data), HASH_BYTES)
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in starts))
