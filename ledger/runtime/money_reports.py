"""Reports of money for people: what is open by age, what partners are owed, what was earned."""

from collections import Counter, defaultdict
from datetime import date

import msgspec

from ledger.domain.money.accounts import PARTNERS_ACCRUED, account_info
from ledger.domain.money.bank_rows import SUSPENSE_ITEMS
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payout_rows import IN_FLIGHT, PAYOUTS
from ledger.kernel.money import EXPONENTS
from ledger.runtime.reads import Moment, Reads
from ledger.store.queries import audit

DUE_DAYS = (0, 30, 60, 90)
"""Ends of the age classes of what drivers owe, in days after it was due."""

SUSPENSE_DAYS = (1, 7, 30)
"""Ends of the age classes of what is not identified, in days (money handbook 10.3)."""

_PARTNERS = {
    "Assets:Receivables:Partners": "receivable_minor",
    PARTNERS_ACCRUED: "accrued_minor",
    "Liabilities:Partners:Approved": "approved_minor",
}


class Aged(msgspec.Struct, frozen=True):
    """What a driver owes in a currency (minor units), by the days since it was due."""

    driver_id: str
    currency: str
    not_due_minor: int
    to_30_minor: int
    to_60_minor: int
    to_90_minor: int
    over_90_minor: int


class AgedSuspense(msgspec.Struct, frozen=True):
    """A line that nobody knows yet: what is left of it (minor units), how old, who looks after it.

    `age_class` is ``0-1``, ``2-7``, ``8-30`` or ``>30`` days.
    """

    line_id: str
    currency: str
    left_minor: int
    age_days: int
    age_class: str
    assignee_id: str
    due_on: str


class PartnerBalance(msgspec.Struct, frozen=True):
    """A partner in a currency (minor units): what we owe him at each stage, and what he owes us."""

    partner_id: str
    currency: str
    accrued_minor: int = 0
    approved_minor: int = 0
    in_flight_minor: int = 0
    receivable_minor: int = 0


class Earned(msgspec.Struct, frozen=True):
    """An account of income or expense over a span: credit less debit, so income is positive."""

    code: int
    account: str
    amount_minor: int


def aged_receivables(reads: Reads, on: date) -> list[Aged]:
    """List what drivers owe on a day, by age and driver, from invoices that are still open."""
    sums: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for _, row in reads.rows(INVOICES):
        if row.open_minor:
            late_days = (on - date.fromisoformat(row.due_on)).days
            place = sum(late_days > end for end in DUE_DAYS)
            sums[row.driver_id, row.currency][place] += row.open_minor
    classes = range(len(DUE_DAYS) + 1)
    return [Aged(*key, *(found[each] for each in classes)) for key, found in sorted(sums.items())]


def aged_suspense(reads: Reads, on: date) -> list[AgedSuspense]:
    """List what is not identified on a day, the oldest first."""
    found = []
    for _, row in reads.rows(SUSPENSE_ITEMS, listed="open"):
        age_days = max((on - date.fromisoformat(row.opened_on)).days, 0)
        found.append(
            AgedSuspense(
                row.line_id,
                row.currency,
                row.left_minor,
                age_days,
                suspense_class(age_days),
                row.assignee_id,
                row.due_on,
            )
        )
    return sorted(found, key=lambda one: (-one.age_days, one.line_id))


def suspense_class(age_days: int) -> str:
    """Name the age class of a line.

    >>> suspense_class(1), suspense_class(2), suspense_class(31)
    ('0-1', '2-7', '>30')
    """
    begin = 0
    for end in SUSPENSE_DAYS:
        if age_days <= end:
            return f"{begin}-{end}"
        begin = end + 1
    return f">{SUSPENSE_DAYS[-1]}"


def partner_balances(reads: Reads, moment: Moment) -> list[PartnerBalance]:
    """List what every partner is owed and owes at a moment; what is on its way as it is now."""
    sums: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for account, name in _PARTNERS.items():
        sign = 1 if account.startswith("Assets") else -1
        for one in reads.balances(account, at=moment):
            partner_id = one.item.partition("|")[0]
            sums[partner_id, one.commodity][name] += sign * one.quantity
    for _, row in reads.rows(PAYOUTS, listed="in_flight"):
        assert row.state in IN_FLIGHT, "listed so"
        sums[row.partner_id, row.currency]["in_flight_minor"] += row.amount_minor
    return [
        _partner_balance(key, found) for key, found in sorted(sums.items()) if any(found.values())
    ]


def _partner_balance(key: tuple[str, str], found: Counter[str]) -> PartnerBalance:
    return PartnerBalance(
        *key,
        accrued_minor=found["accrued_minor"],
        approved_minor=found["approved_minor"],
        in_flight_minor=found["in_flight_minor"],
        receivable_minor=found["receivable_minor"],
    )


def earned(reads: Reads, currency: str, span: tuple[int, int], moment: Moment) -> list[Earned]:
    """Sum income and expenses in a currency over a span [from, to) of valid time (us)."""
    assert currency in EXPONENTS, "the caller looked"
    found = audit.flows(reads.tx, reads.name.log_id, currency, span=span, end=moment.end)
    lines = []
    for flow in found:
        info = account_info(flow.account)
        if info is not None and info.name.startswith(("Income:", "Expenses:")):
            lines.append(Earned(info.code, info.name, -(flow.increase + flow.decrease)))
    return sorted((one for one in lines if one.amount_minor), key=lambda one: one.code)
