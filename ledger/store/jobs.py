"""Rows of work that takes longer than a request, so that a restart forgets none of it.

::

    waiting -> running -> done | failed        running -> waiting where the process ended

A row ends once: whoever finishes first is who made it, however many were at it.
"""

import msgspec
import sqlalchemy as sa

from ledger.store.tables import job

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
UNFINISHED = (WAITING, RUNNING)


class JobRow(msgspec.Struct, frozen=True):
    """A piece of work: whose, what was asked for in words, and what came of it; times in us.

    `tries` counts how often it was begun, `size` are the entries it looked at, `result` is JSON.
    """

    job_id: str
    holder_id: str
    asked_for: str
    asked_at: int
    state: str = WAITING
    tries: int = 0
    ended_at: int = 0
    size: int = 0
    result: bytes = b""
    explanation: str = ""


def _row(row: sa.Row[tuple[object, ...]]) -> JobRow:
    return JobRow(*(getattr(row, name) for name in JobRow.__struct_fields__))


def add(tx: sa.Connection, log_id: int, row: JobRow) -> bool:
    """Keep what was asked for; False where it is kept already."""
    if find(tx, log_id, row.job_id) is not None:
        return False
    tx.execute(sa.insert(job).values(log_id=log_id, **msgspec.structs.asdict(row)))
    return True


def find(tx: sa.Connection, log_id: int, job_id: str) -> JobRow | None:
    """Read a row; None where there is none."""
    found = tx.execute(sa.select(job).where(job.c.log_id == log_id, job.c.job_id == job_id)).first()
    return None if found is None else _row(found)


def newest(tx: sa.Connection, log_id: int, asked_for: str) -> JobRow | None:
    """Read what was done last of just these words; None where nothing was."""
    found = tx.execute(
        sa.select(job)
        .where(job.c.log_id == log_id, job.c.asked_for == asked_for, job.c.state == DONE)
        .order_by(job.c.ended_at.desc(), job.c.job_id)
        .limit(1)
    ).first()
    return None if found is None else _row(found)


def unfinished(tx: sa.Connection, log_id: int) -> list[JobRow]:
    """List what is not done, in the order in which it was asked for."""
    rows = tx.execute(
        sa.select(job)
        .where(job.c.log_id == log_id, job.c.state.in_(UNFINISHED))
        .order_by(job.c.asked_at, job.c.job_id)
    )
    return [_row(row) for row in rows]


def move(tx: sa.Connection, log_id: int, row: JobRow) -> bool:
    """Put a row where it stands now; False where it has ended."""
    values = msgspec.structs.asdict(row)
    del values["job_id"]
    done = tx.execute(
        sa.update(job)
        .where(job.c.log_id == log_id, job.c.job_id == row.job_id, job.c.state.in_(UNFINISHED))
        .values(**values)
    )
    return bool(done.rowcount)


def prune(tx: sa.Connection, log_id: int, before: int) -> None:
    """Forget what ended before a time (us); what it made is kept by its digest."""
    tx.execute(
        sa.delete(job).where(
            job.c.log_id == log_id, job.c.state.in_((DONE, FAILED)), job.c.ended_at < before
        )
    )
