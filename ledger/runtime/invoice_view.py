"""An invoice with everything that happened to it: what paid it, what was credited, by entry.

What moved a receivable names the invoice on its posting, so the list is complete by the books: the
amounts of an invoice and of all that follows sum to what is still open.
"""

from collections.abc import Iterator

import msgspec

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.credit_notes import CREDIT_NOTES, CreditNote, CreditNoteIssued
from ledger.domain.money.invoices import Invoice, InvoiceIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.domain.world import key_of
from ledger.kernel.errors import InvariantBroken, NotFound
from ledger.kernel.instants import as_datetime
from ledger.runtime.crediting import invoice_row, issuing_entry
from ledger.runtime.reads import Entry, Reads

_ISSUES = (InvoiceIssued.kind, SubscriptionInvoiced.kind)
_CREDITS = frozenset({"credit_note.issued", "receivable.uncollectable"})
_WORDS = {
    "payment.captured": "Card",
    "promo.used": "Promo",
    "wallet.spent": "Wallet",
    "deposit.applied": "Deposit",
    "refund.paid": "Paid back",
}
_NAMES = ("payment_id", "promo_id", "deposit_id", "line_id")


class Settled(msgspec.Struct, frozen=True):
    """One entry that moved what is owed: how much it took off (minor units), and by what."""

    position: int
    on: str
    kind: str
    ref: str
    amount_minor: int

    @property
    def words(self) -> str:
        """Say what it was, in words for a person."""
        means = _WORDS.get(self.kind, self.kind.replace("_", " ").replace(".", " "))
        return f"{means} {self.ref}".strip()

    @property
    def is_payment(self) -> bool:
        """Tell whether somebody paid, or was paid back."""
        return self.kind not in _CREDITS


class InvoiceView(msgspec.Struct, frozen=True):
    """An invoice as it stands, with its state, its entry and what happened to it since."""

    invoice: Invoice
    state: str
    open_minor: int
    position: int
    settled: list[Settled]
    credit_notes: list[str]


def invoice_view(reads: Reads, invoice_no: str) -> InvoiceView:
    """Read an invoice with all that happened to it; `NotFound` when there is none."""
    row = invoice_row(reads, invoice_no)
    notes = [
        name
        for name, note in reads.rows(CREDIT_NOTES, listed=row.driver_id)
        if note.invoice_no == invoice_no
    ]
    return InvoiceView(
        invoice=row,
        state=row.state,
        open_minor=row.open_minor,
        position=issuing_entry(reads, row).envelope.position,
        settled=list(settled_by(reads, row)),
        credit_notes=sorted(notes),
    )


def settled_by(reads: Reads, row: Invoice) -> Iterator[Settled]:
    """Yield what moved the receivable of an invoice after it was issued, in order."""
    item = key_of(row.driver_id, row.invoice_no)
    lines = reads.lines(RECEIVABLE, item=item)
    taken: dict[int, int] = {}
    for line in lines:
        taken[line.position] = taken.get(line.position, 0) - line.quantity
    for entry in reads.at_positions(sorted(taken)):
        envelope = entry.envelope
        if envelope.kind not in _ISSUES:
            yield Settled(
                position=envelope.position,
                on=as_datetime(envelope.valid_at).date().isoformat(),
                kind=envelope.kind,
                ref=_ref_of(entry),
                amount_minor=taken[envelope.position],
            )


def _ref_of(entry: Entry) -> str:
    event = entry.event
    if isinstance(event, CreditNoteIssued):
        return event.credit_note_no
    return next((str(getattr(event, name)) for name in _NAMES if hasattr(event, name)), "")


def credit_note_entry(reads: Reads, credit_note_no: str) -> tuple[CreditNote, Entry]:
    """Find a credit note and the entry that issued it; `NotFound` when there is none."""
    note = reads.row(CREDIT_NOTES, credit_note_no)
    if note is None:
        raise NotFound(f"there is no credit note {credit_note_no}")
    item = key_of(note.driver_id, note.invoice_no)
    positions = {line.position for line in reads.lines(RECEIVABLE, item=item)}
    for entry in reads.at_positions(sorted(positions)):
        event = entry.event
        if isinstance(event, CreditNoteIssued) and event.credit_note_no == credit_note_no:
            return note, entry
    raise InvariantBroken(f"credit note {credit_note_no} has no entry")
