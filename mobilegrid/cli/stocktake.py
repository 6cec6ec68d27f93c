"""`stocktake`: count a depot or a station, and draw the consequences."""

from pathlib import Path
from typing import Any

import click

from ledger.domain.custody import PACKS
from ledger.domain.stations import SLOTS
from ledger.domain.stocktake import CloseStocktake, RecordStocktake
from ledger.domain.transitions import depot_account, staged_account
from ledger.kernel.messages import Command as LedgerCommand
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    DIGEST,
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    fresh,
    number,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.params import FILE, read_file

SHEET_BYTES_MAX = 1024 * 1024


def packs_at(reads: Reads, depot_id: str, station_id: str) -> set[str]:
    """List what the books have in a depot, or in the slots and on the floor of a station."""
    if depot_id:
        return {key for key, _ in reads.rows(PACKS, listed=depot_account(depot_id))}
    floor = {key for key, _ in reads.rows(PACKS, listed=staged_account(station_id))}
    slots = (row.pack_id for _, row in reads.rows(SLOTS, listed=station_id))
    return floor | {pack_id for pack_id in slots if pack_id}


def _run(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    sheet: Path = given.pop("sheet")
    found = tuple(read_file(sheet, SHEET_BYTES_MAX).decode("utf-8", "replace").split())
    acting = acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            missing = packs_at(reads, given["depot_id"], given["station_id"]) - set(found)
        command: LedgerCommand = RecordStocktake(
            **given,
            sheet_sha256=DIGEST.convert(sheet, None, None),
            found=found,
            missing=tuple(sorted(missing)),
            occurred_at=acting.at,
        )
        made = ask(ledger, command, acting)
    tell(app, "RecordStocktake", given["stocktake_id"], made)
    if missing and not app.as_json:
        app.console.remark(f"Not found: {', '.join(sorted(missing))}")


recorded = Command(
    "record",
    params=[
        click.Argument(["sheet"], type=FILE, metavar="SHEET"),
        fresh("--id", "stocktake_id", "SK"),
        text("--depot", "depot_id", "The depot that was counted.", metavar="PARTY"),
        text("--station", "station_id", "The station that was counted.", metavar="STATION"),
        *acting_parameters("auditor"),
    ],
    callback=_run,
    help="""Record a sheet of scans.

    SHEET holds the ids of the packs that were seen, between blanks or lines. What the books have at
    the place and the sheet does not is missing; nothing is posted until the sheet is closed.
    """,
)

close = asks(
    "close",
    """Close a sheet; two persons.

    What is missing goes to suspense with a case; what should not be there becomes a case.
    """,
    CloseStocktake,
    "auditor",
    [
        argument("stocktake_id", "STOCKTAKE"),
        number("--level", "level", "Evidence level, 0 to 5.", default=2, show_default=True),
    ],
    "stocktake_id",
)
