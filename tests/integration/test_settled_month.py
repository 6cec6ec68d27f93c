"""A month is settled after days inside it: every line and every usage stands in one document."""

from itertools import pairwise

import pytest

from ledger.domain.money.invoices import INVOICES, InvoiceIssued
from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.runtime.settling import close_period
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, new_town

FINANCE = Actor("FI-1", "finance", "FI-2")
APRIL = MARCH + 31 * 24 * HOUR
DAYS = {
    "the first day": ("2024-03-02",),
    "a day in the middle": ("2024-03-03",),
    "both": ("2024-03-03", "2024-03-02"),
}


def close(ledger, period, at=APRIL):
    return close_period(ledger, period, actor=FINANCE, at=at)


def sums(ledger):
    """Sum what statements and invoices say, and how many lines they have."""
    with ledger.reading() as reads:
        share = sum(
            amounts.share_minor
            for _, row in reads.rows(STATEMENTS)
            for amounts in row.calculation.amounts
        )
        lines = sum(row.calculation.line_count for _, row in reads.rows(STATEMENTS))
        net = sum(
            one.event.net_minor
            for one in reads.entries(kinds=(InvoiceIssued.kind,))
            if isinstance(one.event, InvoiceIssued)
        )
    return share, lines, net


@pytest.mark.parametrize("days", DAYS.values(), ids=DAYS)
def test_a_month_after_days_inside_it_takes_the_rest(tmp_path, days):
    with new_town(sqlite_url(tmp_path), "alone") as ledger:
        close(ledger, "2024-03")
        whole = sums(ledger)
    (tmp_path / "days").mkdir()
    with new_town(sqlite_url(tmp_path / "days"), "days") as ledger:
        made = [close(ledger, day) for day in days]
        rest = close(ledger, "2024-03")
        assert sums(ledger) == whole
        assert all(one.statements for one in made)
        assert rest.statements
        assert rest.invoices
        spans = []
        with ledger.reading() as reads:
            for one in reads.entries(kinds=(StatementIssued.kind,)):
                assert isinstance(one.event, StatementIssued)
                spans.append((one.event.from_position, one.event.to_position))
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        again = close(ledger, "2024-03")
        assert (again.statements, again.invoices) == ((), ())
        with ledger.reading() as reads:
            assert reads.count(INVOICES) == len(rest.invoices) + sum(len(m.invoices) for m in made)
