"""Checkouts: pages of the provider on which a driver pays, saves a card or confirms a payment.

A page is one call to the provider; this area keeps what it was opened for and how the driver left
it. Whether it came to something is never told by the driver's browser: a page is done when the
provider says so, and given up when it was left, or after half an hour.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import payments
from ledger.domain.money.dispute_rows import DISPUTED_LINES, disputes_of
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments import PaymentPlanned, PlanSetup, PlanTopUp, ReleaseReserved
from ledger.domain.money.payments_calls import CallPlanned, plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CARD_PAYMENTS,
    CHECKOUT,
    INVOICE,
    SAVED_CARDS,
    CallBody,
    CardPayment,
    SavedMethods,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

PAGE_US = 30 * MINUTE
"""Policy: so long a page is waited for."""

Purpose = Literal["top_up", "add_method", "pay_invoice", "confirm_payment"]
OUTCOMES = ("back", "left")
"""How a driver came back: the page sent him on, or he gave it up."""

_ROUTE = re.compile(r"/app/[A-Za-z0-9/_.~-]{0,250}")
_DONE = frozenset({"AUTHORISED", "CAPTURED", "REFUNDED_PARTLY", "REFUNDED", "DISPUTED", "WON"})
_NOTHING = frozenset({"FAILED", "CANCELLED", "EXPIRED", "LOST"})


class Checkout(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page: what it is for, and how the driver came back (`outcome`); times in us.

    `payment_id` is the payment it makes or confirms, `call_key` the call that opens it.
    """

    checkout_id: str
    driver_id: str
    purpose: Purpose
    return_to: str
    opened_at: int
    expires_at: int
    payment_id: str = ""
    call_key: str = ""
    invoice_no: str = ""
    outcome: str = ""

    def state(self, payment: CardPayment | None, saved: SavedMethods | None, at: int) -> str:
        """Say how it stands: ``OPEN``, ``WAITING``, ``DONE`` or ``ABANDONED``.

        `payment` is that of the page, `saved` are the cards of its driver, both as they are now.
        """
        methods = saved.methods if saved else ()
        is_saved = any(one.saved_at >= self.opened_at for one in methods)
        is_done = payment.state in _DONE if payment else is_saved
        tests = (
            (is_done, "DONE"),
            (payment is not None and payment.state in _NOTHING, "ABANDONED"),
            (self.outcome == "left" or at >= self.expires_at, "ABANDONED"),
            (self.outcome == "back", "WAITING"),
        )
        return next((state for holds, state in tests if holds), "OPEN")


CHECKOUTS = Shelf("checkouts", Checkout, listed_by=lambda row: row.driver_id)
SHELVES: tuple[Shelf[Any], ...] = (CHECKOUTS,)
FOLDS: tuple[type[Event], ...] = ()

_OWN = frozenset({"driver", "support", "system"})

# Commands ---------------------------------------------------------------------


class OpenCheckout(Command):
    """A driver wants a page, which leads back to `return_to`, a route of the app.

    ``top_up`` takes an amount, ``pay_invoice`` pays what is open of an invoice, and
    ``confirm_payment`` leads to the page that a payment of his waits for.
    """

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    checkout_id: str
    driver_id: str
    purpose: Purpose
    return_to: str
    currency: str = ""
    amount_minor: int = 0
    invoice_no: str = ""
    payment_id: str = ""


class EndCheckout(Command):
    """The driver is back: the page sent him on (``back``), or he gave it up (``left``)."""

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    checkout_id: str
    driver_id: str
    outcome: str


CheckoutsCommand = OpenCheckout | EndCheckout

# Events -----------------------------------------------------------------------


class CheckoutOpened(Event):
    """A driver gets a page of the provider."""

    kind: ClassVar[str] = "checkout.opened"

    checkout_id: str
    driver_id: str
    purpose: Purpose
    return_to: str
    expires_at: int
    payment_id: str = ""
    call_key: str = ""
    invoice_no: str = ""


class CheckoutEnded(Event):
    """The driver is back from a page."""

    kind: ClassVar[str] = "checkout.ended"

    checkout_id: str
    driver_id: str
    outcome: str


CheckoutsEvent = CheckoutOpened | CheckoutEnded

# touches ----------------------------------------------------------------------


def touches(command: CheckoutsCommand) -> Keys:
    """Read the page, and what it is for."""
    own = touch(CHECKOUTS, command.checkout_id)
    if isinstance(command, EndCheckout):
        return (own,)
    return (own, *_rows_of(command))


def _rows_of(command: OpenCheckout) -> tuple[Key, ...]:
    match command.purpose:
        case "top_up":
            return tuple(payments.touches(_top_up(command)))
        case "add_method":
            return tuple(payments.touches(PlanSetup(driver_id=command.driver_id)))
        case "pay_invoice":
            driver_id, number = command.driver_id, command.invoice_no
            return (
                touch(PARTIES, driver_id),
                touch(SAVED_CARDS, driver_id),
                touch(CALL_STEMS, _stem(number)),
                touch(INVOICES, number),
                touch(DISPUTED_LINES, number),
            )
        case "confirm_payment":
            return (touch(CARD_PAYMENTS, command.payment_id),)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: CheckoutsCommand) -> Keys:
    """Read what ends with a page that is given up."""
    row = world.get(CHECKOUTS, command.checkout_id)
    if row is None or not row.payment_id or isinstance(command, OpenCheckout):
        return ()
    end = ReleaseReserved(payment_id=row.payment_id)
    keys = tuple(payments.touches(end))
    if not world.is_loaded(*keys[0]):
        return keys
    return (*keys, *payments.follows(world, end))


def _stem(invoice_no: str) -> str:
    return f"inv:{invoice_no}:charge"


def _top_up(command: OpenCheckout) -> PlanTopUp:
    return PlanTopUp(
        payment_id=payment_of(command.checkout_id),
        driver_id=command.driver_id,
        currency=command.currency,
        amount_minor=command.amount_minor,
    )


def payment_of(checkout_id: str) -> str:
    """Name the payment that a page makes."""
    return derived_id("PY", checkout_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: CheckoutsCommand, request: Request) -> Outcome:
    """Open a page with the call that makes it; keep how the driver came back."""
    facts: dict[str, Fact] = {"checkout": command.checkout_id[:40]}
    row = world.get(CHECKOUTS, command.checkout_id)
    match command:
        case OpenCheckout():
            if row is not None:
                return Refusal(RefusalCode.CHECKOUT_EXISTS, facts)
            if not is_id(command.checkout_id) or not is_route(command.return_to):
                return Refusal(RefusalCode.PAYMENT_FIELD_INVALID, {**facts, "field": "return_to"})
            return _open(world, command, request)
        case EndCheckout():
            if row is None or row.driver_id != command.driver_id:
                return Refusal(RefusalCode.CHECKOUT_UNKNOWN, facts)
            if command.outcome not in OUTCOMES:
                return Refusal(RefusalCode.PAYMENT_FIELD_INVALID, {**facts, "field": "outcome"})
            return tuple(_ended(world, row, command.outcome, request))
        case _ as unknown:
            assert_never(unknown)


def is_route(text: str) -> bool:
    """Tell whether a text is a route of the app that a page may lead back to.

    >>> is_route("/app/wallet"), is_route("//evil.example/app/"), is_route("/app/../log")
    (True, False, False)
    """
    return _ROUTE.fullmatch(text) is not None and ".." not in text and "//" not in text


def _open(world: World, command: OpenCheckout, request: Request) -> Outcome:
    if command.purpose == "confirm_payment":
        return _confirm(world, command, request)
    if command.purpose == "top_up":
        planned = payments.decide(world, _top_up(command), request)
    elif command.purpose == "add_method":
        planned = payments.decide(world, PlanSetup(driver_id=command.driver_id), request)
    else:
        planned = _pay(world, command)
    if isinstance(planned, Refusal):
        return planned
    return _with_page(command, planned, request)


def _with_page(command: OpenCheckout, planned: tuple[Draft, ...], request: Request) -> Outcome:
    """Send the call back to the route of the page, and keep the page with it."""
    *before, last = planned
    call = last.event
    assert isinstance(call, CallPlanned), "a plan ends with its call"
    way = f"{command.return_to}?checkout={command.checkout_id}"
    body = replace(call.body, return_to=way)
    call = replace(call, body=body, body_sha256=body.digest)
    opened = CheckoutOpened(
        checkout_id=command.checkout_id,
        driver_id=command.driver_id,
        purpose=command.purpose,
        return_to=command.return_to,
        expires_at=request.at + PAGE_US,
        payment_id=call.payment_id,
        call_key=call.call_key,
        invoice_no=command.invoice_no if command.purpose == "pay_invoice" else "",
    )
    return *before, replace(last, event=call), Draft(opened, after=(len(before),))


def _pay(world: World, command: OpenCheckout) -> Outcome:
    faults = party_faults(world, command.driver_id, "driver")
    facts: dict[str, Fact] = {"invoice": command.invoice_no[:40]}
    if faults:
        return Refusal(faults[0], facts)
    invoice = world.get(INVOICES, command.invoice_no)
    if invoice is None or invoice.driver_id != command.driver_id or not invoice.open_minor:
        return Refusal(RefusalCode.INVOICE_NOT_PAYABLE, facts)
    if disputes_of(world, command.invoice_no).has_open:
        return Refusal(RefusalCode.OPEN_DISPUTE, facts)
    saved = world.get(SAVED_CARDS, command.driver_id)
    payment_id = payment_of(command.checkout_id)
    body = CallBody(
        operation=CHECKOUT,
        currency=invoice.currency,
        amount_minor=invoice.open_minor,
        payer=saved.payer if saved else "",
        group=invoice.invoice_no,
        metadata={
            "payment_id": payment_id,
            "driver_id": command.driver_id,
            "invoice_no": invoice.invoice_no,
        },
    )
    stem = _stem(invoice.invoice_no)
    call = plan(world, stem, body, payment_id=payment_id, driver_id=command.driver_id)
    if isinstance(call, Refusal):
        return call
    planned = PaymentPlanned(
        payment_id=payment_id,
        driver_id=command.driver_id,
        purpose=INVOICE,
        subject="",
        currency=invoice.currency,
        amount_minor=invoice.open_minor,
        stem=stem,
        invoice_no=invoice.invoice_no,
    )
    return Draft(planned), Draft(call, after=(0,))


def _confirm(world: World, command: OpenCheckout, request: Request) -> Outcome:
    row = world.get(CARD_PAYMENTS, command.payment_id)
    facts: dict[str, Fact] = {"payment": command.payment_id[:40]}
    if row is None or row.driver_id != command.driver_id:
        return Refusal(RefusalCode.PAYMENT_UNKNOWN, facts)
    if row.state != "NEEDS_ACTION" or not row.url:
        return Refusal(RefusalCode.PENDING_RESOLVED, {**facts, "state": row.state})
    opened = CheckoutOpened(
        checkout_id=command.checkout_id,
        driver_id=command.driver_id,
        purpose=command.purpose,
        return_to=command.return_to,
        expires_at=request.at + PAGE_US,
        payment_id=row.payment_id,
        invoice_no=row.invoice_no,
    )
    return (Draft(opened),)


def _ended(world: World, row: Checkout, outcome: str, request: Request) -> Iterator[Draft]:
    """Keep the outcome; a page that was given up is closed at the provider, so it cannot be paid.

    Leaving counts after coming back, not the other way round.
    """
    if row.outcome in (outcome, "left"):
        return
    ended = CheckoutEnded(checkout_id=row.checkout_id, driver_id=row.driver_id, outcome=outcome)
    yield Draft(ended)
    payment = world.get(CARD_PAYMENTS, row.payment_id) if row.payment_id else None
    if outcome != "left" or payment is None or payment.state != "CREATED":
        return
    end = payments.decide(world, ReleaseReserved(payment_id=payment.payment_id), request)
    if not isinstance(end, Refusal):  # refused: the page was never made, or is being closed
        yield from end


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CheckoutsEvent, stamp: Stamp) -> None:
    """Keep the page."""
    match event:
        case CheckoutOpened():
            told = {name: getattr(event, name) for name in event.__struct_fields__}
            opened = Checkout(**told, opened_at=stamp.recorded_at)
            world.put(CHECKOUTS, event.checkout_id, opened)
        case CheckoutEnded():
            row = world.need(CHECKOUTS, event.checkout_id)
            world.put(CHECKOUTS, event.checkout_id, replace(row, outcome=event.outcome))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: CheckoutsEvent) -> tuple[Posting, ...]:
    """A page moves nothing: what is paid on it is told by the provider."""
    return ()
