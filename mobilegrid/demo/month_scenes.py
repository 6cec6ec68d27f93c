"""What happened in the month, as read from its ledger: weeks, a diary, bills, a disputed line."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.money.billing import ShareAccrued, UsageAccrued
from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.dispute_rows import LINE_DISPUTES, LineDispute
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.energy_pool import EnergyCosted
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_books import ChargebackOpened
from ledger.domain.money.payments_disputes import DISPUTES
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.domain.swap import SwapCompleted
from ledger.kernel.instants import local_date
from ledger.runtime.invoice_view import settled_by
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span, partner_lines
from mobilegrid.demo.fleet import ZONE
from mobilegrid.demo.looks import clock, euro, grid, kwh, pairs

_SUNDAY = 7

# Weeks ------------------------------------------------------------------------


def _day_of(instant: int) -> date:
    return local_date(instant, ZONE)


def _week_of(instant: int) -> date:
    """Give the Sunday that ends the week of an instant, or the last day of its month."""
    day = _day_of(instant)
    sunday = day + timedelta(days=_SUNDAY - day.isoweekday())
    return sunday if sunday.month == day.month else sunday - timedelta(days=sunday.day)


def weeks(entries: list[Entry]) -> Any:
    """Sum the town's month by week: swaps, energy, what drivers owe, who gets what of it."""
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for one in entries:
        event, found = one.event, counts[_week_of(one.envelope.valid_at)]
        match event:
            case SwapCompleted():
                found["swaps"] += 1
            case ChargeSessionEnded():
                found["drawn"] += event.energy_in_wh
            case UsageAccrued():
                found["net"] += event.net_minor
            case EnergyCosted():
                found["cost"] += event.cost_minor
            case ShareAccrued():
                found["shared"] += event.base_minor - event.shares[event.ours]
            case _:
                pass
    rows = [
        (
            f"to {week.day} {week:%B}",
            str(one["swaps"]),
            kwh(one["drawn"]),
            euro(one["net"]),
            euro(one["cost"]),
            euro(one["shared"]),
        )
        for week, one in sorted(counts.items())
        if one["swaps"]
    ]
    total: Counter[str] = Counter()
    for found in counts.values():
        total.update(found)
    names = ("net", "cost", "shared")
    sums = (str(total["swaps"]), kwh(total["drawn"]), *(euro(total[name]) for name in names))
    columns = (">Swaps", ">kWh drawn", ">Drivers owe EUR", ">Energy cost EUR", ">Partners get EUR")
    return grid(("Week", *columns), rows, ("Sum", *sums))


# Diary ------------------------------------------------------------------------

_DONE = {
    "invoice.issued": "bill% issued",
    "payment.captured": "payment% by card",
    "payment.call_refused": "card% declined",
    "credit_note.issued": "credit note% issued",
    "refund.paid": "refund% paid to a card",
    "chargeback.opened": "payment% taken back by a driver's bank",
    "dispute.evidence_planned": "answer% to it, out of what packs and meters told",
    "chargeback.won": "chargeback% won",
    "dunning.stepped": "reminder% to a driver, his card tried again",
    "suspense.identified": "transfer% identified by a person",
    "statement.cut": "statement% cut, calculated twice, handed in",
    "statement.issued": "statement% issued",
    "statement.accepted": "statement% accepted by partners",
    "statement.approved": "statement% approved by two persons",
    "statement.netted": "statement% netted with what the partner owes",
    "line_dispute.raised": "line% disputed",
    "line_dispute.closed": "dispute% closed by two persons",
    "payout.instructed": "payout% released by two persons, in one file",
    "bank.statement_booked": "bank statement% booked",
    "payout.confirmed_bank": "payout% confirmed by the bank",
    "payout.returned": "payout% returned by the bank",
    "payee.approved": "new account% of a partner approved",
    "psp.payout_sent": "payout% of the card provider to our bank",
    "period.closing_began": "month% shut for what comes late",
    "reconciliation.run": "reconciliation run%",
    "depreciation.soh": "pack% depreciated",
    "energy.pool_trued_up": "stock% of energy trued up",
    "period.closed": "month% closed by two persons",
    "statement.closed": "statement% closed: nothing of them is open",
}
"""What is told of a day, by the kind of entry; % is the s of more than one."""


def diary(entries: list[Entry], first: date) -> Any:
    """Tell by day what finance did and what came from outside, after a first day."""
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for one in entries:
        if one.envelope.kind in _DONE:
            days[_day_of(one.envelope.recorded_at)][one.envelope.kind] += 1
    rows = [
        (
            f"{day:%a %d %b}",
            "\n".join(
                f"{done[kind]} {words.replace('%', '' if done[kind] == 1 else 's')}"
                for kind, words in _DONE.items()
                if done[kind]
            ),
        )
        for day, done in sorted(days.items())
        if day > first
    ]
    return grid(("Day", "~What"), rows)


# Bills ------------------------------------------------------------------------

_SETTLED = {
    "payment.captured": "paid by card",
    "bank.line_booked": "paid by transfer, matched by the number of the bill",
    "suspense.identified": "paid by transfer without a word, identified later",
    "credit_note.issued": "credited",
    "refund.paid": "paid back to a card",
}


def bills(reads: Reads, issued_on: str) -> list[Any]:
    """Account for the bills of a day: what became of every cent of them."""
    rows_of_day = [row for _, row in reads.rows(INVOICES) if row.issued_on == issued_on]
    counts: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for row in rows_of_day:
        for one in settled_by(reads, row):
            counts[one.kind] += 1
            moved[one.kind] -= one.amount_minor
    billed = sum(row.payable_minor for row in rows_of_day)
    rows = [("billed", str(len(rows_of_day)), euro(billed))]
    rows += [
        (words, str(counts[kind]), euro(moved[kind]))
        for kind, words in _SETTLED.items()
        if counts[kind]
    ]
    left = [row for row in rows_of_day if row.open_minor]
    open_minor = sum(row.open_minor for row in left)
    names = ", ".join(f"{row.invoice_no} of {row.driver_id}, {row.state}" for row in left)
    sums = ("still open", str(len(left)), euro(billed + moved.total()))
    told = [("open", f"{names}: {euro(open_minor)} EUR")] if left else []
    return [
        grid(("~What", ">How many", ">EUR"), rows, sums),
        "",
        pairs((*told, *_credited(reads), *_taken_back(reads))),
    ]


def _credited(reads: Reads) -> Iterator[tuple[str, str]]:
    for name, note in reads.rows(CREDIT_NOTES):
        amount = f"{euro(note.gross_minor)} EUR of {note.invoice_no}"
        words = f"{name} takes back {amount}: the driver of the half swap pays no swap fee"
        yield "credit note", words


def _taken_back(reads: Reads) -> Iterator[tuple[str, str]]:
    fees = {
        one.event.line.source_id: one.event.line.fee_minor
        for one in reads.entries(kinds=(ChargebackOpened.kind,))
        if isinstance(one.event, ChargebackOpened)
    }
    for ref, row in reads.rows(DISPUTES):
        payment = reads.row(CARD_PAYMENTS, row.payment_id)
        assert payment is not None, "a dispute is about a payment"
        about = f"{ref} over {euro(row.amount_minor)} EUR of {payment.invoice_no} ({row.reason})"
        words = f"{about}, {row.state}; its fee of {euro(fees[ref])} EUR stays with us"
        yield "chargeback", words


# A disputed line, and a late one ----------------------------------------------


def the_dispute(reads: Reads) -> LineDispute:
    """Give the dispute of the month."""
    ((_, row),) = list(reads.rows(LINE_DISPUTES))
    return row


def lines_of(reads: Reads, row: Statement) -> list[StatementLine]:
    """List the lines of a statement."""
    span = Span(row.period, "UTC", row.from_position, row.to_position)
    return list(partner_lines(reads, row.partner_id, span))


def next_statement(reads: Reads, row: Statement) -> Statement:
    """Give the statement of the same partner that follows one."""
    later = [
        each
        for _, each in reads.rows(STATEMENTS, listed=row.partner_id)
        if each.from_position >= row.to_position
    ]
    return min(later, key=lambda each: each.from_position)


def disputed_line(reads: Reads) -> list[Any]:
    """Follow a line from its dispute to its correction in the next statement."""
    found = the_dispute(reads)
    row = reads.row(STATEMENTS, found.document_id)
    assert row is not None, "it was issued"
    after = next_statement(reads, row)
    said = sum(one.share_minor for one in row.calculation.amounts)
    told = pairs(
        (
            ("dispute", f"{found.dispute_id} of {found.party_id}, code {found.code}"),
            ("statement", f"{row.statement_id}, line {found.position}/{found.posting_index}"),
            ("the line says", f"{euro(found.amount_minor)} EUR"),
            ("the partner says", f"{euro(found.claimed_minor)} EUR: {found.reason}"),
            ("verdict", f"{found.state.lower()} by two persons: {found.resolution}"),
            ("paid at once", f"{euro(said - found.amount_minor)} EUR, all but that line"),
            ("corrected in", after.statement_id),
        )
    )
    corrected = [
        line
        for line in lines_of(reads, after)
        if found.position in (_corrected_by(reads, line), *line.corrects[:1])
    ]
    return [told, "", _lines_table(corrected)]


def _corrected_by(reads: Reads, line: StatementLine) -> int | None:
    return reads.entry(line.position).envelope.corrects


def late_lines(reads: Reads) -> list[tuple[Statement, StatementLine]]:
    """List lines of services that were over before the cut of the statement before theirs."""
    found = []
    for _, row in reads.rows(STATEMENTS):
        earlier = [
            each
            for _, each in reads.rows(STATEMENTS, listed=row.partner_id)
            if each.to_position <= row.from_position
        ]
        if not earlier:
            continue
        cut_on = max(each.period for each in earlier)
        found += [
            (row, line)
            for line in lines_of(reads, row)
            if line.kind == "original"
            and line.swap
            and _day_of(line.service_start_at).isoformat() <= cut_on
            and _is_late(reads, line)
        ]
    return found


def _is_late(reads: Reads, line: StatementLine) -> bool:
    told = reads.entry(line.position).envelope
    is_after = _day_of(told.recorded_at) > _day_of(line.service_start_at)
    return is_after and told.corrects is None


def late(reads: Reads) -> list[Any]:
    """Show what was uploaded after a cut: it stands in the next statement, with its own time."""
    found = late_lines(reads)
    rows = [
        (
            row.statement_id,
            line.swap,
            f"{_day_of(line.service_start_at):%a %d %b} {clock(line.service_start_at)}",
            _told_at(reads, line),
            euro(line.share_minor),
        )
        for row, line in found
    ]
    return [grid(("Statement", "~Swap", "Happened", "Told", ">Share EUR"), rows)]


def _told_at(reads: Reads, line: StatementLine) -> str:
    at = reads.entry(line.position).envelope.recorded_at
    return f"{_day_of(at):%a %d %b} {clock(at)}"


def _lines_table(lines: Iterable[StatementLine]) -> Any:
    rows = [
        (
            str(line.position),
            line.kind if not line.corrects else f"takes back #{line.corrects[0]}",
            f"{_day_of(line.service_start_at):%d %b} {clock(line.service_start_at)}",
            line.station,
            line.share_rule_version,
            euro(line.share_minor),
        )
        for line in lines
    ]
    return grid((">Entry", "Line", "When", "Station", "Rule", ">Share EUR"), rows)
