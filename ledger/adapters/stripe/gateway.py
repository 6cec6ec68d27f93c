"""Stripe as a gateway of payments: each operation one typed call, every error one of our answers.

The bodies are literals, so mypy holds them against Stripe's own request types. Only `client.v1` is
used: separate charges and transfers, never a price, an invoice or a balance kept there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import stripe
from typing_extensions import override

from ledger.adapters.stripe import objects
from ledger.adapters.stripe.client import keyed
from ledger.adapters.stripe.objects import back_url
from ledger.adapters.stripe.webhook import read_event
from ledger.domain.money import payments_rows as ops
from ledger.domain.money.payments_inbox import TYPES
from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import PspBalance, PspPayout
from ledger.kernel.errors import Malformed, Misconfigured, Unavailable
from ledger.kernel.instants import SECOND
from ledger.runtime.relay_gateway import (
    Answered,
    BalanceMoved,
    CallAnswer,
    CardFace,
    KeyMismatch,
    Lost,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
    TurnedDown,
)

PAGE = 100
_PAGE = "cs_"
IN_USE, TOO_MANY, SERVER_FAILED = 409, 429, 500


class StripeGateway(PaymentGateway):
    """Payments through one account of Stripe; `return_url` is where hosted pages send drivers."""

    def __init__(self, client: stripe.StripeClient, return_url: str) -> None:
        """Use a client that `make_client` made."""
        self._v1 = client.v1
        self._return_url = return_url
        self._calls: dict[str, Callable[[str, CallBody], Told]] = {
            ops.PAY: self._charge,
            ops.AUTHORISE: self._authorise,
            ops.CAPTURE: self._capture,
            ops.CANCEL: self._cancel,
            ops.CHECKOUT: self._checkout,
            ops.SETUP: self._setup,
            ops.REFUND: self._refund,
            ops.TRANSFER: self._transfer,
            ops.REVERSE: self._reverse,
            ops.EVIDENCE: self._evidence,
            ops.DETACH: self._detach,
        }

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        try:
            return Answered(self._calls[body.operation](call_key, body))
        except stripe.CardError as error:
            return _declined(error)
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise Misconfigured(f"Stripe does not let us: {_words(error)}") from error
        except stripe.IdempotencyError as error:
            return KeyMismatch(_words(error))
        except stripe.APIConnectionError:
            return Lost("no answer")
        except stripe.StripeError as error:
            return _failed(error)

    # each operation

    def _charge(self, call_key: str, body: CallBody) -> Told:
        intent = self._v1.payment_intents.create(
            {
                "amount": body.amount_minor,
                "currency": body.currency.lower(),
                "customer": body.payer,
                "payment_method": body.card,
                "off_session": True,
                "confirm": True,
                "metadata": body.metadata,
                "transfer_group": body.group,
                "expand": ["latest_charge"],
            },
            keyed(call_key),
        )
        return objects.told_of_intent(intent)

    def _authorise(self, call_key: str, body: CallBody) -> Told:
        intent = self._v1.payment_intents.create(
            {
                "amount": body.amount_minor,
                "currency": body.currency.lower(),
                "customer": body.payer,
                "payment_method": body.card,
                "capture_method": "manual",
                "off_session": True,
                "confirm": True,
                "metadata": body.metadata,
                "transfer_group": body.group,
                "expand": ["latest_charge"],
            },
            keyed(call_key),
        )
        return objects.told_of_intent(intent)

    def _capture(self, call_key: str, body: CallBody) -> Told:
        taken = self._v1.payment_intents.capture(
            body.target, {"amount_to_capture": body.amount_minor}, keyed(call_key)
        )
        return objects.told_of_intent(taken)

    def _cancel(self, call_key: str, body: CallBody) -> Told:
        if body.target.startswith(_PAGE):
            page = self._v1.checkout.sessions.expire(body.target, {}, keyed(call_key))
            return Told(page.id, "cancelled", reason="page closed")
        ended = self._v1.payment_intents.cancel(body.target, {}, keyed(call_key))
        return objects.told_of_intent(ended)

    def _checkout(self, call_key: str, body: CallBody) -> Told:
        session = self._v1.checkout.sessions.create(
            {
                "mode": "payment",
                "client_reference_id": body.metadata["payment_id"],
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": body.currency.lower(),
                            "unit_amount": body.amount_minor,
                            "product_data": {"name": body.group or "Wallet"},
                        },
                    }
                ],
                "metadata": body.metadata,
                "payment_intent_data": {"metadata": body.metadata},
                "success_url": back_url(self._return_url, body, "back"),
                "cancel_url": back_url(self._return_url, body, "left"),
            },
            keyed(call_key),
        )
        return objects.told_of_session(session)

    def _setup(self, call_key: str, body: CallBody) -> Told:
        driver_id = body.metadata["driver_id"]
        if body.payer:
            session = self._v1.checkout.sessions.create(
                {
                    "mode": "setup",
                    "client_reference_id": driver_id,
                    "customer": body.payer,
                    "allowed_payment_method_types": ["card"],
                    "setup_intent_data": {"metadata": body.metadata},
                    "success_url": back_url(self._return_url, body, "back"),
                    "cancel_url": back_url(self._return_url, body, "left"),
                },
                keyed(call_key),
            )
        else:
            session = self._v1.checkout.sessions.create(
                {
                    "mode": "setup",
                    "client_reference_id": driver_id,
                    "customer_creation": "always",
                    "allowed_payment_method_types": ["card"],
                    "setup_intent_data": {"metadata": body.metadata},
                    "success_url": back_url(self._return_url, body, "back"),
                    "cancel_url": back_url(self._return_url, body, "left"),
                },
                keyed(call_key),
            )
        return objects.told_of_session(session)

    def _detach(self, call_key: str, body: CallBody) -> Told:
        method = self._v1.payment_methods.detach(body.target, {}, keyed(call_key))
        return Told(method.id, "done")

    def _refund(self, call_key: str, body: CallBody) -> Told:
        refund = self._v1.refunds.create(
            {
                "payment_intent": body.target,
                "amount": body.amount_minor,
                "reason": "requested_by_customer",
                "metadata": body.metadata,
            },
            keyed(call_key),
        )
        return objects.told_of_refund(refund)

    def _transfer(self, call_key: str, body: CallBody) -> Told:
        transfer = self._v1.transfers.create(
            {
                "amount": body.amount_minor,
                "currency": body.currency.lower(),
                "destination": body.destination,
                "transfer_group": body.group,
                "metadata": body.metadata,
            },
            keyed(call_key),
        )
        return Told(transfer.id, "done", transfer.amount)

    def _reverse(self, call_key: str, body: CallBody) -> Told:
        reversal = self._v1.transfers.reversals.create(
            body.target,
            {"amount": body.amount_minor, "metadata": body.metadata},
            keyed(call_key),
        )
        return Told(reversal.id, "done", reversal.amount)

    def _evidence(self, call_key: str, body: CallBody) -> Told:
        dispute = self._v1.disputes.update(
            body.target,
            {
                "evidence": {"uncategorized_text": body.text},
                "metadata": body.metadata,
                "submit": True,
            },
            keyed(call_key),
        )
        return Told(dispute.id, "done")

    # reading

    @override
    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        with _reading():
            match body.operation:
                case ops.PAY | ops.AUTHORISE:
                    return self._find_intent(body, since, until)
                case ops.CAPTURE | ops.CANCEL:
                    told = objects.told_of_intent(self._intent(body.target))
                    done = "captured" if body.operation == ops.CAPTURE else "cancelled"
                    return told if told.status == done else None
                case ops.REFUND:
                    refunds = self._v1.refunds.list(
                        {"payment_intent": body.target, "limit": PAGE}
                    ).auto_paging_iter()
                    return _first(refunds, body, objects.told_of_refund)
                case ops.TRANSFER:
                    transfers = self._v1.transfers.list(
                        {"transfer_group": body.group, "limit": PAGE}
                    ).auto_paging_iter()
                    return _first(transfers, body, lambda one: Told(one.id, "done", one.amount))
                case _:
                    return None

    def _find_intent(self, body: CallBody, since: int, until: int) -> Told | None:
        intents = self._v1.payment_intents.list(
            {
                "created": {"gte": since // SECOND, "lte": until // SECOND},
                "customer": body.payer,
                "expand": ["data.latest_charge"],
                "limit": PAGE,
            }
        ).auto_paging_iter()
        return _first(intents, body, objects.told_of_intent)

    def _intent(self, ref: str) -> stripe.PaymentIntent:
        return self._v1.payment_intents.retrieve(ref, {"expand": ["latest_charge"]})

    @override
    def read_payment(self, ref: str) -> PaymentNow:
        with _reading():
            return objects.payment_of_intent(self._intent(ref))

    @override
    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        with _reading():
            if news_type.startswith("payment_intent."):
                return objects.payment_of_intent(self._intent(object_ref))
            if news_type.startswith("charge.dispute."):
                return objects.dispute_of(self._v1.disputes.retrieve(object_ref))
            if news_type.startswith("setup_intent."):
                return objects.card_of_setup(self._v1.setup_intents.retrieve(object_ref))
            if news_type.startswith("checkout.session."):
                return self._read_session(object_ref)
            return BalanceMoved()

    def _read_session(self, ref: str) -> ObjectNow | None:
        session = self._v1.checkout.sessions.retrieve(
            ref, {"expand": ["payment_intent", "setup_intent"]}
        )
        setup = getattr(session, "setup_intent", None)
        if setup is not None:
            return objects.card_of_setup(setup)
        intent = getattr(session, "payment_intent", None)
        if isinstance(intent, stripe.PaymentIntent):
            return objects.payment_of_intent(intent)
        payment_id = objects.metadata_of(session).get("payment_id", "")
        if session.status == "expired" and payment_id:
            return PaymentNow(payment_id, Told("", "cancelled", reason="page expired"))
        return None

    @override
    def read_card(self, card: str) -> CardFace:
        with _reading():
            return objects.face_of(self._v1.payment_methods.retrieve(card))

    @override
    def undelivered(self, since: int) -> Iterator[NewsItem]:
        with _reading():
            events = self._v1.events.list(
                {
                    "created": {"gte": since // SECOND},
                    "delivery_success": False,
                    "types": sorted(TYPES),
                    "limit": PAGE,
                }
            ).auto_paging_iter()
            for event in events:
                body = msgspec.json.encode(event.to_dict())
                yield read_event(body, event.created * SECOND)

    @override
    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        with _reading():
            found = self._v1.balance_transactions.list(
                {
                    "created": {"gte": since // SECOND},
                    "expand": ["data.source"],
                    "limit": PAGE,
                }
            ).auto_paging_iter()
            yield from reversed([objects.line_of(item) for item in found])

    @override
    def payouts(self, since: int) -> Iterator[PspPayout]:
        with _reading():
            found = self._v1.payouts.list(
                {"created": {"gte": since // SECOND}, "limit": PAGE}
            ).auto_paging_iter()
            yield from map(objects.payout_of, found)

    @override
    def balances(self) -> tuple[PspBalance, ...]:
        with _reading():
            held = self._v1.balance.retrieve()
        available = {part.currency.upper(): part.amount for part in held.available}
        pending = {part.currency.upper(): part.amount for part in held.pending}
        return tuple(
            PspBalance(name, available.get(name, 0), pending.get(name, 0))
            for name in sorted(available.keys() | pending.keys())
        )


def _first(found: Iterator[Any], body: CallBody, tell: Callable[[Any], Told]) -> Told | None:
    for one in found:
        if dict(objects.metadata_of(one)) == body.metadata:
            return tell(one)
    return None


def _declined(error: stripe.CardError) -> CallAnswer:
    intent = getattr(error.error, "payment_intent", None)
    ref = objects.id_of(intent)
    code = error.code or "card_error"
    if code == objects.NEEDS_DRIVER and ref:
        return Answered(Told(ref, "needs_action", reason=code))
    return TurnedDown(getattr(error.error, "decline_code", None) or code, ref)


def _failed(error: stripe.StripeError) -> CallAnswer:
    status = error.http_status or SERVER_FAILED
    if status == IN_USE:
        return KeyMismatch(_words(error))
    if isinstance(error, stripe.InvalidRequestError) and status < TOO_MANY:
        return TurnedDown(error.code or _words(error))
    # his failure, too many calls, or something between us that answers in his place
    return Lost(f"status {status}")


def _words(error: stripe.StripeError) -> str:
    return (error.user_message or error.code or type(error).__name__)[:200]


@contextmanager
def _reading() -> Iterator[None]:
    """Turn every failure to read into one of our errors."""
    try:
        yield
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise Misconfigured(f"Stripe does not let us: {_words(error)}") from error
    except stripe.InvalidRequestError as error:
        raise Malformed(error.code or _words(error), field="object", place="Stripe") from error
    except stripe.StripeError as error:
        raise Unavailable(f"Stripe: {_words(error)}") from error
