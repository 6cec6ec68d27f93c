"""The signed document with which a statement is issued: what the partner answers to.

It says the figures of the statement (ids, positions, count and root of the lines, sums by currency)
and names the first final checkpoint over the entry that handed it in, so that it has the same bytes
whenever it is made, and the signer, who signs one text for one id, gives it again. While no
signature can be made the statement stays under review.
"""

from ledger.domain.money.settlement_rows import UNDER_REVIEW
from ledger.domain.money.settlement_steps import (
    PublishStatement,
    StatementSubmitted,
    figures_of,
)
from ledger.exports.issued import STATEMENT_TYP, IsFinal, SignDocument, always, covering
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.errors import Conflict
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling_cycle import statement_row


def publishing(
    reads: Reads, statement_id: str, sign: SignDocument, is_final: IsFinal = always
) -> PublishStatement:
    """Have the document of a statement under review signed, and make the command that issues it.

    Raises:
        NotFound: no such statement.
        Conflict: it is not under review, or no final checkpoint covers its submission yet.
        Unavailable: no device can sign.
    """
    payload = document_payload(reads, statement_id, is_final)
    return PublishStatement(statement_id=statement_id, document=sign(STATEMENT_TYP, payload))


def document_payload(reads: Reads, statement_id: str, is_final: IsFinal = always) -> bytes:
    """Make what the document says; raises as `publishing`."""
    row = statement_row(reads, statement_id)
    if row.state != UNDER_REVIEW:
        raise Conflict(f"{statement_id} is {row.state}, not under review")
    handed_in = _submitted(reads, statement_id, row.to_position)
    _, said = covering(reads, handed_in.envelope.position, is_final)
    payload = {
        "checkpoint": {
            "origin": said.origin,
            "root": base64_text(said.root),
            "size": said.size,
        },
        "document_id": f"{statement_id}/lines",
        "figures": figures_of(row),
        "issued_at": handed_in.envelope.recorded_at,
    }
    return canonical(payload)


def _submitted(reads: Reads, statement_id: str, after: int) -> Entry:
    """Find the entry that handed a statement in last."""
    kinds = (StatementSubmitted.kind,)
    found = [
        one
        for one in reads.entries(after + 1, None, kinds)
        if isinstance(one.event, StatementSubmitted) and one.event.statement_id == statement_id
    ]
    return found[-1]
