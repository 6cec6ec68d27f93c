"""Whole tables in bulk, for verification: chunks of plain rows, straight from the driver's cursor.

Each scan yields lists of tuples and holds one chunk in memory.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import sqlalchemy as sa

from ledger.store.append import COLUMNS
from ledger.store.tables import VIEWS, balance, entry, entry_pack, posting, receipt, tile

CHUNK = 512
"""Rows at a time: few enough to fit the processor's cache until they are hashed. With eight times
as many, PostgreSQL's driver takes twice as long for each."""
_numbers = count(1)


def in_chunks(tx: sa.Connection, chosen: sa.Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a SELECT as lists of plain tuples."""
    # the driver's own tuples: the row objects around them would double the cost of a scan
    if tx.dialect.name == "sqlite":
        cursor: Any = tx.execute(chosen).cursor
        while rows := cursor.fetchmany(CHUNK):
            yield rows
        return
    # a cursor of the server's, not of the driver's: a scan that is given up leaves nothing open
    name = f"scan_{next(_numbers)}"
    compiled = chosen.compile(dialect=tx.dialect)
    connection: Any = tx.connection.driver_connection
    connection.execute(f"DECLARE {name} CURSOR FOR {compiled}", compiled.params)
    while rows := connection.execute(f"FETCH {CHUNK} FROM {name}", binary=True).fetchall():
        yield rows
    connection.execute(f"CLOSE {name}")


def scan_bytes(tx: sa.Connection, log_id: int, size: int) -> Iterator[list[tuple[int, bytes]]]:
    """Yield (position, bytes) of the first `size` entries, in order."""
    chosen = (
        sa.select(entry.c.position, entry.c.bytes)
        .where(entry.c.log_id == log_id, entry.c.position < size)
        .order_by(entry.c.position)
    )
    yield from in_chunks(tx, chosen)


def beyond(tx: sa.Connection, log_id: int, size: int) -> int | None:
    """Find an entry at or beyond position `size`, which a sound log does not have."""
    found: int | None = tx.scalar(
        sa.select(sa.func.min(entry.c.position)).where(
            entry.c.log_id == log_id, sa.or_(entry.c.position >= size, entry.c.position < 0)
        )
    )
    return found


def scan_entries(
    tx: sa.Connection, log_id: int, size: int
) -> Iterator[list[tuple[int, str, int, int, bytes]]]:
    """Yield (position, kind, recorded_at, occurred_at, bytes) of the first `size` entries."""
    chosen = (
        sa.select(
            entry.c.position, entry.c.kind, entry.c.recorded_at, entry.c.occurred_at, entry.c.bytes
        )
        .where(entry.c.log_id == log_id, entry.c.position < size)
        .order_by(entry.c.position)
    )
    yield from in_chunks(tx, chosen)


def scan_postings(tx: sa.Connection, log_id: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield every posting row as it was written (`append.COLUMNS`), in key order."""
    columns = (posting.c[name] for name in COLUMNS["posting"])
    yield from in_chunks(tx, sa.select(*columns).where(posting.c.log_id == log_id))


def scan_links(tx: sa.Connection, log_id: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield every link row as it was written (`append.COLUMNS`), in key order."""
    columns = (entry_pack.c[name] for name in COLUMNS["entry_pack"])
    yield from in_chunks(tx, sa.select(*columns).where(entry_pack.c.log_id == log_id))


def scan_receipts(tx: sa.Connection, log_id: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (principal, key, answer) of every receipt, in key order."""
    columns = receipt.c
    yield from in_chunks(
        tx,
        sa.select(columns.principal, columns.key, columns.answer).where(columns.log_id == log_id),
    )


def scan_balances(tx: sa.Connection, log_id: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (account, item, commodity, quantity, position) of every balance, in key order."""
    columns = balance.c
    yield from in_chunks(
        tx,
        sa.select(
            columns.account, columns.item, columns.commodity, columns.quantity, columns.position
        ).where(columns.log_id == log_id),
    )


def scan_view(tx: sa.Connection, log_id: int, name: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield (key, position, listed, state) of every row of a view, in key order."""
    columns = VIEWS[name].c
    yield from in_chunks(
        tx,
        sa.select(columns.key, columns.position, columns.listed, columns.state).where(
            columns.log_id == log_id
        ),
    )


def scan_tiles(tx: sa.Connection, log_id: int, level: int) -> Iterator[list[tuple[int, bytes]]]:
    """Yield (number, bytes) of the full tiles of a level, in order."""
    yield from in_chunks(
        tx,
        sa.select(tile.c.number, tile.c.data)
        .where(tile.c.log_id == log_id, tile.c.level == level)
        .order_by(tile.c.number),
    )


def outermost_tiles(tx: sa.Connection, log_id: int) -> list[tuple[int, int, int]]:
    """List (level, smallest, largest number) of the stored tiles, one for each level."""
    number = tile.c.number
    chosen = sa.select(tile.c.level, sa.func.min(number), sa.func.max(number))
    rows = tx.execute(chosen.where(tile.c.log_id == log_id).group_by(tile.c.level))
    return [(row[0], row[1], row[2]) for row in rows]


# Whether every balance is the sum of its postings, and every posting in a balance. SQLite goes
# along both keys and sorts nothing; its CROSS JOIN is never turned round. Of PostgreSQL's planner a
# join is too much to ask: without statistics it compares each with each. It adds up both tables in
# one pass, balances with the other sign.
_SAME_SQLITE = (
    "SELECT ifnull(sum(differs), 0) = 0"
    " AND count(*) = (SELECT count(*) FROM balance WHERE log_id = :log_id)"
    " AND ifnull(sum(lines), 0) = (SELECT count(*) FROM posting WHERE log_id = :log_id) FROM ("
    "SELECT sum(posting.quantity) <> balance.quantity AS differs, count(*) AS lines"
    " FROM balance CROSS JOIN posting ON posting.log_id = balance.log_id"
    " AND posting.account = balance.account AND posting.item = balance.item"
    " AND posting.commodity = balance.commodity WHERE balance.log_id = :log_id"
    " GROUP BY balance.account, balance.item, balance.commodity)"
)
_SAME_POSTGRES = (
    "SELECT NOT EXISTS (SELECT 1 FROM ("
    "SELECT account, item, commodity, quantity, 1 AS side FROM posting WHERE log_id = :log_id"
    " UNION ALL "
    "SELECT account, item, commodity, -quantity, -1 FROM balance WHERE log_id = :log_id) AS line"
    " GROUP BY account, item, commodity"
    " HAVING sum(quantity) <> 0 OR min(side) <> -1 OR max(side) <> 1)"
)


def differing_balance(tx: sa.Connection, log_id: int) -> tuple[str, int] | None:
    """Find one balance that is not the sum of its postings: (account, position), else None."""
    same = _SAME_SQLITE if tx.dialect.name == "sqlite" else _SAME_POSTGRES
    if tx.scalar(sa.text(same), {"log_id": log_id}):
        return None
    return _differing_balance(tx, log_id)


def _differing_balance(tx: sa.Connection, log_id: int) -> tuple[str, int] | None:
    """Look closely: which balance it is, and the last position that names it."""
    key = ("account", "item", "commodity")
    none = sa.null().cast(posting.c.position.type)
    posted = sa.select(
        *(posting.c[name] for name in key),
        posting.c.quantity,
        posting.c.position.label("posted_at"),
        none.label("kept_at"),
    ).where(posting.c.log_id == log_id)
    kept = sa.select(
        *(balance.c[name] for name in key), -balance.c.quantity, none, balance.c.position
    ).where(balance.c.log_id == log_id)
    both = sa.union_all(posted, kept).subquery()
    posted_at, kept_at = both.c.posted_at, both.c.kept_at
    row = tx.execute(
        sa.select(both.c.account, sa.func.coalesce(sa.func.max(posted_at), sa.func.max(kept_at)))
        .group_by(*(both.c[name] for name in key))
        .having(
            sa.or_(
                sa.func.sum(both.c.quantity) != 0,
                sa.func.count(posted_at) == 0,
                sa.func.count(kept_at) == 0,
            )
        )
        .limit(1)
    ).first()
    return (row[0], int(row[1])) if row else None


def unbalanced_commodity(
    tx: sa.Connection, log_id: int, *, by_balance: bool = False
) -> tuple[str, int] | None:
    """Find a commodity whose postings do not sum to zero: (commodity, total), else None.

    `by_balance` adds up the balances instead, which are far fewer.
    """
    table = balance if by_balance else posting
    total = sa.func.sum(table.c.quantity)
    row = tx.execute(
        sa.select(table.c.commodity, total)
        .where(table.c.log_id == log_id)
        .group_by(table.c.commodity)
        .having(total != 0)
        .limit(1)
    ).first()
    return (row[0], int(row[1])) if row else None
