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
    "checkouts",
    "closing_balances",
    "consents",
    "credit_notes",
    "credited",
    "deposits",
    "disputed_lines",
    "disputes",
    "driver_bookings",
    "dunning",
    "energy_costs",
    "energy_pools",
    "energy_purchases",
    "extra_packs",
    "journeys",
    "leavings",
    "line_disputes",
    "lots",
    "maintenance_plans",
    "manual_entries",
    "older_sights",
    "pack_counters",
    "partner_files",
    "payables",
    "payees",
    "payment_calls",
    "payment_refs",
    "payout_batches",
    "payouts",
    "periods",
    "plans",
    "promo_codes",
    "promos",
    "provider_news",
    "psp_lines",
    "reconciled_legs",
    "reconciliation_runs",
    "reduced_shares",
    "refunds",
    "reratings",
    "saved_cards",
    "saved_methods",
    "shifts",
    "slot_times",
    "station_profiles",
    "stay_weeks",
    "subscriptions",
    "support_cases",
    "suspense_items",
    "tariff_used",
    "tested_models",
    "used_codes",
    "vehicles",
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
    _sign_in()
    _notices()


def _notices() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "driver_notice",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("driver_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", big, nullable=False),
        sa.PrimaryKeyConstraint("log_id", "notice_id", name=op.f("pk_driver_notice")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_driver_notice_log_id_driver_id_at"),
        "driver_notice",
        ["log_id", "driver_id", "at"],
        unique=False,
    )
    op.create_table(
        "driver_notice_settings",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("driver_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "driver_id", name=op.f("pk_driver_notice_settings")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _sign_in() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    tables = {
        "passkey": (
            sa.Column("credential_id", sa.LargeBinary(), autoincrement=False, nullable=False),
            sa.Column("passkey_id", sa.Text(), nullable=False),
            sa.Column("driver_id", sa.Text(), nullable=False),
            sa.Column("public_key", sa.LargeBinary(), nullable=False),
            sa.Column("sign_count", big, nullable=False),
            sa.Column("label", sa.Text(), nullable=False),
            sa.Column("made_at", big, nullable=False),
            sa.Column("used_at", big, nullable=False),
            sa.UniqueConstraint("log_id", "passkey_id", name=op.f("uq_passkey_log_id_passkey_id")),
        ),
        "sign_in_session": (
            sa.Column("session_id", sa.Text(), autoincrement=False, nullable=False),
            sa.Column("driver_id", sa.Text(), nullable=False),
            sa.Column("cookie", sa.LargeBinary(), nullable=False),
            sa.Column("label", sa.Text(), nullable=False),
            sa.Column("made_at", big, nullable=False),
            sa.Column("seen_at", big, nullable=False),
            sa.Column("ends_at", big, nullable=False),
            sa.Column("step_up_until", big, nullable=False),
        ),
        "sign_in_credential": (
            sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
            sa.Column("session_id", sa.Text(), nullable=False),
            sa.Column("kind", sa.Text(), nullable=False),
            sa.Column("ends_at", big, nullable=False),
            sa.Column("used_at", big, nullable=False),
        ),
        "sign_in_slip": (
            sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
            sa.Column("kind", sa.Text(), nullable=False),
            sa.Column("driver_id", sa.Text(), nullable=False),
            sa.Column("ends_at", big, nullable=False),
            sa.Column("body", sa.LargeBinary(), nullable=False),
        ),
        "sign_in_address": (
            sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
            sa.Column("driver_id", sa.Text(), nullable=False),
        ),
    }
    for name, columns in tables.items():
        op.create_table(
            name,
            sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("log_id", columns[0].name, name=op.f(f"pk_{name}")),
            sqlite_strict=True,
            sqlite_with_rowid=False,
        )
    indexes = (
        ("passkey", "driver_id"),
        ("sign_in_session", "driver_id"),
        ("sign_in_session", "cookie"),
        ("sign_in_credential", "session_id"),
        ("sign_in_slip", "driver_id"),
        ("sign_in_address", "driver_id"),
    )
    for name, column in indexes:
        index = op.f(f"ix_{name}_log_id_{column}")
        op.create_index(index, name, ["log_id", column], unique=False)
