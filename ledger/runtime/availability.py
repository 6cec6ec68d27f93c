"""What stands ready at every station now: an index in memory that follows the log.

It is built once from the rows that the rules keep, and brought on by the entries since: only the
stations they name are counted again. One thread brings it on while the others read what stands.

"Ready" are packs that the rules would hand out (`eligible`) and whose slot is in use. A station
that has not reported for a quarter of an hour is offline: it promises nothing, so no counts.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ledger.domain.asking import SwapRefused, SwapRequested
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PACKS, Pack, PackSwappedOut
from ledger.domain.eligibility import eligible
from ledger.domain.saga import SWAPS
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.station_profiles import STATION_PROFILES, StationProfile
from ledger.domain.stations import SLOTS, STATIONS, Slot, Station
from ledger.domain.swap import (
    SwapClosedIncomplete,
    SwapCompleted,
    SwapExpired,
    SwapInTimedOut,
    SwapOutTimedOut,
)
from ledger.domain.transitions import Family, place_of, staged_account
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.world import KEY_SEPARATOR
from ledger.kernel.geo import Box, Point
from ledger.kernel.instants import HOUR, MINUTE
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.station_grid import Grid, anywhere, boxes_around
from ledger.store.queries import rows

__all__ = ["OFFLINE_AFTER_US", "Availability", "Near", "StationNow", "Stock", "boxes_around"]

OFFLINE_AFTER_US = 15 * MINUTE
RECOUNT_US = HOUR
"""Packs grow too old to be handed out by the clock alone: all is counted again this often."""

NEAR_MAX = 200
"""Stations that one search looks at, the nearest ones."""

PACE_WEIGHT = 4
"""A new session counts for a quarter of what is believed of the pace of charging."""

_STATION = "Packs:Station:"
_SWAP = f"swap{KEY_SEPARATOR}"
_SWAP_ENDS = (
    SwapRefused,
    SwapExpired,
    SwapCompleted,
    SwapClosedIncomplete,
    SwapOutTimedOut,
    SwapInTimedOut,
)
"""After these a station is free for the next driver."""


class Stock(msgspec.Struct, frozen=True):
    """Packs of a class at a station: ready to go out, and charging until they are.

    `pinned` are those that would be ready too, but are kept for somebody who booked.
    `due_at` are the times (us) at which those that charge should be ready, by the pace at which
    sessions charged there lately, soonest first; a pack of which that is not known has none.
    """

    pack_class: str
    ready: int
    charging: int
    due_at: tuple[int, ...] = ()
    pinned: int = 0


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


class _Stand(msgspec.Struct, frozen=True):
    """What a station is counted from."""

    slots: list[Slot]
    packs: list[Pack]
    sessions: dict[str, ChargingSession]


class Availability:
    """The index; one per process, safe for many threads."""

    def __init__(self) -> None:
        """Begin with nothing: the first `follow` builds it."""
        self._stations: dict[str, StationNow] = {}
        self._grid = Grid({})
        self._grids: dict[str, Grid] = {}
        self._paces: dict[tuple[str, str], int] = {}
        self._busy: dict[str, str] = {}
        self._size = 0
        self._counted_at = 0
        self._lock = threading.Lock()
        self.is_kept = False
        """Whether a thread beside the doors brings it on, so that readers need not."""

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

    def heard(self, station_id: str, at: int) -> None:
        """Note that a station has reported (us): also what makes no entry says that it is there."""
        row = self._stations.get(station_id)
        if row is not None and at > row.reported_at:
            self._stations[station_id] = msgspec.structs.replace(row, reported_at=at)

    def one(self, station_id: str) -> StationNow | None:
        """Give a station by its id."""
        return self._stations.get(station_id)

    def busy(self, station_id: str) -> int:
        """Count the swaps that are going on at a station."""
        return sum(place == station_id for place in list(self._busy.values()))

    def within(self, box: Box) -> Iterator[StationNow]:
        """Yield the stations in a frame, in no order."""
        stations = self._stations
        return (stations[name] for name in self._grid.within(box))

    def near(
        self,
        place: Point,
        radius_m: int,
        wanted: int = NEAR_MAX,
        fits: Callable[[StationNow], bool] | None = None,
        *,
        among: str = "",
    ) -> list[Near]:
        """List stations around a place that fit, the nearest first; equally near ones by id.

        `among` names a tier or a class of packs: then only its stations are looked at.
        """
        stations = self._stations

        def does(name: str) -> bool:
            return fits is None or fits(stations[name])

        grid = self._grids.get(among, Grid({})) if among else self._grid
        found = grid.near(place, radius_m, wanted, anywhere if fits is None else does)
        return [Near(stations[one.name], one.distance_m) for one in found]

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
        if not self._size:
            self._busy = _going_on(reads)
        running = (slot.session_id for each in slots.values() for slot in each if slot.session_id)
        sessions = rows.many(reads.tx, reads.name.log_id, SESSIONS, running)
        before = self._stations
        self._stations = {
            name: self._counted(
                row, profiles.get(name), _Stand(slots[name], packs[name], sessions), now
            )
            for name, row in known.items()
        }
        if before.keys() != known.keys() or not self._size:
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
            running = (slot.session_id for slot in slots if slot.session_id)
            sessions = rows.many(tx, log_id, SESSIONS, running)
            stand = _Stand(slots, packs, sessions)
            known_kinds = _kinds(self._stations[name]) if name in self._stations else ()
            self._stations[name] = self._counted(row, profiles.get(name), stand, now)
            is_new = is_new or known_kinds != _kinds(self._stations[name])
        if is_new:
            self._place()

    def _hear(self, entries: Iterable[Entry]) -> set[str]:
        """Note who reported when, what goes on and how fast it charges; give who is named."""
        named: set[str] = set()
        for one in entries:
            told = one.envelope
            stations = {name for name in told.entities if name in self._stations}
            stations |= {each for each in map(_station_in, told.postings) if each}
            device = told.source.device if told.source else ""
            heard = {device, told.actor.id} & self._stations.keys()
            named |= stations | heard
            swapped_at = told.valid_at if told.kind == PackSwappedOut.kind else 0
            for name in heard | (stations & self._stations.keys() if swapped_at else set()):
                row = self._stations[name]
                self._stations[name] = msgspec.structs.replace(
                    row,
                    reported_at=max(row.reported_at, told.recorded_at if name in heard else 0),
                    last_swap_at=max(row.last_swap_at, swapped_at),
                )
            if told.kind.startswith("station"):
                named |= set(told.entities)
            if told.kind in _NOTED:
                self._note(one)
        return named

    def _note(self, one: Entry) -> None:
        event = one.event
        if isinstance(event, SwapRequested):
            self._busy[event.swap_id] = event.station_id
        elif isinstance(event, _SWAP_ENDS):
            self._busy.pop(event.swap_id, None)
        elif isinstance(event, ChargeSessionEnded):
            begin, end = event.soc_begin_bp, event.soc_end_bp
            lasted = event.ended_at - event.started_at
            if begin is not None and end is not None and end > begin and lasted >= MINUTE:
                key = event.station_id, event.pack_class
                pace = (end - begin) * HOUR // lasted
                before = self._paces.get(key, pace)
                self._paces[key] = before + (pace - before) // PACE_WEIGHT

    def _counted(
        self, station: Station, profile: StationProfile | None, stand: _Stand, now: int
    ) -> StationNow:
        in_use = {slot.pack_id for slot in stand.slots if slot.pack_id and not slot.blocked}
        charging = {s.pack_id: s.session_id for s in stand.slots if s.pack_id and s.session_id}
        counts: dict[str, list[int]] = {slot.pack_class: [0, 0, 0] for slot in stand.slots}
        due: defaultdict[str, list[int]] = defaultdict(list)
        for pack in stand.packs:
            found = counts.setdefault(pack.pack_class, [0, 0, 0])
            is_free = pack.pack_id in in_use or place_of(pack.account)[0] is Family.STG
            session_id = charging.get(pack.pack_id, "")
            own, pin = pack.pack_class, pack.allocated_to
            fit = not eligible(pack, station, pack_class=own, at=now, booking_id=pin)
            found[2 if pin else 0] += is_free and fit and station.in_service
            found[1] += bool(session_id) and not fit
            at = 0 if fit else self._due_at(station, pack, stand.sessions.get(session_id), now)
            if at:
                due[pack.pack_class].append(at)
        before = self._stations.get(station.station_id)
        return StationNow(
            station,
            profile,
            tuple(
                Stock(name, ready, charging, tuple(sorted(due[name])), pinned)
                for name, (ready, charging, pinned) in sorted(counts.items())
            ),
            len(stand.slots),
            before.reported_at if before else 0,
            before.last_swap_at if before else 0,
        )

    def _due_at(
        self, station: Station, pack: Pack, session: ChargingSession | None, now: int
    ) -> int:
        """Tell when a pack that charges should be ready; 0 where nothing tells it."""
        pace = self._paces.get((station.station_id, pack.pack_class), 0)
        if session is None or pace <= 0:
            return 0
        known_bp, known_at = session.last_soc_bp, session.last_at
        if known_bp is None:
            known_bp, known_at = session.soc_begin_bp, session.started_at
        if known_bp is None:
            return 0
        missing_bp = max(station.target_soc_bp - known_bp, 0)
        return max(known_at + missing_bp * HOUR // pace, now)

    def _place(self) -> None:
        kinds: defaultdict[str, dict[str, Point]] = defaultdict(dict)
        for name, row in self._stations.items():
            point = row.point
            if point is not None:
                for kind in ("", *_kinds(row)):
                    kinds[kind][name] = point
        grids = {kind: Grid(points) for kind, points in kinds.items()}
        self._grid, self._grids = grids.get("", Grid({})), grids


_NOTED = frozenset(
    {SwapRequested.kind, ChargeSessionEnded.kind, *(event.kind for event in _SWAP_ENDS)}
)


def _kinds(row: StationNow) -> tuple[str, ...]:
    """Name the tier of a station and the classes of its packs."""
    return (row.station.tier, *(one.pack_class for one in row.stocks))


def _going_on(reads: Reads) -> dict[str, str]:
    """Name the swaps that are going on, and where: those that the clock still looks after."""
    keys = (key for key, _ in reads.rows(TIMERS, listed=WAITING) if key.startswith(_SWAP))
    swaps = rows.many(reads.tx, reads.name.log_id, SWAPS, (key.removeprefix(_SWAP) for key in keys))
    return {name: row.station_id for name, row in swaps.items()}


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
