"""Live events (server-sent): of all that is a driver's, of one booking or swap, of stations.

Events are hints: the object's own route is the truth. A frame carries the position of the entry
that made it, so a client that was away goes on where it was; what is older than the window begins
with ``event: reset``, and the client reads everything again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response import Stream

from ledger.domain.claims import BOOKINGS
from ledger.domain.saga import SWAPS
from ledger.kernel.errors import Malformed, Unavailable
from ledger.runtime.availability import StationNow
from ledger.runtime.driver_feed import DriverFeed
from ledger.runtime.feed_notices import RESET, Notice
from ledger.tlog.note import read_decimal
from partner_api.auth import Action
from partner_api.deps import Parts, answers, asked, asks, parts_of
from partner_api.driver.bodies_journey import EventOut
from partner_api.driver.own import read_own
from partner_api.driver.station_view import Stations
from partner_api.driver.stations_search import boxes
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of

MEDIA = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
IDS_MAX = 50
FRAME_STATIONS_MAX = 300
_BEGIN = b"retry: 3000\n\n"
_ALIVE = b":\n\n"


def _feed(parts: Parts) -> DriverFeed:
    feed = parts.journey.feed
    if feed is None:
        raise Unavailable("no events are told here")
    return feed


def _after(request: HttpRequest) -> int | None:
    """Read where the client was."""
    text = request.headers.get("last-event-id", "")
    try:
        return read_decimal(text, "Last-Event-ID") if text else None
    except Malformed:
        return 0  # none of ours: older than any window


def _frame(position: int, event: str, data: msgspec.Struct | dict[str, Any]) -> bytes:
    text = msgspec.json.encode(data).decode()
    return f"id: {position}\nevent: {event}\ndata: {text}\n\n".encode()


def _told(notice: Notice, *, whole: bool) -> bytes:
    """Write a notice; those of one object say a little more than what changed."""
    event = EventOut(
        kind=notice.kind,
        object_id=notice.object_id,
        version=notice.version,
        slot=notice.slot or None if whole else None,
        code=notice.code or None if whole else None,
    )
    return _frame(notice.version, notice.name or notice.kind, event)


def _open(request: HttpRequest, frames: Callable[[], AsyncIterator[bytes]], whose: str) -> Stream:
    """Open a stream, one of the few that somebody may have."""
    feed = _feed(parts_of(request))
    place = ExitStack()
    if not place.enter_context(feed.stream(whose)):
        place.close()
        headers = {"Retry-After": "30"}
        raise DoorProblem("rate_limited", "too many streams at once", headers=headers)

    async def held() -> AsyncIterator[bytes]:
        with place:
            async for frame in frames():
                yield frame

    return Stream(held(), media_type=MEDIA, headers=HEADERS)


def _driver_stream(request: HttpRequest, object_id: str = "") -> Stream:
    """Stream what a driver is told, of all or of one object."""
    feed, driver_id, after = _feed(parts_of(request)), principal_of(request).id, _after(request)
    pace = feed.pace

    async def frames() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + pace.lasts_s
        yield _BEGIN
        async with feed.listening(driver_id, after) as listener:
            while (left := ends_at - loop.time()) > 0:
                try:
                    async with asyncio.timeout(min(pace.comment_s, left)):
                        notice = await listener.next()
                except TimeoutError:
                    yield _ALIVE
                    continue
                if notice.kind == RESET or object_id in ("", notice.object_id):
                    yield _told(notice, whole=bool(object_id))

    return _open(request, frames, driver_id)


@get(
    "/events",
    operation_id="driver_events",
    opt=asks(Action.READ_DRIVER) | answers(MEDIA),
)
async def driver_events(request: HttpRequest) -> Stream:
    """Tell of every change to what is a driver's, as it happens."""
    return _driver_stream(request)


@get(
    "/bookings/{booking_id:str}/events",
    operation_id="booking_events",
    opt=asks(Action.READ_DRIVER) | answers(MEDIA),
)
async def booking_events(request: HttpRequest, booking_id: FromPath[str]) -> Stream:
    """Tell of every change to a booking."""
    await read_own(request, lambda own: own.row(BOOKINGS, booking_id))
    return _driver_stream(request, booking_id)


@get(
    "/swaps/{swap_id:str}/events",
    operation_id="swap_events",
    opt=asks(Action.READ_DRIVER) | answers(MEDIA),
)
async def swap_events(request: HttpRequest, swap_id: FromPath[str]) -> Stream:
    """Tell of every step of a swap: which slot opens, what came and went, what it costs."""
    await read_own(request, lambda own: own.row(SWAPS, swap_id))
    return _driver_stream(request, swap_id)


# Stations ---------------------------------------------------------------------


@get(
    "/stations/events",
    operation_id="station_events",
    opt=asks(Action.READ_STATIONS, "ids", "bbox") | answers(MEDIA),
)
async def station_events(request: HttpRequest) -> Stream:
    """Tell when what is ready changes at some stations, by their ids or in a frame."""
    parts, query = parts_of(request), asked(request).query
    index, pace = parts.journey.availability, _feed(parts).pace
    ids = query["ids"].split(",") if "ids" in query else []
    frames_of = boxes(query["bbox"]) if "bbox" in query else []
    if bool(ids) == bool(frames_of) or len(ids) > IDS_MAX:
        raise Malformed(f"either bbox or at most {IDS_MAX} ids", field="ids")

    def now() -> dict[str, bytes]:
        rows = [row for name in ids if (row := index.one(name)) is not None]
        rows += [row for box in frames_of for row in index.within(box)][:FRAME_STATIONS_MAX]
        with parts.ledger.reading() as reads:
            stations = Stations(parts, reads)
            return {row.station.station_id: _standing(stations, row) for row in rows}

    async def frames() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        begun = spoke = loop.time()
        yield _BEGIN
        known = await asyncio.to_thread(now)
        while (at := loop.time()) - begun < pace.lasts_s:
            await asyncio.sleep(pace.look_s)
            fresh = await asyncio.to_thread(now)
            for name, data in fresh.items():
                if known.get(name) != data:
                    spoke = at
                    event = EventOut(kind="station", object_id=name, version=index.size)
                    yield _frame(index.size, "station_availability_changed", event)
            known = fresh
            if at - spoke >= pace.comment_s:
                spoke = at
                yield _ALIVE

    client = request.client
    return _open(request, frames, f"address {client.host if client else ''}")


def _standing(stations: Stations, row: StationNow) -> bytes:
    state = stations.state(row)
    return msgspec.json.encode([state, stations.ready(row, state)])


ROUTES = (driver_events, booking_events, swap_events, station_events)
