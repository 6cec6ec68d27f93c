"""A station as drivers see it: its state and name, what is ready, until when it is closed."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ledger.domain.claims import POOLS, Pool
from ledger.domain.station_profiles import StationProfile, weekday
from ledger.domain.world import key_of
from ledger.kernel.instants import as_datetime, as_text, instant_of
from ledger.runtime.availability import Near, StationNow, Stock
from ledger.runtime.forecasting import Asked, Model
from ledger.runtime.reads import Reads
from ledger.store.queries import rows
from partner_api.deps import Parts
from partner_api.driver.bodies_journey import StationRef
from partner_api.driver.bodies_stations import ReadyOut, StationOut
from partner_api.driver.station_prices import Prices

OPEN, CLOSED, MAINTENANCE, OFFLINE = "OPEN", "CLOSED", "MAINTENANCE", "OFFLINE"
LANGUAGES = ("en", "zh")

_DAYS_AHEAD = 8


def language_of(accepted: str) -> str:
    """Choose a language by the header of a browser; English where it wants neither."""
    wanted = (one.partition(";")[0].strip().lower()[:2] for one in accepted.split(","))
    return next((one for one in wanted if one in LANGUAGES), "en")


class Stations:
    """Stations as one read sees them."""

    def __init__(self, parts: Parts, reads: Reads, language: str = "en") -> None:
        """Bring the index on, unless a thread beside the doors does."""
        self.parts = parts
        self.reads = reads
        self.now = parts.clock.now()
        self.language = language
        self.journey = parts.journey
        self.index = parts.journey.availability
        self.prices = Prices(reads)
        self._clocks: dict[str, tuple[str, str]] = {}
        self._pools: dict[str, Pool] = {}
        if not self.index.is_kept or not self.index.size:
            self.index.follow(reads, self.now)
            while self.journey.history.follow(reads, self.now):
                pass  # it reads a part at a time

    # State

    def state(self, row: StationNow) -> str:
        """Say whether a station serves now; the reason that lasts longest goes first."""
        profile, station = row.profile, row.station
        if not station.in_service or (profile and profile.maintenance_until_at > self.now):
            return MAINTENANCE
        if not row.is_online(self.now):
            return OFFLINE
        if profile is not None and not profile.is_open(*self._clock(station.zone)):
            return CLOSED
        return OPEN

    def opens_at(self, row: StationNow, state: str) -> int:
        """Tell when a station serves again that does not now (us); 0 where nothing tells it."""
        profile = row.profile
        if profile is None or state not in (CLOSED, MAINTENANCE):
            return 0
        begin = profile.maintenance_until_at if state == MAINTENANCE else self.now
        return next_opening(profile, row.station.zone, begin) if begin else 0

    def is_open_at(self, row: StationNow, at: int) -> bool:
        """Tell whether a station will serve at a time, by its hours and its maintenance."""
        profile = row.profile
        if profile is None:
            return row.station.in_service
        local = as_datetime(at).astimezone(ZoneInfo(row.station.zone))
        day = weekday(local.date())
        return (
            row.station.in_service
            and at >= profile.maintenance_until_at
            and profile.is_open(day, f"{local:%H:%M}")
        )

    def _clock(self, zone: str) -> tuple[str, str]:
        if zone not in self._clocks:
            local = as_datetime(self.now).astimezone(ZoneInfo(zone))
            self._clocks[zone] = weekday(local.date()), f"{local:%H:%M}"
        return self._clocks[zone]

    # Words

    def name(self, row: StationNow) -> str:
        """Give the name of a station in the language of who asks."""
        names = row.profile.names if row.profile else {}
        return names.get(self.language) or names.get("en") or row.station.station_id

    def ref(self, station_id: str) -> StationRef:
        """Name a station in a booking or a swap."""
        row = self.index.one(station_id)
        if row is None:
            return StationRef(station_id, station_id, {}, OFFLINE)
        return StationRef(
            id=station_id,
            name=self.name(row),
            names=row.profile.names if row.profile else {},
            state=self.state(row),
            lat_e7=row.station.lat_e7,
            lon_e7=row.station.lon_e7,
            phone=self.phone(row),
            as_of=as_text(row.reported_at),
        )

    def phone(self, row: StationNow | None) -> str:
        """Tell whom to call."""
        own = row.profile.phone if row is not None and row.profile else ""
        return own or self.journey.phone

    # Packs

    def out(self, near: Near, arrive_at: int = 0) -> StationOut:
        """Say what a list tells of a station."""
        row, state = near.found, self.state(near.found)
        opens_at = self.opens_at(row, state)
        price = self.prices.energy(row.station, self.now)
        station = row.station
        assert station.lat_e7 is not None, "only stations with a place are found"
        assert station.lon_e7 is not None, "only stations with a place are found"
        return StationOut(
            id=station.station_id,
            name=self.name(row),
            names=row.profile.names if row.profile else {},
            tier=station.tier,
            lat_e7=station.lat_e7,
            lon_e7=station.lon_e7,
            state=state,
            ready=self.ready(row, state, arrive_at),
            as_of=as_text(row.reported_at),
            distance_m=near.distance_m if near.distance_m >= 0 else None,
            opens_at=as_text(opens_at) if opens_at else None,
            price_from_minor=price[0] if price else None,
            currency=price[1] if price else None,
            kept_promise_bp=self.journey.history.kept_bp(station.station_id, self.now),
        )

    def ready(self, row: StationNow, state: str, arrive_at: int = 0) -> list[ReadyOut]:
        """Say what is ready of each class; nothing of a station that does not report."""
        if state == OFFLINE:
            return []
        return [
            ReadyOut(
                pack_class=stock.pack_class,
                ready_count=stock.ready,
                charging_count=stock.charging,
                predicted_ready=self._predicted(row, stock, arrive_at) if arrive_at else None,
                next_ready_at=_next_due(stock, self.now),
            )
            for stock in row.stocks
        ]

    def _predicted(self, row: StationNow, stock: Stock, at: int) -> int:
        model = self.model(row, stock.pack_class)
        return model.at(at, at).p50

    def model(self, row: StationNow, pack_class: str) -> Model:
        """Make the forecast of a class at a station."""
        station_id = row.station.station_id
        asked = Asked(station_id, pack_class, self.now)
        pool = self.pool(station_id, pack_class)
        return Model(asked, row.stock(pack_class), pool, self.journey.history)

    def pool(self, station_id: str, pack_class: str) -> Pool:
        """Read what is booked of a class at a station."""
        key = key_of(station_id, pack_class)
        if key not in self._pools:
            self._pools[key] = self.reads.row(POOLS, key) or Pool()
        return self._pools[key]

    def read_pools(self, found: Iterable[StationNow]) -> None:
        """Read what is booked at several stations at once."""
        keys = [
            key_of(row.station.station_id, stock.pack_class)
            for row in found
            for stock in row.stocks
        ]
        known = rows.many(self.reads.tx, self.reads.name.log_id, POOLS, keys)
        self._pools |= {key: known.get(key) or Pool() for key in keys}


def _next_due(stock: Stock, now: int) -> str | None:
    if stock.ready or not stock.due_at:
        return None
    return as_text(max(stock.due_at[0], now))


def next_opening(profile: StationProfile, zone: str, begin: int) -> int:
    """Find the first time from `begin` on (us) at which it is open; 0 where it never is."""
    local = as_datetime(begin).astimezone(ZoneInfo(zone))
    if profile.is_open(weekday(local.date()), f"{local:%H:%M}"):
        return begin
    for ahead in range(_DAYS_AHEAD):
        day = local.date() + timedelta(days=ahead)
        times = [
            instant_of(datetime.combine(day, time.fromisoformat(span.from_local), ZoneInfo(zone)))
            for span in profile.opening
            if span.day == weekday(day)
        ]
        later = [at for at in times if at > begin]
        if later:
            return min(later)
    return 0
