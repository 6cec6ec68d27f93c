"""`letters`: notices that leave the house by e-mail or text message, and those nobody took."""

import click
import msgspec

from ledger.runtime.notice_sending import try_again
from ledger.store import notice_sending
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import time_words

_STATES = ("waiting", "sending", "sent", "dead", "dropped")


@click.command(cls=Command, name="list")
@click.option(
    "--state",
    default="dead",
    show_default=True,
    type=click.Choice(_STATES),
    help="How they stand; dead are those that could not be sent.",
)
@click.pass_obj
def list_(app: App, state: str) -> None:
    """List letters to drivers of the last 30 days.

    What they say is not among it, nor where they go.
    """
    with wiring.reading(app.settings) as reads:
        rows = notice_sending.of_state(reads.tx, reads.name.log_id, state.upper())
    columns = ("Notice", "Channel", "Driver", "Kind", "Of", "Tries", "Reason")
    shown = [
        (
            row.notice_id,
            row.channel,
            row.driver_id,
            row.kind,
            time_words(row.at),
            str(row.tries),
            row.reason or "none",
        )
        for row in rows
    ]
    app.console.answer(
        [msgspec.to_builtins(row) for row in rows],
        table(f"{len(rows)} letters, {state}", columns, shown, right=(5,)),
    )


@click.command(cls=Command)
@click.pass_obj
def retry(app: App) -> None:
    """Let dead letters go once more.

    To be asked when what stood against them is mended. Those that may have arrived are not among
    them: nothing is sent twice.
    """
    with wiring.open_ledger(app.settings) as ledger:
        count = try_again(ledger, wiring.CLOCK.now())
    app.console.answer({"again": count}, f"{count} letters go again.")
