"""The settlement cycle over the log: where a cut begins and ends, calculations, proofs of lines.

A cut begins where the partner's last statement ended, so that no line is left between two of them,
and ends with the last entry recorded in its period. Nothing here keeps more than a few sums, but
for a proof: that needs one hash of every line of its statement.
"""

from collections.abc import Callable

import msgspec

from ledger.domain.money.billing import BILLED, ShareAccrued, UsageAccrued
from ledger.domain.money.contract_cycle import last_cut
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.dispute_rows import LINE_DISPUTES, UPHELD
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.line_proofs import LineProof, prove
from ledger.domain.money.line_resolutions import CloseLineDispute
from ledger.domain.money.periods import Ranges
from ledger.domain.money.rating_facts import CHARGING_SESSION
from ledger.domain.money.rerating import ShareReversed
from ledger.domain.money.rerating_bills import ShareEntry, SwapBill, UsageEntry
from ledger.domain.money.settlement_rows import SETTLED, STATEMENTS, Calculation, Statement
from ledger.domain.money.settlement_steps import CalculateStatement, CutStatement
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import InvariantBroken, NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.reads import Reads
from ledger.runtime.settling import Span, calculate, partner_lines, span_of


def span_after(reads: Reads, partner_id: str, period: str) -> Span:
    """Give what a cut for a period covers: from the end of the last statement of the partner."""
    whole = span_of(reads, period)
    settled = reads.row(SETTLED, partner_id) or Ranges()
    end = settled.spans[-1][1] if settled.spans else -1
    return Span(period, whole.zone, end, whole.to_position)


def due_span(reads: Reads, partner_id: str, now: int) -> Span:
    """Give what the cut that came due last covers, by the cycle of the partner's contract.

    `NotFound` where he has no contract in force.
    """
    held = reads.row(CONTRACTS, partner_id)
    contract = held.settling(now) if held else None
    if contract is None:
        raise NotFound(f"{partner_id} has no contract in force: name the period")
    cut = last_cut(contract.terms, now)
    after = span_after(reads, partner_id, cut.period)
    end = reads.end_known_at(cut.at - 1) - 1
    return Span(cut.period, contract.terms.zone, after.from_position, end)


def cutting(reads: Reads, partner_id: str, span: Span) -> CutStatement:
    """Make the command that freezes a partner's lines."""
    return CutStatement(
        partner_id=partner_id,
        period=span.period,
        zone=span.zone,
        from_position=span.from_position,
        to_position=span.to_position,
        calculation=calculate(reads, partner_id, span),
    )


Calculating = Callable[[Reads, str, Span], Calculation]
"""Sums a partner's lines in a span, from scratch."""


def calculating(
    reads: Reads, statement_id: str, calculate: Calculating = calculate
) -> CalculateStatement:
    """Calculate a cut statement twice, each time from scratch.

    Raises:
        NotFound: no such statement.
        InvariantBroken: the two calculations differ.
    """
    row = statement_row(reads, statement_id)
    span = span_in(row)
    first, second = (calculate(reads, row.partner_id, span) for _ in range(2))
    if canonical(first) != canonical(second):
        raise InvariantBroken(f"two calculations of {statement_id} differ")
    return CalculateStatement(statement_id=statement_id, calculation=first, recalculation=second)


def statement_row(reads: Reads, statement_id: str) -> Statement:
    """Read a statement; `NotFound` where there is none."""
    row = reads.row(STATEMENTS, statement_id)
    if row is None:
        raise NotFound(f"no statement {statement_id}")
    return row


def span_in(row: Statement) -> Span:
    """Give the positions of a statement; they alone name its lines, the zone only found them."""
    return Span(row.period, "UTC", row.from_position, row.to_position)


# Lines ------------------------------------------------------------------------


class ProvenLine(msgspec.Struct, frozen=True):
    """A line of a statement with the proof of its place."""

    line: StatementLine
    proof: LineProof


def proven_line(
    reads: Reads, statement_id: str, position: int, posting_index: int
) -> ProvenLine | None:
    """Find a line of a statement and prove it; None where the statement has no such line."""
    row = statement_row(reads, statement_id)
    leaves: list[bytes] = []
    found: tuple[int, StatementLine] | None = None
    for line in partner_lines(reads, row.partner_id, span_in(row)):
        if (line.position, line.posting_index) == (position, posting_index):
            found = len(leaves), line
        leaves.append(leaf_hash(canonical(line)))
    return None if found is None else ProvenLine(found[1], prove(leaves, found[0]))


def with_line(reads: Reads, command: RaiseLineDispute) -> RaiseLineDispute:
    """Add the bytes and the proof of the line that a dispute names, where there is one."""
    found = proven_line(reads, command.document_id, command.position, command.posting_index)
    if found is None:
        return command
    text = canonical(found.line).decode()
    return msgspec.structs.replace(command, line=text, proof=found.proof)


def share_at(reads: Reads, position: int) -> ShareAccrued:
    """Read the share entry behind a line; `NotFound` where the line is none of a share."""
    event = reads.entry(position).event
    if not isinstance(event, ShareAccrued):
        raise NotFound(f"entry {position} is no share that could be made anew")
    return event


def with_bill(reads: Reads, command: CloseLineDispute) -> CloseLineDispute:
    """Add the bill of the session that a dispute is about, as it stands in the log.

    The bill of a swap is kept with it; a session's is read when somebody is right about it.
    """
    row = reads.row(LINE_DISPUTES, command.dispute_id)
    if row is None or row.usage_kind != CHARGING_SESSION:
        return command
    return msgspec.structs.replace(command, bill=bill_of(reads, row.usage_id))


def bill_of(reads: Reads, usage_id: str) -> SwapBill | None:
    """Read the last bill of a usage with its shares; None where it has none."""
    billed = reads.row(BILLED, usage_id)
    if billed is None or billed.reason:
        return None
    usages: list[UsageEntry] = []
    shares: dict[int, ShareEntry] = {}
    has_upheld = any(
        row.usage_id == usage_id and row.state == UPHELD for _, row in reads.rows(LINE_DISPUTES)
    )
    for one in reads.entries(billed.position, None, _BILL_KINDS):
        event = one.event
        assert isinstance(event, UsageAccrued | ShareAccrued | ShareReversed), "of these kinds"
        position, at = one.envelope.position, one.envelope.valid_at
        if event.usage_id == usage_id:
            if isinstance(event, UsageAccrued):
                usages.append(UsageEntry(position, at, event))
            elif isinstance(event, ShareAccrued):
                shares[position] = ShareEntry(position, at, event)
            else:
                shares.pop(event.reversed_position, None)
        elif not has_upheld:
            break  # the entries of a bill stand one after the other; a share made anew does not
    return SwapBill(tuple(usages), tuple(shares.values()))


_BILL_KINDS = (UsageAccrued.kind, ShareAccrued.kind, ShareReversed.kind)
