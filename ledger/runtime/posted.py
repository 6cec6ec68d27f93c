"""What a posting leaves in the tables: its own row, and its part in a balance; and a pack's link.

The writer makes these rows and the replay makes them again, by the same functions.
"""

from collections.abc import Iterable, Sequence

from ledger.domain.money.accounts import item_of
from ledger.kernel.envelope import Link
from ledger.kernel.postings import Posting
from ledger.store.append import Row
from ledger.store.stretches import stretch_of

Balances = dict[tuple[str, str, str], tuple[int, int]]
"""(account, item, commodity) to (quantity, the position that changed it last)."""


def posting_rows(postings: Sequence[Posting], position: int, valid_at: int) -> list[Row]:
    """Give the rows of an entry's postings, in the column order of the store."""
    stretch = stretch_of(position)
    return [
        (stretch, one.account, item_of(one), position, line, one.commodity, one.quantity, valid_at)
        for line, one in enumerate(postings)
    ]


def link_row(link: Link, position: int) -> Row:
    """Give the row of an entry's link to a pack, in the column order of the store."""
    return stretch_of(position), link.pack, link.count, position


def add_to(balances: Balances, rows: Iterable[Row]) -> None:
    """Add posting rows, in order of position, to balances."""
    for _stretch, account, item, position, _line, commodity, quantity, _at in rows:
        key = (account, item, commodity)
        before = balances.get(key)
        balances[key] = (quantity + before[0] if before else quantity, position)
