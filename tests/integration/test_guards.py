"""History cannot be rewritten: every statement that would, and who refuses it.

Three means on SQLite, because each alone can fail: the authorizer of our own connections, triggers
that any program meets, and proofs for what the holder of the file can still do. On PostgreSQL the
triggers, which also bind partitions and sessions that ask for none.
"""

import sqlite3
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from ledger.kernel.errors import TamperEvidence
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.store import access_log, guards, witnessing
from ledger.store.access_log import AccessRow
from ledger.store.engine import ledger_url, read_engine, write_engine
from ledger.store.tables import erasure, opening
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.cosign import CosignerV1
from ledger.tlog.note import Ed25519Signer, Signature, parse_note
from ledger.tlog.witness import Evidence
from tests.support.ledgers import party, sqlite_url
from tests.support.postgres import fresh_database
from tests.support.stores import plain_sqlite
from tests.support.town import new_town

DENIED, GUARDED, DONE = "denied", "guarded", "done"
# who tries: our writer, our reader, any other program
NOBODY, OTHERS_GUARDED = (DENIED, DENIED, DONE), (DENIED, DENIED, GUARDED)
WRITER, ALL_GUARDED = (DONE, DENIED, DONE), (GUARDED, DENIED, GUARDED)

ENTRY = "(log_id, position, kind, recorded_at, occurred_at, bytes)"
LAST = "(SELECT max(position) FROM entry)"


def copy_of_entry(position: str, how: str = "INSERT", end: str = "") -> str:
    """Write the last entry once more, at another position."""
    return (
        f"{how} INTO entry {ENTRY} SELECT log_id, {position}, kind, recorded_at, occurred_at, "
        f"bytes FROM entry WHERE position = {LAST}{end}"
    )


def again(table: str, how: str = "INSERT OR REPLACE") -> str:
    return f"{how} INTO {table} SELECT * FROM {table} WHERE true LIMIT 1"


SQLITE_STATEMENTS = {
    # entries
    "UPDATE entry SET kind = 'x'": OTHERS_GUARDED,
    f"UPDATE entry SET bytes = bytes WHERE position = {LAST}": OTHERS_GUARDED,
    "UPDATE OR REPLACE entry SET position = 0 WHERE position = 1": OTHERS_GUARDED,
    "UPDATE OR IGNORE entry SET position = -1 WHERE position = 1": OTHERS_GUARDED,
    "DELETE FROM entry": OTHERS_GUARDED,
    f"DELETE FROM entry WHERE position = {LAST}": OTHERS_GUARDED,
    copy_of_entry("position + 1"): WRITER,
    copy_of_entry("position + 2"): ALL_GUARDED,
    copy_of_entry("position"): ALL_GUARDED,
    copy_of_entry("-1"): ALL_GUARDED,
    copy_of_entry("NULL"): ALL_GUARDED,
    copy_of_entry("0", "INSERT OR REPLACE"): ALL_GUARDED,
    copy_of_entry("0", "INSERT OR IGNORE"): ALL_GUARDED,
    copy_of_entry("position", "REPLACE"): ALL_GUARDED,
    # an upsert is compiled as the UPDATE it may become
    copy_of_entry(
        "0", end=" ON CONFLICT (log_id, position) DO UPDATE SET kind = 'x'"
    ): OTHERS_GUARDED,
    copy_of_entry("0", end=" ON CONFLICT DO NOTHING"): ALL_GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1, 'x', 0, 0, x'7b'": ALL_GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1, 'x', 0, 0, zeroblob(65536)": ALL_GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1, 'x', 'noon', 0, x'7b7d'": ALL_GUARDED,
    # the other growing tables
    **{f"UPDATE {table} SET log_id = log_id": OTHERS_GUARDED for table in guards.GROWING[1:]},
    **{f"DELETE FROM {table}": OTHERS_GUARDED for table in guards.GROWING[1:]},
    **{again(table): ALL_GUARDED for table in guards.GROWING[1:]},
    **{again(table, "INSERT OR IGNORE"): ALL_GUARDED for table in guards.GROWING[1:]},
    "INSERT INTO checkpoint SELECT log_id, 1, root, note, 0 FROM checkpoint": ALL_GUARDED,
    # what is recomputed from entries may change, but only by the writer
    "UPDATE view_parties SET listed = ''": WRITER,
    "DELETE FROM balance": WRITER,
    "UPDATE log SET size = size": WRITER,
    "UPDATE outbox SET state = 'done'": WRITER,
    # the schema: the file's holder can, which is why proofs exist
    "DROP TRIGGER entry_no_update": NOBODY,
    "DROP TABLE entry": NOBODY,
    "ALTER TABLE entry ADD COLUMN more TEXT": NOBODY,
    "ALTER TABLE entry RENAME TO past": NOBODY,
    "CREATE TABLE more (x)": NOBODY,
    "CREATE VIEW more AS SELECT 1": NOBODY,
    "CREATE INDEX more ON entry (kind)": NOBODY,
    "CREATE TEMP TABLE more (x)": NOBODY,
    "CREATE TRIGGER more AFTER INSERT ON entry BEGIN DELETE FROM balance; END": NOBODY,
    "CREATE TEMP TRIGGER more AFTER INSERT ON entry BEGIN DELETE FROM balance; END": NOBODY,
    "PRAGMA writable_schema = 1": NOBODY,
    "PRAGMA recursive_triggers = 0": NOBODY,
    "PRAGMA foreign_keys = 0": NOBODY,
    "PRAGMA synchronous = 0": (DENIED, DENIED, "not now"),
    "PRAGMA journal_mode = delete": (DENIED, DENIED, "not now"),
    "PRAGMA query_only = 0": NOBODY,
    "PRAGMA application_id = 9": NOBODY,
    "PRAGMA page_count": (DONE, DONE, DONE),
    "ATTACH DATABASE ':memory:' AS other": NOBODY,
    "DETACH DATABASE main": (DENIED, DENIED, "not now"),
    "VACUUM": ("not now", "not now", "not now"),
    "UPDATE sqlite_master SET sql = NULL": ("not now", "not now", "not now"),
    "SELECT load_extension('evil')": (DENIED, DENIED, DENIED),
    "REINDEX": NOBODY,
    "ANALYZE": NOBODY,
}


@pytest.fixture(scope="module")
def sqlite_town(tmp_path_factory):
    return grown_town(sqlite_url(tmp_path_factory.mktemp("guards")))


@pytest.fixture(scope="module")
def postgres_town(postgres_url):
    return grown_town(fresh_database(postgres_url))


def grown_town(url: str) -> str:
    """Make a town with a row in every growing table."""
    with new_town(url) as town:
        town.execute_all([party(number) for number in range(10, 260)])
        origin = town.name.origin
        note = sign_checkpoint(town, Ed25519Signer(origin, bytes(32)), 1)
        text = parse_note(note).text
        witness = CosignerV1("witness.example", bytes(32), lambda: 1)
        line = Signature(witness.key.name, witness.key.key_id, witness.sign(text))
        with town.writing() as tx:
            witnessing.add_cosignatures(tx, 1, parse_checkpoint(text).size, [line])
            found = Evidence("other.example", "two roots of one size", b"one", b"two")
            witnessing.keep_evidence(tx, 1, found, 1)
            access_log.append(tx, 1, [AccessRow(1, "M1", "/packs", bytes(32), 3)])
            tx.execute(sa.insert(erasure).values(log_id=1, subject="S", ordered_at=1, position=1))
            opened = {"position": 1, "name": "reason", "salt": bytes(16), "value": b'"x"'}
            tx.execute(sa.insert(opening).values(log_id=1, **opened))
            for table in guards.GROWING:
                assert tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar(), table
    return url


def outcome_on_sqlite(connection: sqlite3.Connection, statement: str) -> str:
    """Try a statement in a transaction that is rolled back."""
    try:
        connection.execute(statement).fetchall()
    except sqlite3.IntegrityError:
        return GUARDED
    except sqlite3.DatabaseError as error:
        refused = ("not authorized", "prohibited", "readonly")
        return DENIED if any(word in str(error) for word in refused) else "not now"
    else:
        return DONE
    finally:
        connection.rollback()


@pytest.mark.parametrize("statement", SQLITE_STATEMENTS)
def test_a_statement_on_sqlite_has_its_declared_outcome(sqlite_town, statement):
    url = ledger_url(sqlite_town)
    found = []
    for engine in (write_engine(url), read_engine(url)):
        with engine.connect() as tx:
            tx.exec_driver_sql("SELECT 1")  # begins
            connection: Any = tx.connection.driver_connection
            found.append(outcome_on_sqlite(connection, statement))
        engine.dispose()
    plain = plain_sqlite(sqlite_town)
    plain.execute("BEGIN")
    found.append(outcome_on_sqlite(plain, statement))
    plain.close()
    assert tuple(found) == SQLITE_STATEMENTS[statement]


def test_nothing_that_was_tried_on_sqlite_left_a_trace(sqlite_town):
    with Ledger(sqlite_town) as ledger, ledger.reading() as reads:
        assert guards.missing(reads.tx) == []


@pytest.mark.parametrize("name", ["journal_mode", "synchronous", "recursive_triggers"])
def test_every_connection_of_a_pool_has_the_settings(sqlite_town, name):
    wanted = {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1}[name]
    engine = read_engine(ledger_url(sqlite_town))
    with engine.connect() as one, engine.connect() as two, engine.connect() as three:
        values = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for tx in (one, two, three)]
    engine.dispose()
    assert values == [wanted] * 3


# PostgreSQL -----------------------------------------------------------------------------------

POSTGRES_STATEMENTS = {
    "UPDATE entry SET kind = 'x'": GUARDED,
    f"UPDATE entry SET bytes = bytes WHERE position = {LAST}": GUARDED,
    "UPDATE entry_p0 SET kind = 'x' WHERE position = 1": GUARDED,
    "UPDATE ONLY entry_p0 SET position = 5000000 WHERE position = 1": GUARDED,
    "DELETE FROM entry": GUARDED,
    "DELETE FROM entry_p0 WHERE position = 1": GUARDED,
    "DELETE FROM posting_p0": GUARDED,
    "TRUNCATE entry": GUARDED,
    "TRUNCATE entry_p0": GUARDED,
    "TRUNCATE posting_p0": GUARDED,
    "TRUNCATE entry_p1": GUARDED,
    "TRUNCATE log, entry CASCADE": GUARDED,
    copy_of_entry("position + 1"): DONE,
    copy_of_entry("position + 2"): GUARDED,
    copy_of_entry("position"): GUARDED,
    copy_of_entry("-1"): GUARDED,
    copy_of_entry("NULL::bigint"): GUARDED,
    copy_of_entry("5000000"): GUARDED,
    copy_of_entry("position + 2").replace("INTO entry", "INTO entry_p0"): GUARDED,
    copy_of_entry("5000000").replace("INTO entry", "INTO entry_p1"): GUARDED,
    copy_of_entry("99000000"): GUARDED,  # there is no partition
    copy_of_entry(
        "position", end=" ON CONFLICT (log_id, position) DO UPDATE SET kind = 'x'"
    ): GUARDED,
    "MERGE INTO entry e USING (SELECT 1) x ON e.position = 1 WHEN MATCHED THEN DELETE": GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1, 'x', 0, 0, '\\x7b'": GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1 + g * 2, 'x', 0, 0, '\\x7b7d' "
    "FROM generate_series(0, 3) g": GUARDED,
    f"INSERT INTO entry {ENTRY} SELECT 1, {LAST} + 1 + g, 'x', 0, 0, '\\x7b7d' "
    "FROM generate_series(0, 3) g": DONE,
    f"INSERT INTO entry {ENTRY} SELECT 7, 1, 'x', 0, 0, '\\x7b7d'": GUARDED,
    "SET LOCAL session_replication_role = replica; DELETE FROM entry": GUARDED,
    "SET LOCAL session_replication_role = replica; TRUNCATE entry_p0": GUARDED,
    "SET LOCAL session_replication_role = replica; " + copy_of_entry("position + 2"): GUARDED,
    **{f"UPDATE {table} SET log_id = log_id": GUARDED for table in guards.GROWING[1:]},
    **{f"DELETE FROM {table}": GUARDED for table in guards.GROWING[1:]},
    **{f"TRUNCATE {table}": GUARDED for table in guards.GROWING[1:]},
    **{again(table, "INSERT"): GUARDED for table in guards.GROWING[1:]},
    "INSERT INTO checkpoint SELECT log_id, 1, root, note, 0 FROM checkpoint": GUARDED,
    "UPDATE view_parties SET listed = ''": DONE,
    "UPDATE log SET size = size": DONE,
    # whoever holds it can: found at the next opening, or by proofs
    "ALTER TABLE entry DISABLE TRIGGER ALL": DONE,
    "DROP TABLE entry_p0": DONE,
}


@pytest.mark.postgres
@pytest.mark.parametrize("statement", POSTGRES_STATEMENTS)
def test_a_statement_on_postgresql_has_its_declared_outcome(postgres_town, statement):
    engine = write_engine(ledger_url(postgres_town))
    with engine.connect() as tx:
        connection: Any = tx.connection.driver_connection
        try:
            for part in statement.split("; "):
                connection.execute(part)
        except psycopg.errors.IntegrityError:
            found = GUARDED
        else:
            found = DONE
        connection.rollback()
    engine.dispose()
    assert found == POSTGRES_STATEMENTS[statement]


@pytest.mark.postgres
def test_a_reader_on_postgresql_cannot_write(postgres_town):
    engine = read_engine(ledger_url(postgres_town))
    with engine.connect() as tx, pytest.raises(sa.exc.InternalError, match="read-only"):
        tx.exec_driver_sql("UPDATE log SET size = size")
    engine.dispose()


# A guard that is gone, changed, switched off, or a stranger ---------------------------------------

SQLITE_CHANGES = {
    "dropped": ("DROP TRIGGER entry_no_update", "entry_no_update"),
    "changed": (
        (
            "DROP TRIGGER posting_no_delete; CREATE TRIGGER posting_no_delete BEFORE DELETE ON "
            "posting WHEN false BEGIN SELECT RAISE(ABORT, 'posting: append-only'); END"
        ),
        "posting_no_delete",
    ),
    "a stranger": (
        "CREATE TRIGGER helpful AFTER INSERT ON posting BEGIN DELETE FROM balance; END",
        "helpful",
    ),
}
POSTGRES_CHANGES = {
    "dropped": ("DROP TRIGGER receipt_no_change ON receipt", "receipt.receipt_no_change"),
    "switched off": ("ALTER TABLE entry DISABLE TRIGGER entry_next", "entry.entry_next"),
    "only sometimes": (
        "ALTER TABLE tile ENABLE TRIGGER tile_no_change",
        "tile.tile_no_change",
    ),
    "switched off on a partition": (
        "ALTER TABLE entry_p0 DISABLE TRIGGER entry_no_change",
        "entry_p0.entry_no_change",
    ),
    "a new partition without": (
        "CREATE TABLE entry_p99 PARTITION OF entry FOR VALUES FROM (396000000) TO (400000000)",
        "entry_p99.entry_p99_no_truncate",
    ),
    "another function": (
        (
            "CREATE OR REPLACE FUNCTION mg_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN NULL; END $$"
        ),
        "mg_append_only",
    ),
    "a stranger": (
        (
            "CREATE TRIGGER helpful BEFORE DELETE ON balance FOR EACH ROW "
            "EXECUTE FUNCTION mg_append_only()"
        ),
        "balance.helpful",
    ),
}


@pytest.mark.parametrize("change", SQLITE_CHANGES)
def test_a_ledger_without_its_guards_on_sqlite_is_not_opened(tmp_path, change):
    url = sqlite_url(tmp_path)
    new_town(url).close()
    statement, name = SQLITE_CHANGES[change]
    plain = plain_sqlite(url)
    for part in statement.split("; ", 1) if change == "changed" else [statement]:
        plain.execute(part)
    plain.close()
    with pytest.raises(TamperEvidence, match=name):
        Ledger(url)


@pytest.mark.postgres
@pytest.mark.parametrize("change", POSTGRES_CHANGES)
def test_a_guard_that_is_wrong_on_postgresql_is_named(postgres_town, change):
    statement, name = POSTGRES_CHANGES[change]
    engine = write_engine(ledger_url(postgres_town))
    with engine.connect() as tx:
        assert guards.missing(tx) == []
        tx.exec_driver_sql(statement)
        assert name in guards.missing(tx)
        with pytest.raises(TamperEvidence, match="guards are missing"):
            guards.check(tx)
        tx.rollback()
        assert guards.missing(tx) == []
    engine.dispose()
