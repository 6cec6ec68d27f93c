import pytest

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog import proof
from tests.support.logs import (
    naive_consistency,
    naive_path,
    naive_root,
    sample_leaves,
    tiles_in_memory,
)

LARGE = [255, 256, 257, 300, 511, 512, 65_535, 65_536, 65_537, 66_000]


def test_all_proofs_up_to_40_leaves_are_those_of_the_recursive_definition():
    leaves = sample_leaves(40)
    read_tile = tiles_in_memory(leaves)
    for size in range(1, 41):
        assert proof.root(size, read_tile) == naive_root(leaves[:size])
        for index in range(size):
            assert proof.inclusion(index, size, read_tile) == naive_path(index, leaves[:size])
            expected = naive_consistency(index + 1, leaves[:size])
            assert proof.consistency(index + 1, size, read_tile) == expected


@pytest.mark.parametrize("size", LARGE)
def test_proofs_across_tile_borders_are_those_of_the_recursive_definition(size: int):
    leaves = sample_leaves(66_000)
    read_tile = tiles_in_memory(leaves)
    assert proof.root(size, read_tile) == naive_root(leaves[:size])
    for index in {0, 1, 254, size // 2, size - 2, size - 1}:
        assert proof.inclusion(index, size, read_tile) == naive_path(index, leaves[:size])
        expected = naive_consistency(index + 1, leaves[:size])
        assert proof.consistency(index + 1, size, read_tile) == expected


def test_the_empty_tree_has_its_root_without_reading():
    assert proof.root(0, lambda *_: b"") == EMPTY_ROOT


def test_a_proof_reads_each_tile_once_and_at_most_two_of_a_level():
    tiles = tiles_in_memory(sample_leaves(66_000))
    asked: list[tuple[int, int, int]] = []

    def read(level: int, number: int, width: int) -> bytes:
        asked.append((level, number, width))
        return tiles(level, number, width)

    proof.inclusion(300, 66_000, read)
    assert sorted(asked) == [(0, 1, 256), (0, 257, 208), (1, 0, 256), (1, 1, 1)]
    asked.clear()
    proof.consistency(300, 66_000, read)
    assert len(asked) == len(set(asked)) <= 5


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5)])
def test_there_is_no_inclusion_proof_outside_the_tree(index: int, size: int):
    with pytest.raises(NotFound):
        proof.inclusion(index, size, tiles_in_memory(sample_leaves(6)))


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (-1, 5), (6, 5)])
def test_there_is_no_consistency_proof_from_nothing_or_backwards(old: int, new: int):
    with pytest.raises(NotFound):
        proof.consistency(old, new, tiles_in_memory(sample_leaves(6)))


def test_a_short_tile_is_evidence_not_a_proof():
    with pytest.raises(TamperEvidence):
        proof.inclusion(1, 5, lambda *_: bytes(64))
