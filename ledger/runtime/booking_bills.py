"""What the clock has to do about bookings that left something to pay: rate it, bill it.

The rules are in `domain/money/booking_bills.py`; who asks reads here what they cannot: the entries
that an invoice is made of.
"""

from collections.abc import Iterator

from ledger.domain.claims import BOOKINGS, Booking, deposit_of
from ledger.domain.money.billing import BILLED, BillUsage, UsageAccrued
from ledger.domain.money.booking_bills import BillBooking
from ledger.domain.money.documents import InvoiceDraft
from ledger.domain.money.invoices import INVOICED, IssueInvoice, invoiced_key
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.money.rating_facts import BOOKING, UsageFacts
from ledger.domain.money.rating_used import tariff_of
from ledger.domain.opening import LedgerOpened
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import World
from ledger.kernel.instants import DAY, local_date
from ledger.kernel.messages import Command
from ledger.runtime.quoting import StoredWorld
from ledger.runtime.reads import Reads

RATED_WITHIN_US = 7 * DAY
"""Policy: so long the money of a booking is kept for a swap that could not be rated yet."""


def booking_bill(reads: Reads, booking_id: str, now: int) -> Iterator[Command]:
    """Ask for the rating of a fee, and once there is one for the bill."""
    row = reads.row(BOOKINGS, booking_id)
    station = reads.row(STATIONS, row.station_id) if row is not None else None
    if row is None or station is None or not row.due:
        return
    is_fee = row.due != "swap"
    billed = reads.row(BILLED, row.usage_id)
    if billed is None and is_fee:
        yield BillUsage(facts=fee_facts(StoredWorld(reads), row, station))
    elif billed is None or (billed.reason and not is_fee):
        if now >= row.ended_at + RATED_WITHIN_US:
            yield BillBooking(booking_id=booking_id)
    else:
        order = None if billed.reason else _order(reads, row, billed.position, now)
        yield BillBooking(booking_id=booking_id, order=order)


def fee_facts(world: World, row: Booking, station: Station) -> UsageFacts:
    """Say what is rated of a booking that left a fee, at the prices that it locked."""
    price_at = row.terms.price_at
    return UsageFacts(
        kind=BOOKING,
        usage_id=row.booking_id,
        driver_id=row.driver_id,
        station_id=row.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=tariff_of(world, row.driver_id, price_at, station.tariff_id),
        occurred_at=row.ended_at,
        energy_wh=0,
        level=3,
        clock_quality="S",
        pack_class=row.pack_class,
        booking_id=row.booking_id,
        is_no_show=row.due == "no_show",
        causes=(row.position, row.ended_position),
        price_at=price_at,
        price_position=row.position,
    )


def _order(reads: Reads, row: Booking, position: int, now: int) -> IssueInvoice | None:
    """Make the invoice over one usage; None where nothing was set aside, or nothing is owed."""
    deposit = reads.row(PENDINGS, deposit_of(row.booking_id))
    if not row.terms.is_held and (deposit is None or not deposit.is_open):
        return None
    first = reads.entry(position)
    usage = first.event
    assert isinstance(usage, UsageAccrued), "a billed usage stands there"
    if usage.seller_id and not row.terms.is_held:
        return None  # a wallet pays nobody but us: the partner's sale waits for its month
    draft = InvoiceDraft(usage.currency)
    last = position + usage.parts - 1
    for one in reads.at_positions(list(range(position, last + 1))):
        assert isinstance(one.event, UsageAccrued), "the parts of a bill follow each other"
        draft.add(one.envelope.position, one.event)
    used = reads.row(INVOICED, invoiced_key(row.driver_id, usage.currency, usage.seller_id))
    is_invoiced = used is not None and used.overlap(position - 1, last) is not None
    if is_invoiced or draft.net_minor() <= 0 or usage.currency != row.currency:
        return None
    opened = reads.entry(0).event
    zone = opened.zone if isinstance(opened, LedgerOpened) else "UTC"
    return IssueInvoice(
        driver_id=row.driver_id,
        period=local_date(first.envelope.recorded_at, zone).isoformat()[:7],
        zone=zone,
        currency=usage.currency,
        from_position=position - 1,
        to_position=last,
        line_count=draft.line_count,
        bases=draft.bases(),
        lines_root=draft.lines_root(),
        issued_at=now,
        seller_id=usage.seller_id,
    )
