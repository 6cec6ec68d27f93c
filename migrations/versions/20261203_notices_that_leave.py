"""Notices to drivers that leave the house: by which channel, how often tried, what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: what happened before stays in the inboxes."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "driver_notice_sending",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("next_at", big, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "log_id", "notice_id", "channel", name=op.f("pk_driver_notice_sending")
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_driver_notice_sending_log_id_state_next_at"),
        "driver_notice_sending",
        ["log_id", "state", "next_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_driver_notice_sending_log_id_driver_id"),
        "driver_notice_sending",
        ["log_id", "driver_id"],
        unique=False,
    )
