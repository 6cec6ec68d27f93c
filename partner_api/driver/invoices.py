"""Invoices of a driver, what is left of them, and the proof that they follow from the log."""

from pathlib import Path
from tempfile import TemporaryDirectory

from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.money.credit_notes import CREDIT_NOTES, CreditNote, CreditNoteIssued
from ledger.domain.money.dispute_rows import DISPUTED_LINES, DisputedLines
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.exports.invoice_papers import FORMATS
from ledger.exports.issued import always, covering, entry_proof
from ledger.exports.proven import ProvenBundle, prove_bill, write_bundle
from ledger.kernel.errors import Conflict
from ledger.kernel.instants import as_datetime, local_date
from ledger.kernel.money import EXPONENTS
from ledger.runtime import settling
from ledger.runtime.crediting import issuing_entry
from ledger.runtime.free_usages import free_lines
from ledger.runtime.invoice_view import credit_note_entry, settled_by
from ledger.runtime.published import NotSigned
from ledger.runtime.reads import Entry
from ledger.runtime.receipts import InvoiceLine, invoice_lines
from partner_api.auth import Action
from partner_api.deps import answers, asks
from partner_api.driver.amounts import invoice_line, price_text, rate_text, tax_out
from partner_api.driver.bodies_bills import (
    CreditNoteOut,
    InvoiceLineOut,
    InvoiceOut,
    InvoiceRowOut,
    InvoicesOut,
    ReceiptPaymentOut,
)
from partner_api.driver.own import PAGE, Own, owning
from partner_api.driver.receipts import PAYMENT_KINDS
from partner_api.look import Asking

STATES = (
    "ISSUED",
    "PART_PAID",
    "PAID",
    "NEEDS_ACTION",
    "OVERDUE",
    "CREDITED",
    "UNCOLLECTABLE",
)
ZIP, PROOF = "application/zip", "text/plain"
_MICRO = 1_000_000


@get(
    "/invoices",
    operation_id="list_own_invoices",
    opt=asks(Action.READ_DRIVER, "state", "from", "to", *PAGE),
    sync_to_thread=True,
)
def list_own_invoices(request: Asking) -> Response[InvoicesOut]:
    """List the driver's invoices, newest first; `from` and `to` bound the time of issue."""
    with owning(request) as own:
        wanted = own.choice("state", STATES)
        begin, end = own.days()
        rows = [
            row
            for row in own.rows(INVOICES)
            if begin <= row.issued_on < end and wanted in ("", row.state.upper())
        ]
        page, cursor = own.page(rows, lambda row: (row.issued_on, row.invoice_no))
        return own.answer(InvoicesOut([_row(own, row) for row in page], cursor))


def _row(own: Own, row: Invoice) -> InvoiceRowOut:
    event = issuing_entry(own.reads, row).event
    assert isinstance(event, InvoiceIssued | SubscriptionInvoiced), "what else issues one"
    return InvoiceRowOut(
        invoice_id=row.invoice_no,
        number=row.invoice_no,
        state=row.state.upper(),
        issued_on=row.issued_on,
        due_on=row.due_on,
        currency=row.currency,
        total_minor=row.payable_minor,
        paid_minor=row.paid_minor,
        open_minor=row.open_minor,
        kind=_kind(event),
        period=event.period,
        seller=row.seller.name if row.seller else "",
    )


def _kind(event: InvoiceIssued | SubscriptionInvoiced) -> str:
    return "subscription" if isinstance(event, SubscriptionInvoiced) else "usage"


@get(
    "/invoices/{invoice_id:str}",
    operation_id="get_invoice",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_invoice(request: Asking, invoice_id: FromPath[str]) -> Response[InvoiceOut]:
    """Give an invoice with its lines, and how it stands."""
    with owning(request) as own:
        return own.answer(shown(own, own.row(INVOICES, invoice_id)))


def shown(own: Own, row: Invoice) -> InvoiceOut:
    """Say all that stands on an invoice, and what was paid or taken back since."""
    entry = issuing_entry(own.reads, row)
    event = entry.event
    assert isinstance(event, InvoiceIssued | SubscriptionInvoiced), "what else issues one"
    disputes = own.reads.row(DISPUTED_LINES, row.invoice_no) or DisputedLines(row.invoice_no)
    disputed = sum(one.amount_minor for one in disputes.lines if one.is_open)
    notes = [note for note in own.rows(CREDIT_NOTES) if note.invoice_no == row.invoice_no]
    return InvoiceOut(
        invoice_id=row.invoice_no,
        number=row.invoice_no,
        state=row.state.upper(),
        kind=_kind(event),
        issued_on=row.issued_on,
        due_on=row.due_on,
        currency=row.currency,
        period=event.period,
        lines=lines_of(own, row, entry),
        tax=[tax_out(one.category, one.rate_bp, one.net_minor, one.tax_minor) for one in row.taxes],
        net_minor=sum(one.net_minor for one in row.taxes),
        rounding_minor=row.rounding_minor,
        total_minor=row.payable_minor,
        paid_minor=row.paid_minor,
        credited_minor=row.credited_minor,
        open_minor=row.open_minor,
        disputed_minor=disputed,
        payments=[
            ReceiptPaymentOut(
                PAYMENT_KINDS.get(one.kind, one.kind), one.on, one.amount_minor, one.ref
            )
            for one in settled_by(own.reads, row)
            if one.is_payment
        ],
        credit_notes=[_note(own, note) for note in notes],
        formats=list(FORMATS),
        position=entry.envelope.position,
        seller=row.seller.name if row.seller else "",
    )


def _note(own: Own, note: CreditNote) -> CreditNoteOut:
    event = credit_note_entry(own.reads, note.credit_note_no)[1].event
    assert isinstance(event, CreditNoteIssued), "what else issues one"
    return CreditNoteOut(note.credit_note_no, event.issued_on, note.gross_minor)


def lines_of(own: Own, row: Invoice, entry: Entry) -> list[InvoiceLineOut]:
    """List the lines of an invoice; the day of a line is that of the settlement zone."""
    event = entry.event
    if isinstance(event, SubscriptionInvoiced):
        return [_month(event)]
    day = as_datetime(entry.envelope.recorded_at).date().isoformat()
    zone = settling.span_of(own.reads, day).zone
    assert isinstance(event, InvoiceIssued), "what else issues one"
    lines = [*invoice_lines(own.reads, row), *free_lines(own.reads, event)]
    return [_line(one, row.currency, zone) for one in lines]


def _line(one: InvoiceLine, currency: str, zone: str) -> InvoiceLineOut:
    line = one.billed.line
    days = (
        local_date(line.service_start_at, zone).isoformat(),
        local_date(line.service_end_at, zone).isoformat(),
    )
    usage = one.usage.usage_kind, one.usage.usage_id
    return invoice_line(one.billed, currency, usage=usage, days=days)


def _month(event: SubscriptionInvoiced) -> InvoiceLineOut:
    tax = event.taxes[0]
    gives = f"{event.quantity} swaps" if event.unit == "SWAP" else f"{event.quantity} Wh"
    return InvoiceLineOut(
        line_id="1",
        kind="subscription",
        text=f"Subscription {event.period}: {gives}",
        quantity=1,
        unit="month",
        unit_price=price_text(event.net_minor * _MICRO // 10 ** EXPONENTS[event.currency], ""),
        net_minor=event.net_minor,
        tax_category=tax.category,
        tax_rate=rate_text(tax.rate_bp),
        service_period=[f"{event.period}-01", f"{event.period}-{event.days_of_month:02d}"],
    )


@get(
    "/invoices/{invoice_id:str}/proof",
    operation_id="get_invoice_proof",
    opt=asks(Action.READ_DRIVER) | answers(ZIP, PROOF),
    media_type=ZIP,
    sync_to_thread=True,
)
def get_invoice_proof(request: Asking, invoice_id: FromPath[str]) -> Response[bytes]:
    """Prove an invoice: every line with the entries it follows from, under a signed checkpoint.

    A zip file that the offline verifier recomputes. An invoice of a subscription follows from one
    entry: its proof is that of the entry, as text. `not_signed_yet` before a checkpoint covers it.
    """
    with owning(request) as own, own.parts.heavy.place():
        row = own.row(INVOICES, invoice_id)
        entry = issuing_entry(own.reads, row)
        signer = own.parts.documents
        is_final = always if signer is None else signer.is_final
        try:
            if not isinstance(entry.event, InvoiceIssued):
                return _file(entry_proof(own.reads, entry, is_final), PROOF, row.invoice_no)
            covering(own.reads, entry.envelope.position, is_final)
            bundle = prove_bill(
                own.reads,
                own.driver_id,
                entry.event.period,
                sign=signer.sign if signer else None,
                is_final=is_final,
            )
        except Conflict as error:
            raise NotSigned("no checkpoint covers this invoice yet") from error
        return _file(_zipped(bundle), ZIP, row.invoice_no)


def _zipped(bundle: ProvenBundle) -> bytes:
    with TemporaryDirectory(prefix="mobilegrid-") as folder:
        file = Path(folder) / "bill.zip"
        write_bundle(bundle, file)
        return file.read_bytes()


def _file(data: bytes, media_type: str, name: str) -> Response[bytes]:
    end = "zip" if media_type == ZIP else "tlog-proof"
    headers = {"Content-Disposition": f'attachment; filename="{name}.{end}"'}
    return Response(data, media_type=media_type, headers=headers)


ROUTES = (list_own_invoices, get_invoice, get_invoice_proof)
