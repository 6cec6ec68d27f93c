"""Audits of the books: each holds over a closed month, and each notices one changed amount."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.domain.money.period_close import BeginClosing
from ledger.kernel.errors import MobileGridError
from ledger.runtime.books_audit import (
    check_assets,
    check_closed_months,
    check_limits,
    check_stock,
)
from ledger.runtime.closing import close_books
from ledger.runtime.depreciating import depreciate, true_up_pool
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from tests.support.book_month import FINANCE, do, new_month
from tests.support.books import at
from tests.support.ledgers import sqlite_url
from tests.support.stores import behind_its_back

CHECKS = (check_limits, check_stock, check_assets, check_closed_months)
NOW = at("2026-02-03T11:00")
WORTHLESS = """UPDATE view_asset_policies SET state =
    CAST(replace(state, '"residual_bp":2000', '"residual_bp":9999') AS BLOB)"""
REASONS = dict.fromkeys((1, 7, 8, 9, 13), "seen")


@pytest.fixture
def url(tmp_path: Path) -> str:
    where = sqlite_url(tmp_path)
    with new_month(where) as ledger:
        do(ledger, BeginClosing(period="2026-01"), "2026-02-03T08:00")
        depreciate(ledger, "2026-01-31", actor=FINANCE, at=NOW)
        accepted(true_up_pool(ledger, "2026-01-31", actor=FINANCE, at=NOW))
        close_books(ledger, "2026-01", actor=FINANCE, at=NOW, reasons=REASONS)
    return where


def test_the_books_of_a_closed_month_pass_every_audit(url: str) -> None:
    with Ledger(url) as ledger, ledger.reading() as reads:
        for check in CHECKS:
            check(reads)


@pytest.mark.parametrize(
    ("check", "table", "what", "said"),
    [
        (check_limits, "balance", "account = 'Assets:Inventory:Energy'", "passed its limit"),
        (check_stock, "balance", "account = 'Assets:Inventory:Energy'", "its account"),
        (check_assets, "balance", "account = 'Assets:Fixed:Packs-Cost'", "of PK-1 holds"),
        (check_assets, "balance", "account = 'Assets:Fixed:Packs-Depreciation'", "PK-1 holds"),
        (check_closed_months, "posting", "account = 'Income:Energy'", "not what was closed"),
    ],
)
def test_one_changed_amount_is_noticed(
    check: Callable[[Reads], None], table: str, what: str, said: str, url: str
) -> None:
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(f"UPDATE {table} SET quantity = quantity - 1000000 WHERE {what}")
    evidence = pytest.raises(MobileGridError, match=said)
    with Ledger(url) as ledger, ledger.reading() as reads, evidence:
        check(reads)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM view_assets", "which is no asset"),
        (
            WORTHLESS,
            "less than its residual",
        ),
    ],
)
def test_a_row_that_does_not_fit_its_accounts_is_noticed(
    statement: str, said: str, url: str
) -> None:
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(statement)
    evidence = pytest.raises(MobileGridError, match=said)
    with Ledger(url) as ledger, ledger.reading() as reads, evidence:
        check_assets(reads)


def test_a_kept_balance_that_was_changed_is_noticed(url: str) -> None:
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(
            "UPDATE view_closing_balances SET state = "
            "CAST(replace(state, '\"quantity\":900000', '\"quantity\":900001') AS BLOB)"
        )
    evidence = pytest.raises(MobileGridError, match="not those that were kept")
    with Ledger(url) as ledger, ledger.reading() as reads, evidence:
        check_closed_months(reads)
