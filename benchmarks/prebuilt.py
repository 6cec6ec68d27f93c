"""The rows of an append without the append: what the database alone takes for them.

A batch goes through the whole path into one ledger; the rows it wrote are kept and written again,
without any rule, into a second one that began equal. No program that keeps these tables can be
faster than that, so it is also the ceiling of every comparison with another program.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any, Self
from unittest.mock import patch

import sqlalchemy as sa

from benchmarks.fleet import build, check, fresh_url, moves
from benchmarks.measure import Pairs
from ledger.store import session
from ledger.store.append import Appender, Rows, appender
from ledger.store.engine import ledger_url, write_engine


class Prebuilt:
    """A ledger, and a second one that takes over its rows; a context manager."""

    def __init__(self, server: str, packs: int) -> None:
        url = fresh_url(server)
        with build(url, packs) as second:
            log_id = second.name.log_id
        self._engine = write_engine(ledger_url(url))
        self._rows_alone = session.WriteSession(self._engine, log_id)
        self.ledger = build(fresh_url(server), packs)
        self._stream = moves(packs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self._rows_alone.close()
        self._engine.dispose()

    def rates(self, size: int, batches: int) -> tuple[float, float]:
        """Take batches of a size; entries/s of the whole path, and of its rows alone."""
        whole = alone = 0.0
        with _captured() as kept:
            for _ in range(batches):
                batch = list(islice(self._stream, size))
                start = perf_counter()
                receipts = self.ledger.execute_all(batch)
                between = perf_counter()
                with self._rows_alone.begin() as (database, _):
                    database.write_and_commit(kept[-1])
                alone += perf_counter() - between
                whole += between - start
                check(receipts)
        return batches * size / whole, batches * size / alone

    def rows_alone(self, size: int, entries: int) -> float:
        """Give the rate of the rows alone, over about so many entries in batches of a size."""
        return self.rates(size, max(entries // size, 1))[1]

    def pairs(self, size: int, batches: int, repeats: int) -> Pairs:
        """Compare the whole path with its rows alone."""
        self.rates(size, batches)  # warms up
        both = [self.rates(size, batches) for _ in range(repeats)]
        return Pairs([one for one, _ in both], [two for _, two in both])


@contextmanager
def _captured() -> Iterator[list[Rows]]:
    """Keep the rows of every batch that is written meanwhile."""
    kept: list[Rows] = []

    def keeping(tx: sa.Connection, log_id: int) -> Appender:
        database = appender(tx, log_id)

        def write_and_commit(rows: Rows) -> None:
            kept.append(rows)
            type(database).write_and_commit(database, rows)

        with_memory: Any = database
        with_memory.write_and_commit = write_and_commit
        return database

    with patch.object(session, "appender", keeping):
        yield kept
