"""`maintenance`: what is looked after in time, by calendar or by a counter."""

import click
import msgspec

from ledger.domain.maintenance import (
    MEASURES,
    PLANS,
    CheckMaintenance,
    RecordMaintenance,
    SetMaintenancePlan,
)
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, number, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import time_words

_PLAN = argument("plan_id", "PLAN")
_COUNT = number("--count", "count", "What the counter said.")

plan = asks(
    "plan",
    """Say how often something is looked after.

    By days of the calendar, or by operating hours, swaps or equivalent cycles. Every 0 ends it.
    """,
    SetMaintenancePlan,
    "asset_manager",
    [
        _PLAN,
        text("--subject", "subject", "What is looked after.", required=True, metavar="ID"),
        text(
            "--measure", "measure", "By what measure.", required=True, type=click.Choice(MEASURES)
        ),
        number("--every", "every", "How often.", required=True),
    ],
    "plan_id",
)

check = asks(
    "check",
    """Hold a counter that was read against a plan.

    A plan that is overdue becomes a case; plans by calendar are watched by the clock.
    """,
    CheckMaintenance,
    "operator",
    [_PLAN, _COUNT],
    "plan_id",
)

done = asks(
    "done",
    """Record that something was looked after.

    The case of an overdue plan ends with it.
    """,
    RecordMaintenance,
    "workshop",
    [_PLAN, _COUNT, text("--work-order", "work_order_id", "By which order.", metavar="ID")],
    "plan_id",
)


@click.command(cls=Command, name="list")
@click.pass_obj
def list_(app: App) -> None:
    """List plans, the overdue ones first."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(PLANS) if not row.is_ended]
    found.sort(key=lambda row: (not row.is_overdue, row.plan_id))
    rows = (
        (
            one.plan_id,
            one.subject,
            f"every {one.every:,} by {one.measure.replace('_', ' ')}",
            time_words(one.done_at),
            "overdue" if one.is_overdue else "",
        )
        for one in found
    )
    columns = ("Plan", "Subject", "How often", "Last", "")
    app.console.answer(
        [msgspec.to_builtins(one) for one in found],
        table(f"{len(found)} plans", columns, rows),
    )
