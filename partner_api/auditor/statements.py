"""Statements: the lines of one, each with the entry it follows from and where its evidence is."""

from itertools import islice

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.money.documents import StatementLine
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.kernel.errors import NotFound
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.settling import Span, partner_lines
from ledger.store import journal
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import PAGE, Asking, AsOf, known_id, looking


class LineEvidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line, the leaf of the share entry that it was calculated from, and who vouches for it.

    `evidence_url` leads to the evidence of the swap or charging session behind the line.
    """

    line: StatementLine
    leaf_sha256: bytes
    evidence_url: str = ""


class StatementEvidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A statement as issued, and its lines made again from the entries, in order of position."""

    statement: Statement
    items: list[LineEvidence]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/statements/{statement_id:str}/evidence",
    operation_id="statement_evidence",
    opt=asks(Action.READ_AUDIT, *PAGE),
    sync_to_thread=True,
)
def statement_evidence(request: Asking, statement_id: FromPath[str]) -> Response[StatementEvidence]:
    """Give the lines of a statement, each with what it follows from."""
    with looking(request, "statement_evidence", heavy=True) as look:
        statement = look.reads.row(STATEMENTS, known_id(statement_id))
        if statement is None:
            raise NotFound("no such statement")
        # an entry has one line of a partner at most, so its position is key enough
        after = int(look.after[0]) if look.after else statement.from_position
        span = Span(statement.period, "", after, statement.to_position)
        lines = list(islice(partner_lines(look.reads, statement.partner_id, span), look.limit))
        named = journal.entries_at(look.tx, look.log_id, [line.position for line in lines])
        leaves = {position: leaf_hash(data) for position, data in named}
        items = [LineEvidence(line, leaves[line.position], _evidence_url(line)) for line in lines]
        cursor = look.next_cursor(lines, (lines[-1].position,)) if lines else ""
        answer = StatementEvidence(statement, items, look.as_of(), cursor)
        return look.answer(answer, len(items))


def _evidence_url(line: StatementLine) -> str:
    if line.swap:
        return f"/auditor/v1/swaps/{line.swap}/evidence"
    if line.charging_session:
        return f"/auditor/v1/sessions/{line.charging_session}/evidence"
    return ""


ROUTES = (statement_evidence,)
