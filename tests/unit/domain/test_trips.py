"""A trip is all its bookings or none, and each of them is a booking like any other."""

import pytest
from msgspec.structs import replace

from ledger.domain.booking import BookingRequested, BookingReserved
from ledger.domain.claims import BOOKINGS, DRIVER_BOOKINGS, OPEN_MAX, POOLS
from ledger.domain.trips import ReserveTrip, follows, touches
from ledger.domain.world import key_of
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town
from tests.unit.domain.test_booking import NOON, RESERVE

DRIVER = Actor("DR-1", "driver")
SECOND = replace(
    RESERVE,
    booking_id="BK-2",
    station_id="ST-2",
    window_from=NOON + 2 * HOUR,
    window_to=NOON + 3 * HOUR,
)
TRIP = ReserveTrip(driver_id="DR-1", stops=(RESERVE, SECOND))


@pytest.fixture
def world():
    return small_town()


def asked(world, command=TRIP, *, at=0):
    return act(world, command, at=at, actor=DRIVER)


def refusal(world, command):
    before = world.get(DRIVER_BOOKINGS, "DR-1")
    said = asked(world, command)
    assert isinstance(said, Refusal)
    assert world.get(DRIVER_BOOKINGS, "DR-1") == before
    return said


def test_every_stop_is_booked_as_if_it_stood_alone(world):
    alone = small_town()
    singly = [one for stop in TRIP.stops for one in events(asked(alone, stop))]
    said = asked(world)
    assert events(said) == singly
    assert [type(one) for one in events(said)] == [BookingRequested, BookingReserved] * 2
    assert [draft.after for draft in said] == [(), (0,), (), (2,)]
    for key in ("BK-1", "BK-2"):
        row = replace(world.need(BOOKINGS, key), position=0)
        assert row == replace(alone.need(BOOKINGS, key), position=0)
    assert world.need(DRIVER_BOOKINGS, "DR-1") == alone.need(DRIVER_BOOKINGS, "DR-1")
    for place in ("ST-1", "ST-2"):
        pool = key_of(place, "C1")
        assert world.need(POOLS, pool) == alone.need(POOLS, pool)


def test_one_stop_that_cannot_be_stops_all(world):
    short = replace(SECOND, forecast_ready=0)
    said = refusal(world, replace(TRIP, stops=(RESERVE, short)))
    assert (said.code, said.facts["stop"]) == (RefusalCode.NO_PACK_AVAILABLE, 2)
    assert world.get(BOOKINGS, "BK-1") is None
    unknown = replace(RESERVE, station_id="ST-9")
    assert refusal(world, replace(TRIP, stops=(unknown, SECOND))).facts["stop"] == 1


@pytest.mark.parametrize(
    ("stops", "code"),
    [
        ((), RefusalCode.BOOKING_LIMIT_REACHED),
        ((RESERVE,), RefusalCode.BOOKING_LIMIT_REACHED),
        ((RESERVE, replace(SECOND, booking_id="BK-1")), RefusalCode.BOOKING_EXISTS),
        ((RESERVE, replace(SECOND, station_id="ST-1")), RefusalCode.BOOKING_WINDOW_INVALID),
        (
            (RESERVE, replace(SECOND, window_from=NOON + HOUR - 1)),
            RefusalCode.BOOKING_WINDOW_INVALID,
        ),
        ((RESERVE, replace(SECOND, driver_id="DR-2")), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
    ],
)
def test_stops_that_stand_in_each_others_way_are_no_trip(world, stops, code):
    assert refusal(world, replace(TRIP, stops=stops)).code is code


def test_a_trip_counts_with_what_is_booked_already(world):
    early = [
        replace(
            RESERVE,
            booking_id=f"BK-E{number}",
            window_from=NOON - (2 + number) * HOUR,
            window_to=NOON - (1 + number) * HOUR,
        )
        for number in range(OPEN_MAX - 1)
    ]
    asked(world, early[0])
    later = replace(SECOND, booking_id="BK-3", window_from=SECOND.window_to)
    later = replace(later, window_to=SECOND.window_to + HOUR)
    assert not isinstance(asked(world), Refusal)
    fresh = small_town()
    for one in early:
        asked(fresh, one)
    assert refusal(fresh, TRIP).code is RefusalCode.BOOKING_LIMIT_REACHED


def test_no_row_is_asked_for_twice(world):
    for rows in (list(touches(TRIP)), list(follows(world, TRIP))):
        assert len(set(rows)) == len(rows)


def test_somebody_else_cannot_book_a_trip_for_a_driver(world):
    said = act(world, TRIP, at=0, actor=Actor("DR-2", "driver"))
    assert isinstance(said, Refusal)
    assert said.code is RefusalCode.BOOKING_OF_ANOTHER_DRIVER
