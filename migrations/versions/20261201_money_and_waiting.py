"""Views of money: payments, credit, payouts, bank lines, runs, periods; and of who waits."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

VIEWS: tuple[str, ...] = (
    "agent_sales",
    "allowances",
    "approvals",
    "asset_policies",
    "assets",
    "bank_accounts",
    "bank_lines",
    "bank_numbers",
    "bank_quarantine",
    "bank_settled_items",
    "bank_statements",
    "billing_policies",
    "books_calendar",
    "break_counts",
    "breaks",
    "call_stems",
    "card_payments",
    "closing_balances",
    "credit_notes",
    "credited",
    "deposits",
    "disputed_lines",
    "disputes",
    "dunning",
    "energy_costs",
    "energy_pools",
    "energy_purchases",
    "extra_packs",
    "line_disputes",
    "lots",
    "maintenance_plans",
    "manual_entries",
    "older_sights",
    "pack_counters",
    "payables",
    "payees",
    "payment_calls",
    "payment_refs",
    "payout_batches",
    "payouts",
    "periods",
    "plans",
    "promos",
    "provider_news",
    "psp_lines",
    "reconciled_legs",
    "reconciliation_runs",
    "reduced_shares",
    "refunds",
    "reratings",
    "saved_cards",
    "shifts",
    "slot_times",
    "station_profiles",
    "stay_weeks",
    "subscriptions",
    "suspense_items",
    "tariff_used",
    "tested_models",
    "waitlists",
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
