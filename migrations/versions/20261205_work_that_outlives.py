"""Work that takes longer than a request, kept over restarts: what was asked for, what became."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: what was asked for before ended with its process."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "job",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Text(), nullable=False),
        sa.Column("asked_at", big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("ended_at", big, nullable=False),
        sa.Column("size", big, nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "job_id", name=op.f("pk_job")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index(
        op.f("ix_job_log_id_state_asked_at"), "job", ["log_id", "state", "asked_at"], unique=False
    )
    op.create_index(
        op.f("ix_job_log_id_asked_for_ended_at"),
        "job",
        ["log_id", "asked_for", "ended_at"],
        unique=False,
    )
