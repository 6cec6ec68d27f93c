"""The partner's answer: he accepts the lines he does not dispute, or his silence does.

An answer names the root of the lines that he accepts. With another root than ours nothing goes on:
the statement is contested, a case of the first priority is open, and he gets the lines again.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened
from ledger.domain.money.dispute_rows import DISPUTED_LINES, disputes_of
from ledger.domain.money.settlement_rows import (
    ACCEPTED,
    ANSWERED,
    DEEMED,
    DISPUTED,
    ISSUED,
    PARTLY_DISPUTED,
    STATEMENTS,
    Statement,
)
from ledger.domain.money.settlement_steps import wrong_state
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

WAYS = ("signed_request", "person")
"""How an answer came: a request signed with the partner's key (RFC 9421), or a known person."""

LEVELS = {"signed_request": 4, "person": 1}
"""The least level of evidence of each way."""

LEVEL_MAX = 5

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class AcceptStatement(Command):
    """Accept all lines of a statement that are not disputed, under the root of its lines.

    `level` is that of the evidence, E0 to E5; a signed request stands in `observed`.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "finance", "system"})
    circumstances: ClassVar[tuple[str, ...]] = ("observed",)

    statement_id: str
    lines_root: str
    way: str
    level: int
    observed: Observed | None = None


class DeemStatementAccepted(Command):
    """Nobody answered in time, and the contract says what that means."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    statement_id: str


SettlementAnswersCommand = AcceptStatement | DeemStatementAccepted

# Events -----------------------------------------------------------------------


class StatementAccepted(Event):
    """The partner accepted every line but the disputed ones; `state` says how many those are."""

    kind: ClassVar[str] = "statement.accepted"

    statement_id: str
    partner_id: str
    state: str
    lines_root: str
    way: str
    level: int
    disputed: int = 0


class StatementDeemedAccepted(Event):
    """Silence until the time agreed is acceptance by a clause of the contract."""

    kind: ClassVar[str] = "statement.deemed_accepted"

    statement_id: str
    partner_id: str
    state: str
    clause: str
    disputed: int = 0


class StatementContested(Event):
    """The partner has another root of the lines; nothing goes on until he agrees to ours."""

    kind: ClassVar[str] = "statement.contested"

    statement_id: str
    partner_id: str
    lines_root: str
    their_root: str


SettlementAnswersEvent = StatementAccepted | StatementDeemedAccepted | StatementContested

# touches ----------------------------------------------------------------------


def touches(command: SettlementAnswersCommand) -> Keys:
    """Read the statement and its disputes."""
    return (
        touch(STATEMENTS, command.statement_id),
        touch(DISPUTED_LINES, command.statement_id),
        touch(CASES, _case_id(command.statement_id)),
        touch(CASES, _late_case_id(command.statement_id)),
    )


def follows(_world: World, _command: SettlementAnswersCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def _case_id(statement_id: str) -> str:
    return derived_id("CA", "statement", statement_id, "root")


def _late_case_id(statement_id: str) -> str:
    return derived_id("CA", "late answer", statement_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: SettlementAnswersCommand, request: Request) -> Outcome:
    """Take one answer; what comes after it changes nothing."""
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"statement": command.statement_id[:40]})
    match command:
        case AcceptStatement():
            return _accept(world, row, command)
        case DeemStatementAccepted():
            return _deem(world, row, request.at)
        case _ as unknown:
            assert_never(unknown)


def _accept(world: World, row: Statement, command: AcceptStatement) -> Outcome:
    least = LEVELS.get(command.way, LEVEL_MAX + 1)
    if not least <= command.level <= LEVEL_MAX:
        facts: dict[str, Fact] = {"statement": row.statement_id, "level": command.level}
        return Refusal(RefusalCode.ANSWER_INVALID, facts)
    if command.lines_root != row.calculation.lines_root:
        return _contest(world, row, command)
    if row.state == DEEMED:
        return _late(world, row, command)
    if row.state in ANSWERED:
        return ()
    if row.state != ISSUED:
        return wrong_state(row)
    disputed = len(disputes_of(world, row.statement_id).lines)
    event = StatementAccepted(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        state=_state(row, disputed, ACCEPTED),
        lines_root=command.lines_root,
        way=command.way,
        level=command.level,
        disputed=disputed,
    )
    return (Draft(event, observed=command.observed),)


def _late(world: World, row: Statement, command: AcceptStatement) -> Outcome:
    """Keep an answer that came after silence was taken for one; a person may want to know."""
    case_id = _late_case_id(row.statement_id)
    if world.get(CASES, case_id) is not None:
        return ()
    opened = CaseOpened(
        case_id=case_id,
        case_type="LATE_ANSWER",
        subjects=(row.statement_id, row.partner_id),
        reason=f"the partner answered after clause {row.clause} had accepted for him",
    )
    return (Draft(opened, observed=command.observed),)


def _contest(world: World, row: Statement, command: AcceptStatement) -> Outcome:
    if row.state != ISSUED:
        return Refusal(RefusalCode.STATEMENT_ROOT_DIFFERS, {"statement": row.statement_id})
    if row.is_contested:
        return ()
    contested = StatementContested(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        lines_root=row.calculation.lines_root,
        their_root=command.lines_root[:64],
    )
    drafts = [Draft(contested, observed=command.observed)]
    case_id = _case_id(row.statement_id)
    if world.get(CASES, case_id) is None:
        opened = CaseOpened(
            case_id=case_id,
            case_type="STATEMENT_ROOT_DIFFERS",
            subjects=(row.statement_id, row.partner_id),
            reason="priority 1: the partner has another root of the lines",
        )
        drafts.append(Draft(opened, after=(0,)))
    return tuple(drafts)


def _deem(world: World, row: Statement, at: int) -> Outcome:
    if row.state in ANSWERED:
        return ()
    faults = []
    if row.state != ISSUED or row.is_contested or not row.respond_by_at:
        faults.append(RefusalCode.CYCLE_STATE)
    if at < row.respond_by_at:
        faults.append(RefusalCode.NOT_DUE)
    if faults:
        return refused(faults, {"statement": row.statement_id, "respond_by": row.respond_by_at})
    disputed = len(disputes_of(world, row.statement_id).lines)
    event = StatementDeemedAccepted(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        state=_state(row, disputed, DEEMED),
        clause=row.clause,
        disputed=disputed,
    )
    return (Draft(event),)


def _state(row: Statement, disputed: int, accepted: str) -> str:
    if not disputed:
        return accepted
    return DISPUTED if disputed == row.calculation.line_count else PARTLY_DISPUTED


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SettlementAnswersEvent, _stamp: Stamp) -> None:
    """Move the statement on; an answer ends the waiting for one."""
    row = world.need(STATEMENTS, event.statement_id)
    match event:
        case StatementAccepted() | StatementDeemedAccepted():
            row = replace(row, state=event.state, is_contested=False)
            set_timer(world, "statement", event.statement_id, 0)
        case StatementContested():
            row = replace(row, is_contested=True)
        case _ as unknown:
            assert_never(unknown)
    world.put(STATEMENTS, row.statement_id, row)


def postings(_event: SettlementAnswersEvent) -> tuple[Posting, ...]:
    """Nothing moves until two persons approve what was accepted."""
    return ()
