"""The writer's own connection: kept between batches, BEGIN and COMMIT straight on the driver.

A pooled connection, checked out and reset for each batch, costs more than the rows of a single
append. Core statements may still run inside (restoring the tree does); they join the transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from ledger.store.append import Appender, appender
from ledger.store.engine import HELD


class WriteSession:
    """One transaction after the other on one connection; not to be shared between threads."""

    def __init__(self, engine: sa.Engine, log_id: int) -> None:
        """Prepare to write the log; the connection is opened by the first transaction."""
        self._engine = engine
        self._log_id = log_id
        self._connection: sa.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[tuple[Appender, sa.Connection]]:
        """Open a transaction; it is rolled back unless `write_and_commit` ends it.

        After an error the connection is thrown away: it may be broken, and an open transaction on
        it would hold the lock.
        """
        tx = self._connection or self._open()
        database = appender(tx, self._log_id)
        try:
            database.begin()
            yield database, tx
            database.end()
            if tx.in_transaction():  # Core statements told SQLAlchemy of one; it is over
                tx.rollback()
        except BaseException:
            self.close()
            raise

    def _open(self) -> sa.Connection:
        self._connection = self._engine.connect()
        self._connection.info[HELD] = True
        return self._connection

    def close(self) -> None:
        """Let go of the connection; the next transaction opens another one."""
        tx, self._connection = self._connection, None
        if tx is not None:
            tx.invalidate()
            tx.close()
