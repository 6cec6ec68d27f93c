"""What is imported, in which order: the data set as read, and the steps that take it in.

A step is one command with the row it comes from. Its time and its idempotency key follow from the
row alone, so that importing again meets its own receipts, and importing elsewhere gives the same
log, byte by byte.
"""

from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from ledger.adapters.importers.cells import (
    AGEING_TABLES,
    ATTRIBUTES,
    CELLS,
    CODES,
    CURVES,
    PARTIAL,
    TESTS,
    Ageing,
    read_ageing,
    read_attributes,
    read_codes,
)
from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.places import (
    CHARGE_POINTS,
    PILE_STATIONS,
    SWAP_STATIONS,
    Place,
    read_charge_points,
    read_pile_stations,
    read_swap_stations,
)
from ledger.adapters.importers.prices import PRICES, PriceDay, read_days
from ledger.adapters.importers.sessions import Stay, read_stays, table_of
from ledger.adapters.importers.tables import Table, check_header, place_of
from ledger.kernel.errors import Malformed
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Command, Request

OPENED_AT = 1_483_228_800_000_000
"""2017-01-01T00:00:00Z, before the first row: when the ledger of a replay is opened."""

REGISTRATIONS = "registrations"
"""Counts what stands in no table: parties, tariffs, contracts, slots, meters, drivers, packs."""

PRINCIPAL = "data import"
IMPORTER = Actor(id="data-import", role="importer", second_person="data-steward")

SESSION_TABLES: tuple[Table, ...] = tuple(table_of(network) for network in NETWORKS)
TABLES: tuple[Table, ...] = (CHARGE_POINTS, *SESSION_TABLES, SWAP_STATIONS, PILE_STATIONS, *PRICES)

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are done, and how many there are."""


class Expected(NamedTuple):
    """What a reported stay must come to: accepted, or set aside for a reason, with a case or not.

    Energy in Wh; `is_mismatch` marks an accepted one whose states of charge do not fit it.
    """

    reason: str
    opens_case: bool
    energy_wh: int
    is_mismatch: bool


class Step(msgspec.Struct, frozen=True, gc=False):
    """One command: `at` is its time, `name` tells it apart from others of its `table`.

    `rows` of that table are done with it, and `also` rows of others: 0 for what a row needs beside
    itself. `expected` only for the report of a stay; `set_aside` says why a measurement cannot be
    used, `energy_wh` what it counted. The steward of the data acts in `role`.
    """

    at: int
    table: str
    name: str
    place: str
    command: Command
    rows: int = 0
    expected: Expected | None = None
    role: str = IMPORTER.role
    set_aside: str = ""
    energy_wh: int = 0
    also: tuple[tuple[str, int], ...] = ()

    def request(self) -> Request:
        """Make the request; the same step always makes the same."""
        key = key_at(self.at, self.table, self.name)
        actor = IMPORTER if self.role == IMPORTER.role else _acting(self.role)
        return Request(key, PRINCIPAL, actor, self.at, self.command)


@cache
def _acting(role: str) -> Actor:
    return Actor(id=IMPORTER.id, role=role, second_person=IMPORTER.second_person)


class DataSet(msgspec.Struct, frozen=True):
    """All rows of a folder, exact; price days by time, stays of each network by their ends.

    `ageing` is None where the folder has no ageing cells. `checked` counts the rows of tables that
    our own rules were held against and that make no entries.
    """

    charge_points: list[Place]
    swap_stations: list[Place]
    pile_stations: list[Place]
    days: list[PriceDay]
    stays: list[list[Stay]]
    ageing: Ageing | None = None
    checked: dict[str, int] = {}

    def row_counts(self) -> dict[str, int]:
        """Count the rows of each table, in the order in which they are reported."""
        hours = dict.fromkeys((table.name for table in PRICES), 0)
        for day in self.days:
            hours[day.table.name] += day.hours
        return {
            CHARGE_POINTS.name: len(self.charge_points),
            **{t.name: len(some) for t, some in zip(SESSION_TABLES, self.stays, strict=True)},
            SWAP_STATIONS.name: len(self.swap_stations),
            PILE_STATIONS.name: len(self.pile_stations),
            **hours,
            **({} if self.ageing is None else _ageing_counts(self.ageing)),
            **self.checked,
        }


def _ageing_counts(data: Ageing) -> dict[str, int]:
    counts = dict.fromkeys((table.name for table in AGEING_TABLES), 0)
    for cell in data.cells:
        counts[cell.table.name] += 1
    for cycles in data.cycles.values():
        counts[cycles[0].table.name] += len(cycles)
    counts[TESTS.name] = sum(map(len, data.tests.values()))
    counts[CURVES.name] = sum(one.points for one in data.series.values())
    counts[PARTIAL.name] = sum(map(len, data.partial.values()))
    return counts


def read_data(folder: Path, progress: Progress) -> DataSet:
    """Read every table of a folder, headers of all first; `Malformed` at the first bad row.

    Ageing cells, battery codes and attributes of passports are read where their folder is there.
    """
    ages = (folder / CELLS.path).parent.is_dir()
    for table in (*TABLES, *(AGEING_TABLES if ages else ())):
        check_header(folder, table)
    checked = {
        table.name: count(folder)
        for table, count in ((CODES, read_codes), (ATTRIBUTES, read_attributes))
        if (folder / table.path).is_file()
    }
    stays: list[list[Stay]] = []
    for number, network in enumerate(NETWORKS, start=1):
        stays.append(read_stays(folder, network))
        progress("reading", number, len(NETWORKS))
    return DataSet(
        charge_points=read_charge_points(folder),
        swap_stations=read_swap_stations(folder),
        pile_stations=read_pile_stations(folder),
        days=_by_time(list(chain.from_iterable(read_days(folder, table) for table in PRICES))),
        stays=stays,
        ageing=read_ageing(folder) if ages else None,
        checked=checked,
    )


def _by_time(days: list[PriceDay]) -> list[PriceDay]:
    days.sort(key=lambda day: day.start_at)
    for before, after in pairwise(days):
        if before.start_at == after.start_at:
            place = place_of(after.table, after.number)
            raise Malformed(
                f"{before.table.path} has this day, too", field="start_utc", place=place
            )
    return days
