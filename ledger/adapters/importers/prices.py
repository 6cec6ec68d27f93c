"""Reading hourly wholesale prices: the hours of one UTC day become one set of 24 prices."""

from itertools import groupby, pairwise
from pathlib import Path

import msgspec

from ledger.adapters.importers.tables import Table, place_of, read, scaled_of, time_of
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import DAY, HOUR

COLUMNS = ("start_utc", "eur_per_mwh")
PRICES: tuple[Table, ...] = tuple(
    Table(f"prices/de_day_ahead_{year}.csv", COLUMNS) for year in (2017, 2018, 2023)
)

HOURS = 24


class PriceHour(msgspec.Struct, frozen=True):
    """The price of one hour in millionths of a euro per kWh; may be negative."""

    number: int
    start_at: int
    rate_micro: int


class PriceDay(msgspec.Struct, frozen=True):
    """The prices of one UTC day: 24 of them, 0 in the hours that `hours_missing` lists."""

    table: Table
    number: int
    start_at: int
    hours_micro: tuple[int, ...]
    hours_missing: tuple[int, ...]

    @property
    def hours(self) -> int:
        """How many rows of the table the day is made of."""
        return HOURS - len(self.hours_missing)


def read_days(folder: Path, table: Table) -> list[PriceDay]:
    """Read a price file; `Malformed` when its hours are not in order or one comes twice."""
    hours = list(read(folder, table, _hour))
    for before, after in pairwise(hours):
        if after.start_at <= before.start_at:
            place = place_of(table, after.number)
            raise Malformed("hours must follow one another", field="start_utc", place=place)
    days = groupby(hours, key=lambda hour: hour.start_at // DAY)
    return [_day(table, number * DAY, list(some)) for number, some in days]


def _hour(number: int, cells: list[str]) -> PriceHour:
    start_at = time_of(cells[0], "start_utc")
    if start_at % HOUR:
        raise Malformed(f"not the start of an hour: {cells[0]}", field="start_utc")
    # 1 EUR/MWh = 1,000 millionths per kWh: three decimals are exact
    return PriceHour(number, start_at, scaled_of(cells[1], "eur_per_mwh", 3))


def _day(table: Table, start_at: int, hours: list[PriceHour]) -> PriceDay:
    known = {(hour.start_at - start_at) // HOUR: hour.rate_micro for hour in hours}
    return PriceDay(
        table=table,
        number=hours[0].number,
        start_at=start_at,
        hours_micro=tuple(known.get(hour, 0) for hour in range(HOURS)),
        hours_missing=tuple(hour for hour in range(HOURS) if hour not in known),
    )
