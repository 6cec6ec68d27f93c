"""Posting dates: in which period of the books an entry stands (money handbook 11.2).

An entry stands on the local day it happened, in the zone of the books. What happened in a period
that takes no more stands on the day it was recorded, or, where that lies outside of it, on the
nearest day of the first open period. An entry says its date only where a reader could not tell it:
so the period of any other is the later one of two: that of its own day, and that which was the
first open one when it was written.
"""

from datetime import date, timedelta
from functools import lru_cache

import msgspec

from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.envelope import Books, Envelope
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE, local_date, period_window
from ledger.kernel.messages import Event
from ledger.kernel.refusal import RefusalCode

PERIOD_LENGTH = len("YYYY-MM")

OPEN, CLOSING, CLOSED, REOPENED = "OPEN", "CLOSING", "CLOSED", "REOPENED"


class Calendar(msgspec.Struct, frozen=True):
    """The periods of the books: the first one kept, and the first that takes what comes by itself.

    `open_from_at` is the begin (us) of the period `open_from` in the zone of the books.
    """

    zone: str
    first: str
    open_from: str
    open_from_at: int


CALENDAR = Shelf("books_calendar", Calendar)
BOOKS = "books"
"""The one key of the calendar."""

THE_CALENDAR: Key = touch(CALENDAR, BOOKS)


class Revision(msgspec.Struct, frozen=True):
    """One closing of a period: up to which position it counts, and the digest of its report."""

    revision: int
    closing_position: int
    report_sha256: str
    closed_at: int


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """A period whose closing has begun.

    Entries below `shut_position` that happened by its end are booked by then without saying so.
    `dated` are spans (from, to] of positions that name a date in it later. `is_filed` says that a
    report of it was handed to somebody outside, so that it is never opened again.
    """

    period: str
    state: str
    shut_position: int
    dated: tuple[tuple[int, int], ...] = ()
    revisions: tuple[Revision, ...] = ()
    is_filed: bool = False

    @property
    def takes_entries(self) -> bool:
        """Tell whether an entry may name a date in it."""
        return self.state in (CLOSING, REOPENED)


PERIODS = Shelf("periods", Period)

# Texts of periods and days ------------------------------------------------------


def is_period(text: str) -> bool:
    """Tell whether a text is a month, ``YYYY-MM``."""
    try:
        return len(text) == PERIOD_LENGTH and bool(period_window(text, "UTC"))
    except Malformed:
        return False


def is_day(text: str) -> bool:
    """Tell whether a text is a day, ``YYYY-MM-DD``."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def next_period(period: str) -> str:
    """Name the month after a month.

    >>> next_period("2026-12")
    '2027-01'
    """
    return (date.fromisoformat(period + "-01") + timedelta(days=31)).isoformat()[:PERIOD_LENGTH]


def previous_period(period: str) -> str:
    """Name the month before a month.

    >>> previous_period("2026-01")
    '2025-12'
    """
    return (date.fromisoformat(period + "-01") - timedelta(days=1)).isoformat()[:PERIOD_LENGTH]


def local_day(instant: int, zone: str) -> str:
    """Name the day of an instant (us) in a zone, ``YYYY-MM-DD``.

    >>> local_day(0, "Asia/Shanghai")
    '1970-01-01'
    """
    # no zone begins its days between two minutes any more, and entries share their minutes
    return _day_of_minute(instant // MINUTE, zone)


@lru_cache(maxsize=1 << 16)
def _day_of_minute(minute: int, zone: str) -> str:
    return local_date(minute * MINUTE, zone).isoformat()


def day_begins(day: str, zone: str) -> int:
    """Give the instant (us) at which a day begins in a zone: when an entry of that day happened."""
    return period_window(day, zone).from_at


def last_day(period: str) -> str:
    """Name the last day of a month."""
    return (date.fromisoformat(next_period(period) + "-01") - timedelta(days=1)).isoformat()


# The date of an entry ----------------------------------------------------------


def posting_date(envelope: Envelope, zone: str) -> str:
    """Tell on which day of the books an entry stands, ``YYYY-MM-DD``; the one function for it."""
    if envelope.books is not None:
        return envelope.books.posting_date
    return local_day(envelope.valid_at, zone)


def books_of(
    calendar: Calendar | None, event: Event, valid_at: int, recorded_at: int
) -> Books | None:
    """Give what an entry that moves something must say about its date; None where nothing.

    A date that a person named stands in the event, as `posting_date`.
    """
    named: str = getattr(event, "posting_date", "")
    if named:
        return Books(named)
    if calendar is None or valid_at >= calendar.open_from_at:
        return None
    return Books(late_date(calendar, recorded_at))


def late_date(calendar: Calendar, recorded_at: int) -> str:
    """Give the day of the first open period that is nearest to when an entry was recorded."""
    window = period_window(calendar.open_from, calendar.zone)
    inside = min(max(recorded_at, window.from_at), window.to_at - 1)
    return local_day(inside, calendar.zone)


# Dates that persons name ---------------------------------------------------------


def date_rows(posting_date_text: str) -> tuple[Key, ...]:
    """Name the rows that a date is tested by."""
    if not is_day(posting_date_text):
        return (THE_CALENDAR,)
    return THE_CALENDAR, touch(PERIODS, posting_date_text[:PERIOD_LENGTH])


def date_faults(world: World, text: str, now: int) -> list[RefusalCode]:
    """Tell what is wrong with a date that a person names; "" leaves the date to the books."""
    if not text:
        return []
    if not is_day(text):
        return [RefusalCode.MALFORMED_ENTRY]
    calendar = world.get(CALENDAR, BOOKS)
    if calendar is None or text > local_day(now, calendar.zone):
        return [RefusalCode.PERIOD_CLOSED]
    period = text[:PERIOD_LENGTH]
    row = world.get(PERIODS, period)
    is_open = period >= calendar.open_from if row is None else row.takes_entries
    return [] if is_open else [RefusalCode.PERIOD_CLOSED]


def dated_at(world: World, text: str) -> int:
    """Give when an entry happened whose date a person named (us); 0, now, where he named none."""
    return day_begins(text, world.need(CALENDAR, BOOKS).zone) if text else 0


def told_at(world: World, day: str, now: int) -> int:
    """Give when a movement of a day happened that somebody else's books date (us).

    It counts from the end of its day in the zone of the books (UTC before they begin), behind all
    that we did on that day; 0, now, while the day lasts. The calendar is loaded.
    """
    calendar = world.get(CALENDAR, BOOKS)
    ends = period_window(day, calendar.zone if calendar else "UTC").to_at - 1
    return ends if ends < now else 0


def booked(world: World, text: str, position: int) -> None:
    """Remember an entry that names a date in a period that takes nothing else any more."""
    row = world.get(PERIODS, text[:PERIOD_LENGTH]) if text else None
    if row is None:
        return
    spans = row.dated
    if spans and spans[-1][1] == position - 1:
        spans = (*spans[:-1], (spans[-1][0], position))
    else:
        spans = (*spans, (position - 1, position))
    world.put(PERIODS, row.period, msgspec.structs.replace(row, dated=spans))
