import msgspec
import pytest

from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_rows import SETTLED, STATEMENTS, TRANSITIONS, may_become
from ledger.domain.money.settlement_steps import (
    CalculateStatement,
    CancelStatement,
    CutStatement,
    PublishStatement,
    SubmitStatement,
    follows,
    postings,
    says,
)
from ledger.domain.waiting import TIMERS
from ledger.domain.world import key_of
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.cycles import (
    CHECKER,
    MAKER,
    STM,
    cut,
    cutting,
    document_of,
    issue,
    line,
    publish,
    review,
)
from tests.support.partners import JUNE, owe, partner
from tests.support.rules import act, events

LINES = [line(0), line(1)]
STATE = RefusalCode.CYCLE_STATE


def state(world):
    return world.need(STATEMENTS, STM).state


def codes(refusal):
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def calculate(world, **changes):
    said = world.need(STATEMENTS, STM).calculation
    command = CalculateStatement(statement_id=STM, calculation=said, recalculation=said)
    return act(world, msgspec.structs.replace(command, **changes))


def test_a_cycle_goes_from_cut_to_issued_step_by_step():
    world = partner(deemed_clause="C-7", response_days=10)
    seen = []
    cut(world, LINES)
    seen.append(state(world))
    calculate(world)
    seen.append(state(world))
    (event,) = events(act(world, SubmitStatement(statement_id=STM), actor=MAKER))
    assert postings(event) == ()
    seen.append(state(world))
    (issued,) = events(publish(world, STM))
    seen.append(state(world))
    assert seen == ["cut", "calculated", "under_review", "issued"]
    assert isinstance(issued, StatementIssued)
    assert (issued.contract_id, issued.contract_version) == ("CO-1", 1)
    assert (issued.clause, issued.respond_by_at) == ("C-7", JUNE + 10 * DAY)
    assert says(issued.document, world.need(STATEMENTS, STM))
    assert world.need(TIMERS, key_of("statement", STM)).due_at == JUNE + 10 * DAY


def test_a_cut_freezes_positions_and_a_later_line_goes_to_the_next_cycle():
    world = partner()
    cut(world, LINES)
    assert world.need(SETTLED, "OP-1").spans == ((-1, 1_000),)
    rival = act(world, cutting(LINES, from_position=999, to_position=1_100), at=JUNE)
    assert rival == Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"to_position": 1_000})
    second = cut(world, LINES, from_position=1_000, to_position=1_100)
    assert second == f"{STM}-1100"


def test_a_balance_below_the_minimum_payout_is_shown_as_carried():
    world = partner()
    owe(world, "STM-1", 42)
    cut(world, LINES)
    (carried,) = world.need(STATEMENTS, STM).carried
    assert (carried.statement_id, carried.currency, carried.amount_minor) == ("STM-1", "EUR", 42)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"period": "2026-06"}, RefusalCode.PERIOD_NOT_ENDED),
        ({"period": "May"}, RefusalCode.PERIOD_INVALID),
        ({"to_position": -1}, RefusalCode.PERIOD_INVALID),
    ],
)
def test_a_cut_that_cannot_be_is_refused(changes, code):
    refusal = act(partner(), cutting(LINES, **changes), at=JUNE)
    assert codes(refusal) == (code,)


def test_nothing_is_cut_where_nothing_was_earned():
    refusal = act(partner(), cutting([]), at=JUNE)
    assert codes(refusal) == (RefusalCode.NOTHING_TO_SETTLE,)


def test_a_calculation_that_differs_from_the_cut_or_from_itself_stops_the_cycle():
    world = partner()
    cut(world, LINES)
    other = msgspec.structs.replace(world.need(STATEMENTS, STM).calculation, energy_wh=1)
    for changes in ({"calculation": other}, {"recalculation": other}):
        assert codes(calculate(world, **changes)) == (RefusalCode.STATEMENT_DIFFERS,)
    both = dict.fromkeys(("calculation", "recalculation"), other)
    assert codes(calculate(world, **both)) == (RefusalCode.STATEMENT_DIFFERS,)
    assert len(events(calculate(world))) == 1
    assert calculate(world) == ()


def test_whoever_hands_a_statement_in_does_not_issue_it():
    world = partner()
    review(world, LINES)
    refusal = publish(world, STM, actor=MAKER)
    assert refusal == Refusal(RefusalCode.CHECKER_IS_MAKER, {"maker": "P1"})
    assert act(world, SubmitStatement(statement_id=STM), actor=MAKER) == ()
    assert codes(act(world, SubmitStatement(statement_id=STM), actor=CHECKER)) == (STATE,)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _text: "",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: text.replace(".", ".!!", 1),
        lambda _text: "e30.e30.c2ln",
        lambda _text: "e30.W10.c2ln",
        lambda _text: "e30.e3.c2ln",
        lambda text: text + "A" * 8_192,
    ],
    ids=["none", "no signature", "empty", "no base64", "no figures", "a list", "cut off", "long"],
)
def test_without_its_signed_document_nothing_is_issued(spoil):
    world = partner()
    review(world, LINES)
    document = spoil(document_of(world.need(STATEMENTS, STM)))
    command = PublishStatement(statement_id=STM, document=document)
    refusal = act(world, command, at=JUNE, actor=CHECKER)
    assert codes(refusal) == (RefusalCode.SIGNATURE_MISSING,)
    assert state(world) == "under_review"


def test_a_document_of_another_statement_is_none():
    world = partner()
    review(world, LINES)
    other = partner()
    review(other, LINES[:1])
    document = document_of(other.need(STATEMENTS, STM))
    command = PublishStatement(statement_id=STM, document=document)
    assert codes(act(world, command, actor=CHECKER)) == (RefusalCode.SIGNATURE_MISSING,)


def test_a_cancelled_cycle_gives_its_lines_back_and_its_name():
    world = partner()
    review(world, LINES)
    cancel = CancelStatement(statement_id=STM, reason="a contract was missing")
    (event,) = events(act(world, cancel))
    assert postings(event) == ()
    assert state(world) == "cancelled"
    assert world.need(SETTLED, "OP-1").spans == ()
    assert act(world, cancel) == ()
    assert issue(world, LINES) == STM


def test_after_it_is_issued_nothing_of_a_statement_changes():
    world = partner()
    issue(world, LINES)
    for command in (
        CancelStatement(statement_id=STM, reason="too late"),
        SubmitStatement(statement_id=STM),
        CalculateStatement(
            statement_id=STM,
            calculation=world.need(STATEMENTS, STM).calculation,
            recalculation=world.need(STATEMENTS, STM).calculation,
        ),
        PublishStatement(statement_id=STM, document=document_of(world.need(STATEMENTS, STM))),
    ):
        assert codes(act(world, command, actor=Actor("P9", "finance"))) == (STATE,)


def test_steps_keep_their_order():
    world = partner()
    cut(world, LINES)
    assert codes(act(world, SubmitStatement(statement_id=STM))) == (STATE,)
    assert codes(publish(world, STM)) == (STATE,)


def test_a_statement_nobody_cut_has_no_steps():
    world = partner()
    command = SubmitStatement(statement_id="STM-9")
    assert codes(act(world, command)) == (RefusalCode.STATEMENT_UNKNOWN,)
    assert follows(world, command) == ()


def test_a_partner_without_a_contract_can_be_settled():
    world = partner()
    (event,) = events(act(world, cutting(LINES, partner_id="CAR-1"), at=JUNE))
    assert (event.contract_id, event.contract_version) == ("", 0)


def test_every_step_of_the_table_is_one_that_the_cycle_takes():
    for name, after in TRANSITIONS.items():
        assert all(may_become(name, then) for then in after)
        assert not may_become(name, name)
    assert isinstance(cutting(LINES), CutStatement)
