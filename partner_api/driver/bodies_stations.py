"""What the driver door says of stations: lists, the map, the sheet, what will be ready.

Times are RFC 3339 in UTC, money in minor units, positions in degrees x 10^7, shares in bp.
A member that is absent is not known or does not apply.
"""

import msgspec


class PositionOut(msgspec.Struct, frozen=True):
    """The last entry that an answer reflects."""

    position: int


class ReadyOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packs of a class at a station: ready to go out now, and charging until they are.

    `predicted_ready` is for the time of arrival that was asked about, `next_ready_at` when the next
    pack will be ready where none is.
    """

    pack_class: str
    ready_count: int
    charging_count: int
    predicted_ready: int | None = None
    next_ready_at: str | None = None


class StationOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A station in a list or on the map.

    `state` is OPEN, CLOSED, MAINTENANCE or OFFLINE. An offline station counts nothing: `ready` is
    empty. `opens_at` is when it serves again, closed or in maintenance. `as_of` is when it reported
    last; `price_from_minor` what a kWh of energy costs there now at least.
    """

    id: str
    name: str
    names: dict[str, str]
    tier: str
    lat_e7: int
    lon_e7: int
    state: str
    ready: list[ReadyOut]
    as_of: str
    distance_m: int | None = None
    opens_at: str | None = None
    price_from_minor: int | None = None
    currency: str | None = None
    kept_promise_bp: int | None = None


class StationsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stations around a place; `nearest_ready` is one beyond them, where none has a pack."""

    items: list[StationOut]
    radius_m: int
    as_of: PositionOut
    next_cursor: str = ""
    nearest_ready: StationOut | None = None


class ClusterOut(msgspec.Struct, frozen=True):
    """Stations too near to each other to be told apart on the map."""

    lat_e7: int
    lon_e7: int
    count: int
    ready_count: int


class MapOut(msgspec.Struct, frozen=True):
    """What the map shows in its frame."""

    clusters: list[ClusterOut]
    stations: list[StationOut]
    as_of: PositionOut


class OpeningOut(msgspec.Struct, frozen=True):
    """A span of a day (mon to sun) in which it is open, HH:MM of its zone; the end may be 24:00."""

    day: str
    from_local: str
    to_local: str


class TariffLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One price: a decimal in the currency's major unit for each `per`.

    `start_local` and `end_local` bound it where the price depends on the time of day;
    `minimum_wh` is billed at least.
    """

    kind: str
    per: str
    unit_price: str
    start_local: str = ""
    end_local: str = ""
    days: tuple[str, ...] = ()
    pack_classes: tuple[str, ...] = ()
    minimum_wh: int | None = None


class HourPriceOut(msgspec.Struct, frozen=True):
    """The price of a kWh of energy from a time on."""

    from_at: str
    unit_price: str


class TariffOut(msgspec.Struct, frozen=True):
    """The prices of a station; `hours` are those of energy for the next 24 hours."""

    tariff_id: str
    version: int
    currency: str
    tax_included: bool
    lines: list[TariffLineOut]
    hours: list[HourPriceOut]


class StationSheetOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is told of a station.

    `kept_promise_bp` is the share of its bookings of 30 days that were served as promised, absent
    where there were none; `photos` are addresses of pictures.
    """

    id: str
    name: str
    names: dict[str, str]
    tier: str
    lat_e7: int
    lon_e7: int
    state: str
    ready: list[ReadyOut]
    as_of: str
    address: str
    opening: list[OpeningOut]
    zone: str
    lanes: int
    slots_total: int
    photos: tuple[str, ...]
    services: tuple[str, ...]
    phone: str
    position: int
    distance_m: int | None = None
    opens_at: str | None = None
    price_from_minor: int | None = None
    currency: str | None = None
    tariff: TariffOut | None = None
    last_swap_at: str | None = None
    kept_promise_bp: int | None = None


class ForecastOut(msgspec.Struct, frozen=True):
    """What will be ready at a time: likely not fewer (p10), the middle (p50), not more (p90).

    `wait_s_p50` is how long one would wait then for the next pack, 0 where one is ready.
    """

    at: str
    ready_p10: int
    ready_p50: int
    ready_p90: int
    wait_s_p50: int
    booked_count: int


class AvailabilityOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A forecast in steps, and which model made it."""

    station_id: str
    pack_class: str
    items: list[ForecastOut]
    model_version: str
    made_at: str
    position: int


class HoursOut(msgspec.Struct, frozen=True):
    """Packs that are typically ready: 7 days from Monday, each of 24 hours of the station's zone.

    -1 stands where nothing was seen yet; `days_seen` are the days of history behind it.
    """

    station_id: str
    pack_class: str
    zone: str
    ready: list[list[int]]
    days_seen: int
    model_version: str
    made_at: str


class OfferOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An offer to bring a charged pack back: what it earns, and under which conditions."""

    id: str
    kind: str
    station_id: str
    station_name: str
    pack_class: str
    min_soc_bp: int
    credit_minor: int
    currency: str
    valid_until: str
    accepted_at: str | None = None


class OffersOut(msgspec.Struct, frozen=True):
    """The offers that stand."""

    items: list[OfferOut]
    as_of: PositionOut
