"""The history map in the log: who may ask for one, how often, and what it must say."""

import pytest
from msgspec.structs import replace

from ledger.domain import history_map
from ledger.domain.access import authorise
from ledger.domain.history_map import (
    COMPUTED,
    MAPS,
    NEWEST,
    PAUSE,
    ComputedMap,
    HistoryMapped,
    MapHistory,
    NewestMap,
    decide,
    evolve,
    is_up_to_date,
    postings,
)
from ledger.domain.world import NotLoaded, Stamp, World
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.ledgers import OPENED_AT, SYSTEM
from tests.support.rules import events

ROOT = bytes(range(32))
AUDITOR = Actor("AU-1", "auditor")


def world_at(size: int, newest: NewestMap | None = None) -> World:
    world = World()
    rows: dict[str, NewestMap | None] = {NEWEST: newest}
    world.admit(MAPS, rows)
    world.admit(COMPUTED, {NEWEST: ComputedMap(size, 3, ROOT)})
    return world


def asked(at: int = OPENED_AT, actor: Actor = AUDITOR, *, on_request: bool = True) -> Request:
    return Request(bytes(16), "tests", actor, at, MapHistory(on_request=on_request))


def answer(world: World, request: Request):
    command = request.command
    assert isinstance(command, MapHistory)
    return decide(world, command, request)


def test_the_map_says_what_the_writer_computed_and_moves_nothing():
    (event,) = events(answer(world_at(20), asked()))
    assert event == HistoryMapped(as_of=20, packs=3, root=ROOT)
    assert postings(event) == ()
    world = world_at(20)
    evolve(world, event, Stamp(20, OPENED_AT, OPENED_AT + 5))
    assert world.get(MAPS, NEWEST) == NewestMap(20, OPENED_AT + 5, 3)


def test_a_map_of_another_position_than_its_own_is_never_taken():
    with pytest.raises(InvariantBroken, match="a map of position 19 at 20"):
        evolve(
            World(complete=True),
            HistoryMapped(as_of=19, packs=0, root=ROOT),
            Stamp(20, OPENED_AT, OPENED_AT),
        )


def test_nothing_is_decided_without_what_the_writer_computed():
    world = World()
    nothing: dict[str, NewestMap | None] = {NEWEST: None}
    world.admit(MAPS, nothing)
    with pytest.raises(NotLoaded):
        answer(world, asked())


def test_when_nothing_was_written_since_the_newest_map_there_is_nothing_to_do():
    newest = NewestMap(19, OPENED_AT - PAUSE, 3)
    world = world_at(20, newest)
    assert is_up_to_date(world, 20)
    assert not is_up_to_date(world, 21)
    assert not is_up_to_date(world_at(20), 20)
    nothing: dict[str, ComputedMap | None] = {NEWEST: None}
    world.admit(COMPUTED, nothing)
    assert answer(world, asked()) == ()


@pytest.mark.parametrize(
    ("passed", "request_", "code"),
    [
        (0, asked(), RefusalCode.MAP_TOO_SOON),
        (PAUSE - 1, asked(), RefusalCode.MAP_TOO_SOON),
        (PAUSE - 1, asked(actor=SYSTEM), RefusalCode.MAP_TOO_SOON),
        (PAUSE, asked(), None),
        (0, asked(actor=SYSTEM, on_request=False), None),
        (PAUSE, asked(on_request=False), RefusalCode.ROLE_NOT_ALLOWED),
    ],
    ids=["at once", "early", "early, by us", "after a minute", "hourly", "hourly, by a person"],
)
def test_a_map_on_request_is_made_once_a_minute_and_the_clockwork_is_ours(passed, request_, code):
    request = replace(request_, at=OPENED_AT + passed)
    found = answer(world_at(20, NewestMap(11, OPENED_AT, 2)), request)
    assert (found.code if isinstance(found, Refusal) else None) is code


@pytest.mark.parametrize("role", ["driver", "station", "operator", "carrier"])
def test_whoever_has_no_business_with_all_histories_may_not_ask(role):
    refusal = authorise(MapHistory(), Actor("P-1", role))
    assert refusal is not None
    assert refusal.code is RefusalCode.ROLE_NOT_ALLOWED


def test_a_map_needs_the_newest_one_and_nothing_else_of_the_store():
    assert history_map.touches(MapHistory()) == ((MAPS, NEWEST),)
    assert history_map.follows(World(), MapHistory()) == ()
    assert COMPUTED not in history_map.SHELVES
