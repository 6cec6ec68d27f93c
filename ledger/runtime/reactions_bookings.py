"""What must follow what happens to a swap, a booking, a pinned pack or a settled case.

A reaction is never refused: it asks only for what it has seen to be possible. `booking_needs` names
the rows that these follow-ups read, so that they are loaded with the batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.asking import SwapRefused
from ledger.domain.blocks import block_row
from ledger.domain.booking_ends import BookingFulfilled, FailBooking
from ledger.domain.booking_holds import ConfirmBooking, RejectBooking, ReleaseHold
from ledger.domain.cases import CASES, FORGIVEN, CaseResolved, ResolveCase
from ledger.domain.claims import BOOKINGS, ENDED, booking_rows, deposit_of, hold_of
from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    DriverPacks,
    PackSwappedOut,
    SetPackEntitlement,
)
from ledger.domain.extra_packs import EXTRA_PACKS, SettleExtraPack, extra_pack_rows
from ledger.domain.health import AssessSoh, SohAssessed
from ledger.domain.holds import HoldPlaced, PlaceHold
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.money.booking_bills import BookingBilled, rest_order
from ledger.domain.money.payments_moves import CAME_TO_NOTHING
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS, RESERVE, card_of
from ledger.domain.money.payments_told import (
    PaymentMoved,
    TellAnswer,
    TellPayment,
    TellRefusal,
)
from ledger.domain.money.pending import SettlePending
from ledger.domain.moves import MOVES, MovePack
from ledger.domain.parties import PARTIES
from ledger.domain.pinning import ReviewPins
from ledger.domain.saga import SWAPS
from ledger.domain.swap import STOPPED, SwapClosedIncomplete, SwapExpired, SwapOutTimedOut
from ledger.domain.world import Key, Keys, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Event

# Bookings -----------------------------------------------------------------------------------


def _after_refusal(world: World, event: SwapRefused, _stamp: Stamp) -> Iterable[Command]:
    booking_id = world.need(SWAPS, event.swap_id).booking_id
    booking = world.get(BOOKINGS, booking_id)
    has_come = booking is not None and booking.stage == "PRESENTED"
    return _fail(world, booking_id, event.reasons[0], "network") if has_come else ()


def _after_expiry(world: World, event: SwapExpired, _stamp: Stamp) -> Iterable[Command]:
    """End the booking of who came and brought nothing; who did not come to that may come again."""
    booking_id = world.need(SWAPS, event.swap_id).booking_id
    booking = world.get(BOOKINGS, booking_id)
    if event.reason and (booking is None or booking.stage != "PRESENTED"):
        return ()
    if event.reason == STOPPED:
        return _fail(world, booking_id, STOPPED, "nobody")
    return _fail(world, booking_id, "nothing_inserted", "driver")


def _after_time_out(world: World, event: SwapOutTimedOut, _stamp: Stamp) -> Iterable[Command]:
    booking_id = world.need(SWAPS, event.swap_id).booking_id
    return _fail(world, booking_id, "half_swap", "network")


def after_closing(world: World, event: SwapClosedIncomplete) -> Iterable[Command]:
    """End the booking of a swap that was closed: the network's fault where no pack went out."""
    fault = "nobody" if event.legs_out else "network"
    return _fail(world, event.booking_id, event.resolution, fault)


def _fail(world: World, booking_id: str, reason: str, fault: str) -> Iterable[Command]:
    """End a booking that no swap comes of, with its deposit, unless it has ended."""
    booking = world.get(BOOKINGS, booking_id)
    if booking is None or not booking.may("booking_failed"):
        return ()
    return (FailBooking(booking_id=booking_id, reason=reason, fault=fault),)


def _after_booking(world: World, event: BookingFulfilled, _stamp: Stamp) -> Iterable[Command]:
    terms = world.need(BOOKINGS, event.booking_id).terms
    if not terms.deposit_minor or terms.is_held:
        return ()  # what a bank holds pays the bill of the swap
    deposit_id = deposit_of(event.booking_id)
    return (SettlePending(pending_id=deposit_id, take_minor=terms.kept_minor),)


def _after_change(world: World, event: Any, _stamp: Stamp) -> Iterable[Command]:
    """Look at the pins of a pack that something happened to.

    Only where the command had the booking loaded; elsewhere the clock finds it (`due_swaps`).
    """
    pack = world.get(PACKS, event.pack_id)
    booking_id = "" if pack is None else pack.allocated_to
    if not booking_id or not world.is_loaded(BOOKINGS, booking_id):
        return ()
    keys = booking_rows(world, booking_id)
    all_there = all(world.is_loaded(shelf, key) for shelf, key in keys)
    return (ReviewPins(booking_id=booking_id),) if all_there else ()


def _after_hold(world: World, event: HoldPlaced, stamp: Stamp) -> Iterable[Command]:
    return _after_change(world, event, stamp) if "no_swap_out" in event.scopes else ()


# Holds --------------------------------------------------------------------------------------


_GIVES_BACK = frozenset({"AUTHORISED", "NEEDS_ACTION"})


def _after_hold_told(world: World, event: PaymentMoved, _stamp: Stamp) -> Iterable[Command]:
    """Promise the booking whose hold stands, refuse the one whose bank said no.

    What is held for a booking that has ended meanwhile is given back.
    """
    row = world.need(CARD_PAYMENTS, event.payment_id)
    if row.purpose != RESERVE or hold_of(row.subject) != row.payment_id:
        return
    booking = world.get(BOOKINGS, row.subject)
    if booking is None:
        return
    name, waits = booking.booking_id, booking.stage == "PENDING"
    if event.state in CAME_TO_NOTHING and waits:
        yield RejectBooking(booking_id=name, reason=event.reason or event.state.lower())
    elif event.state == "AUTHORISED" and waits:
        yield ConfirmBooking(booking_id=name)
    elif event.state == "NEEDS_ACTION" and waits and not row.url:
        yield RejectBooking(booking_id=name, reason=event.reason)  # no page to confirm it on
    elif event.state in _GIVES_BACK and booking.stage in ENDED and not booking.due:
        yield ReleaseHold(booking_id=name)


def _after_bill(world: World, event: BookingBilled, _stamp: Stamp) -> Iterable[Command]:
    """Ask the card of a booking for what its hold does not pay, while it is saved."""
    if event.rest_minor <= 0:
        return ()
    booking = world.need(BOOKINGS, event.booking_id)
    if card_of(world, booking.driver_id, booking.terms.method_id) is None:
        return ()
    return (rest_order(booking, event.invoice_no, event.currency, event.rest_minor),)


def hold_needs(world: World, command: TellAnswer | TellPayment | TellRefusal) -> Keys:
    """Name the booking for which a payment is held, as far as it is known yet."""
    if isinstance(command, TellPayment):
        payment_id = command.payment_id
    else:
        call = world.get(PAYMENT_CALLS, command.call_key)
        payment_id = call.payment_id if call is not None else ""
    if not payment_id or not world.is_loaded(CARD_PAYMENTS, payment_id):
        return ()
    row = world.get(CARD_PAYMENTS, payment_id)
    if row is None or row.purpose != RESERVE or hold_of(row.subject) != payment_id:
        return ()
    return booking_rows(world, row.subject)


# Debts --------------------------------------------------------------------------------------


def _after_case(world: World, event: CaseResolved, _stamp: Stamp) -> Iterable[Command]:
    """Let entitlements follow what two persons forgave, or note what they agreed upon.

    With the case of a half swap what was claimed for its pack is settled too.
    """
    swap_id = half_swap_in(world, event.case_id)
    if swap_id and world.is_loaded(EXTRA_PACKS, swap_id):
        yield SettleExtraPack(swap_id=swap_id, reason=event.resolution)
    if not event.debts:
        return
    debts: dict[tuple[str, str], int] = {}
    for debt in world.need(CASES, event.case_id).vector:
        key = debt.driver_id, debt.pack_class
        debts[key] = debts.get(key, 0) + debt.count
    for (driver_id, pack_class), count in debts.items():
        row = world.get(DRIVER_PACKS, key_of(driver_id, pack_class))
        entitled = (row or DriverPacks(driver_id, pack_class)).entitled
        yield SetPackEntitlement(
            driver_id=driver_id,
            pack_class=pack_class,
            count=max(entitled + count, 0) if event.debts == FORGIVEN else entitled,
            settles=count,
        )


def half_swap_in(world: World, case_id: str) -> str:
    """Give the swap whose case this is, "" for any other case."""
    case = world.get(CASES, case_id)
    return case.subjects[0] if case is not None and case.case_type == "HALF_SWAP" else ""


def extra_pack_needs(world: World, swap_id: str) -> list[Key]:
    """Name what settling a claim for the pack of a half swap reads; nothing without a swap."""
    if not swap_id:
        return []
    swap = world.get(SWAPS, swap_id) if world.is_loaded(SWAPS, swap_id) else None
    blocked = [] if swap is None else [block_row(swap.driver_id)]
    return [*extra_pack_rows(swap_id), *blocked]


BOOKING_REACTIONS: dict[type[Event], Callable[[World, Any, Stamp], Iterable[Command]]] = {
    SwapRefused: _after_refusal,
    SwapExpired: _after_expiry,
    SwapOutTimedOut: _after_time_out,
    BookingFulfilled: _after_booking,
    HoldPlaced: _after_hold,
    SohAssessed: _after_change,
    PackSwappedOut: _after_change,
    CaseResolved: _after_case,
    PaymentMoved: _after_hold_told,
    BookingBilled: _after_bill,
    **dict.fromkeys(MOVES.values(), _after_change),
}


def booking_needs(world: World, command: Command) -> Keys:
    """Name the rows that these follow-ups of a command will read, as far as they are known yet."""
    match command:
        case MovePack() | PlaceHold() | AssessSoh() | RecordPackIn() | RecordPackOut():
            pack = world.get(PACKS, command.pack_id)
            if pack is None or not pack.allocated_to:
                return ()
            return booking_rows(world, pack.allocated_to)
        case TellAnswer() | TellPayment() | TellRefusal():
            return hold_needs(world, command)
        case ResolveCase():
            case = world.get(CASES, command.case_id)
            debts = () if case is None else case.vector
            people = [touch(PARTIES, debt.driver_id) for debt in debts]
            people += extra_pack_needs(world, half_swap_in(world, command.case_id))
            return (*people, *(touch(DRIVER_PACKS, one.driver_id, one.pack_class) for one in debts))
        case _:
            return ()


BOOKING_NEEDING = {
    *(PlaceHold, AssessSoh, MovePack, RecordPackIn, RecordPackOut, ResolveCase),
    *(TellAnswer, TellPayment, TellRefusal),
}
"""Commands with such follow-ups; most have none, and are asked often."""
