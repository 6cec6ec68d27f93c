"""Engines: one that writes, one that can only read, each with its settings on every connection.

SQLite: WAL and `synchronous=FULL`, because NORMAL loses acknowledged entries at power loss;
`recursive_triggers=ON`, because without it `INSERT OR REPLACE` deletes a row and no trigger sees
it; `BEGIN IMMEDIATE` for writers, because two deferred transactions collide at their first write.
PostgreSQL: READ COMMITTED under the lock of the head row, REPEATABLE READ for readers; durability
settings are read back.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from ledger.kernel.errors import Misconfigured
from ledger.store.errors import translated
from ledger.store.guards import authorizer

SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "recursive_triggers": 1,
    "trusted_schema": 0,
    "secure_delete": 1,
    "busy_timeout": 5000,
}
"""Checked by the self-check: name and value read back on a fresh connection."""

_SQLITE_TUNING = {"cache_size": -64_000, "wal_autocheckpoint": 32_000, "temp_store": 2}
READER_CACHE = -16_000
"""Of one reading connection, in KiB: there may be many."""

SQLITE_PAGE_BYTES = 4096
STATEMENTS_CACHED = 512
CONNECTIONS_KEPT, CONNECTIONS_MORE = 16, 32
"""Connections of an engine that stay open, and that come and go: opening one takes longer than most
reads. Together more than a server has threads, so that no reader waits for another."""

POSTGRES_SETTINGS = {
    "fsync": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply"),
    "full_page_writes": ("on",),
    "server_encoding": ("UTF8",),
}
POSTGRES_VERSION_MIN = 15

HELD = "held"
"""Mark of a connection whose holder says BEGIN himself."""

# The writer reads by primary key only. The planner would trust statistics that are always late in
# a ledger that grows, and scan whole views: 9 ms instead of 0.5 ms for 256 keys.
_POSTGRES_BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}


def ledger_url(text: str) -> sa.URL:
    """Read a database URL; `Misconfigured` when it is none, or of a database we do not know."""
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise Misconfigured(
            f"--ledger wants a URL such as sqlite:///town.db, not {text!r}"
        ) from error
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise Misconfigured("--ledger: a ledger needs a file, such as sqlite:///town.db")
        return url.set(drivername="sqlite")
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise Misconfigured(f"--ledger: {url.get_backend_name()} is not sqlite or postgresql")


def sqlite_file(url: sa.URL) -> Path | None:
    """Give the file of a SQLite ledger, None for PostgreSQL."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def write_engine(url: sa.URL, *, guarded: bool = True) -> sa.Engine:
    """Make the engine of the writer; `guarded=False` is for migrations and creation only."""
    if sqlite_file(url) is None:
        return _postgres(url, read_only=False)
    return _sqlite(url, begin="BEGIN IMMEDIATE", guard=authorizer("writer") if guarded else None)


def read_engine(url: sa.URL) -> sa.Engine:
    """Make the engine of everybody who only reads; the database refuses anything else."""
    if sqlite_file(url) is None:
        return _postgres(url, read_only=True)
    return _sqlite(url, begin="BEGIN", guard=authorizer("reader"))


def _sqlite(url: sa.URL, *, begin: str, guard: Callable[..., int] | None) -> sa.Engine:
    reads_only = begin == "BEGIN"
    engine = sa.create_engine(
        url,
        connect_args={"cached_statements": STATEMENTS_CACHED, "check_same_thread": False},
        poolclass=sa.QueuePool,
        pool_size=CONNECTIONS_KEPT,
        max_overflow=CONNECTIONS_MORE,
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _entry: object) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, see below
        _pragma(connection, "page_size", SQLITE_PAGE_BYTES)
        for name, value in (SQLITE_PRAGMAS | _SQLITE_TUNING).items():
            _pragma(connection, name, value)
        if reads_only:
            _pragma(connection, "query_only", 1)
            _pragma(connection, "cache_size", READER_CACHE)
        if guard is not None:
            connection.set_authorizer(guard)

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if HELD in connection.info:
            return
        with translated():
            connection.exec_driver_sql(begin)

    return engine


def _pragma(connection: sqlite3.Connection, name: str, value: object) -> None:
    with translated():
        connection.execute(f"PRAGMA {name}={value}").fetchall()


def _postgres(url: sa.URL, *, read_only: bool) -> sa.Engine:
    settings = {"default_transaction_read_only": "on"} if read_only else _POSTGRES_BY_KEY
    options: dict[str, Any] = {
        "prepare_threshold": 1,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    # a writer must see what was committed before it got the lock, a reader one position throughout
    level = "REPEATABLE READ" if read_only else "READ COMMITTED"
    # a writer's caller asks again after a server's restart; a reader should not notice it
    engine = sa.create_engine(
        url, isolation_level=level, connect_args=options, pool_pre_ping=read_only
    )
    # psycopg is an extra
    from ledger.store.postgres_arrays import register  # noqa: PLC0415

    event.listen(engine, "connect", register)
    return engine
