"""The settlement cycle step by step: cut, calculated twice, handed in, issued by another person.

The cut freezes positions and what their lines give. The calculation is made twice more, each from
scratch, and must give the same. Whoever hands a statement in does not issue it, and it is issued
with its signed document only: while no signature can be made it stays under review.
"""

from base64 import urlsafe_b64decode
from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import settlement
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.payout_rows import PAYABLES
from ledger.domain.money.periods import Cut
from ledger.domain.money.settlement import (
    StatementIssued,
    carried_over,
    free_name,
    response,
    rival_of,
    settling_contract,
    use_up,
)
from ledger.domain.money.settlement_rows import (
    CALCULATED,
    CANCELLED,
    CUT,
    ISSUED,
    SETTLED,
    STATEMENTS,
    UNDER_REVIEW,
    Calculation,
    Carried,
    Statement,
    may_become,
)
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.envelope import canonical
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

DOCUMENT_MAX = 8_192
"""Characters of a signed document."""

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})


class Figures(msgspec.Struct, frozen=True):
    """What the signed document of a statement says of it; the partner answers to `lines_root`."""

    statement_id: str
    partner_id: str
    period: str
    contract_id: str
    contract_version: int
    from_position: int
    to_position: int
    line_count: int
    lines_root: str
    calculation: Calculation
    carried: tuple[Carried, ...]


def figures_of(row: Statement) -> Figures:
    """Give the figures of a statement for its document."""
    calculation = row.calculation
    return Figures(
        row.statement_id,
        row.partner_id,
        row.period,
        row.contract_id,
        row.contract_version,
        row.from_position,
        row.to_position,
        calculation.line_count,
        calculation.lines_root,
        calculation,
        row.carried,
    )


def says(document: str, row: Statement) -> bool:
    """Tell whether a document (JWS in compact form) says just the figures of a statement.

    Whether its signature holds is for those to check who know the key.
    """
    parts = document.split(".")
    if len(document) > DOCUMENT_MAX or len(parts) != len(("header", "payload", "signature")):
        return False
    try:
        payload = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        said = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (ValueError, msgspec.MsgspecError):
        return False
    return bool(parts[2]) and bytes(said.get("figures", b"")) == canonical(figures_of(row))


# Commands ---------------------------------------------------------------------


class CutStatement(Command):
    """Freeze a partner's lines with position in (`from_position`, `to_position`]."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    zone: str = "UTC"


class CalculateStatement(Command):
    """Bring two calculations of a cut statement, each made from scratch."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    statement_id: str
    calculation: Calculation
    recalculation: Calculation


class SubmitStatement(Command):
    """Hand a calculated statement in for review."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    statement_id: str


class PublishStatement(Command):
    """Issue a statement under review with its signed document: another person than its maker."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    duties: ClassVar[frozenset[str]] = frozenset({"checker", "treasurer"})

    statement_id: str
    document: str


class CancelStatement(Command):
    """Give up a statement before it is issued; its lines go to the next one."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    statement_id: str
    reason: str


_Step = CalculateStatement | SubmitStatement | PublishStatement | CancelStatement
SettlementStepsCommand = CutStatement | _Step

# Events -----------------------------------------------------------------------


class StatementCut(Event):
    """A partner's lines up to a position are frozen for a statement."""

    kind: ClassVar[str] = "statement.cut"

    statement_id: str
    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    contract_id: str = ""
    contract_version: int = 0
    carried: tuple[Carried, ...] = ()


class StatementCalculated(Event):
    """Two calculations from scratch gave what the cut had given."""

    kind: ClassVar[str] = "statement.calculated"

    statement_id: str
    lines_root: str


class StatementSubmitted(Event):
    """A statement waits for another person than `maker`."""

    kind: ClassVar[str] = "statement.submitted"

    statement_id: str
    maker: str


class StatementCancelled(Event):
    """A statement was given up before it was issued; its positions are free again."""

    kind: ClassVar[str] = "statement.cancelled"

    statement_id: str
    partner_id: str
    reason: str


SettlementStepsEvent = StatementCut | StatementCalculated | StatementSubmitted | StatementCancelled

# touches ----------------------------------------------------------------------


def touches(command: SettlementStepsCommand) -> Keys:
    """Read the statement; for a cut what `settlement.cut_rows` names."""
    if isinstance(command, CutStatement):
        return settlement.cut_rows(command.partner_id, command.period, command.to_position)
    return (touch(STATEMENTS, command.statement_id),)


def follows(world: World, command: SettlementStepsCommand) -> Keys:
    """Read the partner's contracts and what was settled of him."""
    if isinstance(command, CutStatement):
        return ()
    row = world.get(STATEMENTS, command.statement_id)
    found: tuple[Key, ...] = ()
    if row:
        names = row.partner_id
        found = (touch(CONTRACTS, names), touch(SETTLED, names), touch(PAYABLES, names))
    return found


# decide -----------------------------------------------------------------------


def decide(world: World, command: SettlementStepsCommand, request: Request) -> Outcome:
    """Go one step on, in order; the same step again changes nothing."""
    if isinstance(command, CutStatement):
        return _cut(world, command, request)
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"statement": command.statement_id[:40]})
    match command:
        case CalculateStatement():
            return _calculate(row, command)
        case SubmitStatement():
            if row.state == UNDER_REVIEW and row.maker == request.actor.id:
                return ()
            event = StatementSubmitted(statement_id=row.statement_id, maker=request.actor.id)
            return _step(row, UNDER_REVIEW, event)
        case PublishStatement():
            return _publish(world, row, command, request)
        case CancelStatement():
            if row.state == CANCELLED:
                return ()
            given_up = StatementCancelled(
                statement_id=row.statement_id, partner_id=row.partner_id, reason=command.reason
            )
            return _step(row, CANCELLED, given_up)
        case _ as unknown:
            assert_never(unknown)


def wrong_state(row: Statement) -> Refusal:
    """Refuse a step that the state of a statement does not allow."""
    return Refusal(RefusalCode.CYCLE_STATE, {"statement": row.statement_id, "state": row.state})


def _step(row: Statement, then: str, event: Event) -> Outcome:
    return (Draft(event),) if may_become(row.state, then) else wrong_state(row)


def _cut(world: World, command: CutStatement, request: Request) -> Outcome:
    rival = rival_of(world, command.partner_id, command.from_position, command.to_position)
    if rival is not None:
        return rival
    cut = Cut(command.period, command.zone, command.from_position, command.to_position)
    fault = cut.fault(request.at)
    if fault is not None:
        return fault
    if command.calculation.line_count < 1:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"partner": command.partner_id})
    contract = settling_contract(world, command.partner_id, request.at)
    event = StatementCut(
        statement_id=free_name(world, command.partner_id, command.period, command.to_position),
        partner_id=command.partner_id,
        period=command.period,
        from_position=command.from_position,
        to_position=command.to_position,
        calculation=command.calculation,
        contract_id=contract.contract_id if contract else "",
        contract_version=contract.version if contract else 0,
        carried=carried_over(world, command.partner_id),
    )
    return (Draft(event),)


def _calculate(row: Statement, command: CalculateStatement) -> Outcome:
    if not may_become(row.state, CALCULATED):
        return () if row.state == CALCULATED else wrong_state(row)
    if not command.calculation == command.recalculation == row.calculation:
        return Refusal(RefusalCode.STATEMENT_DIFFERS, {"statement": row.statement_id})
    event = StatementCalculated(
        statement_id=row.statement_id, lines_root=row.calculation.lines_root
    )
    return (Draft(event),)


def _publish(world: World, row: Statement, command: PublishStatement, request: Request) -> Outcome:
    if row.state != UNDER_REVIEW:
        return wrong_state(row)
    if request.actor.id == row.maker:
        return Refusal(RefusalCode.CHECKER_IS_MAKER, {"maker": row.maker})
    if not says(command.document, row):
        return Refusal(RefusalCode.SIGNATURE_MISSING, {"statement": row.statement_id})
    contract = settling_contract(world, row.partner_id, request.at)
    clause, respond_by_at = response(contract, request.at)
    event = StatementIssued(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        period=row.period,
        from_position=row.from_position,
        to_position=row.to_position,
        calculation=row.calculation,
        contract_id=row.contract_id,
        contract_version=row.contract_version,
        carried=row.carried,
        respond_by_at=respond_by_at,
        clause=clause,
        document=command.document,
    )
    return _step(row, ISSUED, event)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SettlementStepsEvent, _stamp: Stamp) -> None:
    """Move the statement on."""
    row: Statement
    match event:
        case StatementCut():
            told = {name: getattr(event, name) for name in event.__struct_fields__}
            row = Statement(**told, state=CUT)
            use_up(world, row)
        case StatementCalculated():
            row = replace(world.need(STATEMENTS, event.statement_id), state=CALCULATED)
        case StatementSubmitted():
            row = world.need(STATEMENTS, event.statement_id)
            row = replace(row, state=UNDER_REVIEW, maker=event.maker)
        case StatementCancelled():
            row = replace(world.need(STATEMENTS, event.statement_id), state=CANCELLED)
            settled = world.need(SETTLED, row.partner_id)
            left = settled.without(row.from_position, row.to_position)
            world.put(SETTLED, row.partner_id, left)
        case _ as unknown:
            assert_never(unknown)
    world.put(STATEMENTS, row.statement_id, row)


def postings(_event: SettlementStepsEvent) -> tuple[Posting, ...]:
    """Nothing moves until lines are approved."""
    return ()
