"""The policy of matching and reconciling, as data that every run keeps beside its results."""

from datetime import date, timedelta

import msgspec

from ledger.domain.money.breaks import LEDGER_BANK, LEDGER_PSP, PARTNER, PSP_BANK

WEEKEND = 5
"""The number of Saturday; it and Sunday are no bank days."""


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Days of grace by leg, borders of the age buckets, limits of matching.

    Grace of the bank counts bank days, all others count days. `holidays` are days (``YYYY-MM-DD``)
    on which banks rest beside Saturdays and Sundays.
    """

    psp_grace_days: int = 2
    bank_grace_days: int = 3
    partner_grace_days: int = 5
    bucket_days: tuple[int, ...] = (1, 7, 30)
    match_bank_days: int = 3
    subset_pool_max: int = 12
    holidays: tuple[str, ...] = ()

    def grace_until(self, leg: str, since_on: str) -> str:
        """Give the last day on which a difference is not yet a break."""
        if leg == LEDGER_PSP:
            return _days_after(since_on, self.psp_grace_days)
        if leg in (LEDGER_BANK, PSP_BANK):
            return bank_days_after(since_on, self.bank_grace_days, self.holidays)
        assert leg == PARTNER, leg
        return _days_after(since_on, self.partner_grace_days)

    def bucket(self, since_on: str, run_on: str) -> str:
        """Name the age bucket of a difference.

        >>> Policy().bucket("2026-03-02", "2026-03-10")
        '8-30'
        """
        age = days_between(since_on, run_on)
        low = 0
        for border in self.bucket_days:
            if age <= border:
                return f"{low}-{border}"
            low = border + 1
        return f"> {low - 1}"


def bank_days_after(day: str, count: int, holidays: tuple[str, ...] = ()) -> str:
    """Give the day so many bank days later; backwards for a negative count.

    >>> bank_days_after("2026-03-05", 3), bank_days_after("2026-03-05", -4)
    ('2026-03-10', '2026-02-27')
    """
    found = date.fromisoformat(day)
    step = timedelta(days=1 if count > 0 else -1)
    left = abs(count)
    while left:
        found += step
        if found.weekday() < WEEKEND and found.isoformat() not in holidays:
            left -= 1
    return found.isoformat()


def days_between(first: str, last: str) -> int:
    """Count the days from one day to another, at least 0."""
    return max((date.fromisoformat(last) - date.fromisoformat(first)).days, 0)


def _days_after(day: str, count: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=count)).isoformat()
