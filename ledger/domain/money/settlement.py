"""Settlement: what a partner earned over a range of positions becomes a statement, once.

A statement freezes by position, not by clock: it covers every share of the partner with position
in (from, to], and a position is in at most one statement of a partner. Later lines go to the next
one, even if their service is older. It is calculated twice; the results must be equal.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "open": ("cut", "cancelled"),
    "cut": ("calculated", "cancelled"),
    "calculated": ("under_review", "cancelled"),
    "under_review": ("issued", "cancelled"),
    "issued": ("accepted", "partly_disputed", "disputed", "deemed_accepted"),
    "accepted": ("approved",),
    "partly_disputed": ("approved",),
    "disputed": ("approved",),
    "deemed_accepted": ("approved",),
    "approved": ("instructed",),
    "instructed": ("confirmed", "rejected", "returned"),
    "confirmed": ("reconciled",),
    "rejected": ("instructed",),
    "returned": ("instructed",),
    "reconciled": ("closed",),
    "closed": (),
    "cancelled": (),
}
"""The settlement cycle (money handbook 9.1). One command takes it from open to issued: the cut and
the two calculations are its fields, the review is its second person."""

ISSUED = "issued"


class Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sums of the lines of a statement in one currency, in minor units, net of tax."""

    currency: str
    share_minor: int
    energy_net_minor: int
    service_net_minor: int
    fee_net_minor: int


class Calculation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a calculation of a statement gives; `lines_root` is base64 of the Merkle root."""

    line_count: int
    energy_wh: int
    amounts: tuple[Amounts, ...]
    lines_root: str


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement, where it stands, and what it says."""

    statement_id: str
    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    state: str = ISSUED


STATEMENTS = Shelf("statements", Statement, listed_by=lambda row: row.partner_id)
SETTLED = Shelf("settled", Ranges)  # key: partner
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
    """A partner got a statement; nothing of it changes from here on."""

    kind: ClassVar[str] = "statement.issued"

    statement_id: str
    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation


SettlementEvent = StatementIssued

# touches ----------------------------------------------------------------------


def touches(command: SettlementCommand) -> Keys:
    """What of the partner is settled already, and a statement of the same period."""
    return (
        touch(SETTLED, command.partner_id),
        touch(STATEMENTS, statement_id(command.partner_id, command.period)),
    )


def follows(_world: World, _command: SettlementCommand) -> Keys:
    """Everything is known from the command."""
    return ()


def statement_id(partner_id: str, period: str, to_position: int = 0) -> str:
    """Name the statement of a period; a second one of the period is told apart by its end.

    >>> statement_id("OP-1", "2018-03"), statement_id("OP-1", "2018-03", 900)
    ('STM-OP-1-2018-03', 'STM-OP-1-2018-03-900')
    """
    parts = ("STM", partner_id, period, *([str(to_position)] if to_position else ()))
    name = "-".join(parts)
    return name if is_id(name) else derived_id("STM", *parts[1:])


# decide -----------------------------------------------------------------------


def decide(world: World, command: SettlementCommand, request: Request) -> Outcome:
    """Issue unless positions were settled before, persons or calculations do not differ as due."""
    match command:
        case IssueStatement():
            return _issue(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _issue(world: World, command: IssueStatement, request: Request) -> Outcome:
    settled = world.get(SETTLED, command.partner_id) or Ranges()
    rival = settled.overlap(command.from_position, command.to_position)
    if rival is not None:
        return Refusal(RefusalCode.LINE_ALREADY_IN_STATEMENT, {"to_position": rival[1]})
    if request.actor.second_person in {"", request.actor.id}:
        return Refusal(RefusalCode.CHECKER_IS_MAKER)
    cut = Cut(command.period, command.zone, command.from_position, command.to_position)
    fault = cut.fault(request.at)
    if fault is not None:
        return fault
    if command.calculation != command.recalculation:
        return Refusal(RefusalCode.STATEMENT_DIFFERS, {"partner": command.partner_id})
    if command.calculation.line_count < 1:
        return Refusal(RefusalCode.NOTHING_TO_SETTLE, {"partner": command.partner_id})
    name = statement_id(command.partner_id, command.period)
    if world.get(STATEMENTS, name) is not None:
        name = statement_id(command.partner_id, command.period, command.to_position)
    issued = StatementIssued(
        statement_id=name,
        partner_id=command.partner_id,
        period=command.period,
        from_position=command.from_position,
        to_position=command.to_position,
        calculation=command.calculation,
    )
    return (Draft(issued),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SettlementEvent, _stamp: Stamp) -> None:
    """File the statement and use up its positions."""
    match event:
        case StatementIssued():
            row = Statement(
                event.statement_id,
                event.partner_id,
                event.period,
                event.from_position,
                event.to_position,
                event.calculation,
            )
            world.put(STATEMENTS, event.statement_id, row)
            settled = world.get(SETTLED, event.partner_id) or Ranges()
            span = settled.with_span(event.from_position, event.to_position)
            world.put(SETTLED, event.partner_id, span)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: SettlementEvent) -> tuple[Posting, ...]:
    """Nothing moves until lines are approved."""
    return ()
