"""Times: integer microseconds since 1970-01-01T00:00:00Z, never a zone text, never a float.

Zone rules come from the machine, or from the package `tzdata` where the machine has none.
"""

from datetime import UTC, date, datetime, timedelta
from typing import NewType, Protocol
from zoneinfo import ZoneInfo

import msgspec

from ledger.kernel.errors import Malformed

Instant = NewType("Instant", int)
"""Microseconds since the epoch, UTC."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time; the composition root hands in the one real clock."""

    def now(self) -> Instant:
        """Read the clock."""
        ...


class Window(msgspec.Struct, frozen=True):
    """A half-open span of time: `from_at` is inside, `to_at` is not."""

    from_at: int
    to_at: int


def parse_instant(text: str, field: str) -> Instant:
    """Read an ISO 8601 time with a zone (``Z`` or an offset); `Malformed` names `field`.

    >>> parse_instant("1970-01-01T00:00:01Z", "at")
    1000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"not an ISO 8601 time: {text[:40]!r}", field=field) from error
    if moment.tzinfo is None:
        raise Malformed(f"a time needs a zone: {text[:40]!r}", field=field)
    return instant_of(moment)


def instant_of(moment: datetime) -> Instant:
    """Convert an aware datetime, exactly."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def as_datetime(instant: int) -> datetime:
    """Convert to an aware datetime in UTC, exactly."""
    return _EPOCH + timedelta(microseconds=instant)


def as_text(instant: int) -> str:
    """Write as ISO 8601 in UTC; microseconds only where there are any.

    >>> as_text(1_000_000)
    '1970-01-01T00:00:01Z'
    """
    return as_datetime(instant).isoformat().replace("+00:00", "Z")


def utc_day(instant: int) -> str:
    """Name the UTC day, ``YYYY-MM-DD``."""
    return as_datetime(instant).date().isoformat()


def local_date(instant: int, zone: str) -> date:
    """Give the calendar date in an IANA zone."""
    return as_datetime(instant).astimezone(ZoneInfo(zone)).date()


def period_window(period: str, zone: str) -> Window:
    """Give the span of a settlement period, ``YYYY-MM`` or ``YYYY-MM-DD``, in an IANA zone.

    A local day has 23, 24 or 25 hours; the window is exact. `Malformed` for any other text.

    >>> (period_window("2018-03", "UTC").to_at - period_window("2018-03", "UTC").from_at) // DAY
    31
    """
    try:
        if len(period) == len("YYYY-MM"):
            first = date.fromisoformat(period + "-01")
            last = (first + timedelta(days=31)).replace(day=1)
        else:
            first = date.fromisoformat(period)
            last = first + timedelta(days=1)
    except ValueError as error:
        raise Malformed(f"a period is YYYY-MM or YYYY-MM-DD, got {period[:40]!r}") from error
    if period not in {first.isoformat(), first.isoformat()[:7]}:
        raise Malformed(f"a period is YYYY-MM or YYYY-MM-DD, got {period[:40]!r}")
    return Window(_local_midnight(first, zone), _local_midnight(last, zone))


def _local_midnight(day: date, zone: str) -> Instant:
    return instant_of(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))
