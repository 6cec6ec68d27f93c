"""Reading the journal: the head, entries by position, packs by their links, tiles, the moment."""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.store.append import Head
from ledger.store.tables import checkpoint, entry, entry_pack, log, tile

CHUNK = 2_000


class LogName(msgspec.Struct, frozen=True):
    """Which log of the database: its number, ledger id and origin."""

    log_id: int
    ledger: str
    origin: str


def find_log(tx: sa.Connection, ledger: str = "") -> LogName:
    """Find a log by ledger id, or the only one; `NotFound` when there is none."""
    chosen = sa.select(log.c.log_id, log.c.ledger, log.c.origin).order_by(log.c.log_id).limit(2)
    if ledger:
        chosen = chosen.where(log.c.ledger == ledger)
    rows = tx.execute(chosen).all()
    if not rows or (len(rows) > 1 and not ledger):
        raise NotFound("no such log in this database" if not rows else "name one of several logs")
    return LogName(*rows[0])


def head(tx: sa.Connection, log_id: int) -> Head:
    """Read the head row; `NotFound` when the log does not exist."""
    columns = log.c
    row = tx.execute(
        sa.select(
            columns.size,
            columns.root,
            columns.frontier,
            columns.edge,
            columns.recorded_at,
            columns.rebuilds,
        ).where(columns.log_id == log_id)
    ).first()
    if row is None:
        raise NotFound("no such log in this database")
    return Head(*row)


def entry_bytes(tx: sa.Connection, log_id: int, position: int) -> bytes:
    """Read one entry; `NotFound` beyond the head."""
    data = tx.scalar(
        sa.select(entry.c.bytes).where(entry.c.log_id == log_id, entry.c.position == position)
    )
    if data is None:
        raise NotFound(f"no entry at position {position}")
    return bytes(data)


def entries(
    tx: sa.Connection, log_id: int, first: int, end: int, kinds: tuple[str, ...] = ()
) -> Iterator[tuple[int, bytes]]:
    """Yield (position, bytes) of the entries in [first, end) in order, optionally by kind."""
    at = first
    while at < end:
        rows = raw_entries(tx, log_id, at, min(at + CHUNK, end), kinds)
        yield from rows
        at += CHUNK


def raw_entries(
    tx: sa.Connection, log_id: int, first: int, end: int, kinds: tuple[str, ...] = ()
) -> list[tuple[int, bytes]]:
    """Read (position, bytes) of the entries in [first, end) at once, in order."""
    chosen = (
        sa.select(entry.c.position, entry.c.bytes)
        .where(entry.c.log_id == log_id, entry.c.position >= first, entry.c.position < end)
        .order_by(entry.c.position)
    )
    if kinds:
        chosen = chosen.where(entry.c.kind.in_(kinds))
    return [(position, bytes(data)) for position, data in tx.execute(chosen).all()]


def entries_at(tx: sa.Connection, log_id: int, positions: list[int]) -> list[tuple[int, bytes]]:
    """Read the named entries in order of position; bounded by the length of the list."""
    found: list[tuple[int, bytes]] = []
    for start in range(0, len(positions), 500):
        some = positions[start : start + 500]
        rows = tx.execute(
            sa.select(entry.c.position, entry.c.bytes)
            .where(entry.c.log_id == log_id, entry.c.position.in_(some))
            .order_by(entry.c.position)
        )
        found += [(position, bytes(data)) for position, data in rows.all()]
    return found


def pack_entries(
    tx: sa.Connection, log_id: int, pack_id: str, end: int, limit: int = 100_000
) -> list[bytes]:
    """Read the entries below `end` that name a pack, oldest first; one SELECT."""
    rows = tx.execute(
        sa.select(entry.c.bytes)
        .join_from(
            entry_pack,
            entry,
            sa.and_(
                entry.c.log_id == entry_pack.c.log_id, entry.c.position == entry_pack.c.position
            ),
        )
        .where(
            entry_pack.c.log_id == log_id,
            entry_pack.c.pack == pack_id,
            entry_pack.c.position < end,
        )
        .order_by(entry_pack.c.count)
        .limit(limit)
    )
    return [bytes(data) for data in rows.scalars().all()]


def end_known_at(tx: sa.Connection, log_id: int, known_at: int) -> int:
    """Give how many entries were recorded by a moment.

    `recorded_at` never falls, so about log2(size) reads by key find the border.
    """
    low, high = 0, head(tx, log_id).size
    while low < high:
        middle = (low + high) // 2
        recorded = tx.scalar(
            sa.select(entry.c.recorded_at).where(
                entry.c.log_id == log_id, entry.c.position == middle
            )
        )
        if recorded is None:
            raise TamperEvidence(f"position {middle} is missing")
        low, high = (middle + 1, high) if recorded <= known_at else (low, middle)
    return low


def full_tile(tx: sa.Connection, log_id: int, level: int, number: int) -> bytes | None:
    """Read a full tile, None when it is not complete yet."""
    data = tx.scalar(
        sa.select(tile.c.data).where(
            tile.c.log_id == log_id, tile.c.level == level, tile.c.number == number
        )
    )
    return None if data is None else bytes(data)


def newest_checkpoint(tx: sa.Connection, log_id: int) -> tuple[int, bytes] | None:
    """Read (size, signed note) of the newest checkpoint, None before the first."""
    row = tx.execute(
        sa.select(checkpoint.c.size, checkpoint.c.note)
        .where(checkpoint.c.log_id == log_id)
        .order_by(checkpoint.c.size.desc())
        .limit(1)
    ).first()
    return (row[0], bytes(row[1])) if row else None


def add_checkpoint(tx: sa.Connection, log_id: int, values: dict[str, Any]) -> None:
    """Keep a signed checkpoint: size, root, note, signed_at. One per size, ever."""
    tx.execute(sa.insert(checkpoint).values(log_id=log_id, **values))
