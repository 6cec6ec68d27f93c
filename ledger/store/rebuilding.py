"""Replacing the rows of a view by recomputed ones, touching only the rows that differ."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ledger.kernel.errors import Conflict
from ledger.store.append import Rows, appender
from ledger.store.scan import scan_balances, scan_view
from ledger.store.tables import VIEWS, balance, log

DELETE_AT_ONCE = 500

BALANCE = "balance"

NAMES = (BALANCE, *VIEWS)
"""Everything that can be rebuilt."""


def hold_still(tx: sa.Connection, log_id: int, size: int) -> None:
    """Lock the head and count the rebuild; `Conflict` when entries were added since the replay."""
    found = tx.scalar(sa.select(log.c.size).where(log.c.log_id == log_id).with_for_update())
    if found != size:
        raise Conflict(f"the log went on from {size} to {found} entries meanwhile")
    tx.execute(sa.update(log).where(log.c.log_id == log_id).values(rebuilds=log.c.rebuilds + 1))


def replace_view(
    tx: sa.Connection, log_id: int, name: str, wanted: dict[str, tuple[int, str, bytes]]
) -> int:
    """Make a view hold exactly the wanted rows; give how many rows had to change."""
    missing = dict(wanted)
    wrong: list[str] = []
    for chunk in scan_view(tx, log_id, name):
        for key, position, listed, state in chunk:
            row = missing.get(key)
            if row == (position, listed, bytes(state)):
                del missing[key]
            elif row is None:
                wrong.append(key)
    table = VIEWS[name]
    for some in _slices(wrong):
        tx.execute(sa.delete(table).where(table.c.log_id == log_id, table.c.key.in_(some)))
    rows = [(key, *row) for key, row in missing.items()]
    if rows:
        appender(tx, log_id).write(Rows(views={name: rows}))
    return len(wrong) + len(rows)


def replace_balances(
    tx: sa.Connection, log_id: int, wanted: dict[tuple[str, str, str], tuple[int, int]]
) -> int:
    """Make the balances exactly the wanted ones; give how many had to change."""
    missing = dict(wanted)
    wrong: list[tuple[str, str, str]] = []
    for chunk in scan_balances(tx, log_id):
        for account, item, commodity, quantity, position in chunk:
            key = (account, item, commodity)
            if missing.get(key) == (quantity, position):
                del missing[key]
            else:
                wrong.append(key)
    columns = balance.c
    for account, item, commodity in wrong:
        # deleted, not updated: the append path adds to what is there
        tx.execute(
            sa.delete(balance).where(
                columns.log_id == log_id,
                columns.account == account,
                columns.item == item,
                columns.commodity == commodity,
            )
        )
    rows: list[tuple[Any, ...]] = [(*key, *value) for key, value in missing.items()]
    if rows:
        appender(tx, log_id).write(Rows(balances=rows))
    return len(set(wrong) | set(missing))


def _slices(keys: list[str]) -> Iterable[list[str]]:
    return (keys[at : at + DELETE_AT_ONCE] for at in range(0, len(keys), DELETE_AT_ONCE))
