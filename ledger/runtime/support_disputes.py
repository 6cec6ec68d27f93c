"""Lines that a driver disputed before they were invoiced: disputed with their invoice, once issued.

Until there is an invoice nothing is asked for, so nothing has to be kept back. To be called after
invoices were issued; calling it again changes nothing.
"""

from collections.abc import Iterator

from ledger.domain.money.billing import BILLED, UsageAccrued
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.line_disputes import RaiseBillDispute
from ledger.domain.support_rows import SUPPORT_CASES, DisputedAt, SupportCase, dispute_id_of
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Request
from ledger.runtime.crediting import invoice_of
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads

SYSTEM = Actor(id="system", role="system")


def raise_waiting(ledger: Ledger, now: int) -> int:
    """Raise the disputes of lines that are on an invoice by now; give how many are new."""
    with ledger.reading() as reads:
        wanted = [
            command
            for _, case in reads.rows(SUPPORT_CASES)
            if case.is_open and case.disputed
            for command in _commands(reads, case)
        ]
    requests = [
        Request(key_at(0, "dispute", one.dispute_id), SYSTEM.id, SYSTEM, now, one) for one in wanted
    ]
    receipts = ledger.execute_all(requests) if requests else []
    return sum(one.count > 0 and not one.replayed for one in receipts)


def _commands(reads: Reads, case: SupportCase) -> Iterator[RaiseBillDispute]:
    for at in case.disputed:
        dispute_id = dispute_id_of(case.case_id, at)
        if reads.row(LINE_DISPUTES, dispute_id) is not None:
            continue
        command = _command(reads, case, at, dispute_id)
        if command is not None:
            yield command


def _command(
    reads: Reads, case: SupportCase, at: DisputedAt, dispute_id: str
) -> RaiseBillDispute | None:
    usage = reads.entry(at.position).event if at.position < reads.size else None
    if not isinstance(usage, UsageAccrued) or at.line_no > len(usage.lines):
        return None
    billed = reads.row(BILLED, usage.usage_id)
    if billed is None or billed.position != at.position - usage.part + 1:
        return None  # the bill was made anew since: what was disputed is no more
    try:
        invoice = invoice_of(reads, usage.usage_id)
    except NotFound:
        return None
    return RaiseBillDispute(
        dispute_id=dispute_id,
        document_id=invoice.invoice_no,
        party_id=case.driver_id,
        position=at.position,
        posting_index=at.line_no,
        amount_minor=usage.lines[at.line_no - 1].net_minor,
        code=case.dispute_code,
        reason=f"case {case.case_id}",
        usage_id=usage.usage_id,
        usage_kind=usage.usage_kind,
    )
