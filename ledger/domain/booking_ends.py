"""Ends of bookings: kept, called off, waited for in vain, or not kept by the network.

Each end frees the pins and the claim, and settles the deposit, all in one command. A fee is owed by
the terms that were shown before; the deposit pays it as far as it goes. Where the prices of the
booking are locked, the fee is rated by them like every usage, and billed (`booking_bills.py`).
Where the network fails, the driver gets the credit that the terms promise, and pays nothing.
"""

from typing import Any, ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.booking import step_faults
from ledger.domain.booking_money import released
from ledger.domain.claims import BOOKINGS, Booking, advance, booking_rows, deposit_of
from ledger.domain.money import templates
from ledger.domain.money.pending import settled
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.money.tax import tax_rule
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.money import vat_of
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Booking], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

FAULTS = frozenset({"network", "driver", "nobody"})

_STAFF = frozenset({"station", "operator", "system"})
_ANYBODY = _STAFF | {"driver", "support"}

# Commands ---------------------------------------------------------------------


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
    """No swap comes of it: by fault of the ``network``, of the ``driver``, or of ``nobody``."""

    roles: ClassVar[frozenset[str]] = _STAFF | {"support"}

    booking_id: str
    reason: str
    fault: str = "network"


EndsCommand = CancelBooking | MarkNoShow | FailBooking

# Events -----------------------------------------------------------------------


class FeeStep(Event, kw_only=True):
    """What an end tells that may cost the driver a fee: net and tax in minor units.

    A fee that `is_billed` is posted by its rating, not here.
    """

    booking_id: str
    driver_id: str = ""
    station_id: str = ""
    currency: str = ""
    fee_minor: int = 0
    tax_minor: int = 0
    tax_code: str = ""
    is_billed: bool = False


class BookingFulfilled(Event):
    """He got a pack; made by the swap that completed."""

    kind: ClassVar[str] = "booking_fulfilled"

    booking_id: str
    swap_id: str


class BookingCanceled(FeeStep, kw_only=True):
    """It was called off before he came."""

    kind: ClassVar[str] = "booking_canceled"

    reason: str


class BookingNoShow(FeeStep):
    """He did not come."""

    kind: ClassVar[str] = "booking_no_show"


class BookingFailed(FeeStep, kw_only=True):
    """No swap came of it; `compensation_minor` is what the network gives him for that."""

    kind: ClassVar[str] = "booking_failed"

    reason: str
    compensation_minor: int = 0


EndsEvent = BookingFulfilled | BookingCanceled | BookingNoShow | BookingFailed

# touches ----------------------------------------------------------------------


def touches(command: EndsCommand) -> Keys:
    """Read the booking."""
    return (touch(BOOKINGS, command.booking_id),)


def follows(world: World, command: EndsCommand) -> Keys:
    """Read what the booking is about, and its deposit."""
    return booking_rows(world, command.booking_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: EndsCommand, request: Request) -> Outcome:
    """End a booking once, by what its stage and the clock allow."""
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    outcome = _ended(world, booking, command, request)
    faults = step_faults(booking, outcome[0].event.kind, request.actor)
    if isinstance(command, MarkNoShow) and request.at < booking.over_at:
        faults.append(RefusalCode.BOOKING_WINDOW_INVALID)
    if isinstance(command, FailBooking) and command.fault not in FAULTS:
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"booking": booking.booking_id, "stage": booking.stage})
    return outcome


def _ended(
    world: World, booking: Booking, command: EndsCommand, request: Request
) -> tuple[Draft, ...]:
    match command:
        case CancelBooking():
            return _canceled(world, booking, command, request)
        case MarkNoShow():
            return _no_show(world, booking, request.at)
        case FailBooking(reason=reason, fault=fault):
            return failed_booking(world, booking, reason, request.at, fault=fault)
        case _ as unknown:
            assert_never(unknown)


def _canceled(
    world: World, booking: Booking, command: CancelBooking, request: Request
) -> tuple[Draft, ...]:
    terms = booking.terms
    is_late = 0 < terms.cancel_until_at <= request.at and _is_his_wish(request.actor)
    owes = is_late and booking.stage != "PENDING"
    fee = _fee(world, booking, terms.cancel_minor if owes else 0, request.at)
    event = BookingCanceled(**fee, reason=command.reason)
    return _drafts(world, booking, event, request.at)


def _is_his_wish(actor: Actor) -> bool:
    """Tell whether the driver called it off, himself or through support; not the network."""
    return actor.role in ("driver", "support")


def _no_show(world: World, booking: Booking, at: int) -> tuple[Draft, ...]:
    fee = _fee(world, booking, booking.terms.no_show_minor, at)
    return _drafts(world, booking, BookingNoShow(**fee), at)


def failed_booking(
    world: World, booking: Booking, reason: str, at: int, *, fault: str = "network"
) -> tuple[Draft, ...]:
    """Make what follows when no swap comes of a booking: whose fault it was decides who pays."""
    terms = booking.terms
    fee = _fee(world, booking, terms.no_show_minor if fault == "driver" else 0, at)
    given = terms.compensation_minor if fault == "network" else 0
    event = BookingFailed(**fee, reason=reason, compensation_minor=given)
    return _drafts(world, booking, event, at)


def _fee(world: World, booking: Booking, net_minor: int, at: int) -> dict[str, Any]:
    """Give the fields of `FeeStep`; the tax by the rule of the day for services."""
    country = world.need(STATIONS, booking.station_id).country
    rule = tax_rule(country, "service", at) if net_minor else None
    return {
        "booking_id": booking.booking_id,
        "driver_id": booking.driver_id,
        "station_id": booking.station_id,
        "currency": booking.currency,
        "fee_minor": net_minor,
        "tax_minor": 0 if rule is None else vat_of(net_minor, rule.rate_bp),
        "tax_code": "" if rule is None else f"{country}-{rule.category}-{rule.rate_bp}",
        "is_billed": bool(net_minor and booking.terms.price_at),
    }


def _drafts(world: World, booking: Booking, event: FeeStep, at: int) -> tuple[Draft, ...]:
    """End the booking, and what is reserved for it unless a bill takes of that first."""
    name = event.booking_id
    if event.is_billed:
        return (Draft(event, correlation_id=name),)
    deposit = world.get(PENDINGS, deposit_of(name))
    money = settled(deposit, event.fee_minor + event.tax_minor, at)
    return (
        Draft(event, correlation_id=name),
        *(Draft(one, after=(0,), correlation_id=name) for one in money),
        *released(world, booking),
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: EndsEvent, stamp: Stamp) -> None:
    """End the booking: its pins and its claim are free; keep what is to be billed of it."""
    if isinstance(event, BookingFulfilled):
        due = "swap" if world.need(BOOKINGS, event.booking_id).terms.is_held else ""
        usage_id = event.swap_id
    else:
        fee = "late_cancel" if isinstance(event, BookingCanceled) else "no_show"
        due, usage_id = fee if event.is_billed else "", event.booking_id
    ended: dict[str, Any] = {"due": due, "usage_id": usage_id} if due else {}
    ended |= {"ended_at": stamp.recorded_at, "ended_position": stamp.position} if due else {}
    advance(world, event.booking_id, event.kind, **ended)


def postings(event: EndsEvent) -> tuple[Posting, ...]:
    """Owe the fee, give the credit; a claim itself moves nothing."""
    if isinstance(event, BookingFulfilled):
        return ()
    dims = {"driver": event.driver_id, "station": event.station_id, "booking": event.booking_id}
    tax = (event.tax_code, event.tax_minor)
    fee_minor = 0 if event.is_billed else event.fee_minor
    lines = templates.fee_late(event.currency, fee_minor, tax, dims) if fee_minor else ()
    if isinstance(event, BookingFailed):
        promo = {**dims, "promo": event.booking_id}
        lines += templates.promo_granted(event.currency, event.compensation_minor, promo)
    return lines
