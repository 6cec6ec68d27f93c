"""Booking the lines of a statement: each with what it settles, or to suspense with its reason.

The lines are decided in order on a world of their own, in which each sees what those before it did:
the payout that a statement confirms in one line and returns in the next, or the invoice that two
lines pay. A match that does not hold any more is never forced: the line waits on suspense.
"""

from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.domain import cases
from ledger.domain.money import bank_lines, breaks, payouts
from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE
from ledger.domain.money.bank_lines import LineBooked, match_rows
from ledger.domain.money.bank_rows import (
    OPERATING,
    SETTLED_ITEMS,
    SUSPENSE_ITEMS,
    BankAccount,
    BankLine,
    Match,
    names_item,
)
from ledger.domain.money.breaks import (
    AMOUNT,
    BREAK_COUNTS,
    BREAKS,
    CURRENCY,
    DUPLICATE,
    LEDGER_BANK,
    MISSING_LEDGER,
    Difference,
)
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payout_rows import CONFIRMED, PAYOUTS
from ledger.domain.money.payouts import (
    ConfirmPayout,
    PayoutConfirmedBank,
    PayoutReturned,
    ReturnPayout,
)
from ledger.domain.money.posting_dates import told_at
from ledger.domain.world import Key, Shelf, Stamp, World, touch
from ledger.kernel.messages import Actor, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode

DUE_DAYS = 5
"""Policy: so many days a line may wait on suspense before it is late."""

UNKNOWN, OVERPAID, STALE = "UNKNOWN", "OVERPAID", "MATCH_STALE"
UNKNOWN_DEBIT, SECOND_DEBIT, OTHER_CURRENCY = "UNKNOWN_DEBIT", "SECOND_DEBIT", "CURRENCY"
"""Why a line, or a part of it, waits on suspense."""

SYSTEM = Actor(id="system", role="system")

_MOVED = (PayoutConfirmedBank, PayoutReturned)
"""What happened at the bank on the day of a line; a case that it opens, when we heard of it."""


class LineToBook(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line as it was read, with what it seems to settle; `reason` where it settles nothing."""

    line: BankLine
    matches: tuple[Match, ...] = ()
    reason: str = ""


def payout_step(
    line: BankLine, match: Match, bank_account_id: str, kept_on: str = ""
) -> ConfirmPayout | ReturnPayout:
    """Give the command that ends a payout by a line: it left, or it came back.

    `kept_on` is the account of our books on which that of the bank is kept.
    """
    named: dict[str, Any] = {
        "payout_id": match.payout_id,
        "attempt": match.attempt,
        "bank_account": bank_account_id,
        "bank_line": line.line_id,
        "amount_minor": abs(match.amount_minor),
        "kept_on": "" if kept_on == OPERATING else kept_on,
    }
    if line.amount_minor < 0:
        return ConfirmPayout(**named)
    reason = line.return_code or "RETURNED"
    return ReturnPayout(**named, reason=reason, fee_minor=match.fee_minor)


def rows_of_line(one: LineToBook, bank_account_id: str, currency: str) -> list[Key]:
    """Name the rows that booking a line needs, as far as the line tells."""
    found = list(bank_lines.line_rows(one.line.line_id))
    found.append(touch(BREAK_COUNTS, LEDGER_BANK, bank_account_id))
    told = _alarms(one.line, bank_account_id, currency)
    found += [touch(BREAKS, each.break_id) for each in told]
    for match in one.matches:
        found += match_rows(match)
        if match.payout_id:
            found += payouts.touches(payout_step(one.line, match, bank_account_id))
    return found


def further_rows(world: World, one: LineToBook, bank_account_id: str) -> list[Key]:
    """Name the rows that are found through those of `rows_of_line`."""
    found: list[Key] = []
    for match in one.matches:
        if match.payout_id:
            step = payout_step(one.line, match, bank_account_id)
            found += payouts.follows(world, step)
    return found


def match_fault(
    world: World, line_minor: int, matches: tuple[Match, ...], currency: str
) -> RefusalCode | None:
    """Tell why matches cannot settle a line of this amount; None when they can."""
    sign = 1 if line_minor > 0 else -1
    settled = sum(match.on_line_minor for match in matches)
    if not all(_is_sound(match, sign) for match in matches) or not sign * settled >= 0:
        return RefusalCode.MATCH_INVALID
    if sign * settled > sign * line_minor:
        return RefusalCode.SUSPENSE_EXCEEDED
    seen: dict[str, int] = {}
    for match in matches:
        if not match.is_counted:
            continue
        row = world.get(SETTLED_ITEMS, match.item)
        before = seen.get(match.item, 0 if row is None else row.minor)
        if before != match.before_minor or not _fits(world, match, currency):
            return RefusalCode.MATCH_STALE
        seen[match.item] = before + match.amount_minor
    return None


def _is_sound(match: Match, sign: int) -> bool:
    amount = sign * match.amount_minor
    has_fee_account = match.fee_account in {"Expenses:Bank-Charges", "Expenses:PSP-Fees"}
    return (
        names_item(match)
        and 0 < amount <= QUANTITY_MAX
        and 0 <= match.fee_minor < max(amount, 1)
        and bool(match.fee_minor) == has_fee_account
    )


def _fits(world: World, match: Match, currency: str) -> bool:
    """Tell whether the item is there, and has at least so much open."""
    if match.account == RECEIVABLE:
        invoice = world.get(INVOICES, match.dims["invoice"])
        return (
            invoice is not None
            and invoice.driver_id == match.dims["driver"]
            and invoice.currency == currency
            and 0 < match.amount_minor <= invoice.open_minor  # a debit never unpays one
        )
    if match.account == SUSPENSE:
        other = world.get(SUSPENSE_ITEMS, match.dims["bank_line"])
        left = 0 if other is None or other.currency != currency else other.left_minor
        return left * match.amount_minor < 0 and abs(match.amount_minor) <= abs(left)
    return True


# Lines of a statement -----------------------------------------------------------


class Booking:
    """Decides line after line on a copy of the world; `drafts` is what came of it."""

    def __init__(self, world: World, account: BankAccount, statement_key: str, at: int) -> None:
        """Begin with what the batch has loaded."""
        self.world = World()
        for name, rows in world.shelves():
            self.world.admit(Shelf(name, msgspec.Struct), dict(rows))
        self.account = account
        self.statement_key = statement_key
        self.at = at
        self.drafts: list[Draft] = []

    def book(self, one: LineToBook, assignee_id: str) -> None:
        """Book one line, and what it ends, on the day on which the bank booked it."""
        line, account = one.line, self.account
        fault = match_fault(self.world, line.amount_minor, one.matches, account.currency)
        ended: list[Draft] = []
        reason = one.reason
        if fault is None:
            for match in one.matches:
                outcome = self._end_payout(line, match)
                if isinstance(outcome, Refusal):
                    fault = outcome.code
                    break
                ended += outcome
        matches = one.matches if fault is None else ()
        if fault is not None:
            reason, ended = self._reason(one, line), []
        rest = line.amount_minor - sum(match.on_line_minor for match in matches)
        if rest and not reason:
            reason = OVERPAID if matches else UNKNOWN
        told = _alarm(line, matches, reason if rest else "", account)
        is_new = told is not None and not self._is_open(told)
        event = LineBooked(
            line_id=line.line_id,
            bank_account_id=account.bank_account_id,
            currency=account.currency,
            ledger_account=account.ledger_account,
            line=line,
            matches=matches,
            statement_key=self.statement_key,
            reason=reason if rest else "",
            assignee_id=assignee_id if rest else "",
            due_on=_due(line.booked_on) if rest else "",
            break_id=told.break_id if told is not None and rest else "",
        )
        at = told_at(self.world, line.booked_on, self.at)
        self._add(Draft(event, occurred_at=at), bank_lines.evolve)
        for draft in ended:
            self._add(draft, payouts.evolve)
        if told is not None and is_new:
            self._add(Draft(breaks.alarm(told)), breaks.evolve)

    def _end_payout(self, line: BankLine, match: Match) -> Outcome:
        if not match.payout_id:
            return ()
        account = self.account
        step = payout_step(line, match, account.bank_account_id, account.ledger_account)
        request = Request(bytes(16), SYSTEM.id, SYSTEM, self.at, step)
        outcome = payouts.decide(self.world, step, request)
        if isinstance(outcome, Refusal):
            return outcome
        at = told_at(self.world, line.booked_on, self.at)
        return tuple(
            replace(one, occurred_at=at) if isinstance(one.event, _MOVED) else one
            for one in outcome
        )

    def _reason(self, one: LineToBook, line: BankLine) -> str:
        """Say why matches do not hold: a payout that left already, or anything else."""
        for match in one.matches:
            row = self.world.get(PAYOUTS, match.payout_id) if match.payout_id else None
            if row is not None and row.state == CONFIRMED and line.amount_minor < 0:
                return SECOND_DEBIT
        return STALE if line.amount_minor > 0 else UNKNOWN_DEBIT

    def _is_open(self, told: Difference) -> bool:
        row = self.world.get(BREAKS, told.break_id)
        return row is not None and row.is_open

    def fold(self, draft: Draft) -> None:
        """Take in a draft of bank lines that goes before those of the lines to come."""
        self._add(draft, bank_lines.evolve)

    def waits(self, line_id: str) -> bool:
        """Tell whether something of a line is on suspense now."""
        item = self.world.get(SUSPENSE_ITEMS, line_id)
        return item is not None and bool(item.left_minor)

    def _add(self, draft: Draft, evolve: object) -> None:
        base = len(self.drafts)
        moved = replace(draft, after=tuple(base + index for index in draft.after))
        self.drafts.append(moved)
        event: Event = draft.event
        fold = cases.evolve if isinstance(event, cases.CaseOpened) else evolve
        fold(self.world, event, Stamp(0, self.at, self.at))  # type: ignore[operator]


def _due(booked_on: str) -> str:
    return (date.fromisoformat(booked_on) + timedelta(days=DUE_DAYS)).isoformat()


def _alarm(
    line: BankLine, matches: tuple[Match, ...], reason: str, account: BankAccount
) -> Difference | None:
    """Give the break that a booked line opens at once; None where a person need not hurry."""
    left = sum(match.left_minor for match in matches)
    kind = {SECOND_DEBIT: DUPLICATE, OTHER_CURRENCY: CURRENCY}.get(reason, "")
    if not kind and line.amount_minor < 0 and reason:
        kind = MISSING_LEDGER
    if not kind and left:
        kind = AMOUNT
    told = _alarms(line, account.bank_account_id, account.currency, left)
    return next((each for each in told if each.kind == kind), None)


_PRIORITIES = {MISSING_LEDGER: 1, DUPLICATE: 1, CURRENCY: 2, AMOUNT: 3}


def _alarms(
    line: BankLine, bank_account_id: str, currency: str, left_minor: int = 0
) -> list[Difference]:
    """List every break that a line could open."""
    return [
        Difference(
            leg=LEDGER_BANK,
            scope=bank_account_id,
            reference=f"suspense {line.line_id}",
            kind=kind,
            currency=currency,
            external_minor=line.amount_minor,
            ledger_minor=line.amount_minor + left_minor if kind == AMOUNT else 0,
            since_on=line.booked_on,
            priority=priority,
        )
        for kind, priority in _PRIORITIES.items()
    ]
