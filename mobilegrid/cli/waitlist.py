"""`waitlist`: drivers who wait for a pack that a station has not free."""

import click
import msgspec

from ledger.domain.waitlist import WAITLISTS, JoinWaitlist, LeaveWaitlist
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, moment, number, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import time_words

_DRIVER = argument("driver_id", "DRIVER")
_STATION = text("--station", "station_id", "Where.", required=True, metavar="STATION")
_CLASS = text("--class", "pack_class", "For which class.", required=True, metavar="CLASS")

join = asks(
    "join",
    """Let a driver wait for packs of a class at a station.

    What becomes free is offered to the first who waits, and kept for him for ten minutes; he takes
    it by booking.
    """,
    JoinWaitlist,
    "support",
    [
        _DRIVER,
        _STATION,
        _CLASS,
        moment("--until", "until", "How long at most.", required=True),
        number("--count", "count", "How many packs.", default=1, show_default=True),
    ],
    "driver_id",
)

leave = asks(
    "leave",
    """Let a driver wait no more.

    What was offered to him goes to the next.
    """,
    LeaveWaitlist,
    "support",
    [_DRIVER, _STATION, _CLASS],
    "driver_id",
)


@click.command(cls=Command, name="list")
@click.option("--station", "station_id", default="", metavar="STATION", help="At one station.")
@click.pass_obj
def list_(app: App, station_id: str) -> None:
    """List who waits where, the first one first."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(WAITLISTS, listed="waiting")]
    lists = [row for row in found if station_id in ("", row.station_id)]
    lists.sort(key=lambda row: (row.station_id, row.pack_class))
    rows = [
        (
            row.station_id,
            row.pack_class,
            str(number),
            one.driver_id,
            str(one.count),
            time_words(one.until),
            time_words(one.offered_until) if one.offered_until else "none",
        )
        for row in lists
        for number, one in enumerate(row.places, start=1)
    ]
    columns = ("Station", "Class", "Place", "Driver", "Packs", "Until", "Offer until")
    app.console.answer(
        [msgspec.to_builtins(row) for row in lists],
        table(f"{len(rows)} wait", columns, rows, right=(2, 4)),
    )
