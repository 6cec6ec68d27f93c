"""The pages of a pack's history: the read that auditors ask most, straight on the driver."""

from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from ledger.store.stretches import stretch_list, stretches

PAGE_AT_ONCE = 512
"""A pack that at most so many entries name is read whole and sorted here: one visit to each."""

_COUNT_SQLITE = (
    "SELECT count(*) FROM entry_pack "
    "WHERE log_id = ? AND stretch IN {} AND pack = ? AND position < ?"
)
_COUNT_POSTGRES = (
    "SELECT count(*) FROM entry_pack "
    "WHERE log_id = %s AND stretch = ANY(%s::bigint[]) AND pack = %s AND position < %s"
)
_FIRST_TWO = itemgetter(0, 1)

# The order of the joins is fixed, for a planner may begin with the entries, and read the whole log:
# SQLite keeps to CROSS JOIN, PostgreSQL cannot pull up what has a LIMIT.
_WHOLE = (
    "SELECT entry.occurred_at, entry.position, entry.bytes "
    "FROM entry_pack AS named CROSS JOIN entry "
    "ON entry.log_id = named.log_id AND entry.position = named.position "
    "WHERE named.log_id = ? AND named.stretch IN {} AND named.pack = ? AND named.position < ?"
)
# Two steps, so that a page of a long life sorts keys and not bytes.
_PAGE_SQLITE = (
    "SELECT page.at, page.position, entry.bytes FROM ("
    "SELECT entry.occurred_at AS at, entry.position AS position "
    "FROM entry_pack AS named CROSS JOIN entry "
    "ON entry.log_id = named.log_id AND entry.position = named.position "
    "WHERE named.log_id = ? AND named.stretch IN {} AND named.pack = ? AND named.position < ? "
    "AND entry.occurred_at <= ? ORDER BY 1, 2 LIMIT ? OFFSET ?"
    ") AS page CROSS JOIN entry ON entry.log_id = ? AND entry.position = page.position"
)
_PAGE_POSTGRES = sa.text(
    "SELECT page.at, page.position, whole.bytes FROM ("
    "SELECT happened.occurred_at AS at, named.position AS position "
    "FROM entry_pack AS named CROSS JOIN LATERAL ("
    "SELECT occurred_at FROM entry "
    "WHERE log_id = named.log_id AND position = named.position LIMIT 1) AS happened "
    "WHERE named.log_id = :log_id AND named.stretch = ANY(CAST(:stretches AS bigint[])) "
    "AND named.pack = :pack AND named.position < :end "
    "AND happened.occurred_at <= :valid_at ORDER BY 1, 2 LIMIT :limit OFFSET :start"
    ") AS page CROSS JOIN LATERAL (SELECT bytes FROM entry "
    "WHERE log_id = :log_id AND position = page.position LIMIT 1) AS whole"
)


def pack_count(tx: sa.Connection, log_id: int, pack_id: str, end: int) -> int:
    """Count the entries below `end` that name a pack."""
    raw: Any = tx.connection.driver_connection
    if tx.dialect.name == "postgresql":
        asked = (log_id, list(stretches(0, end)), pack_id, end)
        return int(raw.execute(_COUNT_POSTGRES, asked).fetchone()[0])
    places, numbers = stretch_list(0, end)
    text = _COUNT_SQLITE.format(places)
    return int(raw.execute(text, (log_id, *numbers, pack_id, end)).fetchone()[0])


class PackPage(msgspec.Struct, frozen=True):
    """Which entries of a pack a page has: at most `limit` after `start`, of `count` in all."""

    pack_id: str
    count: int
    start: int = 0
    limit: int = PAGE_AT_ONCE


def pack_page(
    tx: sa.Connection, log_id: int, page: PackPage, at: tuple[int, int]
) -> list[tuple[int, bytes]]:
    """List (position, bytes) of the entries that name a pack, by valid time then position.

    One statement. `page.count` is what `pack_count` gave for the same end.
    """
    valid_at, end = at
    if tx.dialect.name == "postgresql":
        asked = {
            "log_id": log_id,
            "stretches": list(stretches(0, end)),
            "pack": page.pack_id,
            "end": end,
            "valid_at": valid_at,
            "limit": page.limit,
            "start": page.start,
        }
        found = [(row[0], row[1], row[2]) for row in tx.execute(_PAGE_POSTGRES, asked).all()]
        return [(row[1], row[2]) for row in sorted(found, key=_FIRST_TWO)]
    raw: Any = tx.connection.driver_connection
    places, numbers = stretch_list(0, end)
    named = (log_id, *numbers, page.pack_id, end)
    if page.count > PAGE_AT_ONCE:
        some = (*named, valid_at, page.limit, page.start, log_id)
        found = sorted(raw.execute(_PAGE_SQLITE.format(places), some).fetchall(), key=_FIRST_TWO)
        return [(row[1], row[2]) for row in found]
    found = sorted(raw.execute(_WHOLE.format(places), named).fetchall(), key=_FIRST_TWO)
    happened = [(row[1], row[2]) for row in found if row[0] <= valid_at]
    return happened[page.start : page.start + page.limit]
