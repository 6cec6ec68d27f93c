"""Bills of bookings: what is taken of the money that was set aside, as soon as it is owed.

A booking that leaves something to pay has a timer (`claims.BILLS`). Its fee is rated first, as any
usage is; where money was set aside, an invoice over that one usage is issued at once, and what is
held by the bank or reserved in the wallet pays it. What is left of a swap is asked from the same
card. A booking for which nothing was set aside waits for the invoice of its month.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec.structs import replace

from ledger.domain.claims import BILLS, BOOKINGS, Booking, booking_rows, deposit_of, hold_of
from ledger.domain.money import pending
from ledger.domain.money.contracts import seller_of
from ledger.domain.money.invoice_means import WalletSpent
from ledger.domain.money.invoices import (
    INVOICED,
    InvoiceIssued,
    IssueInvoice,
    invoiced_key,
    issue_rows,
    issued_of,
    next_of,
    series_of,
)
from ledger.domain.money.payments import PaymentCapturing, PlanCharge
from ledger.domain.money.payments import touches as payment_rows
from ledger.domain.money.payments_ending import end_call, is_capturable, is_releasable
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.money.periods import Ranges
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class BillBooking(Command, frozen=True):
    """Bill what a booking left and give back what is not needed of the money set aside for it.

    `order` is the invoice over its usage alone; without one nothing is taken.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    booking_id: str
    order: IssueInvoice | None = None


BookingBillsCommand = BillBooking

# Events -----------------------------------------------------------------------


class BookingBilled(Event):
    """A booking is billed; `rest_minor` of its invoice is asked from its card beside the hold."""

    kind: ClassVar[str] = "booking_billed"

    booking_id: str
    driver_id: str
    invoice_no: str = ""
    currency: str = ""
    rest_minor: int = 0
    method_id: str = ""


BookingBillsEvent = BookingBilled

# touches ----------------------------------------------------------------------


def touches(command: BookingBillsCommand) -> Keys:
    """Read the booking, and what numbers its invoice."""
    own = touch(BOOKINGS, command.booking_id)
    return (own,) if command.order is None else (own, *issue_rows(command.order))


def follows(world: World, command: BookingBillsCommand) -> Keys:
    """Read the money that was set aside, and what charging the rest reads."""
    rows = booking_rows(world, command.booking_id)
    booking = world.get(BOOKINGS, command.booking_id)
    order = command.order
    if booking is None or order is None or not booking.terms.is_held:
        return rows
    series = series_of(order.seller_id or order.entity, "INV", order.issued_at)
    rest = rest_order(booking, next_of(world, series)[1], order.currency, 1)
    return (*rows, *payment_rows(rest))


def rest_order(booking: Booking, invoice_no: str, currency: str, amount_minor: int) -> PlanCharge:
    """Ask the card of a booking for what its hold does not pay (minor units)."""
    return PlanCharge(
        payment_id=derived_id("PY", "rest", booking.booking_id),
        driver_id=booking.driver_id,
        invoice_no=invoice_no,
        currency=currency,
        amount_minor=amount_minor,
        method_id=booking.terms.method_id,
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: BookingBillsCommand, request: Request) -> Outcome:
    """Issue the invoice and let pay it what was set aside; once."""
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    if not booking.due:
        return ()
    order = command.order
    if order is None:
        drafts = (*_given_back(world, booking, request.at), Draft(_billed(booking, None, 0)))
        return _named(drafts, booking)
    fault = _fault(world, booking, order)
    if fault is not None:
        return fault
    invoice = issued_of(world, order)
    means = tuple(_paid(world, booking, invoice, request.at))
    taken = sum(
        one.amount_minor for one in means if isinstance(one, PaymentCapturing | WalletSpent)
    )
    rest = invoice.gross_minor + invoice.rounding_minor - taken if booking.terms.is_held else 0
    billed = _billed(booking, invoice, rest)
    events = (invoice, *means, billed)
    if not any(isinstance(one, PaymentCapturing) for one in means):
        events = (*events[:-1], *_released(world, booking), billed)
    return _named((Draft(events[0]), *(Draft(one, after=(0,)) for one in events[1:])), booking)


def _named(drafts: tuple[Draft, ...], booking: Booking) -> tuple[Draft, ...]:
    return tuple(replace(one, correlation_id=booking.booking_id) for one in drafts)


def _fault(world: World, booking: Booking, order: IssueInvoice) -> Refusal | None:
    """Tell why an invoice cannot be one of this booking, or not any more."""
    if (order.driver_id, order.currency) != (booking.driver_id, booking.currency):
        return Refusal(RefusalCode.INVOICE_NOT_PAYABLE, {"booking": booking.booking_id})
    key = invoiced_key(order.driver_id, order.currency, order.seller_id)
    used = world.get(INVOICED, key) or Ranges()
    rival = used.overlap(order.from_position, order.to_position)
    if rival is not None:
        return Refusal(RefusalCode.INVOICE_EXISTS, {"to_position": rival[1]})
    if order.line_count < 1 or not order.bases:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"booking": booking.booking_id})
    if order.seller_id and seller_of(world, order.seller_id) is None:
        return Refusal(RefusalCode.CONTRACT_UNKNOWN, {"partner": order.seller_id[:40]})
    return None


def _paid(world: World, booking: Booking, invoice: InvoiceIssued, at: int) -> Iterator[Event]:
    """Take from what was set aside, at most what is asked for."""
    wanted = invoice.gross_minor + invoice.rounding_minor
    if booking.terms.is_held:
        row = world.get(CARD_PAYMENTS, hold_of(booking.booking_id))
        if row is None or not is_capturable(world, row, at):
            return
        amount = min(wanted, row.amount_minor)
        yield PaymentCapturing(
            payment_id=row.payment_id,
            driver_id=row.driver_id,
            invoice_no=invoice.invoice_no,
            amount_minor=amount,
        )
        yield end_call(world, row, invoice_no=invoice.invoice_no, amount_minor=amount)
        return
    deposit = world.get(PENDINGS, deposit_of(booking.booking_id))
    if deposit is None or not deposit.is_open:
        return
    yield from pending.settled(deposit, 0, at)
    yield WalletSpent(
        driver_id=booking.driver_id,
        invoice_no=invoice.invoice_no,
        currency=invoice.currency,
        amount_minor=min(wanted, deposit.amount_minor),
    )


def _released(world: World, booking: Booking) -> Iterator[Event]:
    row = world.get(CARD_PAYMENTS, hold_of(booking.booking_id)) if booking.terms.is_held else None
    if row is not None and is_releasable(world, row):
        yield end_call(world, row)


def _given_back(world: World, booking: Booking, at: int) -> Iterator[Draft]:
    """Give back all of what was set aside."""
    deposit = world.get(PENDINGS, deposit_of(booking.booking_id))
    yield from map(Draft, pending.settled(deposit, 0, at))
    yield from map(Draft, _released(world, booking))


def _billed(booking: Booking, invoice: InvoiceIssued | None, rest_minor: int) -> BookingBilled:
    return BookingBilled(
        booking_id=booking.booking_id,
        driver_id=booking.driver_id,
        invoice_no=invoice.invoice_no if invoice else "",
        currency=invoice.currency if invoice else "",
        rest_minor=rest_minor,
        method_id=booking.terms.method_id if rest_minor else "",
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BookingBillsEvent, _stamp: Stamp) -> None:
    """Nothing is left to be billed of the booking."""
    row = world.need(BOOKINGS, event.booking_id)
    world.put(BOOKINGS, event.booking_id, replace(row, due=""))
    set_timer(world, BILLS, event.booking_id, 0)


def postings(_event: BookingBillsEvent) -> tuple[Posting, ...]:
    """The invoice and its payments move the money."""
    return ()
