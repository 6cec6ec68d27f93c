"""Whole tables in bulk, for verification: chunks of plain rows, straight from the driver's cursor.

Each scan yields lists of tuples and holds one chunk in memory.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import sqlalchemy as sa

from ledger.store import stretches
from ledger.store.append import COLUMNS
from ledger.store.journal import head
from ledger.store.queries.sums import Keys, Lines, by_key
from ledger.store.stretches import stretch_of
from ledger.store.tables import VIEWS, balance, entry, entry_pack, posting, receipt, tile

CHUNK = 512
"""Rows at a time: few enough to fit the processor's cache until they are hashed. With eight times
as many, PostgreSQL's driver takes twice as long for each."""
_numbers = count(1)

SEEKS_PER_LINE = 2
"""Where SQLite would seek more often than that for each posting, it reads windows of balances."""


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


def scan_bytes(tx: sa.Connection, log_id: int, size: int) -> Iterator[list[tuple[int, str, bytes]]]:
    """Yield (position, kind, bytes) of the first `size` entries, in order."""
    chosen = (
        sa.select(entry.c.position, entry.c.kind, entry.c.bytes)
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


def in_another_stretch(tx: sa.Connection, log_id: int, name: str) -> int | None:
    """Find the first position of which a posting or a link of a pack lies in another stretch."""
    table = {posting.name: posting, entry_pack.name: entry_pack}[name]
    found: int | None = tx.scalar(
        sa.select(sa.func.min(table.c.position)).where(table.c.log_id == log_id, ~_in_place(table))
    )
    return found


def _in_place(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.stretch == table.c.position // stretches.STRETCH_ENTRIES


# Whether every balance is the sum of its postings, and every posting in a balance and in the
# stretch of its position. SQLite goes along both keys and sorts nothing; its CROSS JOIN is never
# turned round. Of PostgreSQL's planner a join is too much to ask: without statistics it compares
# each with each. It adds up both tables in one pass, balances with the other sign.
_SAME_SQLITE = (
    "SELECT ifnull(sum(differs), 0), count(*), ifnull(sum(lines), 0) FROM ("
    "SELECT sum(posting.quantity) <> balance.quantity AS differs, count(*) AS lines"
    " FROM balance CROSS JOIN posting ON posting.log_id = balance.log_id"
    " AND posting.stretch IN {} AND posting.account = balance.account"
    " AND posting.item = balance.item AND posting.commodity = balance.commodity"
    " AND posting.stretch = posting.position / ?"
    " WHERE balance.log_id = ? GROUP BY balance.account, balance.item, balance.commodity)"
)
_SAME_POSTGRES = (
    "SELECT NOT EXISTS (SELECT 1 FROM ("
    "SELECT account, item, commodity, quantity,"
    " CASE stretch WHEN position / :entries THEN 1 ELSE 2 END AS side"
    " FROM posting WHERE log_id = :log_id"
    " UNION ALL "
    "SELECT account, item, commodity, -quantity, -1 FROM balance WHERE log_id = :log_id) AS line"
    " GROUP BY account, item, commodity"
    " HAVING sum(quantity) <> 0 OR min(side) <> -1 OR max(side) <> 1)"
)


def same_books(tx: sa.Connection, log_id: int) -> bool:
    """Tell whether all balances are the sums of their postings, and all postings in their stretch.

    Where not, `in_another_stretch` and `differing_balance` say which, but take longer.
    """
    if tx.dialect.name == "sqlite":
        return _same_sqlite(tx, log_id)
    asked = {"log_id": log_id, "entries": stretches.STRETCH_ENTRIES}
    return bool(tx.scalar(sa.text(_SAME_POSTGRES), asked))


def _same_sqlite(tx: sa.Connection, log_id: int) -> bool:
    """Tell the same on SQLite, in memory that does not grow with the log."""
    lines, newest = _told(tx, log_id, posting, sa.func.max(posting.c.stretch))
    kept, _ = _told(tx, log_id, balance, sa.null())
    end = head(tx, log_id).size + 1  # with the stretch in which the next entry will lie
    if newest is None or newest > stretch_of(end - 1):
        return False  # nothing there, or far beyond the head: look closely
    if kept * len(stretches.stretches(0, end)) > SEEKS_PER_LINE * lines:
        return _same_by_windows(tx, log_id, end, lines)
    places, numbers = stretches.stretch_list(0, end)
    raw: Any = tx.connection.driver_connection
    asked = (*numbers, stretches.STRETCH_ENTRIES, log_id)
    found = raw.execute(_SAME_SQLITE.format(places), asked).fetchone()
    return bool(found == (0, kept, lines))


def _told(
    tx: sa.Connection, log_id: int, table: sa.Table, more: sa.ColumnElement[Any]
) -> tuple[int, int | None]:
    chosen = sa.select(sa.func.count(), more).select_from(table).where(table.c.log_id == log_id)
    row = tx.execute(chosen).one()
    return row[0], row[1]


def _same_by_windows(tx: sa.Connection, log_id: int, end: int, lines: int) -> bool:
    """Tell the same of balances whose postings are few and far between: a seek for each is dear."""

    def values(wanted: sa.ColumnElement[bool]) -> tuple[sa.ColumnElement[Any], ...]:
        in_place = sa.and_(wanted, _in_place(posting))
        return sa.func.sum(posting.c.quantity).filter(wanted), sa.func.count().filter(in_place)

    for _, kept, (total, some) in by_key(tx, log_id, Keys(), Lines(0, end), values):
        if total != kept or not some:
            return False
        lines -= some
    return lines == 0


def differing_balance(tx: sa.Connection, log_id: int) -> tuple[str, int] | None:
    """Find one balance that is not the sum of its postings, else None.

    (account, the last position that names it).
    """
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
