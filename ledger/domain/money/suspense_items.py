"""Suspense: money on 2900 that somebody looks after until it is known, and the cents let go.

Identifying moves a part of a line, or all of it, to what it settles. A line that turns out to end a
payout is taken back whole and booked anew. Differences up to a limit may be let go by two persons.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.money import bank_lines
from ledger.domain.money import templates_bank as templates
from ledger.domain.money.bank_booking import (
    Booking,
    LineToBook,
    further_rows,
    match_fault,
    rows_of_line,
)
from ledger.domain.money.bank_lines import (
    SuspenseIdentified,
    match_rows,
    rebooked,
    settled_rows,
    told_of,
)
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    PARTNERS_OWE,
    SUSPENSE_ITEMS,
    BankLine,
    BankLineRow,
    Match,
    SuspenseItem,
)
from ledger.domain.money.breaks import (
    BREAKS,
    TEXT_MAX,
    BreakResolved,
    count_rows,
    note_fault,
    noted,
)
from ledger.domain.money.invoice_policy import policy_of, policy_row
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class IdentifySuspense(Command):
    """Say what a line on suspense was, or a part of it."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    line_id: str
    matches: tuple[Match, ...]
    reason: str = ""


class NoteSuspense(Command):
    """Say who looks after a line, until when, what is waited for; what is empty stays."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    line_id: str
    assignee_id: str = ""
    due_on: str = ""
    hold_until: str = ""
    reason: str = ""
    document_request: str = ""


class AcceptRounding(Command):
    """Let a small difference of a partner go; positive lowers what he owes. Two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    partner_id: str
    statement: str
    currency: str
    amount_minor: int
    reason: str


SuspenseItemsCommand = IdentifySuspense | NoteSuspense | AcceptRounding

# Events -----------------------------------------------------------------------


class SuspenseNoted(Event):
    """Somebody looks after a line on suspense."""

    kind: ClassVar[str] = "suspense.noted"

    line_id: str
    assignee_id: str = ""
    due_on: str = ""
    hold_until: str = ""
    reason: str = ""
    document_request: str = ""


class RoundingAccepted(Event):
    """A small difference of a partner was let go."""

    kind: ClassVar[str] = "rounding.accepted"

    partner_id: str
    statement: str
    currency: str
    amount_minor: int
    reason: str


SuspenseItemsEvent = SuspenseNoted | RoundingAccepted

# touches ----------------------------------------------------------------------


def touches(command: SuspenseItemsCommand) -> Keys:
    """Read the line, and what it shall settle."""
    if isinstance(command, AcceptRounding):
        return (policy_row(),)
    found = list(bank_lines.line_rows(command.line_id))
    if isinstance(command, IdentifySuspense):
        for match in command.matches:
            found += match_rows(match)
    return found


def follows(world: World, command: SuspenseItemsCommand) -> Keys:
    """Read the account of the line, its alarm, and what a payout leads to."""
    if not isinstance(command, IdentifySuspense) or not world.is_loaded(
        BANK_LINES, command.line_id
    ):
        return ()
    row, item = _found(world, command.line_id)
    if row is None or item is None:
        return ()
    found: list[Key] = [touch(BANK_ACCOUNTS, row.bank_account_id)]
    found += settled_rows(world, command.line_id)
    if item.break_id:
        found += count_rows(world, item.break_id)
    again = _again(row.line, command)
    found += rows_of_line(again, row.bank_account_id, row.currency)
    return [*found, *further_rows(world, again, row.bank_account_id)]


def _found(world: World, line_id: str) -> tuple[BankLineRow | None, SuspenseItem | None]:
    return world.get(BANK_LINES, line_id), world.get(SUSPENSE_ITEMS, line_id)


def _again(line: BankLine, command: IdentifySuspense) -> LineToBook:
    return LineToBook(line, command.matches)


# decide -----------------------------------------------------------------------


def decide(world: World, command: SuspenseItemsCommand, request: Request) -> Outcome:
    """Identify what is there; note what waits; let go what is small."""
    if isinstance(command, AcceptRounding):
        return _let_go(world, command)
    row, item = _found(world, command.line_id)
    facts: dict[str, str | int] = {"line": command.line_id[:40]}
    if row is None:
        return Refusal(RefusalCode.BANK_LINE_UNKNOWN, facts)
    if item is None or not item.left_minor:
        return Refusal(RefusalCode.BANK_LINE_STATE, facts)
    match command:
        case IdentifySuspense():
            return _identify(world, command, row, item, request)
        case NoteSuspense():
            fault = note_fault(command)
            if fault:
                return Refusal(RefusalCode.NOTE_INVALID, {**facts, "field": fault})
            return (Draft(SuspenseNoted(**asdict(command))),)
        case _ as unknown:
            assert_never(unknown)


def _identify(
    world: World,
    command: IdentifySuspense,
    row: BankLineRow,
    item: SuspenseItem,
    request: Request,
) -> Outcome:
    facts: dict[str, str | int] = {"line": item.line_id, "left": item.left_minor}
    if not command.matches or len(command.reason) > TEXT_MAX:
        return Refusal(RefusalCode.MATCH_INVALID, facts)
    if any(match.payout_id for match in command.matches):
        return _rebook(world, command, row, item, request)
    fault = match_fault(world, item.left_minor, command.matches, item.currency)
    if fault is not None:
        return Refusal(fault, facts)
    event = SuspenseIdentified(
        **told_of(world, row), matches=command.matches, reason=command.reason
    )
    left = item.left_minor - sum(match.on_line_minor for match in command.matches)
    return (Draft(event), *_calm(world, item, left))


def _rebook(
    world: World,
    command: IdentifySuspense,
    row: BankLineRow,
    item: SuspenseItem,
    request: Request,
) -> Outcome:
    """Take the line back from suspense and book it anew, so that it ends its payout."""
    facts: dict[str, str | int] = {"line": item.line_id, "left": item.left_minor}
    if row.matches or not item.is_whole:
        return Refusal(RefusalCode.BANK_LINE_STATE, facts)
    taken = rebooked(world, row, command.reason or "matched", request.at)
    account = world.need(BANK_ACCOUNTS, row.bank_account_id)
    booking = Booking(world, account, row.statement_key, request.at)
    for draft in taken:
        booking.fold(draft)
    booking.book(_again(row.line, command), request.actor.id)
    if booking.waits(item.line_id):
        return Refusal(RefusalCode.MATCH_STALE, facts)
    return (*booking.drafts, *_calm(world, item, 0))


def _calm(world: World, item: SuspenseItem, left_minor: int) -> list[Draft]:
    """Resolve the alarm of a line of which nothing is left on suspense."""
    alarm = world.get(BREAKS, item.break_id) if item.break_id else None
    if left_minor or alarm is None or not alarm.is_open:
        return []
    event = BreakResolved(break_id=item.break_id, resolution="the line is known")
    return [Draft(event)]


def _let_go(world: World, command: AcceptRounding) -> Outcome:
    most = policy_of(world).rounding_max_minor
    tests = (
        (command.currency not in EXPONENTS, RefusalCode.COMMODITY_UNKNOWN),
        (command.amount_minor == 0, RefusalCode.QUANTITY_ZERO),
        (not 0 < len(command.reason) <= TEXT_MAX, RefusalCode.REASON_MISSING),
        (abs(command.amount_minor) > most, RefusalCode.LIMIT_BREACHED),
        (not is_id(command.partner_id), RefusalCode.MATCH_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"partner": command.partner_id[:40]})
    return (Draft(RoundingAccepted(**asdict(command))),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SuspenseItemsEvent, _stamp: Stamp) -> None:
    """Keep who looks after a line."""
    match event:
        case SuspenseNoted():
            item = world.need(SUSPENSE_ITEMS, event.line_id)
            moved = noted(item, event)
            kept = replace(moved, reason=item.reason, note=event.reason or item.note)
            world.put(SUSPENSE_ITEMS, event.line_id, kept)
        case RoundingAccepted():
            pass
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: SuspenseItemsEvent) -> tuple[Posting, ...]:
    """Move the cents that were let go."""
    if isinstance(event, SuspenseNoted):
        return ()
    named = {"partner": event.partner_id}
    named |= {"statement": event.statement} if event.statement else {}
    return templates.rounding_accepted(event.currency, event.amount_minor, PARTNERS_OWE, named)
