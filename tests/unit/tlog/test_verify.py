from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest

from ledger.kernel.errors import ProofInvalid
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash
from ledger.tlog import proof
from ledger.tlog.tiles import TILE_BYTES, encode_entries
from ledger.tlog.verify import (
    check_consistency,
    check_entries,
    check_inclusion,
    check_tiles,
    implied_root,
)
from tests.support.logs import (
    naive_both_turns,
    naive_root,
    naive_turns,
    sample_entries,
    sample_leaves,
    tiles_in_memory,
    vouched,
)

SIZES = range(1, 25)
LEAVES = sample_leaves(24)
READ = tiles_in_memory(LEAVES)
HEADS = {size: vouched(size, naive_root(LEAVES[:size])) for size in range(25)}

Path = tuple[bytes, ...]


def damaged(path: Path) -> Iterator[Path]:
    """Every insertion, deletion, repetition, exchange, cut and single flipped bit."""
    for at in range(len(path) + 1):
        yield (*path[:at], LEAVES[0], *path[at:])
        yield (*path[:at], bytes(32), *path[at:])
    for at in range(len(path)):
        yield path[:at] + path[at + 1 :]
        yield path[: at + 1] + path[at:]
        yield path[:at]
        yield (*path[:at], path[at][:31], *path[at + 1 :])
        yield (*path[:at], path[at] + b"\0", *path[at + 1 :])
        yield (*path[:at], bytes([path[at][0] ^ 1]) + path[at][1:], *path[at + 1 :])
        for other in range(at):
            yield (*path[:other], path[at], *path[other + 1 : at], path[other], *path[at + 1 :])


def accepted(check: Callable[[], None]) -> bool:
    try:
        check()
    except ProofInvalid:
        return False
    return True


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_is_accepted_and_every_damaged_path_refused(size: int):
    for index in range(size):
        path = proof.inclusion(index, size, READ)
        check_inclusion(HEADS[size], index, LEAVES[index], path)
        for bad in damaged(path):
            with pytest.raises(ProofInvalid):
                check_inclusion(HEADS[size], index, LEAVES[index], bad)


@pytest.mark.parametrize("size", SIZES)
def test_an_inclusion_proof_holds_for_no_other_place_leaf_or_checkpoint(size: int):
    for index in range(size):
        path = proof.inclusion(index, size, READ)
        for other in range(-1, 25):
            if other != index:
                with pytest.raises(ProofInvalid):
                    check_inclusion(HEADS[size], other, LEAVES[index], path)
            if other not in (index, -1, 24):
                with pytest.raises(ProofInvalid):
                    check_inclusion(HEADS[size], index, LEAVES[other], path)
            if other not in (size, -1):
                with pytest.raises(ProofInvalid):
                    check_inclusion(HEADS[other], index, LEAVES[index], path)


@pytest.mark.parametrize("size", SIZES)
def test_a_false_size_or_place_passes_only_where_the_way_up_is_the_very_same(size: int):
    """The path does not say how large the tree is; the checkpoint does, and that one is signed."""
    root = HEADS[size].checkpoint.root
    for index in range(size):
        path = proof.inclusion(index, size, READ)
        for false_size in range(26):
            for false_index in range(26):
                claim = vouched(false_size, root)
                same_way = false_index < false_size and naive_turns(
                    false_index, false_size
                ) == naive_turns(index, size)
                verdict = accepted(lambda: check_inclusion(claim, false_index, LEAVES[index], path))  # noqa: B023
                assert verdict == same_way


@pytest.mark.parametrize("new", SIZES)
def test_every_consistency_proof_is_accepted_and_every_damaged_path_refused(new: int):
    for old in range(1, new + 1):
        path = proof.consistency(old, new, READ)
        check_consistency(HEADS[old], HEADS[new], path)
        for bad in damaged(path):
            with pytest.raises(ProofInvalid):
                check_consistency(HEADS[old], HEADS[new], bad)


@pytest.mark.parametrize("new", SIZES)
def test_a_consistency_proof_holds_for_no_other_checkpoints(new: int):
    for old in range(1, new + 1):
        path = proof.consistency(old, new, READ)
        for other in range(25):
            if other != old:
                with pytest.raises(ProofInvalid):
                    check_consistency(HEADS[other], HEADS[new], path)
            if other != new and (other, path) != (old, ()):
                with pytest.raises(ProofInvalid):
                    check_consistency(HEADS[old], HEADS[other], path)


@pytest.mark.parametrize("new", range(1, 13))
def test_false_sizes_pass_a_consistency_check_only_where_the_way_up_is_the_very_same(new: int):
    for old in range(1, new):
        path = proof.consistency(old, new, READ)
        roots = HEADS[old].checkpoint.root, HEADS[new].checkpoint.root
        for false_new in range(15):
            for false_old in range(15):
                claims = vouched(false_old, roots[0]), vouched(false_new, roots[1])
                same_way = 0 < false_old < false_new and (
                    naive_both_turns(false_old, false_new) == naive_both_turns(old, new)
                )
                assert accepted(lambda: check_consistency(*claims, path)) == same_way  # noqa: B023


def test_consistency_from_an_empty_log_proves_nothing_and_is_refused():
    for size in (0, 1, 5):
        for path in ((), (LEAVES[0],)):
            with pytest.raises(ProofInvalid, match=r"3\.2"):
                check_consistency(HEADS[0], HEADS[size], path)


def test_equal_sizes_need_equal_roots_and_an_empty_proof():
    check_consistency(HEADS[5], HEADS[5], ())
    with pytest.raises(ProofInvalid, match=r"3\.3"):
        check_consistency(HEADS[5], HEADS[5], (LEAVES[0],))
    with pytest.raises(ProofInvalid, match=r"3\.3"):
        check_consistency(HEADS[5], vouched(5, LEAVES[0]), ())


def test_checkpoints_of_different_logs_are_never_consistent():
    other = vouched(5, HEADS[5].checkpoint.root, "log.example.net/log/other")
    with pytest.raises(ProofInvalid, match=r"3\.1"):
        check_consistency(HEADS[5], other, ())


def test_nothing_is_checked_against_a_checkpoint_nobody_vouched_for():
    unsigned = msgspec.structs.replace(HEADS[1], signed_by=())
    checks: Sequence[Callable[[], None]] = (
        lambda: check_inclusion(unsigned, 0, LEAVES[0], ()),
        lambda: check_consistency(unsigned, HEADS[1], ()),
        lambda: check_consistency(HEADS[1], unsigned, ()),
        lambda: check_tiles(unsigned, READ),
    )
    for check in checks:
        with pytest.raises(ProofInvalid, match="step 2"):
            check()


@pytest.mark.parametrize("leaf", [b"", LEAVES[0][:31], LEAVES[0] + b"\0"])
def test_a_leaf_of_other_than_32_bytes_is_refused(leaf: bytes):
    with pytest.raises(ProofInvalid, match="E4"):
        implied_root(0, 1, leaf, ())


def test_the_largest_tree_of_the_formats_has_a_path_of_63_hashes():
    path = [bytes(32)] * 63
    assert len(implied_root(2**62, 2**63 - 1, bytes(32), path)) == 32
    with pytest.raises(ProofInvalid):
        implied_root(2**62, 2**63 - 1, bytes(32), [*path, bytes(32)])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 70_000])
def test_the_tiles_of_a_log_lead_to_its_root(size: int):
    leaves = sample_leaves(70_000)[:size]
    check_tiles(vouched(size, naive_root(leaves)), tiles_in_memory(leaves))


@pytest.mark.parametrize(
    ("level", "number", "at", "names"),
    [
        (0, 0, 17, "tile 1/0 differs"),
        (0, 273, 3583, "another root"),
        (1, 0, 0, "tile 1/0 differs"),
        (1, 1, 543, "tile 1/1 differs"),
        (2, 0, 31, "tile 2/0 differs"),
    ],
)
def test_one_flipped_byte_in_any_tile_is_found(level: int, number: int, at: int, names: str):
    leaves = sample_leaves(70_000)
    honest = tiles_in_memory(leaves)

    def flipped(*asked: int) -> bytes:
        data = bytearray(honest(*asked))
        if asked[:2] == (level, number):
            data[at] ^= 1
        return bytes(data)

    with pytest.raises(ProofInvalid, match=names):
        check_tiles(vouched(70_000, naive_root(leaves)), flipped)


def test_a_tile_cut_short_is_named():
    leaves = sample_leaves(300)
    signed = vouched(300, naive_root(leaves))
    with pytest.raises(ProofInvalid, match="tile 0/0 is cut short"):
        check_tiles(signed, lambda *_: bytes(TILE_BYTES - 1))


def test_the_wrong_root_is_found():
    with pytest.raises(ProofInvalid, match="another root"):
        check_tiles(vouched(24, EMPTY_ROOT), READ)


def test_entries_are_given_when_each_has_its_leaf():
    entries = sample_entries(24)
    tile = b"".join(LEAVES)
    assert check_entries(0, encode_entries(entries), tile) == entries


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (sample_entries(23), "bundle 2 holds 23 entries"),
        (sample_entries(25), "entry 536 differs"),
        ([*sample_entries(5), b"", *sample_entries(24)[6:]], "entry 517 differs"),
        ([b""] * 257, "bundle 2 does not parse"),
    ],
)
def test_a_missing_surplus_or_changed_entry_is_named(entries: list[bytes], names: str):
    data = b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])
    with pytest.raises(ProofInvalid, match=names):
        check_entries(2, data, b"".join(leaf_hash(entry) for entry in sample_entries(24)))
