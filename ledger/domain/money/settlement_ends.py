"""The end of a cycle: what was settled agrees with what was paid, and the statement is closed."""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money.breaks import (
    BREAK_COUNTS,
    BREAKS,
    KINDS,
    LEDGER_BANK,
    LEDGER_PSP,
    PARTNER,
    break_of,
    psp_scope,
)
from ledger.domain.money.dispute_rows import DISPUTED_LINES, disputes_of
from ledger.domain.money.payout_rows import PAYABLES, Payables
from ledger.domain.money.posting_dates import CLOSED as PERIOD_CLOSED
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.money.reconciling import RECONCILED_LEGS
from ledger.domain.money.settlement_rows import (
    CLOSED,
    RECONCILED,
    STATEMENTS,
    Paid,
    Statement,
    may_become,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_MONTH = len("2026-01")
_ROLES = frozenset({"finance", "system"})

# Commands ---------------------------------------------------------------------


class ReconcileStatement(Command):
    """Statement, payable, payout and bank line agree: nothing of it is owed or on its way.

    A run has compared every payment of it with the bank or the processor, and no break is left
    about one, nor between the statement and the partner's own file (money handbook 9.1, 10.3).
    """

    roles: ClassVar[frozenset[str]] = _ROLES

    statement_id: str


class CloseStatement(Command):
    """Nothing of a statement is open any more, and its month is closed in the books."""

    roles: ClassVar[frozenset[str]] = _ROLES

    statement_id: str


SettlementEndsCommand = ReconcileStatement | CloseStatement

# Events -----------------------------------------------------------------------


class StatementReconciled(Event):
    """What a statement owed was paid, and every payment is on a statement of the bank."""

    kind: ClassVar[str] = "statement.reconciled"

    statement_id: str
    partner_id: str


class StatementClosed(Event):
    """Nothing of a statement is open any more."""

    kind: ClassVar[str] = "statement.closed"

    statement_id: str
    partner_id: str


SettlementEndsEvent = StatementReconciled | StatementClosed

# touches ----------------------------------------------------------------------


def touches(command: SettlementEndsCommand) -> Keys:
    """Read the statement and its disputes."""
    return (
        touch(STATEMENTS, command.statement_id),
        touch(DISPUTED_LINES, command.statement_id),
    )


def follows(world: World, command: SettlementEndsCommand) -> Keys:
    """Read what the partner is owed, and the month of the statement."""
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return ()
    rows = [touch(PAYABLES, row.partner_id), touch(PERIODS, row.period[:_MONTH])]
    if isinstance(command, CloseStatement):
        return rows
    rows += [touch(BREAK_COUNTS, key) for key in _legs(row)]
    for one in row.paid:
        rows.append(touch(RECONCILED_LEGS, *_leg_of(one)))
        rows += [touch(BREAKS, name) for name in _breaks_of(one)]
    return rows


def _legs(row: Statement) -> list[str]:
    """Name the counts of breaks between a statement and the partner's file, by currency."""
    scopes = [f"{row.statement_id} {one.currency}" for one in row.calculation.amounts]
    return [key_of(PARTNER, scope) for scope in scopes]


def _leg_of(paid: Paid) -> tuple[str, str]:
    """Name leg and scope in which a payment of ours is compared with who made it."""
    if paid.psp_txn:
        return LEDGER_PSP, psp_scope(paid.currency)
    return LEDGER_BANK, paid.bank_account


def _breaks_of(paid: Paid) -> list[str]:
    """Name every break there could be about a payment: of a run, or of a line on suspense."""
    told = paid.psp_txn or paid.bank_line
    return [
        break_of((*_leg_of(paid), reference, kind, paid.currency))
        for reference in (told, f"suspense {told}")
        for kind in KINDS
    ]


# decide -----------------------------------------------------------------------


def decide(world: World, command: SettlementEndsCommand, _request: Request) -> Outcome:
    """Go to the end only when nothing is left."""
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"statement": command.statement_id[:40]})
    then = RECONCILED if isinstance(command, ReconcileStatement) else CLOSED
    if row.state == then:
        return ()
    payables = world.get(PAYABLES, row.partner_id) or Payables(row.partner_id)
    may = may_become(row.state, then) and payables.is_paid(row.statement_id)
    faults = [] if may else [RefusalCode.CYCLE_STATE]
    told = {"statement_id": row.statement_id, "partner_id": row.partner_id}
    event: SettlementEndsEvent
    match command:
        case ReconcileStatement():
            faults += _disagreements(world, row)
            event = StatementReconciled(**told)
        case CloseStatement():
            faults += _open_things(world, row, payables)
            event = StatementClosed(**told)
        case _ as unknown:
            assert_never(unknown)
    if faults:
        return refused(faults, {"statement": row.statement_id, "state": row.state})
    return (Draft(event),)


def _disagreements(world: World, row: Statement) -> list[RefusalCode]:
    counts = [world.get(BREAK_COUNTS, key) for key in _legs(row)]
    is_broken = any(one and one.open for one in counts)
    is_compared = True
    for paid in row.paid:
        leg = world.get(RECONCILED_LEGS, key_of(*_leg_of(paid)))
        is_seen = leg is not None and leg.to_position >= paid.position and not leg.is_incomplete
        is_compared = is_compared and is_seen
        breaks = [world.get(BREAKS, name) for name in _breaks_of(paid)]
        is_broken = is_broken or any(one and one.is_open for one in breaks)
    tests = (
        (is_broken, RefusalCode.OPEN_BREAK),
        (not is_compared, RefusalCode.NOT_RECONCILED),
    )
    return [code for failed, code in tests if failed]


def _open_things(world: World, row: Statement, payables: Payables) -> list[RefusalCode]:
    disputes = disputes_of(world, row.statement_id)
    names = {one.dispute_id for one in disputes.lines}
    is_held = any(line.dispute_id in names for line in payables.held)
    period = world.get(PERIODS, row.period[:_MONTH])
    is_closed = period is not None and period.state == PERIOD_CLOSED
    tests = (
        (disputes.has_open or is_held, RefusalCode.OPEN_DISPUTE),
        (not is_closed, RefusalCode.PERIOD_NOT_ENDED),
    )
    return [code for failed, code in tests if failed]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SettlementEndsEvent, _stamp: Stamp) -> None:
    """Move the statement on."""
    row = world.need(STATEMENTS, event.statement_id)
    state = RECONCILED if isinstance(event, StatementReconciled) else CLOSED
    world.put(STATEMENTS, row.statement_id, replace(row, state=state))


def postings(_event: SettlementEndsEvent) -> tuple[Posting, ...]:
    """The end of a cycle moves nothing."""
    return ()
