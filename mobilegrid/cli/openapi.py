"""`openapi`: the document that describes the doors to programs."""

from pathlib import Path

import click

from mobilegrid.cli.base import App, Command
from mobilegrid.cli.params import FILE, write_file
from partner_api.app import DOORS


@click.command(
    cls=Command,
    no_ledger="The document is of the program; name where it goes with --out.",
)
@click.option(
    "--out",
    type=FILE,
    default=Path("docs/openapi.json"),
    show_default=True,
    metavar="FILE",
    help="File to write it to.",
)
@click.pass_obj
def openapi(app: App, out: Path) -> None:
    """Write the OpenAPI document of all doors."""
    from mobilegrid import serving

    write_file(out, serving.openapi(list(DOORS)))
    app.console.answer({"file": str(out)}, str(out))
