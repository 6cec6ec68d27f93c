"""Documents held against their entries: what was issued is what its lines say, to the last unit.

A statement or an invoice freezes sums and the root of lines that stand in the log. Both are made
again here from these lines alone, so that a document that says another amount does not stay unseen.
What takes an entry back quotes it: the quotation must be that entry, and parts must sum to theirs.
"""

from ledger.domain.money.bank_accounts import BankAccountRegistered
from ledger.domain.money.bank_statements import StatementBooked
from ledger.domain.money.billing import ShareAccrued, UsageAccrued
from ledger.domain.money.credit_notes import ShareReduced
from ledger.domain.money.documents import InvoiceDraft, is_on
from ledger.domain.money.invoice_taxes import tax_table
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.rerating import ShareReversed, UsageReversed
from ledger.domain.money.settlement_rows import CANCELLED, STATEMENTS
from ledger.kernel.errors import InvariantBroken, ReplayDiffers
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span, calculate, driver_usages


def check_documents(reads: Reads) -> None:
    """Make every statement and invoice again from its lines.

    Raises:
        ReplayDiffers: one says something else than its lines; for an invoice, where it stands.
    """
    for _, row in reads.rows(STATEMENTS):
        if row.state == CANCELLED:
            continue
        span = Span(row.period, "UTC", row.from_position, row.to_position)
        if calculate(reads, row.partner_id, span) != row.calculation:
            raise ReplayDiffers(f"{row.statement_id} is not what its lines say")
    for one in reads.entries(0, None, (InvoiceIssued.kind,)):
        if not _agrees(reads, one):
            position = one.envelope.position
            raise ReplayDiffers("the invoice is not what its lines say", position=position)


def check_taken_back(reads: Reads) -> None:
    """Hold shares against their base, and what takes an entry back against that entry.

    Raises:
        ReplayDiffers: a share does not sum to its base, or another entry is quoted; and where.
    """
    for one in reads.entries(0, None, _SHARED):
        event = one.event
        if isinstance(event, ShareAccrued):
            is_true = sum(event.shares.values()) == event.base_minor
        else:
            assert isinstance(event, UsageReversed | ShareReversed | ShareReduced), "of these kinds"
            is_true = reads.entry(_named(event)).event == event.original
        if not is_true:
            what = "shares and their base differ" if isinstance(event, ShareAccrued) else _QUOTED
            raise ReplayDiffers(what, position=one.envelope.position)


_SHARED = (ShareAccrued.kind, UsageReversed.kind, ShareReversed.kind, ShareReduced.kind)
_QUOTED = "it takes back something else than the entry it names"


def _named(event: UsageReversed | ShareReversed | ShareReduced) -> int:
    return event.reduced_position if isinstance(event, ShareReduced) else event.reversed_position


def check_bank_chain(reads: Reads) -> None:
    """12: hold the balances of the bank against each other: each statement opens with the last one.

    Raises:
        ReplayDiffers: one opens with another balance, and no two persons said why; and where.
    """
    closings: dict[str, int] = {}
    for one in reads.entries(0, None, (BankAccountRegistered.kind, StatementBooked.kind)):
        event = one.event
        if isinstance(event, BankAccountRegistered):
            closings[event.bank_account_id] = event.opening_minor
            continue
        assert isinstance(event, StatementBooked), "of these kinds"
        header, account = event.header, event.bank_account_id
        if header.has_balances and not event.reason and header.opening_minor != closings[account]:
            what = f"the statement opens with {header.opening_minor}, not {closings[account]}"
            raise ReplayDiffers(what, position=one.envelope.position)
        closings[account] = header.closing_minor


def _agrees(reads: Reads, issued: Entry) -> bool:
    """Tell whether an invoice has the lines, nets and taxes of the usages in its positions."""
    event = issued.event
    assert isinstance(event, InvoiceIssued), "no other kind is asked for"
    draft = InvoiceDraft(event.currency)
    span = Span(event.period, "UTC", event.from_position, event.to_position)
    for one in driver_usages(reads, event.driver_id, span):
        usage = one.event
        assert isinstance(usage, UsageAccrued), "reversals come as usages"
        if is_on(usage, event):
            try:
                draft.add(one.envelope.position, usage)
            except InvariantBroken:
                return False  # a line without a tax rule can be on no invoice
    table = tax_table(draft.bases())
    net = sum(row.net_minor for row in table.rows)
    return (
        (draft.line_count, draft.lines_root()) == (event.line_count, event.lines_root)
        and (table.rows, table.rounding_minor, table.accrued_more_minor)
        == (event.taxes, event.rounding_minor, event.accrued_more_minor)
        and (net, net + sum(row.tax_minor for row in table.rows))
        == (event.net_minor, event.gross_minor)
    )
