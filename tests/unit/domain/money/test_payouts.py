from typing import Any

import msgspec
import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.payout_batches import (
    ReleasePayouts,
)
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import (
    PAYABLES,
    PAYOUTS,
    Payable,
    change_payable,
)
from ledger.domain.money.payouts import (
    ConfirmPayout,
    ConfirmTransfer,
    MarkPayoutAccepted,
    MarkPayoutUnknown,
    RejectPayout,
    ReturnPayout,
    ReverseTransfer,
    postings,
)
from ledger.kernel.refusal import RefusalCode
from tests.support.partners import (
    LATER,
    PAYER,
    SHA,
    approve,
    codes,
    facts_of,
    in_flight,
    lines_of,
    owe,
    partner,
    payee,
    plan,
    release,
    state_of,
)
from tests.support.rules import act, events, sums_of

STATE, AMOUNT = RefusalCode.PAYOUT_STATE, RefusalCode.PAYOUT_AMOUNT
FIELD, FILE = RefusalCode.PAYOUT_FIELD_INVALID, RefusalCode.PAYOUT_FILE_CHANGED
STEP: dict[str, Any] = {"payout_id": "PO-1", "attempt": 1}
BANK: dict[str, Any] = {"bank_account": "BA-1", "bank_line": "BL-1", "amount_minor": 8449}
CONFIRM = ConfirmPayout(**STEP, **BANK)
REJECT = RejectPayout(**STEP, reason="AC04")
BACK = ReturnPayout(**STEP, **BANK | {"bank_line": "BL-2"}, reason="AC04", fee_minor=350)
TRANSFER = ConfirmTransfer(**STEP, psp_txn="txn_1", amount_minor=8449)
REVERSED = ReverseTransfer(**STEP, psp_txn="txn_2", amount_minor=8449, reason="closed")


def by_stripe():
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


# What banks and processors tell -----------------------------------------------


def test_only_a_booked_line_confirms_a_payout():
    world = in_flight()
    act(world, MarkPayoutAccepted(**STEP))
    assert state_of(world) == ("ACCEPTED", "instructed", 0, 8449)
    (event,) = events(act(world, CONFIRM))
    assert lines_of(postings(event)) == [
        ("Payout-In-Flight", 8449, {"payout": "PO-1"}),
        ("Operating", -8449, {"bank_account": "BA-1", "bank_line": "BL-1"}),
    ]
    assert state_of(world) == ("CONFIRMED", "confirmed", 0, 0)
    assert world.need(PAYABLES, "OP-1").open == ()
    assert act(world, CONFIRM) == ()
    assert PAYOUTS.listed_by(world.need(PAYOUTS, "PO-1")) == "confirmed"


def test_a_debit_seen_twice_for_one_payout_is_refused():
    world = in_flight()
    act(world, CONFIRM)
    second = msgspec.structs.replace(CONFIRM, bank_line="BL-9")
    assert codes(act(world, second)) == (STATE,)


def test_a_transfer_is_confirmed_and_reversed_by_transactions_of_the_processor():
    world = by_stripe()
    assert codes(act(world, CONFIRM)) == (FIELD,)
    (event,) = events(act(world, TRANSFER))
    assert lines_of(postings(event)) == [
        ("Payout-In-Flight", 8449, {"payout": "PO-1"}),
        ("Stripe", -8449, {"psp_txn": "txn_1"}),
    ]
    assert act(world, TRANSFER) == ()
    assert codes(act(world, BACK)) == (FIELD,)
    back, case = events(act(world, REVERSED))
    assert lines_of(postings(back)) == [
        ("Stripe", 8449, {"psp_txn": "txn_2"}),
        ("Approved", -8449, {"partner": "OP-1", "statement": "STM-1"}),
    ]
    assert case.case_type == "PAYOUT_RETURNED"
    assert state_of(world) == ("RETURNED", "returned", 8449, 0)
    assert act(world, REVERSED) == ()


def test_a_rejected_payout_is_owed_again_and_nothing_is_sent_by_itself():
    world = in_flight()
    (event,) = events(act(world, REJECT))
    assert lines_of(postings(event)) == [
        ("Approved", -8449, {"partner": "OP-1", "statement": "STM-1"}),
        ("Payout-In-Flight", 8449, {"payout": "PO-1"}),
    ]
    assert state_of(world) == ("REJECTED", "rejected", 8449, 0)
    assert act(world, REJECT) == ()
    assert codes(act(world, CONFIRM)) == (STATE,)


def test_a_new_attempt_has_a_new_reference_and_old_answers_do_not_count():
    world = in_flight()
    act(world, REJECT)
    (event,) = events(plan(world))
    assert event.attempt == 2
    assert world.need(PAYOUTS, "PO-1").end_to_end_id == "MGE-PO-1-2"
    approve(world, "PO-1", batch_id="PB-2")
    act(world, ReleasePayouts(batch_id="PB-2", file_sha256=SHA), at=LATER, actor=PAYER)
    for late in (CONFIRM, REJECT, MarkPayoutAccepted(**STEP)):
        assert codes(act(world, late)) == (STATE,)
    second = msgspec.structs.replace(CONFIRM, attempt=2)
    assert len(events(act(world, second))) == 1


def test_attempts_have_an_end():
    world = in_flight()
    act(world, REJECT)
    row = world.need(PAYOUTS, "PO-1")
    world.put(PAYOUTS, "PO-1", msgspec.structs.replace(row, attempt=9))
    refusal = plan(world)
    assert codes(refusal) == (FIELD,)
    assert facts_of(refusal)["field"] == "attempt"


def test_a_failed_payout_stays_with_its_partner():
    world = in_flight()
    act(world, REJECT)
    change_payable(world, "CAR-1", Payable("STM-7", "EUR", 5))
    command = InstructPayout(
        payout_id="PO-1",
        partner_id="CAR-1",
        statements=("STM-7",),
        currency="EUR",
        payee_id="PE-1",
        route="bank_file",
    )
    refusal = act(world, command)
    assert codes(refusal) == (RefusalCode.PAYEE_UNKNOWN, FIELD)
    assert facts_of(refusal)["field"] == "partner_id"


def test_a_returned_payout_shows_its_fee_and_opens_a_case():
    world = in_flight()
    act(world, CONFIRM)
    event, case = events(act(world, BACK))
    bank = {"bank_account": "BA-1", "bank_line": "BL-2"}
    assert lines_of(postings(event)) == [
        ("Operating", 8449, bank),
        ("Approved", -8449, {"partner": "OP-1", "statement": "STM-1"}),
        ("Bank-Charges", 350, bank),
        ("Operating", -350, bank),
    ]
    assert (case.case_type, case.subjects) == ("PAYOUT_RETURNED", ("PO-1",))
    assert world.need(CASES, case.case_id).is_open
    assert state_of(world) == ("RETURNED", "returned", 8449, 0)
    assert act(world, BACK) == ()


def test_a_refusal_after_the_booked_debit_is_a_conflict_and_the_bank_statement_wins():
    world = in_flight()
    act(world, CONFIRM)
    (case,) = events(act(world, REJECT))
    assert case.case_type == "PAYOUT_CONFLICT"
    assert state_of(world)[0] == "CONFIRMED"
    assert act(world, REJECT) == ()


def test_a_return_after_a_conflict_opens_no_second_case():
    world = in_flight()
    for command in (CONFIRM, REJECT):
        act(world, command)
    assert len(events(act(world, BACK))) == 1


def test_a_lost_answer_leaves_the_payout_unknown_until_somebody_tells():
    world = in_flight()
    lost = MarkPayoutUnknown(**STEP, reason="connection lost")
    (event,) = events(act(world, lost))
    assert postings(event) == ()
    assert state_of(world) == ("UNKNOWN", "instructed", 0, 8449)
    assert act(world, lost) == ()
    assert codes(plan(world)) == (RefusalCode.PAYOUT_EXISTS,)
    act(world, CONFIRM)
    assert codes(act(world, lost)) == (STATE,)


@pytest.mark.parametrize(
    ("ready", "command", "changes", "found"),
    [
        ((), CONFIRM, {"amount_minor": 8450}, (AMOUNT,)),
        ((), CONFIRM, {"bank_line": ""}, (FIELD,)),
        ((), CONFIRM, {"bank_account": ""}, (FIELD,)),
        ((), CONFIRM, {"attempt": 2, "amount_minor": 1}, (STATE, AMOUNT)),
        ((), CONFIRM, {"payout_id": "PO-9"}, (RefusalCode.PAYOUT_UNKNOWN,)),
        ((), TRANSFER, {}, (FIELD,)),
        ((), TRANSFER, {"psp_txn": ""}, (FIELD,)),
        ((), BACK, {}, (STATE,)),
        ((CONFIRM,), BACK, {"reason": ""}, (FIELD,)),
        ((CONFIRM,), BACK, {"fee_minor": 8450}, (FIELD,)),
        ((CONFIRM,), BACK, {"fee_minor": -1}, (FIELD,)),
        ((CONFIRM,), BACK, {"bank_line": ""}, (FIELD,)),
        ((CONFIRM,), BACK, {"amount_minor": 8099}, (AMOUNT,)),
        ((CONFIRM,), REVERSED, {}, (FIELD,)),
        ((), REJECT, {"reason": ""}, (FIELD,)),
        ((CONFIRM,), REJECT, {"attempt": 2}, (STATE,)),
        ((REJECT,), REJECT, {"reason": "AC01"}, (STATE,)),
        ((), MarkPayoutUnknown(**STEP, reason="r" * 201), {}, (FIELD,)),
    ],
)
def test_what_contradicts_the_payout_is_refused(ready, command, changes, found):
    world = in_flight()
    for one in ready:
        act(world, one)
    assert codes(act(world, msgspec.structs.replace(command, **changes))) == found


def test_a_payout_leaves_the_account_of_the_books_on_which_its_bank_is_kept():
    world = in_flight()
    client = "Assets:Bank:Client-Money"
    (left,) = events(act(world, msgspec.structs.replace(CONFIRM, kept_on=client)))
    assert sums_of(left)[client, "EUR"] == -8449
    back, _ = events(act(world, msgspec.structs.replace(BACK, kept_on=client)))
    assert sums_of(back)[client, "EUR"] == 8449 - 350
