"""Stripe's objects in our words.

A `StripeObject` is no dict: a field that was not sent raises, so what may be missing is asked for
with a default. Amounts are integers of minor units; Stripe's times are seconds.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import BalanceTransaction, PspPayout
from ledger.kernel.instants import DAY, SECOND, as_datetime
from ledger.runtime.relay_gateway import CardFace, CardNow, DisputeNow, PaymentNow, SourcedLine

AUTHORISED_US = 7 * DAY
"""A card is held for a week where Stripe names no other time."""

NEEDS_DRIVER = "authentication_required"

_STATUS = {
    "requires_capture": "authorised",
    "requires_action": "needs_action",
    "succeeded": "captured",
    "canceled": "cancelled",
    "requires_payment_method": "open",
    "requires_confirmation": "open",
    "processing": "open",
}
_REFUNDS = {"succeeded": "done", "failed": "failed", "canceled": "failed"}
_DISPUTES = {"won": "won", "lost": "lost", "warning_closed": "won", "prevented": "won"}


def id_of(value: Any) -> str:
    """Give the id of a reference, expanded or not; "" for none."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(value.id)


def told_of_intent(intent: stripe.PaymentIntent) -> Told:
    """Say what a PaymentIntent is now."""
    status = _STATUS.get(intent.status, "open")
    reason = getattr(intent, "cancellation_reason", None) or ""
    error = getattr(intent, "last_payment_error", None)
    if intent.status == "requires_payment_method" and error is not None:
        code = getattr(error, "code", None) or ""
        status = "needs_action" if code == NEEDS_DRIVER else "failed"
        reason = getattr(error, "decline_code", None) or code
    return Told(
        ref=intent.id,
        status=status,
        amount_minor=intent.amount,
        captured_minor=getattr(intent, "amount_received", None) or 0,
        currency=intent.currency.upper(),
        authorised_until=_capture_before(intent) if status == "authorised" else 0,
        reason=reason,
        url=_page_of(intent),
    )


def _capture_before(intent: stripe.PaymentIntent) -> int:
    latest = getattr(intent, "latest_charge", None)
    details = getattr(latest, "payment_method_details", None)
    card = getattr(details, "card", None)
    until = getattr(card, "capture_before", None)
    return until * SECOND if until else intent.created * SECOND + AUTHORISED_US


def _page_of(intent: stripe.PaymentIntent) -> str:
    action = getattr(intent, "next_action", None)
    redirect = getattr(action, "redirect_to_url", None)
    return getattr(redirect, "url", None) or ""


def metadata_of(thing: Any) -> Mapping[str, str]:
    """Give what we wrote on an object; nothing for one that cannot carry it."""
    found = getattr(thing, "metadata", None)
    return {} if found is None else found.to_dict()


def payment_of_intent(intent: stripe.PaymentIntent) -> PaymentNow:
    """Give a payment; its id is "" when we did not make it."""
    return PaymentNow(metadata_of(intent).get("payment_id", ""), told_of_intent(intent))


def told_of_refund(refund: stripe.Refund) -> Told:
    """Say what a refund is now."""
    status = _REFUNDS.get(refund.status or "", "open")
    reason = getattr(refund, "failure_reason", None) or ""
    return Told(refund.id, status, refund.amount, currency=refund.currency.upper(), reason=reason)


def told_of_session(session: Any) -> Told:
    """Say where a driver finds a hosted page."""
    return Told(session.id, "open", url=getattr(session, "url", None) or "")


def back_url(usual: str, body: CallBody, outcome: str) -> str:
    """Say where a page leads back to: the route of the app that asked for it, or the usual one."""
    if not body.return_to:
        return usual
    place = urlsplit(usual)
    return f"{place.scheme}://{place.netloc}{body.return_to}&outcome={outcome}"


def card_of_setup(intent: Any) -> CardNow | None:
    """Give the card that a driver saved; None for one that is none of ours."""
    driver_id = metadata_of(intent).get("driver_id", "")
    payer, card = id_of(intent.customer), id_of(intent.payment_method)
    return CardNow(driver_id, payer, card) if driver_id and payer and card else None


def face_of(method: stripe.PaymentMethod) -> CardFace:
    """Say what a driver knows his card by."""
    card = getattr(method, "card", None)
    if card is None:
        return CardFace(method.type)
    expires = f"{card.exp_year:04d}-{card.exp_month:02d}"
    return CardFace(method.type, getattr(card, "brand", None) or "", card.last4, expires)


def dispute_of(dispute: stripe.Dispute) -> DisputeNow:
    """Say what a dispute is now."""
    details = getattr(dispute, "evidence_details", None)
    due = getattr(details, "due_by", None) or 0
    return DisputeNow(
        ref=dispute.id,
        payment_ref=id_of(getattr(dispute, "payment_intent", None)),
        amount_minor=dispute.amount,
        state=_DISPUTES.get(dispute.status, "open"),
        reason=dispute.reason,
        due_at=due * SECOND,
    )


def line_of(item: stripe.BalanceTransaction) -> SourcedLine:
    """Give a balance transaction with what its source is to us; its source must be expanded."""
    source = getattr(item, "source", None)
    said = metadata_of(source)
    currency = item.currency.upper()
    line = BalanceTransaction(
        transaction_id=item.id,
        currency=currency,
        amount_minor=item.amount,
        fee_minor=item.fee,
        net_minor=item.net,
        category=item.reporting_category,
        created_on=_day(item.created),
        available_on=_day(item.available_on),
        source_id=id_of(source),
        payout_id=id_of(getattr(item, "payout", None)),
    )
    attempt = said.get("attempt", "")
    return SourcedLine(
        line=line,
        payment_ref=id_of(getattr(source, "payment_intent", None)),
        payment_id=said.get("payment_id", ""),
        payout_id=said.get("payout_id", ""),
        attempt=int(attempt) if attempt.isdigit() else 0,
    )


def payout_of(payout: stripe.Payout) -> PspPayout:
    """Give a payout to our bank; its trace id is what the bank's line will carry."""
    trace = getattr(payout, "trace_id", None)
    return PspPayout(
        payout_id=payout.id,
        currency=payout.currency.upper(),
        amount_minor=payout.amount,
        arrival_on=_day(payout.arrival_date),
        trace_id=getattr(trace, "value", None) or "",
    )


def _day(seconds: int) -> str:
    return as_datetime(seconds * SECOND).date().isoformat()
