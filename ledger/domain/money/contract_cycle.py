"""When a contract's cycle is cut: every day, every Monday, or on the first of a month.

The cut is at a local time of the contract's zone; the period is named by the day before it, a month
by its month. The positions that it freezes are those recorded until then.
"""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.money.contracts import ContractTerms
from ledger.kernel.instants import instant_of, local_date


class CycleCut(NamedTuple):
    """One cut: the period that it ends, ``YYYY-MM`` or ``YYYY-MM-DD``, and its time (us)."""

    period: str
    at: int


def last_cut(terms: ContractTerms, now: int) -> CycleCut:
    """Give the last cut of a contract's cycle at or before a time (us).

    >>> from msgspec import convert
    >>> agreed = {
    ...     "role": "operator",
    ...     "currency": "EUR",
    ...     "base": "TOTAL_NET",
    ...     "ours": "MG",
    ...     "weights": {"OP": 1, "MG": 1},
    ...     "order": ["OP", "MG"],
    ...     "valid_from_at": 0,
    ... }
    >>> last_cut(convert(agreed, ContractTerms), 1_780_272_000_000_000)  # 2026-06-01 00:00
    CycleCut(period='2026-05', at=1780272000000000)
    """
    day = local_date(now, terms.zone)
    while True:
        at = _cut_on(day, terms)
        if at <= now and _is_day_of(terms.cycle, day):
            return CycleCut(_period(terms.cycle, day), at)
        day -= timedelta(days=1)


def _is_day_of(cycle: str, day: date) -> bool:
    match cycle:
        case "monthly":
            return day.day == 1
        case "weekly":
            return day.isoweekday() == 1
        case _:
            return True


def _cut_on(day: date, terms: ContractTerms) -> int:
    local = time.fromisoformat(terms.cut_time_local)
    return instant_of(datetime.combine(day, local, tzinfo=ZoneInfo(terms.zone)))


def _period(cycle: str, day: date) -> str:
    before = (day - timedelta(days=1)).isoformat()
    return before[: len("2026-01")] if cycle == "monthly" else before
