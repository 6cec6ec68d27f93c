"""The chains of packs as the stored links tell them: what a history map is made of."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ledger.store import journal
from ledger.store.scan import in_chunks
from ledger.store.tables import entry, entry_pack

LastLink = tuple[str, int, int, bytes]
"""Pack, how many entries name it, position and bytes of the last of them."""


def last_links(tx: sa.Connection, log_id: int, *, since: int, end: int) -> Iterator[list[LastLink]]:
    """Yield the last link below position `end` of every pack, where it is not below `since`.

    Found from the links alone, not from the view: the packs by one seek each along the key, the
    last link of each by another one. In no order.
    """
    packs = _packs(log_id)
    link = entry_pack.alias("link")
    newest = entry_pack.alias("newest")
    count = (
        sa.select(sa.func.max(newest.c.count))
        .where(newest.c.log_id == log_id, newest.c.pack == packs.c.pack, newest.c.position < end)
        .correlate(packs)
        .scalar_subquery()
    )
    chosen = (
        sa.select(link.c.pack, link.c.count, link.c.position, entry.c.bytes)
        .select_from(packs)
        .join(
            link,
            sa.and_(link.c.log_id == log_id, link.c.pack == packs.c.pack, link.c.count == count),
        )
        .join(entry, sa.and_(entry.c.log_id == log_id, entry.c.position == link.c.position))
        .where(link.c.position >= since)
    )
    yield from in_chunks(tx, chosen)


def _packs(log_id: int) -> Any:
    """List the packs that any link names, going from each one to the next by a seek."""
    first = sa.select(sa.func.min(entry_pack.c.pack).label("pack")).where(
        entry_pack.c.log_id == log_id
    )
    packs = first.cte("packs", recursive=True)
    behind = entry_pack.alias("behind")
    following = (
        sa.select(sa.func.min(behind.c.pack))
        .where(behind.c.log_id == log_id, behind.c.pack > packs.c.pack)
        .correlate(packs)
        .scalar_subquery()
    )
    return packs.union_all(sa.select(following).where(packs.c.pack.is_not(None)))


def links_of(tx: sa.Connection, log_id: int, pack_id: str, end: int) -> list[tuple[int, bytes]]:
    """Read (position, bytes) of all entries below `end` that name a pack, oldest first."""
    return [(at, data) for _, at, data in journal.pack_entries(tx, log_id, pack_id, end)]
