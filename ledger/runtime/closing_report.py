"""The report of a period: the same bytes for ever (money handbook 11.1).

It is named by period, revision and closing position, and made from the entries below that position
alone, so that making it again gives the same bytes; their digest stands in the entry of the close.
"""

from collections.abc import Iterable

import msgspec

from ledger.domain.money.accounts import INPUT_VAT, OUTPUT_VAT, account_info, export_name
from ledger.domain.money.posting_dates import PERIODS, local_day
from ledger.kernel.envelope import canonical
from ledger.runtime.book_periods import (
    balances,
    cut_at_end,
    cut_before,
    open_items,
    totals,
    zone_of,
)
from ledger.runtime.reads import Reads
from ledger.store.queries.balances import Balance

AGED = (
    "Assets:PSP:In-Transit",
    "Assets:Receivables:Unbilled",
    "Assets:Receivables:Disputed",
    "Liabilities:Partners:Payout-In-Flight",
    "Liabilities:Suspense",
)
"""Accounts whose open items are listed by age."""

ITEMS_MAX = 1_000
"""So many open items of an account at most in a report, the oldest ones; the rest is a sum."""


class AccountLine(msgspec.Struct, frozen=True):
    """One account in the trial balance: what it held before, what moved, what it holds."""

    code: int
    account: str
    commodity: str
    opening: int
    movement: int
    closing: int


class VatLine(msgspec.Struct, frozen=True):
    """Tax of one code in the period: what we owe (credit) and what is owed to us (debit)."""

    tax_code: str
    currency: str
    output_minor: int
    input_minor: int


class AgedItem(msgspec.Struct, frozen=True):
    """An item that is open at the end of the period, and since which day."""

    account: str
    item: str
    commodity: str
    quantity: int
    since: str


class PeriodReport(msgspec.Struct, frozen=True):
    """What a finance team reads of a period. Debits are positive, amounts in smallest units.

    `unlisted` sums open items beyond the limit: account, commodity, how many, how much.
    """

    ledger: str
    period: str
    revision: int
    closing_position: int
    zone: str
    accounts: tuple[AccountLine, ...]
    vat: tuple[VatLine, ...]
    open_items: tuple[AgedItem, ...]
    unlisted: tuple[tuple[str, str, int, int], ...] = ()

    def sums(self) -> dict[str, int]:
        """Sum closing balances by commodity; each must be zero."""
        sums: dict[str, int] = {}
        for line in self.accounts:
            sums[line.commodity] = sums.get(line.commodity, 0) + line.closing
        return sums


def report_bytes(report: PeriodReport) -> bytes:
    """Write a report in its one form."""
    return canonical(report)


def make_report(reads: Reads, period: str, closing_position: int, revision: int) -> PeriodReport:
    """Make the report of a period from the first `closing_position` entries."""
    before = cut_before(reads, period, closing_position)
    end = cut_at_end(reads, period, closing_position)
    zone = zone_of(reads)
    items, unlisted = _aged(reads, period, closing_position, zone)
    return PeriodReport(
        ledger=reads.name.ledger,
        period=period,
        revision=revision,
        closing_position=closing_position,
        zone=zone,
        accounts=tuple(_trial_balance(totals(reads, before), totals(reads, end))),
        vat=tuple(_vat(balances(reads, before), balances(reads, end))),
        open_items=tuple(items),
        unlisted=tuple(unlisted),
    )


def _by_family(found: Iterable[Balance]) -> dict[tuple[int, str, str], int]:
    sums: dict[tuple[int, str, str], int] = {}
    for one in found:
        info = account_info(one.account)
        key = (info.code if info else 0, export_name(one.account), one.commodity)
        sums[key] = sums.get(key, 0) + one.quantity
    return sums


def _trial_balance(before: Iterable[Balance], end: Iterable[Balance]) -> Iterable[AccountLine]:
    opening, closing = _by_family(before), _by_family(end)
    for key in sorted(opening.keys() | closing.keys()):
        first, last = opening.get(key, 0), closing.get(key, 0)
        yield AccountLine(*key, first, last - first, last)


def _vat(before: Iterable[Balance], end: Iterable[Balance]) -> Iterable[VatLine]:
    moved: dict[tuple[str, str], dict[str, int]] = {}
    for sign, found in ((-1, before), (1, end)):
        for one in found:
            if one.account in (OUTPUT_VAT, INPUT_VAT):
                taxes = moved.setdefault((one.item, one.commodity), {})
                taxes[one.account] = taxes.get(one.account, 0) + sign * one.quantity
    for (code, currency), taxes in sorted(moved.items()):
        if any(taxes.values()):
            output, paid = -taxes.get(OUTPUT_VAT, 0), taxes.get(INPUT_VAT, 0)
            yield VatLine(code, currency, output, paid)


def _aged(
    reads: Reads, period: str, size: int, zone: str
) -> tuple[list[AgedItem], list[tuple[str, str, int, int]]]:
    cut = cut_at_end(reads, period, size)
    listed: list[AgedItem] = []
    unlisted: list[tuple[str, str, int, int]] = []
    for account in AGED:
        found = sorted(open_items(reads, account, cut), key=lambda one: (one.since, one.item))
        for one in found[:ITEMS_MAX]:
            day = local_day(one.since, zone)
            listed.append(AgedItem(account, one.item, one.commodity, one.quantity, day))
        rest = found[ITEMS_MAX:]
        for commodity in sorted({one.commodity for one in rest}):
            some = [one.quantity for one in rest if one.commodity == commodity]
            unlisted.append((account, commodity, len(some), sum(some)))
    return listed, unlisted


def closing_position_of(reads: Reads, period: str, revision: int) -> int:
    """Give up to which position a revision counts; everything there is while it is not closed."""
    row = reads.row(PERIODS, period)
    done = row.revisions if row is not None else ()
    return next((one.closing_position for one in done if one.revision == revision), reads.size)
