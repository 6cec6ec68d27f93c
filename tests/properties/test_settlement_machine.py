"""Random cycles of settlement: no line is lost or paid twice, and the sub-ledgers agree.

Invariants 9 and 10 of the money handbook, after every step: a line is in at most one statement, and
statements and open lines are all lines; what stands on 2100 is what was earned less what was
approved; 2110 is what is approved and not paid, by statement; 2120 is what is in flight, by payout.
"""

import sys
from collections import Counter
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.domain.money.accounts import PARTNERS_ACCRUED, item_of
from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.breaks import LEDGER_BANK
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.documents import StatementLine, statement_lines
from ledger.domain.money.line_resolutions import (
    CloseLineDispute,
    EscalateLineDispute,
    ReviewLineDispute,
    WithdrawLineDispute,
)
from ledger.domain.money.payout_batches import ApprovePayouts, ReleasePayouts, WithdrawPayouts
from ledger.domain.money.payout_plans import CancelPayout
from ledger.domain.money.payout_rows import (
    IN_FLIGHT,
    PAYABLES,
    PAYOUT_BATCHES,
    PAYOUTS,
    Payables,
)
from ledger.domain.money.payouts import ConfirmPayout, RejectPayout, ReturnPayout
from ledger.domain.money.periods import Ranges
from ledger.domain.money.reconciling import RECONCILED_LEGS, Reconciled
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.settlement_ends import ReconcileStatement
from ledger.domain.money.settlement_rows import SETTLED, STATEMENTS, Statement
from ledger.domain.money.settlement_steps import (
    CalculateStatement,
    CancelStatement,
    SubmitStatement,
)
from ledger.domain.money.templates_partners import IN_FLIGHT as FLYING
from ledger.domain.money.templates_partners import PARTNERS_APPROVED
from ledger.domain.world import key_of
from ledger.kernel.messages import Draft, Event
from ledger.kernel.refusal import Refusal
from tests.support.cycles import (
    BOTH,
    accept,
    approve_statement,
    cutting,
    disputing,
    publish,
)
from tests.support.partners import LATER, PAYER, SHA, partner, plan
from tests.support.rules import act, fold

PLACES = st.integers(0, 9)
_EARLY = ("cut", "calculated", "under_review", "issued", "accepted", "partly_disputed", "disputed")
SHARES = {"OP-1": 180, "MG": 420}


class Settling(RuleBasedStateMachine):
    """One partner, whose swaps are shared, settled, disputed, paid and paid back at random."""

    def __init__(self) -> None:
        super().__init__()
        self.world = partner(netting=True)
        compared = Reconciled(1, 2**53, 0, 0, 0, 0)  # runs find whatever the bank confirms
        self.world.put(RECONCILED_LEGS, key_of(LEDGER_BANK, "BA-1"), compared)
        self.balances: Counter[tuple[str, str]] = Counter()
        self.lines: list[StatementLine] = []
        self.shares: dict[int, ShareAccrued] = {}
        self.inside: dict[str, list[StatementLine]] = {}
        self.approved = 0
        self.names = 0

    # what the machine does

    def new_name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}-{self.names}"

    def posted(self, event: Event) -> None:
        for line in sys.modules[type(event).__module__].postings(event):
            self.balances[line.account, item_of(line)] += line.quantity

    def take(self, outcome: tuple[Draft, ...] | Refusal) -> tuple[Draft, ...]:
        """Count what an outcome posts; a refusal must leave everything as it is."""
        if isinstance(outcome, Refusal):
            return ()
        end = self.world.position
        for place, draft in enumerate(outcome):
            self.posted(draft.event)
            self.seen(end - len(outcome) + 1 + place, draft.event)
            if draft.event.kind == "statement.approved":
                self.approved += sum(one.total_minor for one in draft.event.amounts)  # type: ignore[attr-defined]
            if draft.event.kind == "line_dispute.closed":
                self.approved += sum(one.total_minor for one in draft.event.amounts)  # type: ignore[attr-defined]
        return outcome

    def seen(self, position: int, event: Event) -> None:
        if isinstance(event, ShareAccrued | ShareReversed):
            self.lines += statement_lines(position, event, "OP-1")
        if isinstance(event, ShareAccrued):
            self.shares[position] = event

    def do(self, command: Any, at: int = LATER) -> tuple[Draft, ...]:
        outcome = act(self.world, command, at=at, actor=BOTH)
        self.world.position = self.latest(outcome)
        return self.take(outcome)

    def latest(self, outcome: tuple[Draft, ...] | Refusal) -> int:
        """Know the position of the last entry: the rules' helper counts it on its own copy."""
        rows = [self.world.position]
        if not isinstance(outcome, Refusal) and outcome:
            probe = ShareAccrued(**self.usage(0))
            fold(self.world, probe)  # takes the next number, so the last one is known
            rows.append(self.world.position - 1)
        return max(rows)

    def usage(self, extra: int) -> dict[str, Any]:
        shares = {"OP-1": SHARES["OP-1"] + extra, "MG": SHARES["MG"] - extra}
        return {
            "usage_id": "CS-1",
            "usage_kind": "charging_session",
            "station_id": "ST-1",
            "partner_id": "OP-1",
            "contract_id": "CO-1",
            "contract_version": 1,
            "currency": "EUR",
            "base": "SERVICE_NET",
            "base_minor": 600,
            "ours": "MG",
            "shares": shares,
            "service_start_at": 1,
        }

    def statements(self, *states: str) -> list[Statement]:
        rows = sorted(self.world.rows(STATEMENTS))
        return [row for _, row in rows if row.state in states]

    def payouts(self, *states: str) -> list[Any]:
        return [row for _, row in sorted(self.world.rows(PAYOUTS)) if row.state in states]

    # rules

    @rule(extra=st.integers(-500, 200))
    def earn(self, extra: int) -> None:
        event = ShareAccrued(**self.usage(extra))
        fold(self.world, event)
        self.posted(event)
        self.seen(self.world.position, event)

    @rule(extra=st.integers(-500, 200), far=st.integers(0, 6))
    def cut(self, extra: int, far: int) -> None:
        """Cut a statement over what is new, and take it some steps on."""
        self.earn(extra)
        self.earn(0)
        settled = self.world.get(SETTLED, "OP-1") or Ranges()
        begin = settled.spans[-1][1] if settled.spans else -1
        end = self.world.position
        lines = [one for one in self.lines if begin < one.position <= end]
        command = cutting(lines, from_position=begin, to_position=end)
        for draft in self.do(command):
            name = draft.event.statement_id  # type: ignore[attr-defined]
            self.inside[name] = lines
            for _ in range(far):
                self.step(name, is_last=far == 2)

    def step(self, name: str, *, is_last: bool = False) -> None:
        row = self.world.need(STATEMENTS, name)
        said = row.calculation
        match row.state:
            case "cut":
                steps = {"calculation": said, "recalculation": said}
                self.do(CalculateStatement(statement_id=name, **steps))
            case "calculated" if is_last:
                self.do(CancelStatement(statement_id=name, reason="again"))
                self.inside.pop(name)
            case "calculated":
                self.do(SubmitStatement(statement_id=name))
            case "under_review":
                self.take(publish(self.world, name, LATER))
            case "issued":
                self.take(accept(self.world, name, at=LATER))
            case "accepted" | "partly_disputed" | "disputed":
                self.take(approve_statement(self.world, name, at=LATER))
            case _:
                pass

    @rule(place=PLACES)
    def go_on(self, place: int) -> None:
        rows = self.statements(*_EARLY)
        if rows:
            self.step(rows[place % len(rows)].statement_id)

    @rule(place=PLACES, number=PLACES)
    def dispute(self, place: int, number: int) -> None:
        rows = self.statements("issued")
        if not rows:
            return
        row = rows[place % len(rows)]
        lines = self.inside[row.statement_id]
        dispute_id = self.new_name("LD")
        told = {"document_id": row.statement_id, "dispute_id": dispute_id}
        self.do(disputing(lines, number % len(lines), **told))

    @rule(place=PLACES, verdict=st.sampled_from(["UPHELD", "REJECTED", "WITHDRAWN", "ESCALATED"]))
    def settle(self, place: int, verdict: str) -> None:
        rows = [row for _, row in sorted(self.world.rows(LINE_DISPUTES)) if row.is_open]
        if not rows:
            return
        row = rows[place % len(rows)]
        name, reason = row.dispute_id, "because"
        self.do(ReviewLineDispute(dispute_id=name))
        if verdict == "WITHDRAWN":
            self.do(WithdrawLineDispute(dispute_id=name, reason=reason))
        elif verdict == "ESCALATED":
            self.do(EscalateLineDispute(dispute_id=name, reason=reason))
        else:
            command = CloseLineDispute(dispute_id=name, verdict=verdict, reason=reason)
            original = self.shares.get(row.position)
            if verdict == "UPHELD" and original is not None:
                shares = {"OP-1": original.shares["OP-1"] - 7, "MG": original.shares["MG"] + 7}
                command = msgspec.structs.replace(command, original=original, shares=shares)
            self.do(command)

    @rule(far=st.integers(0, 4))
    def pay(self, far: int) -> None:
        """Plan what is owed, and take it some steps on."""
        names = tuple(one.statement_id for one in self.payables().open if one.free_minor > 0)
        if not names:
            return
        self.take(plan(self.world, self.new_name("PO"), statements=names))
        for step in (self.order, self.release)[:far]:
            step(0)

    @rule(place=PLACES)
    def order(self, place: int) -> None:
        rows = self.payouts("PLANNED")
        if not rows:
            return
        row = rows[place % len(rows)]
        if place == 9:
            self.do(CancelPayout(payout_id=row.payout_id))
            return
        command = ApprovePayouts(
            batch_id=self.new_name("PB"),
            payouts=(row.payout_id,),
            bank_account="BA-1",
            pay_on="2026-06-12",
            approved_at=LATER,
            file_sha256=SHA,
        )
        self.do(command)

    @rule(place=PLACES)
    def release(self, place: int) -> None:
        batches = sorted(self.world.rows(PAYOUT_BATCHES))
        rows = [row for _, row in batches if row.state == "APPROVED"]
        if not rows:
            return
        batch = rows[place % len(rows)].batch_id
        if place == 9:
            self.do(WithdrawPayouts(batch_id=batch))
            return
        command = ReleasePayouts(batch_id=batch, file_sha256=SHA)
        self.take(act(self.world, command, at=LATER, actor=PAYER))

    @rule(place=PLACES, way=st.sampled_from(["confirm", "reject", "return", "again"]))
    def bank(self, place: int, way: str) -> None:
        rows = self.payouts(*IN_FLIGHT, "CONFIRMED", "REJECTED", "RETURNED")
        if not rows:
            return
        row = rows[place % len(rows)]
        step = {"payout_id": row.payout_id, "attempt": row.attempt}
        line = {"bank_account": "BA-1", "amount_minor": row.amount_minor}
        match way:
            case "confirm":
                self.do(ConfirmPayout(**step, **line, bank_line=f"BL-{row.payout_id}"))
            case "reject":
                self.do(RejectPayout(**step, reason="AC04"))
            case "return":
                back = ReturnPayout(**step, **line, bank_line="BL-0", reason="AC04", fee_minor=3)
                self.do(back)
            case _:
                free = [one for one in self.payables().open if one.free_minor > 0]
                names = tuple(one.statement_id for one in free)
                self.take(plan(self.world, row.payout_id, statements=names))

    @rule(place=PLACES)
    def reconcile(self, place: int) -> None:
        rows = self.statements("approved", "confirmed")
        if rows:
            self.do(ReconcileStatement(statement_id=rows[place % len(rows)].statement_id))

    # invariants

    def payables(self) -> Payables:
        return self.world.get(PAYABLES, "OP-1") or Payables("OP-1")

    @invariant()
    def no_line_is_in_two_statements_or_lost(self) -> None:
        names = [(one.position, one.posting_index) for one in self.lines]
        settled = [
            (one.position, one.posting_index) for lines in self.inside.values() for one in lines
        ]
        assert len(settled) == len(set(settled))
        assert set(settled) <= set(names)
        spans = (self.world.get(SETTLED, "OP-1") or Ranges()).spans
        covered = {name for name in names if any(begin < name[0] <= end for begin, end in spans)}
        assert covered == set(settled)

    @invariant()
    def accrued_is_what_was_earned_less_what_was_approved(self) -> None:
        earned = sum(one.share_minor for one in self.lines)
        assert -self.balances[PARTNERS_ACCRUED, "OP-1"] == earned - self.approved

    @invariant()
    def approved_is_what_is_owed_and_not_paid_by_statement(self) -> None:
        owed = {one.statement_id: one.owed_minor for one in self.payables().open}
        for (account, item), quantity in self.balances.items():
            if account == PARTNERS_APPROVED:
                assert -quantity == owed.pop(item.partition("|")[2], 0)
        assert not any(owed.values())

    @invariant()
    def in_flight_is_what_payouts_have_on_their_way(self) -> None:
        flying = {row.payout_id: row.amount_minor for row in self.payouts(*IN_FLIGHT)}
        for (account, item), quantity in self.balances.items():
            if account == FLYING:
                assert -quantity == flying.pop(item, 0)
        assert not flying

    @invariant()
    @precondition(lambda self: self.inside)
    def a_statement_owes_what_its_payables_say(self) -> None:
        payables = self.payables()
        for row in self.statements("confirmed", "reconciled", "closed"):
            assert payables.is_paid(row.statement_id)
        for one in payables.open:
            assert 0 <= one.planned_minor <= one.owed_minor
            assert one.in_flight_minor >= 0

    @invariant()
    def the_books_sum_to_zero(self) -> None:
        assert sum(self.balances.values()) == 0


Settling.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
test_random_cycles_lose_nothing_and_pay_nothing_twice = Settling.TestCase
