"""What the driver door says of stations: lists, map, sheet, forecasts and offers.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The last entry that an answer reflects."""

    position: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Packs of a class at a station."""

    pack_class: str
    ready_count: int
    charging_count: int
    predicted_ready: int | None = None
    next_ready_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Station:
    """A station in a list or on the map."""

    id: str
    name: str
    names: dict[str, str]
    tier: str
    lat_e7: int
    lon_e7: int
    state: str
    ready: tuple[Ready, ...]
    as_of: datetime
    distance_m: int | None = None
    opens_at: datetime | None = None
    price_from_minor: int | None = None
    currency: str | None = None
    kept_promise_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Stations:
    """Stations around a place."""

    items: tuple[Station, ...]
    radius_m: int
    as_of: Position
    next_cursor: str = ""
    nearest_ready: Station | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Stations too near to each other to be told apart on the map."""

    lat_e7: int
    lon_e7: int
    count: int
    ready_count: int


@dataclass(frozen=True, slots=True)
class Map:
    """What the map shows in its frame."""

    clusters: tuple[Cluster, ...]
    stations: tuple[Station, ...]
    as_of: Position


@dataclass(frozen=True, slots=True)
class Opening:
    """A span of a day (mon to sun) in which it is open, HH."""

    day: str
    from_local: str
    to_local: str


@dataclass(frozen=True, slots=True)
class TariffLine:
    """One price."""

    kind: str
    per: str
    unit_price: str
    start_local: str = ""
    end_local: str = ""
    days: tuple[str, ...] = ()
    pack_classes: tuple[str, ...] = ()
    minimum_wh: int | None = None


@dataclass(frozen=True, slots=True)
class HourPrice:
    """The price of a kWh of energy from a time on."""

    from_at: datetime
    unit_price: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of a station."""

    tariff_id: str
    version: int
    currency: str
    tax_included: bool
    lines: tuple[TariffLine, ...]
    hours: tuple[HourPrice, ...]


@dataclass(frozen=True, slots=True)
class StationSheet:
    """All that is told of a station."""

    id: str
    name: str
    names: dict[str, str]
    tier: str
    lat_e7: int
    lon_e7: int
    state: str
    ready: tuple[Ready, ...]
    as_of: datetime
    address: str
    opening: tuple[Opening, ...]
    zone: str
    lanes: int
    slots_total: int
    photos: tuple[str, ...]
    services: tuple[str, ...]
    phone: str
    position: int
    distance_m: int | None = None
    opens_at: datetime | None = None
    price_from_minor: int | None = None
    currency: str | None = None
    tariff: Tariff | None = None
    last_swap_at: datetime | None = None
    kept_promise_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will be ready at a time."""

    at: datetime
    ready_p10: int
    ready_p50: int
    ready_p90: int
    wait_s_p50: int
    booked_count: int


@dataclass(frozen=True, slots=True)
class Availability:
    """A forecast in steps."""

    station_id: str
    pack_class: str
    items: tuple[Forecast, ...]
    model_version: str
    made_at: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Hours:
    """Packs that are typically ready."""

    station_id: str
    pack_class: str
    zone: str
    ready: tuple[tuple[int, ...], ...]
    days_seen: int
    model_version: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer to bring a charged pack back."""

    id: str
    kind: str
    station_id: str
    station_name: str
    pack_class: str
    min_soc_bp: int
    credit_minor: int
    currency: str
    valid_until: datetime
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers that stand."""

    items: tuple[Offer, ...]
    as_of: Position
