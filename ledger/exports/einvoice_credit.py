"""Credit notes and invoices of subscriptions as business documents, each from its own entry.

A credit note names a line of the invoice for each of its own: one piece at the net amount that is
credited. What the lines say stands in the entry `credit_note.issued`, so no other entry is read.
"""

from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.invoice_credits import CreditedLine
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.exports.billed import REASONS, WORDS, only_country
from ledger.exports.einvoice import Address, BusinessDocument, Line, Tax, Trader
from ledger.kernel.instants import local_date
from ledger.kernel.money import EXPONENTS
from ledger.kernel.quantities import kwh_text

_ONE_MILLI = 1_000
_MICRO_DECIMALS = 6
REASON_WORDS = {
    "billing_error": "We had billed this wrongly.",
    "dispute_upheld": "You disputed this, and you were right.",
    "goodwill": "As a gesture of goodwill.",
    "rerated": "The price was computed anew.",
    "safety": "For your safety this pack should not have been given.",
    "service_failed": "The service did not work as it should.",
}


def credit_note_document(
    issued: CreditNoteIssued, *, seller: Trader, buyer: Trader | None = None
) -> BusinessDocument:
    """Make the document of a credit note; `buyer` defaults to the driver's id.

    `Malformed` for lines of two countries, as with invoices.
    """
    country = only_country(issued.taxes, issued.credit_note_no)
    return BusinessDocument(
        number=issued.credit_note_no,
        kind="381",
        issued_on=issued.issued_on,
        delivered_on=issued.issued_on,
        currency=issued.currency,
        seller=seller,
        buyer=buyer or nameless(issued.driver_id, country),
        preceding_no=issued.invoice_no,
        preceding_on=issued.invoice_issued_on,
        lines=tuple(
            _credited(line, str(number), issued.currency)
            for number, line in enumerate(issued.lines, 1)
        ),
        taxes=tax_table(issued.taxes),
        rounding_minor=issued.rounding_minor,
        note=REASON_WORDS[issued.reason],
        buyer_reference=issued.driver_id,
    )


def _credited(line: CreditedLine, line_id: str, currency: str) -> Line:
    """Give a line one piece at what is credited; a discount takes a piece back."""
    sign = -1 if line.credited_minor < 0 else 1
    where = f"line {line.name} of the invoice"
    return Line(
        line_id=line_id,
        name=WORDS.get(line.component, line.component.capitalize()),
        unit="PIECE",
        quantity_milli=sign * _ONE_MILLI,
        price_micro=price_micro(abs(line.credited_minor), currency),
        net_minor=line.credited_minor,
        category=line.category,
        rate_bp=line.rate_bp,
        description=f"{line.usage_id}, {where}",
    )


def subscription_document(
    issued: SubscriptionInvoiced,
    *,
    seller: Trader,
    zone: str,
    buyer: Trader | None = None,
    paid_minor: int = 0,
) -> BusinessDocument:
    """Make the document of a month of a subscription; dates are days in `zone`."""
    country = only_country(issued.taxes, issued.invoice_no)
    gives = f"{issued.quantity} swaps"
    if issued.unit == "KWH":
        gives = f"{kwh_text(issued.quantity)} kWh"
    part = ""
    if issued.days < issued.days_of_month:
        part = f", {issued.days} of {issued.days_of_month} days"
    first = local_date(issued.begin_at, zone).isoformat()
    last = local_date(issued.end_at - 1, zone).isoformat()
    line = Line(
        line_id="1",
        name="Subscription",
        unit="MONTH",
        quantity_milli=_ONE_MILLI,
        price_micro=price_micro(issued.net_minor, issued.currency),
        net_minor=issued.net_minor,
        category=issued.taxes[0].category,
        rate_bp=issued.taxes[0].rate_bp,
        description=f"{issued.plan_id} version {issued.plan_version}: {gives}{part}",
        from_on=first,
        to_on=last,
    )
    return BusinessDocument(
        number=issued.invoice_no,
        kind="380",
        issued_on=issued.issued_on,
        delivered_on=last,
        due_on=issued.due_on,
        currency=issued.currency,
        seller=seller,
        buyer=buyer or nameless(issued.driver_id, country),
        period_from=first,
        period_to=last,
        lines=(line,),
        taxes=tax_table(issued.taxes),
        paid_minor=paid_minor,
        payee_iban=seller.iban,
        buyer_reference=issued.driver_id,
    )


def nameless(driver_id: str, country: str) -> Trader:
    """Name a driver by his id, where nobody opens the vault."""
    return Trader(f"Driver {driver_id}", Address("", "", "", country))


def tax_table(rows: tuple[TaxRow, ...]) -> tuple[Tax, ...]:
    """Make the tax table of a document (BG-23)."""
    return tuple(
        Tax(row.category, row.rate_bp, row.net_minor, row.tax_minor, REASONS.get(row.category, ""))
        for row in rows
    )


def price_micro(minor: int, currency: str) -> int:
    """Give an amount in minor units as the price of one piece, in millionths.

    >>> price_micro(595, "EUR"), price_micro(595, "JPY")
    (5950000, 595000000)
    """
    scale: int = 10 ** (_MICRO_DECIMALS - EXPONENTS[currency])
    return minor * scale
