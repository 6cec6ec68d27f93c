"""Live events over real sockets: told as they happen, resumed, bounded, and nobody else's."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random  # noqa: TID251  seeded below

import httpx
import pytest
import uvicorn

from ledger.runtime.availability import Availability
from ledger.runtime.driver_feed import DriverFeed, Pace
from ledger.runtime.ready_history import ReadyHistory
from mobilegrid.simulated_slots import Pauses
from mobilegrid.simulated_stations import Simulator
from mobilegrid.wiring import RandomIds
from partner_api.journey import journey_of
from tests.support.doors import HandClock, check_problem
from tests.support.driver_town import (
    DRIVER,
    NOON,
    OTHER,
    SEED,
    DriverTown,
    driver_town,
    opened_town,
)
from tests.support.driving import open_driver_doors
from tests.support.ledgers import sqlite_url
from tests.support.serving import free_port

PACE = Pace(comment_s=0.3, lasts_s=20, look_s=0.1)


@contextmanager
def served(town: DriverTown) -> Iterator[str]:
    """Serve the doors on a port of this machine; gives their address."""
    port = free_port()
    config = uvicorn.Config(
        town.doors.app, port=port, lifespan="off", log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        pass
    try:
        yield f"http://127.0.0.1:{port}/driver/v1"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def town(tmp_path):
    with opened_town(sqlite_url(tmp_path)) as day:
        made = DriverTown(day, HandClock(NOON))
        index, past = Availability(), ReadyHistory()
        feed = DriverFeed(made.ledger, made.clock, index, past, PACE)
        journey = journey_of(SEED, availability=index, history=past, feed=feed)
        feed.start()
        try:
            with open_driver_doors(made.ledger, made.clock, journey=journey) as doors:
                made.doors = doors
                made.report()
                yield made
        finally:
            feed.stop()


def swap(town, who=DRIVER):
    ids = RandomIds(town.clock)
    stations = Simulator(town.ledger, town.clock, ids, Random(3), pauses=Pauses.none())
    stations.step()
    made = town.post("/swaps", {"kind": "exchange", "station_id": "ST-CENTRAL"}, who=who)
    assert made.status_code == 201, made.text
    for _ in range(6):
        stations.step()
    return made.json()["id"]


def listen(town, address, act, *, until, headers=None):
    """Open a stream, do something, and read frames until one says `until`."""
    given = town.doors.headers(DRIVER) if headers is None else headers
    frames: list[dict[str, str]] = []

    async def read():
        async with (
            httpx.AsyncClient(timeout=20) as client,
            client.stream("GET", address, headers=given) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            assert await anext(lines) == "retry: 3000"
            done = asyncio.create_task(asyncio.to_thread(act))
            frame: dict[str, str] = {}
            async for line in lines:
                if line == ":":
                    frame["comment"] = ""
                elif line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif frame:
                    frames.append(frame)
                    if until(frame):
                        break
                    frame = {}
            await done

    asyncio.run(read())
    return frames


def is_event(name):
    return lambda frame: frame.get("event") == name


def test_a_swap_is_told_step_by_step(town):
    with served(town) as url:
        frames = listen(town, f"{url}/events", lambda: swap(town), until=is_event("swap_priced"))
    told = [frame["event"] for frame in frames if "event" in frame]
    steps = [name for name in told if name.startswith(("swap_", "slot_")) or name == "pack_offered"]
    assert steps == [
        "swap_requested",
        "swap_authorised",
        "slot_opened",
        "pack_offered",
        "swap_completed",
        "swap_priced",
    ]
    assert {"pack_in", "pack_out"} <= set(told)
    positions = [int(frame["id"]) for frame in frames if "id" in frame]
    assert positions == sorted(positions)


def test_who_reconnects_goes_on_where_he_was(town):
    begin = town.ledger_size() - 1
    swap_id = swap(town)
    with served(town) as url:
        frames = listen(
            town,
            f"{url}/swaps/{swap_id}/events",
            lambda: None,
            until=is_event("swap_priced"),
            headers=town.doors.headers(DRIVER) | {"Last-Event-ID": str(begin)},
        )
        assert frames[0]["event"] == "swap_requested"
        opened = next(frame for frame in frames if frame.get("event") == "slot_opened")
        assert '"slot":' in opened["data"]
        reset = listen(
            town,
            f"{url}/events",
            lambda: None,
            until=is_event("reset"),
            headers=town.doors.headers(DRIVER) | {"Last-Event-ID": "none of ours"},
        )
        assert len(reset) >= 1


def test_a_silent_stream_gives_signs_of_life_and_tells_nothing_of_others(town):
    with served(town) as url:
        beats = []

        def second_beat(frame):
            beats.append(frame)
            return sum("comment" in each for each in beats) == 3

        frames = listen(town, f"{url}/events", lambda: swap(town, OTHER), until=second_beat)
    assert all("event" not in frame for frame in frames)


def test_a_fourth_stream_is_too_many(town):
    feed = town.doors.parts.journey.feed
    with feed.stream(DRIVER), feed.stream(DRIVER), feed.stream(DRIVER):
        answer = town.doors.as_driver("GET", "/events", who=DRIVER)
        check_problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "30"


def test_a_foreign_object_has_no_stream(town):
    swap_id = swap(town)
    check_problem(
        town.doors.as_driver("GET", f"/swaps/{swap_id}/events", who=OTHER), 404, "not_found"
    )
    check_problem(
        town.doors.as_driver("GET", "/bookings/BK-9/events", who=DRIVER), 404, "not_found"
    )


def test_stations_tell_everybody_when_what_is_ready_changes(town):
    with served(town) as url:
        frames = listen(
            town,
            f"{url}/stations/events?ids=ST-CENTRAL,ST-9",
            lambda: swap(town),
            until=is_event("station_availability_changed"),
            headers={},
        )
    assert '"object_id":"ST-CENTRAL"' in frames[-1]["data"]
    for query in ({}, {"ids": "ST-1", "bbox": "0,0,1,1"}, {"ids": ",".join(["ST-1"] * 51)}):
        wrong = town.doors.as_driver("GET", "/stations/events", who="", params=query)
        check_problem(wrong, 400, "malformed")


def test_without_a_feed_there_are_no_events(tmp_path):
    with driver_town(sqlite_url(tmp_path)) as town:
        check_problem(town.doors.as_driver("GET", "/events", who=DRIVER), 503, "unavailable")
