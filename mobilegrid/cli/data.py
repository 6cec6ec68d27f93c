"""`data`: public data sets through the ordinary command path."""

from pathlib import Path

import click
import msgspec

from ledger.adapters.importers.plan import OPENED_AT, read_data
from ledger.adapters.importers.report import TableReport
from ledger.adapters.importers.runner import import_data
from ledger.kernel.errors import NotFound
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.estimating import follow_charges

LEDGER_ID = "real"
ORIGIN = "mobilegrid.example/log/real"


class Imported(msgspec.Struct, frozen=True):
    """What `data import` tells: each table, and the log as it stands then."""

    tables: list[TableReport]
    packs: int
    is_complete: bool
    added: int
    size: int
    root: str


@click.command("import", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_obj
def import_(app: App, folder: Path) -> None:
    """Replay real networks and ageing packs.

    Stations, tariffs, all charging sessions and all measurements of ageing cells become entries;
    rows that contradict themselves or each other become cases, none is dropped. Importing again
    adds nothing; an import that was stopped goes on where it was. A ledger is created when the
    database holds none. Ends with 1 when a row of a table is not accounted for.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    request = wiring.opening(LEDGER_ID, ORIGIN, "UTC", OPENED_AT)
    with app.console.bars() as progress:
        data = read_data(folder, progress)  # bad data must not leave a ledger of one entry behind
    ledger, is_new = wiring.open_or_create(app.settings, request)
    with ledger:
        if is_new:
            app.console.remark(f"Created ledger {LEDGER_ID}.")
        with app.console.bars() as progress:
            report = import_data(ledger, data, estimate=follow_charges, progress=progress)
        with ledger.reading() as reads:
            size, root = reads.size, reads.head.root.hex()
    answer = Imported(report.tables, report.packs, report.is_complete, report.added, size, root)
    app.console.answer(
        answer,
        str(report),
        f"every row is {'' if report.is_complete else 'NOT '}accepted or set aside; "
        f"{report.added:,} entries added",
        f"entries: {size:,}",
        f"root: {root}",
    )
    if not report.is_complete:
        click.get_current_context().exit(1)
