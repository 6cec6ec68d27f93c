"""What stands ready at every station now: an index in memory that follows the log.

It is built once from the rows that the rules keep, and brought on by the entries since: only the
stations they name are counted again. One thread brings it on while the others read what stands.

"Ready" are packs that the rules would hand out (`eligible`) and whose slot is in use. A station
that has not reported for a quarter of an hour is offline: it promises nothing, so no counts.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import cos, radians

import msgspec

from ledger.domain.custody import PACKS, Pack
from ledger.domain.eligibility import eligible
from ledger.domain.station_profiles import STATION_PROFILES, StationProfile
from ledger.domain.stations import SLOTS, STATIONS, Slot, Station
from ledger.domain.transitions import Family, place_of, staged_account
from ledger.kernel.geo import Box, Point, metres_between
from ledger.kernel.instants import HOUR, MINUTE
from ledger.runtime.reads import Entry, Reads
from ledger.store.queries import rows

OFFLINE_AFTER_US = 15 * MINUTE
RECOUNT_US = HOUR
"""Packs grow too old to be handed out by the clock alone: all is counted again this often."""

CELL_E7 = 1_000_000
"""Stations are found by squares of a tenth of a degree."""

_METRES_PER_CELL = 11_132
_FULL_CIRCLE_E7 = 3_600_000_000
_STATION = "Packs:Station:"


class Stock(msgspec.Struct, frozen=True):
    """Packs of a class at a station: ready to go out, and charging until they are."""

    pack_class: str
    ready: int
    charging: int


class StationNow(msgspec.Struct, frozen=True):
    """A station as it stands: what it is, what drivers are told, what it has.

    `reported_at` (us) is its last report, 0 before the first; `slots` are those it has.
    """

    station: Station
    profile: StationProfile | None
    stocks: tuple[Stock, ...]
    slots: int
    reported_at: int = 0
    last_swap_at: int = 0

    @property
    def point(self) -> Point | None:
        """Where it stands, when that is known."""
        lat_e7, lon_e7 = self.station.lat_e7, self.station.lon_e7
        return None if lat_e7 is None or lon_e7 is None else Point(lat_e7, lon_e7)

    def is_online(self, now: int) -> bool:
        """Tell whether it has reported lately."""
        return now - self.reported_at <= OFFLINE_AFTER_US

    def stock(self, pack_class: str) -> Stock:
        """Give what it has of a class."""
        for one in self.stocks:
            if one.pack_class == pack_class:
                return one
        return Stock(pack_class, 0, 0)


class Near(msgspec.Struct, frozen=True):
    """A station and how far away it is, in metres."""

    found: StationNow
    distance_m: int


class Availability:
    """The index; one per process, safe for many threads."""

    def __init__(self) -> None:
        """Begin with nothing: the first `follow` builds it."""
        self._stations: dict[str, StationNow] = {}
        self._cells: dict[tuple[int, int], list[str]] = {}
        self._size = 0
        self._counted_at = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many entries it knows."""
        return self._size

    def follow(self, reads: Reads, now: int) -> None:
        """Bring the index to what `reads` sees; while another thread does, what stands is read."""
        if reads.size <= self._size and now - self._counted_at < RECOUNT_US:
            return
        if not self._lock.acquire(blocking=not self._size):
            return
        try:
            if now - self._counted_at >= RECOUNT_US:
                self._build(reads, now)
            elif reads.size > self._size:
                self._bring_on(reads, now)
        finally:
            self._lock.release()

    def one(self, station_id: str) -> StationNow | None:
        """Give a station by its id."""
        return self._stations.get(station_id)

    def within(self, box: Box) -> Iterator[StationNow]:
        """Yield the stations in a frame, in no order."""
        for station_id in self._in_cells(box):
            found = self._stations[station_id]
            point = found.point
            if point is not None and box.holds(point):
                yield found

    def near(self, place: Point, radius_m: int) -> list[Near]:
        """List the stations around a place, the nearest first; equally near ones by id."""
        found = []
        for box in boxes_around(place, radius_m):
            for one in self.within(box):
                point = one.point
                assert point is not None, "it lies in a frame"
                distance_m = metres_between(place, point)
                if distance_m <= radius_m:
                    found.append(Near(one, distance_m))
        return sorted(found, key=lambda one: (one.distance_m, one.found.station.station_id))

    def all(self) -> Iterable[StationNow]:
        """Give every station."""
        return list(self._stations.values())

    # Counting

    def _build(self, reads: Reads, now: int) -> None:
        """Count every station anew; what was reported and swapped before is kept."""
        known = dict(reads.rows(STATIONS))
        slots: defaultdict[str, list[Slot]] = defaultdict(list)
        for _, slot in reads.rows(SLOTS):
            slots[slot.station_id].append(slot)
        packs: defaultdict[str, list[Pack]] = defaultdict(list)
        for _, pack in reads.rows(PACKS):
            family, ids = place_of(pack.account)
            if family in (Family.SLT, Family.STG):
                packs[ids[0]].append(pack)
        profiles = dict(reads.rows(STATION_PROFILES))
        before = self._stations
        self._stations = {
            name: _counted(row, profiles.get(name), stand, before.get(name), now)
            for name, row in known.items()
            for stand in [(slots[name], packs[name])]
        }
        self._place()
        if not self._size:
            self._hear(reads.entries(_last_hours(reads, now), reads.size))
        self._size, self._counted_at = reads.size, now

    def _bring_on(self, reads: Reads, now: int) -> None:
        entries = list(reads.entries(self._size, reads.size))
        named = self._hear(entries)
        named |= _stations_of_packs(reads, entries)
        self._recount(reads, sorted(named), now)
        self._size = reads.size

    def _recount(self, reads: Reads, names: list[str], now: int) -> None:
        tx, log_id = reads.tx, reads.name.log_id
        known = rows.many(tx, log_id, STATIONS, names)
        profiles = rows.many(tx, log_id, STATION_PROFILES, names)
        is_new = bool(known.keys() - self._stations.keys())
        for name, row in known.items():
            slots = [slot for _, slot in reads.rows(SLOTS, listed=name)]
            packs = list(
                rows.many(tx, log_id, PACKS, (s.pack_id for s in slots if s.pack_id)).values()
            )
            packs += [pack for _, pack in reads.rows(PACKS, listed=staged_account(name))]
            stand = slots, packs
            before = self._stations.get(name)
            self._stations[name] = _counted(row, profiles.get(name), stand, before, now)
        if is_new:
            self._place()

    def _hear(self, entries: Iterable[Entry]) -> set[str]:
        """Note who reported when; give the stations that are named."""
        named: set[str] = set()
        for one in entries:
            told = one.envelope
            stations = {name for name in told.entities if name in self._stations}
            stations |= {each for each in map(_station_in, told.postings) if each}
            device = told.source.device if told.source else ""
            heard = {device, told.actor.id} & self._stations.keys()
            named |= stations | heard
            swapped_at = told.valid_at if told.kind == "pack_swapped_out" else 0
            for name in heard | (stations & self._stations.keys() if swapped_at else set()):
                row = self._stations[name]
                self._stations[name] = msgspec.structs.replace(
                    row,
                    reported_at=max(row.reported_at, told.recorded_at if name in heard else 0),
                    last_swap_at=max(row.last_swap_at, swapped_at),
                )
            if told.kind.startswith("station"):
                named |= set(told.entities)
        return named

    def _place(self) -> None:
        cells: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for name, row in self._stations.items():
            point = row.point
            if point is not None:
                cells[_cell(point)].append(name)
        self._cells = dict(cells)

    def _in_cells(self, box: Box) -> Iterator[str]:
        south, west = box.south_e7 // CELL_E7, box.west_e7 // CELL_E7
        north, east = box.north_e7 // CELL_E7, box.east_e7 // CELL_E7
        if (north - south + 1) * (east - west + 1) > len(self._cells):
            for (lat, lon), names in self._cells.items():
                if south <= lat <= north and west <= lon <= east:
                    yield from names
            return
        for lat in range(south, north + 1):
            for lon in range(west, east + 1):
                yield from self._cells.get((lat, lon), ())


def boxes_around(place: Point, radius_m: int) -> list[Box]:
    """Frame a circle: one frame, or two where it crosses the antimeridian.

    >>> [box.west_e7 for box in boxes_around(Point(0, 1_799_999_000), 1_000)]
    [1799909167, -1800000000]
    """
    reach = radius_m * CELL_E7 // _METRES_PER_CELL + 1
    south = max(place.lat_e7 - reach, -900_000_000)
    north = min(place.lat_e7 + reach, 900_000_000)
    widest = max(abs(south), abs(north)) / 10_000_000
    shrink = cos(radians(min(widest, 89.9)))
    wide = min(int(reach / shrink) + 1, _FULL_CIRCLE_E7 // 2)
    west, east = place.lon_e7 - wide, place.lon_e7 + wide
    half = _FULL_CIRCLE_E7 // 2
    if west < -half:
        return [Box(south, -half, north, east), Box(south, west + 2 * half, north, half)]
    if east > half:
        return [Box(south, west, north, half), Box(south, -half, north, east - 2 * half)]
    return [Box(south, west, north, east)]


def _cell(point: Point) -> tuple[int, int]:
    return point.lat_e7 // CELL_E7, point.lon_e7 // CELL_E7


def _counted(
    station: Station,
    profile: StationProfile | None,
    stand: tuple[list[Slot], list[Pack]],
    before: StationNow | None,
    now: int,
) -> StationNow:
    slots, packs = stand
    in_use = {slot.pack_id for slot in slots if slot.pack_id and not slot.blocked}
    charging = {slot.pack_id for slot in slots if slot.pack_id and slot.session_id}
    counts: dict[str, list[int]] = {slot.pack_class: [0, 0] for slot in slots}
    for pack in packs:
        found = counts.setdefault(pack.pack_class, [0, 0])
        is_free = pack.pack_id in in_use or place_of(pack.account)[0] is Family.STG
        is_charging = pack.pack_id in charging
        fit = not eligible(pack, station, pack_class=pack.pack_class, at=now)
        found[0] += is_free and fit and station.in_service
        found[1] += is_charging and not fit
    return StationNow(
        station,
        profile,
        tuple(Stock(name, *found) for name, found in sorted(counts.items())),
        len(slots),
        before.reported_at if before else 0,
        before.last_swap_at if before else 0,
    )


def _station_in(posting: object) -> str:
    account = getattr(posting, "account", "")
    return account.split(":", 3)[2] if account.startswith(_STATION) else ""


def _stations_of_packs(reads: Reads, entries: Iterable[Entry]) -> set[str]:
    """Name where the packs stand that entries are about: holds and assessments move nothing."""
    names = {link.pack for one in entries for link in one.envelope.packs}
    found = rows.many(reads.tx, reads.name.log_id, PACKS, names)
    places = (place_of(pack.account) for pack in found.values())
    return {ids[0] for family, ids in places if family in (Family.SLT, Family.STG)}


def _last_hours(reads: Reads, now: int) -> int:
    """Give the first position of the last hours: long enough for who has reported lately."""
    return reads.end_known_at(max(now - 24 * HOUR, 0))
