"""Waiting for a pack where none is free: a place in a line, and an offer that one books."""

from litestar import Response, delete, get, post
from litestar.params import FromPath

from ledger.domain.waitlist import WAITLISTS, JoinWaitlist, LeaveWaitlist, Place, Waitlist
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import MINUTE, as_text, parse_instant
from ledger.kernel.messages import Command, Receipt
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.bodies_journey import WaitIn, WaitOut, WaitsOut
from partner_api.driver.own import Own, owning, read_own
from partner_api.driver.refusing import retold
from partner_api.driver.station_view import Stations
from partner_api.driver.stations import language, station_of
from partner_api.look import Asking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, principal_of, submitted

USUAL_WAIT_US = 15 * MINUTE
"""What is expected for each one before him, where nothing tells when the next pack is charged."""


def wait_id(driver_id: str, station_id: str, pack_class: str) -> str:
    """Name a driver's place."""
    return derived_id("WT", driver_id, station_id, pack_class)


def _place(own: Own, name: str) -> tuple[Waitlist, Place]:
    """Find a place of his by its name; `NotFound` for another's or none."""
    for _, row in own.reads.rows(WAITLISTS, listed="waiting"):
        place = row.place_of(own.driver_id)
        if place is not None and wait_id(own.driver_id, row.station_id, row.pack_class) == name:
            return row, place
    raise NotFound("he does not wait so")


def _out(own: Own, stations: Stations, row: Waitlist, place: Place) -> WaitOut:
    before = [one.driver_id for one in row.places].index(own.driver_id)
    station = stations.index.one(row.station_id)
    due = () if station is None else station.stock(row.pack_class).due_at
    at = due[before] if before < len(due) else own.now + (before + 1) * USUAL_WAIT_US
    return WaitOut(
        id=wait_id(own.driver_id, row.station_id, row.pack_class),
        station=stations.ref(row.station_id),
        pack_class=row.pack_class,
        packs_count=place.count,
        place=before + 1,
        until=as_text(place.until),
        expected_at=None if place.offered_until else as_text(min(at, place.until)),
        offered_until=as_text(place.offered_until) if place.offered_until else None,
    )


async def _asked(request: HttpRequest, command: Command, key: str) -> Receipt:
    try:
        return await submitted(request, command, key)
    except Refused as error:
        told = error
        raise await read_own(request, lambda own: retold(told, own.reads, own.driver_id)) from error


@post("/waitlist", operation_id="join_waitlist", opt=asks(Action.WRITE_DRIVER, body=WaitIn))
async def join_waitlist(request: HttpRequest) -> Response[WaitOut]:
    """Wait for a pack of a class at a station."""
    body, key = await read_body(request, WaitIn), idempotency_key(request)
    until = parse_instant(body.until, "until")
    driver_id = principal_of(request).id

    def check(own: Own) -> None:
        row = station_of(Stations(own.parts, own.reads), body.station_id)
        if all(stock.pack_class != body.pack_class for stock in row.stocks):
            raise DoorProblem("class_mismatch", "the station has no packs of that class")

    await read_own(request, check)
    command = JoinWaitlist(
        driver_id=driver_id,
        station_id=body.station_id,
        pack_class=body.pack_class,
        until=until,
        count=body.packs_count,
    )
    receipt = await _asked(request, command, key)

    def made(own: Own) -> WaitOut:
        row = own.reads.row(WAITLISTS, key_of(body.station_id, body.pack_class))
        place = None if row is None else row.place_of(own.driver_id)
        if row is None or place is None:
            raise NotFound("he waits no more")
        return _out(own, Stations(own.parts, own.reads, language(request)), row, place)

    return created(await read_own(request, made), receipt)


@get(
    "/waitlist",
    operation_id="list_waiting",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def list_waiting(request: Asking) -> Response[WaitsOut]:
    """List where a driver waits."""
    with owning(request) as own:
        stations = Stations(own.parts, own.reads, language(request))
        rows = [row for _, row in own.reads.rows(WAITLISTS, listed="waiting")]
        rows.sort(key=lambda row: (row.station_id, row.pack_class))
        places = [(row, row.place_of(own.driver_id)) for row in rows]
        items = [_out(own, stations, row, place) for row, place in places if place is not None]
        return own.answer(WaitsOut(items))


@get(
    "/waitlist/{waiting_id:str}",
    operation_id="show_waiting",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_waiting(request: Asking, waiting_id: FromPath[str]) -> Response[WaitOut]:
    """Say how many wait before him, and whether a pack is kept for him now."""
    with owning(request) as own:
        row, place = _place(own, waiting_id)
        stations = Stations(own.parts, own.reads, language(request))
        return own.answer(_out(own, stations, row, place))


@delete(
    "/waitlist/{waiting_id:str}",
    operation_id="leave_waitlist",
    opt=asks(Action.WRITE_DRIVER),
    status_code=204,
)
async def leave_waitlist(request: HttpRequest, waiting_id: FromPath[str]) -> Response[None]:
    """Wait no more; what was kept for him goes to the next one."""
    driver_id = principal_of(request).id

    def found(own: Own) -> tuple[str, str, int]:
        row, place = _place(own, waiting_id)
        return row.station_id, row.pack_class, place.joined_at

    station_id, pack_class, joined_at = await read_own(request, found)
    command = LeaveWaitlist(driver_id=driver_id, station_id=station_id, pack_class=pack_class)
    await _asked(request, command, f"leave-{waiting_id}-{joined_at}"[:64])
    return Response(None, status_code=204)


ROUTES = (join_waitlist, list_waiting, show_waiting, leave_waitlist)
