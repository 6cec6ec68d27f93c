import pytest

from ledger.domain.money.accounts import CHART
from ledger.domain.money.balance_rules import (
    LIMITED,
    available,
    breached,
    lowered,
    moved,
)

WALLET, STOCK = "Liabilities:Wallets:Paid-In", "Assets:Inventory:Energy"
OWED = "Assets:Receivables:Drivers"


def test_every_account_of_the_chart_with_a_limit_is_tested() -> None:
    ruled = {info.name for info in CHART if info.rule in ("credit_min_0", "debit_min_0")}
    assert ruled == LIMITED.keys()
    assert (LIMITED[WALLET], LIMITED[STOCK]) == (-1, 1)


@pytest.mark.parametrize(
    ("account", "balance", "reserved", "left", "over"),
    [
        (WALLET, -5_000, 0, 5_000, False),
        (WALLET, -5_000, 5_000, 0, False),
        (WALLET, -5_000, 5_001, -1, True),
        (WALLET, 1, 0, -1, True),
        (STOCK, 348, 0, 348, False),
        (STOCK, -1, 0, -1, True),
    ],
)
def test_what_is_reserved_is_as_good_as_gone(
    account: str, balance: int, reserved: int, left: int, *, over: bool
) -> None:
    assert available(account, balance, reserved) == left
    assert breached((account, "", "EUR"), balance, reserved) is over


def test_only_what_moves_towards_a_limit_is_tested() -> None:
    rows = [
        (WALLET, "DR-1", "EUR", 500),
        (WALLET, "DR-1", "EUR", -700),
        (WALLET, "DR-2", "EUR", 1),
        (OWED, "DR-1", "EUR", 199),
        (STOCK, "", "EUR", 5),
    ]
    sums = moved(rows)
    assert sums == {
        (WALLET, "DR-1", "EUR"): -200,
        (WALLET, "DR-2", "EUR"): 1,
        (STOCK, "", "EUR"): 5,
    }
    assert lowered(sums) == [(WALLET, "DR-2", "EUR")]
