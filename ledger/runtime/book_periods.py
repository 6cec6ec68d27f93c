"""The books by period: in which zone they are kept, and what is booked by the end of a month."""

from ledger.domain.money.posting_dates import (
    BOOKS,
    CALENDAR,
    PERIODS,
    Calendar,
    is_period,
    previous_period,
)
from ledger.domain.opening import LedgerOpened
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import Window, period_window
from ledger.runtime.reads import Reads
from ledger.store.queries import booked
from ledger.store.queries.balances import Balance
from ledger.store.queries.booked import Cut, OpenItem, cut_of


def zone_of(reads: Reads) -> str:
    """Give the zone of the ledger, in which its days begin."""
    opened = reads.entry(0).event
    return opened.zone if isinstance(opened, LedgerOpened) else "UTC"


def calendar_of(reads: Reads) -> Calendar | None:
    """Give the calendar of the books; None while they keep no periods."""
    return reads.row(CALENDAR, BOOKS)


def extent_of(reads: Reads, period: str) -> Window:
    """Give the span of a month, or of a day while the books keep no periods.

    `Malformed` for another text, and for a day of books that keep periods: what came late stands in
    a month, and only the entries tell on which of its days.
    """
    window = period_window(period, zone_of(reads))
    if not is_period(period) and calendar_of(reads) is not None:
        raise Malformed("books that keep periods are told by the month", field="period")
    return window


def cut_at_end(reads: Reads, period: str, size: int | None = None) -> Cut:
    """Give what is booked by the end of a period, as the first `size` entries tell it."""
    before_at = period_window(period, zone_of(reads)).to_at
    known = reads.size if size is None else size
    return cut_of(reads.row(PERIODS, period), before_at, known)


def cut_before(reads: Reads, period: str, size: int | None = None) -> Cut:
    """Give what is booked before a month, or before a day while the books keep no periods."""
    if is_period(period):
        return cut_at_end(reads, previous_period(period), size)
    return Cut(period_window(period, zone_of(reads)).from_at, reads.size)


def totals(reads: Reads, cut: Cut) -> list[Balance]:
    """List what is booked per account and commodity, non-zero ones only."""
    sums: dict[tuple[str, str], int] = {}
    for one in balances(reads, cut):
        key = one.account, one.commodity
        sums[key] = sums.get(key, 0) + one.quantity
    return [Balance(account, "", of, n) for (account, of), n in sorted(sums.items()) if n]


def balances(reads: Reads, cut: Cut) -> list[Balance]:
    """List what is booked per account, item and commodity, non-zero ones only."""
    found = reads.booked.get(cut)
    if found is None:
        found = reads.booked[cut] = booked.balances(reads.tx, reads.name.log_id, cut)
    return found


def open_items(reads: Reads, account: str, cut: Cut) -> list[OpenItem]:
    """List the keys of an account that are not zero, each with since when."""
    found = reads.open_items.get((account, cut))
    if found is None:
        found = booked.open_items(reads.tx, reads.name.log_id, account, cut)
        reads.open_items[account, cut] = found
    return found
