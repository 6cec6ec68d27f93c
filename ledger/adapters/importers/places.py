"""Reading stations: charge points of the networks, swap stations of Taiwan, piles of Shenzhen."""

import re
from pathlib import Path

import msgspec

from ledger.adapters.importers.networks import NETWORK_OF, Network
from ledger.adapters.importers.tables import Table, count_of, day_of, place_of, read, text_of
from ledger.kernel.errors import Malformed
from ledger.kernel.geo import Point, parse_point

CHARGE_POINTS = Table(
    "charging_sessions/charge_points.csv",
    ("dataset", "station_id", "site", "latitude", "longitude", "power_class", "equipment"),
)
SWAP_STATIONS = Table(
    "stations/gogoro_swap_stations.csv",
    (
        "station_uuid",
        "name_en",
        "name_zh",
        "latitude",
        "longitude",
        "zip",
        "district_en",
        "city_en",
        "opening_hours",
        "state",
        "first_seen",
        "first_open",
        "last_seen",
        "snapshots",
    ),
)
PILE_STATIONS = Table(
    "stations/shenzhen_stations.csv",
    ("station_id", "latitude", "longitude", "fast_piles", "slow_piles", "total_piles"),
)

STATE_OPEN = "1"
LARGE_PILES = 50
MEDIUM_PILES = 10

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Place(msgspec.Struct, frozen=True):
    """One station as its table has it; `network` only for a charge point.

    `opened_at` 0 means that the table does not say when it opened.
    """

    table: Table
    number: int
    key: str
    tier: str
    point: Point | None
    datum: str
    is_open: bool = True
    opened_at: int = 0
    network: Network | None = None


def read_charge_points(folder: Path) -> list[Place]:
    """Read the charge points of the networks, in the order of the file."""
    return _once(list(read(folder, CHARGE_POINTS, _charge_point)))


def read_swap_stations(folder: Path) -> list[Place]:
    """Read the swap stations, by the day they opened (or were first seen), then by id."""
    found = _once(list(read(folder, SWAP_STATIONS, _swap_station)))
    return sorted(found, key=lambda place: (place.opened_at, place.key))


def read_pile_stations(folder: Path) -> list[Place]:
    """Read the pile stations, in the order of the file."""
    return _once(list(read(folder, PILE_STATIONS, _pile_station)))


def _charge_point(number: int, cells: list[str]) -> Place:
    dataset, station, _site, lat, lon, _power_class, _equipment = cells
    network = NETWORK_OF.get(dataset)
    if network is None:
        raise Malformed(f"no network of ours: {dataset[:40]!r}", field="dataset")
    return Place(
        table=CHARGE_POINTS,
        number=number,
        key=text_of(station, "station_id"),
        tier="pile",
        point=parse_point(lat, lon) if lat or lon else None,
        datum="unknown" if lat else "",
        network=network,
    )


def _swap_station(number: int, cells: list[str]) -> Place:
    uuid, _name, _name_zh, lat, lon, *_address, state, first_seen, first_open, _last, _all = cells
    if not _UUID.fullmatch(uuid):
        raise Malformed(f"no UUID in lower case: {uuid[:40]!r}", field="station_uuid")
    count_of(state, "state")
    day, field = (first_open, "first_open") if first_open else (first_seen, "first_seen")
    return Place(
        table=SWAP_STATIONS,
        number=number,
        key=uuid,
        tier="outlet",
        point=parse_point(lat, lon),
        datum="WGS84",
        is_open=state == STATE_OPEN,
        opened_at=day_of(day, field),
    )


def _pile_station(number: int, cells: list[str]) -> Place:
    station, lat, lon, fast, slow, total = cells
    piles = count_of(total, "total_piles")
    if count_of(fast, "fast_piles") + count_of(slow, "slow_piles") != piles:
        raise Malformed("fast and slow piles do not add up", field="total_piles")
    tiers = ((LARGE_PILES, "large"), (MEDIUM_PILES, "medium"), (0, "pile"))
    return Place(
        table=PILE_STATIONS,
        number=number,
        key=text_of(station, "station_id"),
        tier=next(tier for least, tier in tiers if piles >= least),
        point=parse_point(lat, lon),
        datum="unknown",
        is_open=piles > 0,
    )


def _once(places: list[Place]) -> list[Place]:
    """Return the places; `Malformed` when two rows name the same one."""
    seen: set[tuple[str, str]] = set()
    for place in places:
        key = (place.network.key if place.network else "", place.key)
        if key in seen:
            where = place_of(place.table, place.number)
            raise Malformed(f"{place.key} is there twice", field="station_id", place=where)
        seen.add(key)
    return places
