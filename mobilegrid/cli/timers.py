"""`timers`: what the clock alone decides."""

import click

from ledger.runtime.timers import run_timers
from mobilegrid import wiring
from mobilegrid.cli.acting import TIME_OR_NONE
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import kind_words


@click.command(cls=Command)
@click.option("--at", type=TIME_OR_NONE, default=0, metavar="TIME", help="As if it were then.")
@click.pass_obj
def run(app: App, at: int) -> None:
    """Ask for everything that is due.

    Deliveries, returns, swaps and bookings that ran out. To be run once a minute; running it again
    changes nothing. Packs in suspense for more than 30 days are named: two persons may declare
    them missing.
    """
    now = at or wiring.CLOCK.now()
    with wiring.open_ledger(app.settings) as ledger:
        done = run_timers(ledger, now, wiring.SYSTEM)
    rows = [(kind_words(name), str(count), "done") for name, count in done.done.items()]
    rows += [(kind_words(name), str(count), "refused") for name, count in done.refused.items()]
    lines: list[object] = [f"{done.asked} asked"]
    if rows:
        lines.append(table("", ("What", "Times", ""), rows, right=(1,)))
    if done.may_be_missing:
        lines.append(f"May be declared missing: {', '.join(done.may_be_missing)}")
    app.console.answer(done, *lines)
