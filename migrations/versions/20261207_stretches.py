"""Postings and links of packs lie by stretches of 65,536 positions first, then as before."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from ledger.store import guards

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# As it was when these rows were made: the number stands in them.
ENTRIES = 65_536

POSTING = ("account", "item", "position", "line", "commodity", "quantity", "occurred_at")
LINK = ("pack", "count", "position")


def upgrade() -> None:
    """Make both tables anew with all their rows, in the transaction of the migration.

    Needs room for the new tables beside the old ones, and memory for neither.
    """
    if op.get_bind().dialect.name == "postgresql":
        _rewrite("posting", ("log_id", "stretch", "account", "item", "position", "line"))
        _rewrite("entry_pack", ("log_id", "stretch", "pack", "count"))
        return
    # SQLite keeps a whole table in memory to clear its pages when it goes; the rows stay anyway
    op.execute("PRAGMA secure_delete = OFF")
    _make_anew("posting", POSTING, _new_posting)
    _make_anew("entry_pack", LINK, _new_entry_pack)
    op.execute("PRAGMA secure_delete = ON")


def _rewrite(table: str, key: tuple[str, ...]) -> None:
    """Write each partition once more with the stretch, then build the key again.

    As a generated column first, for an UPDATE would meet the guards and leave every row twice.
    """
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN stretch bigint "
        f"GENERATED ALWAYS AS (position / {ENTRIES}) STORED NOT NULL"
    )
    op.execute(f"ALTER TABLE {table} ALTER COLUMN stretch DROP EXPRESSION")
    op.drop_constraint(f"pk_{table}", table, type_="primary")
    op.create_primary_key(op.f(f"pk_{table}"), table, list(key))


def _make_anew(table: str, columns: tuple[str, ...], create: Callable[[], None]) -> None:
    """Copy the rows in the order they lie in: each stretch grows at its own end."""
    before = f"{table}_before"
    # their texts name columns, and a table that is renamed must not break any
    for verb in ("new", "no_update", "no_delete"):
        op.execute(f"DROP TRIGGER IF EXISTS {table}_{verb}")
    op.rename_table(table, before)
    create()
    names = ", ".join(columns)
    op.execute(
        f"INSERT INTO {table} (log_id, stretch, {names}) "  # noqa: S608  only names above
        f"SELECT log_id, position / {ENTRIES}, {names} FROM {before}"
    )
    op.drop_table(before)
    guards.install_on_table(op.get_bind(), table)


def _new_posting() -> None:
    op.create_table(
        "posting",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stretch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "log_id", "stretch", "account", "item", "position", "line", name=op.f("pk_posting")
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _new_entry_pack() -> None:
    op.create_table(
        "entry_pack",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stretch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pack", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "stretch", "pack", "count", name=op.f("pk_entry_pack")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
