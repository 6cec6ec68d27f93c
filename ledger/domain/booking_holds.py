"""Bookings whose deposit is held by a bank: promised when it stands, refused when it does not.

What the provider tells of the hold comes here as a command of the same batch
(`runtime/reactions_bookings.py`)::

    PENDING -> RESERVED      the hold stands
    PENDING -> REJECTED      the bank said no, or nothing for a quarter of an hour

A hold that is told of too late, or whose booking has ended without a fee, is given back.
"""

from typing import ClassVar, assert_never

from ledger.domain.booking_money import released
from ledger.domain.claims import BOOKINGS, Booking, advance, booking_rows
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Booking], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

REASON_CHARACTERS = 200
NOT_TOLD = "hold_not_told"
"""Reason: the bank was asked and nothing was heard in time."""

_SYSTEM = frozenset({"system"})

# Commands ---------------------------------------------------------------------


class ConfirmBooking(Command):
    """The hold of a booking stands: it is promised now."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    booking_id: str


class RejectBooking(Command):
    """The hold of a booking does not stand: the bank said no, or is waited for no longer."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    booking_id: str
    reason: str


class ReleaseHold(Command):
    """Nothing is to be taken of what is held for a booking."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    booking_id: str


BookingHoldsCommand = ConfirmBooking | RejectBooking | ReleaseHold

# Events -----------------------------------------------------------------------


class BookingConfirmed(Event):
    """A bank holds the deposit of a booking: its packs are promised."""

    kind: ClassVar[str] = "booking_confirmed"

    booking_id: str
    driver_id: str


class BookingRejected(Event):
    """A booking was not promised, for nobody holds money for it; nothing of it is kept."""

    kind: ClassVar[str] = "booking_rejected"

    booking_id: str
    driver_id: str
    reason: str


BookingHoldsEvent = BookingConfirmed | BookingRejected

# touches ----------------------------------------------------------------------


def touches(command: BookingHoldsCommand) -> Keys:
    """Read the booking."""
    return (touch(BOOKINGS, command.booking_id),)


def follows(world: World, command: BookingHoldsCommand) -> Keys:
    """Read what the booking is about, and its hold."""
    return booking_rows(world, command.booking_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: BookingHoldsCommand, _request: Request) -> Outcome:
    """Promise or refuse what waits for its bank; what does not wait stays as it is."""
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    name = booking.booking_id
    waits = booking.stage == "PENDING"
    match command:
        case ConfirmBooking():
            promised = BookingConfirmed(booking_id=name, driver_id=booking.driver_id)
            return (Draft(promised, correlation_id=name),) if waits else ()
        case RejectBooking():
            if not waits:
                return ()
            reason = command.reason[:REASON_CHARACTERS]
            rejected = BookingRejected(booking_id=name, driver_id=booking.driver_id, reason=reason)
            return (Draft(rejected, correlation_id=name), *released(world, booking))
        case ReleaseHold():
            return released(world, booking)
        case _ as unknown:
            assert_never(unknown)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BookingHoldsEvent, _stamp: Stamp) -> None:
    """Promise the booking, or end it: its claim is free then."""
    advance(world, event.booking_id, event.kind)


def postings(_event: BookingHoldsEvent) -> tuple[Posting, ...]:
    """What is only held moves nothing."""
    return ()
