"""Reading the journal: the head, entries by position, packs by their links, tiles, the moment."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.messages import Receipt
from ledger.store.append import Head, head_of_row, in_list
from ledger.store.stretches import stretch_list, stretches, touching
from ledger.store.tables import checkpoint, entry, entry_pack, log, receipt, tile

CHUNK = 2_000
AT_ONCE = 500


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


# Built once: every read begins with the first, every tile needs the others.
_HEAD = sa.select(
    log.c.size, log.c.root, log.c.frontier, log.c.edge, log.c.recorded_at, log.c.rebuilds
).where(log.c.log_id == sa.bindparam("log"))
_TILE = sa.select(tile.c.data).where(
    tile.c.log_id == sa.bindparam("log"),
    tile.c.level == sa.bindparam("level"),
    tile.c.number == sa.bindparam("number"),
)
_NEWEST = (
    sa.select(checkpoint.c.size, checkpoint.c.note)
    .where(checkpoint.c.log_id == sa.bindparam("log"))
    .order_by(checkpoint.c.size.desc())
    .limit(1)
)


def head(tx: sa.Connection, log_id: int) -> Head:
    """Read the head row; `NotFound` when the log does not exist."""
    row = tx.execute(_HEAD, {"log": log_id}).first()
    if row is None:
        raise NotFound("no such log in this database")
    return head_of_row(row)


def entry_bytes(tx: sa.Connection, log_id: int, position: int) -> bytes:
    """Read one entry; `NotFound` beyond the head."""
    data = tx.scalar(
        sa.select(entry.c.bytes).where(entry.c.log_id == log_id, entry.c.position == position)
    )
    if data is None:
        raise NotFound(f"no entry at position {position}")
    return bytes(data)


def entries(
    tx: sa.Connection,
    log_id: int,
    first: int,
    end: int,
    kinds: tuple[str, ...] = (),
    happened: tuple[int, int] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield (position, bytes) of the entries in [first, end) in order, optionally by kind.

    With `happened` those alone whose valid time lies in [from, to) (us).
    """
    at = first
    while at < end:
        rows = raw_entries(tx, log_id, at, min(at + CHUNK, end), kinds, happened)
        yield from rows
        at += CHUNK


def raw_entries(
    tx: sa.Connection,
    log_id: int,
    first: int,
    end: int,
    kinds: tuple[str, ...] = (),
    happened: tuple[int, int] | None = None,
) -> list[tuple[int, bytes]]:
    """Read (position, bytes) of entries in [first, end) as `entries` does, but at once."""
    chosen = (
        sa.select(entry.c.position, entry.c.bytes)
        .where(entry.c.log_id == log_id, entry.c.position >= first, entry.c.position < end)
        .order_by(entry.c.position)
    )
    if kinds:
        chosen = chosen.where(entry.c.kind.in_(kinds))
    if happened:
        chosen = chosen.where(entry.c.occurred_at >= happened[0], entry.c.occurred_at < happened[1])
    found = tx.execute(chosen)
    if tx.dialect.name == "sqlite":  # the driver's own tuples: rows around them take as long again
        cursor: Any = found.cursor
        return list(cursor.fetchall())
    return [(position, bytes(data)) for position, data in found.all()]


def entries_at(tx: sa.Connection, log_id: int, positions: Iterable[int]) -> list[tuple[int, bytes]]:
    """Read the named entries in order of position; bounded by the length of the list."""
    wanted = sorted(set(positions))
    found: list[tuple[int, bytes]] = []
    for start in range(0, len(wanted), AT_ONCE):
        found += _bytes_at(tx, log_id, wanted[start : start + AT_ONCE])
    return found


# Straight on the driver: bytes travel as bytes, not as text twice as long, and one plan or a few
# serve lists of every length. The order of each join is fixed, for a planner may begin with the
# entries, and read the whole log: SQLite keeps to CROSS JOIN, PostgreSQL cannot pull up what has a
# LIMIT. There a seek by key also finds its partition without a new plan for every list.
_AT_POSTGRES = (
    "SELECT found.position, found.bytes FROM unnest(%b::bigint[]) AS wanted(position) "
    "CROSS JOIN LATERAL (SELECT position, bytes FROM entry "
    "WHERE log_id = %b::int AND position = wanted.position LIMIT 1) AS found"
)
_OF_PACK_POSTGRES = (
    "SELECT found.occurred_at, found.position, found.bytes FROM ("
    "SELECT position FROM entry_pack WHERE log_id = %b::int AND stretch = ANY(%b::bigint[]) "
    "AND pack = %b::text AND position < %b::bigint ORDER BY count OFFSET 0) AS named "
    "CROSS JOIN LATERAL (SELECT occurred_at, position, bytes FROM entry "
    "WHERE log_id = %b::int AND position = named.position LIMIT 1) AS found"
)
_OF_PACK_SQLITE = (
    "SELECT entry.occurred_at, entry.position, entry.bytes FROM entry_pack AS named "
    "CROSS JOIN entry ON entry.log_id = named.log_id AND entry.position = named.position "
    "WHERE named.log_id = ? AND named.stretch IN {} AND named.pack = ? AND named.position < ? "
    "ORDER BY named.stretch, named.count"
)


def _bytes_at(tx: sa.Connection, log_id: int, positions: list[int]) -> list[tuple[int, bytes]]:
    raw: Any = tx.connection.driver_connection
    if tx.dialect.name == "postgresql":
        # psycopg is an extra
        from ledger.store.postgres_arrays import array  # noqa: PLC0415

        asked = (array("bigint", positions), log_id)
        return list(raw.execute(_AT_POSTGRES, asked, binary=True).fetchall())
    places, padded = in_list(positions)
    text = (
        f"SELECT position, bytes FROM entry WHERE log_id = ? AND position IN {places} "  # noqa: S608  only question marks
        "ORDER BY position"
    )
    return list(raw.execute(text, (log_id, *padded)).fetchall())


def pack_positions(tx: sa.Connection, log_id: int, pack_id: str, end: int) -> list[int]:
    """List the positions below `end` of all entries that name a pack, in order."""
    columns = entry_pack.c
    chosen = (
        sa.select(columns.position)
        .where(columns.log_id == log_id, touching(columns.stretch, 0, end))
        .where(columns.pack == pack_id, columns.position < end)
        .order_by(columns.stretch, columns.count)
    )
    return list(tx.execute(chosen).scalars().all())


def pack_entries(
    tx: sa.Connection, log_id: int, pack_id: str, end: int
) -> list[tuple[int, int, bytes]]:
    """Read (valid time, position, bytes) of the entries below `end` that name a pack.

    Oldest first, by position. All in one statement and one round trip.
    """
    raw: Any = tx.connection.driver_connection
    if tx.dialect.name == "postgresql":
        # psycopg is an extra
        from ledger.store.postgres_arrays import array  # noqa: PLC0415

        asked = (log_id, array("bigint", stretches(0, end)), pack_id, end, log_id)
        return list(raw.execute(_OF_PACK_POSTGRES, asked, binary=True).fetchall())
    places, numbers = stretch_list(0, end)
    text = _OF_PACK_SQLITE.format(places)
    return list(raw.execute(text, (log_id, *numbers, pack_id, end)).fetchall())


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
    data = tx.scalar(_TILE, {"log": log_id, "level": level, "number": number})
    return None if data is None else bytes(data)


def newest_checkpoint(tx: sa.Connection, log_id: int) -> tuple[int, bytes] | None:
    """Read (size, signed note) of the newest checkpoint, None before the first."""
    row = tx.execute(_NEWEST, {"log": log_id}).first()
    return (row[0], bytes(row[1])) if row else None


def covering_checkpoint(tx: sa.Connection, log_id: int, size: int) -> tuple[int, int] | None:
    """Read (size, signed_at) of the first checkpoint over at least `size` entries, or None."""
    row = tx.execute(
        sa.select(checkpoint.c.size, checkpoint.c.signed_at)
        .where(checkpoint.c.log_id == log_id, checkpoint.c.size >= size)
        .order_by(checkpoint.c.size)
        .limit(1)
    ).first()
    return (row[0], row[1]) if row else None


def add_checkpoint(tx: sa.Connection, log_id: int, values: dict[str, Any]) -> None:
    """Keep a signed checkpoint: size, root, note, signed_at. One per size, ever."""
    tx.execute(sa.insert(checkpoint).values(log_id=log_id, **values))


def receipt_of(tx: sa.Connection, log_id: int, principal: str, key: bytes) -> Receipt | None:
    """Read the stored answer to a request, None when there was no such request."""
    answer = tx.scalar(
        sa.select(receipt.c.answer).where(
            receipt.c.log_id == log_id, receipt.c.principal == principal, receipt.c.key == key
        )
    )
    return None if answer is None else msgspec.json.decode(answer, type=Receipt)
