"""The published probes of Merkle proofs, made again from their formulas.

transparency-dev/merkle (Apache-2.0) publishes 518 proofs, few right and most spoiled in a named
way, as JSON files under `testdata`. Nothing is copied here: the eight leaves are those that
implementations of RFC 6962 share, and each probe is a right proof with one change.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash
from tests.support.logs import naive_consistency, naive_path, naive_root

DATA = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
LEAVES = [leaf_hash(each) for each in DATA]
RANDOM = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")
ONE, TWO = b"don't care 1", b"don't care 2"
WORD = 2**64

Path = tuple[bytes, ...]


class Inclusion(NamedTuple):
    """Is the leaf `at` of the subtree [start, end) with this root?"""

    name: str
    at: int
    start: int
    end: int
    leaf: bytes
    root: bytes
    path: Path
    holds: bool = False


class Consistency(NamedTuple):
    """Is [start, end) with root `small` part of the tree of `size` with root `large`?"""

    name: str
    start: int
    end: int
    size: int
    small: bytes
    large: bytes
    path: Path
    holds: bool = False


def unit(count: int) -> int:
    """Give the smallest power of two that is not below."""
    return 1 << max(count - 1, 0).bit_length()


def shifted(probe: Inclusion) -> Inclusion:
    """Move a probe to the first subtree of its size that does not begin at 0."""
    by = unit(probe.end)
    index = probe.at if probe.at == WORD - 1 else by + probe.at
    return probe._replace(name=f"{probe.name}-subtree", at=index, start=by, end=by + probe.end)


def inclusion() -> Iterator[Inclusion]:
    """Make the 98 probes of inclusion, over whole trees."""
    for index, size in ((0, 1), (0, 8), (5, 8), (2, 3), (1, 5)):
        leaves = LEAVES[:size]
        right = Inclusion(
            "happy-path",
            index,
            0,
            size,
            leaves[index],
            naive_root(leaves),
            naive_path(index, leaves),
            holds=True,
        )
        yield right
        yield from _spoiled_inclusion(right)
    for index, size in ((0, 0), (0, 1), (1, 0), (2, 1)):
        bare = Inclusion("empty-root", index, 0, size, b"", EMPTY_ROOT, ())
        yield bare
        yield bare._replace(name="random-leaf", leaf=RANDOM, root=b"")
        yield bare._replace(name="empty-root-and-random-leaf", leaf=RANDOM)
    only = SINGLE
    yield Inclusion("matching-root-and-leaf", 0, 0, 1, only, only, (), holds=True)
    yield Inclusion("empty-root", 0, 0, 1, only, b"", ())
    yield Inclusion("empty-leaf", 0, 0, 1, b"", only, ())
    yield Inclusion("empty-root-and-leaf", 0, 0, 1, b"", b"", ())


def _spoiled_inclusion(right: Inclusion) -> Iterator[Inclusion]:
    index, size, path, root = right.at, right.end, right.path, right.root
    wrong = right._replace(holds=False)
    yield wrong._replace(name="leafIdx-sub-1", at=(index - 1) % WORD)
    yield wrong._replace(name="leafIdx-plus-1", at=index + 1)
    yield wrong._replace(name="leafIdx-XOR-2", at=index ^ 2)
    yield wrong._replace(name="treeSize-mul-2", end=size * 2)
    yield wrong._replace(name="treeSize-div-2", end=size // 2)
    yield wrong._replace(name="wrong-leaf", leaf=b"WrongLeaf")
    yield wrong._replace(name="empty-root", root=EMPTY_ROOT)
    yield wrong._replace(name="random-root", root=RANDOM)
    for name, more in (("garbage", b""), ("root", root)):
        yield wrong._replace(name=f"trailing-{name}", path=(*path, more))
        yield wrong._replace(name=f"preceding-{name}", path=(more, *path))
    for at, each in enumerate(path):
        yield wrong._replace(name=f"modified-proof[{at}]-bit-3", path=_flipped(path, at, each, 3))
    if path:
        yield wrong._replace(name="removed-component", path=path[:-1])
    if len(path) > 1:
        inserted = (path[0], RANDOM, *path[1:])
        yield wrong._replace(name="inserted-component", path=inserted)


def subtree_inclusion() -> Iterator[Inclusion]:
    """Make the 204 probes of inclusion in subtrees."""
    for probe in inclusion():
        yield probe
        yield shifted(probe)
    first = Inclusion("everything-zero", 0, 0, 0, LEAVES[0], EMPTY_ROOT, ())
    yield first
    for name, index, start, end in (
        ("invalid-large-subtree", 1, 1, 2**63 + 2),
        ("invalid-subtree", 3, 3, 5),
        ("oob-left", 0, 1, 2),
        ("oob-right", 3, 0, 2),
        ("oob-right-2", 3, 0, 3),
        ("start-equals-end", 0, 1, 1),
        ("start-larger-than-end", 0, 2, 1),
    ):
        yield first._replace(name=name, at=index, start=start, end=end)


def consistency(*, subtrees: bool = False) -> Iterator[Consistency]:
    """Make the 98 probes of consistency, or the 118 of consistency with subtrees."""
    for old, new in ((1, 1), (1, 8), (6, 8), (2, 5), (6, 7)):
        small, large = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
        path = naive_consistency(old, LEAVES[:new])
        right = Consistency("happy-path", 0, old, new, small, large, path, holds=True)
        yield right
        if path:
            yield from _spoiled_consistency(right)
        if path and subtrees:
            yield right._replace(name="invalid-subtree", start=1, end=15, size=15, holds=False)
    for row in (*COMMON, *(SUBTREES if subtrees else TREES)):
        yield Consistency(*row)


def _spoiled_consistency(right: Consistency) -> Iterator[Consistency]:
    old, new, path = right.end, right.size, right.path
    wrong = right._replace(holds=False)
    yield wrong._replace(name="size1-sub-1", end=old - 1)
    yield wrong._replace(name="size1-plus-1", end=old + 1)
    yield wrong._replace(name="size1-XOR-2", end=old ^ 2)
    yield wrong._replace(name="size2-mul-2", size=new * 2)
    yield wrong._replace(name="size2-div-2", size=new // 2)
    yield wrong._replace(name="wrong-root1", small=b"WrongRoot")
    yield wrong._replace(name="wrong-root2", large=b"WrongRoot")
    yield wrong._replace(name="swapped-roots", small=right.large, large=right.small)
    yield wrong._replace(name="empty-proof", path=())
    for name, more in (("garbage", b""), ("root1", right.small), ("root2", right.large)):
        yield wrong._replace(name=f"trailing-{name}", path=(*path, more))
        yield wrong._replace(name=f"preceding-{name}", path=(more, *path))
    yield wrong._replace(name="preceding-proof", path=(path[0], *path))
    yield wrong._replace(name="truncated-proof", path=path[:-1])
    for at, each in enumerate(path):
        yield wrong._replace(name=f"modified-proof@{at}-bit-4", path=_flipped(path, at, each, 4))


def _flipped(path: Path, at: int, each: bytes, bit: int) -> Path:
    turned = bytes([each[0] ^ 1 << bit]) + each[1:]
    return (*path[:at], turned, *path[at + 1 :])


SINGLE = leaf_hash(b"data")
E_ = EMPTY_ROOT
# name, start, end, size, root of the part, root of the tree, path, holds
COMMON: list[tuple[str, int, int, int, bytes, bytes, Path, bool]] = [
    ("size1-is-greater-than-size2", 0, 1, 0, ONE, TWO, (), False),
    ("size1-is-greater-than-size2-again", 0, 2, 1, ONE, TWO, (), False),
    ("size1-is-zero-and-does-not-equal-size2", 0, 0, 1, ONE, TWO, (), False),
    ("consistency-check-on-empty-tree", 0, 0, 1, E_, E_, (E_,), False),
    ("sizes-are-equal-zero-and-proof-is-empty", 0, 0, 0, ONE, ONE, (), False),
    ("sizes-are-equal-zero-but-roots-are-not", 0, 0, 0, ONE, TWO, (), False),
    ("sizes-are-equal-one-and-proof-is-empty", 0, 1, 1, TWO, TWO, (), True),
    ("sizes-are-equal-one-but-roots-are-not", 0, 1, 1, ONE, TWO, (), False),
    ("sizes-do-not-match-and-proof-is-empty", 0, 1, 2, ONE, TWO, (), False),
    ("sizes-match-but-proof-is-not-empty-and-sizes-are-zero", 0, 0, 0, E_, E_, (E_,), False),
    ("sizes-match-but-proof-is-not-empty-and-sizes-are-one", 0, 1, 1, E_, E_, (E_,), False),
    ("roots-do-not-match-and-sizes-are-one", 0, 1, 1, E_, TWO, (), False),
]
TREES: list[tuple[str, int, int, int, bytes, bytes, Path, bool]] = [
    ("size1-is-zero-and-size2-is-not-zero", 0, 0, 1, E_, TWO, (), False),
    ("roots-do-not-match-and-sizes-are-zero", 0, 0, 0, E_, TWO, (), False),
]
SUBTREES: list[tuple[str, int, int, int, bytes, bytes, Path, bool]] = [
    ("roots-do-not-match-and-sizes-are-one, again", 0, 1, 1, E_, TWO, (), False),
    ("sizes-do-not-match-and-proof-is-empty, again", 0, 1, 2, ONE, TWO, (), False),
    ("invalid-subtree-start-1-end-3-size-8", 1, 3, 8, ONE, TWO, (), False),
    ("invalid-subtree-start-2-end-5-size-8", 2, 5, 8, ONE, TWO, (), False),
    ("invalid-subtree-start-2-end-6-size-8", 2, 6, 8, ONE, TWO, (), False),
    ("invalid-subtree-start-1-end-15-size-15", 1, 15, 15, ONE, TWO, (), False),
    *(
        (f"subtree-is-empty-{name}", at, at, size, small, large, path, holds)
        for at, size in ((0, 0), (1, 1), (1, 2))
        for name, small, large, path, holds in (
            ("roots-match-but-not-valid", ONE, ONE, (), False),
            ("roots-valid-but-proof-is-not-empty", E_, E_, (E_,), False),
            ("root-valid-proof-is-empty", E_, E_, (), True),
            ("root-valid-tree-root-random", E_, E_ if size == 2 else ONE, (), True),
        )
    ),
]
