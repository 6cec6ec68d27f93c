"""Rows of the following views, and how far each view has read: both in one transaction."""

from collections.abc import Mapping

import sqlalchemy as sa

from ledger.store.tables import follower, station_day

COUNTS = ("charging_sessions", "energy_in_wh", "packs_in", "packs_out")


def position(tx: sa.Connection, log_id: int, name: str) -> int:
    """Give the position a following view has to read next."""
    chosen = sa.select(follower.c.position).where(
        follower.c.log_id == log_id, follower.c.name == name
    )
    return int(tx.scalar(chosen) or 0)


def move(tx: sa.Connection, log_id: int, name: str, *, at: int | None, reached: int) -> bool:
    """Take a following view from `at` (None: wherever it is) on to `reached`.

    Also its lock, so it comes first in the transaction: of two followers at the same position only
    one is told True, and the other must not count the entries again.
    """
    row = follower.c.log_id == log_id, follower.c.name == name
    tx.execute(
        sa.text(
            "INSERT INTO follower (log_id, name, position) VALUES (:log_id, :name, 0) "
            "ON CONFLICT (log_id, name) DO NOTHING"
        ),
        {"log_id": log_id, "name": name},
    )
    where = row if at is None else (*row, follower.c.position == at)
    return bool(tx.execute(sa.update(follower).where(*where).values(position=reached)).rowcount)


def add_station_days(
    tx: sa.Connection, log_id: int, sums: Mapping[tuple[str, str], tuple[int, ...]]
) -> None:
    """Add counts to (station, day) rows; the counts stand in the order of `COUNTS`."""
    columns = station_day.c
    for (station_id, day), counts in sums.items():
        added = dict(zip(COUNTS, counts, strict=True))
        done = tx.execute(
            sa.update(station_day)
            .where(columns.log_id == log_id, columns.station_id == station_id, columns.day == day)
            .values({name: columns[name] + count for name, count in added.items()})
        )
        if not done.rowcount:
            tx.execute(
                sa.insert(station_day).values(
                    log_id=log_id, station_id=station_id, day=day, **added
                )
            )


def clear_station_days(tx: sa.Connection, log_id: int) -> None:
    """Empty the view, for reading the log again from its beginning."""
    tx.execute(sa.delete(station_day).where(station_day.c.log_id == log_id))


def station_days(
    tx: sa.Connection, log_id: int, station_id: str, limit: int = 400
) -> list[tuple[str, dict[str, int]]]:
    """List (day, counts) of a station, newest first."""
    rows = tx.execute(
        sa.select(station_day)
        .where(station_day.c.log_id == log_id, station_day.c.station_id == station_id)
        .order_by(station_day.c.day.desc())
        .limit(limit)
    )
    return [(row.day, {name: getattr(row, name) for name in COUNTS}) for row in rows]
