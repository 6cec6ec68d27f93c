"""What we answer a dispute with: custody entries and signed readings behind the paid invoice.

The text is made of what stands in the log, nothing else: the same log gives the same text. A reader
can check each line: it names the position of its entry and the SHA-256 of what was signed.
"""

from collections.abc import Iterator

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.payments_disputes import DISPUTES, EVIDENCE_CHARACTERS, Dispute
from ledger.domain.money.payments_rows import CARD_PAYMENTS, CardPayment
from ledger.domain.swap import SwapClosedIncomplete, SwapCompleted
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from ledger.kernel.money import amount_text
from ledger.runtime.reads import Entry, Reads

_CUT = "\n(more entries than fit here; the log holds them all)"


def evidence_text(reads: Reads, dispute_ref: str) -> str:
    """Write the answer to a dispute; `NotFound` when nobody told of it."""
    dispute = reads.row(DISPUTES, dispute_ref)
    payment = reads.row(CARD_PAYMENTS, dispute.payment_id) if dispute is not None else None
    if dispute is None or payment is None:
        raise NotFound(f"no dispute {dispute_ref[:60]}")
    lines = [*_head(dispute, payment), *_usages(reads, payment)]
    lines.append(
        f"All entries stand in an append-only log; its root over {reads.size} entries is "
        f"{reads.head.root.hex()}."
    )
    text = "\n".join(lines)
    if len(text) <= EVIDENCE_CHARACTERS:
        return text
    return text[: EVIDENCE_CHARACTERS - len(_CUT)] + _CUT


def _head(dispute: Dispute, payment: CardPayment) -> Iterator[str]:
    amount = f"{amount_text(payment.captured_minor, payment.currency)} {payment.currency}"
    yield f"Payment {payment.payment_id} ({payment.ref}) of {amount} by driver {payment.driver_id}."
    if dispute.reason:
        yield f"Disputed as: {dispute.reason}."
    if payment.invoice_no:
        yield f"It paid invoice {payment.invoice_no} for the following use of our stations."


def _usages(reads: Reads, payment: CardPayment) -> Iterator[str]:
    issued = _invoice(reads, payment.invoice_no) if payment.invoice_no else None
    if issued is None:
        return
    first, end = issued.from_position, issued.to_position + 1
    for entry in reads.entries(first, end, (UsageAccrued.kind,)):
        event = entry.event
        if isinstance(event, UsageAccrued) and event.driver_id == payment.driver_id:
            yield from _usage(reads, entry, event)


def _invoice(reads: Reads, invoice_no: str) -> InvoiceIssued | None:
    for entry in reads.entries(kinds=(InvoiceIssued.kind,)):
        event = entry.event
        if isinstance(event, InvoiceIssued) and event.invoice_no == invoice_no:
            return event
    return None


def _usage(reads: Reads, entry: Entry, event: UsageAccrued) -> Iterator[str]:
    net = amount_text(event.net_minor, event.currency)
    position = entry.envelope.position
    yield f"- {event.usage_kind} {event.usage_id}: {net} {event.currency} net (entry {position})"
    for cause in _causes(reads, entry):
        yield from _cause(reads, cause)


def _cause(reads: Reads, entry: Entry) -> Iterator[str]:
    position = entry.envelope.position
    match entry.event:
        case SwapCompleted() | SwapClosedIncomplete() as swap:
            yield f"  swap at station {swap.station_id}, {as_text(swap.out_at)} (entry {position})"
            for leg in _causes(reads, entry):
                yield from _leg(reads, leg)
        case ChargeSessionEnded() as session:
            began, ended = as_text(session.started_at), as_text(session.ended_at)
            yield (
                f"  pack {session.pack_id} charged {session.energy_in_wh} Wh at station "
                f"{session.station_id}, {began} to {ended} (entry {position})"
            )
            signed = session.meter_evidence
            if signed is not None:
                for digest in signed.raw_sha256:
                    yield f"  meter {session.meter_id} signed {digest}: {signed.verdict}"
        case _:
            return


def _leg(reads: Reads, entry: Entry) -> Iterator[str]:
    event = entry.event
    if not isinstance(event, PackReturned | PackSwappedOut):
        return
    verb = "brought" if isinstance(event, PackReturned) else "took"
    told = entry.envelope
    when = f"{as_text(told.valid_at)}, evidence level {event.level}"
    yield f"  the driver {verb} pack {event.pack_id} at {when} (entry {told.position})"
    for observation in _causes(reads, entry):
        for one in observation.envelope.evidence:
            yield f"    signed reading {one.sha256}: {one.verdict}"


def _causes(reads: Reads, entry: Entry) -> list[Entry]:
    return reads.at_positions(list(entry.envelope.causes))
