"""Full tiles of a log, several at once."""

import sqlalchemy as sa

from ledger.store.tables import tile

_TILES = (
    sa.select(tile.c.number, tile.c.data)
    .where(tile.c.log_id == sa.bindparam("log"), tile.c.level == sa.bindparam("level"))
    .where(tile.c.number >= sa.bindparam("first"), tile.c.number < sa.bindparam("end"))
    .order_by(tile.c.number)
)


def full_tiles(
    tx: sa.Connection, log_id: int, level: int, first: int, end: int
) -> list[tuple[int, bytes]]:
    """List (number, hashes) of the full tiles [first, end) of a level, in order."""
    asked = {"log": log_id, "level": level, "first": first, "end": end}
    return [(row[0], bytes(row[1])) for row in tx.execute(_TILES, asked).all()]
