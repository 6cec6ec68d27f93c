"""Rows of drivers' inboxes: notices, what was read of them, and how somebody wants them.

Notices follow from the log, so they can be made again; when one was read, and the settings, are
kept beside it and are no evidence.
"""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from ledger.store.tables import driver_notice, driver_notice_sending, driver_notice_settings

KEPT_MAX = 500
"""Notices of one driver; older ones go."""


class NoticeBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a notice says: the key of its words, what fills them, and where it leads."""

    text_key: str
    facts: dict[str, str]
    link_kind: str
    link_id: str


class NoticeRow(msgspec.Struct, frozen=True):
    """One notice; times in us, `read_at` 0 while it was not read."""

    notice_id: str
    driver_id: str
    kind: str
    object_id: str
    at: int
    body: NoticeBody
    read_at: int = 0


def add(tx: sa.Connection, log_id: int, rows: Sequence[NoticeRow]) -> list[NoticeRow]:
    """Add notices that are not there yet; give those that are new."""
    fresh = []
    for row in rows:
        done = tx.execute(
            sa.text(
                "INSERT INTO driver_notice "
                "(log_id, notice_id, driver_id, kind, object_id, at, body, read_at) VALUES "
                "(:log_id, :notice_id, :driver_id, :kind, :object_id, :at, :body, 0) "
                "ON CONFLICT (log_id, notice_id) DO NOTHING"
            ),
            {
                "log_id": log_id,
                "notice_id": row.notice_id,
                "driver_id": row.driver_id,
                "kind": row.kind,
                "object_id": row.object_id,
                "at": row.at,
                "body": msgspec.json.encode(row.body),
            },
        )
        if done.rowcount:
            fresh.append(row)
    for driver_id in sorted({row.driver_id for row in fresh}):
        _drop_old(tx, log_id, driver_id)
    return fresh


def _drop_old(tx: sa.Connection, log_id: int, driver_id: str) -> None:
    columns = driver_notice.c
    own = columns.log_id == log_id, columns.driver_id == driver_id
    border = tx.scalar(
        sa.select(columns.at)
        .where(*own)
        .order_by(columns.at.desc(), columns.notice_id.desc())
        .offset(KEPT_MAX)
        .limit(1)
    )
    if border is not None:
        tx.execute(sa.delete(driver_notice).where(*own, columns.at <= border))


def of_driver(tx: sa.Connection, log_id: int, driver_id: str) -> list[NoticeRow]:
    """List a driver's notices, newest first."""
    columns = driver_notice.c
    rows = tx.execute(
        sa.select(driver_notice)
        .where(columns.log_id == log_id, columns.driver_id == driver_id)
        .order_by(columns.at.desc(), columns.notice_id.desc())
    )
    return [_read(row) for row in rows]


def one(tx: sa.Connection, log_id: int, notice_id: str) -> NoticeRow | None:
    """Read a notice; None for one that is gone."""
    columns = driver_notice.c
    found = tx.execute(
        sa.select(driver_notice).where(columns.log_id == log_id, columns.notice_id == notice_id)
    ).first()
    return None if found is None else _read(found)


def _read(row: sa.Row[tuple[object, ...]]) -> NoticeRow:
    return NoticeRow(
        row.notice_id,
        row.driver_id,
        row.kind,
        row.object_id,
        row.at,
        msgspec.json.decode(bytes(row.body), type=NoticeBody),
        row.read_at,
    )


def mark_read(
    tx: sa.Connection, log_id: int, driver_id: str, notice_ids: Sequence[str], now: int
) -> None:
    """Note that a driver read some of his notices; those of others are not touched."""
    columns = driver_notice.c
    tx.execute(
        sa.update(driver_notice)
        .where(
            columns.log_id == log_id,
            columns.driver_id == driver_id,
            columns.read_at == 0,
            columns.notice_id.in_(list(notice_ids)),
        )
        .values(read_at=now)
    )


def forget(tx: sa.Connection, log_id: int, driver_id: str) -> None:
    """Remove the inbox of a driver, his settings and what was on its way, for his erasure."""
    for table in (driver_notice, driver_notice_settings, driver_notice_sending):
        tx.execute(sa.delete(table).where(table.c.log_id == log_id, table.c.driver_id == driver_id))


def clear(tx: sa.Connection, log_id: int) -> None:
    """Empty all inboxes, for reading the log again from its beginning."""
    tx.execute(sa.delete(driver_notice).where(driver_notice.c.log_id == log_id))


def settings_of(tx: sa.Connection, log_id: int, driver_id: str) -> bytes | None:
    """Read how a driver wants his notices; None while he said nothing."""
    columns = driver_notice_settings.c
    found = tx.scalar(
        sa.select(columns.body).where(columns.log_id == log_id, columns.driver_id == driver_id)
    )
    return None if found is None else bytes(found)


def put_settings(tx: sa.Connection, log_id: int, driver_id: str, body: bytes) -> None:
    """Keep how a driver wants his notices."""
    columns = driver_notice_settings.c
    own = columns.log_id == log_id, columns.driver_id == driver_id
    tx.execute(sa.delete(driver_notice_settings).where(*own))
    tx.execute(
        sa.insert(driver_notice_settings).values(log_id=log_id, driver_id=driver_id, body=body)
    )
