"""Bank statements: booked whole or not at all, in the order in which the bank wrote them.

A statement that does not follow its predecessor, or contradicts itself, goes into quarantine: it
posts nothing, and waits for the file that is missing or for two persons with a reason. The same
statement again changes nothing; the same id with other content is a conflict, and the first stands.
Notices of single movements (camt.054) are provisional until a statement books them.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, case_id_of, opened
from ledger.domain.money.bank_booking import Booking, LineToBook, further_rows, rows_of_line
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    BANK_STATEMENTS,
    CAME_GOOD,
    DISCARDED,
    POSTED,
    PROVISIONAL,
    QUARANTINE,
    RELEASED,
    WAITING,
    BankAccount,
    BankLine,
    BankLineRow,
    BankStatementRow,
    Header,
    Quarantined,
    is_booked_on,
)
from ledger.domain.money.breaks import TEXT_MAX, is_day
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (BANK_STATEMENTS, QUARANTINE)
FOLDS: tuple[type[Event], ...] = ()

LINES_MAX = 10_000
NAME_MAX = 35
CONFLICT = "BANK_CONFLICT"

RELEASABLE = frozenset(
    {
        *(RefusalCode.STATEMENT_GAP, RefusalCode.OPENING_MISMATCH),
        *(RefusalCode.SUM_MISMATCH, RefusalCode.BALANCE_MISSING),
    }
)
"""What two persons may pass over, with a reason; anything else can only be set aside."""

_IMPORT = frozenset({"finance", "system"})

# Commands ---------------------------------------------------------------------


class ImportStatement(Command):
    """Book a statement with all its lines; `faults` are what the reader found wrong inside it.

    `assignee_id` looks after what nobody knows.
    """

    roles: ClassVar[frozenset[str]] = _IMPORT

    header: Header
    lines: tuple[LineToBook, ...]
    assignee_id: str
    faults: tuple[str, ...] = ()


class ReleaseStatement(Command):
    """Book a statement out of quarantine all the same, or set it aside; two persons, a reason."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    header: Header
    lines: tuple[LineToBook, ...]
    assignee_id: str
    reason: str
    sets_aside: bool = False


class RecordNotice(Command):
    """Keep movements that the bank tells of before its statement; nothing is posted."""

    roles: ClassVar[frozenset[str]] = _IMPORT

    header: Header
    lines: tuple[BankLine, ...]


_Book = ImportStatement | ReleaseStatement
BankStatementsCommand = _Book | RecordNotice

# Events -----------------------------------------------------------------------


class StatementBooked(Event):
    """A statement was booked; its lines follow as entries of their own.

    `unexplained_minor` is what its balances say beyond the last closing and its lines: zero unless
    two persons released it for `reason`.
    """

    kind: ClassVar[str] = "bank.statement_booked"

    bank_account_id: str
    header: Header
    line_count: int
    unexplained_minor: int = 0
    reason: str = ""


class StatementQuarantined(Event):
    """A statement was not booked: the rules it breaks, in order, each with a fact."""

    kind: ClassVar[str] = "bank.statement_quarantined"

    header: Header
    codes: tuple[str, ...]
    facts: tuple[str, ...]


class StatementSetAside(Event):
    """A statement in quarantine will never be booked, and why."""

    kind: ClassVar[str] = "bank.statement_set_aside"

    header: Header
    reason: str


class NoticeRecorded(Event):
    """The bank told of movements that no statement holds yet."""

    kind: ClassVar[str] = "bank.notice_recorded"

    bank_account_id: str
    header: Header
    lines: tuple[BankLine, ...]


BankStatementsEvent = StatementBooked | StatementQuarantined | StatementSetAside | NoticeRecorded

# touches ----------------------------------------------------------------------


def touches(command: BankStatementsCommand) -> Keys:
    """Read the account, what is known of the statement, and the rows of its lines."""
    header = command.header
    found: list[Key] = [
        touch(BANK_ACCOUNTS, header.bank_account_id),
        touch(BANK_STATEMENTS, header.key),
        touch(QUARANTINE, header.quarantine_key),
        touch(CASES, case_id_of(CONFLICT, header.quarantine_key)),
    ]
    if isinstance(command, RecordNotice):
        return [*found, *(touch(BANK_LINES, line.line_id) for line in command.lines)]
    for one in command.lines:
        found += rows_of_line(one, header.bank_account_id, header.currency)
    return found


def follows(world: World, command: BankStatementsCommand) -> Keys:
    """Read what the payouts that the lines end lead to."""
    if isinstance(command, RecordNotice):
        return ()
    account = command.header.bank_account_id
    return [key for one in command.lines for key in further_rows(world, one, account)]


# decide -----------------------------------------------------------------------

Found = tuple[RefusalCode, str]
"""A rule that a statement breaks, and the fact."""


def decide(world: World, command: BankStatementsCommand, request: Request) -> Outcome:
    """Book a statement whole, or keep it in quarantine whole."""
    account = world.get(BANK_ACCOUNTS, command.header.bank_account_id)
    match command:
        case ImportStatement():
            return _import(world, account, command, request)
        case ReleaseStatement():
            return _release(world, account, command, request)
        case RecordNotice():
            return _notice(world, account, command)
        case _ as unknown:
            assert_never(unknown)


def _import(
    world: World, account: BankAccount | None, command: ImportStatement, request: Request
) -> Outcome:
    header = command.header
    field = _invalid_field(command)
    if field:
        return Refusal(RefusalCode.STATEMENT_FIELD_INVALID, {"field": field})
    known = world.get(BANK_STATEMENTS, header.key)
    if known is not None and known.header.content_sha256 == header.content_sha256:
        return ()
    found = _faults(world, account, command)
    waiting = world.get(QUARANTINE, header.quarantine_key)
    if not found:
        assert account is not None, "an unknown account is a fault"
        return _booked(world, account, command, request)
    codes = tuple(code.wire for code, _ in found)
    if waiting is not None and (waiting.state != WAITING or waiting.codes == codes):
        return ()
    event = StatementQuarantined(header=header, codes=codes, facts=tuple(fact for _, fact in found))
    drafts = [Draft(event)]
    if known is not None:
        case = opened(CONFLICT, header.quarantine_key, (header.bank_account_id,), "other content")
        if world.get(CASES, case.case_id) is None:
            drafts.append(Draft(case, after=(0,)))
    return tuple(drafts)


def _invalid_field(command: _Book) -> str:
    header = command.header
    tests = (
        (0 < len(header.name) <= NAME_MAX, "name"),
        (0 <= header.sequence <= QUANTITY_MAX, "sequence"),
        (is_day(header.closed_on) or not header.has_balances, "closed_on"),
        (len(command.lines) <= LINES_MAX, "lines"),
        (all(is_booked_on(one.line.booked_on) for one in command.lines), "booked_on"),
        (all(one.line.amount_minor for one in command.lines), "amount_minor"),
    )
    return next((name for holds, name in tests if not holds), "")


def _faults(world: World, account: BankAccount | None, command: _Book) -> list[Found]:
    """List the rules that a statement breaks, in the order of their codes."""
    header = command.header
    if account is None or account.number != header.number:
        return [(RefusalCode.ACCOUNT_UNKNOWN, header.number)]
    found = list(_content_faults(world, command))
    if account.currency != header.currency:
        fact = f"the account is in {account.currency}, the statement in {header.currency}"
        found.append((RefusalCode.CURRENCY_MISMATCH, fact))
    if world.get(BANK_STATEMENTS, header.key) is not None:
        fact = f"statement {header.name} number {header.sequence} was booked with other content"
        found.append((RefusalCode.STATEMENT_CONFLICT, fact))
    elif header.has_balances:
        found += _order_faults(account, header)
    return sorted(found)


def _content_faults(world: World, command: _Book) -> list[Found]:
    header = command.header
    told = command.faults if isinstance(command, ImportStatement) else ()
    found: list[Found] = [(RefusalCode.SUM_MISMATCH, fact[:200]) for fact in told]
    moved = header.closing_minor - header.opening_minor
    lines = sum(one.line.amount_minor for one in command.lines)
    if not header.has_balances:
        found.append((RefusalCode.BALANCE_MISSING, "opening or closing"))
    elif moved != lines:
        found.append((RefusalCode.SUM_MISMATCH, f"closing - opening = {moved}, lines {lines}"))
    seen: set[str] = set()
    for one in command.lines:
        row = world.get(BANK_LINES, one.line.line_id)
        if one.line.line_id in seen or (row is not None and row.state == POSTED):
            found.append((RefusalCode.ENTRY_REPEATED, one.line.line_id))
        seen.add(one.line.line_id)
    return found


def _order_faults(account: BankAccount, header: Header) -> list[Found]:
    found: list[Found] = []
    expected = account.last_sequence + 1
    # banks begin to number anew each year; the balances must join all the same
    begins = header.sequence == 1 and header.closed_on[:4] > account.closed_on[:4]
    if account.last_sequence and header.sequence and header.sequence != expected and not begins:
        fact = f"number {header.sequence} came, {expected} was expected"
        found.append((RefusalCode.STATEMENT_GAP, fact))
    if header.opening_minor != account.closing_minor:
        fact = f"opens with {header.opening_minor}, the last closing was {account.closing_minor}"
        found.append((RefusalCode.OPENING_MISMATCH, fact))
    return found


def _booked(world: World, account: BankAccount, command: _Book, request: Request) -> Outcome:
    header = command.header
    lines = sum(one.line.amount_minor for one in command.lines)
    closing = header.closing_minor if header.has_balances else account.closing_minor + lines
    event = StatementBooked(
        bank_account_id=account.bank_account_id,
        header=replace(header, closing_minor=closing),
        line_count=len(command.lines),
        unexplained_minor=closing - account.closing_minor - lines,
        reason=command.reason if isinstance(command, ReleaseStatement) else "",
    )
    booking = Booking(world, account, header.key, request.at)
    for one in command.lines:
        booking.book(one, command.assignee_id)
    moved = (replace(one, after=(0, *(1 + index for index in one.after))) for one in booking.drafts)
    return (Draft(event), *moved)


def _release(
    world: World, account: BankAccount | None, command: ReleaseStatement, request: Request
) -> Outcome:
    header = command.header
    facts: dict[str, str | int] = {"statement": header.name[:40]}
    waiting = world.get(QUARANTINE, header.quarantine_key)
    if waiting is None or waiting.state != WAITING:
        return Refusal(RefusalCode.STATEMENT_NOT_WAITING, facts)
    if not 0 < len(command.reason) <= TEXT_MAX:
        return Refusal(RefusalCode.REASON_MISSING, facts)
    if command.sets_aside:
        return (Draft(StatementSetAside(header=header, reason=command.reason)),)
    field = _invalid_field(command)
    if field:
        return Refusal(RefusalCode.STATEMENT_FIELD_INVALID, {**facts, "field": field})
    stays = [code for code, _ in _faults(world, account, command) if code not in RELEASABLE]
    if stays or account is None:
        return refused([*stays, RefusalCode.STATEMENT_NOT_RELEASABLE], facts)
    return _booked(world, account, command, request)


def _notice(world: World, account: BankAccount | None, command: RecordNotice) -> Outcome:
    header = command.header
    if account is None or account.number != header.number:
        return Refusal(RefusalCode.ACCOUNT_UNKNOWN, {"number": header.number[:40]})
    if account.currency != header.currency:
        return Refusal(RefusalCode.CURRENCY_MISMATCH, {"currency": header.currency[:8]})
    fresh = tuple(line for line in command.lines if world.get(BANK_LINES, line.line_id) is None)
    if not fresh:
        return ()
    event = NoticeRecorded(bank_account_id=account.bank_account_id, header=header, lines=fresh)
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BankStatementsEvent, stamp: Stamp) -> None:
    """Move the account on, or keep what waits."""
    header = event.header
    match event:
        case StatementBooked():
            account = world.need(BANK_ACCOUNTS, event.bank_account_id)
            moved = replace(
                account,
                closing_minor=header.closing_minor,
                closed_on=header.closed_on or account.closed_on,
                last_sequence=header.sequence or account.last_sequence,
                statements=account.statements + 1,
            )
            world.put(BANK_ACCOUNTS, event.bank_account_id, moved)
            row = BankStatementRow(header, stamp.position, event.line_count)
            world.put(BANK_STATEMENTS, header.key, row)
            _end(world, header, RELEASED if event.reason else CAME_GOOD)
        case StatementQuarantined():
            waiting = Quarantined(header, event.codes, event.facts)
            world.put(QUARANTINE, header.quarantine_key, waiting)
        case StatementSetAside():
            _end(world, header, DISCARDED)
        case NoticeRecorded():
            for line in event.lines:
                told = BankLineRow(line, event.bank_account_id, header.currency, PROVISIONAL)
                world.put(BANK_LINES, line.line_id, told)
        case _ as unknown:
            assert_never(unknown)


def _end(world: World, header: Header, state: str) -> None:
    waiting = world.get(QUARANTINE, header.quarantine_key)
    if waiting is not None:
        world.put(QUARANTINE, header.quarantine_key, replace(waiting, state=state))


# postings ---------------------------------------------------------------------


def postings(_event: BankStatementsEvent) -> tuple[Posting, ...]:
    """A statement moves nothing; its lines do."""
    return ()
