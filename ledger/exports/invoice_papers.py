"""An invoice or a credit note as somebody takes it away: PDF, HTML, UBL 2.1 or CII.

Everything stands in the entry that issued it and in the entries of its usages, so the same document
has the same bytes whenever it is asked for; only what was paid since is added, and only on request.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from ledger.domain.money.agency import Seller
from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.invoice_settled import gross_lines, paid_lines
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.exports.billed import invoice_document, with_free
from ledger.exports.einvoice import Address, BusinessDocument, Trader
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_credit import credit_note_document, subscription_document
from ledger.exports.einvoice_html import write_invoice_html
from ledger.exports.einvoice_sheet import Paid, Sheet
from ledger.exports.einvoice_ubl import write_ubl
from ledger.kernel.instants import as_datetime
from ledger.runtime import settling
from ledger.runtime.crediting import issuing_entry, usages_of
from ledger.runtime.free_usages import free_usages
from ledger.runtime.invoice_view import Settled, credit_note_entry, settled_by
from ledger.runtime.reads import Entry, Reads

Format = Literal["pdf", "html", "ubl", "cii"]
FORMATS: dict[Format, str] = {
    "html": "text/html",
    "pdf": "application/pdf",
    "ubl": "application/xml",
    "cii": "application/xml",
}
"""The forms of a document, each with its media type."""

_LINES_SHOWN = 5


class Letterhead(msgspec.Struct, frozen=True):
    """Who issues documents: the seller, how to reach him, and where entries are proven."""

    seller: Trader
    contact: str = ""
    public_url: str = ""


def sheet_of(
    reads: Reads,
    number: str,
    head: Letterhead,
    buyer: Trader | None = None,
    *,
    with_payments: bool = True,
) -> Sheet:
    """Make what is printed of an invoice or a credit note, from its entry and its usages.

    Without a buyer the driver is named by his id. Without payments it is the document as it was
    issued, whatever was paid since.

    Raises:
        NotFound: there is no document of that number.
        ReplayDiffers: the entries give other sums than were issued.
    """
    row = reads.row(INVOICES, number)
    entry = issuing_entry(reads, row) if row else credit_note_entry(reads, number)[1]
    event, zone = entry.event, settling.span_of(reads, entry_day(entry)).zone
    payments: tuple[Paid, ...] = ()
    if isinstance(event, CreditNoteIssued):
        seller = _seller(event.seller, head)
        document = credit_note_document(event, seller=seller, buyer=buyer)
    else:
        assert row is not None, "only credit notes have no row of an invoice"
        settled = [one for one in settled_by(reads, row) if one.is_payment and with_payments]
        paid_minor = sum(one.amount_minor for one in settled)
        if isinstance(event, SubscriptionInvoiced):
            document = subscription_document(
                event, seller=head.seller, zone=zone, buyer=buyer, paid_minor=paid_minor
            )
        else:
            assert isinstance(event, InvoiceIssued), "what else issues an invoice"
            usages, seller = usages_of(reads, event), _seller(event.seller, head)
            document = invoice_document(
                event, usages, seller=seller, zone=zone, buyer=buyer, paid_minor=paid_minor
            )
            if event.seller is not None:  # he sells, the money comes to us
                named = f"In the name of {event.seller.name}, by {head.seller.name}."
                document = msgspec.structs.replace(
                    document, note=named, payee_iban=head.seller.iban
                )
        payments = tuple(_paid(document, row, settled))
        if isinstance(event, InvoiceIssued):
            document = with_free(document, free_usages(reads, event), zone)
    return Sheet(
        document,
        _facts(entry, document),
        f"{head.public_url}/log/{entry.envelope.ledger}/proof/{entry.envelope.position}",
        head.contact,
        payments,
    )


def _seller(partner: Seller | None, head: Letterhead) -> Trader:
    """Say who sells: a partner as his contract names him, or else who issues documents."""
    if partner is None:
        return head.seller
    address = Address(partner.street, partner.city, partner.post_code, partner.country)
    return Trader(
        partner.name,
        address,
        vat_id=partner.vat_id,
        register_id=partner.register_id,
    )


def written(sheet: Sheet, wanted: Format) -> bytes:
    """Write a document in one of its forms; the same sheet is the same bytes."""
    match wanted:
        case "ubl":
            return write_ubl(sheet.document)
        case "cii":
            return write_cii(sheet.document)
        case "html":
            return write_invoice_html(sheet)
        case "pdf":
            # large, and most processes never write one
            from ledger.exports.invoice_pdf import write_invoice_pdf  # noqa: PLC0415

            return write_invoice_pdf(sheet)


def entry_day(entry: Entry) -> str:
    """Give the day of an entry, in UTC."""
    return as_datetime(entry.envelope.recorded_at).date().isoformat()


def _paid(document: BusinessDocument, row: Invoice, settled: list[Settled]) -> Iterator[Paid]:
    """Say of each payment which lines it paid; what was paid back pays none."""
    lines = [((line.category, line.rate_bp), line.net_minor) for line in document.lines]
    gross = gross_lines(lines, row.taxes)
    parts = paid_lines(gross, [max(one.amount_minor, 0) for one in settled])
    for one, paid in zip(settled, parts, strict=True):
        yield Paid(one.on, one.words, one.amount_minor, _lines_words([p.line_no for p in paid]))


def _lines_words(numbers: list[int]) -> str:
    """Name lines that were paid: those that follow each other by the first and the last."""
    if not numbers:
        return ""
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 1 and last - first == len(numbers) - 1:
        return f"lines {first} to {last}"
    words = ", ".join(map(str, numbers[:_LINES_SHOWN]))
    rest = "" if len(numbers) <= _LINES_SHOWN else f" to {last}"
    return f"line{'s' if len(numbers) > 1 else ''} {words}{rest}"


def _facts(entry: Entry, document: BusinessDocument) -> tuple[tuple[str, str], ...]:
    found = [("Ledger entry", f"{entry.envelope.ledger}, position {entry.envelope.position}")]
    if isinstance(entry.event, InvoiceIssued):
        words = f"{len(document.lines)}, each from an entry of its own"
        found.append(("Lines in the ledger", words))
        found.append(("Root over the usages", entry.event.lines_root))
    return tuple(found)
