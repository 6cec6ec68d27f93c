"""Periods of the books: opened once, closed in order, opened again only by two persons.

::

    OPEN -> CLOSING -> CLOSED,   CLOSED -> REOPENED -> CLOSED (the next revision)

From CLOSING on a period takes only what names a date in it: the work of the close itself. Facts
that come late stand in the next period. A closed revision is known by its period, its number and
its closing position; the digest of its report stands in the log, so its bytes never change.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money.period_rows import (
    CLOSING_BALANCES,
    ITEMS,
    CheckItem,
    KeptBalance,
    KeptBalances,
    balance_parts,
    balances_digest,
    is_complete,
)
from ledger.domain.money.posting_dates import (
    BOOKS,
    CALENDAR,
    CLOSED,
    CLOSING,
    PERIODS,
    REOPENED,
    THE_CALENDAR,
    Calendar,
    Period,
    Revision,
    day_begins,
    is_period,
    next_period,
    previous_period,
)
from ledger.domain.money.tariff_faults import is_zone
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

_DIGEST_LENGTH = 64

# State ------------------------------------------------------------------------


SHELVES: tuple[Shelf[Any], ...] = (CALENDAR, PERIODS, CLOSING_BALANCES)
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class OpenBooks(Command):
    """Begin to keep periods with a month, ``YYYY-MM``, in the zone of the ledger; once."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    period: str
    zone: str


class BeginClosing(Command):
    """Let a period that has ended take nothing more by itself; the periods before are closed."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    period: str


class ClosePeriod(Command):
    """Close a period on its checklist, its balances and its report; two persons sign.

    `closing_position` is the number of entries the three were made from.
    """

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    period: str
    revision: int
    closing_position: int
    checklist: tuple[CheckItem, ...]
    balances: tuple[KeptBalance, ...]
    report_sha256: str


class ReopenPeriod(Command):
    """Open the period that was closed last once more; two persons and a reason."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    period: str
    reason: str


class FilePeriodReport(Command):
    """Record that the report of the newest revision was handed to somebody outside."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    period: str
    report_sha256: str
    receiver: str


PeriodCloseCommand = OpenBooks | BeginClosing | ClosePeriod | ReopenPeriod | FilePeriodReport

# Events -----------------------------------------------------------------------


class BooksOpened(Event):
    """The books keep periods from this one on."""

    kind: ClassVar[str] = "books.opened"

    period: str
    zone: str


class PeriodClosingBegan(Event):
    """The period takes only what names a date in it."""

    kind: ClassVar[str] = "period.closing_began"

    period: str


class ClosingBalancesKept(Event):
    """One part of the balances at the end of a period."""

    kind: ClassVar[str] = "period.balances_kept"

    period: str
    revision: int
    part: int
    balances: tuple[KeptBalance, ...]


class PeriodClosed(Event):
    """The period is closed: what the checklist found, and what its report and balances come to.

    `balances_sha256` is over the canonical JSON of all balances, in `parts` entries before.
    """

    kind: ClassVar[str] = "period.closed"

    period: str
    revision: int
    closing_position: int
    checklist: tuple[CheckItem, ...]
    parts: int
    balances_sha256: str
    report_sha256: str


class PeriodReopened(Event):
    """The period takes what names a date in it once more."""

    kind: ClassVar[str] = "period.reopened"

    period: str
    revision: int
    reason: str


class PeriodReportFiled(Event):
    """A report of the period left the house; it is not opened again."""

    kind: ClassVar[str] = "period.report_filed"

    period: str
    revision: int
    report_sha256: str
    receiver: str


PeriodCloseEvent = (
    BooksOpened
    | PeriodClosingBegan
    | ClosingBalancesKept
    | PeriodClosed
    | PeriodReopened
    | PeriodReportFiled
)

# touches ----------------------------------------------------------------------


def touches(command: PeriodCloseCommand) -> Keys:
    """Read the calendar, and the period with its neighbours."""
    if not is_period(command.period):
        return (THE_CALENDAR,)
    named = (previous_period(command.period), command.period, next_period(command.period))
    return (THE_CALENDAR, *(touch(PERIODS, one) for one in named))


def follows(_world: World, _command: PeriodCloseCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PeriodCloseCommand, request: Request) -> Outcome:
    """Take one step of a period, in order."""
    calendar = world.get(CALENDAR, BOOKS)
    if not is_period(command.period):
        return _refuse(command, RefusalCode.PERIOD_INVALID)
    if isinstance(command, OpenBooks):
        return _open_books(command, calendar)
    if calendar is None or command.period < calendar.first:
        return _refuse(command, RefusalCode.PERIOD_UNKNOWN)
    if isinstance(command, BeginClosing):
        return _begin(world, command, calendar, request)
    row = world.get(PERIODS, command.period)
    if row is None:
        return _refuse(command, RefusalCode.PERIOD_STATE)
    match command:
        case ClosePeriod():
            faults = _close_faults(command, row)
            return refused(faults, _facts(command)) if faults else _closed(command, request)
        case ReopenPeriod():
            return _reopen(world, command, row)
        case FilePeriodReport():
            return _file(command, row)
        case _ as unknown:
            assert_never(unknown)


def _facts(command: PeriodCloseCommand) -> dict[str, Fact]:
    return {"period": command.period[:40]}


def _refuse(command: PeriodCloseCommand, code: RefusalCode) -> Refusal:
    return Refusal(code, _facts(command))


def _open_books(command: OpenBooks, calendar: Calendar | None) -> Outcome:
    if calendar is not None:
        same = (calendar.first, calendar.zone) == (command.period, command.zone)
        return () if same else _refuse(command, RefusalCode.PERIOD_STATE)
    if not is_zone(command.zone):
        return Refusal(RefusalCode.PERIOD_INVALID, {"zone": command.zone[:40]})
    return (Draft(BooksOpened(period=command.period, zone=command.zone)),)


def _begin(world: World, command: BeginClosing, calendar: Calendar, request: Request) -> Outcome:
    row = world.get(PERIODS, command.period)
    if row is not None:
        return () if row.state == CLOSING else _refuse(command, RefusalCode.PERIOD_STATE)
    before = world.get(PERIODS, previous_period(command.period))
    if command.period != calendar.open_from or (before is not None and before.state != CLOSED):
        return _refuse(command, RefusalCode.PERIOD_OUT_OF_ORDER)
    ends_at = day_begins(next_period(command.period) + "-01", calendar.zone)
    if request.at < ends_at:
        return Refusal(RefusalCode.PERIOD_NOT_ENDED, {"ends_at": ends_at})
    return (Draft(PeriodClosingBegan(period=command.period)),)


def _close_faults(command: ClosePeriod, row: Period) -> list[RefusalCode]:
    newest = max((end for _, end in row.dated), default=row.shut_position)
    tests = (
        (not row.takes_entries, RefusalCode.PERIOD_STATE),
        (command.revision != len(row.revisions) + 1, RefusalCode.PERIOD_STATE),
        (command.closing_position <= newest, RefusalCode.PERIOD_MOVED),
        (not is_complete(command.checklist), RefusalCode.CHECKLIST_OPEN),
        (len(command.report_sha256) != _DIGEST_LENGTH, RefusalCode.REPORT_DIFFERS),
    )
    return [code for failed, code in tests if failed]


def _closed(command: ClosePeriod, request: Request) -> Outcome:
    parts = list(balance_parts(command.balances))
    kept = [
        ClosingBalancesKept(
            period=command.period, revision=command.revision, part=part, balances=balances
        )
        for part, balances in enumerate(parts, 1)
    ]
    signers = f"{request.actor.id}, {request.actor.second_person}"
    signed = CheckItem(ITEMS, "two persons sign", holds=True, found=signers)
    closed = PeriodClosed(
        period=command.period,
        revision=command.revision,
        closing_position=command.closing_position,
        checklist=(*command.checklist, signed),
        parts=len(parts),
        balances_sha256=balances_digest(command.balances),
        report_sha256=command.report_sha256,
    )
    return *map(Draft, kept), Draft(closed)


def _reopen(world: World, command: ReopenPeriod, row: Period) -> Outcome:
    after = world.get(PERIODS, next_period(command.period))
    tests = (
        (not command.reason, RefusalCode.REASON_MISSING),
        (after is not None, RefusalCode.PERIOD_OUT_OF_ORDER),
        (row.state != CLOSED, RefusalCode.PERIOD_STATE),
        (row.is_filed, RefusalCode.REPORT_FILED),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, _facts(command))
    event = PeriodReopened(
        period=command.period, revision=len(row.revisions) + 1, reason=command.reason
    )
    return (Draft(event),)


def _file(command: FilePeriodReport, row: Period) -> Outcome:
    if row.state != CLOSED:
        return _refuse(command, RefusalCode.PERIOD_STATE)
    newest = row.revisions[-1]
    if newest.report_sha256 != command.report_sha256 or not command.receiver:
        return _refuse(command, RefusalCode.REPORT_DIFFERS)
    event = PeriodReportFiled(
        period=command.period,
        revision=newest.revision,
        report_sha256=command.report_sha256,
        receiver=command.receiver,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PeriodCloseEvent, stamp: Stamp) -> None:
    """Keep the calendar, where each period stands, and its closing balances."""
    match event:
        case BooksOpened():
            _let_in_from(world, event.period, event.period, event.zone)
        case PeriodClosingBegan():
            row = Period(event.period, CLOSING, stamp.position)
            world.put(PERIODS, event.period, row)
            calendar = world.need(CALENDAR, BOOKS)
            _let_in_from(world, next_period(event.period), calendar.first, calendar.zone)
        case ClosingBalancesKept():
            key = key_of(event.period, str(event.revision), str(event.part))
            world.put(CLOSING_BALANCES, key, KeptBalances(event.balances))
        case PeriodClosed():
            row = world.need(PERIODS, event.period)
            done = Revision(
                event.revision, event.closing_position, event.report_sha256, stamp.recorded_at
            )
            revisions = (*row.revisions, done)
            world.put(PERIODS, event.period, replace(row, state=CLOSED, revisions=revisions))
        case PeriodReopened():
            row = world.need(PERIODS, event.period)
            world.put(PERIODS, event.period, replace(row, state=REOPENED))
        case PeriodReportFiled():
            row = world.need(PERIODS, event.period)
            world.put(PERIODS, event.period, replace(row, is_filed=True))
        case _ as unknown:
            assert_never(unknown)


def _let_in_from(world: World, period: str, first: str, zone: str) -> None:
    begins_at = day_begins(period + "-01", zone)
    world.put(CALENDAR, BOOKS, Calendar(zone, first, period, begins_at))


# postings ---------------------------------------------------------------------


def postings(_event: PeriodCloseEvent) -> tuple[Posting, ...]:
    """Move nothing: what the close posts stands in entries of its own."""
    return ()
