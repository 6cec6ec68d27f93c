"""Sample logs, and the trees and proofs of RFC 6962 section 2.1 written down word for word."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from ledger.kernel.hashing import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier, format_vkey
from ledger.tlog.tiles import ReadTile, TileBuilder

ORIGIN = "log.example.net/log/sample"
SIGNER = Ed25519Signer(ORIGIN, sha256(b"mobile grid test log key").digest())
VERIFIER = Ed25519Verifier(SIGNER.key)
VKEY = format_vkey(SIGNER.key)


def sample_entry(position: int) -> bytes:
    return b'{"entry":%d,"filling":"%s"}' % (position, b"abcdefghij" * (position % 4))


def sample_entries(count: int) -> list[bytes]:
    return [sample_entry(position) for position in range(count)]


@lru_cache
def sample_leaves(count: int) -> tuple[bytes, ...]:
    return tuple(leaf_hash(entry) for entry in sample_entries(count))


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    if len(leaves) == 1:
        return ()
    k = _split(len(leaves))
    if index < k:
        return (*naive_path(index, leaves[:k]), naive_root(leaves[k:]))
    return (*naive_path(index - k, leaves[k:]), naive_root(leaves[:k]))


def naive_consistency(
    old: int, leaves: Sequence[bytes], *, whole: bool = True
) -> tuple[bytes, ...]:
    if old == len(leaves):
        return () if whole else (naive_root(leaves),)
    k = _split(len(leaves))
    if old <= k:
        return (*naive_consistency(old, leaves[:k], whole=whole), naive_root(leaves[k:]))
    return (*naive_consistency(old - k, leaves[k:], whole=False), naive_root(leaves[:k]))


def naive_turns(index: int, size: int) -> str:
    """Tell at each step of the path, leaf first, whether the sibling is to the right or left."""
    if size == 1:
        return ""
    k = _split(size)
    return naive_turns(index, k) + "R" if index < k else naive_turns(index - k, size - k) + "L"


def naive_both_turns(old: int, new: int, *, whole: bool = True) -> str:
    """Tell the shape of a consistency proof: whose start it needs, and the side of each sibling."""
    if old == new:
        return "w" if whole else "s"
    k = _split(new)
    if old <= k:
        return naive_both_turns(old, k, whole=whole) + "R"
    return naive_both_turns(old - k, new - k, whole=False) + "L"


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def tiles_in_memory(leaves: Sequence[bytes]) -> ReadTile:
    """Keep all tiles of a tree; the reader ignores the width, as a growing store would."""
    builder, done = TileBuilder().extend(leaves)
    kept = {(level, number): data for level, number, data in [*done, *builder.partial_tiles()]}
    return lambda level, number, _width: kept[level, number]


def vouched(size: int, root: bytes, origin: str = ORIGIN) -> SignedCheckpoint:
    """A checkpoint as if its signature had been checked."""
    return SignedCheckpoint(Checkpoint(origin, size, root), b"", (SIGNER.key,))


def signed_note(size: int, leaves: Sequence[bytes]) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, naive_root(leaves[:size])), [SIGNER])


class ListSource(msgspec.Struct):
    """A log in a list, signed, as `export_log` wants it."""

    listed: list[bytes]
    root: bytes
    checkpoint: bytes
    missing_last: int = 0

    @property
    def size(self) -> int:
        return len(self.listed)

    def entries(self, first: int, end: int) -> Iterator[bytes]:
        yield from self.listed[first : end - self.missing_last]


def list_source(listed: list[bytes]) -> ListSource:
    leaves = [leaf_hash(entry) for entry in listed]
    return ListSource(listed, naive_root(leaves), signed_note(len(listed), leaves))
