"""What leaves for Stripe, and what every answer and failure means to us."""

import pytest
import stripe
from msgspec.structs import replace

from ledger.adapters.stripe.client import API_VERSION, RETRIES
from ledger.domain.money.payments_rows import OPERATIONS, CallBody, Told
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import DAY, SECOND
from ledger.runtime.relay_gateway import (
    Answered,
    KeyMismatch,
    Lost,
    TurnedDown,
)
from tests.support.stripe_recorded import (
    CHARGE,
    CREATED,
    DISPUTE,
    REFUND,
    SAID,
    SESSION,
    TRANSFER,
    Recorder,
    failure,
    gateway_of,
    intent,
)


def perform(body, *replies):
    recorder = Recorder(*replies)
    answer = gateway_of(recorder).perform("key:1", body)
    return answer, recorder.sent


CALLS = [
    (
        CHARGE,
        intent(),
        "/v1/payment_intents",
        {
            "amount": "2500",
            "currency": "eur",
            "customer": "cus_1",
            "payment_method": "pm_1",
            "off_session": "true",
            "confirm": "true",
            "transfer_group": "INV-1",
            "metadata[payment_id]": "PY-1",
        },
        Told("pi_1", "captured", 2_500, 2_500, "EUR"),
    ),
    (
        CallBody(operation="authorise", currency="EUR", amount_minor=2_500, payer="cus_1"),
        intent("requires_capture"),
        "/v1/payment_intents",
        {"capture_method": "manual", "off_session": "true", "confirm": "true"},
        Told(
            "pi_1",
            "authorised",
            2_500,
            currency="EUR",
            authorised_until=CREATED * SECOND + 7 * DAY,
        ),
    ),
    (
        CallBody(operation="capture", amount_minor=2_000, target="pi_1"),
        intent(amount_received=2_000),
        "/v1/payment_intents/pi_1/capture",
        {"amount_to_capture": "2000"},
        Told("pi_1", "captured", 2_500, 2_000, "EUR"),
    ),
    (
        CallBody(operation="cancel", target="pi_1"),
        intent("canceled", cancellation_reason="abandoned"),
        "/v1/payment_intents/pi_1/cancel",
        {},
        Told("pi_1", "cancelled", 2_500, currency="EUR", reason="abandoned"),
    ),
    (
        CallBody(operation="checkout", currency="EUR", amount_minor=5_000, metadata=SAID),
        SESSION,
        "/v1/checkout/sessions",
        {
            "mode": "payment",
            "client_reference_id": "PY-1",
            "line_items[0][price_data][unit_amount]": "5000",
            "payment_intent_data[metadata][payment_id]": "PY-1",
        },
        Told("cs_1", "open", url="https://stripe.example/cs_1"),
    ),
    (
        CallBody(operation="setup", metadata={"driver_id": "DR-1"}),
        SESSION,
        "/v1/checkout/sessions",
        {"mode": "setup", "customer_creation": "always"},
        Told("cs_1", "open", url="https://stripe.example/cs_1"),
    ),
    (
        CallBody(operation="setup", payer="cus_1", metadata={"driver_id": "DR-1"}),
        SESSION,
        "/v1/checkout/sessions",
        {"mode": "setup", "customer": "cus_1"},
        Told("cs_1", "open", url="https://stripe.example/cs_1"),
    ),
    (
        CallBody(operation="refund", amount_minor=595, target="pi_1"),
        REFUND,
        "/v1/refunds",
        {"payment_intent": "pi_1", "amount": "595", "reason": "requested_by_customer"},
        Told("re_1", "done", 595, currency="EUR"),
    ),
    (
        CallBody(
            operation="transfer",
            currency="EUR",
            amount_minor=8_449,
            destination="acct_1",
            group="STM-1",
        ),
        TRANSFER,
        "/v1/transfers",
        {"amount": "8449", "destination": "acct_1", "transfer_group": "STM-1"},
        Told("tr_1", "done", 8_449),
    ),
    (
        CallBody(operation="reverse", amount_minor=8_449, target="tr_1"),
        {"id": "trr_1", "object": "transfer_reversal", "amount": 8_449},
        "/v1/transfers/tr_1/reversals",
        {"amount": "8449"},
        Told("trr_1", "done", 8_449),
    ),
    (
        CallBody(operation="evidence", target="du_1", text="The packs were swapped."),
        DISPUTE,
        "/v1/disputes/du_1",
        {"evidence[uncategorized_text]": "The packs were swapped.", "submit": "true"},
        Told("du_1", "done"),
    ),
    (
        CallBody(operation="detach", payer="cus_1", target="pm_1"),
        {"id": "pm_1", "object": "payment_method", "type": "card"},
        "/v1/payment_methods/pm_1/detach",
        {},
        Told("pm_1", "done"),
    ),
    (
        CallBody(operation="cancel", target="cs_1"),
        SESSION | {"status": "expired"},
        "/v1/checkout/sessions/cs_1/expire",
        {},
        Told("cs_1", "cancelled", reason="page closed"),
    ),
    (
        replace(CHARGE, operation="checkout", return_to="/app/wallet?checkout=CO-1"),
        SESSION,
        "/v1/checkout/sessions",
        {
            "line_items[0][price_data][product_data][name]": "INV-1",
            "success_url": "https://pay.example.net/app/wallet?checkout=CO-1&outcome=back",
            "cancel_url": "https://pay.example.net/app/wallet?checkout=CO-1&outcome=left",
        },
        Told("cs_1", "open", url="https://stripe.example/cs_1"),
    ),
]


@pytest.mark.parametrize(
    ("body", "reply", "path", "form", "told"),
    CALLS,
    ids=[f"{number} {case[0].operation}" for number, case in enumerate(CALLS)],
)
def test_each_operation_is_one_call_under_our_key(body, reply, path, form, told):
    answer, (sent,) = perform(body, (200, reply))
    assert answer == Answered(told)
    assert (sent.method.lower(), sent.path) == ("post", path)
    assert (sent.key, sent.version) == ("key:1", API_VERSION)
    assert form.items() <= sent.form.items()


def test_every_operation_has_its_call():
    assert {case[0].operation for case in CALLS} == set(OPERATIONS)


NEEDS_DRIVER = failure("card_error", "authentication_required", payment_intent=intent("x"))
DECLINED = failure(
    "card_error",
    "card_declined",
    decline_code="insufficient_funds",
    payment_intent=intent("requires_payment_method"),
)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (
            (402, NEEDS_DRIVER),
            Answered(Told("pi_1", "needs_action", reason="authentication_required")),
        ),
        ((402, DECLINED), TurnedDown("insufficient_funds", "pi_1")),
        ((402, failure("card_error")), TurnedDown("card_error")),
        ((402, failure("card_error", "expired_card")), TurnedDown("expired_card")),
        (
            (400, failure("invalid_request_error", "amount_too_small")),
            TurnedDown("amount_too_small"),
        ),
        (
            (404, failure("invalid_request_error", "resource_missing")),
            TurnedDown("resource_missing"),
        ),
        ((400, failure("invalid_request_error")), TurnedDown("No.")),
        ((400, failure("idempotency_error")), KeyMismatch("No.")),
        ((409, failure("invalid_request_error", "lock_timeout")), KeyMismatch("No.")),
        ((429, failure("invalid_request_error", "rate_limit")), Lost("status 429")),
        ((500, failure("api_error")), Lost("status 500")),
        ((503, "<html>away</html>"), Lost("status 503")),
        # something between us answers: not Stripe, so nothing is known
        ((404, "<html>no such page</html>"), Lost("status 404")),
        (stripe.APIConnectionError("timed out", should_retry=True), Lost("no answer")),
    ],
    ids=str,
)
def test_every_failure_is_an_answer_of_ours(reply, answer):
    assert perform(CHARGE, reply)[0] == answer


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_does_not_know_us_is_misconfigured(status):
    gateway = gateway_of(Recorder((status, failure("invalid_request_error"))))
    with pytest.raises(Misconfigured):
        gateway.perform("key:1", CHARGE)
    with pytest.raises(Misconfigured):
        gateway.read_payment("pi_1")


def test_a_lost_connection_is_tried_again_under_the_same_key():
    broken = stripe.APIConnectionError("reset", should_retry=True)
    answer, sent = perform(CHARGE, broken, broken, (200, intent()))
    assert isinstance(answer, Answered)
    assert {one.key for one in sent} == {"key:1"}
    assert len(sent) == 1 + RETRIES
