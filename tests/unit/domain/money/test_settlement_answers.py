import msgspec
import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.bank_rows import SETTLED_ITEMS, Settled, item_key
from ledger.domain.money.netting import ApproveStatement, NetStatement, decide, postings
from ledger.domain.money.netting import follows as netting_follows
from ledger.domain.money.payout_rows import PAYABLES, Payable, change_payable
from ledger.domain.money.settlement_answers import (
    AcceptStatement,
    DeemStatementAccepted,
)
from ledger.domain.money.settlement_answers import follows as answer_follows
from ledger.domain.money.settlement_answers import postings as answer_postings
from ledger.domain.money.settlement_ends import ReconcileStatement
from ledger.domain.money.settlement_rows import STATEMENTS, Amounts
from ledger.domain.money.templates_partners import PARTNERS_OWE
from ledger.domain.waiting import TIMERS
from ledger.domain.world import key_of
from ledger.kernel.instants import DAY, parse_instant
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.cycles import (
    STM,
    accept,
    approve_statement,
    calculated,
    cut,
    disputing,
    issue,
    line,
)
from tests.support.partners import JUNE, partner
from tests.support.rules import act, events

LINES = [line(0), line(1), line(2)]
STATE = RefusalCode.CYCLE_STATE


def state(world):
    return world.need(STATEMENTS, STM).state


def codes(refusal):
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def lines_of(posted):
    return [(one.account.rpartition(":")[2], one.quantity, one.dims) for one in posted]


def owed(world):
    return world.need(PAYABLES, "OP-1").of(STM, "EUR").owed_minor


def deem(world, at):
    return act(world, DeemStatementAccepted(statement_id=STM), at=at)


# The answer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disputed", "then"), [(0, "accepted"), (1, "partly_disputed"), (3, "disputed")]
)
def test_an_answer_accepts_every_line_but_the_disputed_ones(disputed, then):
    world = partner()
    issue(world, LINES)
    for place in range(disputed):
        events(act(world, disputing(LINES, place)))
    (event,) = events(accept(world))
    assert (event.state, event.disputed, event.way, event.level) == (then, disputed, "person", 2)
    assert answer_postings(event) == ()
    assert state(world) == then
    assert accept(world) == ()


@pytest.mark.parametrize(
    ("way", "level", "is_taken"),
    [
        ("person", 1, True),
        ("person", 0, False),
        ("signed_request", 4, True),
        ("signed_request", 3, False),
        ("signed_request", 6, False),
        ("telephone", 5, False),
    ],
)
def test_an_answer_has_the_evidence_of_its_way(way, level, is_taken):
    world = partner()
    issue(world, LINES)
    answer = accept(world, way=way, level=level)
    if is_taken:
        assert len(events(answer)) == 1
    else:
        assert codes(answer) == (RefusalCode.ANSWER_INVALID,)


def test_another_root_at_the_partner_stops_the_cycle_until_he_agrees_to_ours():
    world = partner(deemed_clause="C-7")
    issue(world, LINES)
    contested, case = events(accept(world, lines_root="another"))
    assert contested.their_root == "another"
    assert case.case_type == "STATEMENT_ROOT_DIFFERS"
    assert world.need(CASES, case.case_id).is_open
    assert accept(world, lines_root="another") == ()
    assert codes(deem(world, JUNE + 99 * DAY)) == (STATE,)
    assert codes(approve_statement(world)) == (STATE,)
    events(accept(world))
    assert not world.need(STATEMENTS, STM).is_contested
    assert codes(accept(world, lines_root="another")) == (RefusalCode.STATEMENT_ROOT_DIFFERS,)


def test_a_second_quarrel_about_a_root_uses_the_case_there_is():
    world = partner()
    issue(world, LINES)
    accept(world, lines_root="another")
    row = world.need(STATEMENTS, STM)
    world.put(STATEMENTS, STM, msgspec.structs.replace(row, is_contested=False))
    assert len(events(accept(world, lines_root="a third"))) == 1


def test_silence_is_acceptance_by_the_clause_and_only_after_its_time():
    world = partner(deemed_clause="C-7", response_days=10)
    issue(world, LINES)
    assert codes(deem(world, JUNE + 10 * DAY - 1)) == (RefusalCode.NOT_DUE,)
    (event,) = events(deem(world, JUNE + 10 * DAY))
    assert (event.clause, event.state) == ("C-7", "deemed_accepted")
    assert answer_postings(event) == ()
    assert world.need(TIMERS, key_of("statement", STM)).due_at == 0
    assert deem(world, JUNE + 11 * DAY) == ()


def test_an_answer_after_silence_was_taken_for_one_is_kept_as_a_case():
    world = partner(deemed_clause="C-7", response_days=10)
    issue(world, LINES)
    deem(world, JUNE + 10 * DAY)
    (late,) = events(accept(world))
    assert (late.case_type, late.subjects) == ("LATE_ANSWER", (STM, "OP-1"))
    assert "C-7" in late.reason
    assert state(world) == "deemed_accepted"
    assert accept(world) == ()


def test_without_a_clause_silence_is_nothing():
    world = partner()
    issue(world, LINES)
    assert codes(deem(world, JUNE + 99 * DAY)) == (STATE,)


def test_what_was_not_issued_has_no_answer():
    world = partner()
    cut(world, LINES)
    assert codes(accept(world)) == (STATE,)
    nobody = AcceptStatement(statement_id="STM-9", lines_root="", way="person", level=1)
    assert codes(act(world, nobody)) == (RefusalCode.STATEMENT_UNKNOWN,)
    assert answer_follows(world, nobody) == ()


# Approval and netting -----------------------------------------------------------


def test_only_accepted_lines_are_approved_and_disputed_ones_stay_accrued():
    world = partner()
    issue(world, LINES)
    act(world, disputing(LINES, 1))
    accept(world)
    (event,) = events(approve_statement(world))
    assert lines_of(postings(event)) == [
        ("Accrued", 360, {"partner": "OP-1"}),
        ("Approved", -360, {"partner": "OP-1", "statement": STM}),
    ]
    assert owed(world) == 360
    assert state(world) == "approved"
    assert approve_statement(world) == ()


def test_approving_needs_two_persons_and_an_answer():
    world = partner()
    issue(world, LINES)
    assert codes(approve_statement(world)) == (STATE,)
    accept(world)
    alone = Actor("P1", "finance")
    assert codes(approve_statement(world, actor=alone)) == (RefusalCode.SECOND_PERSON_REQUIRED,)
    command = NetStatement(statement_id="STM-9", currency="EUR")
    assert codes(act(world, command)) == (RefusalCode.STATEMENT_UNKNOWN,)
    assert netting_follows(world, command) == ()


def test_nobody_approves_alone_even_where_the_door_let_him():

    world = partner()
    issue(world, LINES)
    accept(world)
    command = ApproveStatement(statement_id=STM)
    request = Request(bytes(16), "tests", Actor("P1", "finance", "P1"), JUNE, command)
    assert codes(decide(world, command, request)) == (RefusalCode.CHECKER_IS_MAKER,)


def test_where_we_write_the_partners_invoices_his_vat_is_owed_with_the_lines():
    world = partner(self_billing=True, tax_treatment="DE-service")
    issue(world, LINES)
    accept(world)
    (event,) = events(approve_statement(world))
    tax = {"partner": "OP-1", "tax_code": "DE-S-1900"}
    assert lines_of(postings(event)) == [
        ("Input-VAT", 103, tax),
        ("Accrued", -103, tax),
        ("Accrued", 643, {"partner": "OP-1"}),
        ("Approved", -643, {"partner": "OP-1", "statement": STM}),
    ]
    assert owed(world) == 643


def test_before_a_tax_rule_begins_no_vat_is_owed():
    world = partner(self_billing=True, tax_treatment="CN-energy")
    at = parse_instant("2016-01-01T00:00:00Z", "at")
    issue(world, LINES, at=at, period="2015-12")
    name = "STM-OP-1-2015-12"
    accept(world, name)
    (event,) = events(approve_statement(world, name, at=at))
    assert event.amounts[0].tax_minor == 0


def test_a_statement_below_zero_is_an_invoice_to_the_partner():
    world = partner()
    back = [line(0, kind="correction", corrects=(3, 1), share_minor=-500), line(1)]
    issue(world, back)
    accept(world)
    (event,) = events(approve_statement(world))
    assert lines_of(postings(event)) == [
        ("Accrued", -320, {"partner": "OP-1"}),
        ("Partners", 320, {"partner": "OP-1", "statement": STM}),
    ]
    assert world.need(PAYABLES, "OP-1").open == ()
    assert world.need(STATEMENTS, STM).owing_in("EUR") == 320
    assert len(events(act(world, ReconcileStatement(statement_id=STM)))) == 1


def owing(world, receivable, lines=LINES):
    """Issue a statement by which the partner owes us something too."""
    said = calculated(lines)
    both = tuple(msgspec.structs.replace(one, receivable_minor=receivable) for one in said.amounts)
    name = issue(world, lines)
    row = world.need(STATEMENTS, name)
    said = msgspec.structs.replace(said, amounts=both)
    world.put(STATEMENTS, name, msgspec.structs.replace(row, calculation=said))
    accept(world)
    return approve_statement(world)


@pytest.mark.parametrize(
    ("receivable", "netted", "left", "still"), [(200, 200, 340, 0), (700, 540, 0, 160)]
)
def test_netting_goes_as_far_as_both_sides_reach_and_shows_both(receivable, netted, left, still):
    world = partner(netting=True)
    (approved,) = events(owing(world, receivable))
    statement = {"partner": "OP-1", "statement": STM}
    assert lines_of(postings(approved))[2:] == [
        ("Partners", receivable, statement),
        ("Partners", -receivable, {"partner": "OP-1"}),
    ]
    (event,) = events(act(world, NetStatement(statement_id=STM, currency="EUR")))
    assert (event.payable_minor, event.receivable_minor) == (540, receivable)
    assert lines_of(postings(event)) == [
        ("Approved", netted, statement),
        ("Partners", -netted, statement),
    ]
    assert (owed(world), world.need(STATEMENTS, STM).owing_in("EUR")) == (left, still)
    again = act(world, NetStatement(statement_id=STM, currency="EUR"))
    assert codes(again) == (RefusalCode.NOTHING_TO_SETTLE,)


def test_what_the_partner_paid_by_bank_is_not_netted_again():
    world = partner(netting=True)
    events(owing(world, 200))
    dims = {"partner": "OP-1", "statement": STM}
    world.put(SETTLED_ITEMS, item_key(PARTNERS_OWE, dims), Settled(150))
    (event,) = events(act(world, NetStatement(statement_id=STM, currency="EUR")))
    assert (event.receivable_minor, event.netted_minor) == (50, 50)


def test_netting_needs_the_consent_of_the_contract_and_keeps_to_its_currency():
    world = partner()
    events(owing(world, 200))
    refusal = act(world, NetStatement(statement_id=STM, currency="EUR"))
    assert refusal == Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": "netting"})
    agreed = partner(netting=True)
    events(owing(agreed, 200))
    change_payable(agreed, "OP-1", Payable(STM, "USD", 99))
    other = act(agreed, NetStatement(statement_id=STM, currency="USD"))
    assert codes(other) == (RefusalCode.NOTHING_TO_SETTLE,)
    row = agreed.need(STATEMENTS, STM)
    both = (*row.owing, msgspec.structs.replace(row.owing[0], currency="USD", amount_minor=5))
    agreed.put(STATEMENTS, STM, msgspec.structs.replace(row, owing=both))
    events(act(agreed, NetStatement(statement_id=STM, currency="USD")))
    assert agreed.need(STATEMENTS, STM).owing_in("EUR") == 200


def test_a_statement_is_netted_after_its_approval_only():
    world = partner(netting=True)
    issue(world, LINES)
    refusal = act(world, NetStatement(statement_id=STM, currency="EUR"))
    assert codes(refusal) == (STATE,)


def test_currencies_are_approved_one_by_one():
    world = partner()
    both = [line(0), line(1, currency="USD", share_minor=7)]
    issue(world, both)
    accept(world)
    (event,) = events(approve_statement(world))
    assert [(one.currency, one.total_minor) for one in event.amounts] == [("EUR", 180), ("USD", 7)]
    assert isinstance(world.need(STATEMENTS, STM).calculation.amounts[0], Amounts)
