import msgspec
import pytest

from ledger.domain.money.periods import Ranges
from ledger.domain.money.settlement import (
    IssueStatement,
    StatementIssued,
    decide,
    follows,
    postings,
)
from ledger.domain.money.settlement_rows import (
    ISSUED,
    SETTLED,
    STATEMENTS,
    TRANSITIONS,
    Amounts,
    Calculation,
    statement_id,
)
from ledger.domain.world import World
from ledger.kernel.ids import is_id
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events

APRIL = parse_instant("2018-04-01T00:00:00Z", "at")
RESULT = Calculation(2, 52_000, (Amounts("EUR", 240, 1501, 500, 100),), "root")


def order(**changes):
    command = IssueStatement(
        partner_id="OP-1",
        period="2018-03",
        from_position=0,
        to_position=100,
        calculation=RESULT,
        recalculation=RESULT,
    )
    return msgspec.structs.replace(command, **changes)


def issue(world, at=APRIL, **changes):
    return act(world, order(**changes), at=at)


def test_a_statement_freezes_what_was_calculated():
    world = World(complete=True)
    (issued,) = events(issue(world))
    assert isinstance(issued, StatementIssued)
    assert issued.statement_id == "STM-OP-1-2018-03"
    assert issued.calculation == RESULT
    assert postings(issued) == ()
    row = world.need(STATEMENTS, "STM-OP-1-2018-03")
    assert (row.state, row.from_position, row.to_position) == (ISSUED, 0, 100)
    assert STATEMENTS.listed_by(row) == "OP-1"
    assert world.need(SETTLED, "OP-1").spans == ((0, 100),)
    assert follows(world, order()) == ()


def test_late_lines_of_a_period_make_a_second_statement():
    world = World(complete=True)
    issue(world)
    (second,) = events(issue(world, from_position=100, to_position=120))
    assert isinstance(second, StatementIssued)
    assert second.statement_id == "STM-OP-1-2018-03-120"
    assert world.need(SETTLED, "OP-1").spans == ((0, 120),)


@pytest.mark.parametrize(("begin", "end"), [(0, 100), (99, 150), (10, 20), (-1, 1)])
def test_no_line_is_in_two_statements(begin, end):
    world = World(complete=True)
    issue(world)
    refusal = issue(world, from_position=begin, to_position=end, period="2018-02")
    assert refusal == Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"to_position": 100})
    assert len(events(issue(world, from_position=begin, to_position=end, partner_id="OP-2"))) == 1


@pytest.mark.parametrize(
    ("at", "changes", "code"),
    [
        (APRIL - 1, {}, RefusalCode.PERIOD_NOT_ENDED),
        (APRIL, {"zone": "America/Denver"}, RefusalCode.PERIOD_NOT_ENDED),
        (APRIL, {"period": "March"}, RefusalCode.PERIOD_INVALID),
        (APRIL, {"zone": "../zone"}, RefusalCode.PERIOD_INVALID),
        (APRIL, {"to_position": 0}, RefusalCode.PERIOD_INVALID),
        (
            APRIL,
            {"recalculation": msgspec.structs.replace(RESULT, energy_wh=1)},
            RefusalCode.STATEMENT_DIFFERS,
        ),
        (
            APRIL,
            dict.fromkeys(("calculation", "recalculation"), Calculation(0, 0, (), "root")),
            RefusalCode.NOTHING_TO_SETTLE,
        ),
    ],
)
def test_a_statement_that_cannot_be_is_refused(at, changes, code):
    refusal = issue(World(complete=True), at=at, **changes)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code


@pytest.mark.parametrize("second", ["", "P1"])
def test_nobody_checks_his_own_statement(second):
    actor = Actor("P1", "finance", second)
    answer = act(World(complete=True), order(), at=APRIL, actor=actor)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.SECOND_PERSON_REQUIRED
    request = Request(bytes(16), "tests", actor, APRIL, order())
    assert decide(World(complete=True), order(), request) == Refusal(RefusalCode.CHECKER_IS_MAKER)


def test_a_long_partner_id_still_gives_an_id():
    name = statement_id("O" * 40, "2018-03")
    assert is_id(name)
    assert name != statement_id("O" * 40, "2018-04")


def test_every_state_of_the_cycle_is_reached_and_can_end():
    reached = {"open"}
    for _ in TRANSITIONS:
        reached |= {state for known in reached for state in TRANSITIONS[known]}
    assert reached == set(TRANSITIONS)
    ends = {"closed", "cancelled"}
    for _ in TRANSITIONS:
        ends |= {state for state, after in TRANSITIONS.items() if ends & set(after)}
    assert ends == set(TRANSITIONS)


def test_a_cycle_is_cancelled_only_before_the_statement_is_issued():
    cancellable = {state for state, after in TRANSITIONS.items() if "cancelled" in after}
    assert cancellable == {"open", "cut", "calculated", "under_review"}


def test_spans_are_joined_where_they_meet():
    spans = Ranges().with_span(10, 20).with_span(30, 40).with_span(0, 10).with_span(20, 25)
    assert spans.spans == ((0, 25), (30, 40))
    assert spans.with_span(25, 30).spans == ((0, 40),)
    assert spans.overlap(25, 30) is None
    assert spans.overlap(24, 26) == (0, 25)
    assert spans.overlap(39, 50) == (30, 40)


def test_a_cancelled_range_is_taken_out_of_the_span_it_is_in():
    spans = Ranges(((0, 40), (50, 60)))
    assert spans.without(10, 20).spans == ((0, 10), (20, 40), (50, 60))
    assert spans.without(0, 40).spans == ((50, 60),)
    assert spans.without(40, 50) == spans
