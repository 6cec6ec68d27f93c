"""The tables of the core and their append-only guards."""

import sqlalchemy as sa
from alembic import op

from ledger.store import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "access_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("parameters_digest", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "access_id", name=op.f("pk_access")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "balance",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("commodity", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "account", "item", "commodity", name=op.f("pk_balance")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoint",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column(
            "signed_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "size", name=op.f("pk_checkpoint")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cosignature",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("key_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", "key_id", name=op.f("pk_cosignature")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entry",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "occurred_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(bytes) BETWEEN 2 AND 65535", name=op.f("ck_entry_bytes")),
        sa.PrimaryKeyConstraint("log_id", "position", name=op.f("pk_entry")),
        postgresql_partition_by="RANGE (position)",
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "entry_pack",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pack", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "count",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "pack", "count", name=op.f("pk_entry_pack")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasure",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "ordered_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "subject", name=op.f("pk_erasure")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "follower",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "name", name=op.f("pk_follower")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.Column(
            "recorded_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("rebuilds", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_log")),
        sa.UniqueConstraint("ledger", name=op.f("uq_log_ledger")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "misbehaviour",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "origin", "digest", name=op.f("pk_misbehaviour")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "position", "line", name=op.f("pk_outbox")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "posting",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "occurred_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint(
            "log_id", "account", "item", "position", "line", name=op.f("pk_posting")
        ),
        postgresql_partition_by="RANGE (position)",
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipt",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("principal", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "principal", "key", name=op.f("pk_receipt")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "station_day",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("station_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "charging_sessions",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "energy_in_wh", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("packs_in", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "packs_out", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "station_id", "day", name=op.f("pk_station_day")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tile",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "number", name=op.f("pk_tile")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "view_billed",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_billed")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_billed_log_id_listed_key"),
        "view_billed",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_bindings",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_bindings")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_bindings_log_id_listed_key"),
        "view_bindings",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_booking_pools",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_booking_pools")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_booking_pools_log_id_listed_key"),
        "view_booking_pools",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_bookings",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_bookings")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_bookings_log_id_listed_key"),
        "view_bookings",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_cases",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_cases")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_cases_log_id_listed_key"),
        "view_cases",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_charging_sessions",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_charging_sessions")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_charging_sessions_log_id_listed_key"),
        "view_charging_sessions",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_contracts",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_contracts")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_contracts_log_id_listed_key"),
        "view_contracts",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_driver_packs",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_driver_packs")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_driver_packs_log_id_listed_key"),
        "view_driver_packs",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_history_maps",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_history_maps")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_history_maps_log_id_listed_key"),
        "view_history_maps",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_invoiced",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_invoiced")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_invoiced_log_id_listed_key"),
        "view_invoiced",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_invoices",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_invoices")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_invoices_log_id_listed_key"),
        "view_invoices",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_meters",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_meters")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_meters_log_id_listed_key"),
        "view_meters",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_pack_chains",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_pack_chains")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_pack_chains_log_id_listed_key"),
        "view_pack_chains",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_pack_classes",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_pack_classes")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_pack_classes_log_id_listed_key"),
        "view_pack_classes",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_packs",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_packs")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_packs_log_id_listed_key"),
        "view_packs",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_parties",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_parties")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_parties_log_id_listed_key"),
        "view_parties",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_payments",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_payments")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_payments_log_id_listed_key"),
        "view_payments",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_series",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_series")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_series_log_id_listed_key"),
        "view_series",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_settled",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_settled")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_settled_log_id_listed_key"),
        "view_settled",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_signing",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_signing")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_signing_log_id_listed_key"),
        "view_signing",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_slots",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_slots")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_slots_log_id_listed_key"),
        "view_slots",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_statements",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_statements")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_statements_log_id_listed_key"),
        "view_statements",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_stations",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_stations")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_stations_log_id_listed_key"),
        "view_stations",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_subjects",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_subjects")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_subjects_log_id_listed_key"),
        "view_subjects",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_swaps",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_swaps")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_swaps_log_id_listed_key"),
        "view_swaps",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_tariff_days",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_tariff_days")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_tariff_days_log_id_listed_key"),
        "view_tariff_days",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "view_tariffs",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("listed", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "key", name=op.f("pk_view_tariffs")),
        postgresql_with={"fillfactor": 70},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_view_tariffs_log_id_listed_key"),
        "view_tariffs",
        ["log_id", "listed", "key"],
        unique=False,
    )
    op.create_table(
        "witness_head",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column(
            "signed_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "origin", name=op.f("pk_witness_head")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    guards.install(op.get_bind())
