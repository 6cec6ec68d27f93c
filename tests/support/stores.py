"""A database of either kind for a test, and a look behind the ledger's back."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.verify import verify
from ledger.store import journal, rebuilding
from ledger.store.engine import ledger_url, read_engine, sqlite_file
from ledger.store.errors import translated
from tests.support.ledgers import sqlite_url
from tests.support.postgres import fresh_database

SQLITE, POSTGRES = "sqlite", "postgres"
BOTH = [SQLITE, pytest.param(POSTGRES, marks=pytest.mark.postgres)]
"""Parameters of a fixture that makes a test run on both databases."""


def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Make an empty database: its URL. The server is started only when one is asked for."""
    if kind == SQLITE:
        return sqlite_url(folder)
    return fresh_database(request.getfixturevalue("postgres_url"))


@contextmanager
def behind_its_back(url: str) -> Iterator[sa.Connection]:
    """Open a plain connection with all guards off, and put them back afterwards.

    What a person can do who holds the file or is superuser of the server.
    """
    target = ledger_url(url)
    engine = sa.create_engine(target, poolclass=sa.NullPool)
    try:
        with engine.begin() as tx:
            if tx.dialect.name == "postgresql":
                ours = "WHERE NOT tgisinternal AND tgparentid = 0"
                found = tx.exec_driver_sql(
                    f"SELECT tgrelid::regclass, tgname FROM pg_trigger {ours}"
                )
                triggers = found.all()
                for table, name in triggers:
                    tx.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
                yield tx
                for table, name in triggers:
                    tx.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
            else:
                rows = tx.exec_driver_sql(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
                ).all()
                for name, _ in rows:
                    tx.exec_driver_sql(f"DROP TRIGGER {name}")
                yield tx
                for _, text in rows:
                    tx.exec_driver_sql(text)
    finally:
        engine.dispose()


@contextmanager
def looking_at(url: str) -> Iterator[Reads]:
    """Read the only log of a database without the checks that opening a ledger makes."""
    engine = read_engine(ledger_url(url))
    try:
        with translated(), engine.connect() as tx:
            yield Reads(tx, journal.find_log(tx))
    finally:
        engine.dispose()


def plain_sqlite(url: str) -> sqlite3.Connection:
    """Open the file of a ledger as any program would: triggers only, no pragma, no authorizer."""
    file = sqlite_file(ledger_url(url))
    assert file is not None
    return sqlite3.connect(file, isolation_level=None)


def root_of(ledger: Ledger) -> bytes:
    """Verify everything, and give the root."""
    with ledger.reading() as reads:
        return verify(reads, deep=True).root


def size_of(ledger: Ledger) -> int:
    with ledger.reading() as reads:
        return reads.size


@contextmanager
def kept_waiting(ledger: Ledger) -> Iterator[None]:
    """Hold the lock of the head, so that the writer must wait."""
    size = size_of(ledger)
    with ledger.writing() as tx:
        rebuilding.hold_still(tx, ledger.name.log_id, size)
        yield


class Listening:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int, int]] = []
        self.stopped: list[Exception] = []

    def batch_committed(self, first, requests, entries):
        self.batches.append((first, requests, entries))

    def writer_stopped(self, error):
        self.stopped.append(error)
