import msgspec
import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.dispute_rows import (
    DISPUTED_LINES,
    DISPUTES_MAX,
    LINE_DISPUTES,
    DisputedLine,
    DisputedLines,
    disputes_of,
)
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.line_disputes import RaiseBillDispute, follows, postings
from ledger.domain.money.line_proofs import NO_PROOF
from ledger.domain.money.line_resolutions import (
    CloseLineDispute,
    ReviewLineDispute,
    WithdrawLineDispute,
)
from ledger.domain.money.line_resolutions import postings as resolution_postings
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode
from tests.support.cycles import (
    BOTH,
    STM,
    accept,
    disputing,
    issue,
)
from tests.support.disputed import codes, lines_of_share
from tests.support.partners import JUNE, facts_of, partner
from tests.support.paying import CHARGE, INVOICE_NO, paying_town
from tests.support.rules import act, events

STATE, FIELD = RefusalCode.DISPUTE_STATE, RefusalCode.DISPUTE_FIELD_INVALID


# Raising ----------------------------------------------------------------------


def test_a_proven_line_is_disputed_and_kept_with_its_statement():
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    (event,) = events(act(world, disputing(lines, 0), at=JUNE, actor=Actor("OP-1", "operator")))
    assert postings(event) == ()
    row = world.need(LINE_DISPUTES, "LD-0")
    assert (row.amount_minor, row.currency, row.state) == (180, "EUR", "RAISED")
    assert (row.claimed_minor, row.raised_by, row.is_open) == (150, "OP-1", True)
    assert LINE_DISPUTES.listed_by(row) == STM
    assert disputes_of(world, STM).kept_back("EUR") == 180
    assert disputes_of(world, STM).kept_back("USD") == 0
    assert act(world, disputing(lines, 0)) == ()
    other = disputing(lines, 0, code="TIME")
    assert codes(act(world, other)) == (RefusalCode.DISPUTE_EXISTS,)
    second = disputing(lines, 0, dispute_id="LD-9")
    refusal = act(world, second)
    assert codes(refusal) == (RefusalCode.DISPUTE_EXISTS,)
    assert facts_of(refusal)["dispute"] == "LD-0"
    assert follows(world, second) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"line": ""},
        {"proof": NO_PROOF},
        {"position": 77},
        {"posting_index": 1},
    ],
)
def test_a_dispute_of_an_unknown_line_is_a_case_and_changes_nothing(changes):
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    command = disputing(lines, 0, **changes)
    (case,) = events(act(world, command))
    assert case.case_type == "LINE_UNKNOWN"
    assert world.need(CASES, case.case_id).is_open
    assert world.get(DISPUTED_LINES, STM) is None
    assert act(world, command) == ()


def test_a_dispute_after_acceptance_is_a_case():
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    accept(world)
    (case,) = events(act(world, disputing(lines, 0, reason="")))
    assert (case.case_type, case.reason) == ("LATE_DISPUTE", "PRICE of line 10/3")
    assert world.need(STATEMENTS, STM).state == "accepted"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dispute_id": "no id"}, "dispute_id"),
        ({"party_id": "CAR-1"}, "party_id"),
        ({"position": -1}, "position"),
        ({"posting_index": -1}, "posting_index"),
        ({"code": "NOT_MINE"}, "code"),
        ({"reason": "r" * 501}, "reason"),
        ({"claimed_minor": 2**53}, "claimed_minor"),
        ({"evidence": ("x",)}, "evidence"),
        ({"evidence": ("5a" * 32,) * 21}, "evidence"),
    ],
)
def test_a_faulty_dispute_is_refused_with_the_name_of_the_field(changes, field):
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    refusal = act(world, disputing(lines, 0, **changes))
    assert codes(refusal) == (FIELD,)
    assert facts_of(refusal)["field"] == field


def test_a_document_has_so_many_disputes_at_most():
    world = partner()
    lines = lines_of_share()
    issue(world, lines)
    others = tuple(DisputedLine(f"LD-{n}", 1_000 + n, 1, "EUR", 1) for n in range(DISPUTES_MAX))
    world.put(DISPUTED_LINES, STM, DisputedLines(STM, others[1:]))
    events(act(world, disputing(lines, 0, dispute_id="LD-A")))
    assert codes(act(world, disputing(lines, 1, dispute_id="LD-B"))) == (FIELD,)


def test_a_driver_disputes_a_line_of_his_bill_by_the_same_machine():
    world = partner()
    world.put(INVOICES, "MG1-INV-1", Invoice("MG1-INV-1", "DR-1", "EUR", 595, "2026-06-15"))
    command = RaiseBillDispute(
        dispute_id="LD-1",
        document_id="MG1-INV-1",
        party_id="DR-1",
        position=10,
        posting_index=1,
        amount_minor=500,
        code="NOT_MINE",
    )
    (event,) = events(act(world, command, actor=Actor("DR-1", "driver")))
    assert (event.currency, event.amount_minor) == ("EUR", 500)
    assert disputes_of(world, "MG1-INV-1").has_open
    wrong = msgspec.structs.replace(command, dispute_id="LD-2", code="NOT_OURS", position=11)
    assert codes(act(world, wrong)) == (FIELD,)
    nobody = msgspec.structs.replace(command, dispute_id="LD-3", document_id="MG1-INV-9")
    assert codes(act(world, nobody)) == (RefusalCode.STATEMENT_UNKNOWN,)
    events(act(world, ReviewLineDispute(dispute_id="LD-1")))
    verdict = CloseLineDispute(dispute_id="LD-1", verdict="REJECTED", reason="he was there")
    (closed,) = events(act(world, verdict, actor=BOTH))
    assert resolution_postings(closed) == ()
    assert not disputes_of(world, "MG1-INV-1").has_open
    assert disputes_of(world, "MG1-INV-9") == DisputedLines("MG1-INV-9")


def test_nothing_is_disputed_of_a_statement_that_nobody_knows():
    refusal = act(partner(), disputing(lines_of_share(), 0))
    assert codes(refusal) == (RefusalCode.STATEMENT_UNKNOWN,)


def test_a_disputed_line_is_not_charged_again_while_its_dispute_is_open():
    world = paying_town()
    command = RaiseBillDispute(
        dispute_id="LD-1",
        document_id=INVOICE_NO,
        party_id="DR-1",
        position=10,
        posting_index=1,
        amount_minor=500,
        code="QUANTITY",
    )
    events(act(world, command))
    refusal = act(world, CHARGE)
    assert codes(refusal) == (RefusalCode.OPEN_DISPUTE,)
    events(act(world, WithdrawLineDispute(dispute_id="LD-1", reason="my mistake")))
    assert len(events(act(world, CHARGE))) == 2


def test_how_long_we_may_take_to_answer_is_policy():
    for days, terms in ((14, BillingTerms()), (5, BillingTerms(dispute_answer_days=5))):
        world = partner()
        lines = lines_of_share()
        issue(world, lines)
        events(act(world, SetBillingPolicy(terms=terms)))
        (raised,) = events(act(world, disputing(lines, 0), at=JUNE))
        assert raised.due_at == JUNE + days * DAY
