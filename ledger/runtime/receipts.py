"""The bill of one usage as its driver may see it: lines, tax, payments, corrections, disputes.

Everything is read from the entries: what was billed last, what was billed before and taken back,
the invoice it is on, and the packs as they were read when they moved.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.money.accounts import UNBILLED
from ledger.domain.money.billing import BILLED, UsageAccrued, UsageUnbilled
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.dispute_rows import DISPUTED_LINES, DisputedLines
from ledger.domain.money.documents import InvoiceDraft
from ledger.domain.money.invoice_settled import gross_lines, paid_lines
from ledger.domain.money.invoice_taxes import TaxTable, line_nets, tax_table
from ledger.domain.money.invoices import Invoice, InvoiceIssued
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.tax import TaxRule, tax_rule
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.support_rows import SUPPORT_CASES, DisputedAt, SupportCase
from ledger.kernel.errors import InvariantBroken, NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.crediting import invoice_of, issuing_entry, usages_of
from ledger.runtime.invoice_view import settled_by
from ledger.runtime.reads import Entry, Reads

AT_ONCE = 1_000


class BilledLine(NamedTuple):
    """A line of a bill: where it stands, how it is taxed, and its net on the document."""

    position: int
    line_no: int
    line: Line
    rule: TaxRule
    net_minor: int

    @property
    def name(self) -> str:
        """Name the line by its place in the log."""
        return f"{self.position}-{self.line_no}"


class Correction(NamedTuple):
    """A bill was changed at a position: why, and by how much (net, minor units)."""

    position: int
    at: int
    why: str
    difference_minor: int


class PaidPart(NamedTuple):
    """What some payment paid of this bill (minor units)."""

    kind: str
    on: str
    ref: str
    amount_minor: int


class PackRead(NamedTuple):
    """A pack that moved: its leg, the slot, and what the check of its reading found."""

    leg: PackLeg
    slot: str
    verdict: str


class Dispute(NamedTuple):
    """A line that somebody looks at."""

    name: str
    case_id: str
    code: str
    state: str


class Receipt(msgspec.Struct, frozen=True):
    """One usage with its bill; without lines it is not priced yet, or could not be (`reason`)."""

    usage_id: str
    station_id: str
    occurred_at: int
    energy_wh: int
    swap: Swap | None
    reason: str = ""
    position: int = -1
    entry_hash: bytes = b""
    tariff_id: str = ""
    currency: str = ""
    price_shift_us: int = 0
    lines: tuple[BilledLine, ...] = ()
    tax: TaxTable = TaxTable((), 0, 0)
    corrections: tuple[Correction, ...] = ()
    invoice: Invoice | None = None
    payments: tuple[PaidPart, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    substitute: ChargeSessionEnded | None = None
    seller: str = ""

    @property
    def net_minor(self) -> int:
        """The sum without tax."""
        return sum(row.net_minor for row in self.tax.rows)

    @property
    def tax_minor(self) -> int:
        """The tax."""
        return sum(row.tax_minor for row in self.tax.rows)

    @property
    def total_minor(self) -> int:
        """What is asked for, with tax and rounding."""
        return self.net_minor + self.tax_minor + self.tax.rounding_minor


History = dict[str, list[Entry]]
"""Entries that billed a usage or took it back, in order, by usage."""


def history(reads: Reads, driver_id: str) -> History:
    """Gather everything that a driver was billed for, and what was taken back.

    Usages that cost nothing post nothing, so they are not among them.
    """
    found: History = {}
    first = 0
    while lines := reads.lines(UNBILLED, item=driver_id, first=first, limit=AT_ONCE):
        for entry in reads.at_positions(sorted({line.position for line in lines})):
            event = entry.event
            if isinstance(event, UsageAccrued | UsageReversed):
                found.setdefault(event.usage_id, []).append(entry)
        first = lines[-1].position + 1
    return found


def receipt_of(reads: Reads, driver_id: str, usage_id: str, past: History) -> Receipt:
    """Make the receipt of a usage of a driver; `NotFound` for another's, or none.

    `past` is his `history`.
    """
    swap = reads.row(SWAPS, usage_id)
    billed = reads.row(BILLED, usage_id)
    own = past.get(usage_id, [])
    if swap is not None and swap.driver_id != driver_id:
        raise NotFound("a swap of another driver")
    if billed is None or billed.reason:
        is_his = billed is not None and _unbilled_for(reads, billed.position) == driver_id
        if swap is None and not own and not is_his:
            raise NotFound("nothing was used")
        reason = billed.reason if billed else ""
        made = _unpriced(usage_id, swap, own, reason)
    else:
        made = _priced(reads, usage_id, swap, billed.position)
        if _driver_of(reads.entry(billed.position)) != driver_id:
            raise NotFound("a usage of another driver")
    return msgspec.structs.replace(
        made,
        corrections=tuple(corrections_of(own)),
        disputes=tuple(_disputes(reads, driver_id, made)),
    )


def _unbilled_for(reads: Reads, position: int) -> str:
    return _driver_of(reads.entry(position))


def _driver_of(entry: Entry) -> str:
    event = entry.event
    return event.driver_id if isinstance(event, UsageAccrued | UsageUnbilled) else ""


def _unpriced(usage_id: str, swap: Swap | None, own: Sequence[Entry], reason: str) -> Receipt:
    legs = (*swap.legs_out, *swap.legs_in) if swap else ()
    at = max((leg.occurred_at for leg in legs), default=swap.since_at if swap else 0)
    station_id = swap.station_id if swap else ""
    if not swap and own:
        event = own[-1].event
        assert isinstance(event, UsageAccrued | UsageReversed), "the history holds nothing else"
        at, station_id = own[-1].envelope.valid_at, event.station_id
    return Receipt(usage_id, station_id, at, _energy(swap), swap, reason=reason)


def _energy(swap: Swap | None) -> int:
    if swap is None:
        return 0
    packs_out = sum(leg.stored_wh for leg in swap.legs_out)
    return packs_out - sum(leg.stored_wh for leg in swap.legs_in)


def _priced(reads: Reads, usage_id: str, swap: Swap | None, position: int) -> Receipt:
    entries = _parts(reads, position)
    if swap is not None and swap.booking_id:  # what the booking cost stands on the same bill
        booked = reads.row(BILLED, swap.booking_id)
        if booked is not None and not booked.reason:
            entries += _parts(reads, booked.position)
    entries.sort(key=lambda one: one.envelope.position)
    first = reads.entry(position)
    event = first.event
    assert isinstance(event, UsageAccrued), "a billed usage stands there"
    lines, table = _taxed(entries, event.currency)
    invoice = _invoice_of(reads, usage_id)
    return Receipt(
        usage_id=usage_id,
        station_id=event.station_id,
        occurred_at=first.envelope.valid_at,
        energy_wh=event.energy_wh,
        swap=swap,
        position=position,
        entry_hash=leaf_hash(first.data),
        tariff_id=event.tariff_id,
        currency=event.currency,
        price_shift_us=event.price_shift_us,
        lines=tuple(lines),
        tax=table,
        invoice=invoice,
        payments=tuple(_payments(reads, invoice, {line.name for line in lines})),
        substitute=_substitute(reads, first),
        seller=_seller(reads, event.seller_id),
    )


def _seller(reads: Reads, seller_id: str) -> str:
    """Name who sold a usage as invoices do; "" for us."""
    held = reads.row(CONTRACTS, seller_id) if seller_id else None
    return held.seller.name if held and held.seller else ""


def _parts(reads: Reads, position: int) -> list[Entry]:
    event = reads.entry(position).event
    assert isinstance(event, UsageAccrued), "a billed usage stands there"
    return reads.at_positions(list(range(position, position + event.parts)))


def _taxed(entries: Sequence[Entry], currency: str) -> tuple[list[BilledLine], TaxTable]:
    """Give the lines with the nets that sum to the tax table, as on an invoice of them alone."""
    draft = InvoiceDraft(currency)
    found: list[tuple[str, BilledLine]] = []
    for entry in entries:
        event, position = entry.event, entry.envelope.position
        assert isinstance(event, UsageAccrued), "bills are made of these"
        draft.add(position, event)
        for line_no, line in enumerate(event.lines, 1):
            rule = _rule(event, line)
            one = BilledLine(position, line_no, line, rule, line.net_minor)
            found.append((event.country, one))
    table = tax_table(draft.bases())
    accrued = [
        ((country, one.rule.category, one.rule.rate_bp), one.net_minor) for country, one in found
    ]
    nets = line_nets(accrued, table.rows)
    return [one._replace(net_minor=net) for (_, one), net in zip(found, nets, strict=True)], table


def _rule(event: UsageAccrued, line: Line) -> TaxRule:
    rule = tax_rule(event.country, line.tax_product, line.service_start_at)
    if rule is None:
        raise InvariantBroken(f"usage {event.usage_id} has no tax rule")
    return rule


def _substitute(reads: Reads, billed: Entry) -> ChargeSessionEnded | None:
    """Find the session whose energy was estimated; None where a register told it."""
    for position in billed.envelope.causes:
        event = reads.entry(position).event
        if isinstance(event, ChargeSessionEnded) and event.substitute_method:
            return event
    return None


# Corrections ------------------------------------------------------------------


def corrections_of(entries: Sequence[Entry]) -> Iterator[Correction]:
    """Yield what was changed of a bill: taken back and billed anew is one change.

    `entries` are those of one usage, in order.
    """
    gone, why, place, at = 0, "", -1, 0
    came = 0
    for entry in entries:
        event = entry.event
        if isinstance(event, UsageReversed):
            if place >= 0 and came:
                yield Correction(place, at, why, came - gone)
                gone = came = 0
            gone += event.original.net_minor
            why, place, at = event.reason, entry.envelope.position, entry.envelope.recorded_at
        elif isinstance(event, UsageAccrued) and place >= 0:
            came += event.net_minor
    if place >= 0:
        yield Correction(place, at, why, came - gone)


# The invoice ------------------------------------------------------------------


def _invoice_of(reads: Reads, usage_id: str) -> Invoice | None:
    try:
        return invoice_of(reads, usage_id)
    except NotFound:
        return None


class InvoiceLine(NamedTuple):
    """A line of an invoice with the usage that it belongs to."""

    usage: UsageAccrued
    billed: BilledLine


def invoice_lines(reads: Reads, row: Invoice) -> list[InvoiceLine]:
    """List the lines of an invoice over usages, with their nets as they are taxed there."""
    issued = issuing_entry(reads, row).event
    if not isinstance(issued, InvoiceIssued):
        return []
    found: list[InvoiceLine] = []
    for position, usage in usages_of(reads, issued):
        for line_no, line in enumerate(usage.lines, 1):
            rule = _rule(usage, line)
            one = BilledLine(position, line_no, line, rule, line.net_minor)
            found.append(InvoiceLine(usage, one))
    accrued = [
        ((one.usage.country, one.billed.rule.category, one.billed.rule.rate_bp), line.net_minor)
        for one in found
        for line in (one.billed.line,)
    ]
    nets = line_nets(accrued, row.taxes)
    return [
        one._replace(billed=one.billed._replace(net_minor=net))
        for one, net in zip(found, nets, strict=True)
    ]


def _payments(reads: Reads, row: Invoice | None, names: set[str]) -> Iterator[PaidPart]:
    """Say what each payment of the invoice paid of these lines."""
    if row is None:
        return
    settled = [one for one in settled_by(reads, row) if one.is_payment]
    if not settled:
        return
    lines = [one.billed for one in invoice_lines(reads, row)]
    keys = [((one.rule.category, one.rule.rate_bp), one.net_minor) for one in lines]
    gross = gross_lines(keys, row.taxes)
    parts = paid_lines(gross, [max(one.amount_minor, 0) for one in settled])
    for one, paid in zip(settled, parts, strict=True):
        amount = sum(part.amount_minor for part in paid if lines[part.line_no - 1].name in names)
        if amount:
            yield PaidPart(one.kind, one.on, one.ref, amount)


# Packs ------------------------------------------------------------------------


def pack_reads(reads: Reads, legs: Sequence[PackLeg]) -> list[PackRead]:
    """Read the custody entries of packs that moved: the slot, and what was signed."""
    found = []
    for leg in legs:
        entry = reads.entry(leg.position)
        event = entry.event
        slot = event.slot if isinstance(event, PackReturned | PackSwappedOut) else ""
        signed = [one.verdict for one in entry.envelope.evidence if one.key_id]
        found.append(PackRead(leg, slot, signed[0] if signed else "unsigned"))
    return found


# Disputes ---------------------------------------------------------------------


def _disputes(reads: Reads, driver_id: str, made: Receipt) -> Iterator[Dispute]:
    """Yield the lines that are disputed: with their invoice, or in a request before there is one.

    A dispute that was raised with the invoice says itself how far it is.
    """
    names = {line.name for line in made.lines}
    raised: dict[tuple[int, int], str] = {}
    if made.invoice is not None:
        row = reads.row(DISPUTED_LINES, made.invoice.invoice_no)
        row = row or DisputedLines(made.invoice.invoice_no)
        raised = {(one.position, one.posting_index): one.state for one in row.lines}
    seen: set[DisputedAt] = set()
    for _, case in reads.rows(SUPPORT_CASES, listed=driver_id):
        for at in case.disputed:
            name = f"{at.position}-{at.line_no}"
            if name in names and at not in seen:
                seen.add(at)
                state = raised.get((at.position, at.line_no), _state_of(case))
                yield Dispute(name, case.case_id, case.dispute_code, state)


def _state_of(case: SupportCase) -> str:
    return "RAISED" if case.is_open else "CLOSED"
