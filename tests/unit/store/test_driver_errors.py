"""Whatever a driver throws, a caller sees our errors: try again, our bug, or evidence."""

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from ledger.kernel.errors import InvariantBroken, TamperEvidence, Unavailable
from ledger.store.errors import translated


def of_sqlite(statement: str) -> Exception:
    """Let SQLite fail."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE one (x INTEGER PRIMARY KEY) STRICT")
    connection.execute("INSERT INTO one VALUES (1)")
    try:
        connection.execute(statement).fetchall()
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError(statement)


def full() -> Exception:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 2")
    try:
        connection.executescript("CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)")
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError


def busy(folder) -> Exception:
    first = sqlite3.connect(folder / "x.db", isolation_level=None)
    second = sqlite3.connect(folder / "x.db", isolation_level=None, timeout=0)
    first.execute("BEGIN EXCLUSIVE")
    try:
        second.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return error
    finally:
        first.close()
        second.close()
    raise AssertionError


def no_database(folder) -> Exception:
    (folder / "letter").write_bytes(b"Dear reader, this is no database. " * 100)
    connection = sqlite3.connect(folder / "letter")
    try:
        connection.execute("SELECT * FROM sqlite_master")
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError


def wrapped(error: Exception, kind: type[sa.exc.DBAPIError]) -> Exception:
    return kind("SELECT 1", None, error)


CASES = [
    (lambda _: full(), Unavailable, "database or disk is full"),
    (busy, Unavailable, "locked"),
    (lambda _: wrapped(full(), sa.exc.OperationalError), Unavailable, "full"),
    (lambda _: sa.exc.TimeoutError("QueuePool limit reached"), Unavailable, "QueuePool"),
    (lambda _: psycopg.OperationalError("server closed\nsecond line"), Unavailable, "closed$"),
    (lambda _: psycopg.InterfaceError("the connection is closed"), Unavailable, "closed"),
    (lambda _: psycopg.errors.DiskFull("no space left"), Unavailable, "no space"),
    (lambda _: psycopg.errors.AdminShutdown(), Unavailable, "AdminShutdown"),
    (lambda _: of_sqlite("INSERT INTO one VALUES (1)"), InvariantBroken, "UNIQUE"),
    (lambda _: of_sqlite("INSERT INTO one VALUES ('x')"), InvariantBroken, "datatype"),
    (lambda _: psycopg.errors.RestrictViolation("entry: append-only"), InvariantBroken, "append"),
    (lambda _: psycopg.errors.UniqueViolation("duplicate"), InvariantBroken, "duplicate"),
    (no_database, TamperEvidence, "not a database"),
    (lambda _: of_sqlite("SELECT * FROM entry"), TamperEvidence, "no such table"),
    (lambda _: of_sqlite("SELECT CAST(x'ff' AS TEXT)"), TamperEvidence, "UTF-8"),
    (
        lambda _: of_sqlite(
            "SELECT sum(x + 9223372036854775806) FROM (SELECT 1 AS x)"
            " UNION ALL SELECT sum(y) FROM (SELECT 9223372036854775807 AS y"
            " UNION ALL SELECT 1)"
        ),
        TamperEvidence,
        "integer overflow",
    ),
    (lambda _: psycopg.errors.UndefinedTable("no relation entry"), TamperEvidence, "entry"),
    (lambda _: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), TamperEvidence, "odd"),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_failure_of_a_driver_becomes_ours(tmp_path, case):
    make, kind, said = CASES[case]
    error = make(tmp_path)
    with pytest.raises(kind, match=said) as found, translated():
        raise error
    assert found.value.__cause__ is error
    assert type(found.value) is kind


def test_our_own_errors_pass_unchanged():
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError
