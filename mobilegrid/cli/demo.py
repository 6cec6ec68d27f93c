"""`demo`: a month of a seeded town."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import click

from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import Console
from mobilegrid.cli.params import FOLDER

SEED = 7


@click.command(
    cls=Command,
    no_ledger="It makes a ledger of its own; keep that one with --keep DIR.",
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Which town.")
@click.option("--keep", type=FOLDER, metavar="DIR", help="Keep the ledger and proofs there.")
@click.option("--papers", type=FOLDER, metavar="DIR", help="Write bills, statements, books there.")
@click.option("--no-serve", is_flag=True, help="End after the tour.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1024, 65_534), help="Where."
)
@click.pass_context
def demo(
    context: click.Context,
    *,
    seed: int,
    keep: Path | None,
    papers: Path | None,
    no_serve: bool,
    port: int,
) -> None:
    """Live through a month of a seeded town and check it.

    A first day with a half swap, a late report and a safety hold; then weeks in which bills are
    paid, partners settled and the books closed, and a checked proof. The same seed gives the same
    month. Then the town is opened: the drivers' app at --port, with stations that work and a
    provider of payments that moves no money (at the port after it), until interrupted.
    """
    from mobilegrid.demo.tour import FILE, Wanted, run

    app = context.find_object(App)
    assert app is not None, "the root makes it"
    is_served = not (no_serve or app.console.as_json)
    open_town = _opener(port) if is_served else None
    folder = keep or Path(mkdtemp(prefix="mobilegrid-demo-"))
    run(Wanted(seed, folder, papers), app.console)
    if open_town is not None:
        open_town(folder, f"sqlite:///{folder / FILE}", port, app.console)


def _opener(port: int) -> Callable[[Path, str, int, Console], None]:
    """Give what opens the town, once its ports are seen to be free: now, not after a month."""
    from mobilegrid.demo import opened

    opened.check_ports(port)
    return opened.open_town
