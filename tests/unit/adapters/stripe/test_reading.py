"""Objects of Stripe read as they are now, and found by what we wrote on them."""

import pytest

from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import PspBalance
from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.instants import SECOND
from ledger.runtime.relay_gateway import (
    BalanceMoved,
    CardFace,
    CardNow,
    DisputeNow,
    PaymentNow,
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
    listed,
)

STATES = [
    (
        intent("requires_action", next_action={"redirect_to_url": {"url": "https://b"}}),
        "needs_action",
    ),
    (intent("requires_confirmation"), "open"),
    (intent("processing"), "open"),
    (intent("requires_payment_method"), "open"),
    (intent("requires_payment_method", last_payment_error={"code": "card_declined"}), "failed"),
    (
        intent("requires_payment_method", last_payment_error={"code": "authentication_required"}),
        "needs_action",
    ),
    (intent("something_new"), "open"),
]


@pytest.mark.parametrize(("found", "status"), STATES, ids=[str(n) for n in range(len(STATES))])
def test_a_payment_is_read_as_it_is_now(found, status):
    gateway = gateway_of(Recorder((200, found)))
    now = gateway.read("payment_intent.succeeded", "pi_1")
    assert isinstance(now, PaymentNow)
    assert (now.payment_id, now.told.status) == ("PY-1", status)
    assert gateway.read_payment("pi_1") == now


def test_the_time_of_an_authorisation_is_the_card_networks():
    card = {"payment_method_details": {"card": {"capture_before": CREATED + 60}}}
    found = intent("requires_capture", latest_charge={"id": "ch_1", "object": "charge", **card})
    now = gateway_of(Recorder((200, found))).read_payment("pi_1")
    assert now.told.authorised_until == (CREATED + 60) * SECOND


SETUP = {
    "id": "seti_1",
    "object": "setup_intent",
    "customer": {"id": "cus_1", "object": "customer"},
    "payment_method": "pm_1",
    "metadata": {"driver_id": "DR-1"},
}


@pytest.mark.parametrize(
    ("news", "found", "now"),
    [
        (
            "payment_intent.succeeded",
            intent(metadata={}),
            PaymentNow("", Told("pi_1", "captured", 2_500, 2_500, "EUR")),
        ),
        ("setup_intent.succeeded", SETUP, CardNow("DR-1", "cus_1", "pm_1")),
        ("setup_intent.succeeded", SETUP | {"metadata": {}}, None),
        (
            "checkout.session.completed",
            SESSION | {"setup_intent": SETUP},
            CardNow("DR-1", "cus_1", "pm_1"),
        ),
        ("checkout.session.completed", SESSION | {"status": "open"}, None),
        (
            "checkout.session.expired",
            SESSION | {"status": "expired", "metadata": SAID},
            PaymentNow("PY-1", Told("", "cancelled", reason="page expired")),
        ),
        ("payout.paid", {}, BalanceMoved()),
    ],
    ids=str,
)
def test_news_lead_to_the_object_as_it_is_now(news, found, now):
    assert gateway_of(Recorder((200, found))).read(news, "x_1") == now


def test_a_page_leads_to_its_payment_and_a_dispute_to_its_own():
    page = SESSION | {"payment_intent": intent()}
    now = gateway_of(Recorder((200, page))).read("checkout.session.completed", "cs_1")
    assert isinstance(now, PaymentNow)
    assert now.told.status == "captured"
    found = gateway_of(Recorder((200, DISPUTE))).read("charge.dispute.created", "du_1")
    assert isinstance(found, DisputeNow)
    assert (found.payment_ref, found.state, found.due_at) == ("pi_1", "open", CREATED * SECOND)
    lost = DISPUTE | {"status": "lost", "evidence_details": None, "payment_intent": None}
    found = gateway_of(Recorder((200, lost))).read("charge.dispute.closed", "du_1")
    assert isinstance(found, DisputeNow)
    assert (found.payment_ref, found.state, found.due_at) == ("", "lost", 0)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, failure("invalid_request_error", "resource_missing"), Malformed),
        (500, failure("api_error"), Unavailable),
        (429, failure("invalid_request_error"), Unavailable),
    ],
)
def test_what_cannot_be_read_is_an_error_of_ours(status, body, error):
    with pytest.raises(error):
        gateway_of(Recorder((status, body))).read_payment("pi_1")


FOUND = [
    (CHARGE, listed(intent(metadata={}), intent()), "pi_1"),
    (CHARGE, listed(intent(metadata={"payment_id": "PY-9"})), None),
    (CallBody(operation="capture", target="pi_1"), intent(), "pi_1"),
    (CallBody(operation="capture", target="pi_1"), intent("requires_capture"), None),
    (CallBody(operation="cancel", target="pi_1"), intent("canceled"), "pi_1"),
    (
        CallBody(operation="refund", target="pi_1", metadata={"credit_note_no": "CN-1"}),
        listed(REFUND),
        "re_1",
    ),
    (CallBody(operation="refund", target="pi_1"), listed(), None),
    (
        CallBody(operation="transfer", group="STM-1", metadata={"payout_id": "PO-1"}),
        listed(TRANSFER),
        "tr_1",
    ),
    (CallBody(operation="setup"), {}, None),
]


@pytest.mark.parametrize(("body", "reply", "ref"), FOUND, ids=[str(n) for n in range(len(FOUND))])
def test_what_a_call_made_is_found_by_what_we_wrote_on_it(body, reply, ref):
    recorder = Recorder((200, reply))
    told = gateway_of(recorder).find(body, CREATED * SECOND, (CREATED + 9) * SECOND)
    assert (told.ref if told else None) == ref
    if body is CHARGE:
        (sent,) = recorder.sent
        assert sent.form["created[gte]"] == str(CREATED)
        assert sent.form["created[lte]"] == str(CREATED + 9)


def balance_line(**more):
    usual = {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": 2_500,
        "fee": 63,
        "net": 2_437,
        "currency": "eur",
        "reporting_category": "charge",
        "created": CREATED,
        "available_on": CREATED + 86_400,
        "source": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": SAID},
    }
    return usual | more


def test_balance_transactions_are_listed_from_the_oldest_with_what_they_belong_to():
    partner = {
        "id": "tr_1",
        "object": "transfer",
        "metadata": {"payout_id": "PO-1", "attempt": "2"},
    }
    reply = listed(
        balance_line(id="txn_2", reporting_category="transfer", source=partner),
        balance_line(id="txn_0", reporting_category="fee", source=None),
        balance_line(),
    )
    recorder = Recorder((200, reply))
    first, fee, second = gateway_of(recorder).balance_lines(CREATED * SECOND)
    assert (first.line.transaction_id, first.payment_id, first.payment_ref) == (
        "txn_1",
        "PY-1",
        "pi_1",
    )
    assert (first.line.net_minor, first.line.fee_minor, first.line.currency) == (2_437, 63, "EUR")
    assert (first.line.created_on, first.line.available_on) == ("2026-02-25", "2026-02-26")
    assert (fee.line.source_id, fee.payment_ref) == ("", "")
    assert (second.payout_id, second.attempt, second.line.source_id) == ("PO-1", 2, "tr_1")


def test_what_stripe_holds_is_told_by_currency():
    held = {
        "object": "balance",
        "available": [{"currency": "eur", "amount": 10}, {"currency": "usd", "amount": 1}],
        "pending": [{"currency": "eur", "amount": 5}],
    }
    assert gateway_of(Recorder((200, held))).balances() == (
        PspBalance("EUR", 10, 5),
        PspBalance("USD", 1, 0),
    )


def test_messages_that_did_not_reach_us_are_fetched():
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": CREATED,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }
    recorder = Recorder((200, listed(event)))
    (item,) = gateway_of(recorder).undelivered(CREATED * SECOND)
    assert (item.ref, item.object_ref, item.said_at) == ("evt_1", "pi_1", CREATED * SECOND)
    assert recorder.sent[0].form["delivery_success"] == "false"


def test_payouts_to_our_bank_are_listed_with_their_traces():
    payout = {
        "id": "po_1",
        "object": "payout",
        "currency": "eur",
        "amount": 1_842,
        "arrival_date": CREATED,
    }
    traced = payout | {"id": "po_2", "trace_id": {"status": "supported", "value": "T-1"}}
    first, second = gateway_of(Recorder((200, listed(payout, traced)))).payouts(0)
    assert (first.payout_id, first.amount_minor, first.arrival_on, first.trace_id) == (
        "po_1",
        1_842,
        "2026-02-25",
        "",
    )
    assert second.trace_id == "T-1"


def test_a_saved_card_is_shown_by_what_its_driver_knows_of_it():
    card = {"brand": "visa", "last4": "4242", "exp_year": 2030, "exp_month": 4}
    method = {"id": "pm_1", "object": "payment_method", "type": "card", "card": card}
    found = gateway_of(Recorder((200, method))).read_card("pm_1")
    assert found == CardFace("card", "visa", "4242", "2030-04")
    debit = {"id": "pm_2", "object": "payment_method", "type": "sepa_debit"}
    assert gateway_of(Recorder((200, debit))).read_card("pm_2") == CardFace("sepa_debit")
