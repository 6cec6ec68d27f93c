"""The end of a cycle: a statement is reconciled with everything outside, and closed."""

import msgspec
import pytest

from ledger.domain.money.breaks import (
    BREAK_COUNTS,
    BREAKS,
    PARTNER,
    Break,
    BreakCount,
    Difference,
)
from ledger.domain.money.payout_rows import PAYABLES, Payable, change_payable
from ledger.domain.money.posting_dates import CLOSED, CLOSING, PERIODS, Period
from ledger.domain.money.reconciling import RECONCILED_LEGS, Reconciled
from ledger.domain.money.settlement_ends import (
    CloseStatement,
    ReconcileStatement,
    follows,
    postings,
)
from ledger.domain.money.settlement_rows import STATEMENTS, Paid
from ledger.domain.world import key_of
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.cycles import STM, accept, approve_statement, disputing, issue, line
from tests.support.partners import partner
from tests.support.rules import act, events

LINES = [line(0), line(1), line(2)]
STATE = RefusalCode.CYCLE_STATE


def state(world):
    return world.need(STATEMENTS, STM).state


def codes(refusal):
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def settle_all(world):
    """Have nothing of the statement owed any more, as after a confirmed payout."""
    for one in world.need(PAYABLES, "OP-1").open:
        change = Payable(one.statement_id, one.currency, -one.owed_minor)
        change_payable(world, "OP-1", change)


def test_a_statement_is_reconciled_when_nothing_of_it_is_owed_and_closed_with_its_month():
    world = partner()
    issue(world, LINES)
    accept(world)
    approve_statement(world)
    reconcile, close = ReconcileStatement(statement_id=STM), CloseStatement(statement_id=STM)
    assert codes(act(world, reconcile)) == (STATE,)
    assert codes(act(world, close)) == (STATE, RefusalCode.PERIOD_NOT_ENDED)
    settle_all(world)
    (event,) = events(act(world, reconcile))
    assert postings(event) == ()
    assert act(world, reconcile) == ()
    assert codes(act(world, close)) == (RefusalCode.PERIOD_NOT_ENDED,)
    world.put(PERIODS, "2026-05", Period("2026-05", CLOSING, 0))
    assert codes(act(world, close)) == (RefusalCode.PERIOD_NOT_ENDED,)
    world.put(PERIODS, "2026-05", Period("2026-05", CLOSED, 0))
    (closed,) = events(act(world, close))
    assert postings(closed) == ()
    assert state(world) == "closed"
    assert act(world, close) == ()


def test_a_statement_with_an_open_dispute_is_not_closed():
    world = partner()
    issue(world, LINES)
    act(world, disputing(LINES, 0))
    accept(world)
    approve_statement(world)
    settle_all(world)
    events(act(world, ReconcileStatement(statement_id=STM)))
    world.put(PERIODS, "2026-05", Period("2026-05", CLOSED, 0))
    refusal = act(world, CloseStatement(statement_id=STM))
    assert codes(refusal) == (RefusalCode.OPEN_DISPUTE,)


def test_a_statement_that_the_partners_file_contradicts_is_not_reconciled():
    world = partner()
    issue(world, LINES)
    accept(world)
    approve_statement(world)
    settle_all(world)
    counts = key_of(PARTNER, f"{STM} EUR")
    reconcile = ReconcileStatement(statement_id=STM)
    world.put(BREAK_COUNTS, counts, BreakCount(2, 1))
    assert codes(act(world, reconcile)) == (RefusalCode.OPEN_BREAK,)
    world.put(BREAK_COUNTS, counts, BreakCount(2, 2))
    assert len(events(act(world, reconcile))) == 1


PAYMENTS = {
    "ledger_bank": (Paid("PO-1", "EUR", 50, "BA-1", "BL-1"), "BA-1", "BL-1"),
    "ledger_psp": (Paid("PO-1", "EUR", 50, psp_txn="txn_1"), "psp-EUR", "txn_1"),
}


@pytest.mark.parametrize("leg", PAYMENTS)
def test_a_statement_is_reconciled_when_a_run_has_found_every_payment_outside(leg):
    world = partner()
    issue(world, LINES)
    accept(world)
    approve_statement(world)
    settle_all(world)
    paid, scope, told = PAYMENTS[leg]
    world.put(STATEMENTS, STM, msgspec.structs.replace(world.need(STATEMENTS, STM), paid=(paid,)))
    reconcile = ReconcileStatement(statement_id=STM)
    assert codes(act(world, reconcile)) == (RefusalCode.NOT_RECONCILED,)
    for row in (Reconciled(1, 49, 0, 0, 0, 0), Reconciled(1, 50, 0, 0, 0, 0, is_incomplete=True)):
        world.put(RECONCILED_LEGS, key_of(leg, scope), row)
        assert codes(act(world, reconcile)) == (RefusalCode.NOT_RECONCILED,)
    world.put(RECONCILED_LEGS, key_of(leg, scope), Reconciled(1, 50, 0, 0, 0, 0))
    for reference in (told, f"suspense {told}"):
        one = Difference(leg, scope, reference, "duplicate", "EUR", -900, -450, "2026-06-12")
        world.put(BREAKS, one.break_id, Break(one, is_in_bridge=True))
        assert codes(act(world, reconcile)) == (RefusalCode.OPEN_BREAK,)
        over = Break(one, is_in_bridge=True, is_open=False)
        world.put(BREAKS, one.break_id, over)
    assert len(events(act(world, reconcile))) == 1


def test_a_statement_nobody_issued_has_no_end():
    world = partner()
    command = CloseStatement(statement_id="STM-9")
    assert codes(act(world, command)) == (RefusalCode.STATEMENT_UNKNOWN,)
    assert follows(world, command) == ()
