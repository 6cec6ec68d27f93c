"""The papers of the month, as files: bills, statements, orders, bank files, report, books.

Nothing here is made for the demo: the same writers serve a real ledger. Who a driver is stands in
no ledger; a short list plays the vault that a real company would ask.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.exports.books import export_books
from ledger.exports.einvoice import Address, Trader
from ledger.exports.history import export_postings
from ledger.exports.invoice_papers import FORMATS, Letterhead, sheet_of, written
from ledger.exports.statement_papers import paper_of
from ledger.exports.statement_pdf import write_statement_pdf
from ledger.exports.statements import export_statement
from ledger.exports.xlsx import export_workbook
from ledger.kernel.errors import Unavailable
from ledger.runtime.closing import period_report
from ledger.runtime.closing_report import report_bytes
from ledger.runtime.reads import Reads
from mobilegrid.cli.params import write_file
from mobilegrid.demo import books, close_scenes, month_scenes
from mobilegrid.demo.agreements import MONTH, OUR_IBAN
from mobilegrid.demo.fleet import COUNTRY
from mobilegrid.demo.looks import plain
from mobilegrid.demo.month import Month
from mobilegrid.demo.partners import DISPUTER, TRADER

_CITY, _POST_CODE = "Rennes", "35000"
US = Trader(
    "Mobile Grid of the demo town",
    Address("12 quai de la Gare", _CITY, _POST_CODE, COUNTRY),
    vat_id="FR40303265045",
    register_id="RCS Rennes 303 265 045",
    iban=OUR_IBAN,
)
HEAD = Letterhead(US, "billing@mobile-grid.example", "https://grid.example.net")
_NAMES = ("Ada Martin", "Bo Lefevre", "Cleo Moreau", "Dan Petit", "Eve Rousseau", "Finn Garnier")
_STREETS = ("rue des Lilas", "rue du Port", "place du Marche", "quai Nord", "rue Haute")


def buyer_of(driver_id: str) -> Trader:
    """Name a driver, as the vault of a real company would."""
    number = int(driver_id.rpartition("-")[2])
    street = f"{number} {_STREETS[number % len(_STREETS)]}"
    return Trader(_NAMES[number % len(_NAMES)], Address(street, _CITY, _POST_CODE, COUNTRY))


def write_papers(month: Month, folder: Path) -> tuple[str, ...]:
    """Write the papers of a closed month into a folder; gives their names, in order.

    The same town gives the same bytes. `Unavailable` when a file cannot be written.
    """
    make_folders(folder)
    with month.day.ledger.reading() as reads:
        for name, content in (*_bills(reads), *_statements(reads), *_files(month)):
            write_file(folder / name, content)
        for row in _shown(reads):
            export_statement(reads, row.statement_id, folder / f"statements/{row.statement_id}.csv")
        for name, content in _close(reads, month):
            write_file(folder / name, content)
        export_books(reads, folder / "books", MONTH)
        export_postings(reads, folder / "books/postings.csv", MONTH)
        export_workbook(reads, folder / "books/postings.xlsx", MONTH)
    found = (path for path in folder.rglob("*") if path.is_file())
    return tuple(sorted(str(path.relative_to(folder)) for path in found))


def make_folders(folder: Path) -> None:
    """Make the folders of the papers; `Unavailable` when one cannot be made."""
    for name in ("bills", "statements", "bank", "close", "books"):
        try:
            (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {folder / name}: {error.strerror}") from error


# Bills ------------------------------------------------------------------------


def _bills(reads: Reads) -> Iterator[tuple[str, bytes]]:
    """Write the longest bill, every one that is overdue, and the credit notes."""
    chosen = books.choose_driver(list(reads.entries()))
    for number, row in reads.rows(INVOICES):
        if row.is_overdue or row.driver_id == chosen:
            yield from _document(reads, number, row.driver_id)
    for number, note in reads.rows(CREDIT_NOTES):
        yield from _document(reads, number, note.driver_id)


def _document(reads: Reads, number: str, driver_id: str) -> Iterator[tuple[str, bytes]]:
    sheet = sheet_of(reads, number, HEAD, buyer_of(driver_id))
    for name in FORMATS:
        ending = name if name in ("pdf", "html") else f"{name}.xml"
        yield f"bills/{number}.{ending}", written(sheet, name)


# Statements -------------------------------------------------------------------


def _shown(reads: Reads) -> list[Statement]:
    """Choose the statement with the disputed line, the one with its correction, a netted one."""
    disputed = reads.row(STATEMENTS, month_scenes.the_dispute(reads).document_id)
    assert disputed is not None, "it was issued"
    traded = [
        row
        for _, row in reads.rows(STATEMENTS, listed=TRADER)
        if any(one.receivable_minor for one in row.calculation.amounts)
    ]
    return [disputed, month_scenes.next_statement(reads, disputed), *traded]


def _statements(reads: Reads) -> Iterator[tuple[str, bytes]]:
    for row in _shown(reads):
        paper = paper_of(reads, row.statement_id, HEAD)
        yield f"statements/{row.statement_id}.pdf", write_statement_pdf(paper)
        said = {"statement": row, "lines": paper.lines}
        yield f"statements/{row.statement_id}.json", _json(said)


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic")) + b"\n"


# Files as they came and went, and the close -------------------------------------


def _files(month: Month) -> Iterator[tuple[str, bytes]]:
    for name, content in month.desk.kept.named.items():
        if not name.endswith(".jws"):
            yield f"bank/{name}", content
        elif f"-{DISPUTER}-" in name:
            yield f"statements/{name}", content


def _close(reads: Reads, month: Month) -> Iterator[tuple[str, bytes]]:
    assert month.run is not None, "the month was reconciled"
    assert month.closed is not None, "the month was closed"
    made = period_report(reads, MONTH)
    yield "close/report.json", report_bytes(made)
    parts = (*close_scenes.report(made, month.closed), "", close_scenes.checklist(month.closed))
    yield "close/report.txt", plain(*parts).encode()
    yield "close/checklist.json", _json(month.closed)
    yield "close/reconciliation.json", _json(month.run)
    yield "close/reconciliation.txt", plain(*close_scenes.reconciliation(month.run)).encode()
