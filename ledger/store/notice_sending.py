"""Rows of notices on their way out of the house: one a notice and channel, so nothing goes twice.

A row waits, is claimed, and ends: ``WAITING -> SENDING -> SENT | DEAD``, back to ``WAITING`` where
nothing was taken by the other side, or ``DROPPED`` where it need not go any more. A row says
nothing of what was written, nor to which address.
"""

import msgspec
import sqlalchemy as sa

from ledger.store.tables import driver_notice_sending

WAITING, SENDING, SENT, DEAD, DROPPED = "WAITING", "SENDING", "SENT", "DEAD", "DROPPED"


class SendingRow(msgspec.Struct, frozen=True):
    """A notice on its way by a channel; times in us. `reason` says how it ended, in a word."""

    notice_id: str
    channel: str
    driver_id: str
    kind: str
    at: int
    next_at: int
    tries: int = 0
    state: str = WAITING
    reason: str = ""


def _own(log_id: int, row: SendingRow) -> tuple[sa.ColumnElement[bool], ...]:
    columns = driver_notice_sending.c
    return (
        columns.log_id == log_id,
        columns.notice_id == row.notice_id,
        columns.channel == row.channel,
    )


def add(tx: sa.Connection, log_id: int, row: SendingRow) -> bool:
    """Let a notice go by a channel; False where it was on its way before."""
    found = tx.scalar(sa.select(driver_notice_sending.c.state).where(*_own(log_id, row)))
    if found is not None:
        return False
    values = msgspec.structs.asdict(row)
    tx.execute(sa.insert(driver_notice_sending).values(log_id=log_id, **values))
    return True


def due(tx: sa.Connection, log_id: int, channel: str, now: int, limit: int) -> list[SendingRow]:
    """List what waits to go by a channel now, the oldest first."""
    columns = driver_notice_sending.c
    rows = tx.execute(
        sa.select(driver_notice_sending)
        .where(
            columns.log_id == log_id,
            columns.state == WAITING,
            columns.next_at <= now,
            columns.channel == channel,
        )
        .order_by(columns.next_at, columns.notice_id)
        .limit(limit)
    )
    return [_row(row) for row in rows]


def of_state(tx: sa.Connection, log_id: int, state: str) -> list[SendingRow]:
    """List what stands so, the oldest first."""
    columns = driver_notice_sending.c
    rows = tx.execute(
        sa.select(driver_notice_sending)
        .where(columns.log_id == log_id, columns.state == state)
        .order_by(columns.next_at, columns.notice_id, columns.channel)
    )
    return [_row(row) for row in rows]


def _row(row: sa.Row[tuple[object, ...]]) -> SendingRow:
    return SendingRow(*(getattr(row, name) for name in SendingRow.__struct_fields__))


def move(tx: sa.Connection, log_id: int, before: SendingRow, after: SendingRow) -> bool:
    """Put a row where it stands now; False where it no longer stood as it was read."""
    columns = driver_notice_sending.c
    done = tx.execute(
        sa.update(driver_notice_sending)
        .where(*_own(log_id, before), columns.state == before.state, columns.tries == before.tries)
        .values(state=after.state, next_at=after.next_at, tries=after.tries, reason=after.reason)
    )
    return bool(done.rowcount)


def give_up_since(tx: sa.Connection, log_id: int, before: int, reason: str) -> int:
    """End what was claimed before a time (us) and of which nobody heard since."""
    columns = driver_notice_sending.c
    done = tx.execute(
        sa.update(driver_notice_sending)
        .where(columns.log_id == log_id, columns.state == SENDING, columns.next_at < before)
        .values(state=DEAD, reason=reason)
    )
    return done.rowcount


def prune(tx: sa.Connection, log_id: int, before: int) -> None:
    """Remove what ended and is of before a time (us)."""
    columns = driver_notice_sending.c
    tx.execute(
        sa.delete(driver_notice_sending).where(
            columns.log_id == log_id,
            columns.state.in_((SENT, DEAD, DROPPED)),
            columns.next_at < before,
        )
    )


def dead_letters(tx: sa.Connection, log_id: int) -> dict[str, int]:
    """Count what could not be sent, by its reason."""
    columns = driver_notice_sending.c
    rows = tx.execute(
        sa.select(columns.reason, sa.func.count())
        .where(columns.log_id == log_id, columns.state == DEAD)
        .group_by(columns.reason)
        .order_by(columns.reason)
    )
    return {row[0]: row[1] for row in rows}
