"""Closing a settlement period: a statement for every operator, an invoice for every driver.

What a document covers is frozen by position: the entries recorded inside the period, in the zone of
the ledger. Each calculation streams the entries twice from scratch with bounded memory; only equal
results are issued. Closing again adds nothing: what is settled already is skipped.
"""

from collections.abc import Callable, Iterator
from heapq import merge
from operator import itemgetter

import msgspec

from ledger.domain.money.accounts import PARTNERS_ACCRUED, UNBILLED
from ledger.domain.money.billing import ShareAccrued, UsageAccrued
from ledger.domain.money.documents import (
    LINE_KINDS,
    StatementDraft,
    StatementLine,
    document_name,
    lines_by_partner,
    share_lines,
    statement_lines,
)
from ledger.domain.money.invoices import INVOICES, InvoiceIssued, IssueInvoice
from ledger.domain.money.periods import Cut, Ranges
from ledger.domain.money.rerating import UsageReversed, taken_back
from ledger.domain.money.settlement import IssueStatement, StatementIssued
from ledger.domain.money.settlement_rows import SETTLED, STATEMENTS, Calculation, Statement
from ledger.domain.money.templates_partners import PARTNERS_OWE
from ledger.domain.opening import LedgerOpened
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import key_at
from ledger.kernel.instants import period_window
from ledger.kernel.messages import Actor, Event, Receipt, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.dunning import collect_issued
from ledger.runtime.history_proofs import map_history
from ledger.runtime.invoice_drafts import invoice_commands, parties_on
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.pack_dues import accrue_pack_dues
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.writer import BATCH_MAX
from ledger.store.queries.balances import ItemRange

Progress = Callable[[str, int, int], None]
"""Called with (what is being made, done, in all)."""

POSITIONS_AT_ONCE = 1_000
SYSTEM = Actor("settling", "system")


class Span(msgspec.Struct, frozen=True):
    """What a period covers: positions in (from, to], in the zone of the ledger."""

    period: str
    zone: str
    from_position: int
    to_position: int


class Closed(msgspec.Struct, frozen=True):
    """What closing a period made: ids of the new statements and invoices."""

    period: str
    statements: tuple[str, ...]
    invoices: tuple[str, ...]


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


def span_of(reads: Reads, period: str) -> Span:
    """Give the positions recorded inside a period, ``YYYY-MM`` or ``YYYY-MM-DD``."""
    opened = reads.entry(0).event
    zone = opened.zone if isinstance(opened, LedgerOpened) else "UTC"
    window = period_window(period, zone)
    first = reads.end_known_at(window.from_at - 1)
    end = reads.end_known_at(window.to_at - 1)
    return Span(period, zone, first - 1, end - 1)


def close_period(
    ledger: Ledger,
    period: str,
    *,
    actor: Actor,
    at: int,
    partner_id: str = "",
    progress: Progress = no_progress,
) -> Closed:
    """Issue the statements and invoices of a period that are not issued yet.

    What stands in a document already, of a day inside a month say, is left out. With `partner_id`
    only that partner's statements are made. The actor names a second person. Where the policy says
    so, the new invoices are collected at once. Rents and instalments of the period are owed.

    Raises:
        Malformed: the period is none.
        Refused: the period has not ended, or the persons are not two.
        NotFound: the named partner has nothing in the period.
    """
    with ledger.reading() as reads:
        span = _ended_span(reads, period, at)
        found = list(_statement_commands(reads, span, partner_id, progress))
        if partner_id and not found and not _statement_rows(reads, partner_id, period):
            raise NotFound(f"{partner_id} earned nothing in {period}")
    statements = _issue(ledger, [_request(one.partner_id, one, actor, at) for one in found])
    invoices = [] if partner_id else _issue_invoices(ledger, span, actor, at, progress)
    issued = statements + invoices
    if issued:  # from here on every pack's history is provable up to this close
        map_history(ledger, key_at(at, "map", period, issued[-1]), at)
    collect_issued(ledger, invoices, at, SYSTEM)
    if not partner_id:  # recorded now, so they stand on the statement after this one
        accrue_pack_dues(ledger, period, actor=actor, at=at, waits=True)
    return Closed(period, tuple(statements), tuple(invoices))


def close_statements(
    ledger: Ledger, period: str, *, actor: Actor, at: int, progress: Progress = no_progress
) -> list[str]:
    """Issue the statements of all partners for a period, without invoices; raises as above."""
    with ledger.reading() as reads:
        span = _ended_span(reads, period, at)
        found = list(_statement_commands(reads, span, "", progress))
    return _issue(ledger, [_request(one.partner_id, one, actor, at) for one in found])


def close_invoices(
    ledger: Ledger, period: str, *, actor: Actor, at: int, progress: Progress = no_progress
) -> list[str]:
    """Issue the invoices of all drivers for a period, without statements; raises as above."""
    with ledger.reading() as reads:
        span = _ended_span(reads, period, at)
    issued = _issue_invoices(ledger, span, actor, at, progress)
    collect_issued(ledger, issued, at, SYSTEM)
    return issued


def _ended_span(reads: Reads, period: str, at: int) -> Span:
    span = span_of(reads, period)
    ends_at = period_window(period, span.zone).to_at
    if at < ends_at:
        raise Refused(Refusal(RefusalCode.PERIOD_NOT_ENDED, {"ends_at": ends_at}))
    return span


def _request(who: str, command: IssueStatement | IssueInvoice, actor: Actor, at: int) -> Request:
    name = (type(command).__name__, who, command.period, str(command.to_position))
    return Request(key=key_at(at, *name), principal="settling", actor=actor, at=at, command=command)


def _issue(ledger: Ledger, requests: list[Request]) -> list[str]:
    """Issue documents batch by batch and give their numbers."""
    issued: list[str] = []
    for start in range(0, len(requests), BATCH_MAX):
        receipts = ledger.execute_all(requests[start : start + BATCH_MAX])
        positions = [accepted(receipt).first for receipt in receipts if not_empty(receipt)]
        with ledger.reading() as reads:
            issued += [_document_id(one.event) for one in reads.at_positions(positions)]
    return issued


def not_empty(receipt: Receipt) -> bool:
    """Tell whether a receipt stands for entries or for a refusal, not for nothing to do."""
    return receipt.refusal is not None or receipt.count > 0


def _document_id(event: Event) -> str:
    if isinstance(event, InvoiceIssued):
        return event.invoice_no
    return event.statement_id if isinstance(event, StatementIssued) else ""


# Statements -------------------------------------------------------------------


def partner_lines(reads: Reads, partner_id: str, span: Span) -> Iterator[StatementLine]:
    """Yield a partner's lines with positions in the span, in order, with bounded memory."""
    accounts = (PARTNERS_ACCRUED, PARTNERS_OWE)
    streams = [_entries_on(reads, account, partner_id, span) for account in accounts]
    last = -1
    for position, one in merge(*streams, key=itemgetter(0)):
        before, last = last, position
        event = one.event
        if before == position or event.kind not in LINE_KINDS:
            continue
        if isinstance(event, ShareAccrued):  # nearly all: of those nothing else is decoded
            yield from statement_lines(position, event, partner_id)
        else:
            yield from lines_by_partner(one.envelope, event).get(partner_id, ())


def calculate(reads: Reads, partner_id: str, span: Span) -> Calculation:
    """Sum a partner's lines from scratch."""
    draft = StatementDraft()
    for line in partner_lines(reads, partner_id, span):
        draft.add(line)
    return draft.calculation()


def calculate_all(
    reads: Reads, span: Span, progress: Progress = no_progress, what: str = "lines"
) -> dict[str, Calculation]:
    """Sum the lines of every partner from scratch, in one pass over the entries of a span.

    Keeps a few sums and hashes for each partner, however many lines they have.
    """
    drafts: dict[str, StatementDraft] = {}
    first, end = span.from_position + 1, span.to_position + 1
    for done, (position, one) in enumerate(reads.placed(first, end, LINE_KINDS)):
        event = one.event
        if isinstance(event, ShareAccrued):  # as above
            for partner, line in share_lines(position, event).items():
                drafts.setdefault(partner, StatementDraft()).add(line)
        else:
            for partner, lines in lines_by_partner(one.envelope, event).items():
                draft = drafts.setdefault(partner, StatementDraft())
                for line in lines:
                    draft.add(line)
        if done % POSITIONS_AT_ONCE == 0:
            progress(what, position - first, end - first)
    progress(what, end - first, end - first)
    return {partner: drafts[partner].calculation() for partner in sorted(drafts)}


def _statement_commands(
    reads: Reads, span: Span, partner_id: str, progress: Progress
) -> Iterator[IssueStatement]:
    settled = dict(reads.rows(SETTLED))
    first, second = _calculated(reads, span, partner_id, progress)
    for done, (partner, calculation) in enumerate(first.items(), 1):
        for part in _parts(span, settled.get(partner, Ranges())):
            both = (calculation, second[partner])
            if part != span:
                both = (calculate(reads, partner, part), calculate(reads, partner, part))
            if both[0].line_count:
                yield IssueStatement(
                    partner_id=partner,
                    period=part.period,
                    zone=part.zone,
                    from_position=part.from_position,
                    to_position=part.to_position,
                    calculation=both[0],
                    recalculation=both[1],
                )
        progress("statements", done, len(first))


def _parts(span: Span, used: Ranges) -> list[Span]:
    """Give what of a span stands in no document yet; the span itself where nothing of it does."""
    return [
        msgspec.structs.replace(span, from_position=begin, to_position=end)
        for begin, end in used.gaps(span.from_position, span.to_position)
    ]


def _calculated(
    reads: Reads, span: Span, partner_id: str, progress: Progress
) -> tuple[dict[str, Calculation], dict[str, Calculation]]:
    """Calculate twice from scratch: all partners, or the one that is named."""
    if not partner_id:
        return (
            calculate_all(reads, span, progress),
            calculate_all(reads, span, progress, "lines once more"),
        )
    both = (calculate(reads, partner_id, span), calculate(reads, partner_id, span))
    first, second = ({partner_id: one} if one.line_count else {} for one in both)
    return first, second


def _statement_rows(reads: Reads, partner_id: str, period: str) -> list[Statement]:
    rows = reads.rows(STATEMENTS, listed=partner_id)
    return [row for _, row in rows if row.period == period]


class StatementView(msgspec.Struct, frozen=True):
    """An issued statement with its lines, and whether they still give what was issued."""

    statement: Statement
    lines: list[StatementLine]
    agrees: bool


def statement(reads: Reads, partner_id: str, period: str) -> StatementView:
    """Read a partner's statement and calculate it once more; `NotFound` when none is issued."""
    rows = _statement_rows(reads, partner_id, period)
    if not rows:
        raise NotFound(f"no statement of {partner_id} for {period}; close the period first")
    row = rows[0]
    span = Span(period, "", row.from_position, row.to_position)
    lines = list(partner_lines(reads, partner_id, span))
    return StatementView(row, lines, calculate(reads, partner_id, span) == row.calculation)


# Invoices ---------------------------------------------------------------------


def driver_usages(reads: Reads, driver_id: str, span: Span) -> Iterator[Entry]:
    """Yield a driver's accrued usages with positions in the span, in order.

    A usage that was taken back comes as one whose amounts are below zero.
    """
    for _, one in _entries_on(reads, UNBILLED, driver_id, span):
        if isinstance(one.event, UsageAccrued):
            yield one
        elif isinstance(one.event, UsageReversed):
            yield Entry(one.data, one.envelope, taken_back(one.event))


def _issue_invoices(
    ledger: Ledger, span: Span, actor: Actor, at: int, progress: Progress
) -> list[str]:
    """Invoice some drivers after the others: what is kept in mind does not grow with them."""
    cut = Cut(span.period, span.zone, span.from_position, span.to_position)
    with ledger.reading() as reads:
        drivers = parties_on(reads, cut)
    issued: list[str] = []
    for start in range(0, len(drivers), BATCH_MAX):
        some = drivers[start : start + BATCH_MAX]
        with ledger.reading() as reads:
            found = list(invoice_commands(reads, some, cut, at))
        named = [(f"{one.driver_id} {document_name(one)}", one) for one in found]
        issued += _issue(ledger, [_request(*one, actor, at) for one in named])
        progress("invoices", start + len(some), len(drivers))
    return issued


class BillView(msgspec.Struct, frozen=True):
    """A driver's usages of a period with their entries, and the invoices over them."""

    driver_id: str
    period: str
    usages: list[Entry]
    invoices: list[InvoiceIssued]


def bill(reads: Reads, driver_id: str, period: str) -> BillView:
    """Read what a driver used in a period and what was invoiced; `NotFound` when nothing was."""
    span = span_of(reads, period)
    usages = list(driver_usages(reads, driver_id, span))
    numbers = {key for key, _ in reads.rows(INVOICES, listed=driver_id)}
    found = reads.entries(span.to_position + 1, None, (InvoiceIssued.kind,)) if numbers else ()
    invoices = [
        one.event
        for one in found
        if isinstance(one.event, InvoiceIssued)
        and one.event.invoice_no in numbers
        and one.event.period == period
    ]
    if not usages and not invoices:
        raise NotFound(f"{driver_id} used nothing in {period}")
    return BillView(driver_id, period, usages, invoices)


# Lines of an account ----------------------------------------------------------


def _entries_on(reads: Reads, account: str, item: str, span: Span) -> Iterator[tuple[int, Entry]]:
    """Yield (position, entry) of what posts on an account and item, each once, page by page."""
    items = ItemRange(item, item, span.from_position + 1, span.to_position + 1)
    for page in reads.pages_by_item(account, items, POSITIONS_AT_ONCE):
        yield from reads.placed_at([position for _, position in page])
