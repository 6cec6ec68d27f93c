"""CSV of a partner's statement: one row per line, sums and the Merkle root on the control sheet.

`line_hash` is the RFC 6962 leaf hash of the line's canonical bytes; the root of all of them, in the
order of the rows, is the statement's `lines_root`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ledger.domain.money.documents import StatementDraft, StatementLine
from ledger.domain.money.settlement_rows import STATEMENTS, Amounts, Calculation, Statement
from ledger.exports._tables import Cell, Control, Summary, layout, write_table
from ledger.kernel.errors import NotFound, ReplayDiffers
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import as_text
from ledger.kernel.money import amount_text
from ledger.runtime.reads import Reads
from ledger.runtime.settling import Span, partner_lines

STATEMENT = layout(
    columns="""position posting_index kind swap charging_session station service_start_at energy_wh
    currency energy_net service_net fee_net share share_rule_version line_hash receivable source""",
    numbers="position posting_index energy_wh energy_net service_net fee_net share receivable",
)


def export_statement(
    reads: Reads, statement_id: str, path: Path, *, delimiter: str = ","
) -> Control:
    """Write an issued statement from its entries.

    Raises:
        NotFound: no such statement was issued.
        ReplayDiffers: the entries give other sums or another root than were issued.
        Unavailable: the file cannot be written.
    """
    statement = reads.row(STATEMENTS, statement_id)
    if statement is None:
        raise NotFound(f"no statement {statement_id}")
    # positions alone name the lines; the zone only served to find them
    span = Span(statement.period, "UTC", statement.from_position, statement.to_position)
    lines = partner_lines(reads, statement.partner_id, span)
    return write_statement(statement, lines, path, delimiter=delimiter)


def write_statement(
    statement: Statement, lines: Iterable[StatementLine], path: Path, *, delimiter: str = ","
) -> Control:
    """Write a statement's lines, in their order, and check them against what was issued.

    Nothing is written when they differ. The lines are read as a stream.

    Raises:
        ReplayDiffers: the lines give other sums or another root than the statement says.
        Unavailable: the file cannot be written.
    """
    draft = StatementDraft()

    def rows() -> Iterator[tuple[Cell, ...]]:
        for line in lines:
            yield _row(line, leaf_hash(draft.add(line)).hex())

    def summary() -> Summary:
        calculation = draft.calculation()
        if calculation != statement.calculation:
            raise ReplayDiffers(f"the lines of {statement.statement_id} are not what was issued")
        return _facts(statement), _totals(calculation)

    return write_table(path, STATEMENT, rows(), summary, delimiter=delimiter)


def _row(line: StatementLine, line_hash: str) -> tuple[Cell, ...]:
    currency = line.currency
    return (
        line.position,
        line.posting_index,
        line.kind,
        line.swap,
        line.charging_session,
        line.station,
        as_text(line.service_start_at),
        line.energy_wh,
        currency,
        amount_text(line.energy_net_minor, currency),
        amount_text(line.service_net_minor, currency),
        amount_text(line.fee_net_minor, currency),
        amount_text(line.share_minor, currency),
        line.share_rule_version,
        line_hash,
        amount_text(line.receivable_minor, currency),
        line.source,
    )


def _facts(statement: Statement) -> dict[str, str | int]:
    return {
        "statement": statement.statement_id,
        "partner": statement.partner_id,
        "period": statement.period,
        "from_position": statement.from_position,
        "to_position": statement.to_position,
        "lines_root": statement.calculation.lines_root,
    }


def _totals(calculation: Calculation) -> dict[str, str]:
    totals = {"energy_wh": str(calculation.energy_wh)}
    for amounts in calculation.amounts:
        totals |= _amount_totals(amounts)
    return totals


def _amount_totals(amounts: Amounts) -> dict[str, str]:
    currency = amounts.currency
    return {
        f"energy_net {currency}": amount_text(amounts.energy_net_minor, currency),
        f"service_net {currency}": amount_text(amounts.service_net_minor, currency),
        f"fee_net {currency}": amount_text(amounts.fee_net_minor, currency),
        f"share {currency}": amount_text(amounts.share_minor, currency),
        f"receivable {currency}": amount_text(amounts.receivable_minor, currency),
    }
