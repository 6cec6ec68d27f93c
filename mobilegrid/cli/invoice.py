"""`invoice`: what drivers were invoiced, and the documents for it."""

import secrets
from pathlib import Path

import click
import msgspec

from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.privacy import INVOICE
from ledger.domain.revealing import RevealSubject
from ledger.exports import invoice_papers
from ledger.exports.einvoice import Address, Trader
from ledger.exports.einvoice_sheet import Sheet
from ledger.kernel.messages import Actor, Request
from ledger.kernel.money import amount_text
from ledger.kernel.sealing import SALT_BYTES
from ledger.runtime.crediting import invoice_of
from ledger.runtime.invoice_view import credit_note_entry
from ledger.runtime.ledger import accepted
from ledger.runtime.reads import Reads
from mobilegrid import personal, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, TwoPersons, two_persons, write_file
from mobilegrid.letterhead import letterhead
from mobilegrid.settings import Settings


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
def export(
    app: App, number: str, file: Path, wanted: invoice_papers.Format, persons: TwoPersons | None
) -> None:
    """Write an invoice or a credit note for people, or as an EN 16931 file.

    Lines come from the usage entries and must give the sums and the root of the issued invoice.
    Who sells stands in the settings, section `seller`. With --by and --second the driver is named
    as the vault knows him, and the log says who looked; else by his id.
    """
    with wiring.reading(app.settings) as reads:
        sheet = sheet_of(reads, number, app.settings, persons)
    document = sheet.document
    data = invoice_papers.written(sheet, wanted)
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
    driver_id = row.driver_id if row else credit_note_entry(reads, number)[0].driver_id
    buyer = buyer_of(settings, driver_id, persons) if persons else None
    return invoice_papers.sheet_of(reads, number, letterhead(settings), buyer)


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


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"
