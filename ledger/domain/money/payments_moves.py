"""What the provider says of a payment, as steps of ours.

The state is taken from the object as it is now, never from the order of messages::

    CREATED -> NEEDS_ACTION | AUTHORISED | CAPTURED | FAILED | CANCELLED | EXPIRED
    NEEDS_ACTION, FAILED -> AUTHORISED | CAPTURED | ...      a driver may confirm later
    AUTHORISED -> CAPTURED | CANCELLED | EXPIRED
    CAPTURED -> REFUNDED_PARTLY -> REFUNDED;  CAPTURED -> DISPUTED -> WON | LOST

What cannot follow is late or was told before, and changes nothing.
"""

from ledger.domain.cases import CaseOpened
from ledger.domain.money import invoices, pending
from ledger.domain.money.payments_rows import (
    INVOICE,
    RESERVE,
    TOP_UP,
    CardPayment,
    Told,
)
from ledger.domain.money.pending_rows import PENDINGS, reserve_rows
from ledger.domain.world import Key, World
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Draft, Outcome, Request
from ledger.kernel.refusal import Refusal

_BEGUN = frozenset({"AUTHORISED", "CAPTURED", "FAILED", "CANCELLED", "EXPIRED"})
NEXT: dict[str, frozenset[str]] = {
    "CREATED": _BEGUN | {"NEEDS_ACTION"},
    "NEEDS_ACTION": _BEGUN,
    "FAILED": (_BEGUN | {"NEEDS_ACTION"}) - {"FAILED"},
    "AUTHORISED": frozenset({"CAPTURED", "CANCELLED", "EXPIRED"}),
    "CAPTURED": frozenset({"REFUNDED_PARTLY", "REFUNDED", "DISPUTED"}),
    "REFUNDED_PARTLY": frozenset({"REFUNDED_PARTLY", "REFUNDED", "DISPUTED"}),
    "REFUNDED": frozenset({"DISPUTED"}),
    "DISPUTED": frozenset({"WON", "LOST"}),
    "WON": frozenset({"REFUNDED_PARTLY", "REFUNDED", "DISPUTED"}),
    "CANCELLED": frozenset(),
    "EXPIRED": frozenset(),
    "LOST": frozenset(),
}
"""Which states may follow which."""

CAME_TO_NOTHING = frozenset({"FAILED", "CANCELLED", "EXPIRED"})

_STATES = {
    "needs_action": "NEEDS_ACTION",
    "authorised": "AUTHORISED",
    "captured": "CAPTURED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
}


def money_rows(row: CardPayment) -> tuple[Key, ...]:
    """Name what is read when the money of a payment comes in, or is set aside."""
    keys = tuple(invoices.touches(_paid(row, 1)))
    if row.purpose == INVOICE:
        return keys
    return (*keys, *reserve_rows(row.payment_id, row.driver_id, row.currency), *_topped_rows(row))


def _topped_rows(row: CardPayment) -> tuple[Key, ...]:
    return tuple(pending.touches(_topped(row, 1))) if row.purpose == TOP_UP else ()


def state_of(row: CardPayment, told: Told, at: int) -> str:
    """Give the state that the provider tells of; "" when it says nothing that may follow."""
    state = _STATES.get(told.status, "")
    if state == "CAPTURED" and told.captured_minor <= 0:
        return ""
    if state == "CANCELLED" and row.state == "AUTHORISED" and at >= row.authorised_until:
        state = "EXPIRED"
    return state if state in NEXT[row.state] else ""


def differs(row: CardPayment, told: Told) -> bool:
    """Tell whether the provider took, or would take, something else than we asked for."""
    return (
        told.currency not in ("", row.currency)
        or told.amount_minor not in (0, row.amount_minor)
        or told.captured_minor > row.amount_minor
        or (row.purpose != RESERVE and told.captured_minor not in (0, row.amount_minor))
    )


def money_of(
    world: World, row: CardPayment, state: str, told: Told, request: Request
) -> tuple[Draft, ...]:
    """Give what the new state of a payment means for money: set aside, given back, or come in."""
    if row.purpose == RESERVE and state == "AUTHORISED":
        return _booked(row, pending.decide(world, _reserved(row, told), request))
    drafts: tuple[Draft, ...] = ()
    if row.purpose == RESERVE and state in CAME_TO_NOTHING | {"CAPTURED"}:
        ends = pending.settled(world.get(PENDINGS, row.payment_id), 0, request.at)
        drafts = tuple(map(Draft, ends))
    if state != "CAPTURED" or told.currency not in ("", row.currency):
        return drafts
    if row.purpose == TOP_UP:
        came = pending.decide(world, _topped(row, told.captured_minor), request)
    else:
        came = invoices.decide(world, _paid(row, told.captured_minor), request)
    return (*drafts, *_booked(row, came))


def _booked(row: CardPayment, outcome: Outcome) -> tuple[Draft, ...]:
    """Take the drafts of what came in; what the books do not take becomes a case."""
    if isinstance(outcome, Refusal):
        return (Draft(_case(row, "PAYMENT_NOT_BOOKED", outcome.code.wire)),)
    return outcome


def _reserved(row: CardPayment, told: Told) -> pending.ReserveMoney:
    return pending.ReserveMoney(
        pending_id=row.payment_id,
        driver_id=row.driver_id,
        means="card",
        currency=row.currency,
        amount_minor=row.amount_minor,
        expires_at=told.authorised_until,
        booking_id=row.subject,
    )


def _topped(row: CardPayment, amount_minor: int) -> pending.TopUpWallet:
    return pending.TopUpWallet(
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        currency=row.currency,
        amount_minor=amount_minor,
    )


def _paid(row: CardPayment, amount_minor: int) -> invoices.RecordPayment:
    return invoices.RecordPayment(
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        invoice_no=row.invoice_no,
        currency=row.currency,
        amount_minor=amount_minor,
    )


def case_of(row: CardPayment, told: Told) -> CaseOpened:
    """Make the case of a payment for which the provider has another amount than we."""
    asked = f"{told.amount_minor} {told.currency} asked, {told.captured_minor} taken"
    return _case(row, "PAYMENT_DIFFERS", f"{asked}; ours is {row.amount_minor} {row.currency}")


def _case(row: CardPayment, case_type: str, reason: str) -> CaseOpened:
    return CaseOpened(
        case_id=derived_id("CA", case_type, row.payment_id),
        case_type=case_type,
        subjects=(row.payment_id, row.driver_id),
        reason=reason,
    )
