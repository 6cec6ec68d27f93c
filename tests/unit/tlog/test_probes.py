"""All 518 published probes of Merkle proofs are decided as published, here and by others."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import metamorphic_log  # type: ignore[import-untyped]
import pytest

from ledger.kernel.errors import ProofInvalid
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.subtree import check_subtree, implied_subtree_root
from ledger.tlog.verify import check_consistency, check_inclusion
from tests.support import probes
from tests.support.logs import (
    ORIGIN,
    naive_consistency,
    naive_path,
    naive_root,
    sample_leaves,
    vouched,
)
from tests.support.probes import Consistency, Inclusion


def holds(check: Callable[..., object], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except ProofInvalid:
        return False
    return True


def wrongly(decided: Callable[[Any], bool], some: Iterable[Any]) -> list[Any]:
    return [probe for probe in some if decided(probe) != probe.holds]


def test_there_are_518_probes_and_36_of_them_hold():
    families: list[list[Any]] = [
        list(probes.inclusion()),
        list(probes.consistency()),
        list(probes.subtree_inclusion()),
        list(probes.consistency(subtrees=True)),
    ]
    assert [len(each) for each in families] == [98, 98, 204, 118]
    assert [sum(probe.holds for probe in each) for each in families] == [6, 6, 12, 12]


def test_the_98_probes_of_inclusion():
    def decided(probe: Inclusion) -> bool:
        signed = vouched(probe.end, probe.root)
        return holds(check_inclusion, signed, probe.at, probe.leaf, probe.path)

    assert wrongly(decided, probes.inclusion()) == []


def test_the_98_probes_of_consistency():
    def decided(probe: Consistency) -> bool:
        old, new = vouched(probe.end, probe.small), vouched(probe.size, probe.large)
        return holds(check_consistency, old, new, probe.path)

    assert wrongly(decided, probes.consistency()) == []


def test_the_204_probes_of_inclusion_in_a_subtree():
    def decided(probe: Inclusion) -> bool:
        span = range(probe.start, probe.end)
        try:
            root = implied_subtree_root(probe.at, span, probe.leaf, probe.path)
        except ProofInvalid:
            return False
        return root == probe.root

    assert wrongly(decided, probes.subtree_inclusion()) == []


def test_the_118_probes_of_consistency_with_a_subtree():
    def decided(probe: Consistency) -> bool:
        signed, span = vouched(probe.size, probe.large), range(probe.start, probe.end)
        return holds(check_subtree, signed, span, probe.small, probe.path)

    assert wrongly(decided, probes.consistency(subtrees=True)) == []


# Subtrees beyond the probes -------------------------------------------------------------------


def naive_subtree_path(first: int, end: int, leaves, *, whole: bool = True) -> tuple[bytes, ...]:
    """Write down the definition of the proof: split as the tree does until the part is a node."""
    if (first, end) == (0, len(leaves)):
        return () if whole else (naive_root(leaves),)
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if end <= k:
        return (*naive_subtree_path(first, end, leaves[:k], whole=whole), naive_root(leaves[k:]))
    if first >= k:
        moved = naive_subtree_path(first - k, end - k, leaves[k:], whole=whole)
        return (*moved, naive_root(leaves[:k]))
    rest = naive_subtree_path(0, end - k, leaves[k:], whole=False)
    return (*rest, naive_root(leaves[:k]))


SPANS = [
    (first, end, size)
    for size in range(1, 20)
    for first, end in product(range(size), range(1, size + 1))
    if first < end and first % (1 << (end - first - 1).bit_length()) == 0
]


def test_every_subtree_of_every_small_tree_is_proven_and_no_other():
    leaves = sample_leaves(20)
    for first, end, size in SPANS:
        signed = vouched(size, naive_root(leaves[:size]))
        path = naive_subtree_path(first, end, leaves[:size])
        root = naive_root(leaves[first:end])
        check_subtree(signed, range(first, end), root, path)
        for wrong in (path[:-1], (*path, bytes(32)), (bytes(32), *path), path[1:]):
            if wrong != path:
                assert not holds(check_subtree, signed, range(first, end), root, wrong)
        assert not holds(check_subtree, signed, range(first, end), bytes(32), path)


def test_a_subtree_from_0_is_an_older_tree():
    leaves = sample_leaves(20)
    for old, new in ((1, 2), (6, 8), (7, 20), (20, 20)):
        path = naive_consistency(old, leaves[:new])
        assert path == naive_subtree_path(0, old, leaves[:new])


def test_inclusion_in_a_subtree_is_inclusion_in_a_tree_of_its_leaves():
    leaves = sample_leaves(20)
    for index in range(16, 20):
        path = naive_path(index - 16, leaves[16:])
        root = implied_subtree_root(index, range(16, 20), leaves[index], path)
        assert root == naive_root(leaves[16:])


@pytest.mark.parametrize(
    ("first", "end", "why"),
    [(-2, 0, "no subtree"), (1, 3, "no subtree"), (4, 3, "no subtree"), (0, 9, "no leaves up to")],
)
def test_what_is_no_subtree_is_refused(first, end, why):
    signed = vouched(8, naive_root(sample_leaves(8)))
    with pytest.raises(ProofInvalid, match=why):
        check_subtree(signed, range(first, end), EMPTY_ROOT, ())


def test_a_subtree_is_checked_under_a_signed_checkpoint_only():
    root = naive_root(sample_leaves(8))
    with pytest.raises(ProofInvalid, match="nobody vouched"):
        check_subtree(SignedCheckpoint(Checkpoint(ORIGIN, 8, root), b"", ()), range(8), root, ())


# What others decide ---------------------------------------------------------------------------


def test_metamorphic_log_decides_the_probes_as_it_did_when_it_was_looked_at():
    """A new version that decides differently fails here until somebody has looked."""

    def accepts(call) -> bool:
        try:
            call()
        except (metamorphic_log.VerifyError, ValueError, OverflowError):
            return False
        return True

    def included(probe: Inclusion) -> bool:
        return accepts(
            lambda: metamorphic_log.verify_inclusion(
                probe.at, probe.end, probe.leaf, list(probe.path), probe.root
            )
        )

    def consistent(probe: Consistency) -> bool:
        return accepts(
            lambda: metamorphic_log.verify_consistency(
                probe.end, probe.size, list(probe.path), probe.small, probe.large
            )
        )

    assert [p.name for p in wrongly(included, probes.inclusion())] == []
    refused = [(p.name, p.holds) for p in wrongly(consistent, probes.consistency())]
    # the one right probe whose roots are no hashes; it accepts nothing that is wrong
    assert refused == [("sizes-are-equal-one-and-proof-is-empty", True)]
