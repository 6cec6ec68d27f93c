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


def scan_sealed(
    tx: sa.Connection, log_id: int, kinds: tuple[str, ...]
) -> Iterator[tuple[int, bytes]]:
    """Yield (position, bytes) of every entry of some kinds, in order."""
    chosen = sa.select(entry.c.position, entry.c.bytes).where(
        entry.c.log_id == log_id, sa.or_(*(entry.c.kind == kind for kind in kinds))
    )
    for chunk in in_chunks(tx, chosen.order_by(entry.c.position)):
        for position, data in chunk:
            yield position, bytes(data)
