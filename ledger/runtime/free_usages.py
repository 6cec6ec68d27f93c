"""Usages that cost nothing, by a plan or by promos: lines beside those of an invoice, 0 in sum.

They owe nothing and so post nothing where invoices look. What they used of an allowance is booked
as earned, by contract, in the same command; from there they are found. Where a promo took all of a
price, the bills themselves are looked through, of drivers who have promos.
"""

from collections.abc import Iterator

from ledger.domain.money.allowances import SubscriptionUsed
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.discount_rows import DISCOUNTS
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.plans import ALLOWANCES
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.tax import tax_rule
from ledger.domain.money.templates_credit import DEFERRED
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.receipts import BilledLine, InvoiceLine

AT_ONCE = 1_000
NEAR = 500
"""So many entries at most lie between a usage and what it used of an allowance."""


def free_usages(reads: Reads, issued: InvoiceIssued) -> list[tuple[int, UsageAccrued]]:
    """List what a driver used free of charge in the positions of an invoice, by position.

    What was taken back inside them is left out. In a partner's name nothing is free.
    """
    if issued.seller is not None:
        return []
    found: dict[str, list[tuple[int, UsageAccrued]]] = {}
    for entry in _used(reads, issued):
        event = entry.event
        assert isinstance(event, SubscriptionUsed), "nothing else is looked for"
        if event.quantity < 0:
            found.pop(event.usage_id, None)
            continue
        parts = list(_parts(reads, event.usage_id, entry.envelope.position, issued))
        if parts and not any(usage.net_minor for _, usage in parts):
            found[event.usage_id] = parts
    found |= _given(reads, issued)
    return sorted((part for parts in found.values() for part in parts), key=lambda one: one[0])


def _given(reads: Reads, issued: InvoiceIssued) -> dict[str, list[tuple[int, UsageAccrued]]]:
    """List the bills of which promos took all, part by part, as they stand at the end."""
    if reads.row(DISCOUNTS, issued.driver_id) is None:
        return {}
    own = f'"driver_id":"{issued.driver_id}"'.encode()
    last: dict[str, list[tuple[int, UsageAccrued]]] = {}
    span = issued.from_position + 1, issued.to_position + 1
    for one in reads.entries(*span, (UsageAccrued.kind, UsageReversed.kind)):
        event = one.event
        if own not in one.data:
            continue
        if isinstance(event, UsageReversed):
            last.pop(event.usage_id, None)
        elif isinstance(event, UsageAccrued) and _is_on(event, issued):
            last.setdefault(event.usage_id, []).append((one.envelope.position, event))
    return {
        name: parts
        for name, parts in last.items()
        if not any(usage.net_minor for _, usage in parts)
        and any(line.promo for _, usage in parts for line in usage.lines)
    }


def _is_on(event: UsageAccrued, issued: InvoiceIssued) -> bool:
    countries = {row.country for row in issued.taxes}
    return (
        event.driver_id == issued.driver_id
        and event.currency == issued.currency
        and event.country in countries
    )


def _used(reads: Reads, issued: InvoiceIssued) -> Iterator[Entry]:
    """Yield what the driver used of allowances, in order."""
    rows = [row for _, row in reads.rows(ALLOWANCES, listed=issued.driver_id)]
    first, end = issued.from_position + 1, issued.to_position + 1
    places: set[int] = set()
    for contract in sorted({row.contract_id for row in rows if row.total_minor}):
        at = first
        while lines := reads.lines(DEFERRED, item=contract, first=at, limit=AT_ONCE):
            places |= {line.position for line in lines if line.position < end}
            at = lines[-1].position + 1
            if at >= end:
                break
    if any(not row.total_minor for row in rows):  # of a plan without a price nothing is earned
        own = f'"driver_id":"{issued.driver_id}"'.encode()
        used = reads.entries(first, end, (SubscriptionUsed.kind,))
        places |= {one.envelope.position for one in used if own in one.data}
    for entry in reads.at_positions(sorted(places)):
        event = entry.event
        if isinstance(event, SubscriptionUsed) and event.driver_id == issued.driver_id:
            yield entry


def _parts(
    reads: Reads, usage_id: str, used_at: int, issued: InvoiceIssued
) -> Iterator[tuple[int, UsageAccrued]]:
    """Yield the newest bill of a usage in front of a position, part by part."""
    first = max(issued.from_position + 1, used_at - NEAR)
    own = [
        (one.envelope.position, one.event)
        for one in reads.entries(first, used_at, (UsageAccrued.kind,))
        if isinstance(one.event, UsageAccrued) and one.event.usage_id == usage_id
    ]
    begin = max((position for position, event in own if event.part == 1), default=used_at)
    for position, event in own:
        if position >= begin and _is_on(event, issued):
            yield position, event


def free_lines(reads: Reads, issued: InvoiceIssued) -> list[InvoiceLine]:
    """List the lines of what was free, as those of the invoice are listed."""
    found = []
    for position, usage in free_usages(reads, issued):
        for line_no, line in enumerate(usage.lines, 1):
            rule = tax_rule(usage.country, line.tax_product, line.service_start_at)
            assert rule is not None, "without a rule it was not billed"
            billed = BilledLine(position, line_no, line, rule, line.net_minor)
            found.append(InvoiceLine(usage, billed))
    return found
