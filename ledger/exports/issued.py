"""Issued statements and bills as signed documents, each with the proof of the entry behind it.

A document says the figures of its entry word for word and names a checkpoint that covers it: the
first one that is final, so that the same document has the same bytes whenever it is asked for, and
the signer, which signs one text for one id, gives it again (evidence handbook 9).
"""

from collections.abc import Callable

import msgspec

from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import Conflict, Malformed
from ledger.runtime.proving import tile_reader
from ledger.runtime.reads import Entry, Reads
from ledger.store.journal import covering_checkpoint
from ledger.store.witnessing import cosigned_note
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, format_proof
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import parse_note

STATEMENT_TYP = "mobilegrid-statement+jws"
INVOICE_TYP = "mobilegrid-invoice+jws"

SignDocument = Callable[[str, bytes], str]
"""`sign(typ, payload)`: the JWS in compact form."""

IsFinal = Callable[[bytes], bool]
"""Whether a checkpoint with these lines is final, such as: enough witnesses cosigned it."""


class SignedDocument(msgspec.Struct, frozen=True):
    """A signed document, and the proof of its entry under the checkpoint that it names."""

    document_id: str
    position: int
    size: int
    jws: str
    proof: bytes


def always(_note: bytes) -> bool:
    """Take every checkpoint of ours for final: there are no witnesses to wait for."""
    return True


def sign_issued(
    reads: Reads, issued: Entry, sign: SignDocument, is_final: IsFinal = always
) -> SignedDocument:
    """Have an issued statement or invoice signed; asked for again it is the same document.

    Args:
        reads: the log.
        issued: the entry of a statement, an invoice or a credit note.
        sign: whoever holds the key of documents.
        is_final: which checkpoints may be named.

    Raises:
        Malformed: the entry issues no document.
        Conflict: no final checkpoint covers the entry yet; try again.
        Unavailable: no device can sign.
    """
    position = issued.envelope.position
    typ, name = named(issued)
    _, said = covering(reads, position, is_final)
    jws = sign(typ, document_payload(issued, said, issued.envelope.recorded_at))
    return SignedDocument(name, position, said.size, jws, entry_proof(reads, issued, is_final))


def entry_proof(reads: Reads, entry: Entry, is_final: IsFinal = always) -> bytes:
    """Prove an entry under the first final checkpoint over it: a `tlog-proof`, always the same.

    `Conflict` while no final checkpoint covers it.
    """
    position = entry.envelope.position
    note, said = covering(reads, position, is_final)
    path = proof.inclusion(position, said.size, tile_reader(reads))
    return format_proof(ProofFile(position, path, note, entry.data))


def covering(reads: Reads, position: int, is_final: IsFinal = always) -> tuple[bytes, Checkpoint]:
    """Find the first final checkpoint over an entry: its note with all lines, and what it says.

    Raises `Conflict` while there is none.
    """
    end = position + 1
    while found := covering_checkpoint(reads.tx, reads.name.log_id, end):
        note = cosigned_note(reads.tx, reads.name.log_id, found[0])
        if is_final(note):
            return note, parse_checkpoint(parse_note(note).text)
        end = found[0] + 1
    raise Conflict(f"no final checkpoint covers position {position} yet")


def named(issued: Entry) -> tuple[str, str]:
    """Give type and id of the document that an entry issues; `Malformed` when it issues none."""
    event = issued.event
    if isinstance(event, StatementIssued):
        return STATEMENT_TYP, event.statement_id
    if isinstance(event, InvoiceIssued | SubscriptionInvoiced):
        return INVOICE_TYP, event.invoice_no
    if isinstance(event, CreditNoteIssued):
        return INVOICE_TYP, event.credit_note_no
    raise Malformed("an entry that issues no document", field="position")


def document_payload(issued: Entry, said: Checkpoint, issued_at: int) -> bytes:
    """Make what a signed invoice or statement says: the figures of its entry, word for word.

    Args:
        issued: the entry of a statement, an invoice or a credit note.
        said: a checkpoint that covers it.
        issued_at: time of issue in us.
    """
    payload = {
        "checkpoint": {
            "origin": said.origin,
            "root": base64_text(said.root),
            "size": said.size,
        },
        "document_id": named(issued)[1],
        "figures": msgspec.json.decode(issued.envelope.body),
        "issued_at": issued_at,
        "position": issued.envelope.position,
    }
    return canonical(payload)
