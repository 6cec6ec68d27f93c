"""What drivers used and what of it is to be invoiced, many drivers at a time.

Postings stand by driver, so that the usages of some drivers come page by page, with one statement
for each page; nothing is kept but the sums of the drivers that are asked for.
"""

from collections.abc import Iterator, Sequence

from ledger.domain.money.accounts import UNBILLED
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.documents import InvoiceDraft, document_name, seller_in
from ledger.domain.money.invoices import INVOICED, IssueInvoice
from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.money.rerating import UsageReversed, taken_back
from ledger.domain.world import key_of
from ledger.runtime.reads import Reads
from ledger.store.queries import balances, rows
from ledger.store.queries.balances import ItemRange

POSITIONS_AT_ONCE = 1_000

Drafts = dict[str, InvoiceDraft]
"""The invoices of a driver in the making, by currency and seller (`documents.document_name`)."""

Name = tuple[str, str]
"""A driver and one of his documents."""


def drafts_of(reads: Reads, drivers: Sequence[str], first: int, end: int) -> dict[str, Drafts]:
    """Sum the usages with positions in [first, end) of drivers that stand side by side.

    `drivers` are in the order of `Reads.items`, and all of those between the first and the last
    one; drivers without a usage there are left out.
    """
    found: dict[str, Drafts] = {}
    for driver, position, event in _usages(reads, ItemRange(drivers[0], drivers[-1], first, end)):
        drafts = found.setdefault(driver, {})
        draft = drafts.setdefault(document_name(event), InvoiceDraft(event.currency))
        draft.add(position, event)
    return found


def parties_on(reads: Reads, cut: Cut) -> list[str]:
    """List who used something in the positions of a cut, in the order of the account."""
    first, end = cut.from_position + 1, cut.to_position + 1
    return [item for item in reads.items(UNBILLED, first=first, end=end) if item]


def invoice_commands(
    reads: Reads, drivers: Sequence[str], cut: Cut, at: int
) -> Iterator[IssueInvoice]:
    """Make the invoices of some drivers over what of a cut stands in none yet, issued at `at` (us).

    `drivers` are as `parties_on` lists them, side by side. An invoice that would come to less than
    nothing waits for what is used next.
    """
    drafts = drafts_of(reads, drivers, cut.from_position + 1, cut.to_position + 1)
    invoiced = _invoiced(reads, drafts)
    left = _left_before(reads, drivers, cut.from_position, invoiced)
    for driver, found in drafts.items():
        for name, used in sorted(found.items()):
            done = invoiced[driver, name]
            for begin, end in done.gaps(cut.from_position, cut.to_position):
                start = begin
                if driver in left or begin != cut.from_position:
                    start = _with_carried(reads, (driver, name), begin, done)
                is_whole = (start, end) == (cut.from_position, cut.to_position)
                draft = used if is_whole else _draft(reads, (driver, name), start, end)
                if draft is None or draft.net_minor() < 0:
                    continue
                yield IssueInvoice(
                    driver_id=driver,
                    period=cut.period,
                    zone=cut.zone,
                    currency=draft.currency,
                    from_position=start,
                    to_position=end,
                    line_count=draft.line_count,
                    bases=draft.bases(),
                    lines_root=draft.lines_root(),
                    issued_at=at,
                    seller_id=seller_in(name),
                )


def _draft(reads: Reads, whose: Name, begin: int, end: int) -> InvoiceDraft | None:
    """Sum one document's usages with positions in (begin, end]; None for nothing."""
    driver, name = whose
    return drafts_of(reads, [driver], begin + 1, end + 1).get(driver, {}).get(name)


def _with_carried(reads: Reads, whose: Name, begin: int, invoiced: Ranges) -> int:
    """Begin earlier where more was taken back before than used, and is not invoiced yet."""
    earlier = _last_end(invoiced, begin)
    if earlier == begin:
        return begin
    draft = _draft(reads, whose, earlier, begin)
    return begin if draft is None or draft.net_minor() >= 0 else earlier


def _usages(reads: Reads, items: ItemRange) -> Iterator[tuple[str, int, UsageAccrued]]:
    """Yield (driver, position, usage); one that was taken back has amounts below zero."""
    for page in reads.pages_by_item(UNBILLED, items, POSITIONS_AT_ONCE):
        entries = dict(reads.placed_at({position for _, position in page}))
        for driver, position in page:
            event = entries[position].event
            if not isinstance(event, UsageAccrued | UsageReversed) or event.driver_id != driver:
                continue  # what a partner sold stands by him too
            if isinstance(event, UsageAccrued):
                yield driver, position, event
            else:
                yield driver, position, taken_back(event)


def _invoiced(reads: Reads, drafts: dict[str, Drafts]) -> dict[Name, Ranges]:
    """Give which positions stand in invoices, by driver and document."""
    names = [(driver, name) for driver, found in drafts.items() for name in found]
    kept = rows.many(reads.tx, reads.name.log_id, INVOICED, [key_of(*name) for name in names])
    return {name: kept.get(key_of(*name), Ranges()) for name in names}


def _left_before(
    reads: Reads, drivers: Sequence[str], position: int, invoiced: dict[Name, Ranges]
) -> frozenset[str]:
    """Name those of the drivers who may have usages up to a position that no invoice has."""
    ends = [_last_end(ranges, position) for ranges in invoiced.values()]
    first = min(ends, default=position) + 1
    if first > position:
        return frozenset()
    before = ItemRange(drivers[0], drivers[-1], first, position + 1)
    return frozenset(balances.items_in(reads.tx, reads.name.log_id, UNBILLED, before))


def _last_end(invoiced: Ranges, position: int) -> int:
    """Give the last position up to another one that an invoice ends with; -1 for none."""
    return max((end for _, end in invoiced.spans if end <= position), default=-1)
