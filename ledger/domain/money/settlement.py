"""Settlement: what a partner earned over a range of positions becomes a statement, once.

A statement freezes by position, not by clock: it covers every line of the partner with position
in (from, to], and a position is in at most one statement of a partner. Later lines go to the next
one, even if their service is older. It is calculated twice; the results must be equal.

Here one command takes it from open to issued; the steps one by one are in `settlement_steps.py`.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.money.contracts import CONTRACTS, ContractVersion, PartnerContracts
from ledger.domain.money.payout_rows import PAYABLES, Payables
from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.money.settlement_rows import (
    CANCELLED,
    ISSUED,
    SETTLED,
    STATEMENTS,
    UNDER_REVIEW,
    Calculation,
    Carried,
    Statement,
    statement_id,
)
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (STATEMENTS, SETTLED)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class IssueStatement(Command, frozen=True):
    """Issue a partner's statement for a period over positions in (`from_position`, `to_position`].

    Both calculations come from `documents.StatementDraft` over the entries, each run from scratch.
    The zone is that of the settlement period.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    recalculation: Calculation
    zone: str = "UTC"


SettlementCommand = IssueStatement

# Events -----------------------------------------------------------------------


class StatementIssued(Event, frozen=True):
    """A partner got a statement; nothing of it changes from here on.

    `document` is the signed document that he got (JWS in compact form); absent where statements
    are signed from their entries. Silence until `respond_by_at` (us) is acceptance by `clause`.
    """

    kind: ClassVar[str] = "statement.issued"

    statement_id: str
    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    contract_id: str = ""
    contract_version: int = 0
    carried: tuple[Carried, ...] = ()
    respond_by_at: int = 0
    clause: str = ""
    document: str = ""


SettlementEvent = StatementIssued

# touches ----------------------------------------------------------------------


def touches(command: SettlementCommand) -> Keys:
    """What of the partner is settled already, his statements of the period, contracts, payables."""
    return cut_rows(command.partner_id, command.period, command.to_position)


def cut_rows(partner_id: str, period: str, to_position: int) -> Keys:
    """Name what a new statement of a partner reads."""
    return (
        touch(SETTLED, partner_id),
        touch(STATEMENTS, statement_id(partner_id, period)),
        touch(STATEMENTS, statement_id(partner_id, period, to_position)),
        touch(CONTRACTS, partner_id),
        touch(PAYABLES, partner_id),
    )


def follows(_world: World, _command: SettlementCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: SettlementCommand, request: Request) -> Outcome:
    """Issue unless positions were settled before, persons or calculations do not differ as due."""
    match command:
        case IssueStatement():
            return _issue(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _issue(world: World, command: IssueStatement, request: Request) -> Outcome:
    rival = rival_of(world, command.partner_id, command.from_position, command.to_position)
    if rival is not None:
        return rival
    if request.actor.second_person in {"", request.actor.id}:
        return Refusal(RefusalCode.CHECKER_IS_MAKER)
    cut = Cut(command.period, command.zone, command.from_position, command.to_position)
    fault = cut.fault(request.at)
    if fault is not None:
        return fault
    if command.calculation != command.recalculation:
        return Refusal(RefusalCode.STATEMENT_DIFFERS, {"partner": command.partner_id})
    carried = carried_over(world, command.partner_id)
    if command.calculation.line_count < 1:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"partner": command.partner_id})
    contract = settling_contract(world, command.partner_id, request.at)
    clause, respond_by_at = response(contract, request.at)
    issued = StatementIssued(
        statement_id=free_name(world, command.partner_id, command.period, command.to_position),
        partner_id=command.partner_id,
        period=command.period,
        from_position=command.from_position,
        to_position=command.to_position,
        calculation=command.calculation,
        carried=carried,
        respond_by_at=respond_by_at,
        clause=clause,
    )
    return (Draft(issued),)


def rival_of(world: World, partner_id: str, begin: int, end: int) -> Refusal | None:
    """Refuse positions of which some are in a statement of the partner already."""
    settled = world.get(SETTLED, partner_id) or Ranges()
    rival = settled.overlap(begin, end)
    if rival is None:
        return None
    return Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"to_position": rival[1]})


def free_name(world: World, partner_id: str, period: str, to_position: int) -> str:
    """Name a new statement: of its period, or by its end where the period has one already."""
    name = statement_id(partner_id, period)
    held = world.get(STATEMENTS, name)
    if held is None or held.state == CANCELLED:
        return name
    return statement_id(partner_id, period, to_position)


def carried_over(world: World, partner_id: str) -> tuple[Carried, ...]:
    """List what earlier statements of a partner still owe, and no payout has taken."""
    payables = world.get(PAYABLES, partner_id) or Payables(partner_id)
    return tuple(
        Carried(one.statement_id, one.currency, one.free_minor)
        for one in payables.open
        if one.free_minor > 0 and one.is_of_statement
    )


def settling_contract(world: World, partner_id: str, at: int) -> ContractVersion | None:
    """Give the contract by which a partner is settled at a time; None where he has none."""
    held: PartnerContracts | None = world.get(CONTRACTS, partner_id)
    return held.settling(at) if held else None


def response(contract: ContractVersion | None, at: int) -> tuple[str, int]:
    """Give the clause by which silence is acceptance, and from when on (us); ("", 0) for none."""
    if contract is None or not contract.terms.deemed_clause:
        return "", 0
    return contract.terms.deemed_clause, at + contract.terms.response_days * DAY


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SettlementEvent, _stamp: Stamp) -> None:
    """File the statement, use up its positions, and wait for the answer."""
    match event:
        case StatementIssued():
            known = world.get(STATEMENTS, event.statement_id)
            is_cut = known is not None and known.state == UNDER_REVIEW
            new = Statement(
                event.statement_id,
                event.partner_id,
                event.period,
                event.from_position,
                event.to_position,
                event.calculation,
            )
            row = known if known and is_cut else new
            moved = replace(
                row,
                state=ISSUED,
                contract_id=event.contract_id,
                contract_version=event.contract_version,
                carried=event.carried,
                respond_by_at=event.respond_by_at,
                clause=event.clause,
            )
            world.put(STATEMENTS, event.statement_id, moved)
            if not is_cut:  # else they are used up since the cut
                use_up(world, row)
            if event.respond_by_at:
                set_timer(world, "statement", event.statement_id, event.respond_by_at)
        case _ as unknown:
            assert_never(unknown)


def use_up(world: World, row: Statement) -> None:
    """Let no later statement of the partner have the positions of this one."""
    settled = world.get(SETTLED, row.partner_id) or Ranges()
    span = settled.with_span(row.from_position, row.to_position)
    world.put(SETTLED, row.partner_id, span)


def postings(_event: SettlementEvent) -> tuple[Posting, ...]:
    """Nothing moves until lines are approved."""
    return ()
