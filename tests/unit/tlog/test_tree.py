import pytest

from ledger.kernel.errors import Malformed
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash, node_hash
from ledger.tlog.tree import SIZE_MAX, Frontier
from tests.support.logs import naive_root, sample_leaves

RFC_6962_ENTRIES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
RFC_6962_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def test_the_published_eight_leaf_tree_has_its_published_roots():
    frontier = Frontier()
    for entry, root in zip(RFC_6962_ENTRIES, RFC_6962_ROOTS, strict=True):
        frontier = frontier.append(leaf_hash(bytes.fromhex(entry)))
        assert frontier.root().hex() == root


def test_a_leaf_cannot_pass_for_a_node():
    left, right = sample_leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_every_size_up_to_300_has_the_root_of_the_recursive_definition():
    leaves = sample_leaves(300)
    appended = Frontier()
    assert appended.root() == EMPTY_ROOT
    for size in range(1, 301):
        appended = appended.append(leaves[size - 1])
        assert appended.root() == naive_root(leaves[:size])
        assert appended.size == size


@pytest.mark.parametrize("first", [0, 1, 2, 3, 7, 8, 100, 255, 256])
def test_extending_in_bulk_equals_appending_one_by_one(first: int):
    leaves = sample_leaves(300)
    start = Frontier().extend(leaves[:first])
    appended = start
    for size in range(first, 301):
        assert start.extend(leaves[first:size]) == appended
        if size < 300:
            appended = appended.append(leaves[size])


def test_a_frontier_keeps_its_state_when_it_is_extended():
    start = Frontier().extend(sample_leaves(5))
    before = start.to_bytes()
    start.append(sample_leaves(6)[5])
    start.extend(sample_leaves(9))
    assert start.to_bytes() == before


@pytest.mark.parametrize("size", [0, 1, 2, 3, 13, 255, 256, 300])
def test_the_stored_form_has_32_bytes_for_each_set_bit_and_reads_back(size: int):
    frontier = Frontier().extend(sample_leaves(size))
    stored = frontier.to_bytes()
    assert len(stored) == 32 * size.bit_count()
    assert Frontier.from_bytes(size, stored) == frontier


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, 32), (1, 0), (3, 32), (3, 63), (3, 96), (4, 64), (-1, 0), (-1, 32), (SIZE_MAX + 1, 32)],
)
def test_a_stored_form_that_does_not_fit_the_size_is_malformed(size: int, length: int):
    with pytest.raises(Malformed):
        Frontier.from_bytes(size, bytes(length))


def test_the_largest_size_has_sixty_three_subtrees():
    assert Frontier.from_bytes(SIZE_MAX, bytes(63 * 32)).size == 2**63 - 1
