"""Refunds: what a credit note took off a paid invoice goes back to the card that paid.

No refund without a credit note: it never gives back more than the note credits, nor more than its
payment took and did not give back before (invariant 6). What is on its way counts as given.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.money import templates_payments as templates
from ledger.domain.money.credit_notes import CREDIT_NOTES, count_refund
from ledger.domain.money.payments_calls import plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CARD_PAYMENTS,
    REFUND,
    CallBody,
    CardPayment,
    PaymentCall,
    Told,
    change,
)
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Refund(msgspec.Struct, frozen=True):
    """One refund that was paid, in minor units."""

    payment_id: str
    credit_note_no: str
    amount_minor: int


REFUNDS = Shelf("refunds", Refund)  # key: the provider's name of it
SHELVES: tuple[Shelf[Any], ...] = (REFUNDS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class PlanRefund(Command):
    """Pay back some of a credit note, or all, to the card of a payment of its invoice."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "system"})

    credit_note_no: str
    payment_id: str
    amount_minor: int


RefundsCommand = PlanRefund

# Events -----------------------------------------------------------------------


class RefundStep(Event):
    """What every step of a refund tells."""

    credit_note_no: str
    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int


class RefundPlanned(RefundStep):
    """A refund is decided; it counts as given from here on."""

    kind: ClassVar[str] = "refund.planned"


class RefundPaid(RefundStep, kw_only=True):
    """The provider pays it back."""

    kind: ClassVar[str] = "refund.paid"

    ref: str
    invoice_no: str


class RefundFailed(RefundStep, kw_only=True):
    """The provider definitely does not; it counts no more."""

    kind: ClassVar[str] = "refund.failed"

    reason: str


RefundsEvent = RefundPlanned | RefundPaid | RefundFailed

# touches ----------------------------------------------------------------------


def touches(command: RefundsCommand) -> Keys:
    """Read the credit note, the payment, and what its attempts share."""
    return (
        touch(CREDIT_NOTES, command.credit_note_no),
        touch(CARD_PAYMENTS, command.payment_id),
        touch(CALL_STEMS, _stem(command)),
    )


def follows(_world: World, _command: RefundsCommand) -> Keys:
    """Everything is known from the command."""
    return ()


def answer_rows(call: PaymentCall) -> tuple[Key, ...]:
    """Name what the answer to a refund moves beside its payment."""
    return (touch(CREDIT_NOTES, call.body.metadata["credit_note_no"]),)


def _stem(command: PlanRefund) -> str:
    return f"cn:{command.credit_note_no}:refund"


# decide -----------------------------------------------------------------------


def decide(world: World, command: RefundsCommand, _request: Request) -> Outcome:
    """Plan a refund within its credit note and its payment."""
    row = world.get(CARD_PAYMENTS, command.payment_id)
    if row is None:
        return Refusal(RefusalCode.PAYMENT_UNKNOWN, {"payment": command.payment_id[:40]})
    faults = _faults(world, command, row)
    if faults:
        return refused(faults, {"payment": row.payment_id, "refundable": row.refundable_minor})
    call = plan(
        world,
        _stem(command),
        _body(command, row),
        payment_id=row.payment_id,
        driver_id=row.driver_id,
    )
    if isinstance(call, Refusal):
        return call
    planned = RefundPlanned(
        credit_note_no=command.credit_note_no,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        currency=row.currency,
        amount_minor=command.amount_minor,
    )
    return Draft(planned), Draft(call, after=(0,))


def _faults(world: World, command: PlanRefund, row: CardPayment) -> list[RefusalCode]:
    note = world.get(CREDIT_NOTES, command.credit_note_no)
    is_backed = (
        note is not None
        and note.invoice_no == row.invoice_no
        and note.driver_id == row.driver_id
        and note.currency == row.currency
    )
    tests = (
        (command.amount_minor <= 0, RefusalCode.QUANTITY_OUT_OF_RANGE),
        (not is_backed, RefusalCode.REFUND_NOT_CREDITED),
        (
            note is not None and command.amount_minor > note.refundable_minor,
            RefusalCode.CREDIT_NOTE_SPENT,
        ),
        (command.amount_minor > row.refundable_minor, RefusalCode.REFUND_EXCEEDS_CAPTURED),
        (row.has_dispute, RefusalCode.PAYMENT_DISPUTED),
        (row.differs, RefusalCode.PAYMENT_DIFFERS),
    )
    return [code for failed, code in tests if failed]


def _body(command: PlanRefund, row: CardPayment) -> CallBody:
    return CallBody(
        operation=REFUND,
        currency=row.currency,
        amount_minor=command.amount_minor,
        target=row.ref,
        metadata={
            "payment_id": row.payment_id,
            "driver_id": row.driver_id,
            "credit_note_no": command.credit_note_no,
            "invoice_no": row.invoice_no,
        },
    )


def answered(call: PaymentCall, told: Told) -> tuple[Draft, ...]:
    """Give what the answer to a refund means; its payment and credit note must be loaded."""
    if told.status == "failed":
        return (Draft(failed(call, told.reason or "failed"), after=(0,)),)
    paid = RefundPaid(**_told(call), ref=told.ref, invoice_no=call.body.metadata["invoice_no"])
    return (Draft(paid, after=(0,)),)


def failed(call: PaymentCall, reason: str) -> RefundFailed:
    """Make the event of a refund that the provider did not pay."""
    return RefundFailed(**_told(call), reason=reason)


def _told(call: PaymentCall) -> dict[str, Any]:
    return {
        "credit_note_no": call.body.metadata["credit_note_no"],
        "payment_id": call.payment_id,
        "driver_id": call.driver_id,
        "currency": call.body.currency,
        "amount_minor": call.body.amount_minor,
    }


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: RefundsEvent, _stamp: Stamp) -> None:
    """Count what is promised and what is given back, of the payment and of the credit note."""
    row = world.need(CARD_PAYMENTS, event.payment_id)
    amount = event.amount_minor
    match event:
        case RefundPlanned():
            change(world, row.payment_id, refunding_minor=row.refunding_minor + amount)
        case RefundPaid():
            refunded = row.refunded_minor + amount
            change(
                world,
                row.payment_id,
                refunding_minor=row.refunding_minor - amount,
                refunded_minor=refunded,
                state="REFUNDED" if refunded >= row.captured_minor else "REFUNDED_PARTLY",
            )
            count_refund(world, event.credit_note_no, amount)
            world.put(REFUNDS, event.ref, Refund(row.payment_id, event.credit_note_no, amount))
        case RefundFailed():
            change(world, row.payment_id, refunding_minor=row.refunding_minor - amount)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: RefundsEvent) -> tuple[Posting, ...]:
    """Move what is paid back."""
    if not isinstance(event, RefundPaid):
        return ()
    dims = {
        "driver": event.driver_id,
        "invoice": event.invoice_no,
        "credit_note": event.credit_note_no,
        "payment": event.payment_id,
    }
    return templates.refund_paid(event.currency, event.amount_minor, dims)
