from typing import Any

import pytest

from ledger.domain.money.payout_batches import (
    MarkPayoutsSent,
    PayoutBatchApproved,
    PayoutInstructed,
    ReleasePayouts,
    WithdrawPayouts,
)
from ledger.domain.money.payout_batches import postings as batch_postings
from ledger.domain.money.payout_rows import (
    PAYOUT_BATCHES,
    PAYOUTS,
)
from ledger.domain.money.payouts import (
    ConfirmPayout,
    ConfirmTransfer,
    RejectPayout,
    ReturnPayout,
    ReverseTransfer,
)
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode
from tests.support.partners import (
    CLERKS,
    JUNE,
    LATER,
    SHA,
    approve,
    codes,
    in_flight,
    lines_of,
    owe,
    partner,
    payee,
    plan,
    release,
    state_of,
)
from tests.support.rules import act, events

STATE, AMOUNT = RefusalCode.PAYOUT_STATE, RefusalCode.PAYOUT_AMOUNT
FIELD, FILE = RefusalCode.PAYOUT_FIELD_INVALID, RefusalCode.PAYOUT_FILE_CHANGED
STEP: dict[str, Any] = {"payout_id": "PO-1", "attempt": 1}
BANK: dict[str, Any] = {"bank_account": "BA-1", "bank_line": "BL-1", "amount_minor": 8449}
CONFIRM = ConfirmPayout(**STEP, **BANK)
REJECT = RejectPayout(**STEP, reason="AC04")
BACK = ReturnPayout(**STEP, **BANK | {"bank_line": "BL-2"}, reason="AC04", fee_minor=350)
TRANSFER = ConfirmTransfer(**STEP, psp_txn="txn_1", amount_minor=8449)
REVERSED = ReverseTransfer(**STEP, psp_txn="txn_2", amount_minor=8449, reason="closed")


# Approval and release ---------------------------------------------------------


def test_released_money_is_on_its_way_and_no_more_owed():
    world = in_flight()
    row = world.need(PAYOUTS, "PO-1")
    assert (row.state, row.batch_id) == ("RELEASED", "PB-1")
    assert state_of(world) == ("RELEASED", "instructed", 0, 8449)
    batch = world.need(PAYOUT_BATCHES, "PB-1")
    assert (batch.state, batch.total_minor, batch.approved_at) == ("RELEASED", 8449, LATER)
    assert PAYOUTS.listed_by(row) == "in_flight"
    assert PAYOUT_BATCHES.listed_by(batch) == "released"


def test_the_release_posts_by_statement_and_payout():
    world = partner()
    owe(world)
    owe(world, "STM-2", 51)
    plan(world, statements=("STM-1", "STM-2"))
    (approved,) = events(approve(world, "PO-1"))
    assert isinstance(approved, PayoutBatchApproved)
    assert batch_postings(approved) == ()
    (event,) = events(release(world))
    assert isinstance(event, PayoutInstructed)
    owed = {"partner": "OP-1"}
    assert lines_of(batch_postings(event)) == [
        ("Approved", 8449, owed | {"statement": "STM-1"}),
        ("Approved", 51, owed | {"statement": "STM-2"}),
        ("Payout-In-Flight", -8500, {"payout": "PO-1"}),
    ]
    assert release(world) == ()


def test_a_file_that_was_changed_after_its_approval_is_not_released():
    world = partner()
    owe(world)
    plan(world)
    approve(world, "PO-1")
    assert codes(release(world, sha="6b" * 32)) == (FILE,)
    assert state_of(world) == ("APPROVED", "approved", 8449, 0)


def test_a_new_payee_and_its_approver_hold_a_release_back():
    world = partner()
    owe(world)
    plan(world)
    approve(world, "PO-1", at=JUNE)
    early = release(world, at=JUNE + 3 * DAY - 1, actor=CLERKS)
    new, own = RefusalCode.PAYEE_TOO_NEW, RefusalCode.PAYEE_APPROVER_RELEASES
    assert codes(early) == (new, own)
    alone = release(world, actor=Actor("P1", "finance"))
    assert codes(alone) == (RefusalCode.SECOND_PERSON_REQUIRED,)
    assert len(events(release(world, at=JUNE + 3 * DAY))) == 1


def test_a_payee_changed_after_the_plan_does_not_move_the_payout():
    world = partner()
    owe(world)
    plan(world)
    payee(world, holder_name="Somebody Else", iban="NO9386011117947", at=LATER)
    approve(world, "PO-1")
    (event,) = events(release(world))
    assert event.payee_version == 1


def test_withdrawn_payouts_are_planned_again():
    world = partner()
    owe(world)
    plan(world)
    approve(world, "PO-1")
    withdraw = WithdrawPayouts(batch_id="PB-1")
    (event,) = events(act(world, withdraw))
    assert batch_postings(event) == ()
    assert world.need(PAYOUTS, "PO-1").state == "PLANNED"
    assert codes(act(world, withdraw)) == (STATE,)
    assert codes(release(world)) == (STATE,)
    assert len(events(approve(world, "PO-1", batch_id="PB-2"))) == 1


def test_an_order_that_was_handed_over_is_sent_once():
    world = partner()
    owe(world)
    plan(world)
    sent = MarkPayoutsSent(batch_id="PB-1")
    approve(world, "PO-1")
    assert codes(act(world, sent)) == (STATE,)
    release(world)
    (event,) = events(act(world, sent))
    assert batch_postings(event) == ()
    assert world.need(PAYOUTS, "PO-1").state == "SENT"
    assert act(world, sent) == ()
    assert release(world) == ()


def test_a_payout_that_ended_before_its_order_was_marked_stays_as_it_is():
    world = in_flight()
    act(world, CONFIRM)
    act(world, MarkPayoutsSent(batch_id="PB-1"))
    assert world.need(PAYOUTS, "PO-1").state == "CONFIRMED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"batch_id": "no id"}, FIELD),
        ({"batch_id": "B" * 30}, FIELD),
        ({"payouts": ()}, FIELD),
        ({"payouts": ("PO-1", "PO-1")}, FIELD),
        ({"payouts": ("PO-1", "PO-2")}, FIELD),
        ({"payouts": ("PO-1", "PO-9")}, RefusalCode.PAYOUT_UNKNOWN),
        ({"bank_account": ""}, FIELD),
        ({"pay_on": "tomorrow"}, FIELD),
        ({"pay_on": "2026-06"}, FIELD),
        ({"pay_on": "2026-06-31"}, FIELD),
        ({"approved_at": 0}, FIELD),
        ({"approved_at": LATER + 1}, FIELD),
        ({"file_sha256": "x"}, FILE),
    ],
)
def test_an_order_that_cannot_be_is_refused(changes, code):
    world = partner()
    owe(world)
    plan(world)
    payee(world, "PE-2", holder_name="Example Swaps GmbH", stripe_account="acct_1")
    owe(world, "STM-2", 51)
    plan(world, "PO-2", statements=("STM-2",), payee_id="PE-2", route="stripe")
    assert codes(approve(world, "PO-1", **changes))[0] is code


def test_an_order_is_made_once_of_planned_payouts():
    world = partner()
    owe(world)
    plan(world)
    approve(world, "PO-1")
    assert codes(approve(world, "PO-1")) == (RefusalCode.PAYOUT_EXISTS,)
    assert codes(approve(world, "PO-1", batch_id="PB-2")) == (STATE,)
    nobody = ReleasePayouts(batch_id="PB-9", file_sha256=SHA)
    assert codes(act(world, nobody)) == (RefusalCode.PAYOUT_UNKNOWN,)
