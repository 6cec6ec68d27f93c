"""Notices that the clock makes: a hold that ends soon, a station that is not heard of."""

import pytest

from ledger.domain.booking import BookingReserved
from ledger.domain.booking_ends import CancelBooking
from ledger.domain.claims import BOOKINGS
from ledger.kernel.instants import MINUTE
from ledger.runtime.notices import HOLD_ENDING_US, STATION_DOWN_US, follow, remind
from ledger.store import notices
from tests.support.booked_town import NOON, RESERVE, BookedTown
from tests.support.ledgers import sqlite_url


@pytest.fixture
def town(tmp_path):
    found = BookedTown(sqlite_url(tmp_path))
    made = found.do(RESERVE, NOON - 30 * MINUTE)
    assert any(isinstance(one, BookingReserved) for one in made)
    yield found
    found.ledger.close()


def told(town):
    with town.ledger.reading() as reads:
        rows = notices.of_driver(reads.tx, reads.name.log_id, "DR-1")
    return [(row.kind, row.body.text_key) for row in rows]


def over_at(town):
    return town.row(BOOKINGS, "BK-1").over_at


def heard_now(now):
    return lambda _station: now


def test_five_minutes_before_its_end_a_driver_is_told_once(town):
    end = over_at(town)
    early = end - HOLD_ENDING_US - 1
    assert remind(town.ledger, early, heard_now(early)) == 0
    assert remind(town.ledger, early + 1, heard_now(early)) == 1
    assert remind(town.ledger, early + MINUTE, heard_now(early)) == 0
    assert told(town) == [("hold_ending", "booking.hold_ending")]


def test_a_station_that_is_silent_is_told_to_those_who_come_soon(town):
    now = NOON - 10 * MINUTE
    assert remind(town.ledger, now, lambda _: now - STATION_DOWN_US) == 0
    assert remind(town.ledger, now, lambda _: 0) == 0
    silent = lambda _: now - STATION_DOWN_US - 1  # noqa: E731
    assert remind(town.ledger, now, silent) == 1
    assert remind(town.ledger, now + MINUTE, silent) == 0
    assert told(town) == [("station_down", "station.down")]
    long_before = NOON - 90 * MINUTE
    assert remind(town.ledger, long_before, lambda _: long_before - STATION_DOWN_US - 1) == 0


def test_a_booking_that_is_over_reminds_nobody(town):
    town.do(CancelBooking(booking_id="BK-1", reason="changed plans"), NOON - 20 * MINUTE)
    end = NOON + 60 * MINUTE
    assert remind(town.ledger, end, heard_now(end)) == 0
    assert follow(town.ledger) == 1
    assert told(town) == [("booking_changed", "booking.canceled")]
