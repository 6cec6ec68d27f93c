"""Which pack stands on which account of a tree: all of them at once, as a stream."""

from collections.abc import Iterator

import sqlalchemy as sa

from ledger.store.queries.sums import add, by_stretch, known
from ledger.store.stretches import touching
from ledger.store.tables import balance, posting

_AT_ONCE = 2_000


def holdings(
    tx: sa.Connection, log_id: int, tree: str, *, at: tuple[int, int] | None
) -> Iterator[tuple[str, str]]:
    """Yield (pack, account) for every pack that stands below a tree of accounts such as ``Packs``.

    Only what is there: quantities above zero. `at` is (valid_at, end), None is now. In no order.
    Of a past moment the packs that are somewhere then are kept in mind, not where they were before.
    """
    if at is not None:
        account, item = posting.c.account, posting.c.item
        lines = known(at, account > f"{tree}:", account < f"{tree};")
        total = sa.func.sum(posting.c.quantity)
        held: dict[tuple[str, ...], int] = {}
        for path, pack_id, quantity in by_stretch(tx, log_id, lines, (account, item), (total,)):
            add(held, (pack_id, path), int(quantity))
        yield from ((pack_id, path) for (pack_id, path), left in held.items() if left > 0)
        return
    account, item = balance.c.account, balance.c.item
    chosen = (
        sa.select(item, account)
        .where(balance.c.log_id == log_id, account > f"{tree}:", account < f"{tree};")
        .group_by(account, item)
        .having(sa.func.sum(balance.c.quantity) > 0)
    )
    for row in tx.execute(chosen.execution_options(yield_per=_AT_ONCE)):
        yield row[0], row[1]


def moves(
    tx: sa.Connection, log_id: int, tree: str, *, end: int
) -> Iterator[tuple[str, str, int, int, int]]:
    """Yield (pack, account, quantity, occurred_at, position) of all postings below a tree.

    Of the first `end` entries, in order of packs.
    """
    told = posting.c
    chosen = (
        sa.select(told.item, told.account, told.quantity, told.occurred_at, told.position)
        .where(
            told.log_id == log_id,
            touching(told.stretch, 0, end),
            told.account > f"{tree}:",
            told.account < f"{tree};",
            told.position < end,
        )
        .order_by(told.item, told.position)
    )
    for row in tx.execute(chosen.execution_options(yield_per=_AT_ONCE)):
        yield row[0], row[1], row[2], row[3], row[4]
