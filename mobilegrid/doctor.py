"""The self-check: is the ledger protected as it must be, and does its head agree with its tail?

The live proof tries to rewrite history, in transactions that are always rolled back, and wants to
see every attempt refused; on SQLite with and without the authorizer, because each guard alone can
be missing.
"""

import platform
import sqlite3
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import Misconfigured, MobileGridError, NotFound, TamperEvidence
from ledger.kernel.hashing import HASH_BYTES, leaf_hash
from ledger.runtime.proving import check_newest_checkpoint, tile_reader
from ledger.runtime.reads import Reads
from ledger.store import creation, guards, journal, scan
from ledger.store.engine import (
    POSTGRES_SETTINGS,
    POSTGRES_VERSION_MIN,
    SQLITE_PRAGMAS,
    ledger_url,
    read_engine,
    sqlite_file,
    write_engine,
)
from ledger.store.errors import translated
from ledger.store.journal import LogName
from ledger.tlog.tiles import TILE_WIDTH
from mobilegrid.settings import Settings

TAIL_LEAVES = 1_000
"""How many of the newest entries are hashed again."""

_PACKAGES = ("mobilegrid", "msgspec", "SQLAlchemy", "alembic", "cryptography", "click", "rich")


class Check(msgspec.Struct, frozen=True):
    """One check: what was looked at, and what was found."""

    name: str
    ok: bool
    detail: str


class Health(msgspec.Struct, frozen=True):
    """All checks in order, and the gravest failure among them."""

    checks: tuple[Check, ...]
    error: MobileGridError | None = None

    def with_check(self, name: str, look: Callable[[], str]) -> "Health":
        """Give these checks and one more."""
        try:
            return Health((*self.checks, Check(name, ok=True, detail=look())), self.error)
        except MobileGridError as error:
            checks = (*self.checks, Check(name, ok=False, detail=error.explain()))
            graver = isinstance(error, TamperEvidence) and not isinstance(
                self.error, TamperEvidence
            )
            return Health(checks, error if graver or self.error is None else self.error)


def versions() -> dict[str, str]:
    """Name the versions of Python, SQLite and every package we stand on."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in (*_PACKAGES, "psycopg"):
        try:
            found[name.lower()] = version(name)
        except PackageNotFoundError:
            found[name.lower()] = "not installed"
    return found


def check_ledger(settings: Settings) -> Health:
    """Run every check that can be run; a failure does not keep the next ones from running."""
    url = ledger_url(settings.ledger.url)
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        error = NotFound(f"there is no ledger file {file}; create one with `db create`")
        return Health((Check("ledger", ok=False, detail=error.explain()),), error)
    steps = (
        ("schema", _schema),
        ("settings of the database", _database_settings),
        ("guards", _guards),
        ("history cannot be changed", _live_proof),
        ("positions", _positions),
        ("newest entries and head", _tail),
        ("newest checkpoint", _checkpoint),
    )
    probe = _Probe(url, settings.ledger.id)
    checks: list[Check] = []
    errors: list[MobileGridError] = []
    try:
        for name, step in steps:
            try:
                with translated():
                    checks.append(Check(name, ok=True, detail=step(probe)))
            except MobileGridError as error:
                errors.append(error)
                checks.append(Check(name, ok=False, detail=error.explain()))
    finally:
        probe.close()
    grave = [error for error in errors if isinstance(error, TamperEvidence)]
    return Health(tuple(checks), next(iter((*grave, *errors)), None))


class _Probe:
    """The engines that a self-check looks through."""

    def __init__(self, url: sa.URL, ledger: str) -> None:
        self.ledger = ledger
        self.reader = read_engine(url)
        self.writers = {"guarded": write_engine(url), "unguarded": write_engine(url, guarded=False)}
        if self.reader.dialect.name != "sqlite":
            self.writers.pop("unguarded").dispose()  # both are the same there

    def close(self) -> None:
        for engine in (self.reader, *self.writers.values()):
            engine.dispose()

    def read(self, look: Callable[[Reads], str]) -> str:
        with self.reader.connect() as tx:
            return look(Reads(tx, self.name(tx)))

    def name(self, tx: sa.Connection) -> LogName:
        return journal.find_log(tx, self.ledger)


def _schema(probe: _Probe) -> str:
    with probe.reader.connect() as tx:
        creation.check_schema(tx)
        return creation.revision(tx)


def _guards(probe: _Probe) -> str:
    with probe.reader.connect() as tx:
        guards.check(tx)
    return f"present on {len(guards.GROWING)} growing tables"


def _database_settings(probe: _Probe) -> str:
    """Read the settings back on two fresh connections: one that writes, one that reads."""
    is_sqlite = probe.reader.dialect.name == "sqlite"
    look = _sqlite_settings if is_sqlite else _postgres_settings
    with probe.writers["guarded"].connect() as tx:
        look(tx)
    with probe.reader.connect() as tx:
        return look(tx)


def _sqlite_settings(tx: sa.Connection) -> str:
    wrong = []
    for name, wanted in SQLITE_PRAGMAS.items():
        value = tx.exec_driver_sql(f"PRAGMA {name}").scalar()
        if value != wanted:
            wrong.append(f"{name} is {value}, not {wanted}")
    if wrong:
        raise Misconfigured(f"SQLite: {'; '.join(wrong)}")
    return ", ".join(f"{name} {value}" for name, value in SQLITE_PRAGMAS.items())


def _postgres_settings(tx: sa.Connection) -> str:
    wrong = []
    found = {name: str(tx.exec_driver_sql(f"SHOW {name}").scalar()) for name in POSTGRES_SETTINGS}
    for name, allowed in POSTGRES_SETTINGS.items():
        if found[name] not in allowed:
            wrong.append(f"{name} is {found[name]}, not {' or '.join(allowed)}")
    server = str(tx.exec_driver_sql("SHOW server_version").scalar())
    if int(server.partition(".")[0]) < POSTGRES_VERSION_MIN:
        wrong.append(f"the server is {server}, not {POSTGRES_VERSION_MIN} or newer")
    if wrong:
        raise Misconfigured(f"PostgreSQL: {'; '.join(wrong)}")
    return ", ".join(f"{name} {value}" for name, value in {"server": server, **found}.items())


# The live proof ---------------------------------------------------------------

_UPDATE = "UPDATE {table} SET log_id = log_id WHERE log_id = :log{also}"
_DELETE = "DELETE FROM {table} WHERE log_id = :log{also}"
_AND_LAST = " AND position = :last"
_COPY = (
    "INSERT{how} INTO entry (log_id, position, kind, recorded_at, occurred_at, bytes) "
    "SELECT log_id, position + {step}, kind, recorded_at, occurred_at, bytes FROM entry "
    "WHERE log_id = :log AND position = :last{end}"
)


def _attempts(dialect: str) -> dict[str, str]:
    """Name every way to rewrite history that must be refused; values are SQL."""
    attempts = {
        "UPDATE of an entry": _UPDATE.format(table="entry", also=_AND_LAST),
        "DELETE of an entry": _DELETE.format(table="entry", also=_AND_LAST),
        "a gap before an entry": _COPY.format(how="", step=2, end=""),
        "a position twice": _COPY.format(how="", step=0, end=""),
    }
    if dialect == "sqlite":
        attempts["INSERT OR REPLACE of an entry"] = _COPY.format(how=" OR REPLACE", step=0, end="")
    else:
        upsert = " ON CONFLICT (log_id, position) DO UPDATE SET kind = excluded.kind"
        attempts["an upsert of an entry"] = _COPY.format(how="", step=0, end=upsert)
        attempts["TRUNCATE of the entries"] = "TRUNCATE entry"
    for table in guards.GROWING[1:]:
        attempts[f"UPDATE of {table}"] = _UPDATE.format(table=table, also="")
        attempts[f"DELETE from {table}"] = _DELETE.format(table=table, also="")  # noqa: S608  our names
    return attempts


def _live_proof(probe: _Probe) -> str:
    with probe.reader.connect() as tx:
        guards.check(tx)  # without them the attempts would touch every row
        name = probe.name(tx)
        place = {"log": name.log_id, "last": journal.head(tx, name.log_id).size - 1}
    refused = 0
    for how, engine in probe.writers.items():
        for what, statement in _attempts(engine.dialect.name).items():
            refused += _is_refused(engine, statement, place, f"{what} ({how})")
    return f"{refused} attempts, all refused"


def _is_refused(engine: sa.Engine, statement: str, place: dict[str, int], what: str) -> bool:
    """Try it and roll back; False where there is no row to try it on."""
    with engine.connect() as tx:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        try:
            changed = tx.execute(sa.text(statement), place).rowcount
        except sa.exc.OperationalError:
            raise  # busy, not refused
        except sa.exc.DBAPIError:
            return True
        finally:
            tx.rollback()
    if changed:
        raise TamperEvidence(f"{what} was not refused")
    return False


# The log itself ---------------------------------------------------------------


def _positions(probe: _Probe) -> str:
    def look(reads: Reads) -> str:
        beyond = scan.beyond(reads.tx, reads.name.log_id, reads.size)
        if beyond is not None:
            raise TamperEvidence(f"position {beyond}: an entry stands beyond the head")
        return f"0 to {reads.size - 1}"

    return probe.read(look)


def _tail(probe: _Probe) -> str:
    """Hash the newest entries again and compare with tiles and head."""

    def look(reads: Reads) -> str:
        read_tile = tile_reader(reads)  # compares the head with the open edge
        first = max(reads.size - TAIL_LEAVES, 0)
        position = first
        for data in reads.raw(first, reads.size):
            number, place = divmod(position, TILE_WIDTH)
            at = place * HASH_BYTES
            if read_tile(0, number, place + 1)[at : at + HASH_BYTES] != leaf_hash(data):
                raise TamperEvidence(f"position {position}: the bytes are not those hashed before")
            position += 1
        if position != reads.size:
            raise TamperEvidence(f"of the newest {reads.size - first} entries some are missing")
        return f"{position - first} hashed, root {reads.head.root.hex()}"

    return probe.read(look)


def _checkpoint(probe: _Probe) -> str:
    def look(reads: Reads) -> str:
        said = check_newest_checkpoint(reads)
        return "none yet" if said is None else f"over {said.size} entries, leads to this head"

    return probe.read(look)
