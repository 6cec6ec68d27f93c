"""The feed tells each driver of what is his, once, and goes on where somebody was away."""

import asyncio

import pytest

from ledger.domain.asking import RequestSwap
from ledger.domain.holds import PlaceHold
from ledger.kernel.instants import HOUR, MINUTE
from ledger.runtime import driver_feed
from ledger.runtime.driver_feed import DriverFeed
from ledger.runtime.feed_notices import RESET, Notice
from tests.support.booked_town import NOON, RESERVE, BookedTown
from tests.support.doors import HandClock
from tests.support.ledgers import sqlite_url


@pytest.fixture
def town(tmp_path):
    made = BookedTown(sqlite_url(tmp_path))
    yield made
    made.ledger.close()


@pytest.fixture
def clock():
    return HandClock(NOON - HOUR)


@pytest.fixture
def feed(town, clock):
    made = DriverFeed(town.ledger, clock)
    made.step()
    return made


def heard(feed, act, *, who="DR-1", after=None):
    """Listen while something happens; what was told by then."""

    async def listen():
        async with feed.listening(who, after) as listener:
            act()
            feed.step()
            told = []
            while True:
                try:
                    async with asyncio.timeout(0.05):
                        told.append(await listener.next())
                except TimeoutError:
                    return told

    return asyncio.run(listen())


def names(told):
    return [(notice.kind, notice.name) for notice in told]


def test_a_driver_is_told_of_his_booking_and_nobody_else(town, feed):
    told = heard(feed, lambda: town.do(RESERVE, NOON - HOUR))
    assert names(told)[0] == ("booking", "booking_changed")
    assert {notice.object_id for notice in told if notice.kind == "booking"} == {"BK-1"}
    again = RequestSwap(swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1")
    assert heard(feed, lambda: town.do(again, NOON), who="DR-2") == []


def test_whoever_was_away_goes_on_where_he_was(town, feed):
    before = feed_size(town)
    town.do(RESERVE, NOON - HOUR)
    feed.step()
    assert heard(feed, lambda: None) == []
    told = heard(feed, lambda: None, after=before - 1)
    assert ("booking", "booking_changed") in names(told)
    assert heard(feed, lambda: None, after=feed_size(town) - 1) == []


def feed_size(town):
    with town.ledger.reading() as reads:
        return reads.size


def test_what_is_older_than_the_window_asks_to_read_everything_again(town, clock):
    clock.at = NOON + 5 * HOUR
    late = DriverFeed(town.ledger, clock)
    late.step()
    (reset,) = heard(late, lambda: None, after=0)
    assert reset.kind == RESET
    (reset,) = heard(late, lambda: None, after=10**6)
    assert reset.kind == RESET


def test_a_feed_that_begins_knows_the_last_hour(town, clock):
    town.do(RESERVE, NOON - HOUR)
    begun = DriverFeed(town.ledger, clock)
    begun.step()
    told = heard(begun, lambda: None, after=feed_size(town) - 4)
    assert ("booking", "booking_changed") in names(told)


def test_a_driver_is_told_once_that_his_time_is_nearly_over(town, clock, feed):
    town.do(RESERVE, NOON - HOUR)
    feed.step()
    clock.at = NOON + HOUR + 15 * MINUTE - driver_feed.EXPIRING_US
    told = heard(feed, lambda: None)
    assert names(told) == [("booking", "hold_expiring")]
    assert heard(feed, lambda: None) == []


def test_a_stop_on_his_pack_is_told(town, feed):
    alarm = PlaceHold(hold_id="HO-1", pack_id="PK-1", reason="THERMAL_ALARM", severity=3)
    told = heard(feed, lambda: town.do(alarm, NOON, "driver"))
    assert [(one.kind, one.code) for one in told] == [("pack", "thermal_alarm")]


def test_whoever_does_not_keep_up_is_told_so(monkeypatch):
    monkeypatch.setattr(driver_feed, "QUEUE_MAX", 2)

    async def overrun():
        listener = driver_feed.Listener("DR-1", asyncio.get_running_loop())
        for number in range(3):
            listener.put(Notice("booking", "BK-1", number, "DR-1"))
        return await listener.next()

    assert asyncio.run(overrun()).kind == RESET


def test_one_has_only_a_few_streams(feed):
    with feed.stream("DR-1") as one, feed.stream("DR-1") as two, feed.stream("DR-1") as three:
        assert (one, two, three) == (True, True, True)
        with feed.stream("DR-1") as four:
            assert not four
        with feed.stream("DR-2") as other:
            assert other
    with feed.stream("DR-1") as free:
        assert free


def test_a_thread_follows_by_itself(town, clock):
    feed = DriverFeed(town.ledger, clock)
    feed.start()
    try:

        async def listen():
            async for notice in feed.subscribe("DR-1"):
                return notice
            return None

        async def both():
            waiting = asyncio.create_task(listen())
            await asyncio.sleep(0)
            await asyncio.to_thread(town.do, RESERVE, NOON - HOUR)
            async with asyncio.timeout(10):
                return await waiting

        assert asyncio.run(both()).object_id == "BK-1"
    finally:
        feed.stop()
