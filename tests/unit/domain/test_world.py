"""The world of a batch: what is fetched, what changed, what is taken back."""

import msgspec
import pytest

from ledger.domain.world import NotLoaded, Shelf, World, key_of, row_bytes, touch
from ledger.kernel.errors import InvariantBroken


class Row(msgspec.Struct, frozen=True):
    count: int


ROWS = Shelf("rows", Row, listed_by=lambda row: str(row.count))
OTHERS = Shelf("others", Row)


def test_a_row_nobody_asked_for_is_not_the_same_as_no_row():
    world = World()
    with pytest.raises(NotLoaded):
        world.get(ROWS, "a")
    world.admit(ROWS, {"a": None, "b": Row(1)})
    assert world.get(ROWS, "a") is None
    assert world.need(ROWS, "b") == Row(1)
    assert [world.is_loaded(ROWS, key) for key in "abc"] == [True, True, False]
    with pytest.raises(InvariantBroken):
        world.need(ROWS, "a")


def test_a_complete_world_knows_that_there_is_no_row():
    world = World(complete=True)
    assert world.get(ROWS, "a") is None
    assert world.is_loaded(ROWS, "a")


def test_changes_are_listed_with_the_position_that_made_them_last():
    world = World(complete=True)
    world.position = 3
    world.put(ROWS, "a", Row(1))
    world.put(OTHERS, "a", Row(2))
    world.position = 4
    world.put(ROWS, "a", Row(5))
    found = [(shelf.name, key, row, at) for shelf, key, row, at in world.changed()]
    assert found == [("rows", "a", Row(5), 4), ("others", "a", Row(2), 3)]
    assert list(world.rows(ROWS)) == [("a", Row(5))]
    assert (ROWS.listed_by(Row(5)), OTHERS.listed_by(Row(5))) == ("5", "")


def test_a_refused_command_leaves_the_world_as_it_was():
    world = World()
    world.admit(ROWS, {"a": Row(1), "b": None})
    world.begin()
    world.put(ROWS, "a", Row(2))
    world.position = 9
    world.begin()
    world.put(ROWS, "a", Row(3))
    world.put(ROWS, "b", Row(4))
    world.put(ROWS, "b", Row(5))
    world.undo()
    assert world.get(ROWS, "a") == Row(2)
    assert world.get(ROWS, "b") is None
    assert [(key, row, at) for _, key, row, at in world.changed()] == [("a", Row(2), 0)]
    assert list(world.rows(ROWS)) == [("a", Row(2))]
    assert list(world.rows(OTHERS)) == []


def test_keys_join_their_parts():
    assert key_of("ST-1", "2") == "ST-1|2"
    assert touch(ROWS, "ST-1", "2") == (ROWS, "ST-1|2")


class Staged(msgspec.Struct, frozen=True, omit_defaults=True):
    count: int = 0
    stage: str = "OPEN"


def test_a_row_has_the_same_bytes_whether_its_default_was_named_or_read():
    named = Staged(1, "OPEN")
    read = msgspec.json.decode(b'{"count":1,"stage":"OPEN"}', type=Staged)
    assert named == read
    assert row_bytes(named) == row_bytes(read) == b'{"count":1}'
    assert row_bytes(Staged(1, "OVER")) == b'{"count":1,"stage":"OVER"}'
    assert row_bytes(Row(2)) == b'{"count":2}'
