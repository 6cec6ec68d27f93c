"""Payments by card: what a driver is asked for, planned before anything leaves.

Each command decides one call to the provider and writes it down with the payment; the relay makes
the call, and what came of it is told by the commands of `payments_told`.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.money.dispute_rows import DISPUTED_LINES, disputes_of
from ledger.domain.money.invoices import INVOICES, PAYMENTS, Invoice
from ledger.domain.money.payments_calls import plan
from ledger.domain.money.payments_ending import RELEASABLE, end_call, end_stem
from ledger.domain.money.payments_rows import (
    AUTHORISE,
    CALL_STEMS,
    CANCEL,
    CAPTURE,
    CARD_PAYMENTS,
    CHECKOUT,
    INVOICE,
    PAY,
    RESERVE,
    SAVED_CARDS,
    SAVED_METHODS,
    SETUP,
    TOP_UP,
    CallBody,
    CardPayment,
    SavedCard,
    card_of,
    change,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (CARD_PAYMENTS,)
FOLDS: tuple[type[Event], ...] = ()

_MONEY = frozenset({"finance", "support", "system"})
_OWN = _MONEY | {"driver"}

# Commands ---------------------------------------------------------------------


class PlanCharge(Command):
    """Take what is open of an invoice, or a part of it, from the card that its driver saved.

    `method_id` names another card of his than the one that is charged otherwise.
    """

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    payment_id: str
    driver_id: str
    invoice_no: str
    currency: str
    amount_minor: int
    method_id: str = ""


class ReserveCard(Command):
    """Have an amount authorised on the card of a driver, for a swap or a booking (`subject_id`).

    `method_id` names another card of his than the one that is charged otherwise.
    """

    roles: ClassVar[frozenset[str]] = _MONEY

    payment_id: str
    driver_id: str
    subject_id: str
    currency: str
    amount_minor: int
    method_id: str = ""


class CaptureReserved(Command):
    """Take some of what was authorised, or all, for an invoice; the rest is free again."""

    roles: ClassVar[frozenset[str]] = _MONEY

    payment_id: str
    invoice_no: str
    amount_minor: int


class ReleaseReserved(Command):
    """Give back what was authorised, or give up what the driver did not confirm."""

    roles: ClassVar[frozenset[str]] = _MONEY

    payment_id: str


class PlanTopUp(Command):
    """Let a driver pay into his wallet on a page of the provider."""

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int


class PlanSetup(Command):
    """Let a driver save a card on a page of the provider."""

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    driver_id: str


_Begin = PlanCharge | ReserveCard | PlanTopUp
_End = CaptureReserved | ReleaseReserved
PaymentsCommand = (
    PlanCharge | ReserveCard | PlanTopUp | CaptureReserved | ReleaseReserved | PlanSetup
)

# Events -----------------------------------------------------------------------


class PaymentPlanned(Event):
    """A driver shall pay by card; nothing has left yet."""

    kind: ClassVar[str] = "payment.planned"

    payment_id: str
    driver_id: str
    purpose: str
    subject: str
    currency: str
    amount_minor: int
    stem: str
    invoice_no: str = ""


class PaymentCapturing(Event):
    """What was authorised shall be taken for an invoice."""

    kind: ClassVar[str] = "payment.capturing"

    payment_id: str
    driver_id: str
    invoice_no: str
    amount_minor: int


PaymentsEvent = PaymentPlanned | PaymentCapturing

# touches ----------------------------------------------------------------------


def touches(command: PaymentsCommand) -> Keys:
    """Read the driver, his card and what is paid; or the call and the payment it belongs to."""
    match command:
        case PlanCharge() | ReserveCard() | PlanTopUp():
            keys = _driver_rows(command.driver_id, _stem(command))
            keys += (touch(CARD_PAYMENTS, command.payment_id), touch(PAYMENTS, command.payment_id))
            if isinstance(command, PlanCharge):
                invoice = touch(INVOICES, command.invoice_no)
                keys += (invoice, touch(DISPUTED_LINES, command.invoice_no))
            return keys
        case PlanSetup():
            return _driver_rows(command.driver_id, f"setup:{command.driver_id}")
        case CaptureReserved():
            key = touch(CARD_PAYMENTS, command.payment_id)
            return key, touch(INVOICES, command.invoice_no)
        case ReleaseReserved():
            return (touch(CARD_PAYMENTS, command.payment_id),)
        case _ as unknown:
            assert_never(unknown)


def _driver_rows(driver_id: str, stem: str) -> tuple[Key, ...]:
    cards = touch(SAVED_CARDS, driver_id), touch(SAVED_METHODS, driver_id)
    return touch(PARTIES, driver_id), *cards, touch(CALL_STEMS, stem)


def _stem(command: _Begin) -> str:
    match command:
        case PlanCharge():
            return f"inv:{command.invoice_no}:charge"
        case ReserveCard():
            return f"swap:{command.subject_id}:authorise"
        case PlanTopUp():
            return f"topup:{command.payment_id}"
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: PaymentsCommand) -> Keys:
    """Read what the calls that end a payment share."""
    if not isinstance(command, CaptureReserved | ReleaseReserved):
        return ()
    row = world.get(CARD_PAYMENTS, command.payment_id)
    return () if row is None else (touch(CALL_STEMS, _end_stem(row, command)),)


def _end_stem(row: CardPayment, command: _End) -> str:
    operation = CAPTURE if isinstance(command, CaptureReserved) else CANCEL
    return end_stem(row.subject or row.payment_id, operation)


# decide -----------------------------------------------------------------------


def decide(world: World, command: PaymentsCommand, request: Request) -> Outcome:
    """Plan a call, with what it is for."""
    match command:
        case PlanCharge() | ReserveCard() | PlanTopUp():
            return _begin(world, command)
        case PlanSetup():
            return _setup(world, command)
        case CaptureReserved() | ReleaseReserved():
            return _end(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _begin(world: World, command: _Begin) -> Outcome:
    faults = list(_faults(world, command))
    if faults:
        return refused(faults, {"payment": command.payment_id[:40]})
    call = plan(
        world,
        _stem(command),
        _body(world, command),
        payment_id=command.payment_id,
        driver_id=command.driver_id,
    )
    if isinstance(call, Refusal):
        return call
    purposes = {PlanCharge: INVOICE, ReserveCard: RESERVE, PlanTopUp: TOP_UP}
    planned = PaymentPlanned(
        payment_id=command.payment_id,
        driver_id=command.driver_id,
        purpose=purposes[type(command)],
        subject=command.subject_id if isinstance(command, ReserveCard) else "",
        currency=command.currency,
        amount_minor=command.amount_minor,
        stem=call.stem,
        invoice_no=command.invoice_no if isinstance(command, PlanCharge) else "",
    )
    return Draft(planned), Draft(call, after=(0,))


def _faults(world: World, command: _Begin) -> Iterable[RefusalCode]:
    yield from party_faults(world, command.driver_id, "driver")
    if command.currency not in EXPONENTS:
        yield RefusalCode.COMMODITY_UNKNOWN
    if not 0 < command.amount_minor <= QUANTITY_MAX:
        yield RefusalCode.QUANTITY_OUT_OF_RANGE
    if not is_id(command.payment_id):
        yield RefusalCode.PAYMENT_FIELD_INVALID
    is_known = world.get(CARD_PAYMENTS, command.payment_id) is not None
    if is_known or world.get(PAYMENTS, command.payment_id) is not None:
        yield RefusalCode.PAYMENT_EXISTS
    if not isinstance(command, PlanTopUp) and _card(world, command) is None:
        yield RefusalCode.CARD_MISSING
    if isinstance(command, ReserveCard) and not is_id(command.subject_id):
        yield RefusalCode.PAYMENT_FIELD_INVALID
    if isinstance(command, PlanCharge):
        invoice = world.get(INVOICES, command.invoice_no)
        yield from _invoice_faults(invoice, command.driver_id, command.currency)
        if invoice is not None and command.amount_minor > invoice.open_minor:
            yield RefusalCode.PAYMENT_EXCEEDS_INVOICE
        if disputes_of(world, command.invoice_no).has_open:
            yield RefusalCode.OPEN_DISPUTE  # a disputed line is not charged again


def _invoice_faults(
    invoice: Invoice | None, driver_id: str, currency: str
) -> Iterable[RefusalCode]:
    if invoice is None or invoice.driver_id != driver_id or invoice.currency != currency:
        yield RefusalCode.INVOICE_NOT_PAYABLE


def _card(world: World, command: _Begin) -> SavedCard | None:
    if isinstance(command, PlanTopUp):
        return world.get(SAVED_CARDS, command.driver_id)
    return card_of(world, command.driver_id, command.method_id)


def _body(world: World, command: _Begin) -> CallBody:
    saved = _card(world, command)
    operations = {PlanCharge: PAY, ReserveCard: AUTHORISE, PlanTopUp: CHECKOUT}
    metadata = {"payment_id": command.payment_id, "driver_id": command.driver_id}
    group = ""
    match command:
        case PlanCharge():
            metadata["invoice_no"] = group = command.invoice_no
        case ReserveCard():
            metadata["swap_id"] = group = command.subject_id
        case PlanTopUp():
            metadata["purpose"] = TOP_UP
        case _ as unknown:
            assert_never(unknown)
    return CallBody(
        operation=operations[type(command)],
        currency=command.currency,
        amount_minor=command.amount_minor,
        payer=saved.payer if saved else "",
        card=saved.card if saved and not isinstance(command, PlanTopUp) else "",
        group=group,
        metadata=metadata,
    )


def _setup(world: World, command: PlanSetup) -> Outcome:
    faults = party_faults(world, command.driver_id, "driver")
    if faults:
        return refused(faults, {"driver": command.driver_id[:40]})
    saved = world.get(SAVED_CARDS, command.driver_id)
    body = CallBody(
        operation=SETUP,
        payer=saved.payer if saved else "",
        metadata={"driver_id": command.driver_id},
    )
    call = plan(world, f"setup:{command.driver_id}", body, driver_id=command.driver_id)
    return call if isinstance(call, Refusal) else (Draft(call),)


def _end(world: World, command: _End, request: Request) -> Outcome:
    row = world.get(CARD_PAYMENTS, command.payment_id)
    if row is None:
        return Refusal(RefusalCode.PAYMENT_UNKNOWN, {"payment": command.payment_id[:40]})
    stem = world.get(CALL_STEMS, _end_stem(row, command))
    faults = list(_end_faults(world, row, command, request.at))
    if stem is not None and not stem.is_free:
        faults.append(RefusalCode.PENDING_RESOLVED)
    if faults:
        return refused(faults, {"payment": row.payment_id, "state": row.state})
    if not isinstance(command, CaptureReserved):
        return (Draft(end_call(world, row)),)
    call = end_call(world, row, invoice_no=command.invoice_no, amount_minor=command.amount_minor)
    capturing = PaymentCapturing(
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        invoice_no=command.invoice_no,
        amount_minor=command.amount_minor,
    )
    return Draft(capturing), Draft(call, after=(0,))


def _end_faults(world: World, row: CardPayment, command: _End, at: int) -> Iterable[RefusalCode]:
    if isinstance(command, ReleaseReserved):
        if not row.ref or row.state not in RELEASABLE:
            yield RefusalCode.PENDING_RESOLVED
        return
    if row.state != "AUTHORISED":
        yield RefusalCode.PENDING_RESOLVED
    elif at >= row.authorised_until:
        yield RefusalCode.PENDING_EXPIRED
    if command.amount_minor > row.amount_minor:
        yield RefusalCode.PENDING_EXCEEDED
    if command.amount_minor <= 0:
        yield RefusalCode.QUANTITY_OUT_OF_RANGE
    yield from _invoice_faults(world.get(INVOICES, command.invoice_no), row.driver_id, row.currency)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PaymentsEvent, _stamp: Stamp) -> None:
    """Keep the payment, and for which invoice its reserved amount is taken."""
    match event:
        case PaymentPlanned():
            row = CardPayment(**msgspec.structs.asdict(event))
            world.put(CARD_PAYMENTS, event.payment_id, row)
        case PaymentCapturing():
            change(world, event.payment_id, invoice_no=event.invoice_no)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: PaymentsEvent) -> tuple[Posting, ...]:
    """A plan moves nothing."""
    return ()
