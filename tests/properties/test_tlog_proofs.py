"""Trees of any size: proofs verify, and what is not so is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.kernel.errors import ProofInvalid
from ledger.tlog import proof
from ledger.tlog.tiles import TileBuilder
from ledger.tlog.tree import Frontier
from ledger.tlog.verify import check_consistency, check_inclusion
from tests.support.logs import sample_leaves, tiles_in_memory, vouched

TOTAL = 70_000
LEAVES = sample_leaves(TOTAL)
READ = tiles_in_memory(LEAVES)

pairs = st.integers(1, TOTAL).flatmap(lambda new: st.tuples(st.integers(1, new), st.just(new)))


@given(pairs, st.integers(0, 255))
def test_inclusion_holds_at_every_size_and_every_flipped_bit_is_refused(
    pair: tuple[int, int], bit: int
):
    index, size = pair[0] - 1, pair[1]
    signed = vouched(size, proof.root(size, READ))
    path = proof.inclusion(index, size, READ)
    check_inclusion(signed, index, LEAVES[index], path)
    for at, sibling in enumerate(path):
        flipped = (int.from_bytes(sibling, "big") ^ 1 << bit).to_bytes(32, "big")
        with pytest.raises(ProofInvalid):
            check_inclusion(signed, index, LEAVES[index], (*path[:at], flipped, *path[at + 1 :]))


@given(pairs, st.integers(0, 255))
def test_consistency_holds_between_any_sizes_and_every_flipped_bit_is_refused(
    pair: tuple[int, int], bit: int
):
    old, new = (vouched(size, proof.root(size, READ)) for size in pair)
    path = proof.consistency(*pair, READ)
    check_consistency(old, new, path)
    for at, sibling in enumerate(path):
        flipped = (int.from_bytes(sibling, "big") ^ 1 << bit).to_bytes(32, "big")
        with pytest.raises(ProofInvalid):
            check_consistency(old, new, (*path[:at], flipped, *path[at + 1 :]))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 600), max_size=8))
def test_frontier_and_tiles_grow_alike_however_the_entries_are_portioned(portions: list[int]):
    frontier, builder = Frontier(), TileBuilder()
    for count in portions:
        leaves = LEAVES[frontier.size : frontier.size + count]
        frontier = frontier.extend(leaves)
        builder, _ = builder.extend(leaves)
        assert builder.frontier() == frontier
        assert frontier.root() == proof.root(frontier.size, READ)
