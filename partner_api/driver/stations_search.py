"""Searching stations: what is looked for, as the parameters say it, and what fits."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from ledger.domain.stations import TIERS
from ledger.kernel.errors import Malformed
from ledger.kernel.geo import LAT_E7_MAX, LON_E7_MAX, Box, Point
from ledger.kernel.instants import parse_instant
from ledger.runtime.availability import NEAR_MAX, Near, StationNow
from ledger.tlog.note import read_decimal
from partner_api.driver.own import LIMIT, LIMIT_MAX
from partner_api.driver.station_view import OPEN, Stations
from partner_api.paging import Key
from partner_api.problems import DoorProblem

RADIUS_M, RADIUS_M_MAX = 10_000, 50_000
SORTS = ("distance", "ready", "price")
NOWHERE = -1
"""The distance of a station that was not looked for around a place."""

_SIDES = 4
_PLACE = 2

SEARCH = (
    *("near", "radius_m", "q", "pack_class", "min_ready", "tier", "open_now", "max_price_minor"),
    *("arrive_at", "sort", "limit", "cursor"),
)


class Search:
    """What is looked for, as the parameters say it."""

    def __init__(self, query: dict[str, str], now: int) -> None:
        """Read the parameters; `Malformed` names the first that is wrong."""
        self.query = query
        self.place = _point(query["near"]) if "near" in query else None
        self.radius_m = number(query, "radius_m", RADIUS_M, (1, RADIUS_M_MAX))
        self.text = query.get("q", "").casefold()
        self.pack_class = query.get("pack_class", "")
        self.min_ready = number(query, "min_ready", 0, (0, 999))
        self.tier = query.get("tier", "")
        self.is_open = _flag(query, "open_now")
        self.max_price_minor = number(query, "max_price_minor", -1, (0, 10**9))
        self.sort = query.get("sort", SORTS[0])
        self.limit = number(query, "limit", LIMIT, (1, LIMIT_MAX))
        self.arrive_at = parse_instant(query["arrive_at"], "arrive_at") if _has(query) else 0
        for name, value, known in (("tier", self.tier, TIERS), ("sort", self.sort, SORTS)):
            if value and value not in known:
                raise Malformed(f"one of {', '.join(sorted(known))}", field=name)
        if self.place is None and not self.text:
            raise DoorProblem("bounds_needed", "near or q is needed", field="near")
        if self.arrive_at and self.arrive_at < now:
            raise Malformed("in the past", field="arrive_at")

    @property
    def filters(self) -> str:
        """Name what a cursor belongs to."""
        others = {
            name: text for name, text in self.query.items() if name not in ("limit", "cursor")
        }
        return f"stations?{urlencode(sorted(others.items()))}"

    def fits(self, stations: Stations) -> Callable[[StationNow], bool]:
        """Give the test that a station must pass, the cheapest questions first."""

        def test(row: StationNow) -> bool:
            if self.tier and row.station.tier != self.tier:
                return False
            if self.text and not _is_named(row, self.text):
                return False
            if (self.pack_class or self.min_ready) and not self._has_packs(row, stations):
                return False
            if self.is_open and stations.state(row) != OPEN:
                return False
            if self.max_price_minor < 0:
                return True
            price = stations.prices.energy(row.station, stations.now)
            return price is not None and price[0] <= self.max_price_minor

        return test

    def _has_packs(self, row: StationNow, stations: Stations) -> bool:
        own = [one for one in row.stocks if self.pack_class in ("", one.pack_class)]
        if not self.min_ready:
            return bool(own)
        return row.is_online(stations.now) and any(one.ready >= self.min_ready for one in own)

    def ready(self, row: StationNow, now: int) -> int:
        """Count what is ready of what is looked for."""
        if not row.is_online(now):
            return 0
        return sum(one.ready for one in row.stocks if self.pack_class in ("", one.pack_class))

    def key(self, stations: Stations, near: Near) -> Key:
        """Give what a list is sorted by."""
        row = near.found
        name = row.station.station_id
        if self.sort == "ready":
            return -self.ready(row, stations.now), near.distance_m, name
        if self.sort == "price":
            price = stations.prices.energy(row.station, stations.now)
            return (price[0] if price else 2**53), near.distance_m, name
        return near.distance_m, name


def found_by(search: Search, stations: Stations) -> list[Near]:
    """List the stations that fit, at most `NEAR_MAX`, in the order that is asked for."""
    test = search.fits(stations)
    if search.place is not None:
        # in the order of distance no more are needed than are shown
        is_plain = search.sort == SORTS[0] and "cursor" not in search.query
        wanted = search.limit + 1 if is_plain else NEAR_MAX
        among = search.tier or search.pack_class
        found = stations.index.near(search.place, search.radius_m, wanted, test, among=among)
    else:
        placed = (row for row in stations.index.all() if row.point is not None)
        found = [Near(row, NOWHERE) for row in placed if test(row)][:NEAR_MAX]
    return sorted(found, key=lambda near: search.key(stations, near))


# Parameters -------------------------------------------------------------------


def _has(query: dict[str, str]) -> bool:
    return "arrive_at" in query


def number(query: Any, name: str, default: int | None, limits: tuple[int, int]) -> int:
    """Read a whole number within limits; without a default it must be there."""
    if name not in query:
        if default is None:
            raise Malformed("is needed", field=name)
        return default
    least, most = limits
    value = read_decimal(query[name], name)
    if not least <= value <= most:
        raise Malformed(f"between {least} and {most}", field=name)
    return value


def _flag(query: dict[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed("true or false", field=name)
    return text == "true"


def _point(text: str) -> Point:
    lat_e7, lon_e7 = _whole_numbers(text, "near", _PLACE)
    return Point(_within(lat_e7, LAT_E7_MAX, "near"), _within(lon_e7, LON_E7_MAX, "near"))


def boxes(text: str) -> list[Box]:
    """Read a frame; one over the antimeridian (west of more than east) is two."""
    west, south, east, north = _whole_numbers(text, "bbox", _SIDES)
    for value, limit in ((west, LON_E7_MAX), (east, LON_E7_MAX), (south, LAT_E7_MAX)):
        _within(value, limit, "bbox")
    if south > _within(north, LAT_E7_MAX, "bbox"):
        raise Malformed("south lies north of north", field="bbox")
    if west <= east:
        return [Box(south, west, north, east)]
    return [Box(south, west, north, LON_E7_MAX), Box(south, -LON_E7_MAX, north, east)]


def _whole_numbers(text: str, field: str, count: int) -> list[int]:
    parts = text.split(",")
    rule = f"{count} whole numbers with commas, degrees x 10^7"
    if len(parts) != count:
        raise Malformed(rule, field=field)
    try:
        return [
            -read_decimal(part[1:], field) if part.startswith("-") else read_decimal(part, field)
            for part in parts
        ]
    except Malformed as error:
        raise Malformed(rule, field=field) from error


def _within(value: int, limit: int, field: str) -> int:
    if abs(value) > limit:
        raise Malformed("no place on Earth", field=field)
    return value


def _is_named(row: StationNow, text: str) -> bool:
    profile = row.profile
    if profile is None:
        return text in row.station.station_id.casefold()
    words = (*profile.names.values(), profile.address)
    return any(text in each.casefold() for each in words)
