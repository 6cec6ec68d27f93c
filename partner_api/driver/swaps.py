"""Swaps of a driver: begin one, with a booking or without; see it through, stop it, prove it."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.asking import RequestSwap, SwapRequested
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.helping import CallForHelp, ReopenSlot, SlotReopened, StopSwap, help_case_of
from ledger.domain.journeys import SWAPS_OF
from ledger.domain.saga import ENDED, SWAPS, Swap
from ledger.domain.stations import SLOTS
from ledger.domain.support import OpenSupportCase, first_message_of
from ledger.domain.support_rows import text_field
from ledger.domain.vehicles import VEHICLES
from ledger.domain.world import key_of
from ledger.evidence.check_in import is_good_at, read
from ledger.kernel.errors import Malformed, NotFound, Refused, Unavailable
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Receipt
from ledger.kernel.refusal import RefusalCode
from partner_api.auth import Action
from partner_api.deps import answers, asks, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_journey import (
    ReopenedOut,
    StopIn,
    StoppedOut,
    SwapIn,
    SwapOut,
    SwapsOut,
)
from partner_api.driver.bodies_stations import PositionOut
from partner_api.driver.journey_reads import newest, receipt_before, told_of
from partner_api.driver.own import PAGE, Own, owning, read_own
from partner_api.driver.quotes import check_vehicle
from partner_api.driver.refusing import balance_problem, block_problem, no_pack_problem, retold
from partner_api.driver.station_view import OFFLINE, OPEN, Stations
from partner_api.driver.stations import language, station_of
from partner_api.driver.swap_view import swap_out
from partner_api.driver.texts import sealed
from partner_api.look import Asking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, submitted

PROOF_MEDIA = "application/octet-stream"
LANE_WAIT_MIN = 3
"""Minutes that one swap before him takes a driver to wait, at a guess."""

_ORDERS = {"in_out": "In-Out", "out_in": "Out-In"}
_GIVES = ("exchange", "handout")
_STATES = (
    *("REQUESTED", "AUTHORISED", "ACCEPTED", "HALF_IN", "HALF_OUT", "COMPLETED"),
    *("REFUSED", "EXPIRED", "OUT_TIMED_OUT", "CLOSED_INCOMPLETE"),
)


# Beginning --------------------------------------------------------------------


def _prepared(own: Own, body: SwapIn, key: str, language_name: str) -> Receipt | Command:
    """Make the command of a wish, or give the answer that its key got before."""
    swap_id = derived_id("SW", own.driver_id, key)
    before = receipt_before(own, key)
    if before is not None:
        if before.refusal is None and not _is_same(own, before, body):
            raise DoorProblem("idempotency_key_reused")
        return msgspec.structs.replace(before, replayed=True)
    stations = Stations(own.parts, own.reads, language_name)
    booking_id, code_id = _booked(own, body)
    _check_place(own, stations, body)
    owed = _owed_swap(own) if body.kind == "handout" else None
    if owed is not None:
        return ReopenSlot(swap_id=owed.swap_id, station_id=body.station_id)
    pack_class = _class_of(own, body, booking_id)
    _check_driver(own, body)
    if body.kind in _GIVES and not booking_id:
        row = station_of(stations, body.station_id)
        if row.stock(pack_class).ready < body.packs_count:
            raise no_pack_problem(stations, body.station_id, pack_class, body.packs_count)
    return RequestSwap(
        swap_id=swap_id,
        driver_id=own.driver_id,
        station_id=body.station_id,
        pack_class=pack_class,
        swap_kind=body.kind.upper(),
        order=_ORDERS[body.order],
        count=body.packs_count,
        booking_id=booking_id,
        vehicle_id=body.vehicle_id,
        code_id=code_id,
        lane=body.lane or 0,
    )


def _is_same(own: Own, receipt: Receipt, body: SwapIn) -> bool:
    """Tell whether an entry was made by the same wish."""
    event = own.reads.entry(receipt.first).event
    if isinstance(event, SlotReopened):
        return (event.station_id, "handout") == (body.station_id, body.kind)
    return isinstance(event, SwapRequested) and (
        event.station_id,
        event.swap_kind,
        event.order,
        event.count,
        event.vehicle_id,
        event.lane,
    ) == (
        body.station_id,
        body.kind.upper(),
        _ORDERS[body.order],
        body.packs_count,
        body.vehicle_id,
        body.lane or 0,
    )


def _booked(own: Own, body: SwapIn) -> tuple[str, str]:
    """Give the booking of a wish and the code he showed for it; both "" for none."""
    booking_id, code_id = body.booking_id, ""
    if body.ticket:
        try:
            said = read(body.ticket, own.parts.journey.code_key.public_key())
        except Malformed as error:
            raise DoorProblem("check_in_invalid", field="ticket") from error
        if not is_good_at(said, own.now):
            raise DoorProblem("check_in_invalid", field="ticket")
        if said.station_id != body.station_id:
            raise DoorProblem("wrong_station", facts={"station_id": said.station_id})
        booking_id, code_id = said.booking_id, said.code_id
    if booking_id:
        row = own.row(BOOKINGS, booking_id)
        if row.station_id != body.station_id:
            raise DoorProblem("wrong_station", facts={"station_id": row.station_id})
    return booking_id, code_id


def _check_place(own: Own, stations: Stations, body: SwapIn) -> None:
    """See that the station reports and serves, the slot is one of it, and the lane is free."""
    row = station_of(stations, body.station_id)
    state = stations.state(row)
    if state == OFFLINE:
        raise DoorProblem("station_offline", facts={"station_id": body.station_id})
    if state != OPEN and not body.booking_id:
        raise DoorProblem("station_closed", facts={"state": state})
    if body.slot_sticker:
        is_known = is_id(body.slot_sticker) and own.reads.row(
            SLOTS, key_of(body.station_id, body.slot_sticker)
        )
        if not is_known:
            raise DoorProblem("slot_unknown", facts={"slot": body.slot_sticker})
    lanes = row.profile.lanes if row.profile else 1
    if body.lane is not None and body.lane > lanes:
        raise Malformed(f"the station has {lanes} lanes", field="lane")
    busy = stations.index.busy(body.station_id)
    if busy >= lanes:
        minutes = (busy - lanes + 1) * LANE_WAIT_MIN
        raise DoorProblem("lane_busy", facts={"minutes": minutes, "before": busy - lanes + 1})


def _check_driver(own: Own, body: SwapIn) -> None:
    """See that he may get a pack, and that his packs balance; bringing one back is always right."""
    if body.kind not in _GIVES:
        return
    for find in (block_problem, balance_problem):
        problem = find(own.reads, own.driver_id)
        if problem is not None:
            raise problem


def _owed_swap(own: Own) -> Swap | None:
    """Find a swap of his that still owes him a pack."""
    owed = [row for row in own.rows(SWAPS) if row.stage == "OUT_TIMED_OUT"]
    return min(owed, key=lambda row: row.since_at) if owed else None


def _class_of(own: Own, body: SwapIn, booking_id: str) -> str:
    """Tell which class he wants: of his booking, as he says, of his vehicle, of his contract."""
    if booking_id:
        pack_class = own.row(BOOKINGS, booking_id).pack_class
        check_vehicle(own, body.vehicle_id, pack_class)
        return pack_class
    if body.pack_class:
        check_vehicle(own, body.vehicle_id, body.pack_class)
        return body.pack_class
    if body.vehicle_id:
        row = own.reads.row(VEHICLES, body.vehicle_id) if is_id(body.vehicle_id) else None
        if row is None or row.driver_id != own.driver_id or row.is_removed:
            raise NotFound("no such vehicle of his")
        return row.pack_class
    classes = [row.pack_class for row in own.rows(DRIVER_PACKS) if row.entitled or row.held]
    if len(classes) != 1:
        raise Malformed("is needed: his contract does not tell it", field="pack_class")
    return classes[0]


@post("/swaps", operation_id="begin_swap", opt=asks(Action.WRITE_DRIVER, body=SwapIn))
async def begin_swap(request: HttpRequest) -> Response[SwapOut]:
    """Ask for a swap: with a booking, without one, at a sticker, or for a pack that is owed."""
    body, key = await read_body(request, SwapIn), idempotency_key(request)
    made = await read_own(request, lambda own: _prepared(own, body, key, language(request)))
    receipt = made if isinstance(made, Receipt) else await _asked(request, made, key)
    if receipt.refusal is not None:
        raise await _retold(request, Refused(receipt.refusal))

    def said(own: Own) -> SwapOut:
        swap_id: Any = getattr(own.reads.entry(receipt.first).event, "swap_id", "")
        return _out(own, swap_id, language(request))

    return created(await read_own(request, said), receipt)


async def _asked(request: HttpRequest, command: Command, key: str) -> Receipt:
    try:
        return await submitted(request, command, key)
    except Refused as error:
        raise await _retold(request, error) from error


async def _retold(request: HttpRequest, error: Refused) -> Exception:
    return await read_own(request, lambda own: retold(error, own.reads, own.driver_id))


# Seeing -----------------------------------------------------------------------


def _out(own: Own, swap_id: str, language_name: str) -> SwapOut:
    row = own.row(SWAPS, swap_id)
    return swap_out(own, Stations(own.parts, own.reads, language_name), row)


@get(
    "/swaps",
    operation_id="list_swaps",
    opt=asks(Action.READ_DRIVER, "state", *PAGE),
    sync_to_thread=True,
)
def list_swaps(request: Asking) -> Response[SwapsOut]:
    """List a driver's swaps, the newest first."""
    with owning(request) as own:
        state = own.choice("state", _STATES)
        found, more = newest(own, SWAPS_OF, SWAPS, lambda row: state in ("", row.stage))
        stations = Stations(own.parts, own.reads, language(request))
        items = [swap_out(own, stations, row) for row in found]
        return own.answer(SwapsOut(items, PositionOut(own.reads.size - 1), more))


@get(
    "/swaps/{swap_id:str}",
    operation_id="show_swap",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_swap(request: Asking, swap_id: FromPath[str]) -> Response[SwapOut]:
    """Give one swap as it stands: what to do now, at which slot, and what it costs."""
    with owning(request) as own:
        return own.answer(_out(own, swap_id, language(request)))


@get(
    "/swaps/{swap_id:str}/proof",
    operation_id="prove_swap",
    opt=asks(Action.READ_DRIVER) | answers(PROOF_MEDIA),
    sync_to_thread=True,
)
def prove_swap(request: Asking, swap_id: FromPath[str]) -> Response[bytes]:
    """Give the proof (tlog-proof) of the newest entry of a swap: its bill once it was made."""
    with owning(request) as own:
        row = own.row(SWAPS, swap_id)
        position = told_of(own, row.swap_id)[-1].position
    return proof_answer(request, position)


def proof_answer(request: Asking, position: int) -> Response[bytes]:
    """Answer with the proof of an entry; `not_signed_yet` until a checkpoint covers it."""
    proof = parts_of(request).published.proof_file(position, with_entry=True)
    headers = {"Ledger-Position": str(position)}
    return Response(proof, media_type=PROOF_MEDIA, headers=headers)


# Help -------------------------------------------------------------------------


@post(
    "/swaps/{swap_id:str}/stop",
    operation_id="stop_swap",
    opt=asks(Action.WRITE_DRIVER, body=StopIn),
)
async def stop_swap(request: HttpRequest, swap_id: FromPath[str]) -> Response[StoppedOut]:
    """End a swap in which nothing has moved; later, call a person and say whom to ring up."""
    body, key = await read_body(request, StopIn), idempotency_key(request)
    row = await read_own(request, lambda own: own.row(SWAPS, swap_id))
    try:
        receipt = await submitted(request, StopSwap(swap_id=swap_id), key)
        said = StoppedOut(swap_id, "EXPIRED", phone=await _phone(request, row))
        return created(said, receipt, status=200)
    except Refused as error:
        if error.refusal.code is not RefusalCode.SWAP_STAGE or row.stage in ENDED:
            raise await _retold(request, error) from error
    receipt = await _asked(request, CallForHelp(swap_id=swap_id), f"call.{key}"[:64])
    case_id = await _support_case(request, row, body.text, key) or help_case_of(swap_id)
    row = await read_own(request, lambda own: own.row(SWAPS, swap_id))
    said = StoppedOut(swap_id, row.stage, case_id, await _phone(request, row))
    return created(said, receipt, status=200)


async def _phone(request: HttpRequest, row: Swap) -> str:
    def find(own: Own) -> str:
        stations = Stations(own.parts, own.reads)
        return stations.phone(stations.index.one(row.station_id))

    return await read_own(request, find)


async def _support_case(request: HttpRequest, row: Swap, text: str, key: str) -> str:
    """Open a thread with support in which he finds answers; "" where nothing can keep his words."""
    case_id = derived_id("SC", row.driver_id, f"stop {row.swap_id}")
    words = text.strip() or "I stopped this swap and need help."
    try:
        kept = await sealed(request, {text_field(first_message_of(case_id)): words})
    except Unavailable:
        return ""
    except DoorProblem:
        return case_id  # he called before, with other words
    command = OpenSupportCase(
        case_id=case_id,
        driver_id=row.driver_id,
        topic="emergency",
        sealed=kept,
        swap_id=row.swap_id,
        station_id=row.station_id,
    )
    try:
        await submitted(request, command, f"case.{key}"[:64])
    except Refused:
        return case_id  # it is open already
    return case_id


@post(
    "/swaps/{swap_id:str}/reopen",
    operation_id="reopen_slot",
    opt=asks(Action.WRITE_DRIVER),
)
async def reopen_slot(request: HttpRequest, swap_id: FromPath[str]) -> Response[ReopenedOut]:
    """Have the station open the slot again that is waited for."""
    key = idempotency_key(request)
    row = await read_own(request, lambda own: own.row(SWAPS, swap_id))
    command = ReopenSlot(swap_id=swap_id, station_id=row.station_id)
    receipt = await _asked(request, command, key)

    def said(own: Own) -> ReopenedOut:
        event = own.reads.entry(receipt.first).event
        assert isinstance(event, SlotReopened), "that is what the command makes"
        return ReopenedOut(swap_id, derived_id("OR", swap_id, str(receipt.first)), event.slot)

    return created(await read_own(request, said), receipt, status=200)


ROUTES = (
    begin_swap,
    list_swaps,
    show_swap,
    prove_swap,
    stop_swap,
    reopen_slot,
)
