"""A new epoch of the vault: every key sealed anew under the device's next key, page by page.

A page is one question to whoever seals and one transaction, so a process that dies leaves every key
under the old epoch or the new one, and the next run goes on. Pages follow the primary key: a run
over n keys reads each row once, however many are done already.
"""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from ledger.kernel.errors import Unavailable
from ledger.kernel.sealing import KeyWrapper, SealedKey
from ledger.store.errors import translated
from ledger.store.vault_engine import VaultDatabase, subject_key

PAGE = 2_048
"""Keys in a transaction: about half a megabyte, and a fraction of a second."""

_Row = tuple[str, str, int, bytes]
"""(subject, purpose, epoch, wrapped)"""

# only the key that was read: one destroyed meanwhile stays destroyed
_SEAL_ANEW = (
    sa.update(subject_key)
    .where(
        subject_key.c.subject == sa.bindparam("of_subject"),
        subject_key.c.purpose == sa.bindparam("of_purpose"),
        subject_key.c.wrapped == sa.bindparam("of_wrapped"),
    )
    .values(epoch=sa.bindparam("new_epoch"), wrapped=sa.bindparam("new_wrapped"))
)


def rewrap_all(database: VaultDatabase, wrapper: KeyWrapper, epoch: int) -> int:
    """Seal every key that is not of this epoch under it; give how many there were.

    Raises:
        TamperEvidence: a sealed key does not open; the pages before it are done.
        Unavailable: device or database is away; call again, it goes on.
    """
    done = 0
    after = ("", "")
    while rows := _page(database, epoch, after):
        fresh = _fresh(wrapper, epoch, rows)
        with translated(), database.engine.begin() as tx:
            tx.execute(_SEAL_ANEW, fresh)
        done += len(rows)
        after = rows[-1][:2]
    return done


def _page(database: VaultDatabase, epoch: int, after: tuple[str, str]) -> Sequence[_Row]:
    columns = subject_key.c
    chosen = (
        sa.select(columns.subject, columns.purpose, columns.epoch, columns.wrapped)
        .where(
            sa.tuple_(columns.subject, columns.purpose) > sa.tuple_(*after), columns.epoch != epoch
        )
        .order_by(columns.subject, columns.purpose)
        .limit(PAGE)
    )
    with translated(), database.reader.connect() as tx:
        return [(row[0], row[1], row[2], bytes(row[3])) for row in tx.execute(chosen)]


def _fresh(wrapper: KeyWrapper, epoch: int, rows: Sequence[_Row]) -> list[dict[str, object]]:
    """Give the parameters of each row's update: all keys of an epoch are asked for at once."""
    by_epoch: dict[int, list[SealedKey]] = defaultdict(list)
    for subject, purpose, before, wrapped in rows:
        by_epoch[before].append(SealedKey(purpose, subject, wrapped))
    updates: list[dict[str, object]] = []
    for before, keys in by_epoch.items():
        fresh = wrapper.rewrap(before, epoch, keys)
        if len(fresh) != len(keys):
            raise Unavailable(f"{len(fresh)} of {len(keys)} keys were sealed anew")
        updates += [
            {
                "of_subject": key.subject,
                "of_purpose": key.purpose,
                "of_wrapped": key.wrapped,
                "new_epoch": epoch,
                "new_wrapped": new,
            }
            for key, new in zip(keys, fresh, strict=True)
        ]
    return updates
