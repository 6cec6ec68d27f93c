"""`demo`: one day of a seeded town."""

from pathlib import Path

import click

from mobilegrid.cli.base import App, Command
from mobilegrid.cli.params import FOLDER

SEED = 7


@click.command(cls=Command)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Which town and day.")
@click.option("--keep", type=FOLDER, metavar="DIR", help="Keep the ledger and proofs there.")
@click.option("--no-serve", is_flag=True, help="End after the tour; so far it always does.")
@click.pass_context
def demo(context: click.Context, *, seed: int, keep: Path | None, no_serve: bool) -> None:
    """Live through one day of a seeded town and check it.

    Swaps, a half swap, a late report, a safety hold; packs, energy, money, a bill, a statement and
    a checked proof. The same seed gives the same day.
    """
    del no_serve  # the doors that would be served do not stand yet
    from mobilegrid.demo.tour import run

    app = context.find_object(App)
    assert app is not None, "the root makes it"
    context.exit(run(seed, keep, app.console))
