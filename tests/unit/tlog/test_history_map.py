"""The rows of a history map and the tree over them, against the tree of RFC 6962 word for word."""

from base64 import b64encode
from hashlib import sha256
from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash
from ledger.tlog.history_map import HistoryRow, MapTree, parse_row
from tests.support.logs import naive_path, naive_root

LEAF = leaf_hash(b"an entry")


def test_a_row_is_the_canonical_text_of_the_handbook():
    data = canonical(HistoryRow(3, 52, LEAF, "PK-1"))
    leaf = b64encode(sha256(b"\x00an entry").digest())
    assert data == (
        b'{"count":3,"last":52,"leaf":"' + leaf + b'","pack":"PK-1","t":"mobilegrid/history-row/1"}'
    )
    assert parse_row(data) == HistoryRow(3, 52, LEAF, "PK-1")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not a row"),
        (b"\xff", "not a row"),
        (b"[" * 5_000, "not a row"),
        (b'{"count":1}', "not a row"),
        (canonical(HistoryRow(1, 5, LEAF, "PK-1")) + b" ", "canonical"),
        (canonical(HistoryRow(1, 5, LEAF, "PK-1", "mobilegrid/history-row/2")), "type"),
        (canonical(HistoryRow(0, 5, LEAF, "PK-1")), "no chain"),
        (canonical(HistoryRow(7, 5, LEAF, "PK-1")), "no chain"),
        (canonical(HistoryRow(1, -1, LEAF, "PK-1")), "no chain"),
        (canonical(HistoryRow(1, 5, LEAF[1:], "PK-1")), "no chain"),
    ],
)
def test_bytes_that_are_no_row_are_refused(data, rule):
    with pytest.raises(Malformed, match=rule) as found:
        parse_row(data)
    assert found.value.field == "row"


@pytest.mark.parametrize("seed", range(60))
def test_a_map_that_grows_is_the_tree_over_its_sorted_rows_at_every_step(seed):
    random = Random(seed)
    tree, rows = MapTree(), {}
    assert (len(tree), tree.root()) == (0, EMPTY_ROOT)
    for _ in range(random.randrange(1, 8)):
        for _ in range(random.randrange(9)):
            pack = f"PK-{random.randrange(40)}"
            row = HistoryRow(random.randrange(1, 9), 100, random.randbytes(32), pack)
            rows[pack] = row
            tree.put([row])
        listed = sorted(rows)
        leaves = [leaf_hash(canonical(rows[pack])) for pack in listed]
        assert (len(tree), tree.root()) == (len(rows), naive_root(leaves))
        for index, pack in enumerate(listed):
            placed = tree.place(pack)
            assert (placed.index, placed.path) == (index, naive_path(index, leaves))
            assert parse_row(placed.data) == tree.row(pack) == rows[pack]


def test_a_pack_without_a_row_has_neighbours_or_an_edge():
    tree = MapTree()
    assert tree.neighbours("PK-3") == (None, None)
    tree.put([HistoryRow(1, 1, LEAF, f"PK-{each}") for each in (5, 2, 7)])
    places = {
        "PK-1": (None, "PK-2"),
        "PK-3": ("PK-2", "PK-5"),
        "PK-6": ("PK-5", "PK-7"),
        "PK-70": ("PK-7", None),
    }
    for pack, wanted in places.items():
        found = tree.neighbours(pack)
        assert tuple(each and parse_row(each.data).pack for each in found) == wanted
        assert [each.index for each in found if each] == [
            ["PK-2", "PK-5", "PK-7"].index(each) for each in wanted if each
        ]
        with pytest.raises(NotFound, match=pack):
            tree.place(pack)
        assert tree.row(pack) is None
