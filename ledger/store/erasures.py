"""Whose erasure is ordered: rows written with the order's own entry, looked at before any read.

The table only grows, and a restored backup of the vault is brought up to it before anybody is
served: what was erased never comes back.
"""

from collections.abc import Iterator, Sequence

import msgspec
import sqlalchemy as sa

from ledger.domain.privacy import SubjectErasureOrdered
from ledger.kernel.envelope import canonical, peek
from ledger.store.append import Row
from ledger.store.outbox import CALL_PLANNED, NEW, call_row
from ledger.store.tables import erasure

TOPIC = "subject.erasure"
"""Work for the outside: whoever else was given data of the person must erase them too."""

PAGE = 500

_KIND = SubjectErasureOrdered.kind
_orders = msgspec.json.Decoder(SubjectErasureOrdered)


def rows_of_orders(entries: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Give the rows (of `erasure`, of `outbox`) that the new entries of a batch bring with them.

    The rows of entries stand in the column order of the store.
    """
    erasures: list[Row] = []
    outbox: list[Row] = []
    for row in entries:
        if row[1] == _KIND:
            position, recorded_at = row[0], row[2]
            subject = _orders.decode(peek(row[4]).body).subject_id
            erasures.append((subject, recorded_at, position))
            outbox.append((position, 0, TOPIC, canonical({"subject": subject}), NEW))
        elif row[1] == CALL_PLANNED:
            outbox.append(call_row(row[0], row[4]))
    return erasures, outbox


def is_ordered(tx: sa.Connection, log_id: int, subject: str) -> bool:
    """Tell whether the erasure of a subject is ordered: nobody may read it then."""
    chosen = sa.select(erasure.c.position).where(
        erasure.c.log_id == log_id, erasure.c.subject == subject
    )
    return tx.scalar(chosen) is not None


def ordered_among(tx: sa.Connection, log_id: int, subjects: Sequence[str]) -> set[str]:
    """Tell which of at most `PAGE` subjects are to be erased."""
    chosen = sa.select(erasure.c.subject).where(
        erasure.c.log_id == log_id, erasure.c.subject.in_(subjects)
    )
    return set(tx.execute(chosen).scalars())


def scan_erasures(tx: sa.Connection, log_id: int) -> Iterator[tuple[str, int, int]]:
    """Yield (subject, ordered_at, position) of every order, page by page, by subject."""
    columns = erasure.c
    after = ""
    while True:
        rows = tx.execute(
            sa.select(columns.subject, columns.ordered_at, columns.position)
            .where(columns.log_id == log_id, columns.subject > after)
            .order_by(columns.subject)
            .limit(PAGE)
        ).all()
        if not rows:
            return
        yield from (tuple(row) for row in rows)
        after = rows[-1][0]
