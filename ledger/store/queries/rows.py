"""Rows of the views the rules read, for people: one by key, or pages by what lists them."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from ledger.domain.world import Shelf
from ledger.store.loading import decode_state
from ledger.store.tables import VIEWS

PAGE_MAX = 200
KEYS_MAX = 500
"""Keys in one SELECT."""

V = TypeVar("V", bound=msgspec.Struct)


def one(tx: sa.Connection, log_id: int, shelf: Shelf[V], key: str) -> V | None:
    """Read one row, None when there is none."""
    view = VIEWS[shelf.name]
    state = tx.scalar(sa.select(view.c.state).where(view.c.log_id == log_id, view.c.key == key))
    return None if state is None else decode_state(shelf.name, state)  # type: ignore[return-value]


def many(tx: sa.Connection, log_id: int, shelf: Shelf[V], keys: Iterable[str]) -> dict[str, V]:
    """Read the rows of some keys; those that are not there are left out."""
    view = VIEWS[shelf.name]
    wanted = list(dict.fromkeys(keys))
    found: dict[str, V] = {}
    for first in range(0, len(wanted), KEYS_MAX):
        some = wanted[first : first + KEYS_MAX]
        chosen = sa.select(view.c.key, view.c.state).where(
            view.c.log_id == log_id, view.c.key.in_(some)
        )
        for key, state in tx.execute(chosen):
            found[key] = decode_state(shelf.name, state)  # type: ignore[assignment]
    return found


def page(
    tx: sa.Connection,
    log_id: int,
    shelf: Shelf[V],
    *,
    listed: str | None = None,
    after: str = "",
    limit: int = PAGE_MAX,
) -> list[tuple[str, V]]:
    """List (key, row) in key order after a key, at most `limit`; with `listed` only those."""
    view = VIEWS[shelf.name]
    chosen = (
        sa.select(view.c.key, view.c.state)
        .where(view.c.log_id == log_id, view.c.key > after)
        .order_by(view.c.key)
        .limit(limit)
    )
    if listed is not None:
        chosen = chosen.where(view.c.listed == listed)
    return [
        (row[0], decode_state(shelf.name, row[1]))  # type: ignore[misc]
        for row in tx.execute(chosen)
    ]


def count(tx: sa.Connection, log_id: int, shelf: Shelf[V]) -> int:
    """Count the rows of a view."""
    view = VIEWS[shelf.name]
    return int(
        tx.scalar(sa.select(sa.func.count()).select_from(view).where(view.c.log_id == log_id)) or 0
    )
