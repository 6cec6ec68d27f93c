"""Which pack stands on which account of a tree: all of them at once, as a stream."""

from collections.abc import Iterator

import sqlalchemy as sa

from ledger.store.tables import balance, posting

_AT_ONCE = 2_000


def holdings(
    tx: sa.Connection, log_id: int, tree: str, *, at: tuple[int, int] | None
) -> Iterator[tuple[str, str]]:
    """Yield (pack, account) for every pack that stands below a tree of accounts such as ``Packs``.

    Only what is there: quantities above zero. `at` is (valid_at, end), None is now. In no order.
    """
    table = balance if at is None else posting
    account, item = table.c.account, table.c.item
    total = sa.func.sum(table.c.quantity)
    chosen = (
        sa.select(item, account)
        .where(table.c.log_id == log_id, account > f"{tree}:", account < f"{tree};")
        .group_by(account, item)
        .having(total > 0)
    )
    if at is not None:
        chosen = chosen.where(posting.c.occurred_at <= at[0], posting.c.position < at[1])
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
            told.account > f"{tree}:",
            told.account < f"{tree};",
            told.position < end,
        )
        .order_by(told.item, told.position)
    )
    for row in tx.execute(chosen.execution_options(yield_per=_AT_ONCE)):
        yield row[0], row[1], row[2], row[3], row[4]
