"""Who read what: rows of the table `access`, which only grows.

Rows are numbered from 0 without a gap, and their times never fall, so a day is one range of
numbers. The parameters of a read are kept as a digest: a log of questions must not become a second
place where the answers can be guessed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.store.tables import access

_LOCK = 0x61636373
"""Number of the advisory lock under which PostgreSQL hands out row numbers; "accs" in ASCII."""

_CHUNK = 2_000


class AccessRow(msgspec.Struct, frozen=True):
    """One read: when (us), who, which route, SHA-256 of its parameters, rows answered, why."""

    at: int
    actor: str
    route: str
    parameters_digest: bytes
    rows: int
    reason: str = ""


_COLUMNS = ("access_id", "at", "actor", "route", "parameters_digest", "rows", "reason")


def append(tx: sa.Connection, log_id: int, rows: Sequence[AccessRow]) -> int:
    """Add rows in order and give the number of the first; SQLite holds the lock by its BEGIN.

    A row whose clock was behind the newest row's takes that one's time. Straight on the driver:
    every read of an auditor waits for this, and Core takes three times as long.
    """
    raw: Any = tx.connection.driver_connection
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    if mark != "?":
        raw.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, log_id))
    newest = raw.execute(
        f"SELECT access_id, at FROM access WHERE log_id = {mark} "  # noqa: S608  only the mark
        "ORDER BY access_id DESC LIMIT 1",
        (log_id,),
    ).fetchone()
    first, at = (newest[0] + 1, newest[1]) if newest else (0, 0)
    text = _insert(mark)
    for number, row in enumerate(rows, first):
        at = max(at, row.at)
        digest = row.parameters_digest
        raw.execute(text, (log_id, number, at, row.actor, row.route, digest, row.rows, row.reason))
    return int(first)


def _insert(mark: str) -> str:
    places = ", ".join([mark] * (len(_COLUMNS) + 1))
    return f"INSERT INTO access (log_id, {', '.join(_COLUMNS)}) VALUES ({places})"  # noqa: S608  only marks


def count(tx: sa.Connection, log_id: int) -> int:
    """Count all rows."""
    newest = tx.scalar(sa.select(sa.func.max(access.c.access_id)).where(access.c.log_id == log_id))
    return 0 if newest is None else int(newest) + 1


def count_before(tx: sa.Connection, log_id: int, at: int) -> int:
    """Count the rows older than a moment: times never fall, so log2 of all rows are read."""
    low, high = 0, count(tx, log_id)
    while low < high:
        middle = (low + high) // 2
        found = tx.scalar(
            sa.select(access.c.at).where(access.c.log_id == log_id, access.c.access_id == middle)
        )
        low, high = (middle + 1, high) if found is not None and found < at else (low, middle)
    return low


def page(tx: sa.Connection, log_id: int, first: int, end: int) -> list[tuple[int, AccessRow]]:
    """List (number, row) of the rows [first, end), in order."""
    chosen = (
        sa.select(
            access.c.access_id,
            access.c.at,
            access.c.actor,
            access.c.route,
            access.c.parameters_digest,
            access.c.rows,
            access.c.reason,
        )
        .where(access.c.log_id == log_id, access.c.access_id >= first, access.c.access_id < end)
        .order_by(access.c.access_id)
    )
    return [
        (row[0], AccessRow(row[1], row[2], row[3], bytes(row[4]), row[5], row[6]))
        for row in tx.execute(chosen)
    ]


def rows(tx: sa.Connection, log_id: int, first: int, end: int) -> Iterator[tuple[int, AccessRow]]:
    """Yield (number, row) of the rows [first, end), with one chunk in memory."""
    for start in range(first, end, _CHUNK):
        yield from page(tx, log_id, start, min(start + _CHUNK, end))
