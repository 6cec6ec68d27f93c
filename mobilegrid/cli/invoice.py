"""`invoice`: what drivers were invoiced, and the documents for it."""

from pathlib import Path
from typing import Literal

import click
import msgspec

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued
from ledger.exports.billed import invoice_document
from ledger.exports.einvoice import Address, BusinessDocument, Trader
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_ubl import write_ubl
from ledger.kernel.errors import InvariantBroken, Misconfigured, NotFound
from ledger.kernel.iban import check_iban
from ledger.kernel.money import amount_text
from ledger.runtime import settling
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, write_file
from mobilegrid.settings import SellerSettings

Format = Literal["pdf", "ubl", "cii"]


class Listed(msgspec.Struct, frozen=True):
    """The invoices as `invoice list` gives them in JSON."""

    invoices: list[Invoice]


@click.command("list", cls=Command)
@click.option("--driver", default=None, metavar="ID", help="Only this driver's.")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not paid in full.")
@click.pass_obj
def list_(app: App, driver: str | None, *, only_open: bool) -> None:
    """List invoices with what is still to be paid."""
    with wiring.reading(app.settings) as reads:
        rows = [row for _, row in reads.rows(INVOICES, listed=driver)]
    kept = [row for row in rows if row.open_minor or not only_open]
    cells = [
        (
            row.invoice_no,
            row.driver_id,
            row.due_on,
            _money(row.gross_minor, row.currency),
            _money(row.open_minor, row.currency),
        )
        for row in kept
    ]
    columns = ("Invoice", "Driver", "Due", "Total", "Open")
    app.console.answer(Listed(kept), table("Invoices", columns, cells, right=(3, 4)))


class Written(msgspec.Struct, frozen=True):
    """The answer of `invoice export`."""

    invoice_no: str
    file: str
    format: str
    bytes: int
    gross: str


@click.command(cls=Command)
@click.argument("number")
@click.argument("file", type=FILE)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["pdf", "ubl", "cii"]),
    default="pdf",
    show_default=True,
    help="PDF for people, UBL 2.1 or CII for programs (EN 16931).",
)
@click.pass_obj
def export(app: App, number: str, file: Path, wanted: Format) -> None:
    """Write an invoice as PDF or as an EN 16931 file.

    Lines come from the usage entries and must give the sums and the root of the issued invoice.
    Who sells stands in the settings, section `seller`.
    """
    with wiring.reading(app.settings) as reads:
        row = reads.row(INVOICES, number)
        if row is None:
            raise NotFound(f"there is no invoice {number}")
        entry = issued_entry(reads, row)
        document = document_of(reads, row, entry, app.settings.seller)
    data = _written(document, entry, app, wanted)
    write_file(file, data)
    gross = _money(document.gross_minor, document.currency)
    app.console.answer(
        Written(number, str(file), wanted, len(data), gross),
        facts((("invoice", number), ("total", gross), ("file", f"{file}, {len(data):,} bytes"))),
    )


def issued_entry(reads: Reads, row: Invoice) -> Entry:
    """Find the entry that issued an invoice."""
    for one in reads.entries(0, None, (InvoiceIssued.kind,)):
        if isinstance(one.event, InvoiceIssued) and one.event.invoice_no == row.invoice_no:
            return one
    raise InvariantBroken(f"invoice {row.invoice_no} has no entry")


def document_of(
    reads: Reads, row: Invoice, entry: Entry, seller: SellerSettings
) -> BusinessDocument:
    """Make the document of an invoice from its entry and its usages."""
    issued = entry.event
    assert isinstance(issued, InvoiceIssued), "found by its kind"
    zone = settling.span_of(reads, issued.issued_on).zone
    span = Span(issued.period, zone, issued.from_position, issued.to_position)
    usages = (
        (one.envelope.position, one.event)
        for one in settling.driver_usages(reads, issued.driver_id, span)
        if isinstance(one.event, UsageAccrued) and one.event.currency == issued.currency
    )
    return invoice_document(
        issued,
        usages,
        seller=_seller(seller),
        zone=zone,
        paid_minor=row.paid_minor,
    )


def _seller(settings: SellerSettings) -> Trader:
    for name in ("name", "country", "vat_id"):
        if not getattr(settings, name):
            raise Misconfigured(f"seller.{name} is empty: an invoice names who sells")
    address = Address(settings.street, settings.city, settings.post_code, settings.country)
    return Trader(
        settings.name,
        address,
        vat_id=settings.vat_id,
        register_id=settings.register_id,
        iban=check_iban(settings.iban, "seller.iban") if settings.iban else "",
    )


def _written(document: BusinessDocument, entry: Entry, app: App, wanted: Format) -> bytes:
    if wanted == "ubl":
        return write_ubl(document)
    if wanted == "cii":
        return write_cii(document)
    from ledger.exports.invoice_pdf import Sheet, write_invoice_pdf

    position = entry.envelope.position
    ledger = entry.envelope.ledger
    found = (
        ("Ledger entry", f"{ledger}, position {position}"),
        ("Lines in the ledger", f"{len(document.lines)}, each from an entry of its own"),
        ("Root over the usages", _root(entry)),
    )
    proof = f"{app.settings.doors.public_url}/log/{ledger}/proof/{position}"
    return write_invoice_pdf(Sheet(document, found, proof, app.settings.seller.contact))


def _root(entry: Entry) -> str:
    assert isinstance(entry.event, InvoiceIssued), "found by its kind"
    return entry.event.lines_root


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"
