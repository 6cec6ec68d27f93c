"""`invoice`: what drivers were invoiced, and the documents for it."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click
import msgspec

from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.invoice_settled import gross_lines, paid_lines
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.domain.privacy import INVOICE
from ledger.domain.revealing import RevealSubject
from ledger.exports.billed import invoice_document
from ledger.exports.einvoice import Address, BusinessDocument, Trader
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_credit import credit_note_document, subscription_document
from ledger.exports.einvoice_html import write_invoice_html
from ledger.exports.einvoice_sheet import Paid, Sheet
from ledger.exports.einvoice_ubl import write_ubl
from ledger.kernel.errors import Misconfigured
from ledger.kernel.iban import check_iban
from ledger.kernel.instants import as_datetime
from ledger.kernel.messages import Actor, Request
from ledger.kernel.money import amount_text
from ledger.kernel.sealing import SALT_BYTES
from ledger.runtime import settling
from ledger.runtime.crediting import invoice_of, issuing_entry, usages_of
from ledger.runtime.invoice_view import Settled, credit_note_entry, settled_by
from ledger.runtime.ledger import accepted
from ledger.runtime.reads import Entry, Reads
from mobilegrid import personal, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, TwoPersons, two_persons, write_file
from mobilegrid.settings import SellerSettings, Settings

Format = Literal["pdf", "html", "ubl", "cii"]
_LINES_SHOWN = 5


class Listed(msgspec.Struct, frozen=True):
    """The invoices as `invoice list` gives them in JSON."""

    invoices: list[Invoice]


@click.command("list", cls=Command)
@click.option("--driver", default=None, metavar="ID", help="Only this driver's.")
@click.option(
    "--usage", default="", metavar="ID", help="Only the one that a swap or session is on."
)
@click.option("--open", "only_open", is_flag=True, help="Only those that are not paid in full.")
@click.pass_obj
def list_(app: App, driver: str | None, usage: str, *, only_open: bool) -> None:
    """List invoices with what is still to be paid."""
    with wiring.reading(app.settings) as reads:
        if usage:
            rows = [invoice_of(reads, usage)]
        else:
            rows = [row for _, row in reads.rows(INVOICES, listed=driver)]
    kept = [row for row in rows if row.open_minor or not only_open]
    cells = [
        (
            row.invoice_no,
            row.driver_id,
            row.due_on,
            row.state.replace("_", " "),
            _money(row.payable_minor, row.currency),
            _money(row.open_minor, row.currency),
        )
        for row in kept
    ]
    columns = ("Invoice", "Driver", "Due", "State", "Total", "Open")
    app.console.answer(Listed(kept), table("Invoices", columns, cells, right=(4, 5)))


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
    type=click.Choice(["pdf", "html", "ubl", "cii"]),
    default="pdf",
    show_default=True,
    help="PDF or HTML for people, UBL 2.1 or CII for programs (EN 16931).",
)
@two_persons(role="finance", required=False)
@click.pass_obj
def export(app: App, number: str, file: Path, wanted: Format, persons: TwoPersons | None) -> None:
    """Write an invoice or a credit note for people, or as an EN 16931 file.

    Lines come from the usage entries and must give the sums and the root of the issued invoice.
    Who sells stands in the settings, section `seller`. With --by and --second the driver is named
    as the vault knows him, and the log says who looked; else by his id.
    """
    with wiring.reading(app.settings) as reads:
        sheet = sheet_of(reads, number, app.settings, persons)
    document = sheet.document
    data = _written(sheet, wanted)
    write_file(file, data)
    gross = _money(document.gross_minor, document.currency)
    app.console.answer(
        Written(number, str(file), wanted, len(data), gross),
        facts((("document", number), ("total", gross), ("file", f"{file}, {len(data):,} bytes"))),
    )


def sheet_of(
    reads: Reads, number: str, settings: Settings, persons: TwoPersons | None = None
) -> Sheet:
    """Make what is printed of an invoice or a credit note, from its entry and its usages.

    With two persons the buyer is named from the vault, and the log says so.
    """
    row = reads.row(INVOICES, number)
    note, entry = (None, issuing_entry(reads, row)) if row else credit_note_entry(reads, number)
    driver_id = row.driver_id if row else note.driver_id if note else ""
    buyer = buyer_of(settings, driver_id, persons) if persons else None
    seller = _seller(settings.seller)
    event = entry.event
    zone = settling.span_of(reads, entry_day(entry)).zone
    payments: tuple[Paid, ...] = ()
    if isinstance(event, CreditNoteIssued):
        document = credit_note_document(event, seller=seller, buyer=buyer)
    else:
        assert row is not None, "only credit notes have no row of an invoice"
        settled = [one for one in settled_by(reads, row) if one.is_payment]
        paid_minor = sum(one.amount_minor for one in settled)
        if isinstance(event, SubscriptionInvoiced):
            document = subscription_document(
                event, seller=seller, zone=zone, buyer=buyer, paid_minor=paid_minor
            )
        else:
            assert isinstance(event, InvoiceIssued), "what else issues an invoice"
            usages = usages_of(reads, event)
            document = invoice_document(
                event, usages, seller=seller, zone=zone, buyer=buyer, paid_minor=paid_minor
            )
        payments = tuple(_paid(document, row, settled))
    return Sheet(
        document,
        _facts(entry, document),
        f"{settings.doors.public_url}/log/{entry.envelope.ledger}/proof/{entry.envelope.position}",
        settings.seller.contact,
        payments,
    )


def entry_day(entry: Entry) -> str:
    """Give the day of an entry, in UTC."""
    return as_datetime(entry.envelope.recorded_at).date().isoformat()


def _paid(document: BusinessDocument, row: Invoice, settled: list[Settled]) -> Iterator[Paid]:
    """Say of each payment which lines it paid; what was paid back pays none."""
    lines = [((line.category, line.rate_bp), line.net_minor) for line in document.lines]
    gross = gross_lines(lines, row.taxes)
    parts = paid_lines(gross, [max(one.amount_minor, 0) for one in settled])
    for one, paid in zip(settled, parts, strict=True):
        numbers = [part.line_no for part in paid]
        words = ", ".join(str(number) for number in numbers[:_LINES_SHOWN])
        rest = "" if len(numbers) <= _LINES_SHOWN else f" to {numbers[-1]}"
        yield Paid(one.on, one.words, one.amount_minor, f"line {words}{rest}" if numbers else "")


def _facts(entry: Entry, document: BusinessDocument) -> tuple[tuple[str, str], ...]:
    found = [("Ledger entry", f"{entry.envelope.ledger}, position {entry.envelope.position}")]
    if isinstance(entry.event, InvoiceIssued):
        words = f"{len(document.lines)}, each from an entry of its own"
        found.append(("Lines in the ledger", words))
        found.append(("Root over the usages", entry.event.lines_root))
    return tuple(found)


def buyer_of(settings: Settings, driver_id: str, persons: TwoPersons) -> Trader:
    """Name a driver as the vault knows him for invoices; the log says who looked, before."""
    actor = Actor(id=persons.by, role=persons.role, second_person=persons.second)
    with personal.open_people(settings) as (ledger, vault, _):
        kept = {name: str(value) for name, value in vault.read(driver_id, INVOICE).items()}
        command = RevealSubject(
            subject_id=driver_id,
            purpose=INVOICE,
            fields=tuple(sorted(kept)),
            reason="the buyer is named on his invoice",
            salt=secrets.token_bytes(SALT_BYTES),
        )
        request = Request(
            key=wiring.IDS.key(),
            principal=actor.id,
            actor=actor,
            at=wiring.CLOCK.now(),
            command=command,
        )
        accepted(ledger.execute(request))
    street = kept.get("street", kept.get("address", ""))
    address = Address(
        street, kept.get("city", ""), kept.get("post_code", ""), kept.get("country", "")
    )
    name = kept.get("legal_name", kept.get("name", f"Driver {driver_id}"))
    return Trader(name, address, vat_id=kept.get("vat_id", ""))


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


def _written(sheet: Sheet, wanted: Format) -> bytes:
    if wanted == "ubl":
        return write_ubl(sheet.document)
    if wanted == "cii":
        return write_cii(sheet.document)
    if wanted == "html":
        return write_invoice_html(sheet)
    from ledger.exports.invoice_pdf import write_invoice_pdf

    return write_invoice_pdf(sheet)


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"
