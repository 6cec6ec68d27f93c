"""View of the promos that take something off the bills of drivers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

VIEWS: tuple[str, ...] = ("discounts",)


def upgrade() -> None:
    """Make the table, empty: none was granted before."""
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
