"""Work for the outside: rows written with the entry that decides it, marked by who sees to it.

The row is the queue and nothing more: how far the work came is told by entries of its own, so a
mark that is lost makes somebody look once more, and nothing is done twice.
"""

from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from ledger.domain.money.payments_calls import CallPlanned
from ledger.kernel.envelope import canonical, peek
from ledger.store import following
from ledger.store.append import Row
from ledger.store.tables import outbox

CALLS = "payment.call"
"""Topic of the calls to the provider of payments."""

FOLLOWER = "relay.calls"
"""How far the relay has come: nothing before it waits."""

CALL_PLANNED = CallPlanned.kind
NEW, DONE, DEAD = "new", "done", "dead"


class Work(NamedTuple):
    """One row: where it stands in the log, and what it says."""

    position: int
    line: int
    body: bytes


class _Planned(msgspec.Struct, frozen=True):
    call_key: str


_planned = msgspec.json.Decoder(_Planned)
_said = msgspec.json.Decoder(dict[str, str])


def call_row(position: int, data: bytes) -> Row:
    """Make the row of a planned call from the bytes of its entry."""
    key = _planned.decode(peek(data).body).call_key
    return position, 0, CALLS, canonical({"call": key}), NEW


def call_key(work: Work) -> str:
    """Give the key of the call that a row is about."""
    return _said.decode(work.body)["call"]


def waiting(tx: sa.Connection, log_id: int, topic: str, *, first: int, limit: int) -> list[Work]:
    """List what nobody has seen to yet from a position on, in the order of the log."""
    columns = outbox.c
    rows = tx.execute(
        sa.select(columns.position, columns.line, columns.body)
        .where(columns.log_id == log_id, columns.topic == topic, columns.state == NEW)
        .where(columns.position >= first)
        .order_by(columns.position, columns.line)
        .limit(limit)
    )
    return [Work(*row) for row in rows]


def mark(tx: sa.Connection, log_id: int, work: Work, state: str) -> None:
    """Say that a row was seen to."""
    columns = outbox.c
    tx.execute(
        sa.update(outbox)
        .where(
            columns.log_id == log_id,
            columns.position == work.position,
            columns.line == work.line,
        )
        .values(state=state)
    )


def revive(tx: sa.Connection, log_id: int, key: str) -> bool:
    """Let a call that was given up be seen to again; tell whether there was one.

    Its row may lie before where the relay has come to, so the relay begins there anew.
    """
    columns = outbox.c
    dead = (columns.log_id == log_id, columns.topic == CALLS, columns.state == DEAD)
    said = canonical({"call": key})
    position = tx.scalar(sa.select(columns.position).where(*dead, columns.body == said))
    if position is None:
        return False
    mark(tx, log_id, Work(position, 0, said), NEW)
    following.move(tx, log_id, FOLLOWER, at=None, reached=position)
    return True


def count(tx: sa.Connection, log_id: int, topic: str) -> dict[str, int]:
    """Count the rows of a topic by their state."""
    columns = outbox.c
    rows = tx.execute(
        sa.select(columns.state, sa.func.count())
        .where(columns.log_id == log_id, columns.topic == topic)
        .group_by(columns.state)
    )
    return dict(tuple(row) for row in rows)
