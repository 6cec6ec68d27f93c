"""Bookings: a driver claims packs of a class at a station, for a window, with a deposit.

A claim counts against what the station will have ready (the forecast comes with the command). It
never moves custody. Packs are pinned to it late (`pinning.py`); how it ends is in
`booking_ends.py`.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.blocks import block_row, reasons_of
from ledger.domain.booking_money import (
    behind,
    deposit_order,
    held,
    hold_order_rows,
    money_faults,
)
from ledger.domain.claims import (
    BOOKINGS,
    COUNT_MAX,
    DRIVER_BOOKINGS,
    ENDED,
    EXTENSION_MAX_US,
    HOLD_WITHIN_US,
    POOL_MAX,
    POOLS,
    Booking,
    BookingTerms,
    DriverBookings,
    Pool,
    advance,
    booking_rows,
    count_claim,
    deposit_of,
    is_window,
)
from ledger.domain.metering import is_soc
from ledger.domain.money.pending import created
from ledger.domain.money.pending_rows import reserve_rows
from ledger.domain.parties import party_faults
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import set_timer
from ledger.domain.waitlist import offer_of, taken_offer, waitlist_rows
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (BOOKINGS, POOLS, DRIVER_BOOKINGS)
FOLDS: tuple[type[Event], ...] = ()

_STAFF = frozenset({"station", "operator", "system"})

# Commands ---------------------------------------------------------------------


class ReserveSwap(Command):
    """A driver wants `count` packs of a class at a station in a window (us, half-open).

    `forecast_ready` is how many packs with at least `min_soc_bp` the station will have ready when
    the window opens, by the forecast `forecast_version`. With a deposit in `terms` the money is
    reserved in the same command, or nothing is; where a card holds it, the booking waits for its
    bank (`booking_holds.py`).
    """

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "operator", "support"})

    booking_id: str
    driver_id: str
    station_id: str
    pack_class: str
    window_from: int
    window_to: int
    forecast_ready: int
    forecast_version: str
    min_soc_bp: int = 0
    fee_minor: int = 0
    currency: str = ""
    terms_version: str = ""
    count: int = 1
    terms: BookingTerms = BookingTerms()


class ExtendBooking(Command):
    """The driver comes later: the window ends at `until` (us); once, and within the forecast."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "operator", "support"})

    booking_id: str
    until: int
    forecast_ready: int
    forecast_version: str


class PresentBooking(Command):
    """The driver is at the station."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    driver_id: str


BookingCommand = ReserveSwap | ExtendBooking | PresentBooking

# Events -----------------------------------------------------------------------


class BookingStep(Event):
    """What every step of a booking tells."""

    booking_id: str


class BookingRequested(BookingStep):
    """A driver asked for a pack, and by which forecast he was answered."""

    kind: ClassVar[str] = "booking_requested"

    driver_id: str
    station_id: str
    pack_class: str
    window_from: int
    window_to: int
    forecast_ready: int
    forecast_version: str
    min_soc_bp: int = 0
    fee_minor: int = 0
    currency: str = ""
    terms_version: str = ""
    count: int = 1
    terms: BookingTerms = BookingTerms()


class BookingReserved(BookingStep):
    """The pack is promised."""

    kind: ClassVar[str] = "booking_reserved"


class BookingExtended(BookingStep):
    """The window ends later, and by which forecast that was possible."""

    kind: ClassVar[str] = "booking_extended"

    window_to: int
    forecast_ready: int
    forecast_version: str


class BookingPresented(BookingStep):
    """The driver came."""

    kind: ClassVar[str] = "booking_presented"


BookingEvent = BookingRequested | BookingReserved | BookingExtended | BookingPresented

# touches ----------------------------------------------------------------------


def touches(command: BookingCommand) -> Keys:
    """Read the booking, and what a new one is about."""
    booking = touch(BOOKINGS, command.booking_id)
    if not isinstance(command, ReserveSwap):
        return (booking,)
    deposit_id = deposit_of(command.booking_id)
    return (
        booking,
        touch(DRIVER_BOOKINGS, command.driver_id),
        touch(STATIONS, command.station_id),
        *waitlist_rows(command.station_id, command.pack_class),
        block_row(command.driver_id),
        *reserve_rows(deposit_id, command.driver_id, command.currency),
        *hold_order_rows(_row_of(command)),
    )


def follows(world: World, command: BookingCommand) -> Keys:
    """Read what the booking is about."""
    return booking_rows(world, command.booking_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: BookingCommand, request: Request) -> Outcome:
    """Promise packs where they will be ready; lengthen a window; see the driver come."""
    if isinstance(command, ReserveSwap):
        return _reserve(world, command, request)
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    event, faults = _step(world, booking, command)
    faults += step_faults(booking, event.kind, request.actor)
    if request.at >= booking.over_at:
        faults.append(RefusalCode.BOOKING_WINDOW_PASSED)
    if faults:
        return refused(faults, {"booking": booking.booking_id, "stage": booking.stage})
    return (Draft(event, correlation_id=booking.booking_id),)


def _reserve(world: World, command: ReserveSwap, request: Request) -> Outcome:
    pool = world.get(POOLS, key_of(command.station_id, command.pack_class)) or Pool()
    waited = taken_offer(world, command.station_id, command.pack_class, command.driver_id)
    if waited is not None:
        pool = pool.without(offer_of(waited.station_id, waited.pack_class, waited.driver_id))
    window = (command.window_from, command.window_to)
    station = world.get(STATIONS, command.station_id)
    promised = pool.claimed(*window) + command.count
    tests = (
        (station is None, RefusalCode.STATION_UNKNOWN),
        (station is not None and not station.in_service, RefusalCode.STATION_NOT_IN_SERVICE),
        (not 1 <= command.count <= COUNT_MAX, RefusalCode.TOO_MANY_PACKS),
        (
            not (is_id(command.pack_class) and is_soc(command.min_soc_bp)),
            RefusalCode.PACK_FIELD_INVALID,
        ),
        (world.get(BOOKINGS, command.booking_id) is not None, RefusalCode.BOOKING_EXISTS),
        (is_for_another(command.driver_id, request.actor), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (
            not is_window(*window) or not is_id(command.booking_id),
            RefusalCode.BOOKING_WINDOW_INVALID,
        ),
        (
            promised > command.forecast_ready or len(pool.claims) >= POOL_MAX,
            RefusalCode.NO_PACK_AVAILABLE,
        ),
        (command.window_to <= request.at, RefusalCode.BOOKING_WINDOW_PASSED),
        (bool(reasons_of(world, command.driver_id)), RefusalCode.DRIVER_BLOCKED),
        (_has_enough(world, command, request.actor), RefusalCode.BOOKING_LIMIT_REACHED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    wish = _row_of(command)
    faults += money_faults(world, wish, station, request.at)
    if faults:
        return refused(
            faults, {"station": command.station_id[:40], "ready": command.forecast_ready}
        )
    hold = held(world, wish, request)
    if isinstance(hold, Refusal):
        return hold
    name = command.booking_id
    events: list[Event] = [] if hold else [BookingReserved(booking_id=name)]
    deposit = deposit_order(wish)
    events += [created(deposit)] if deposit is not None else []
    events += [waited] if waited is not None else []
    return (
        Draft(BookingRequested(**asdict(command)), correlation_id=name),
        *(Draft(event, after=(0,), correlation_id=name) for event in events),
        *behind(hold, len(events) + 1, name),
    )


def _row_of(told: "ReserveSwap | BookingRequested") -> Booking:
    """Make the row of a booking that is asked for."""
    return Booking(
        booking_id=told.booking_id,
        driver_id=told.driver_id,
        station_id=told.station_id,
        pack_class=told.pack_class,
        window_from=told.window_from,
        window_to=told.window_to,
        min_soc_bp=told.min_soc_bp,
        count=told.count,
        currency=told.currency,
        terms=told.terms,
    )


def _has_enough(world: World, command: ReserveSwap, actor: Actor) -> bool:
    """Tell whether a driver who books for himself has a booking for that time, or too many."""
    own = world.get(DRIVER_BOOKINGS, command.driver_id) or DriverBookings()
    return actor.role == "driver" and own.is_full(command.window_from, command.window_to)


def step_faults(booking: Booking, kind: str, actor: Actor) -> list[RefusalCode]:
    """Tell what keeps an actor from taking a booking a step further."""
    tests = (
        (is_for_another(booking.driver_id, actor), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (booking.stage in ENDED, RefusalCode.BOOKING_ENDED),
        (not booking.may(kind), RefusalCode.BOOKING_STAGE),
    )
    return [code for failed, code in tests if failed]


def is_for_another(driver_id: str, actor: Actor) -> bool:
    """Tell whether a driver acts for another one."""
    return actor.role == "driver" and actor.id != driver_id


def _step(
    world: World, booking: Booking, command: ExtendBooking | PresentBooking
) -> tuple[BookingStep, list[RefusalCode]]:
    """Make the event a command asks for, and tell what speaks against it beside its stage."""
    match command:
        case ExtendBooking():
            return _extended(command), _extension_faults(world, booking, command)
        case PresentBooking():
            event = BookingPresented(booking_id=booking.booking_id)
            return event, _presence_faults(booking, command)
        case _ as unknown:
            assert_never(unknown)


def _extended(command: ExtendBooking) -> BookingExtended:
    return BookingExtended(
        booking_id=command.booking_id,
        window_to=command.until,
        forecast_ready=command.forecast_ready,
        forecast_version=command.forecast_version,
    )


def _extension_faults(world: World, booking: Booking, command: ExtendBooking) -> list[RefusalCode]:
    """Tell why a window cannot be lengthened: once, a little, while others can still be served."""
    more = command.until - booking.window_to
    window = (booking.window_from, command.until)
    pool = world.get(POOLS, key_of(booking.station_id, booking.pack_class)) or Pool()
    claimed = pool.without(booking.booking_id).claimed(*window) + booking.count
    tests = (
        (not 0 < more <= EXTENSION_MAX_US or not is_window(*window)),
        booking.is_extended,
        claimed > command.forecast_ready,
    )
    return [RefusalCode.EXTENSION_REFUSED] if any(tests) else []


def _presence_faults(booking: Booking, command: PresentBooking) -> list[RefusalCode]:
    another = command.driver_id != booking.driver_id
    return [RefusalCode.BOOKING_OF_ANOTHER_DRIVER] if another else []


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BookingEvent, stamp: Stamp) -> None:
    """Begin the booking, or move it on, with the pool of its station."""
    match event:
        case BookingRequested():
            _keep(world, replace(_row_of(event), position=stamp.position), stamp)
        case BookingExtended():
            until = event.window_to
            advance(world, event.booking_id, event.kind, window_to=until, is_extended=True)
        case BookingReserved() | BookingPresented():
            advance(world, event.booking_id, event.kind)
        case _ as unknown:
            assert_never(unknown)


def _keep(world: World, asked: Booking, stamp: Stamp) -> None:
    """Keep what was asked for; packs that wait for a bank are claimed from now on."""
    if asked.terms.is_held:
        asked = replace(asked, held_until=stamp.recorded_at + HOLD_WITHIN_US)
    world.put(BOOKINGS, asked.booking_id, asked)
    if asked.terms.is_held:
        count_claim(world, asked)
        set_timer(world, "booking", asked.booking_id, asked.due_at)


def postings(_event: BookingEvent) -> tuple[Posting, ...]:
    """A claim moves nothing."""
    return ()
