"""Bank lines: each movement of a bank statement, posted once, and taken back exactly.

A line settles what its matches name; the rest stands on suspense under the line's id. It happened
on the day on which the bank booked it, whenever we hear of it, and stands in the books of that day
while they are open (money handbook 11.2). Taking a line back reverses every entry that settled
something of it, newest first, and leaves all of it on suspense. What ended a payout is the payout's
business and cannot be taken back here.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_bank as templates
from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    POSTED,
    SETTLED_ITEMS,
    SUSPENSE_ITEMS,
    BankLine,
    BankLineRow,
    Identified,
    Match,
    Settled,
    SuspenseItem,
)
from ledger.domain.money.breaks import TEXT_MAX
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.posting_dates import THE_CALENDAR, told_at
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (BANK_LINES, SETTLED_ITEMS, SUSPENSE_ITEMS)
FOLDS: tuple[type[Event], ...] = ()

UNMATCHED = "UNMATCHED"
"""Why a line is on suspense that was taken back."""

# Commands ---------------------------------------------------------------------


class UnmatchBankLine(Command):
    """Take back all that a line settled: exact reversals, and the line on suspense again."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    line_id: str
    reason: str


BankLinesCommand = UnmatchBankLine

# Events -----------------------------------------------------------------------


class LineStep(Event):
    """What every entry of a line tells, so that its postings follow from it alone."""

    line_id: str
    bank_account_id: str
    currency: str
    ledger_account: str


class LineBooked(LineStep, kw_only=True):
    """A line was posted: what it settles, and what of it nobody knows yet."""

    kind: ClassVar[str] = "bank.line_booked"

    line: BankLine
    matches: tuple[Match, ...] = ()
    statement_key: str = ""
    reason: str = ""
    assignee_id: str = ""
    due_on: str = ""
    break_id: str = ""


class LineUnmatched(LineStep, kw_only=True):
    """The posting of a line was taken back."""

    kind: ClassVar[str] = "bank.line_unmatched"

    amount_minor: int
    matches: tuple[Match, ...] = ()
    reason: str


class SuspenseIdentified(LineStep, kw_only=True):
    """A part of a line on suspense, or all of it, is known now."""

    kind: ClassVar[str] = "suspense.identified"

    matches: tuple[Match, ...]
    reason: str = ""


class SuspenseUnidentified(LineStep, kw_only=True):
    """What was known of a line on suspense was wrong, and is taken back."""

    kind: ClassVar[str] = "suspense.unidentified"

    matches: tuple[Match, ...]
    reason: str


BankLinesEvent = LineBooked | LineUnmatched | SuspenseIdentified | SuspenseUnidentified

# touches ----------------------------------------------------------------------


def touches(command: BankLinesCommand) -> Keys:
    """Read the line and its part on suspense."""
    return line_rows(command.line_id)


def line_rows(line_id: str) -> tuple[Key, ...]:
    """Name the rows of a line, and the calendar that its day is read by."""
    return touch(BANK_LINES, line_id), touch(SUSPENSE_ITEMS, line_id), THE_CALENDAR


def follows(world: World, command: BankLinesCommand) -> Keys:
    """Read what the line settled."""
    return settled_rows(world, command.line_id)


def settled_rows(world: World, line_id: str) -> list[Key]:
    """Name the rows of all that a line settled; its own rows are loaded."""
    row, item = world.get(BANK_LINES, line_id), world.get(SUSPENSE_ITEMS, line_id)
    found = [] if row is None else [touch(BANK_ACCOUNTS, row.bank_account_id)]
    matches = () if row is None else row.matches
    known = () if item is None else item.identified
    for one in (*matches, *(match for each in known for match in each.matches)):
        found += match_rows(one)
    return found


def match_rows(match: Match) -> tuple[Key, ...]:
    """Name the rows that a match is tested on and moves; payouts are named by who ends them."""
    if not match.is_counted:
        return ()
    settled = touch(SETTLED_ITEMS, match.item)
    if match.account == RECEIVABLE:
        return settled, touch(INVOICES, match.dims.get("invoice", ""))
    if match.account == SUSPENSE:
        return settled, touch(SUSPENSE_ITEMS, match.dims.get("bank_line", ""))
    return (settled,)


# decide -----------------------------------------------------------------------


def decide(world: World, command: BankLinesCommand, request: Request) -> Outcome:
    """Take a posted line back, unless it ended a payout or has nothing to be taken back."""
    facts: dict[str, str | int] = {"line": command.line_id[:40]}
    row = world.get(BANK_LINES, command.line_id)
    if row is None:
        return Refusal(RefusalCode.BANK_LINE_UNKNOWN, facts)
    item = world.get(SUSPENSE_ITEMS, command.line_id)
    known = () if item is None else item.identified
    is_bound = any(match.payout_id for match in row.matches)
    tests = (
        (not 0 < len(command.reason) <= TEXT_MAX, RefusalCode.REASON_MISSING),
        (is_bound or not (row.matches or known), RefusalCode.BANK_LINE_STATE),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {**facts, "state": row.state})
    told = told_of(world, row)
    drafts = [
        Draft(
            SuspenseUnidentified(**told, matches=one.matches, reason=command.reason),
            reverses=one.position,
        )
        for one in reversed(known)
    ]
    if row.matches:
        drafts += rebooked(world, row, command.reason, request.at)
        again = waits(world, row, UNMATCHED, request.actor.id)
        drafts.append(Draft(again, occurred_at=told_at(world, row.line.booked_on, request.at)))
    return tuple(drafts)


def told_of(world: World, row: BankLineRow) -> dict[str, Any]:
    """Give what every entry of a line tells."""
    return {
        "line_id": row.line.line_id,
        "bank_account_id": row.bank_account_id,
        "currency": row.currency,
        "ledger_account": world.need(BANK_ACCOUNTS, row.bank_account_id).ledger_account,
    }


def rebooked(world: World, row: BankLineRow, reason: str, now: int) -> list[Draft]:
    """Take the posting of a line back, as of the day of the line: as of no day it stands twice."""
    event = LineUnmatched(
        **told_of(world, row),
        amount_minor=row.line.amount_minor,
        matches=row.matches,
        reason=reason,
    )
    at = told_at(world, row.line.booked_on, now)
    return [Draft(event, occurred_at=at, reverses=row.position)]


def waits(world: World, row: BankLineRow, reason: str, assignee_id: str) -> LineBooked:
    """Post a line to suspense, in somebody's care."""
    return LineBooked(
        **told_of(world, row),
        line=row.line,
        statement_key=row.statement_key,
        reason=reason,
        assignee_id=assignee_id,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BankLinesEvent, stamp: Stamp) -> None:
    """Keep the line, count what it settled, keep what is on suspense."""
    match event:
        case LineBooked():
            _booked(world, event, stamp)
        case LineUnmatched():
            _move_items(world, event.matches, -1)
            row = world.need(BANK_LINES, event.line_id)
            taken = replace(row, matches=(), rest_minor=0)
            world.put(BANK_LINES, event.line_id, taken)
            item = world.get(SUSPENSE_ITEMS, event.line_id)
            if item is not None:
                nothing = replace(item, amount_minor=0, left_minor=0)
                world.put(SUSPENSE_ITEMS, event.line_id, nothing)
        case SuspenseIdentified():
            item = world.need(SUSPENSE_ITEMS, event.line_id)
            known = (*item.identified, Identified(stamp.position, event.matches))
            left = item.left_minor - _on_line(event.matches)
            moved = replace(item, left_minor=left, identified=known)
            world.put(SUSPENSE_ITEMS, event.line_id, moved)
            _move_items(world, event.matches, 1)
        case SuspenseUnidentified():
            item = world.need(SUSPENSE_ITEMS, event.line_id)
            left = item.left_minor + _on_line(event.matches)
            moved = replace(item, left_minor=left, identified=item.identified[:-1])
            world.put(SUSPENSE_ITEMS, event.line_id, moved)
            _move_items(world, event.matches, -1)
        case _ as unknown:
            assert_never(unknown)


def _on_line(matches: tuple[Match, ...]) -> int:
    return sum(match.on_line_minor for match in matches)


def _booked(world: World, event: LineBooked, stamp: Stamp) -> None:
    line = event.line
    rest = line.amount_minor - _on_line(event.matches)
    row = BankLineRow(
        line=line,
        bank_account_id=event.bank_account_id,
        currency=event.currency,
        state=POSTED,
        position=stamp.position,
        matches=event.matches,
        rest_minor=rest,
        reason=event.reason,
        statement_key=event.statement_key,
    )
    world.put(BANK_LINES, event.line_id, row)
    _move_items(world, event.matches, 1)
    if rest:
        item = SuspenseItem(
            line_id=event.line_id,
            bank_account_id=event.bank_account_id,
            currency=event.currency,
            amount_minor=rest,
            left_minor=rest,
            reason=event.reason,
            opened_on=line.booked_on,
            assignee_id=event.assignee_id,
            due_on=event.due_on,
            break_id=event.break_id,
        )
        world.put(SUSPENSE_ITEMS, event.line_id, item)


def _move_items(world: World, matches: tuple[Match, ...], sign: int) -> None:
    for match in matches:
        if not match.is_counted:
            continue
        amount = sign * match.amount_minor
        before = world.get(SETTLED_ITEMS, match.item)
        total = amount if before is None else before.minor + amount
        world.put(SETTLED_ITEMS, match.item, Settled(total))
        if match.account == RECEIVABLE:
            invoice_no = match.dims["invoice"]
            invoice = world.need(INVOICES, invoice_no)
            paid = replace(invoice, paid_minor=invoice.paid_minor + amount)
            world.put(INVOICES, invoice_no, paid)
        elif match.account == SUSPENSE:
            line_id = match.dims["bank_line"]
            other = world.need(SUSPENSE_ITEMS, line_id)
            left = replace(other, left_minor=other.left_minor + amount)
            world.put(SUSPENSE_ITEMS, line_id, left)


# postings ---------------------------------------------------------------------


def postings(event: BankLinesEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of the bank."""
    where = templates.AtBank(event.ledger_account, event.bank_account_id, event.line_id)
    match event:
        case LineBooked():
            amount = event.line.amount_minor
            return templates.bank_line(event.currency, amount, event.matches, where)
        case LineUnmatched():
            posted = templates.bank_line(event.currency, event.amount_minor, event.matches, where)
            return templates.taken_back(posted)
        case SuspenseIdentified():
            return templates.suspense_identified(event.currency, event.matches, event.line_id)
        case SuspenseUnidentified():
            known = templates.suspense_identified(event.currency, event.matches, event.line_id)
            return templates.taken_back(known)
        case _ as unknown:
            assert_never(unknown)
