"""Bookings of a driver: reserve at the price of a quote, lengthen once, call off."""

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.booking import BookingRequested, ExtendBooking, ReserveSwap
from ledger.domain.booking_ends import BookingCanceled, CancelBooking
from ledger.domain.claims import BOOKINGS, Booking, BookingTerms, hold_of, is_window
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.journeys import BOOKINGS_OF
from ledger.domain.money.payments_rows import (
    AUTHORISE,
    CARD_PAYMENTS,
    SAVED_CARDS,
    SAVED_METHODS,
)
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text, parse_instant
from ledger.kernel.messages import Command, Receipt
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.forecasting import MODEL_VERSION
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.bodies_journey import (
    BookingIn,
    BookingOut,
    BookingsOut,
    CanceledOut,
    CancelIn,
    ExtendIn,
)
from partner_api.driver.bodies_stations import PositionOut
from partner_api.driver.booking_view import booking_out, same_means, same_wish
from partner_api.driver.checkouts import desk_of
from partner_api.driver.journey_reads import newest, receipt_before
from partner_api.driver.kept_quotes import Kept, digest_of, unseal
from partner_api.driver.own import PAGE, Own, owning, read_own
from partner_api.driver.quotes import AHEAD_MAX_US, Asked, check_vehicle, quote_of
from partner_api.driver.refusing import (
    balance_problem,
    block_problem,
    no_pack_problem,
    retold,
)
from partner_api.driver.station_view import OFFLINE, Stations
from partner_api.driver.stations import language, station_of
from partner_api.look import Asking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, principal_of, submitted

STATES = (
    *("PENDING", "RESERVED", "ALLOCATED", "PRESENTED", "FULFILLED"),
    *("REJECTED", "CANCELED", "NO_SHOW", "FAILED"),
)
INVOICE, WALLET, CARD = "invoice", "wallet", "card"


class Wish(msgspec.Struct, frozen=True):
    """What a request asks for, its times read (us)."""

    body: BookingIn
    window: tuple[int, int]
    booking_id: str

    def told(self) -> tuple[str, str, int, int, int, str]:
        """Give what a booking made of it says."""
        body = self.body
        quote = digest_of(body.quote_id)
        return body.station_id, body.pack_class, body.packs_count, *self.window, quote


def wish_of(own: Own, body: BookingIn, key: str) -> Wish:
    """Read what a request asks for; the booking has its name of the key."""
    begin = parse_instant(body.arrive_from, "arrive_from")
    end = parse_instant(body.arrive_until, "arrive_until")
    return Wish(body, (begin, end), derived_id("BK", own.driver_id, key))


def reserving(own: Own, stations: Stations, wish: Wish) -> ReserveSwap:
    """Make the command, once all that the door itself must know is right."""
    body, kept = wish.body, _quote(own, stations, wish)
    row = station_of(stations, body.station_id)
    check_vehicle(own, body.vehicle_id, body.pack_class)
    for find in (block_problem, balance_problem):
        problem = find(own.reads, own.driver_id)
        if problem is not None:
            raise problem
    _check_class(own, body)
    if stations.state(row) == OFFLINE:
        raise DoorProblem("station_offline", facts={"station_id": body.station_id})
    if not stations.is_open_at(row, max(wish.window[0], own.now)):
        opens_at = stations.opens_at(row, stations.state(row))
        facts = {"station_id": body.station_id, "opens_at": as_text(opens_at) if opens_at else ""}
        raise DoorProblem("station_closed", facts=dict(facts))
    means, method_id = _means(own, wish)
    return ReserveSwap(
        booking_id=wish.booking_id,
        driver_id=own.driver_id,
        station_id=body.station_id,
        pack_class=body.pack_class,
        window_from=wish.window[0],
        window_to=wish.window[1],
        forecast_ready=stations.model(row, body.pack_class).promisable(wish.window[0]),
        forecast_version=MODEL_VERSION,
        currency=kept.currency,
        terms_version=f"{digest_of(body.quote_id)} {kept.tariff_version}",
        count=body.packs_count,
        terms=BookingTerms(
            deposit_minor=kept.deposit_minor if means else 0,
            means=means or CARD,
            method_id=method_id,
            no_show_minor=kept.no_show_minor,
            cancel_minor=kept.cancel_minor,
            cancel_until_at=kept.cancel_until_at,
            compensation_minor=kept.compensation_minor,
            price_at=kept.arrive_at,
        ),
    )


def _quote(own: Own, stations: Stations, wish: Wish) -> Kept:
    """Read the quote; a price that is kept no longer comes with the one of now."""
    body = wish.body
    kept = unseal(own.parts.journey.quote_secret, body.quote_id, own.driver_id)
    begin, end = wish.window
    if not is_window(begin, end) or end <= own.now or begin > own.now + AHEAD_MAX_US:
        raise DoorProblem("window_invalid", field="arrive_until")
    if (kept.station_id, kept.pack_class, kept.count) != (
        body.station_id,
        body.pack_class,
        body.packs_count,
    ):
        raise DoorProblem("quote_differs", field="quote_id")
    if not begin <= kept.arrive_at <= end:
        raise DoorProblem("quote_differs", field="arrive_from")
    if kept.valid_until <= own.now:
        row = station_of(stations, body.station_id)
        arrive_at = max(kept.arrive_at, own.now)
        again = quote_of(own, Asked(row.station, body.pack_class, body.packs_count, arrive_at))
        facts: dict[str, str | int] = {
            "was_minor": kept.total_minor,
            "now_minor": again.total_estimate_minor,
            "currency": kept.currency,
        }
        raise DoorProblem("quote_expired", facts=facts)
    return kept


def _check_class(own: Own, body: BookingIn) -> None:
    """See that his contract has packs of the class."""
    row = own.reads.row(DRIVER_PACKS, key_of(own.driver_id, body.pack_class))
    if row is None or row.entitled < body.packs_count:
        raise DoorProblem("class_mismatch", facts={"pack_class": body.pack_class})


def _means(own: Own, wish: Wish) -> tuple[str, str]:
    """Give by what the deposit is set aside, and the saved card that holds it; "" for nothing."""
    pay_with = wish.body.pay_with
    if pay_with in ("", INVOICE):
        return "", ""
    if pay_with == WALLET:
        return WALLET, ""
    saved = own.reads.row(SAVED_METHODS, own.driver_id)
    if pay_with == CARD:
        usual = own.reads.row(SAVED_CARDS, own.driver_id)
        card = usual.card if usual else ""
        known = saved.methods if saved else ()
        method = next((one for one in known if one.card == card), None)
    else:
        method = saved.method(pay_with) if saved else None
    if method is None:
        raise DoorProblem("payment_method_missing", field="pay_with")
    return CARD, method.method_id


def _before(own: Own, key: str, wish: Wish) -> Receipt | None:
    """Give the answer that this key got before; another wish under it is refused."""
    receipt = receipt_before(own, key)
    if receipt is None:
        return None
    if receipt.refusal is None:
        event = own.reads.entry(receipt.first).event
        if not (
            isinstance(event, BookingRequested)
            and same_wish(event, wish.told())
            and same_means(event.terms, wish.body.pay_with)
        ):
            raise DoorProblem("idempotency_key_reused")
    return msgspec.structs.replace(receipt, replayed=True)


@post("/bookings", operation_id="make_booking", opt=asks(Action.WRITE_DRIVER, body=BookingIn))
async def make_booking(request: HttpRequest) -> Response[BookingOut]:
    """Keep packs for a driver at the price of his quote.

    `pay_with` is `invoice`, `wallet`, `card` for his usual card, or a saved way to pay. What a
    card pays with is held by its bank first: 402 `authorisation_declined` where the bank says no,
    and nothing is kept; 402 `payment_action_needed` where he has to confirm it on the page of the
    payment; state `PENDING` where the bank has not answered yet.
    """
    body, key = await read_body(request, BookingIn), idempotency_key(request)

    def prepare(own: Own) -> Receipt | ReserveSwap:
        wish = wish_of(own, body, key)
        before = _before(own, key, wish)
        return before or reserving(own, Stations(own.parts, own.reads, language(request)), wish)

    made = await read_own(request, prepare)
    if isinstance(made, ReserveSwap):
        if made.terms.is_held:
            desk_of(request)
        try:
            receipt = await submitted(request, made, key)
        except Refused as error:
            raise await _retold(request, error, made) from error
        except DoorProblem as error:
            if error.code != "idempotency_key_reused":
                raise
            # the same request a moment ago, with another forecast
            again = await read_own(request, lambda own: _before(own, key, wish_of(own, body, key)))
            assert again is not None, "the key was used"
            receipt = again
    else:
        receipt = made
    if receipt.refusal is not None:
        raise await _retold(request, Refused(receipt.refusal), None, body)
    booking_id = derived_id("BK", principal_of(request).id, key)
    await _hold(request, booking_id)
    said = await read_own(request, lambda own: _out(own, booking_id, language(request)))
    return created(said, receipt)


async def _hold(request: HttpRequest, booking_id: str) -> None:
    """Ask the bank now for what waits for it, and say what became of that."""
    row = await read_own(request, lambda own: own.row(BOOKINGS, booking_id))
    if not row.terms.is_held:
        return
    if row.stage == "PENDING":
        call_key = f"swap:{booking_id}:{AUTHORISE}:1"
        await sync_to_thread(desk_of(request).make, call_key)
        row = await read_own(request, lambda own: own.row(BOOKINGS, booking_id))
    payment = await read_own(request, lambda own: own.reads.row(CARD_PAYMENTS, hold_of(booking_id)))
    assert payment is not None, "it is planned with the booking"
    facts: dict[str, str | int] = {
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "reason": payment.reason,
    }
    if row.stage == "REJECTED":
        raise DoorProblem("authorisation_declined", facts=facts)
    if row.stage == "PENDING" and payment.state == "NEEDS_ACTION":
        facts |= {"payment_id": payment.payment_id, "booking_id": booking_id}
        raise DoorProblem("payment_action_needed", facts=facts)


async def _retold(
    request: HttpRequest, error: Refused, command: ReserveSwap | None, body: BookingIn | None = None
) -> Exception:
    """Say a refusal in the words of the door; where no pack is left, where others are."""

    def retell(own: Own) -> Exception:
        if error.refusal.code is RefusalCode.NO_PACK_AVAILABLE:
            stations = Stations(own.parts, own.reads, language(request))
            if command is not None:
                wanted = (command.station_id, command.pack_class, command.count)
            else:
                assert body is not None, "a stored refusal is told with its request"
                wanted = (body.station_id, body.pack_class, body.packs_count)
            return no_pack_problem(stations, *wanted)
        return retold(error, own.reads, own.driver_id)

    return await read_own(request, retell)


def _out(own: Own, booking_id: str, language_name: str) -> BookingOut:
    row = own.row(BOOKINGS, booking_id)
    return booking_out(own, Stations(own.parts, own.reads, language_name), row)


@get(
    "/bookings",
    operation_id="list_bookings",
    opt=asks(Action.READ_DRIVER, "state", "from", "to", *PAGE),
    sync_to_thread=True,
)
def list_bookings(request: Asking) -> Response[BookingsOut]:
    """List a driver's bookings, the newest first."""
    with owning(request) as own:
        state, (begin, end) = own.choice("state", STATES), own.span()

        def fits(row: Booking) -> bool:
            return state in ("", row.stage) and begin <= row.window_from < end

        found, more = newest(own, BOOKINGS_OF, BOOKINGS, fits)
        stations = Stations(own.parts, own.reads, language(request))
        items = [booking_out(own, stations, row) for row in found]
        return own.answer(BookingsOut(items, PositionOut(own.reads.size - 1), more))


@get(
    "/bookings/{booking_id:str}",
    operation_id="show_booking",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def show_booking(request: Asking, booking_id: FromPath[str]) -> Response[BookingOut]:
    """Give one booking as it stands."""
    with owning(request) as own:
        return own.answer(_out(own, booking_id, language(request)))


async def _changed(request: HttpRequest, command: Command, key: str) -> Receipt:
    """Change a booking of his; refusals in the words of the door."""
    try:
        return await submitted(request, command, key)
    except Refused as error:
        told = error
        raise await read_own(request, lambda own: retold(told, own.reads, own.driver_id)) from error


@post(
    "/bookings/{booking_id:str}/extend",
    operation_id="extend_booking",
    opt=asks(Action.WRITE_DRIVER, body=ExtendIn),
)
async def extend_booking(request: HttpRequest, booking_id: FromPath[str]) -> Response[BookingOut]:
    """Keep the packs longer: once, by a quarter of an hour, if others can still be served."""
    body, key = await read_body(request, ExtendIn), idempotency_key(request)

    def prepare(own: Own) -> Receipt | ExtendBooking:
        row = own.row(BOOKINGS, booking_id)
        until = parse_instant(body.until, "until")
        before = receipt_before(own, key)
        if before is not None and before.refusal is None and row.window_to == until:
            return msgspec.structs.replace(before, replayed=True)
        stations = Stations(own.parts, own.reads)
        station = station_of(stations, row.station_id)
        return ExtendBooking(
            booking_id=booking_id,
            until=until,
            forecast_ready=stations.model(station, row.pack_class).promisable(row.window_to),
            forecast_version=MODEL_VERSION,
        )

    made = await read_own(request, prepare)
    receipt = made if isinstance(made, Receipt) else await _changed(request, made, key)
    said = await read_own(request, lambda own: _out(own, booking_id, language(request)))
    return created(said, receipt, status=200)


@post(
    "/bookings/{booking_id:str}/cancel",
    operation_id="cancel_booking",
    opt=asks(Action.WRITE_DRIVER, body=CancelIn),
)
async def cancel_booking(request: HttpRequest, booking_id: FromPath[str]) -> Response[CanceledOut]:
    """Call a booking off; the fee is the one that the quote told."""
    body, key = await read_body(request, CancelIn), idempotency_key(request)
    await read_own(request, lambda own: own.row(BOOKINGS, booking_id))
    command = CancelBooking(booking_id=booking_id, reason=body.reason or "called off")
    receipt = await _changed(request, command, key)

    def made(own: Own) -> CanceledOut:
        event = own.reads.entry(receipt.first).event
        if not isinstance(event, BookingCanceled):
            raise NotFound("no such end of a booking")
        fee = event.fee_minor + event.tax_minor
        return CanceledOut(booking_id, "CANCELED", fee, event.currency)

    return created(await read_own(request, made), receipt, status=200)


ROUTES = (make_booking, list_bookings, show_booking, extend_booking, cancel_booking)
