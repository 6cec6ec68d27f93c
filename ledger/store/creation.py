"""Making and upgrading a ledger's database: migrations, guards, the head row of a new log."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ledger.domain.opening import OpenLedger
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.kernel.messages import Command
from ledger.store import guards
from ledger.store.engine import sqlite_file, write_engine
from ledger.store.errors import translated
from ledger.store.tables import PARTITION_ROWS, PARTITIONS_AHEAD, entry, log

_HERE = Path(__file__).resolve().parent


def migrations_folder() -> Path:
    """Find the migrations: inside the installed package, or beside it in a source tree."""
    installed = _HERE.parent / "migrations"
    return installed if installed.is_dir() else _HERE.parents[1] / "migrations"


def alembic_config(connection: sa.Connection) -> Config:
    """Give Alembic's settings for one connection, without any file."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """Give the newest schema revision this program knows."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head() or ""


def revision(tx: sa.Connection) -> str:
    """Give the schema revision of a database, "" for an empty one."""
    return MigrationContext.configure(tx).get_current_revision() or ""


def check_schema(tx: sa.Connection) -> None:
    """Raise `Misconfigured` unless the schema is exactly this program's."""
    found, wanted = revision(tx), newest_revision()
    if found != wanted:
        state = f"has schema {found}, this program needs {wanted}" if found else "holds no ledger"
        raise Misconfigured(f"the database {state}; run `mobilegrid db upgrade` or `db create`")


def upgrade(url: sa.URL) -> str:
    """Bring the schema to this revision and create partitions ahead; give the revision."""
    file = sqlite_file(url)
    if file is not None and not file.absolute().parent.is_dir():
        raise Misconfigured(f"there is no folder {file.absolute().parent}")
    engine = write_engine(url, guarded=False)
    try:
        with translated(), engine.begin() as tx:
            if revision(tx) != newest_revision():
                command.upgrade(alembic_config(tx), "head")
            if tx.dialect.name == "postgresql":
                _create_partitions(tx)
            return revision(tx)
    finally:
        engine.dispose()


def _create_partitions(tx: sa.Connection) -> None:
    """Keep `PARTITIONS_AHEAD` partitions beyond the newest entry."""
    newest = int(tx.scalar(sa.select(sa.func.max(entry.c.position))) or 0)
    for number in range(newest // PARTITION_ROWS + PARTITIONS_AHEAD):
        first, end = number * PARTITION_ROWS, (number + 1) * PARTITION_ROWS
        for table in ("entry", "posting"):
            name = f"{table}_p{number}"
            if sa.inspect(tx).has_table(name):
                continue
            tx.exec_driver_sql(
                f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({end})"
            )
            guards.install_on_partition(tx, name)


def opening_of(asked: Command) -> OpenLedger:
    """Give the command as what it must be."""
    if not isinstance(asked, OpenLedger):
        raise Malformed("a log begins with OpenLedger", field="command")
    return asked


def add_log(url: sa.URL, asked: Command) -> None:
    """Write the head row of a new, empty log; `Misconfigured` when the ledger id is taken.

    A head row without an entry is what a process left that died before entry 0: it is taken up.
    """
    opening = opening_of(asked)
    engine = write_engine(url, guarded=False)
    try:
        with translated(), engine.begin() as tx:
            taken = tx.execute(
                sa.select(log.c.size, log.c.origin).where(log.c.ledger == opening.ledger)
            ).first()
            if taken is not None and tuple(taken) == (0, opening.origin):
                return
            if taken is not None:
                raise Misconfigured(f"this database already holds a ledger {opening.ledger}")
            last_id = int(tx.scalar(sa.select(sa.func.max(log.c.log_id))) or 0)
            tx.execute(
                sa.insert(log).values(
                    log_id=last_id + 1,
                    ledger=opening.ledger,
                    origin=opening.origin,
                    size=0,
                    root=EMPTY_ROOT,
                    frontier=b"",
                    edge=b"",
                    recorded_at=0,
                    rebuilds=0,
                )
            )
    finally:
        engine.dispose()
