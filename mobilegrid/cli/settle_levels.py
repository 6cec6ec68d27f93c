"""`settle levels`: what was kept of what was agreed, partner by partner."""

import click
import msgspec

from ledger.runtime.service_levels import ServiceLevel, service_levels
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table

_COLUMNS = {
    "Completed": "swaps_completed",
    "Incomplete": "swaps_incomplete",
    "Expired": "swaps_expired",
    "Issued": "statements_issued",
    "Answered": "statements_accepted",
    "Deemed": "statements_deemed",
    "Disputed": "disputes_raised",
    "Late": "disputes_late",
    "Paid": "payouts_left",
    "Back": "payouts_returned",
}


class Levels(msgspec.Struct, frozen=True):
    """The answer in JSON: the range of entries, and what was counted in it."""

    first: int
    end: int
    items: list[ServiceLevel]


@click.command("levels", cls=Command)
@click.option("--partner", default="", metavar="ID", help="One partner alone.")
@click.option("--first", type=click.IntRange(0), default=0, help="The first entry that counts.")
@click.option("--end", type=click.IntRange(0), help="The entry after the last one that counts.")
@click.pass_obj
def levels(app: App, partner: str, first: int, end: int | None) -> None:
    """Count swaps, statements, disputes and payouts by how they ended.

    One row a partner.
    """
    with wiring.reading(app.settings) as reads:
        last = reads.size if end is None else min(end, reads.size)
        found = service_levels(reads, first, last, wiring.CLOCK.now())
    items = [one for one in found if partner in ("", one.partner_id)]
    rows = [
        (
            one.partner_id,
            f"{one.completed_bp / 100:.2f} %",
            *(str(getattr(one, name)) for name in _COLUMNS.values()),
        )
        for one in items
    ]
    columns = ("Partner", "Kept", *_COLUMNS)
    shown = table("Service levels", columns, rows, right=tuple(range(1, len(columns))))
    app.console.answer(Levels(first, last, items), shown)
