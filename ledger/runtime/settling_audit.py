"""The invariants of settlement over the tables as they stand: 9 and 10 of money handbook 14."""

from collections.abc import Iterable

from ledger.domain.money.payout_rows import PAYABLES, PAYOUT_BATCHES, PAYOUTS
from ledger.domain.money.periods import Ranges
from ledger.domain.money.settlement_rows import CANCELLED, SETTLED, STATEMENTS
from ledger.domain.money.templates_partners import IN_FLIGHT, PARTNERS_APPROVED
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.reads import Reads

Sums = dict[tuple[str, str], int]
"""Minor units by (item of the account, currency)."""


def check_statements(reads: Reads) -> None:
    """Check that a position is in at most one statement of a partner, and that all are used up.

    Raises:
        ReplayDiffers: two statements share positions, or others are used up than statements have.
    """
    spans: dict[str, Ranges] = {}
    for _, row in reads.rows(STATEMENTS):
        if row.state == CANCELLED:
            continue
        before = spans.get(row.partner_id, Ranges())
        if before.overlap(row.from_position, row.to_position) is not None:
            raise ReplayDiffers(f"{row.statement_id} has positions of another statement")
        spans[row.partner_id] = before.with_span(row.from_position, row.to_position)
    settled = {partner: row for partner, row in reads.rows(SETTLED) if row.spans}
    for partner in sorted(spans.keys() | settled.keys()):
        if spans.get(partner) != settled.get(partner):
            raise ReplayDiffers(f"what is settled of {partner} is not what his statements have")


def check_payables(reads: Reads) -> None:
    """Check that 2110 is what statements owe, 2120 what payouts have on their way, orders too.

    Raises:
        ReplayDiffers: a sub-ledger and its account differ, or an order and its payouts.
    """
    owed: Sums = {}
    for partner, row in reads.rows(PAYABLES):
        for one in row.open:
            if one.is_of_statement and one.owed_minor:
                owed[f"{partner}|{one.statement_id}", one.currency] = one.owed_minor
    flying: Sums = {
        (row.payout_id, row.currency): row.amount_minor
        for _, row in reads.rows(PAYOUTS, listed="in_flight")
    }
    _compare(reads, PARTNERS_APPROVED, owed)
    _compare(reads, IN_FLIGHT, flying)
    for batch_id, batch in reads.rows(PAYOUT_BATCHES):
        rows = [reads.row(PAYOUTS, payout_id) for payout_id in batch.payouts]
        if sum(row.amount_minor for row in rows if row) != batch.total_minor:
            raise ReplayDiffers(f"{batch_id} orders another sum than that of its payouts")


def _compare(reads: Reads, account: str, said: Sums) -> None:
    held = {(one.item, one.commodity): -one.quantity for one in reads.balances(account)}
    for item, currency in _different(held, said):
        raise ReplayDiffers(
            f"{account} holds {held.get((item, currency), 0)} {currency} of {item}, "
            f"its rows say {said.get((item, currency), 0)}"
        )


def _different(held: Sums, said: Sums) -> Iterable[tuple[str, str]]:
    return (key for key in sorted(held.keys() | said.keys()) if held.get(key) != said.get(key))
