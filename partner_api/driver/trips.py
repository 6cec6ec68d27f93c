"""Trips: which stations lie along a way, where to swap on it, and the stops booked together."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from litestar import Response, post

from ledger.domain.booking import BookingRequested
from ledger.domain.claims import BOOKINGS
from ledger.domain.trips import ReserveTrip
from ledger.kernel.errors import Malformed, Refused
from ledger.kernel.geo import Box, Point
from ledger.kernel.messages import Receipt
from ledger.kernel.refusal import RefusalCode
from ledger.planning.trips import Along, along, stops, way_of
from ledger.runtime.availability import Near
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.bodies_journey import BookingIn
from partner_api.driver.bodies_stations import PositionOut, StationOut
from partner_api.driver.bodies_trips import (
    TripIn,
    TripOut,
    TripPlanIn,
    TripPlanOut,
    TripStationOut,
)
from partner_api.driver.booking_view import booking_out, same_means, same_wish
from partner_api.driver.bookings import Wish, reserving, wish_of
from partner_api.driver.journey_reads import receipt_before
from partner_api.driver.own import Own, read_own
from partner_api.driver.refusing import no_pack_problem, retold
from partner_api.driver.station_view import OPEN, Stations
from partner_api.driver.stations import language
from partner_api.driver.stations_search import NOWHERE
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, submitted

SHOWN_MAX = 200


@post(
    "/trips/plan",
    operation_id="plan_trip",
    opt=asks(Action.READ_DRIVER, body=TripPlanIn),
    status_code=200,
)
async def plan_trip(request: HttpRequest) -> Response[TripPlanOut]:
    """Say which stations lie along a way, and at which to swap; nothing is kept of the way."""
    body = await read_body(request, TripPlanIn)

    def make(own: Own) -> Response[TripPlanOut]:
        stations = Stations(own.parts, own.reads, language(request))
        return own.answer(_planned(own, stations, body))

    return await read_own(request, make)


def _planned(own: Own, stations: Stations, body: TripPlanIn) -> TripPlanOut:
    way = way_of([Point(one.lat_e7, one.lon_e7) for one in body.polyline])

    def near(box: Box) -> Iterator[tuple[str, Point]]:
        for row in stations.index.within(box):
            if row.point and any(one.pack_class == body.pack_class for one in row.stocks):
                yield row.station.station_id, row.point

    found = along(way, body.corridor_m, near)
    full_range_m = body.full_range_m if isinstance(body.full_range_m, int) else body.range_m
    serving = [one for one in found if _serves(stations, one, body)]
    plan = stops(way.length_m, body.range_m, full_range_m, serving)
    shown = set(plan.stops)
    by_detour = sorted(found, key=lambda one: (one.off_m, one.name))
    shown |= set([one for one in by_detour if one not in shown][: SHOWN_MAX - len(shown)])
    return TripPlanOut(
        distance_m=way.length_m,
        items=[
            TripStationOut(_told(stations, one), one.along_m, one.detour_m, one in plan.stops)
            for one in found
            if one in shown
        ],
        is_covered=plan.is_covered,
        is_complete=len(shown) == len(found),
        as_of=PositionOut(own.reads.size - 1),
    )


def _serves(stations: Stations, one: Along, body: TripPlanIn) -> bool:
    """Tell whether somebody could swap there now."""
    row = stations.index.one(one.name)
    return (
        row is not None
        and stations.state(row) == OPEN
        and row.stock(body.pack_class).ready >= body.packs_count
    )


def _told(stations: Stations, one: Along) -> StationOut:
    row = stations.index.one(one.name)
    assert row is not None, "it was found a moment ago"
    return stations.out(Near(row, NOWHERE))


# Booking ----------------------------------------------------------------------


@post("/trips", operation_id="book_trip", opt=asks(Action.WRITE_DRIVER, body=TripIn))
async def book_trip(request: HttpRequest) -> Response[TripOut]:
    """Book every stop of a trip, each at the price of its quote; all of them or none.

    A refusal says in its fact `stop` which one cannot be, 1 for the first.
    """
    body, key = await read_body(request, TripIn), idempotency_key(request)

    def prepare(own: Own) -> Receipt | ReserveTrip:
        wishes = _wishes(own, body, key)
        return _before(own, key, wishes) or _trip(own, Stations(own.parts, own.reads), wishes)

    made = await read_own(request, prepare)
    if isinstance(made, ReserveTrip):
        try:
            receipt = await submitted(request, made, key)
        except Refused as error:
            raise await _retold(request, error, body) from error
        except DoorProblem as error:
            if error.code != "idempotency_key_reused":
                raise
            # the same request a moment ago, with another forecast
            again = await read_own(request, lambda own: _before(own, key, _wishes(own, body, key)))
            assert again is not None, "the key was used"
            receipt = again
    else:
        receipt = made
    if receipt.refusal is not None:
        raise await _retold(request, Refused(receipt.refusal), body)

    def said(own: Own) -> TripOut:
        stations = Stations(own.parts, own.reads, language(request))
        names = [wish.booking_id for wish in _wishes(own, body, key)]
        return TripOut([booking_out(own, stations, own.row(BOOKINGS, name)) for name in names])

    return created(await read_own(request, said), receipt)


def _wishes(own: Own, body: TripIn, key: str) -> list[Wish]:
    """Read what each stop asks for; the bookings have names of the key and their number."""
    found = []
    for number, stop in enumerate(body.stops, 1):
        with _at(number):
            booked = BookingIn(**msgspec.structs.asdict(stop), pay_with=body.pay_with)
            found.append(wish_of(own, booked, f"{key}.{number}"))
    return found


def _trip(own: Own, stations: Stations, wishes: list[Wish]) -> ReserveTrip:
    """Make the command, once all that the door itself must know of every stop is right."""
    stops = []
    for number, wish in enumerate(wishes, 1):
        with _at(number):
            stops.append(reserving(own, stations, wish))
    return ReserveTrip(driver_id=own.driver_id, stops=tuple(stops))


@contextmanager
def _at(number: int) -> Iterator[None]:
    """Say of a failure at which stop it is."""
    try:
        yield
    except DoorProblem as error:
        facts = {**error.facts, "stop": number}
        raise DoorProblem(error.code, error.detail, field=error.field, facts=facts) from error
    except Malformed as error:
        raise Malformed(error.rule, field=f"stops[{number - 1}].{error.field}") from error


def _before(own: Own, key: str, wishes: list[Wish]) -> Receipt | None:
    """Give the answer that this key got before; another trip under it is refused."""
    receipt = receipt_before(own, key)
    if receipt is None:
        return None
    if receipt.refusal is None:
        entries = own.reads.entries(receipt.first, receipt.first + receipt.count)
        events = [one.event for one in entries if isinstance(one.event, BookingRequested)]
        if len(events) != len(wishes) or not all(map(_is_same, events, wishes)):
            raise DoorProblem("idempotency_key_reused")
    return msgspec.structs.replace(receipt, replayed=True)


def _is_same(event: BookingRequested, wish: Wish) -> bool:
    return same_wish(event, wish.told()) and same_means(event.terms, wish.body.pay_with)


async def _retold(request: HttpRequest, error: Refused, body: TripIn) -> Exception:
    """Say a refusal in the words of the door, and at which stop it is."""
    number = int(error.refusal.facts.get("stop", 0))

    def retell(own: Own) -> Exception:
        if error.refusal.code is not RefusalCode.NO_PACK_AVAILABLE:
            return retold(error, own.reads, own.driver_id)
        stations = Stations(own.parts, own.reads, language(request))
        stop = body.stops[number - 1]
        return no_pack_problem(stations, stop.station_id, stop.pack_class, stop.packs_count)

    found = await read_own(request, retell)
    if isinstance(found, DoorProblem) and number:
        found.facts = {**found.facts, "stop": number}
    return found


ROUTES = (plan_trip, book_trip)
