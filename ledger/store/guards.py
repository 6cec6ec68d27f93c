"""Append-only guards of the growing tables, and the check that they are really there.

SQLite: triggers refuse UPDATE and DELETE, a BEFORE INSERT trigger lets only the next position in
(otherwise `INSERT OR REPLACE` rewrites history silently), and an authorizer denies every
connection the statements it does not need. PostgreSQL: the same by row triggers, a statement
trigger on TRUNCATE, and one statement trigger per INSERT that looks at the inserted positions as a
set: they must follow the last one without a gap. A trigger per row would halve the bulk insert.
"""

import sqlite3
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from ledger.kernel.errors import Misconfigured, TamperEvidence

GROWING = (
    "entry",
    "entry_pack",
    "posting",
    "receipt",
    "tile",
    "checkpoint",
    "cosignature",
    "misbehaviour",
    "access",
    "erasure",
    "opening",
)

_SQLITE_SAME_KEY = {
    "entry_pack": ("log_id", "stretch", "pack", "count"),
    "posting": ("log_id", "stretch", "account", "item", "position", "line"),
    "receipt": ("log_id", "principal", "key"),
    "tile": ("log_id", "level", "number"),
    "cosignature": ("log_id", "size", "key_id"),
    "misbehaviour": ("log_id", "origin", "digest"),
    "erasure": ("log_id", "subject"),
    "opening": ("log_id", "position", "name"),
}


_LATER = ("opening",)
"""Growing tables that a later migration made, which guards them by `install_on_table`."""

_MADE_ANEW = ("entry_pack", "posting")
"""Those that a later migration makes anew on SQLite, with another key, and guards there."""


def sqlite_triggers() -> dict[str, str]:
    """Give the text of every trigger of a SQLite ledger by name."""
    triggers = {
        "entry_next": (
            "CREATE TRIGGER entry_next BEFORE INSERT ON entry WHEN NEW.position IS NOT "
            "(SELECT coalesce(max(position) + 1, 0) FROM entry WHERE log_id = NEW.log_id) "
            "BEGIN SELECT RAISE(ABORT, 'entry: position must be next'); END"
        ),
        "checkpoint_next": (
            "CREATE TRIGGER checkpoint_next BEFORE INSERT ON checkpoint WHEN NEW.size <= "
            "(SELECT max(size) FROM checkpoint WHERE log_id = NEW.log_id) "
            "BEGIN SELECT RAISE(ABORT, 'checkpoint: the size must grow'); END"
        ),
        "access_next": (
            "CREATE TRIGGER access_next BEFORE INSERT ON access WHEN NEW.access_id IS NOT "
            "(SELECT coalesce(max(access_id) + 1, 0) FROM access WHERE log_id = NEW.log_id) "
            "BEGIN SELECT RAISE(ABORT, 'access: access_id must be next'); END"
        ),
    }
    for table, key in _SQLITE_SAME_KEY.items():
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        triggers[f"{table}_new"] = (
            f"CREATE TRIGGER {table}_new BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{table}: this key is taken'); END"
        )
    for table in GROWING:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            triggers[name] = (
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table}: append-only'); END"
            )
    return triggers


# What they raise bears the code of a broken constraint, as with SQLite. The primary key already
# refuses a position twice; so when the inserted positions have no gap and begin right after one
# that is there (or at 0), the whole table has none.
_POSTGRES_FUNCTIONS = {
    "mg_append_only": (
        " BEGIN RAISE EXCEPTION '%: append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END "
    ),
    "mg_entry_next": (
        " DECLARE bad record; BEGIN "
        "SELECT log_id, min(position) AS lo INTO bad FROM added GROUP BY log_id "
        "HAVING max(position) - min(position) + 1 <> count(*) OR min(position) < 0 "
        "OR (min(position) > 0 AND NOT EXISTS (SELECT 1 FROM entry e "
        "WHERE e.log_id = added.log_id AND e.position = min(added.position) - 1)) LIMIT 1; "
        "IF FOUND THEN RAISE EXCEPTION 'entry: position must be next' "
        "USING ERRCODE = 'restrict_violation'; END IF; RETURN NULL; END "
    ),
    "mg_checkpoint_next": (
        " BEGIN IF NEW.size <= (SELECT max(size) FROM checkpoint WHERE log_id = NEW.log_id) "
        "THEN RAISE EXCEPTION 'checkpoint: the size must grow' "
        "USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END "
    ),
    "mg_access_next": (
        " BEGIN IF NEW.access_id <> (SELECT coalesce(max(access_id) + 1, 0) FROM access "
        "WHERE log_id = NEW.log_id) "
        "THEN RAISE EXCEPTION 'access: access_id must be next' "
        "USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END "
    ),
}
_PARTITIONED = ("entry", "posting")


def postgres_triggers(partitions: Iterable[str] = ()) -> dict[tuple[str, str], str]:
    """Give the text of every trigger by (table, name), as the server itself writes it.

    Statement triggers of a partitioned table do not fire for statements that name a partition, so
    each of the `partitions` has its own.
    """
    triggers = {
        ("checkpoint", "checkpoint_next"): (
            "CREATE TRIGGER checkpoint_next BEFORE INSERT ON checkpoint "
            "FOR EACH ROW EXECUTE FUNCTION mg_checkpoint_next()"
        ),
        ("access", "access_next"): (
            "CREATE TRIGGER access_next BEFORE INSERT ON access "
            "FOR EACH ROW EXECUTE FUNCTION mg_access_next()"
        ),
    }
    some = list(partitions)
    for table in GROWING:
        triggers[table, f"{table}_no_change"] = (
            f"CREATE TRIGGER {table}_no_change BEFORE DELETE OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION mg_append_only()"
        )
    for table in (*GROWING, *some):
        triggers[table, f"{table}_no_truncate"] = (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION mg_append_only()"
        )
    for table in ("entry", *(name for name in some if name.startswith("entry"))):
        triggers[table, f"{table}_next"] = (
            f"CREATE TRIGGER {table}_next AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION mg_entry_next()"
        )
    return triggers


def install(tx: sa.Connection) -> None:
    """Create all guards in the current transaction; called by the migration, once."""
    if tx.dialect.name == "sqlite":
        for name, text in sqlite_triggers().items():
            if not name.startswith(_LATER + _MADE_ANEW):
                tx.exec_driver_sql(text)
        return
    for name, body in _POSTGRES_FUNCTIONS.items():
        text = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        tx.exec_driver_sql(text.replace("%", "%%"))
    triggers = postgres_triggers()
    _create(tx, {key: text for key, text in triggers.items() if key[0] not in _LATER})


def install_on_table(tx: sa.Connection, table: str) -> None:
    """Guard a growing table that a later migration made, or made anew."""
    if tx.dialect.name == "sqlite":
        for name, text in sqlite_triggers().items():
            if name.startswith(f"{table}_"):
                tx.exec_driver_sql(text)
        return
    _create(tx, {key: text for key, text in postgres_triggers().items() if key[0] == table})


def install_on_partition(tx: sa.Connection, partition: str) -> None:
    """Guard a new partition of a PostgreSQL table against statements that name it directly."""
    triggers = postgres_triggers([partition])
    _create(tx, {key: text for key, text in triggers.items() if key[0] == partition})


def _create(tx: sa.Connection, triggers: dict[tuple[str, str], str]) -> None:
    for (table, name), text in triggers.items():
        tx.exec_driver_sql(text)
        # ALWAYS: session_replication_role cannot switch them off
        tx.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def missing(tx: sa.Connection) -> list[str]:
    """List guards that are absent, changed or switched off, and triggers that are none of ours."""
    found, wanted = _sqlite_guards(tx) if tx.dialect.name == "sqlite" else _postgres_guards(tx)
    absent = [name for name, text in wanted.items() if found.get(name) != text]
    return absent + [name for name in found if name not in wanted]


def _sqlite_guards(tx: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    rows = tx.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return {row.name: row.sql for row in rows}, sqlite_triggers()


def _postgres_guards(tx: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    triggers = tx.execute(
        sa.text(
            "SELECT c.relname, t.tgname, t.tgenabled, t.tgparentid = 0 AS own, "
            "pg_get_triggerdef(t.oid, true) AS text "
            "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND NOT t.tgisinternal"
        )
    ).all()
    functions = tx.execute(
        sa.text(
            "SELECT p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n "
            "ON n.oid = p.pronamespace WHERE n.nspname = current_schema() "
            "AND p.proname = ANY(:names)"
        ),
        {"names": list(_POSTGRES_FUNCTIONS)},
    ).all()
    partitions = tx.execute(
        sa.text(
            "SELECT i.inhrelid::regclass::text FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND c.relname = ANY(:names) AND c.relkind = 'p'"
        ),
        {"names": list(_PARTITIONED)},
    ).scalars()
    wanted = {
        f"{table}.{name}": text for (table, name), text in postgres_triggers(partitions).items()
    }
    # row triggers of a partition are copies that the server keeps; they must be switched on too
    found = {
        f"{row.relname}.{row.tgname}": row.text if row.tgenabled == "A" else "switched off"
        for row in triggers
        if row.own or row.tgenabled != "A"
    }
    return found | dict(functions), wanted | _POSTGRES_FUNCTIONS


def check(tx: sa.Connection) -> None:
    """Raise `TamperEvidence` when a guard is absent, changed or switched off, or not ours."""
    wrong = missing(tx)
    if wrong:
        raise TamperEvidence(f"append-only guards are missing or changed: {', '.join(wrong)}")


_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PRAGMAS_READABLE = {
    "page_count",
    "page_size",
    "freelist_count",
    "integrity_check",
    "quick_check",
    "table_xinfo",
    "table_info",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "wal_checkpoint",
    "user_version",
    "journal_mode",
    "synchronous",
    "foreign_keys",
    "recursive_triggers",
    "trusted_schema",
    "secure_delete",
    "busy_timeout",
    "query_only",
}


def authorizer(profile: str) -> Callable[..., int]:
    """Make the allow-list of a connection: `reader` or `writer`.

    SQLite asks it while compiling a statement, so cached statements cost nothing.
    """
    if profile not in {"reader", "writer"}:
        raise Misconfigured(f"no authorizer profile {profile!r}")
    writes = profile == "writer"

    def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in _READS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA:
            readable = first in _PRAGMAS_READABLE and (second is None or first.endswith("_check"))
            readable = readable or (first or "").startswith(("table_", "index_", "foreign_key_"))
            return sqlite3.SQLITE_OK if readable else sqlite3.SQLITE_DENY
        if not writes or (first or "").startswith("sqlite_"):
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_INSERT:
            return sqlite3.SQLITE_OK
        if action in {sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE} and first not in GROWING:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allow
