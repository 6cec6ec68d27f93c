"""An issued invoice as the business document that a driver gets, line by line from its usages.

The entry `invoice.issued` holds sums and the root over the usages; the lines stand in the usage
entries themselves. Both must give the same tax bases and the same root, otherwise no document is
made: what is on paper is what is in the log.
"""

from collections.abc import Iterable
from datetime import date

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.documents import InvoiceDraft
from ledger.domain.money.invoices import InvoiceIssued, TaxBase
from ledger.domain.money.rating import Line as RatedLine
from ledger.domain.money.tax import tax_rule
from ledger.exports.einvoice import (
    Address,
    BusinessDocument,
    Line,
    Tax,
    Trader,
    Unit,
)
from ledger.kernel.errors import InvariantBroken, Malformed, ReplayDiffers
from ledger.kernel.instants import local_date

Usages = Iterable[tuple[int, UsageAccrued]]
"""Usages with the position of their entry, in order."""

_UNITS: dict[str, tuple[Unit, int]] = {
    "WH": ("KWH", 1),
    "SWAP": ("PIECE", 1000),
    "ITEM": ("PIECE", 1000),
    "MINUTE": ("MINUTE", 1000),
}
"""Our unit on an invoice, and thousandths of it for one of the rating's."""
_WORDS = {
    "ENERGY": "Energy",
    "SERVICE": "Service",
    "SWAP": "Swap",
    "BOOKING": "Booking",
    "NO_SHOW": "Booking not used",
    "LATE": "Late return",
    "IDLE": "Time after charging",
}
REASONS = {"O": "Outside the scope of value added tax", "AE": "Reverse charge", "E": "Exempt"}


def invoice_document(
    issued: InvoiceIssued,
    usages: Usages,
    *,
    seller: Trader,
    zone: str,
    buyer: Trader | None = None,
    paid_minor: int = 0,
) -> BusinessDocument:
    """Make the document of an invoice; dates are days in the settlement `zone`.

    `buyer` defaults to the driver's id in the country of the tax. `ReplayDiffers` when the usages
    are not those of the invoice, `Malformed` for usages of two countries: their taxes do not go
    onto one document.
    """
    draft = InvoiceDraft(issued.currency)
    lines: list[Line] = []
    days: list[date] = []
    for position, event in usages:
        draft.add(position, event)
        for rated in event.lines:
            lines.append(_line(event, rated, str(len(lines) + 1), zone))
            days += [local_date(at, zone) for at in (rated.service_start_at, rated.service_end_at)]
    stated = tuple(TaxBase(r.country, r.category, r.rate_bp, r.net_minor) for r in issued.taxes)
    if draft.bases() != stated or draft.lines_root() != issued.lines_root:
        raise ReplayDiffers(f"the usages do not give invoice {issued.invoice_no}")
    countries = sorted({row.country for row in issued.taxes})
    if len(countries) != 1:
        raise Malformed(f"one country, got {', '.join(countries)}", field=issued.invoice_no)
    return BusinessDocument(
        number=issued.invoice_no,
        kind="380",
        issued_on=issued.issued_on,
        delivered_on=max(days).isoformat(),
        due_on=issued.due_on,
        currency=issued.currency,
        seller=seller,
        buyer=buyer or Trader(f"Driver {issued.driver_id}", Address("", "", "", countries[0])),
        period_from=min(days).isoformat(),
        period_to=max(days).isoformat(),
        lines=tuple(lines),
        taxes=tuple(
            Tax(r.category, r.rate_bp, r.net_minor, r.tax_minor, REASONS.get(r.category, ""))
            for r in issued.taxes
        ),
        paid_minor=paid_minor,
        payee_iban=seller.iban,
        buyer_reference=issued.driver_id,
    )


def _line(event: UsageAccrued, rated: RatedLine, line_id: str, zone: str) -> Line:
    rule = tax_rule(event.country, rated.tax_product, rated.service_start_at)
    if rule is None:
        raise InvariantBroken(f"usage {event.usage_id} has no tax rule")
    unit, thousandths = _UNITS[rated.unit]
    quantity = rated.quantity if rated.billed_quantity is None else rated.billed_quantity
    sign = -1 if rated.rate_micro < 0 else 1
    from_on = local_date(rated.service_start_at, zone).isoformat()
    to_on = local_date(rated.service_end_at, zone).isoformat()
    return Line(
        line_id=line_id,
        name=_WORDS.get(rated.component, rated.component.capitalize()),
        unit=unit,
        # a price is never negative on an invoice (BR-27): a negative one takes the quantity back
        quantity_milli=sign * quantity * thousandths,
        price_micro=sign * rated.rate_micro,
        net_minor=rated.net_minor,
        category=rule.category,
        rate_bp=rule.rate_bp,
        description=f"{event.usage_id} at {event.station_id}, tariff {event.tariff_id}"
        f" version {rated.tariff_version}",
        from_on=from_on,
        to_on=to_on,
    )
