"""The strangers' tree against RFC 6962 written down word for word, for all small trees."""

from itertools import combinations

import pytest

from ledger.kernel.errors import NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.tlog.many import prove_many
from mobilegrid import offline_verifier as offline
from mobilegrid.offline_verifier import Checkpoint, check_consistency, check_inclusion, check_many
from tests.support.logs import (
    ORIGIN,
    naive_consistency,
    naive_path,
    naive_root,
    sample_leaves,
    tiles_in_memory,
)

SIZES = range(1, 25)


def said(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, naive_root(sample_leaves(size)))


def holds(check, *given) -> bool:
    try:
        check(*given)
    except offline.EvidenceRefused:
        return False
    return True


def deformed(path):
    """Every path that lacks, repeats, swaps or bends one hash."""
    for place, each in enumerate(path):
        yield (*path[:place], *path[place + 1 :])
        yield (*path[:place], each, *path[place:])
        yield (*path[:place], bytes([each[0] ^ 1]) + each[1:], *path[place + 1 :])
        if place:
            swapped = (*path[: place - 1], each, path[place - 1], *path[place + 1 :])
            if swapped != path:
                yield swapped
    yield (*path, bytes(32))


@pytest.mark.parametrize("size", [0, *SIZES, 255, 256, 257])
def test_the_root_is_that_of_the_standard(size):
    assert offline.tree_root(sample_leaves(size)) == naive_root(sample_leaves(size))


@pytest.mark.parametrize("size", SIZES)
def test_a_path_proves_one_leaf_at_one_place_and_no_deformed_one_does(size):
    leaves = sample_leaves(size)
    for index in range(size):
        path = naive_path(index, leaves)
        assert holds(check_inclusion, said(size), index, leaves[index], path)
        assert not any(
            holds(check_inclusion, said(size), index, leaves[index], bad) for bad in deformed(path)
        )
        for other in {-1, index - 1, index + 1, size} - {index}:
            assert not holds(check_inclusion, said(size), other, leaves[index], path)
        assert not holds(check_inclusion, said(size + 1), index, leaves[index], path)


@pytest.mark.parametrize("size", SIZES)
def test_a_log_is_consistent_with_every_smaller_one_but_the_empty_one(size):
    leaves = sample_leaves(size)
    for old in range(1, size + 1):
        path = naive_consistency(old, leaves)
        assert holds(check_consistency, said(old), said(size), path)
        assert not any(
            holds(check_consistency, said(old), said(size), bad) for bad in deformed(path)
        )
        if old < size:
            assert not holds(check_consistency, said(size), said(old), path)
    assert not holds(check_consistency, said(0), said(size), ())
    other = said(size)._replace(origin="log.example.net/log/other")
    assert not holds(check_consistency, other, said(size), ())


@pytest.mark.parametrize("size", range(1, 10))
def test_many_entries_are_proven_at_once_with_every_hash_used(size):
    leaves = sample_leaves(size)
    for count in range(1, size + 1):
        for positions in combinations(range(size), count):
            hashes = prove_many(positions, size, tiles_in_memory(leaves))
            chosen = {position: leaves[position] for position in positions}
            assert holds(check_many, said(size), chosen, hashes)
            assert not any(holds(check_many, said(size), chosen, bad) for bad in deformed(hashes))
            wrong = chosen | {positions[0]: leaf_hash(b"another")}
            assert not holds(check_many, said(size), wrong, hashes)


@pytest.mark.parametrize("size", [256, 257, 300, 70_000])
def test_a_row_of_entries_needs_hardly_more_hashes_than_one(size):
    leaves = sample_leaves(size)
    positions = tuple(range(100, 200))
    hashes = prove_many(positions, size, tiles_in_memory(leaves))
    checkpoint = Checkpoint(ORIGIN, size, offline.tree_root(leaves))
    assert holds(check_many, checkpoint, {n: leaves[n] for n in positions}, hashes)
    assert len(hashes) < 20


@pytest.mark.parametrize("positions", [(), (5,), (0, 5), (-1, 2)])
def test_entries_outside_the_tree_cannot_be_proven(positions):
    with pytest.raises(NotFound):
        prove_many(positions, 5, tiles_in_memory(sample_leaves(5)))
    leaves = {position: bytes(32) for position in positions}
    assert not holds(check_many, said(5), leaves, ())


def test_the_division_is_by_largest_remainder():
    assert offline.divide(1000, [1, 1, 1]) == [334, 333, 333]
    assert offline.divide(-10, [1, 1, 0, 1]) == [-4, -3, 0, -3]
    assert not holds(offline.divide, 1, [0, 0])


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("0", 0, 256), "tile/0/000"),
        (("1", 1_234_067, 256), "tile/1/x001/x234/067"),
        (("entries", 5, 17), "tile/entries/005.p/17"),
    ],
)
def test_tiles_are_named_as_everywhere(path, named):
    assert offline.tile_path(*path) == named
