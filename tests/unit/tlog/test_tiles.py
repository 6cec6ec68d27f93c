import pytest

from ledger.kernel.errors import Malformed, TamperEvidence
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.tiles import (
    ENTRIES,
    Tile,
    TileBuilder,
    decode_entries,
    encode_entries,
    parse_tile_path,
    read_checked,
    subtree_hash,
    tile_width,
    tiles_of,
)
from ledger.tlog.tree import SIZE_MAX, Frontier
from tests.support.logs import naive_root, sample_entries, sample_leaves, tiles_in_memory

PATHS = [
    (Tile(0, 0, 256), "tile/0/000"),
    (Tile(0, 0, 1), "tile/0/000.p/1"),
    (Tile(1, 999, 255), "tile/1/999.p/255"),
    (Tile(2, 1000, 256), "tile/2/x001/000"),
    (Tile(3, 1234067, 256), "tile/3/x001/x234/067"),
    (Tile(63, 5, 256), "tile/63/005"),
    (Tile(ENTRIES, 1000000, 17), "tile/entries/x001/x000/000.p/17"),
    (Tile(0, SIZE_MAX, 256), "tile/0/x009/x223/x372/x036/x854/x775/807"),
]


@pytest.mark.parametrize(("tile", "path"), PATHS)
def test_a_tile_has_exactly_one_path(tile: Tile, path: str):
    assert tile.path == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001/1",
        "tile/0/X001/000",
        "tile/0/001/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/" + "x001/" * 12 + "000",
        "tile/0/../000",
    ],
)
def test_every_other_spelling_of_a_path_is_malformed(path: str):
    with pytest.raises(Malformed):
        parse_tile_path(path)


def test_the_tiles_of_70000_entries_are_those_of_the_published_example():
    listed = list(tiles_of(70_000))
    assert [sum(tile.level == level for tile in listed) for level in range(4)] == [274, 2, 1, 0]
    assert [tile for tile in listed if tile.width < 256] == [
        Tile(0, 273, 112),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]


@pytest.mark.parametrize("since", [0, 1, 255, 256, 257, 300, 511, 512, 70_000])
def test_tiles_since_an_older_size_are_those_that_are_new(since: int):
    for size in (since, since + 1, since + 255, since + 256, since + 600):
        older = set(tiles_of(since))
        assert list(tiles_of(size, since=since)) == [t for t in tiles_of(size) if t not in older]


def test_the_width_of_a_tile_is_what_the_size_leaves_for_it():
    assert [tile_width(600, 0, number) for number in range(4)] == [256, 256, 88, 0]
    assert [tile_width(600, level, 0) for level in (ENTRIES, 1, 2)] == [256, 2, 0]


def test_bundles_carry_their_entries_back():
    entries = [*sample_entries(254), b"", b"x" * 65_535]
    assert decode_entries(encode_entries(entries)) == entries


@pytest.mark.parametrize("entries", [[b""] * 257, [b"x" * 65_536]])
def test_a_bundle_holds_at_most_256_entries_of_65535_bytes(entries: list[bytes]):
    with pytest.raises(Malformed):
        encode_entries(entries)


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x00" * 257, b"\x00\x01ab"])
def test_a_bundle_cut_short_or_overfull_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        decode_entries(data)


@pytest.mark.parametrize("step", [1, 7, 255, 256, 257, 1000])
def test_feeding_in_any_portions_gives_the_same_tiles(step: int):
    leaves = sample_leaves(1000)
    whole, expected = TileBuilder().extend(leaves)
    builder, done = TileBuilder(), []
    for first in range(0, 1000, step):
        builder, more = builder.extend(leaves[first : first + step])
        done += more
    assert (builder, done) == (whole, expected)
    assert [(level, number, len(data)) for level, number, data in done] == [
        (0, number, 8192) for number in range(3)
    ]
    assert [
        (level, number, len(data) // 32) for level, number, data in builder.partial_tiles()
    ] == [
        (0, 3, 232),
        (1, 0, 3),
    ]


def test_the_first_tile_of_level_one_closes_with_entry_65536():
    leaves = sample_leaves(65_536)
    before, _ = TileBuilder().extend(leaves[:-1])
    after, done = before.extend(leaves[-1:])
    assert [(level, number) for level, number, _ in done] == [(0, 255), (1, 0)]
    assert after.edges == (b"", b"", naive_root(leaves))
    assert after.frontier().root() == naive_root(leaves)


@pytest.mark.parametrize("size", [0, 1, 5, 255, 256, 257, 300, 513, 65_535, 65_536, 66_000])
def test_a_builder_is_restored_from_full_tiles_and_the_open_leaves(size: int):
    leaves = sample_leaves(66_000)[:size]
    builder, done = TileBuilder().extend(leaves)
    full = {(level, number): data for level, number, data in done}
    restored = TileBuilder.restore(
        size, lambda level, number: full[level, number], lambda first, end: leaves[first:end]
    )
    assert restored == builder
    assert restored.frontier() == Frontier().extend(leaves)


def test_a_builder_is_not_restored_from_wrong_leaves_or_short_tiles():
    with pytest.raises(TamperEvidence):
        TileBuilder.restore(5, lambda *_: b"", lambda *_: sample_leaves(4))
    with pytest.raises(TamperEvidence):
        TileBuilder.restore(256, lambda *_: bytes(8160), lambda *_: ())


@pytest.mark.parametrize(
    ("size", "edges"),
    [(1, ()), (256, (b"",)), (2, (bytes(32),)), (0, (bytes(32),)), (-1, ())],
)
def test_edges_that_do_not_fit_the_size_are_malformed(size: int, edges: tuple[bytes, ...]):
    with pytest.raises(Malformed):
        TileBuilder(size, edges)


def test_leaves_of_other_than_32_bytes_are_malformed():
    with pytest.raises(Malformed):
        TileBuilder().extend([b"short"])


def test_an_empty_builder_is_the_empty_tree():
    assert TileBuilder().frontier().root() == EMPTY_ROOT
    assert TileBuilder().extend([]) == (TileBuilder(), [])


def test_an_open_tile_is_found_by_its_coordinates_and_no_other():
    builder, _ = TileBuilder().extend(sample_leaves(300))
    assert builder.read_edge(0, 1) == b"".join(sample_leaves(300)[256:])
    assert builder.read_edge(1, 0) == naive_root(sample_leaves(300)[:256])
    assert [builder.read_edge(*at) for at in ((0, 0), (0, 2), (1, 1), (2, 0))] == [None] * 4


def test_every_perfect_subtree_is_found_in_its_tile():
    leaves = sample_leaves(66_000)
    read_tile = tiles_in_memory(leaves)
    for level in range(17):
        last = (66_000 >> level) - 1
        for index in {0, last // 2, last}:
            expected = naive_root(leaves[index << level : index + 1 << level])
            assert subtree_hash(level, index, read_tile) == expected


def test_a_tile_shorter_than_its_width_is_evidence():
    with pytest.raises(TamperEvidence):
        read_checked(lambda *_: bytes(95), 0, 0, 3)
    assert read_checked(lambda *_: bytes(128), 0, 0, 3) == bytes(96)
