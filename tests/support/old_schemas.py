"""A ledger's database as an older revision of the schema had it, with all its rows."""

import sqlalchemy as sa

from ledger.store.engine import ledger_url, sqlite_file

_KEYS_0008 = {
    "posting": "log_id, account, item, position, line",
    "entry_pack": "log_id, pack, count",
}
_SQLITE_0008 = {
    "posting": (
        "CREATE TABLE posting (log_id INTEGER NOT NULL, account TEXT NOT NULL, item TEXT NOT NULL, "
        "position INTEGER NOT NULL, line INTEGER NOT NULL, commodity TEXT NOT NULL, "
        "quantity INTEGER NOT NULL, occurred_at INTEGER NOT NULL, CONSTRAINT pk_posting "
        "PRIMARY KEY (log_id, account, item, position, line)) WITHOUT ROWID, STRICT"
    ),
    "entry_pack": (
        "CREATE TABLE entry_pack (log_id INTEGER NOT NULL, pack TEXT NOT NULL, "
        "count INTEGER NOT NULL, position INTEGER NOT NULL, CONSTRAINT pk_entry_pack "
        "PRIMARY KEY (log_id, pack, count)) WITHOUT ROWID, STRICT"
    ),
}
_COLUMNS_0008 = {
    "posting": "log_id, account, item, position, line, commodity, quantity, occurred_at",
    "entry_pack": "log_id, pack, count, position",
}


def back_to_0008(url: str) -> None:
    """Take revision 0009 back: postings and links without stretches, as their keys were."""
    target = ledger_url(url)
    engine = sa.create_engine(target, poolclass=sa.NullPool)
    make = _as_sqlite if sqlite_file(target) is not None else _as_postgres
    with engine.begin() as tx:
        for table in _KEYS_0008:
            make(tx, table)
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0008'")
    engine.dispose()


def _as_sqlite(tx: sa.Connection, table: str) -> None:
    same = " AND ".join(f"{key} = NEW.{key}" for key in _KEYS_0008[table].split(", "))
    for name in ("new", "no_update", "no_delete"):
        tx.exec_driver_sql(f"DROP TRIGGER {table}_{name}")
    tx.exec_driver_sql(f"ALTER TABLE {table} RENAME TO newer")
    tx.exec_driver_sql(_SQLITE_0008[table])
    columns = _COLUMNS_0008[table]
    tx.exec_driver_sql(f"INSERT INTO {table} SELECT {columns} FROM newer")
    tx.exec_driver_sql("DROP TABLE newer")
    tx.exec_driver_sql(
        f"CREATE TRIGGER {table}_new BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table}: this key is taken'); END"
    )
    for verb in ("UPDATE", "DELETE"):
        tx.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: append-only'); END"
        )


def _as_postgres(tx: sa.Connection, table: str) -> None:
    tx.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN stretch")
    tx.exec_driver_sql(
        f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({_KEYS_0008[table]})"
    )
