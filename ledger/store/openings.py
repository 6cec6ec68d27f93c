"""What opens the sealed fields of entries: rows that are written with the entry and only grow."""

from collections.abc import Iterator

import sqlalchemy as sa

from ledger.store.append import COLUMNS
from ledger.store.scan import in_chunks
from ledger.store.tables import entry, opening

OpeningRow = tuple[int, str, bytes, bytes]
"""(position, name, salt, value)"""


def openings_at(tx: sa.Connection, log_id: int, position: int) -> list[OpeningRow]:
    """Read the openings of one entry, by name."""
    columns = [opening.c[name] for name in COLUMNS["opening"]]
    chosen = (
        sa.select(*columns)
        .where(opening.c.log_id == log_id, opening.c.position == position)
        .order_by(opening.c.name)
    )
    return [(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in tx.execute(chosen)]


def scan_openings(tx: sa.Connection, log_id: int) -> Iterator[OpeningRow]:
    """Yield every opening, by position and name."""
    columns = [opening.c[name] for name in COLUMNS["opening"]]
    chosen = sa.select(*columns).where(opening.c.log_id == log_id)
    ordered = chosen.order_by(opening.c.position, opening.c.name)
    for chunk in in_chunks(tx, ordered):
        for position, name, salt, value in chunk:
            yield position, name, bytes(salt), bytes(value)


def scan_kind(tx: sa.Connection, log_id: int, kind: str) -> Iterator[bytes]:
    """Yield the bytes of every entry of a kind, in order."""
    chosen = sa.select(entry.c.bytes).where(entry.c.log_id == log_id, entry.c.kind == kind)
    for chunk in in_chunks(tx, chosen.order_by(entry.c.position)):
        for (data,) in chunk:
            yield bytes(data)
