"""The schema of a database: made from nothing, equal to the tables, never half-made."""

import sqlite3
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from alembic import command

from ledger.kernel.errors import (
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.runtime.verify import verify
from ledger.store import creation, guards, tables
from ledger.store.engine import ledger_url, write_engine
from tests.support.cli import error
from tests.support.ledgers import new_ledger, opening, party, sqlite_url
from tests.support.old_schemas import back_to_0008
from tests.support.stores import BOTH, new_database, plain_sqlite
from tests.support.town import new_town


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


def test_the_migrations_make_exactly_the_tables(url):
    target = ledger_url(url)
    assert creation.upgrade(target) == creation.newest_revision()
    engine = write_engine(target, guarded=False)
    with engine.begin() as tx:
        command.check(creation.alembic_config(tx))
        found = {name for name in sa.inspect(tx).get_table_names() if "_p" not in name[-3:]}
        assert found == {*tables.metadata.tables, "alembic_version"}
        creation.check_schema(tx)
        assert guards.missing(tx) == []
    engine.dispose()


def test_upgrading_a_full_ledger_changes_nothing(url):
    with new_ledger(url) as ledger:
        ledger.execute(party(1))
    creation.upgrade(ledger_url(url))
    with Ledger(url) as ledger, ledger.reading() as reads:
        assert verify(reads, deep=True).size == 2


def test_a_second_log_may_be_added_and_both_verify(url):
    with new_ledger(url, "eu") as eu:
        eu.execute_all([party(number) for number in range(100)])
        with new_ledger(url, "us") as us:
            us.execute(party(1))
            for ledger, size in ((eu, 101), (us, 2)):
                with ledger.reading() as reads:
                    assert verify(reads, deep=True).size == size
    with pytest.raises(Misconfigured, match="already holds a ledger us"):
        create_ledger(url, opening("us"))


def test_a_database_without_a_schema_is_not_opened(url):
    engine = write_engine(ledger_url(url), guarded=False)
    with engine.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    engine.dispose()
    with pytest.raises(Misconfigured, match="holds no ledger; run"):
        Ledger(url)


def test_a_schema_of_another_program_is_not_opened(url):
    new_ledger(url).close()
    engine = write_engine(ledger_url(url), guarded=False)
    with engine.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    engine.dispose()
    with pytest.raises(Misconfigured, match="has schema 0000, this program needs"):
        Ledger(url)
    assert error("db", "status", ledger=url)["exit_code"] == 2


def test_a_schema_without_a_log_is_not_a_ledger(url):
    creation.upgrade(ledger_url(url))
    with pytest.raises(NotFound, match="no such log"):
        Ledger(url)


def test_a_ledger_begins_with_the_command_that_opens_it(tmp_path):
    with pytest.raises(Malformed, match="begins with OpenLedger"):
        create_ledger(sqlite_url(tmp_path), party(1))


def test_a_ledger_that_is_not_there_is_not_made_by_opening(tmp_path):
    with pytest.raises(NotFound, match="no ledger file"):
        Ledger(sqlite_url(tmp_path))
    with pytest.raises(Misconfigured, match="no folder"):
        new_ledger(f"sqlite:///{tmp_path}/none/town.db")
    assert list(tmp_path.iterdir()) == []


def test_a_creation_that_fails_half_way_leaves_nothing_behind(tmp_path):
    """Migrations are one transaction: all tables and guards, or nothing."""
    url = sqlite_url(tmp_path)
    plain = plain_sqlite(url)
    plain.execute("CREATE TABLE view_tariffs (x)")  # the last one the migrations would make
    with pytest.raises(TamperEvidence, match="view_tariffs already exists"):
        new_ledger(url)
    assert plain.execute("SELECT name FROM sqlite_master").fetchall() == [("view_tariffs",)]
    plain.execute("DROP TABLE view_tariffs")
    plain.close()
    new_ledger(url).close()


# Revision 0009: postings and links by stretches ------------------------------

FILE_IN_ITS_WAY = (
    "CREATE TABLE entry_pack_before (x INTEGER)",
    "DROP TABLE entry_pack_before",
)
SERVER_IN_ITS_WAY = (
    "ALTER TABLE entry_pack ADD COLUMN stretch bigint",
    "ALTER TABLE entry_pack DROP COLUMN stretch",
)
FAR = (0, 65_535, 65_536, 200_000, 4_000_000)
ROWS = {
    "posting": "log_id, account, item, position, line, commodity, quantity, occurred_at",
    "entry_pack": "log_id, pack, count, position",
}


@pytest.fixture
def old(url):
    """A town at revision 0008, with rows of another log that lie far apart."""
    new_town(url).close()
    back_to_0008(url)
    with plain(url) as tx:
        for position in FAR:
            place = f"{position}, 0, 'EUR', 5, 7"
            tx.exec_driver_sql(f"INSERT INTO posting VALUES (2, 'Cash', 'I', {place})")
            tx.exec_driver_sql(f"INSERT INTO entry_pack VALUES (2, 'PK-1', {position}, {position})")
    return url


@contextmanager
def plain(url):
    engine = write_engine(ledger_url(url), guarded=False)
    try:
        with engine.begin() as tx:
            yield tx
    finally:
        engine.dispose()


def rows_of(tx, table, columns=""):
    columns = columns or ROWS[table]
    return tx.exec_driver_sql(f"SELECT {columns} FROM {table} ORDER BY {ROWS[table]}").fetchall()


def test_a_ledger_from_before_stretches_is_upgraded_whole_or_not_at_all(old):
    with pytest.raises(Misconfigured, match="has schema 0008, this program needs"):
        Ledger(old)
    # the second of the two tables cannot be made anew: then the first is as it was, too
    way, free = FILE_IN_ITS_WAY if old.startswith("sqlite") else SERVER_IN_ITS_WAY
    with plain(old) as tx:
        tx.exec_driver_sql(way)
        before = {table: rows_of(tx, table) for table in ROWS}
        schema = schema_of(tx)
    with pytest.raises(MobileGridError, match=r"already (exists|another)"):
        creation.upgrade(ledger_url(old))
    with plain(old) as tx:
        assert {table: rows_of(tx, table) for table in ROWS} == before
        assert (schema_of(tx), creation.revision(tx)) == (schema, "0008")
        tx.exec_driver_sql(free)
    assert creation.upgrade(ledger_url(old)) == creation.newest_revision()
    with plain(old) as tx:
        command.check(creation.alembic_config(tx))
        assert guards.missing(tx) == []
        assert {table: rows_of(tx, table) for table in ROWS} == before
        for table in ROWS:
            for position, stretch in rows_of(tx, table, "position, stretch"):
                assert stretch == position // 65_536
            key = sa.inspect(tx).get_pk_constraint(table)
            wanted = tables.metadata.tables[table].primary_key
            assert key["constrained_columns"] == [column.name for column in wanted]
            assert key["name"] == wanted.name
    with Ledger(old) as ledger:
        ledger.execute(party(11))
        with ledger.reading() as reads:
            assert verify(reads, deep=True).size == 38
    for table in ROWS:
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), plain(old) as tx:
            tx.exec_driver_sql(f"DELETE FROM {table}")


def schema_of(tx):
    if tx.dialect.name == "sqlite":
        return sorted(tx.exec_driver_sql("SELECT name, sql FROM sqlite_master").fetchall())
    names = "SELECT table_name, column_name FROM information_schema.columns"
    keys = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    return sorted(map(tuple, tx.exec_driver_sql(f"{names} UNION {keys}").fetchall()))


@pytest.mark.slow
def test_a_file_in_use_is_unavailable_and_not_harmed(tmp_path):
    url = sqlite_url(tmp_path)
    new_ledger(url).close()
    other = sqlite3.connect(tmp_path / "town.db", isolation_level=None)
    other.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN EXCLUSIVE")
    with Ledger(url) as ledger:
        future = ledger.submit(party(1))
        with pytest.raises(Unavailable, match="locked"):
            future.result(timeout=30)
        other.rollback()
        other.close()
        assert ledger.execute(party(1)).first == 1
