"""Payouts through the provider: called once, confirmed by his own transaction alone."""

import pytest
from msgspec.structs import replace

from ledger.domain.money import payments_transfers
from ledger.domain.money.payments_books import PostBalanceLine
from ledger.domain.money.payments_rows import PAYMENT_CALLS, Told
from ledger.domain.money.payments_told import TellAnswer, TellRefusal
from ledger.domain.money.payments_transfers import PlanReversal, PlanTransfer
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.payouts import ConfirmTransfer
from ledger.domain.money.psp_records import BalanceTransaction
from ledger.domain.world import World, touch
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.partners import approve, in_flight, owe, partner, payee, plan, release
from tests.support.paying import send
from tests.support.rules import act, events, sums_of

KEY = "stl:PO-1-1:payout:1"
PLAN = PlanTransfer(payout_id="PO-1")
LINE = BalanceTransaction(
    transaction_id="txn_1",
    currency="EUR",
    amount_minor=-8_449,
    fee_minor=0,
    net_minor=-8_449,
    category="transfer",
    created_on="2026-06-12",
    source_id="tr_1",
)


def released() -> World:
    world = partner(route="stripe")
    owe(world)
    payee(world, "PE-2", holder_name="Example Swaps GmbH", stripe_account="acct_1")
    for outcome in (
        plan(world, payee_id="PE-2", route="stripe"),
        approve(world, "PO-1"),
        release(world),
    ):
        events(outcome)
    return world


def sent() -> World:
    world = released()
    events(act(world, PLAN))
    send(world, KEY)
    events(act(world, TellAnswer(call_key=KEY, told=Told("tr_1", "done"))))
    return world


def post(world, line, attempt=1):
    command = PostBalanceLine(line=line, payout_id="PO-1", attempt=attempt)
    return events(act(world, command))


def test_a_released_payout_is_sent_to_the_account_of_its_payee():
    world = released()
    (call,) = events(act(world, PLAN))
    assert (call.call_key, call.body.destination, call.body.group) == (KEY, "acct_1", "STM-1")
    assert (call.body.amount_minor, call.body.metadata) == (
        8_449,
        {"attempt": "1", "payout_id": "PO-1"},
    )
    again = act(world, PLAN)
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.CALL_NOT_OVER


def test_an_answer_does_not_confirm_it_and_the_transaction_does():
    world = sent()
    assert world.need(PAYOUTS, "PO-1").state == "ACCEPTED"
    confirmed, posted = post(world, LINE)
    assert confirmed.kind == "payout.confirmed_stripe"
    assert sums_of(confirmed)["Assets:PSP:Stripe", "EUR"] == -8_449
    assert (posted.kind, dict(sums_of(posted))) == ("psp.confirmed", {})
    assert world.need(PAYOUTS, "PO-1").state == "CONFIRMED"
    assert act(world, PostBalanceLine(line=LINE, payout_id="PO-1", attempt=1)) == ()


def test_another_amount_than_ours_is_kept_in_suspense():
    world = sent()
    wrong = replace(LINE, amount_minor=-8_448, net_minor=-8_448)
    assert [one.kind for one in post(world, wrong)] == ["psp.unknown", "case_opened"]
    assert world.need(PAYOUTS, "PO-1").state == "ACCEPTED"


def test_a_transfer_that_the_provider_turned_down_is_owed_again():
    world = released()
    events(act(world, PLAN))
    send(world, KEY)
    kinds = [
        one.kind
        for one in events(act(world, TellRefusal(call_key=KEY, reason="balance_insufficient")))
    ]
    assert kinds == ["payment.call_refused", "payout.rejected"]
    assert world.need(PAYOUTS, "PO-1").state == "REJECTED"


def test_what_the_transaction_said_before_the_answer_wins():
    world = released()
    events(act(world, PLAN))
    send(world, KEY)
    events(
        act(world, ConfirmTransfer(payout_id="PO-1", attempt=1, psp_txn="t", amount_minor=8_449))
    )
    (answered,) = events(act(world, TellAnswer(call_key=KEY, told=Told("tr_1", "done"))))
    assert answered.kind == "payment.call_answered"
    assert world.need(PAYOUTS, "PO-1").state == "CONFIRMED"


def test_two_persons_claw_a_transfer_back():
    world = sent()
    post(world, LINE)
    back = PlanReversal(payout_id="PO-1", transfer_ref="tr_1")
    alone = act(world, back, actor=Actor("P1", "finance"))
    assert isinstance(alone, Refusal)
    assert alone.code is RefusalCode.SECOND_PERSON_REQUIRED
    (call,) = events(act(world, back))
    assert (call.call_key, call.body.operation) == ("payout:PO-1:reverse:1", "reverse")
    assert call.body.target == "tr_1"
    send(world, call.call_key)
    done = TellAnswer(call_key=call.call_key, told=Told("trr_1", "done"))
    assert [one.kind for one in events(act(world, done))] == ["payment.call_answered"]
    line = replace(
        LINE,
        transaction_id="txn_2",
        category="transfer_reversal",
        amount_minor=8_449,
        net_minor=8_449,
    )
    kinds = [one.kind for one in post(world, line)]
    assert kinds[0] == "transfer.reversed"
    assert kinds[-1] == "psp.confirmed"


@pytest.mark.parametrize(
    ("world", "command", "codes"),
    [
        (released, replace(PLAN, payout_id="PO-9"), ["PAYOUT_UNKNOWN"]),
        (in_flight, PLAN, ["PAYOUT_FIELD_INVALID"]),
        (sent, PLAN, ["PAYOUT_STATE"]),
        (released, PlanReversal(payout_id="PO-1", transfer_ref="tr_1"), ["PAYOUT_STATE"]),
    ],
    ids=["unknown", "another route", "sent", "not confirmed"],
)
def test_only_a_released_payout_is_sent_and_only_a_confirmed_one_comes_back(world, command, codes):
    refusal = act(world(), command)
    assert isinstance(refusal, Refusal)
    assert [refusal.code.name, *(code.name for code in refusal.others)] == codes


def test_rows_of_a_payout_are_named_as_far_as_they_are_known():
    world = released()
    (planned,) = events(act(world, PLAN))
    call = world.need(PAYMENT_CALLS, planned.call_key)
    blank = World()
    keys = [key for _, key in payments_transfers.told_rows(blank, call)]
    assert keys[0] == "PO-1"
    assert len(list(payments_transfers.told_rows(world, call))) > len(keys)
    assert payments_transfers.follows(world, replace(PLAN, payout_id="PO-9")) == ()
    assert tuple(payments_transfers.touches(PLAN)) == (touch(PAYOUTS, "PO-1"),)
    assert payments_transfers.postings(planned) == ()
