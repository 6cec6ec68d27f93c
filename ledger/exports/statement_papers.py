"""A partner's statement as somebody takes it away: everything on it stands in the log."""

import msgspec

from ledger.domain.money.documents import StatementLine
from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.domain.parties import PARTIES
from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import local_date
from ledger.runtime.book_periods import zone_of
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import Span, partner_lines


class StatementPaper(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed: the statement, its lines, who sends it to whom, and when it was issued.

    Times are shown in `zone`; `proof` is an address or a text for the square code, "" for none.
    """

    statement: Statement
    lines: tuple[StatementLine, ...]
    seller: Trader
    partner: Trader
    issued_on: str
    zone: str
    contact: str = ""
    proof: str = ""


def paper_of(reads: Reads, statement_id: str, head: Letterhead) -> StatementPaper:
    """Make what is printed of an issued statement, from its entries.

    The partner is named as the ledger knows the company. `NotFound` when nothing of that id was
    issued.
    """
    row = reads.row(STATEMENTS, statement_id)
    issued = None if row is None else _issuing(reads, row)
    if row is None or issued is None:
        raise NotFound(f"no statement {statement_id[:80]} was issued")
    party = reads.row(PARTIES, row.partner_id)
    assert party is not None, "a partner that is settled is known"
    zone, entry = zone_of(reads), issued.envelope
    span = Span(row.period, zone, row.from_position, row.to_position)
    return StatementPaper(
        statement=row,
        lines=tuple(partner_lines(reads, row.partner_id, span)),
        seller=head.seller,
        partner=Trader(party.legal_name or row.partner_id, Address("", "", "", party.country)),
        issued_on=local_date(entry.recorded_at, zone).isoformat(),
        zone=zone,
        contact=head.contact,
        proof=f"{head.public_url}/log/{entry.ledger}/proof/{entry.position}",
    )


def _issuing(reads: Reads, row: Statement) -> Entry | None:
    for one in reads.entries(row.to_position + 1, None, (StatementIssued.kind,)):
        event = one.event
        if isinstance(event, StatementIssued) and event.statement_id == row.statement_id:
            return one
    return None
