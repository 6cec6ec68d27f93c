"""An issued invoice as the business document that a driver gets, line by line from its usages.

The entry `invoice.issued` holds sums and the root over the usages; the lines stand in the usage
entries themselves. Both must give the same tax bases and the same root, otherwise no document is
made: what is on paper is what is in the log.
"""

from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.documents import InvoiceDraft
from ledger.domain.money.invoice_taxes import TaxRow, line_nets, tax_table
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.rating_facts import Line as RatedLine
from ledger.domain.money.rating_parts import FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH
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
from ledger.kernel.instants import as_datetime, local_date
from ledger.kernel.money import round_half_up
from ledger.kernel.quantities import BP_FULL

Usages = Iterable[tuple[int, UsageAccrued]]
"""Usages with the position of their entry, in order."""

_UNITS: dict[str, tuple[Unit, int]] = {
    "WH": ("KWH", 1),
    "SWAP": ("PIECE", 1000),
    "ITEM": ("PIECE", 1000),
    "MINUTE": ("MINUTE", 1000),
    "DAY": ("DAY", 1000),
    "MONTH": ("MONTH", 1000),
    "SOH_BP": ("PIECE", 1000),
}
"""Our unit on an invoice, and thousandths of it for one of the rating's."""
WORDS = {
    "ENERGY": "Energy",
    "SERVICE": "Service",
    "SWAP": "Swap",
    "BOOKING": "Booking",
    "NO_SHOW": "Booking not used",
    "LATE": "Late return",
    "IDLE": "Time after charging",
    "CLASS_UPGRADE": "Larger pack than agreed",
    "EXTRA_PACK": "Pack not returned",
    "DAMAGE": "Compensation for damage",
    "SUBSCRIPTION": "Subscription",
    "V2G": "Energy given back",
    "DISCOUNT": "Discount",
}
"""What components are called on a document."""
_USAGES = {
    "swap": "Swap",
    "charging_session": "Charging",
    "booking": "Booking",
    "custody": "Pack with you",
    "v2g": "Energy to the grid",
}
_FREE = frozenset({FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH})
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
    table = tax_table(draft.bases())
    stated = (issued.taxes, issued.rounding_minor, issued.lines_root)
    if (table.rows, table.rounding_minor, draft.lines_root()) != stated:
        raise ReplayDiffers(f"the usages do not give invoice {issued.invoice_no}")
    country = only_country(issued.taxes, issued.invoice_no)
    accrued = [((country, line.category, line.rate_bp), line.net_minor) for line in lines]
    nets = line_nets(accrued, issued.taxes)
    return BusinessDocument(
        number=issued.invoice_no,
        kind="380",
        issued_on=issued.issued_on,
        delivered_on=max(days).isoformat(),
        due_on=issued.due_on,
        currency=issued.currency,
        seller=seller,
        buyer=buyer or Trader(f"Driver {issued.driver_id}", Address("", "", "", country)),
        period_from=min(days).isoformat(),
        period_to=max(days).isoformat(),
        lines=tuple(replace(line, net_minor=net) for line, net in zip(lines, nets, strict=True)),
        rounding_minor=issued.rounding_minor,
        taxes=tuple(
            Tax(r.category, r.rate_bp, r.net_minor, r.tax_minor, REASONS.get(r.category, ""))
            for r in issued.taxes
        ),
        paid_minor=paid_minor,
        payee_iban=seller.iban,
        buyer_reference=issued.driver_id,
    )


def with_free(document: BusinessDocument, usages: Usages, zone: str) -> BusinessDocument:
    """Add what cost nothing, because a plan had paid for it, as lines at 0; the sums stay."""
    lines = list(document.lines)
    days = [document.period_from, document.period_to]
    treatments = {(one.category, one.rate_bp) for one in document.taxes}
    taxes = list(document.taxes)
    for _, event in usages:
        for rated in event.lines:
            line = _line(event, rated, str(len(lines) + 1), zone)
            lines.append(line)
            days += [line.from_on, line.to_on]
            if (line.category, line.rate_bp) not in treatments:
                treatments.add((line.category, line.rate_bp))
                reason = REASONS.get(line.category, "")
                taxes.append(Tax(line.category, line.rate_bp, 0, 0, reason))
    return replace(
        document,
        lines=tuple(lines),
        taxes=tuple(taxes),
        delivered_on=max(document.delivered_on, *days),
        period_from=min(days),
        period_to=max(days),
    )


def only_country(taxes: tuple[TaxRow, ...], number: str) -> str:
    """Give the country of a tax table; `Malformed` when there are two."""
    countries = sorted({row.country for row in taxes})
    if len(countries) != 1:
        raise Malformed(f"one country, got {', '.join(countries)}", field=number)
    return countries[0]


def _line(event: UsageAccrued, rated: RatedLine, line_id: str, zone: str) -> Line:
    rule = tax_rule(event.country, rated.tax_product, rated.service_start_at)
    if rule is None:
        raise InvariantBroken(f"usage {event.usage_id} has no tax rule")
    unit, thousandths = _UNITS[rated.unit]
    quantity = rated.quantity if rated.billed_quantity is None else rated.billed_quantity
    sign = -1 if rated.rate_micro < 0 else 1
    price_micro = sign * rated.rate_micro
    if rated.gross_minor is not None:  # the price of an invoice is net
        price_micro = round_half_up(price_micro * BP_FULL, BP_FULL + rule.rate_bp)
    name = WORDS.get(rated.component, rated.component.capitalize())
    from_on = local_date(rated.service_start_at, zone).isoformat()
    to_on = local_date(rated.service_end_at, zone).isoformat()
    return Line(
        line_id=line_id,
        name=f"{name}, within the allowance" if rated.formula in _FREE else name,
        unit=unit,
        # a price is never negative on an invoice (BR-27): a negative one takes the quantity back
        quantity_milli=sign * quantity * thousandths,
        price_micro=price_micro,
        net_minor=rated.net_minor,
        category=rule.category,
        rate_bp=rule.rate_bp,
        description=f"{event.usage_id} at {event.station_id}, tariff {event.tariff_id}"
        f" version {rated.tariff_version}{_rests_on(event, zone)}",
        from_on=from_on,
        to_on=to_on,
        group=f"{_usage_words(event, zone)} · {event.usage_id}, tariff {event.tariff_id}",
    )


def _rests_on(event: UsageAccrued, zone: str) -> str:
    """Name the assessments and the stay behind a line of damage, each by its entry."""
    told = event.damage
    if told is None:
        return ""
    begin, end = (local_date(at, zone).isoformat() for at in (told.begin_at, told.end_at))
    return (
        f"; health {_percent(told.before_bp)} (entry {told.before_position})"
        f" to {_percent(told.after_bp)} (entry {told.after_position}),"
        f" with you from {begin} (entry {told.out_position}) to {end} (entry {told.in_position}),"
        f" sure {_percent(told.sure_bp)}, allowed {_percent(told.allowed_bp)}"
    )


def _percent(bp: int) -> str:
    return f"{bp // 100}.{bp % 100:02d} %"


def _usage_words(event: UsageAccrued, zone: str) -> str:
    """Say what was used, where and when, by the clock of a zone."""
    here = ZoneInfo(zone)
    begin = as_datetime(min(line.service_start_at for line in event.lines)).astimezone(here)
    end = as_datetime(max(line.service_end_at for line in event.lines)).astimezone(here)
    what = _USAGES.get(event.usage_kind, event.usage_kind.replace("_", " ").capitalize())
    if begin == end:
        return f"{what} at {event.station_id}, {begin:%Y-%m-%d %H:%M}"
    until = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{what} at {event.station_id}, {begin:%Y-%m-%d %H:%M} to {until}"
