"""Refunds: only what a credit note credits, only what the payment took, each once."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import PSP, RECEIVABLE
from ledger.domain.money.credit_notes import CREDIT_NOTES, CreditNote
from ledger.domain.money.payments_disputes import TellDispute
from ledger.domain.money.payments_refunds import REFUNDS, PlanRefund, Refund, follows, postings
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.payments_told import TellRefusal
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal
from tests.support.paying import (
    INVOICE_NO,
    NOTE_NO,
    answer,
    charged,
    paying_town,
    payment_of,
    send,
    told,
)
from tests.support.rules import act, events, sums_of

REFUND = PlanRefund(credit_note_no=NOTE_NO, payment_id="PY-1", amount_minor=595)
KEY = f"cn:{NOTE_NO}:refund:1"
DONE = told("done", "re_1", amount_minor=595)


def refusal_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return [outcome.code.name, *(code.name for code in outcome.others)]


def test_a_refund_goes_back_to_the_card_that_paid():
    world = charged()
    planned, call = events(act(world, REFUND))
    assert (planned.kind, call.call_key) == ("refund.planned", KEY)
    assert (call.body.target, call.body.amount_minor) == ("pi_1", 595)
    assert payment_of(world).refundable_minor == 2_500 - 595
    paid = answer(world, KEY, DONE)[-1]
    assert dict(sums_of(paid)) == {(RECEIVABLE, "EUR"): 595, (PSP, "EUR"): -595}
    assert {line.dims["credit_note"] for line in postings(paid)} == {NOTE_NO}
    row = payment_of(world)
    assert (row.state, row.refunded_minor, row.refunding_minor) == ("REFUNDED_PARTLY", 595, 0)
    assert world.need(CREDIT_NOTES, NOTE_NO).refunded_minor == 595
    assert world.need(REFUNDS, "re_1") == Refund("PY-1", NOTE_NO, 595)


def test_a_refund_of_all_that_was_captured_ends_the_payment():
    world = charged(paying_town(credited=2_500))
    events(act(world, replace(REFUND, amount_minor=2_500)))
    answer(world, KEY, told("open", "re_1"))  # on its way: it has left our balance
    assert payment_of(world).state == "REFUNDED"
    assert refusal_of(act(world, replace(REFUND, amount_minor=1))) == [
        "REFUND_EXCEEDS_CAPTURED",
        "CREDIT_NOTE_SPENT",
    ]


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        (replace(REFUND, payment_id="PY-9"), ["PAYMENT_UNKNOWN"]),
        (replace(REFUND, credit_note_no="CN-9"), ["REFUND_NOT_CREDITED"]),
        (replace(REFUND, amount_minor=0), ["QUANTITY_OUT_OF_RANGE"]),
        (replace(REFUND, amount_minor=596), ["CREDIT_NOTE_SPENT"]),
        (replace(REFUND, amount_minor=2_501), ["REFUND_EXCEEDS_CAPTURED", "CREDIT_NOTE_SPENT"]),
    ],
    ids=str,
)
def test_what_is_not_credited_or_not_there_is_refused_before_any_call(command, codes):
    assert refusal_of(act(charged(), command)) == codes


@pytest.mark.parametrize(
    "other",
    [
        CreditNote(NOTE_NO, "I-9", "DR-1", "EUR", 500, 595),
        CreditNote(NOTE_NO, INVOICE_NO, "DR-2", "EUR", 500, 595),
        CreditNote(NOTE_NO, INVOICE_NO, "DR-1", "USD", 500, 595),
    ],
    ids=["invoice", "driver", "currency"],
)
def test_a_credit_note_of_something_else_covers_nothing(other):
    world = charged()
    world.put(CREDIT_NOTES, NOTE_NO, other)
    assert refusal_of(act(world, REFUND)) == ["REFUND_NOT_CREDITED"]


def test_two_refunds_at_once_never_give_back_more_than_was_taken():
    world = charged(paying_town(credited=2_000))
    world.put(CREDIT_NOTES, "CN-2", CreditNote("CN-2", INVOICE_NO, "DR-1", "EUR", 1_000, 1_000))
    events(act(world, replace(REFUND, amount_minor=2_000)))
    other = replace(REFUND, credit_note_no="CN-2", amount_minor=1_000)
    assert refusal_of(act(world, other)) == ["REFUND_EXCEEDS_CAPTURED"]
    same = replace(REFUND, amount_minor=1)
    assert refusal_of(act(world, same)) == ["CALL_NOT_OVER"]


def test_nothing_is_refunded_while_a_dispute_is_open_or_amounts_differ():
    world = charged()
    opened = TellDispute(dispute_ref="du_1", payment_id="PY-1", amount_minor=100, state="open")
    events(act(world, opened))
    assert refusal_of(act(world, REFUND)) == ["PAYMENT_DISPUTED"]
    events(act(world, replace(opened, state="won")))
    assert events(act(world, REFUND))
    world = charged()
    world.put(CARD_PAYMENTS, "PY-1", replace(payment_of(world), differs=True))
    assert refusal_of(act(world, REFUND)) == ["PAYMENT_DIFFERS"]


@pytest.mark.parametrize("how", ["refused", "failed"])
def test_a_refund_that_failed_can_be_tried_again(how):
    world = charged()
    events(act(world, REFUND))
    if how == "refused":
        send(world, KEY)
        events(act(world, TellRefusal(call_key=KEY, reason="charge_disputed")))
    else:
        answer(world, KEY, told("failed", "re_1"))
    row = payment_of(world)
    assert (row.refunding_minor, row.refunded_minor, row.state) == (0, 0, "CAPTURED")
    assert events(act(world, REFUND))[1].call_key == f"cn:{NOTE_NO}:refund:2"


def test_a_refund_in_parts_is_counted_against_its_note():
    world = charged()
    events(act(world, replace(REFUND, amount_minor=500)))
    answer(world, KEY, told("done", "re_1"))
    assert refusal_of(act(world, replace(REFUND, amount_minor=96))) == ["CREDIT_NOTE_SPENT"]
    assert events(act(world, replace(REFUND, amount_minor=95)))
    assert follows(World(), REFUND) == ()
    planned = events(act(charged(), REFUND))[0]
    assert postings(planned) == ()
