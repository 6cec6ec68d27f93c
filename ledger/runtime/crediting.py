"""Reading what a credit note names: the lines of an invoice as they stand in the log.

A rule cannot look into old entries, so who asks for a credit note reads them here: every line with
what is left of it, and the shares that partners had in the usages behind.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.billing import BILLED, Billed, ShareAccrued, UsageAccrued
from ledger.domain.money.contracts import CONTRACTS, PartnerContracts
from ledger.domain.money.credit_notes import (
    CREDITED,
    REDUCED_SHARES,
    Credited,
    IssueCreditNote,
    ReducedShare,
)
from ledger.domain.money.documents import is_on
from ledger.domain.money.invoice_credits import (
    SUBSCRIPTION_KIND,
    CreditedLine,
    ShareCredit,
    remaining_shares,
)
from ledger.domain.money.invoice_taxes import line_nets
from ledger.domain.money.invoices import INVOICES, Invoice, InvoiceIssued
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.domain.money.tax import tax_rule
from ledger.domain.world import key_of
from ledger.kernel.errors import InvariantBroken, Malformed, NotFound
from ledger.kernel.messages import Event
from ledger.runtime import settling
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span

SUBSCRIPTION_INCOME = "Income:Subscriptions"
SHARES_MAX = 100
"""Shares of one usage that are looked for behind its entries: one for each contract."""


class OpenLine(msgspec.Struct, frozen=True):
    """A line of an invoice, `credited` with what is left of it; its place in the log."""

    left: CreditedLine
    part: int = 1

    @property
    def name(self) -> str:
        """Name the line inside its invoice."""
        return self.left.name


def issuing_entry(reads: Reads, row: Invoice) -> Entry:
    """Find the entry that issued an invoice, by what it posted; `NotFound` when none did."""
    item = key_of(row.driver_id, row.invoice_no)
    for line in reads.lines(RECEIVABLE, item=item, limit=1):
        return reads.entry(line.position)
    kinds = (InvoiceIssued.kind, SubscriptionInvoiced.kind)
    for one in reads.entries(0, None, kinds):  # an invoice of nothing posts nothing
        if document_no(one.event) == row.invoice_no:
            return one
    raise InvariantBroken(f"invoice {row.invoice_no} has no entry")


def document_no(event: Event) -> str:
    """Give the number of an invoice by the event that issued it; "" for any other event."""
    return event.invoice_no if isinstance(event, InvoiceIssued | SubscriptionInvoiced) else ""


def invoice_row(reads: Reads, invoice_no: str) -> Invoice:
    """Read an invoice; `NotFound` when there is none of that number."""
    row = reads.row(INVOICES, invoice_no)
    if row is None:
        raise NotFound(f"there is no invoice {invoice_no}")
    return row


def invoice_of(reads: Reads, usage_id: str) -> Invoice:
    """Find the invoice that a usage is on; `NotFound` when it was not billed or not invoiced."""
    billed = reads.row(BILLED, usage_id)
    usage = reads.entry(billed.position).event if billed and not billed.reason else None
    if billed is None or not isinstance(usage, UsageAccrued):
        raise NotFound(f"usage {usage_id} was not billed")
    for _, row in reads.rows(INVOICES, listed=usage.driver_id):
        issued = issuing_entry(reads, row).event
        if (
            isinstance(issued, InvoiceIssued)
            and is_on(usage, issued)
            and issued.from_position < billed.position <= issued.to_position
        ):
            return row
    raise NotFound(f"usage {usage_id} is on no invoice yet; close its period first")


def usages_of(reads: Reads, issued: InvoiceIssued) -> Iterator[tuple[int, UsageAccrued]]:
    """Yield the usages of an invoice with their positions; what was taken back is below zero."""
    zone = settling.span_of(reads, issued.issued_on).zone
    span = Span(issued.period, zone, issued.from_position, issued.to_position)
    for one in settling.driver_usages(reads, issued.driver_id, span):
        if isinstance(one.event, UsageAccrued) and is_on(one.event, issued):
            yield one.envelope.position, one.event


def open_lines(reads: Reads, invoice_no: str) -> list[OpenLine]:
    """List the lines of an invoice, each with what is left to be credited; it may be 0."""
    row = invoice_row(reads, invoice_no)
    issued = issuing_entry(reads, row)
    past = reads.row(CREDITED, invoice_no) or Credited()
    event = issued.event
    if isinstance(event, SubscriptionInvoiced):
        found = [_month(issued.envelope.position, event)]
    elif isinstance(event, InvoiceIssued):
        found = [line for one in usages_of(reads, event) for line in _lines(*one)]
        nets = line_nets(
            [(one.left.treatment, one.left.invoiced_minor) for one in found], row.taxes
        )
        found = [_at(one, net) for one, net in zip(found, nets, strict=True)]
    else:
        raise InvariantBroken(f"{event.kind} issues no invoice")
    return [_less(line, past.lines.get(line.name, 0)) for line in found]


def _at(line: OpenLine, net: int) -> OpenLine:
    return replace(line, left=replace(line.left, invoiced_minor=net, credited_minor=net))


def _less(line: OpenLine, gone: int) -> OpenLine:
    left = replace(line.left, credited_minor=line.left.invoiced_minor - gone)
    return replace(line, left=left)


def _lines(position: int, usage: UsageAccrued) -> Iterator[OpenLine]:
    for line_no, line in enumerate(usage.lines, 1):
        rule = tax_rule(usage.country, line.tax_product, line.service_start_at)
        if rule is None:
            raise InvariantBroken(f"usage {usage.usage_id} has no tax rule")
        left = CreditedLine(
            position=position,
            line_no=line_no,
            usage_id=usage.usage_id,
            usage_kind=usage.usage_kind,
            component=line.component,
            country=usage.country,
            category=rule.category,
            rate_bp=rule.rate_bp,
            revenue_account=line.revenue_account,
            invoiced_minor=line.net_minor,
            credited_minor=line.net_minor,
            tariff_version=f"{usage.tariff_id}/{line.tariff_version}",
            dims=usage.dims,
        )
        yield OpenLine(left, usage.part)


def _month(position: int, event: SubscriptionInvoiced) -> OpenLine:
    tax = event.taxes[0]
    left = CreditedLine(
        position=position,
        line_no=1,
        usage_id=event.contract_id,
        usage_kind=SUBSCRIPTION_KIND,
        component="SUBSCRIPTION",
        country=tax.country,
        category=tax.category,
        rate_bp=tax.rate_bp,
        revenue_account=SUBSCRIPTION_INCOME,
        invoiced_minor=event.net_minor,
        credited_minor=event.net_minor,
    )
    return OpenLine(left)


# What is asked for ------------------------------------------------------------


def credit_order(
    reads: Reads,
    invoice_no: str,
    wanted: Mapping[str, int],
    *,
    reason: str,
    issued_at: int,
    usage_id: str = "",
) -> IssueCreditNote:
    """Make the command of a credit note over lines of an invoice.

    `wanted` names lines as ``position/number`` with net amounts in minor units; empty = all that
    is left, of one usage where `usage_id` names it.

    Raises:
        NotFound: there is no such invoice, or it has no such usage.
        Malformed: a line that is not of the invoice, or nothing is left.
    """
    row, lines = invoice_row(reads, invoice_no), open_lines(reads, invoice_no)
    if usage_id and not any(line.left.usage_id == usage_id for line in lines):
        raise NotFound(f"{invoice_no} has no usage {usage_id}")
    strange = sorted(set(wanted) - {line.name for line in lines})
    if strange:
        raise Malformed(f"{invoice_no} has no line {strange[0]}", field="lines")
    named = [line for line in lines if not usage_id or line.left.usage_id == usage_id]
    taken = [_wanted(line, wanted) for line in named]
    kept = [line for line in taken if line.left.credited_minor]
    if not kept:
        raise Malformed(f"nothing is left to be credited of {invoice_no}", field="lines")
    return IssueCreditNote(
        invoice_no=invoice_no,
        lines=tuple(line.left for line in kept),
        reason=reason,
        issued_at=issued_at,
        shares=tuple(_share_credits(reads, lines, kept)),
        seller_id=row.seller.party_id if row.seller else "",
    )


def _wanted(line: OpenLine, wanted: Mapping[str, int]) -> OpenLine:
    if not wanted:
        return line
    return replace(line, left=replace(line.left, credited_minor=wanted.get(line.name, 0)))


def _share_credits(
    reads: Reads, lines: Sequence[OpenLine], kept: Sequence[OpenLine]
) -> Iterator[ShareCredit]:
    """Give what partners give back of each usage that is credited, once for each of its shares."""
    for usage_id in dict.fromkeys(line.left.usage_id for line in kept):
        own = [line for line in lines if line.left.usage_id == usage_id]
        credited = [line.left for line in kept if line.left.usage_id == usage_id]
        left = sum(abs(line.left.credited_minor) for line in own)
        is_whole = left == sum(abs(line.credited_minor) for line in credited)
        for position, share in _shares_of(reads, usage_id, own):
            known = reads.row(REDUCED_SHARES, str(position)) or ReducedShare({})
            credit = ShareCredit(position, share, _order(reads, share), 0)
            remains = sum(remaining_shares(credit, known.given).values())
            amount = remains if is_whole else _of_base(share.base, credited, remains)
            if amount:
                yield replace(credit, amount_minor=amount)


def _of_base(base: str, credited: Sequence[CreditedLine], remains: int) -> int:
    """Give the part of what is credited that is in the base of a share, no more than is left."""
    energy = sum(line.credited_minor for line in credited if line.component == "ENERGY")
    whole = sum(line.credited_minor for line in credited)
    amount = {"ENERGY_NET": energy, "SERVICE_NET": whole - energy}.get(base, whole)
    return max(min(amount, remains), 0) if remains >= 0 else min(max(amount, remains), 0)


def _shares_of(
    reads: Reads, usage_id: str, lines: Sequence[OpenLine]
) -> Iterator[tuple[int, ShareAccrued]]:
    """Yield the shares of a usage as it is billed now, with their positions.

    They follow the entries of its bill in the log; those of a bill that was taken back since were
    taken back with it.
    """
    billed = reads.row(BILLED, usage_id)
    mine = [line for line in lines if line.left.position - line.part + 1 == _begin(billed)]
    if not mine:
        return
    first = mine[0].left.position - mine[0].part + 1
    behind = range(first, min(first + SHARES_MAX, reads.size))
    for one in reads.at_positions(list(behind)):
        event = one.event
        if isinstance(event, UsageAccrued) and event.usage_id == usage_id:
            continue
        if not isinstance(event, ShareAccrued) or event.usage_id != usage_id:
            return
        yield one.envelope.position, event


def _begin(billed: Billed | None) -> int:
    return -1 if billed is None or billed.reason else billed.position


def _order(reads: Reads, share: ShareAccrued) -> tuple[str, ...]:
    """Give the order in which ties of the last minor unit go, as the contract agreed.

    An agent's contract has none: the seller goes first.
    """
    if share.agency is not None:
        return share.partner_id, share.ours
    held = reads.row(CONTRACTS, share.partner_id) or PartnerContracts(share.partner_id)
    for one in held.versions:
        if (one.contract_id, one.version) == (share.contract_id, share.contract_version):
            return tuple(party for party in one.terms.order if party in share.shares)
    return tuple(sorted(share.shares))
