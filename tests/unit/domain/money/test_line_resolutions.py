import msgspec
import pytest

from ledger.domain.money.billing import postings as billing_postings
from ledger.domain.money.dispute_rows import (
    LINE_DISPUTES,
    STEPS,
)
from ledger.domain.money.documents import statement_lines
from ledger.domain.money.line_resolutions import (
    CloseLineDispute,
    EscalateLineDispute,
    ReviewLineDispute,
    WithdrawLineDispute,
    decide,
)
from ledger.domain.money.line_resolutions import follows as resolution_follows
from ledger.domain.money.line_resolutions import postings as resolution_postings
from ledger.domain.money.payout_rows import PAYABLES, Payable, change_payable
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.rerating import postings as rerating_postings
from ledger.domain.money.rerating_bills import SWAP_BILLS
from ledger.domain.money.settlement_ends import CloseStatement, ReconcileStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import RefusalCode
from tests.support.cycles import (
    STM,
    accept,
    approve_statement,
    disputing,
    issue,
    line,
)
from tests.support.disputed import FOUND, SHARE, close, codes, disputed, lines_of_share, owed
from tests.support.partners import JUNE, facts_of, partner
from tests.support.rules import act, events

STATE, FIELD = RefusalCode.DISPUTE_STATE, RefusalCode.DISPUTE_FIELD_INVALID


# Settling ---------------------------------------------------------------------


def test_a_dispute_goes_its_way_in_order():
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    events(act(world, disputing(lines, 0)))
    review = ReviewLineDispute(dispute_id="LD-0")
    escalate = EscalateLineDispute(dispute_id="LD-0", reason="we do not agree")
    assert codes(close(world, "UPHELD")) == (STATE,)
    assert codes(act(world, escalate)) == (STATE,)
    (event,) = events(act(world, review))
    assert resolution_postings(event) == ()
    assert act(world, review) == ()
    long = msgspec.structs.replace(escalate, reason="r" * 501)
    assert codes(act(world, long)) == (FIELD,)
    events(act(world, escalate))
    assert world.need(LINE_DISPUTES, "LD-0").state == "ESCALATED"
    assert codes(act(world, review)) == (STATE,)
    withdraw = WithdrawLineDispute(dispute_id="LD-0", reason="never mind")
    assert codes(act(world, withdraw)) == (STATE,)
    assert len(events(close(world, "REJECTED"))) == 1
    assert close(world, "REJECTED") == ()
    assert not any(STEPS[state] for state in ("UPHELD", "REJECTED", "WITHDRAWN"))


def test_a_partner_escalates_his_own_dispute_alone():
    world = disputed()
    events(act(world, ReviewLineDispute(dispute_id="LD-0")))
    command = EscalateLineDispute(dispute_id="LD-0", reason="no agreement")
    assert codes(act(world, command, actor=Actor("CAR-1", "operator"))) == (FIELD,)
    events(act(world, command, actor=Actor("OP-1", "operator")))
    assert world.need(LINE_DISPUTES, "LD-0").state == "ESCALATED"


def test_two_persons_close_a_dispute():
    world = disputed()
    assert codes(close(world, "REJECTED", actor=Actor("P1", "finance"))) == (
        RefusalCode.SECOND_PERSON_REQUIRED,
    )
    command = CloseLineDispute(dispute_id="LD-0", verdict="REJECTED", reason="no")
    request = Request(bytes(16), "tests", Actor("P1", "finance", "P1"), JUNE, command)
    assert codes(decide(world, command, request)) == (RefusalCode.CHECKER_IS_MAKER,)
    nobody = ReviewLineDispute(dispute_id="LD-9")
    assert codes(act(world, nobody)) == (RefusalCode.DISPUTE_UNKNOWN,)
    assert resolution_follows(world, nobody) == ()


def test_a_rejected_dispute_approves_its_line_at_once_where_the_others_are_approved():
    world = disputed()
    assert owed(world) == 180
    (event,) = events(close(world, "REJECTED"))
    posted = [(one.account.rpartition(":")[2], one.quantity) for one in resolution_postings(event)]
    assert posted == [("Accrued", 180), ("Approved", -180)]
    assert owed(world) == 360
    assert world.need(STATEMENTS, STM).state == "approved"


def test_a_rejected_dispute_of_a_paid_statement_is_owed_and_paid_after_it():
    world = disputed()
    change_payable(world, "OP-1", Payable(STM, "EUR", -180))
    events(act(world, ReconcileStatement(statement_id=STM)))
    events(close(world, "REJECTED"))
    assert (world.need(STATEMENTS, STM).state, owed(world)) == ("approved", 180)


def test_a_dispute_rejected_before_the_approval_goes_with_the_others():
    world = disputed(approved=False)
    (event,) = events(close(world, "REJECTED"))
    assert (event.amounts, resolution_postings(event)) == ((), ())
    events(approve_statement(world))
    assert owed(world) == 360


def test_a_withdrawn_dispute_is_one_that_was_rejected():
    world = disputed(approved=False)
    command = WithdrawLineDispute(dispute_id="LD-0", reason="our price list was old")
    stranger = act(world, command, actor=Actor("CAR-1", "operator"))
    assert codes(stranger) == (FIELD,)
    assert codes(act(world, msgspec.structs.replace(command, reason=""))) == (FIELD,)
    events(act(world, command, actor=Actor("OP-1", "operator")))
    assert act(world, command) == ()
    events(approve_statement(world))
    assert owed(world) == 360


def test_the_vat_of_a_released_line_is_owed_with_it():
    world = disputed(self_billing=True, tax_treatment="DE-service")
    assert owed(world) == 214
    (event,) = events(close(world, "REJECTED"))
    assert event.amounts[0].tax_minor == 34
    assert owed(world) == 428


def test_an_upheld_dispute_takes_the_share_back_and_makes_it_anew():
    world = disputed()
    closed, back, made = events(close(world, "UPHELD", original=SHARE, shares=FOUND))
    assert resolution_postings(closed) == ()
    assert isinstance(back, ShareReversed)
    assert back.reversed_position == 10
    assert made.shares == FOUND
    moved = [*rerating_postings(back), *billing_postings(made)]
    accrued = [one.quantity for one in moved if one.account.endswith("Accrued")]
    assert sum(accrued) == 30  # 1.80 back, 1.50 anew
    (share,) = world.need(SWAP_BILLS, "SW-1").shares
    assert share.event.shares == FOUND


def test_the_corrected_line_is_paid_by_the_statement_that_has_its_correction():
    world = disputed()
    events(close(world, "UPHELD", original=SHARE, shares=FOUND))
    (held,) = world.need(PAYABLES, "OP-1").held
    assert (held.amount_minor, owed(world)) == (180, 180)
    end = held.upheld_at + 10
    (first,) = statement_lines(
        held.upheld_at + 1,
        ShareReversed(
            reversed_position=10,
            usage_id="SW-1",
            usage_kind="swap",
            station_id="ST-1",
            partner_id="OP-1",
            reason="upheld",
            original=SHARE,
        ),
        "OP-1",
    )
    made = msgspec.structs.replace(SHARE, shares=FOUND)
    (second,) = statement_lines(held.upheld_at + 2, made, "OP-1")
    assert first.corrects == (10, 3)
    name = issue(
        world, [first, second], from_position=1_000, to_position=max(end, 1_001), period="2026-05"
    )
    accept(world, name)
    (event,) = events(approve_statement(world, name))
    (amount,) = event.amounts
    assert (amount.accepted_minor, amount.released_minor, amount.total_minor) == (-30, 180, 150)
    assert world.need(PAYABLES, "OP-1").held == ()
    assert world.need(PAYABLES, "OP-1").of(name, "EUR").owed_minor == 150


def test_a_statement_whose_cut_was_before_the_correction_releases_nothing():
    world = disputed()
    events(close(world, "UPHELD"))
    (held,) = world.need(PAYABLES, "OP-1").held
    moved = msgspec.structs.replace(held, upheld_at=5_000)
    row = world.need(PAYABLES, "OP-1")
    world.put(PAYABLES, "OP-1", msgspec.structs.replace(row, held=(moved,)))
    name = issue(world, [line(200)], from_position=1_000, to_position=4_999)
    accept(world, name)
    (event,) = events(approve_statement(world, name))
    assert event.amounts[0].released_minor == 0
    assert world.need(PAYABLES, "OP-1").held == (moved,)


def test_an_upheld_line_keeps_its_statement_open_until_it_is_corrected():
    world = disputed()
    events(close(world, "UPHELD"))
    change_payable(world, "OP-1", Payable(STM, "EUR", -180))
    events(act(world, ReconcileStatement(statement_id=STM)))
    refusal = act(world, CloseStatement(statement_id=STM))
    assert RefusalCode.OPEN_DISPUTE in codes(refusal)


def test_a_dispute_about_the_usage_itself_brings_no_shares():
    world = disputed()
    (closed,) = events(close(world, "UPHELD"))
    assert closed.state == "UPHELD"
    assert len(world.need(PAYABLES, "OP-1").held) == 1


@pytest.mark.parametrize(
    ("verdict", "changes", "field"),
    [
        ("WITHDRAWN", {}, "verdict"),
        ("UPHELD", {"reason": ""}, "reason"),
        ("UPHELD", {"reason": "r" * 501}, "reason"),
        ("UPHELD", {"original": SHARE}, "shares"),
        ("UPHELD", {"shares": FOUND}, "shares"),
        ("REJECTED", {"original": SHARE, "shares": FOUND}, "shares"),
        ("UPHELD", {"original": SHARE, "shares": {"OP-1": 600}}, "shares"),
        ("UPHELD", {"original": SHARE, "shares": FOUND | {"MG": 391}}, "shares"),
        ("UPHELD", {"original": SHARE, "shares": SHARE.shares}, "shares"),
        (
            "UPHELD",
            {"original": msgspec.structs.replace(SHARE, energy_wh=1), "shares": FOUND},
            "original",
        ),
    ],
)
def test_a_verdict_that_cannot_be_is_refused(verdict, changes, field):
    refusal = close(disputed(), verdict, **changes)
    assert FIELD in codes(refusal)
    assert facts_of(refusal)["field"] == field
