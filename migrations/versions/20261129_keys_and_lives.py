"""Views of announced keys and of the life of a pack; what opens sealed fields of entries."""

import sqlalchemy as sa
from alembic import op

from ledger.store import guards

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VIEWS: tuple[str, ...] = (
    "asset_numbers",
    "chargers",
    "class_rules",
    "despatches",
    "driver_blocks",
    "health_models",
    "held_ceremonies",
    "log_keys",
    "meter_acceptances",
    "observation_sources",
    "pack_ends",
    "pack_health",
    "pack_purchases",
    "pack_sights",
    "pack_work",
    "pendings",
    "purchase_orders",
    "second_life",
    "slot_sights",
    "standing_keys",
    "stocktakes",
    "swap_bills",
    "timers",
    "titles",
    "transfer_orders",
    "wallet_payments",
    "wallets",
    "warranty_claims",
    "work_orders",
)


def upgrade() -> None:
    for name in VIEWS:
        op.create_table(
            f"view_{name}",
            sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
            sa.Column(
                "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
            ),
            sa.Column("listed", sa.Text(), nullable=False),
            sa.Column("state", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("log_id", "key", name=op.f(f"pk_view_{name}")),
            postgresql_with={"fillfactor": 70},
            sqlite_strict=True,
            sqlite_with_rowid=False,
        )
        op.create_index(
            op.f(f"ix_view_{name}_log_id_listed_key"),
            f"view_{name}",
            ["log_id", "listed", "key"],
            unique=False,
        )
    op.create_table(
        "opening",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "position", "name", name=op.f("pk_opening")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    guards.install_on_table(op.get_bind(), "opening")
