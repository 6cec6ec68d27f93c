"""What the driver door says of a trip: the stations along a way, and those to stop at."""

from dataclasses import dataclass

from customer_app.api.wire_stations import Position, Station


@dataclass(frozen=True, slots=True)
class TripStation:
    """A station along the way: how far on, how much longer the way is over it, and as a stop."""

    station: Station
    along_m: int
    detour_m: int
    is_stop: bool


@dataclass(frozen=True, slots=True)
class TripPlan:
    """Stations in the order of travel; `is_covered` when the stops lead to the end."""

    distance_m: int
    items: tuple[TripStation, ...]
    is_covered: bool
    is_complete: bool
    as_of: Position
