"""Balance rules: accounts whose balance under one key may not pass zero (money handbook 2.4).

They are tested once, after all entries of a command: a reversal and its correction may pass zero
between them. What is reserved by pending postings is as good as gone. A fact from outside is never
refused for a limit, so its template takes from such an account at most what is there, and books the
rest as owed.
"""

from collections.abc import Iterable, Mapping

from ledger.domain.money.accounts import CHART

BalanceKey = tuple[str, str, str]
"""(account, item, commodity)."""

_SIGNS = {"credit_min_0": -1, "debit_min_0": 1}

LIMITED: dict[str, int] = {info.name: _SIGNS[info.rule] for info in CHART if info.rule in _SIGNS}
"""Sign of the side that may not fall below zero, by account: 1 for debits, -1 for credits."""


def lowered(moved: Mapping[BalanceKey, int]) -> list[BalanceKey]:
    """List the keys that a command moves towards their limit."""
    return [key for key, quantity in moved.items() if quantity * LIMITED.get(key[0], 0) < 0]


def moved(rows: Iterable[tuple[str, str, str, int]]) -> dict[BalanceKey, int]:
    """Sum (account, item, commodity, quantity) by key, for accounts with a limit only."""
    sums: dict[BalanceKey, int] = {}
    for account, item, commodity, quantity in rows:
        if account in LIMITED:
            key = account, item, commodity
            sums[key] = sums.get(key, 0) + quantity
    return sums


def available(account: str, balance: int, reserved: int = 0) -> int:
    """Give how much can be taken from an account with a limit, below zero when too much was.

    `balance` is signed as postings are; `reserved` is what pending postings would take.

    >>> available("Liabilities:Wallets:Paid-In", -5_000, 3_000)
    2000
    """
    return LIMITED[account] * balance - reserved


def breached(key: BalanceKey, balance: int, reserved: int = 0) -> bool:
    """Tell whether a balance, with what is reserved of it, has passed its limit."""
    return available(key[0], balance, reserved) < 0
