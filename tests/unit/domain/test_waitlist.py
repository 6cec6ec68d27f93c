"""Waitlists: joined, served in their order, taken by a booking, left, lapsed."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.blocks import BlockDriver
from ledger.domain.claims import POOLS, Pool
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import TIMERS
from ledger.domain.waitlist import (
    OFFER_US,
    WAITLIST_MAX,
    WAITLISTS,
    JoinWaitlist,
    LeaveWaitlist,
    Place,
    ServeWaitlist,
    Waitlist,
    WaitlistLeft,
    WaitlistOffered,
    offer_of,
)
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of
from tests.unit.domain.test_booking import RESERVE

NOON = 12 * HOUR
CLERK = Actor("P1", "operator")
JOIN = JoinWaitlist(driver_id="DR-1", station_id="ST-1", pack_class="C1", until=NOON + HOUR)
LEAVE = LeaveWaitlist(driver_id="DR-1", station_id="ST-1", pack_class="C1")
SERVE = ServeWaitlist(station_id="ST-1", pack_class="C1", forecast_ready=1, forecast_version="F1")
BOOK = replace(RESERVE, window_from=NOON, window_to=NOON + HOUR, forecast_ready=1)


def do(world: World, command: Any, *, at: int = NOON) -> list[Any]:
    return events(act(world, command, at=at, actor=CLERK))


def waiting(*drivers: str, **changes: Any) -> World:
    world = small_town()
    for step, driver_id in enumerate(drivers):
        do(world, replace(JOIN, driver_id=driver_id, **changes), at=NOON - 10 + step)
    return world


def list_of(world: World) -> Waitlist:
    return world.need(WAITLISTS, "ST-1|C1")


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_drivers_wait_in_the_order_they_came():
    world = waiting("DR-2", "DR-1")
    row = list_of(world)
    assert row.places == (
        Place("DR-2", NOON - 10, NOON + HOUR),
        Place("DR-1", NOON - 9, NOON + HOUR),
    )
    assert (row.station_id, row.pack_class, WAITLISTS.listed_by(row)) == ("ST-1", "C1", "waiting")
    assert world.need(TIMERS, "waitlist|ST-1|C1").due_at == NOON - 10


def test_what_is_ready_is_offered_to_the_first_and_kept_for_him():
    world = waiting("DR-2", "DR-1")
    (offered,) = do(world, SERVE)
    assert offered == WaitlistOffered(
        driver_id="DR-2",
        station_id="ST-1",
        pack_class="C1",
        offered_until=NOON + OFFER_US,
        count=1,
        forecast_ready=1,
        forecast_version="F1",
    )
    assert world.need(POOLS, "ST-1|C1").claimed(NOON, NOON + 1) == 1
    assert do(world, SERVE) == []
    assert code_of(act(world, replace(BOOK, driver_id="DR-1"), at=NOON, actor=CLERK)) is (
        RefusalCode.NO_PACK_AVAILABLE
    )
    assert sums_of(offered) == {}


def test_an_offer_is_taken_by_a_booking_which_ends_the_wait():
    world = waiting("DR-2", "DR-1")
    do(world, SERVE)
    found = do(world, replace(BOOK, driver_id="DR-2"))
    (ended,) = [event for event in found if isinstance(event, WaitlistLeft)]
    assert (ended.driver_id, ended.reason) == ("DR-2", "booked")
    assert [one.driver_id for one in list_of(world).places] == ["DR-1"]
    claims = world.need(POOLS, "ST-1|C1").claims
    assert [claim.booking_id for claim in claims] == ["BK-1"]


def test_who_books_without_an_offer_waits_no_more_either():
    world = waiting("DR-1")
    found = do(world, BOOK)
    assert found[-1].kind == "waitlist_left"
    assert WAITLISTS.listed_by(list_of(world)) == "empty"
    assert world.need(TIMERS, "waitlist|ST-1|C1").due_at == 0


def test_an_offer_that_is_not_taken_goes_to_the_next():
    world = waiting("DR-2", "DR-1")
    do(world, SERVE)
    assert world.need(TIMERS, "waitlist|ST-1|C1").due_at == NOON - 9
    lapsed, offered = do(world, SERVE, at=NOON + OFFER_US)
    assert (lapsed.driver_id, lapsed.reason) == ("DR-2", "lapsed")
    assert (offered.driver_id, offered.offered_until) == ("DR-1", NOON + 2 * OFFER_US)
    assert world.need(TIMERS, "waitlist|ST-1|C1").due_at == NOON + 2 * OFFER_US


def test_a_wait_ends_at_its_time_and_no_offer_outlasts_it():
    world = waiting("DR-1", until=NOON + OFFER_US - 1)
    (offered,) = do(world, SERVE)
    assert offered.offered_until == NOON + OFFER_US - 1
    (lapsed,) = do(world, replace(SERVE, forecast_ready=0), at=NOON + OFFER_US - 1)
    assert lapsed.reason == "lapsed"
    assert do(world, SERVE, at=NOON + DAY) == []
    world = waiting("DR-1", until=NOON + 5)
    assert do(world, replace(SERVE, forecast_ready=0), at=NOON + 4) == []
    (lapsed,) = do(world, replace(SERVE, forecast_ready=9), at=NOON + 5)
    assert lapsed.reason == "lapsed"


def test_who_wants_more_than_is_ready_keeps_his_place_and_holds_nobody_up():
    world = small_town()
    do(world, replace(JOIN, driver_id="DR-1", count=2), at=NOON - 2)
    do(world, replace(JOIN, driver_id="DR-2"), at=NOON - 1)
    (offered,) = do(world, SERVE)
    assert offered.driver_id == "DR-2"
    (offered,) = do(world, replace(SERVE, forecast_ready=3))
    assert (offered.driver_id, offered.count) == ("DR-1", 2)


def test_a_booking_that_is_open_counts_before_anybody_who_waits():
    world = small_town()
    do(world, BOOK)
    do(world, replace(JOIN, driver_id="DR-2"))
    assert do(world, SERVE) == []
    assert len(do(world, replace(SERVE, forecast_ready=2))) == 1


def test_who_leaves_gives_his_offer_back():
    world = waiting("DR-1")
    do(world, SERVE)
    (ended,) = do(world, LEAVE)
    assert ended.reason == "left"
    assert world.need(POOLS, "ST-1|C1") == Pool()
    assert code_of(act(world, LEAVE, at=NOON, actor=CLERK)) is RefusalCode.WAITS_NOT
    stranger = Actor("DR-2", "driver")
    assert code_of(act(world, LEAVE, at=NOON, actor=stranger)) is (
        RefusalCode.BOOKING_OF_ANOTHER_DRIVER
    )


@pytest.mark.parametrize(
    ("changes", "actor", "code"),
    [
        ({"driver_id": "DR-9"}, CLERK, RefusalCode.PARTY_UNKNOWN),
        ({"driver_id": "OP-1"}, CLERK, RefusalCode.PARTY_ROLE_MISSING),
        ({"station_id": "ST-9"}, CLERK, RefusalCode.STATION_UNKNOWN),
        ({"station_id": "ST-2"}, CLERK, RefusalCode.STATION_NOT_IN_SERVICE),
        ({"count": 0}, CLERK, RefusalCode.TOO_MANY_PACKS),
        ({"count": 5}, CLERK, RefusalCode.TOO_MANY_PACKS),
        ({"pack_class": "no class"}, CLERK, RefusalCode.PACK_FIELD_INVALID),
        ({"until": NOON}, CLERK, RefusalCode.BOOKING_WINDOW_INVALID),
        ({"until": NOON + DAY + 1}, CLERK, RefusalCode.BOOKING_WINDOW_INVALID),
        ({}, Actor("DR-2", "driver"), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        ({"driver_id": "DR-2"}, CLERK, RefusalCode.WAITS_ALREADY),
    ],
)
def test_a_wish_that_cannot_be_kept_is_refused(changes, actor, code):
    world = waiting("DR-2")
    station = world.need(STATIONS, "ST-2")
    world.put(STATIONS, "ST-2", replace(station, in_service=False))
    assert code_of(act(world, replace(JOIN, **changes), at=NOON, actor=actor)) is code


def test_a_list_has_an_end_and_a_blocked_driver_waits_nowhere():
    world = small_town()
    places = tuple(Place(f"DR-{number}", 1, NOON) for number in range(10, 10 + WAITLIST_MAX))
    world.put(WAITLISTS, "ST-1|C1", Waitlist("ST-1", "C1", places))
    assert code_of(act(world, JOIN, at=NOON, actor=CLERK)) is RefusalCode.WAITLIST_FULL
    act(world, BlockDriver(driver_id="DR-1", reason="payment_failed"))
    other = replace(JOIN, pack_class="C2")
    assert code_of(act(world, other, at=NOON, actor=CLERK)) is RefusalCode.DRIVER_BLOCKED


def test_the_claim_of_an_offer_has_a_name_of_its_own():
    names = {offer_of("ST-1", "C1", "DR-1"), offer_of("ST-1", "C1", "DR-2"), offer_of("a", "b", "")}
    assert len(names) == 3
