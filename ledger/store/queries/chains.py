"""The chains of packs as the stored links tell them: what a history map is made of."""

from collections.abc import Iterator

import sqlalchemy as sa

from ledger.store.journal import AT_ONCE, entries_at, pack_entries
from ledger.store.stretches import stretches
from ledger.store.tables import entry_pack

LastLink = tuple[str, int, int, bytes]
"""Pack, how many entries name it, position and bytes of the last of them."""


def last_links(tx: sa.Connection, log_id: int, *, since: int, end: int) -> Iterator[list[LastLink]]:
    """Yield the last link below position `end` of every pack, where it is not below `since`.

    Found from the links alone, not from the view: the newest stretch first, and of each pack the
    first that is met. In no order; packs are kept in mind, one stretch of links at a time.
    """
    links = entry_pack.c
    seen: set[str] = set()
    for stretch in reversed(stretches(since, end)):
        # counts and positions of a pack grow together; else the entry there tells another count
        rows = tx.execute(
            sa.select(links.pack, sa.func.max(links.count), sa.func.max(links.position))
            .where(links.log_id == log_id, links.stretch == stretch, links.position < end)
            .group_by(links.pack)
            .having(sa.func.max(links.position) >= since)
        )
        newest = [(row[0], row[1], row[2]) for row in rows if row[0] not in seen]
        seen.update(pack for pack, _, _ in newest)
        for start in range(0, len(newest), AT_ONCE):
            some = newest[start : start + AT_ONCE]
            told = dict(entries_at(tx, log_id, [position for _, _, position in some]))
            yield [(*link, told[link[2]]) for link in some if link[2] in told]


def links_of(tx: sa.Connection, log_id: int, pack_id: str, end: int) -> list[tuple[int, bytes]]:
    """Read (position, bytes) of all entries below `end` that name a pack, oldest first."""
    return [(at, data) for _, at, data in pack_entries(tx, log_id, pack_id, end)]
