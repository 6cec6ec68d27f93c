import pytest
from msgspec.structs import replace

from ledger.domain.money.period_close import (
    BeginClosing,
    ClosePeriod,
    FilePeriodReport,
    OpenBooks,
    PeriodClosed,
    ReopenPeriod,
)
from ledger.domain.money.period_rows import (
    ACCEPTABLE,
    CLOSING_BALANCES,
    ITEMS,
    PART_BYTES,
    CheckItem,
    KeptBalance,
    balance_parts,
    balances_digest,
)
from ledger.domain.money.posting_dates import BOOKS, CALENDAR, CLOSED, CLOSING, PERIODS, REOPENED
from ledger.domain.world import World
from ledger.kernel.envelope import canonical
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.books import at
from tests.support.rules import act, events

NOW = at("2026-02-05T08:00")
ALONE = Actor("F1", "finance")
OPEN = OpenBooks(period="2026-01", zone="Europe/Berlin")
BEGIN = BeginClosing(period="2026-01")
LIST = tuple(CheckItem(no, f"item {no}", holds=True, found="nothing") for no in range(1, ITEMS))
BALANCES = (
    KeptBalance("Assets:Bank:Operating", "BA-1", "EUR", 5),
    KeptBalance("Equity:Capital", "", "EUR", -5),
)
CLOSE = ClosePeriod(
    period="2026-01",
    revision=1,
    closing_position=1_000_000_000,
    checklist=LIST,
    balances=BALANCES,
    report_sha256="5a" * 32,
)
REOPEN = ReopenPeriod(period="2026-01", reason="the bank was wrong")
FILE = FilePeriodReport(period="2026-01", report_sha256="5a" * 32, receiver="tax office")


def books(*commands: object) -> World:
    world = World(complete=True)
    for command in commands:
        events(act(world, command, at=NOW))  # type: ignore[arg-type]
    return world


def code_of(world: World, command: object, **how: object) -> str:
    outcome = act(world, command, **{"at": NOW} | how)  # type: ignore[arg-type]
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.wire


def test_a_period_goes_from_open_to_closed_and_again_by_revision() -> None:
    world = books(OPEN)
    calendar = world.need(CALENDAR, BOOKS)
    assert (calendar.first, calendar.open_from) == ("2026-01", "2026-01")
    assert calendar.open_from_at == at("2025-12-31T23:00")
    (began,) = events(act(world, BEGIN, at=NOW))
    assert began.kind == "period.closing_began"
    assert world.need(PERIODS, "2026-01").state == CLOSING
    assert world.need(CALENDAR, BOOKS).open_from == "2026-02"
    kept, closed = events(act(world, CLOSE, at=NOW))
    assert (kept.part, kept.balances) == (1, BALANCES)
    assert isinstance(closed, PeriodClosed)
    assert closed.checklist[-1] == CheckItem(ITEMS, "two persons sign", holds=True, found="P1, P2")
    assert (closed.parts, closed.balances_sha256) == (1, balances_digest(BALANCES))
    assert world.need(CLOSING_BALANCES, "2026-01|1|1").balances == BALANCES
    row = world.need(PERIODS, "2026-01")
    assert (row.state, row.takes_entries, row.revisions[0].closing_position) == (
        CLOSED,
        False,
        1_000_000_000,
    )
    (opened,) = events(act(world, REOPEN, at=NOW))
    assert (opened.revision, world.need(PERIODS, "2026-01").state) == (2, REOPENED)
    assert world.need(CALENDAR, BOOKS).open_from == "2026-02", "late data never opens it again"
    events(act(world, replace(CLOSE, revision=2, closing_position=2_000_000_000), at=NOW))
    assert [one.revision for one in world.need(PERIODS, "2026-01").revisions] == [1, 2]
    assert world.need(CLOSING_BALANCES, "2026-01|1|1").balances == BALANCES


def test_steps_that_were_taken_before_add_nothing() -> None:
    world = books(OPEN, BEGIN)
    assert act(world, OPEN, at=NOW) == ()
    assert act(world, BEGIN, at=NOW) == ()


@pytest.mark.parametrize(
    ("done", "command", "code"),
    [
        ((), BEGIN, "period_unknown"),
        ((), replace(OPEN, zone="Mars/Base"), "period_invalid"),
        ((), replace(OPEN, period="January"), "period_invalid"),
        ((OPEN,), replace(OPEN, period="2026-02"), "period_state"),
        ((OPEN,), BeginClosing(period="2025-12"), "period_unknown"),
        ((OPEN,), BeginClosing(period="2026-02"), "period_out_of_order"),
        ((OPEN,), CLOSE, "period_state"),
        ((OPEN, BEGIN, CLOSE), BEGIN, "period_state"),
        ((OPEN, BEGIN, CLOSE), BeginClosing(period="2026-02"), "period_not_ended"),
        ((OPEN, BEGIN), replace(CLOSE, revision=2), "period_state"),
        ((OPEN, BEGIN), replace(CLOSE, closing_position=0), "period_moved"),
        ((OPEN, BEGIN), replace(CLOSE, checklist=LIST[1:]), "checklist_open"),
        ((OPEN, BEGIN), replace(CLOSE, report_sha256=""), "report_differs"),
        ((OPEN, BEGIN, CLOSE), replace(CLOSE, revision=2), "period_state"),
        ((OPEN, BEGIN), REOPEN, "period_state"),
        ((OPEN, BEGIN, CLOSE), replace(REOPEN, reason=""), "reason_missing"),
        ((OPEN, BEGIN, CLOSE, FILE), REOPEN, "report_filed"),
        ((OPEN, BEGIN), FILE, "period_state"),
        ((OPEN, BEGIN, CLOSE), replace(FILE, report_sha256="00" * 32), "report_differs"),
        ((OPEN, BEGIN, CLOSE), replace(FILE, receiver=""), "report_differs"),
    ],
)
def test_steps_out_of_order_are_refused(
    done: tuple[object, ...], command: object, code: str
) -> None:
    assert code_of(books(*done), command) == code


def test_periods_close_in_order_and_open_again_only_from_the_last() -> None:
    march = at("2026-03-02T08:00")
    world = books(OPEN, BEGIN)
    later = BeginClosing(period="2026-02")
    assert code_of(world, later, at=march) == "period_out_of_order"
    events(act(world, CLOSE, at=NOW))
    events(act(world, REOPEN, at=NOW))
    assert code_of(world, later, at=march) == "period_out_of_order"
    events(act(world, replace(CLOSE, revision=2), at=NOW))
    events(act(world, later, at=march))
    assert code_of(world, REOPEN, at=march) == "period_out_of_order"


def test_closing_and_opening_again_need_two_persons() -> None:
    world = books(OPEN, BEGIN)
    assert code_of(world, CLOSE, actor=ALONE) == "second_person_required"
    same = Actor("F1", "finance", "F1")
    assert code_of(world, CLOSE, actor=same) == "second_person_required"
    assert code_of(books(OPEN, BEGIN, CLOSE), REOPEN, actor=ALONE) == "second_person_required"


@pytest.mark.parametrize("no", range(1, ITEMS))
def test_an_item_that_does_not_hold_stops_the_close_unless_it_may_be_accepted(no: int) -> None:
    def with_item(**fields: object) -> ClosePeriod:
        items = [replace(one, **fields) if one.no == no else one for one in LIST]
        return replace(CLOSE, checklist=tuple(items))

    world = books(OPEN, BEGIN)
    assert code_of(world, with_item(holds=False)) == "checklist_open"
    accepted = with_item(holds=False, accepted="seen by the auditor")
    if no in ACCEPTABLE:
        assert len(events(act(world, accepted, at=NOW))) == 2
    else:
        assert code_of(world, accepted) == "checklist_open"


def test_balances_are_cut_into_parts_that_entries_can_hold() -> None:
    many = tuple(KeptBalance("Assets:Receivables:Drivers", f"DR-{n}", "EUR", n) for n in range(999))
    parts = balance_parts(many)
    assert len(parts) > 1
    assert sum(parts, ()) == many
    assert all(len(canonical(part)) <= PART_BYTES + 2 for part in parts)
    assert balance_parts(()) == []
    world = books(OPEN, BEGIN)
    *kept, closed = events(act(world, replace(CLOSE, balances=many), at=NOW))
    assert [one.part for one in kept] == list(range(1, closed.parts + 1))


def test_what_is_wrong_with_a_close_is_told_at_once() -> None:
    wrong = replace(CLOSE, revision=3, closing_position=0, checklist=(), report_sha256="x")
    outcome = act(books(OPEN, BEGIN), wrong, at=NOW)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, *outcome.others) == (
        RefusalCode.PERIOD_STATE,
        RefusalCode.PERIOD_MOVED,
        RefusalCode.CHECKLIST_OPEN,
        RefusalCode.REPORT_DIFFERS,
    )
