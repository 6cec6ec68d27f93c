"""The vault's own database: its tables, its settings, and how bytes are got rid of.

SQLite: a file of its own that only its holder can read, with `secure_delete`, because without it a
deleted key stays in the file. Deleting is still not enough: SQLite moves rows between pages, and
what a page held before lies there until it is written over. So a checkpoint that empties the
write-ahead log follows each erasure, and `rewrite` makes the whole file anew where a sweep still
finds something. PostgreSQL: a schema of its own and VACUUM; what lies in dead pages and in its
write-ahead log is bounded by the epoch of the key that sealed it.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from ledger.kernel.errors import Misconfigured, NotFound, Unavailable
from ledger.store.engine import (
    SQLITE_PRAGMAS,
    ledger_url,
    read_engine,
    sqlite_file,
    write_engine,
)
from ledger.store.errors import translated
from ledger.store.tables import BIG

SCHEMA = "vault"
"""Of PostgreSQL."""

FILE_MODE = 0o600
WAL_PAGES = 256
"""Pages in the write-ahead log before SQLite writes them back; it stays short, and a sweep too."""

metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s"})

# One key for each purpose, sealed by the device. `made_at` lets a sweep tell an orphan from a
# person whose entry is on its way; `keep_until` is a date set by law.
subject_key = sa.Table(
    "subject_key",
    metadata,
    sa.Column("subject", sa.Text(), primary_key=True),
    sa.Column("purpose", sa.Text(), primary_key=True),
    sa.Column("epoch", sa.Integer(), nullable=False),
    sa.Column("wrapped", sa.LargeBinary(), nullable=False),
    sa.Column("made_at", BIG, nullable=False),
    sa.Column("keep_until", BIG, nullable=False),
    sqlite_strict=True,
)

subject_field = sa.Table(
    "subject_field",
    metadata,
    sa.Column("subject", sa.Text(), primary_key=True),
    sa.Column("purpose", sa.Text(), primary_key=True),
    sa.Column("name", sa.Text(), primary_key=True),
    sa.Column("nonce", sa.LargeBinary(), nullable=False),
    sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
    sqlite_strict=True,
)

_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
}
_CHANGES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


class VaultDatabase:
    """The engines of a vault that is there; `close` lets go of them."""

    def __init__(self, url: str) -> None:
        """Open a vault and read its settings back.

        Raises:
            NotFound: there is no such file, or no vault in it.
            Misconfigured: a setting does not hold that the deletion of bytes rests on.
        """
        self.url = ledger_url(url)
        self.file = sqlite_file(self.url)
        if self.file is not None and not self.file.is_file():
            raise NotFound(f"there is no vault {self.file.name}")
        self.engine = _engine(self.url, guard=_allow)
        self.reader = _in_schema(self.url, read_engine(self.url))
        self._maintenance = _engine(self.url, guard=None)
        try:
            with translated():
                self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        with self.reader.connect() as tx:
            schema = None if self.file is not None else SCHEMA
            found = set(sa.inspect(tx).get_table_names(schema=schema))
        if not found.issuperset(metadata.tables):
            raise NotFound("that database holds no vault")
        if self.file is None:
            return
        for _ in range(2):  # settings hold for one connection each
            connection = self._maintenance.raw_connection()
            try:
                for name, wanted in SQLITE_PRAGMAS.items():
                    value = connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
                    if value != wanted:
                        raise Misconfigured(f"vault: {name} is {value}, not {wanted}")
            finally:
                connection.invalidate()

    def files(self) -> tuple[Path, ...]:
        """Name the files in which rows of the vault can lie; none where a server keeps them."""
        if self.file is None:
            return ()
        log = self.file.with_name(f"{self.file.name}-wal")
        return tuple(path for path in (self.file, log) if path.exists())

    def empty_log(self) -> None:
        """Leave nothing of what was deleted in the write-ahead log, or in dead rows.

        Raises:
            Unavailable: a reader holds on to the log; try again.
        """
        with translated():
            if self.file is None:
                self._vacuum("VACUUM (INDEX_CLEANUP ON, TRUNCATE ON)")
                return
            self._sqlite("PRAGMA wal_checkpoint(TRUNCATE)")

    def rewrite(self) -> None:
        """Make the database's files anew from what is left; no page keeps what it held before."""
        with translated():
            if self.file is None:
                self._vacuum("VACUUM (FULL)")
                return
            self._sqlite("VACUUM")
            self._sqlite("PRAGMA wal_checkpoint(TRUNCATE)")

    def _sqlite(self, statement: str) -> None:
        connection = self._maintenance.raw_connection()
        try:
            row = connection.cursor().execute(statement).fetchone()
        finally:
            connection.close()
        if row is not None and row[0]:
            raise Unavailable("a reader holds on to the vault's write-ahead log; try again")

    def _vacuum(self, statement: str) -> None:
        outside = self._maintenance.execution_options(isolation_level="AUTOCOMMIT")
        with outside.connect() as connection:
            for name in metadata.tables:
                connection.exec_driver_sql(f"{statement} {SCHEMA}.{name}")

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
        self.reader.dispose()
        self._maintenance.dispose()


def create_vault(url: str) -> None:
    """Make the tables of an empty vault; where they are there already nothing changes."""
    target = ledger_url(url)
    file = sqlite_file(target)
    if file is not None:
        if not file.absolute().parent.is_dir():
            raise Misconfigured(f"there is no folder {file.absolute().parent}")
        file.touch(mode=FILE_MODE)  # SQLite gives its log the same mode
    engine = _engine(target, guard=None)
    try:
        with translated(), engine.begin() as tx:
            if file is None:
                tx.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            metadata.create_all(tx)
    finally:
        engine.dispose()


def _engine(url: sa.URL, *, guard: Callable[..., int] | None) -> sa.Engine:
    engine = _in_schema(url, write_engine(url, guarded=False))
    if sqlite_file(url) is None:
        return engine

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}").fetchall()
        if guard is not None:
            connection.set_authorizer(guard)

    return engine


def _in_schema(url: sa.URL, engine: sa.Engine) -> sa.Engine:
    if sqlite_file(url) is not None:
        return engine
    return engine.execution_options(schema_translate_map={None: SCHEMA})


def _allow(action: int, first: str | None, *_: str | None) -> int:
    """Let a connection read and change rows of the vault's tables, and nothing else."""
    is_ours = action in _CHANGES and first in metadata.tables
    return sqlite3.SQLITE_OK if is_ours or action in _READS else sqlite3.SQLITE_DENY
