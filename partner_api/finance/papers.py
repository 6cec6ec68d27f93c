"""Documents: statements as they were signed, with the proof of their entry, and invoices.

The document of a statement is a JWS over its figures; partners get that of their own statements.
Documents of invoices are made from their entries: asked for again they have the same bytes.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_rows import STATEMENTS, UNDER_REVIEW, Statement
from ledger.domain.money.settlement_steps import PublishStatement
from ledger.exports import invoice_papers
from ledger.exports.invoice_papers import FORMATS, Format
from ledger.exports.issued import always, entry_proof, sign_issued
from ledger.exports.statement_documents import publishing
from ledger.exports.statement_papers import paper_of
from ledger.exports.statements import export_statement
from ledger.kernel.errors import NotFound, Unavailable
from ledger.kernel.messages import Command, Event
from ledger.runtime.reads import Entry, Reads
from partner_api.auth import Action
from partner_api.deps import Documents, Parts, answers, asks, makes, parts_of, read_body
from partner_api.finance.making import MadeOut, NoFieldsIn, done_from, row_of
from partner_api.look import Asking, Look, known_id, looking
from partner_api.writing import HttpRequest

JOSE = "application/jose"
PROOF = "text/plain"
CSV = "text/csv"
PDF = "application/pdf"
STATEMENT_FORMATS = ("jws", "csv", "pdf")
_HOLDER = "partner_id"


def documents_of(parts: Parts) -> Documents:
    """Give who signs documents; `Unavailable` where no signer is named."""
    if parts.documents is None:
        raise Unavailable("no documents are signed here")
    return parts.documents


# Statements -------------------------------------------------------------------


@get(
    "/statements/{statement_id:str}/document",
    operation_id="read_statement_document",
    opt=asks(Action.READ_SETTLEMENT, "format") | answers(JOSE, CSV, PDF),
    media_type=JOSE,
    sync_to_thread=True,
)
def read_statement_document(request: Asking, statement_id: FromPath[str]) -> Response[bytes]:
    """Give an issued statement: its signed document (`jws`), its lines (`csv`), a paper (`pdf`)."""
    with looking(request, "read_statement_document", heavy=True) as look:
        row = row_of(look, STATEMENTS, statement_id, _HOLDER)
        count = row.calculation.line_count
        match look.choice("format", STATEMENT_FORMATS):
            case "csv":
                return look.raw(_lines_of(look.reads, row), CSV, rows=count)
            case "pdf":
                return look.raw(_paper_of(look, row), PDF, rows=count)
            case _:
                return look.raw(_document_of(look, row), JOSE)


def _document_of(look: Look, row: Statement) -> bytes:
    issued = _issued(look.reads, row)
    event = issued.event
    if isinstance(event, StatementIssued) and event.document:
        return event.document.encode()
    # one that was issued from its entries alone is signed when somebody asks, always the same
    signer = documents_of(look.parts)
    return sign_issued(look.reads, issued, signer.sign, signer.is_final).jws.encode()


def _paper_of(look: Look, row: Statement) -> bytes:
    if look.parts.letterhead is None:
        raise Unavailable("nobody says here who issues statements")
    # large, and most processes never write one
    from ledger.exports.statement_pdf import write_statement_pdf  # noqa: PLC0415

    return write_statement_pdf(paper_of(look.reads, row.statement_id, look.parts.letterhead))


def _lines_of(reads: Reads, row: Statement) -> bytes:
    _issued(reads, row)
    with TemporaryDirectory(prefix="mobilegrid-") as folder:
        file = Path(folder) / "statement.csv"
        export_statement(reads, row.statement_id, file)
        return file.read_bytes()


def _issued(reads: Reads, row: Statement) -> Entry:
    """Find the entry that issued a statement; `NotFound` before there is one."""
    for entry in reads.entries(row.to_position + 1, None, (StatementIssued.kind,)):
        event = entry.event
        if isinstance(event, StatementIssued) and event.statement_id == row.statement_id:
            return entry
    raise NotFound("it is not issued")


@get(
    "/statements/{statement_id:str}/proof",
    operation_id="read_statement_proof",
    opt=asks(Action.READ_SETTLEMENT),
    media_type="text/plain",
    sync_to_thread=True,
)
def read_statement_proof(request: Asking, statement_id: FromPath[str]) -> Response[bytes]:
    """Prove that a statement stands in the log: its entry under a signed checkpoint."""
    with looking(request, "read_statement_proof", heavy=True) as look:
        row = row_of(look, STATEMENTS, statement_id, _HOLDER)
        signer = look.parts.documents
        is_final = always if signer is None else signer.is_final
        proof = entry_proof(look.reads, _issued(look.reads, row), is_final)
        return look.raw(proof, PROOF)


@post(
    "/statements/{statement_id:str}/issue",
    operation_id="issue_statement",
    opt=asks(Action.CHECK_FINANCE, body=NoFieldsIn) | makes("PublishStatement"),
    status_code=201,
)
async def issue_statement(request: HttpRequest, statement_id: FromPath[str]) -> Response[MadeOut]:
    """Issue a statement under review with its signed document; not by who handed it in."""
    await read_body(request, NoFieldsIn)
    name = known_id(statement_id)
    parts = parts_of(request)

    def wanted(found: Reads) -> Command:
        row = found.row(STATEMENTS, name)
        if row is None:
            raise NotFound("no such statement")
        if row.state != UNDER_REVIEW:  # the rule says no, and why
            return PublishStatement(statement_id=name, document="-")
        signer = documents_of(parts)
        return publishing(found, name, signer.sign, signer.is_final)

    def is_same(event: Event) -> bool:
        return isinstance(event, StatementIssued) and event.statement_id == name

    return await done_from(request, wanted, is_same)


# Invoices ---------------------------------------------------------------------


def _paper(request: Asking, route: str, number: str) -> Response[bytes]:
    with looking(request, route, heavy=True) as look:
        wanted: Format = look.choice("format", get_args(Format)) or "pdf"  # type: ignore[assignment]
        if look.parts.letterhead is None:
            raise Unavailable("nobody says here who issues invoices")
        with_payments = look.choice("payments", ("shown", "hidden")) == "shown"
        sheet = invoice_papers.sheet_of(
            look.reads, known_id(number), look.parts.letterhead, with_payments=with_payments
        )
        return look.raw(invoice_papers.written(sheet, wanted), FORMATS[wanted])


@get(
    "/invoices/{invoice_no:str}/document",
    operation_id="read_invoice_document",
    opt=asks(Action.READ_FINANCE, "format", "payments") | answers(*FORMATS.values()),
    media_type="application/pdf",
    sync_to_thread=True,
)
def read_invoice_document(request: Asking, invoice_no: FromPath[str]) -> Response[bytes]:
    """Give an invoice as `pdf`, `html`, `ubl` or `cii`, as issued; `payments=shown` adds those.

    The driver is named by his id.
    """
    return _paper(request, "read_invoice_document", invoice_no)


@get(
    "/credit-notes/{credit_note_no:str}/document",
    operation_id="read_credit_note_document",
    opt=asks(Action.READ_FINANCE, "format", "payments") | answers(*FORMATS.values()),
    media_type="application/pdf",
    sync_to_thread=True,
)
def read_credit_note_document(request: Asking, credit_note_no: FromPath[str]) -> Response[bytes]:
    """Give a credit note as `pdf`, `html`, `ubl` or `cii`."""
    return _paper(request, "read_credit_note_document", credit_note_no)


ROUTES = (
    read_statement_document,
    read_statement_proof,
    issue_statement,
    read_invoice_document,
    read_credit_note_document,
)
