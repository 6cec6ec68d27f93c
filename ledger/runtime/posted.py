"""What a posting leaves in the tables: its own row, and its part in a balance.

The writer makes these rows and the replay makes them again, by the same functions.
"""

from collections.abc import Iterable, Sequence

from ledger.domain.money.accounts import item_of
from ledger.kernel.postings import Posting
from ledger.store.append import Row

Balances = dict[tuple[str, str, str], tuple[int, int]]
"""(account, item, commodity) to (quantity, the position that changed it last)."""


def posting_rows(postings: Sequence[Posting], position: int, valid_at: int) -> list[Row]:
    """Give the rows of an entry's postings, in the column order of the store."""
    return [
        (one.account, item_of(one), position, line, one.commodity, one.quantity, valid_at)
        for line, one in enumerate(postings)
    ]


def add_to(balances: Balances, rows: Iterable[Row]) -> None:
    """Add posting rows, in order of position, to balances."""
    for account, item, position, _line, commodity, quantity, _at in rows:
        key = (account, item, commodity)
        before = balances.get(key)
        balances[key] = (quantity + before[0] if before else quantity, position)
