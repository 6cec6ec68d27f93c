"""Bookings: a driver claims a pack of a class at a station; a pack is pinned to the claim late.

A claim counts against what the station will have ready (the forecast comes with the command).
Neither a claim nor a pinned pack ever moves custody. Whatever ends a booking frees its pin.
"""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.claims import (
    BOOKINGS,
    ENDED,
    NO_SHOW_GRACE_US,
    POOL_MAX,
    POOLS,
    STAGES,
    Booking,
    Pool,
    booking_rows,
    is_window,
)
from ledger.domain.custody import PACKS, eligible
from ledger.domain.metering import is_soc
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (BOOKINGS, POOLS)
FOLDS: tuple[type[Event], ...] = ()

_STAFF = frozenset({"station", "operator", "system"})
_ANYBODY = _STAFF | {"driver", "support"}

# Commands ---------------------------------------------------------------------


class ReserveSwap(Command):
    """A driver wants a pack of a class at a station in a window (us, half-open).

    `forecast_ready` is how many packs with at least `min_soc_bp` the station will have ready when
    the window opens, by the forecast `forecast_version`.
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


class AllocatePack(Command):
    """Pin a pack to a booking that has none."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    pack_id: str


class ReplaceAllocation(Command):
    """Pin another pack of the same class instead."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    pack_id: str
    reason: str


class PresentBooking(Command):
    """The driver is at the station."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    driver_id: str


class CancelBooking(Command):
    """The driver, or somebody for him, says that he will not come."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    booking_id: str
    reason: str


class MarkNoShow(Command):
    """The window is over and the driver did not come."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str


class FailBooking(Command):
    """The network cannot keep its promise."""

    roles: ClassVar[frozenset[str]] = _STAFF | {"support"}

    booking_id: str
    reason: str


_Step = AllocatePack | ReplaceAllocation | PresentBooking | CancelBooking | MarkNoShow | FailBooking
BookingCommand = ReserveSwap | _Step

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


class BookingReserved(BookingStep):
    """The pack is promised."""

    kind: ClassVar[str] = "booking_reserved"


class PackAllocated(BookingStep):
    """A pack is pinned to the booking."""

    kind: ClassVar[str] = "pack_allocated"

    pack_id: str


class AllocationReplaced(BookingStep):
    """Another pack is pinned: `pack_ids` are the old one and the new one."""

    kind: ClassVar[str] = "allocation_replaced"

    pack_ids: tuple[str, str]
    reason: str


class BookingPresented(BookingStep):
    """The driver came."""

    kind: ClassVar[str] = "booking_presented"


class BookingFulfilled(BookingStep):
    """He got a pack; made by the swap that completed."""

    kind: ClassVar[str] = "booking_fulfilled"

    swap_id: str


class BookingCanceled(BookingStep):
    """It was called off before he came."""

    kind: ClassVar[str] = "booking_canceled"

    reason: str


class BookingNoShow(BookingStep):
    """He did not come."""

    kind: ClassVar[str] = "booking_no_show"


class BookingFailed(BookingStep):
    """There was no pack for him."""

    kind: ClassVar[str] = "booking_failed"

    reason: str


BookingEvent = (
    BookingRequested
    | BookingReserved
    | PackAllocated
    | AllocationReplaced
    | BookingPresented
    | BookingFulfilled
    | BookingCanceled
    | BookingNoShow
    | BookingFailed
)

# touches ----------------------------------------------------------------------


def touches(command: BookingCommand) -> Keys:
    """Read the booking, and what a new one is about, or the pack that shall be pinned."""
    booking = touch(BOOKINGS, command.booking_id)
    match command:
        case ReserveSwap():
            return (
                booking,
                touch(PARTIES, command.driver_id),
                touch(STATIONS, command.station_id),
                touch(POOLS, command.station_id, command.pack_class),
            )
        case AllocatePack() | ReplaceAllocation():
            return booking, touch(PACKS, command.pack_id)
        case _:
            return (booking,)


def follows(world: World, command: BookingCommand) -> Keys:
    """Read what the booking is about."""
    return booking_rows(world, command.booking_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: BookingCommand, request: Request) -> Outcome:
    """Promise a pack where one will be ready; move a booking on as its table allows."""
    if isinstance(command, ReserveSwap):
        return _reserve(world, command, request)
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    event, faults = _step(world, booking, command, request.at)
    tests = (
        (_is_for_another(booking.driver_id, request.actor), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (booking.stage in ENDED, RefusalCode.BOOKING_ENDED),
        (not booking.may(event.kind), RefusalCode.BOOKING_STAGE),
    )
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"booking": booking.booking_id, "stage": booking.stage})
    return (Draft(event, correlation_id=booking.booking_id),)


def _reserve(world: World, command: ReserveSwap, request: Request) -> Outcome:
    pool = world.get(POOLS, key_of(command.station_id, command.pack_class)) or Pool()
    window = (command.window_from, command.window_to)
    station = world.get(STATIONS, command.station_id)
    tests = (
        (station is None, RefusalCode.STATION_UNKNOWN),
        (station is not None and not station.in_service, RefusalCode.STATION_NOT_IN_SERVICE),
        (
            not (is_id(command.pack_class) and is_soc(command.min_soc_bp)),
            RefusalCode.PACK_FIELD_INVALID,
        ),
        (world.get(BOOKINGS, command.booking_id) is not None, RefusalCode.BOOKING_EXISTS),
        (_is_for_another(command.driver_id, request.actor), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (
            not is_window(*window) or not is_id(command.booking_id),
            RefusalCode.BOOKING_WINDOW_INVALID,
        ),
        (
            pool.claimed(*window) >= command.forecast_ready or len(pool.claims) >= POOL_MAX,
            RefusalCode.NO_PACK_AVAILABLE,
        ),
        (command.window_to <= request.at, RefusalCode.BOOKING_WINDOW_PASSED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(
            faults, {"station": command.station_id[:40], "ready": command.forecast_ready}
        )
    asked = Draft(BookingRequested(**asdict(command)), correlation_id=command.booking_id)
    promised = BookingReserved(booking_id=command.booking_id)
    return asked, Draft(promised, after=(0,), correlation_id=command.booking_id)


def _is_for_another(driver_id: str, actor: Actor) -> bool:
    return actor.role == "driver" and actor.id != driver_id


def _step(
    world: World, booking: Booking, command: _Step, at: int
) -> tuple[BookingStep, list[RefusalCode]]:
    """Make the event a command asks for, and tell what keeps it from happening beside its stage."""
    booking_id = booking.booking_id
    is_over = at >= booking.window_to + NO_SHOW_GRACE_US
    late = [RefusalCode.BOOKING_WINDOW_PASSED] if is_over else []
    match command:
        case AllocatePack(pack_id=pack_id):
            faults = late + _pin_faults(world, booking, pack_id, at)
            return PackAllocated(booking_id=booking_id, pack_id=pack_id), faults
        case ReplaceAllocation(pack_id=pack_id, reason=reason):
            pins = (booking.pack_id, pack_id)
            faults = late + _pin_faults(world, booking, pack_id, at)
            return AllocationReplaced(booking_id=booking_id, pack_ids=pins, reason=reason), faults
        case PresentBooking():
            if command.driver_id != booking.driver_id:
                late.append(RefusalCode.BOOKING_OF_ANOTHER_DRIVER)
            return BookingPresented(booking_id=booking_id), late
        case CancelBooking():
            return BookingCanceled(booking_id=booking_id, reason=command.reason), []
        case MarkNoShow():
            faults = [] if is_over else [RefusalCode.BOOKING_WINDOW_INVALID]
            return BookingNoShow(booking_id=booking_id), faults
        case FailBooking():
            return BookingFailed(booking_id=booking_id, reason=command.reason), []
        case _ as unknown:
            assert_never(unknown)


def _pin_faults(world: World, booking: Booking, pack_id: str, at: int) -> list[RefusalCode]:
    pack = world.get(PACKS, pack_id)
    if pack is None:
        return [RefusalCode.UNKNOWN_PACK]
    station = world.need(STATIONS, booking.station_id)
    terms = eligible(pack, station, pack_class=booking.pack_class, at=at)
    low = (pack.soc_bp or 0) < booking.min_soc_bp
    return [*terms, *([RefusalCode.SOC_BELOW_TARGET] if low else [])]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BookingEvent, _stamp: Stamp) -> None:
    """Move the booking on, keep the pool of its station, set and free pins."""
    if isinstance(event, BookingRequested):
        claim = (event.station_id, event.pack_class, event.window_from, event.window_to)
        asked = Booking(event.booking_id, event.driver_id, *claim, min_soc_bp=event.min_soc_bp)
        world.put(BOOKINGS, event.booking_id, asked)
        return
    row = world.need(BOOKINGS, event.booking_id)
    stage = STAGES[row.stage, event.kind]
    pin = row.pack_id
    match event:
        case PackAllocated():
            pin = event.pack_id
        case AllocationReplaced():
            pin = event.pack_ids[1]
        case _:
            pin = "" if stage in ENDED else pin
    if pin != row.pack_id:
        _pin(world, row.pack_id, row.booking_id, "")
        _pin(world, pin, "", row.booking_id)
    row = replace(row, stage=stage, pack_id=pin)
    world.put(BOOKINGS, event.booking_id, row)
    if stage == "RESERVED" or stage in ENDED:
        key = key_of(row.station_id, row.pack_class)
        world.put(POOLS, key, (world.get(POOLS, key) or Pool()).after(row))


def _pin(world: World, pack_id: str, before: str, after: str) -> None:
    """Change whom a pack is pinned to, unless it is pinned to somebody else by now."""
    pack = world.get(PACKS, pack_id) if pack_id else None
    if pack is not None and pack.allocated_to == before:
        world.put(PACKS, pack_id, replace(pack, allocated_to=after))


def postings(_event: BookingEvent) -> tuple[Posting, ...]:
    """A claim moves nothing."""
    return ()
