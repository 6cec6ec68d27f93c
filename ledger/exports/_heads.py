"""The three heads around the shared journal: what is declared before it, asserted after it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import TypeAlias

from ledger.exports._accounts import amount, commodity_of
from ledger.kernel.quantities import scaled_text

JOURNAL = "journal.txt"
PAYEE = "Mobile Grid"

_OPENED_ON = "1900-01-01"

Key: TypeAlias = tuple[str, str]
"""(exported account, our commodity)."""


def transaction(day: str, narration: str, comments: Iterable[str], lines: Iterable[str]) -> str:
    """Write one transaction that all three programs read alike.

    >>> print(transaction("2026-01-15", "opening", ("position: 1",), ("Equity:Capital  1 PACK",)))
    2026-01-15 * "Mobile Grid" "opening"
      ; position: 1
      Equity:Capital  1 PACK
    <BLANKLINE>
    <BLANKLINE>
    """
    rows = [f'{day} * "{PAYEE}" "{narration}"']
    rows += [f"  ; {text}" for text in comments]
    rows += [f"  {line}" for line in lines]
    return "\n".join(rows) + "\n\n"


def _beancount(balances: Mapping[Key, int], closed_on: str) -> Iterator[str]:
    yield f'option "title" "{PAYEE}"\n'
    # without it an assertion lets a difference of one minor unit pass
    yield 'option "tolerance_multiplier" "0"\n'
    for code, _ in _commodities(balances):
        yield f"{_OPENED_ON} commodity {code}\n"
    for account in _accounts(balances):
        yield f"{_OPENED_ON} open {account}\n"
    yield f'include "{JOURNAL}"\n'
    # Beancount compares at the beginning of a day, and with everything below the account
    after = (date.fromisoformat(closed_on) + timedelta(days=1)).isoformat()
    for (account, commodity), quantity in sorted(_with_parents(balances).items()):
        yield f"{after} balance {account}  {amount(quantity, commodity)}\n"


def _hledger(balances: Mapping[Key, int], closed_on: str) -> Iterator[str]:
    for code, decimals in _commodities(balances):
        # the decimal mark must be there even where no decimals follow
        shown = scaled_text(1_000 * 10**decimals, decimals)
        yield f"commodity {shown if decimals else shown + '.'} {code}\n"
    yield from _plain_head(balances)
    yield from _closing(balances, closed_on)


def _ledger(balances: Mapping[Key, int], closed_on: str) -> Iterator[str]:
    for code, _ in _commodities(balances):
        yield f"commodity {code}\n"
    yield "tag position\n"
    yield from _plain_head(balances)
    yield from _closing(balances, closed_on)


HEADS: dict[str, Callable[[Mapping[Key, int], str], Iterator[str]]] = {
    "beancount.beancount": _beancount,
    "hledger.journal": _hledger,
    "ledger.ledger": _ledger,
}
"""By file name: what writes it from the balances to assert and the day they stand on."""


def _commodities(balances: Mapping[Key, int]) -> list[tuple[str, int]]:
    return sorted({commodity_of(commodity) for _, commodity in balances})


def _accounts(balances: Mapping[Key, int]) -> list[str]:
    return sorted({account for account, _ in balances})


def _plain_head(balances: Mapping[Key, int]) -> Iterator[str]:
    for account in _accounts(balances):
        yield f"account {account}\n"
    yield f"include {JOURNAL}\n"


def _closing(balances: Mapping[Key, int], closed_on: str) -> Iterator[str]:
    if balances:
        yield transaction(
            closed_on,
            "close",
            (),
            (
                f"{account}  {amount(0, commodity)} = {amount(quantity, commodity)}"
                for (account, commodity), quantity in sorted(balances.items())
            ),
        )


def _with_parents(balances: Mapping[Key, int]) -> dict[Key, int]:
    """Add to each asserted account what the asserted accounts below it hold."""
    sums = dict(balances)
    for (account, commodity), quantity in balances.items():
        above = account
        while ":" in above:
            above = above.rpartition(":")[0]
            if (above, commodity) in balances:
                sums[above, commodity] += quantity
    return sums
