"""What the driver door says and takes about trips: a way, and the stations along it."""

from typing import Annotated, Literal

import msgspec

from ledger.domain.claims import OPEN_MAX
from ledger.domain.trips import STOPS_MIN
from ledger.planning.trips import CORRIDOR_M_MAX, POINTS_MAX
from partner_api.driver.bodies_journey import BookingOut, Name, Time
from partner_api.driver.bodies_profile import PackClass
from partner_api.driver.bodies_stations import PositionOut, StationOut

Latitude = Annotated[int, msgspec.Meta(ge=-900_000_000, le=900_000_000)]
Longitude = Annotated[int, msgspec.Meta(ge=-1_800_000_000, le=1_800_000_000)]
Range = Annotated[int, msgspec.Meta(ge=1_000, le=2_000_000)]


class PlaceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point of a way, in degrees x 10^7."""

    lat_e7: Latitude
    lon_e7: Longitude


class TripPlanIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way, how far beside it a station may lie, and how far one gets now and after a swap.

    Without `full_range_m` it is as far after a swap as now.
    """

    polyline: Annotated[tuple[PlaceIn, ...], msgspec.Meta(min_length=2, max_length=POINTS_MAX)]
    range_m: Range
    pack_class: PackClass
    corridor_m: Annotated[int, msgspec.Meta(ge=100, le=CORRIDOR_M_MAX)] = 5_000
    full_range_m: Range | msgspec.UnsetType = msgspec.UNSET
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class TripStationOut(msgspec.Struct, frozen=True):
    """A station along the way: how far on, how much longer the way is over it, and as a stop."""

    station: StationOut
    along_m: int
    detour_m: int
    is_stop: bool


class TripPlanOut(msgspec.Struct, frozen=True):
    """Stations with the class in the order of travel.

    Stops are the fewest stations, of those that are open and have packs ready now, over which the
    end is reached; where `is_covered` is false they lead only so far. Of more than 200 stations
    those with the shortest detours are shown, and `is_complete` is false.
    """

    distance_m: int
    items: list[TripStationOut]
    is_covered: bool
    is_complete: bool
    as_of: PositionOut


class TripStopIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stop: packs at a station, at the price of a quote."""

    station_id: Name
    pack_class: Name
    arrive_from: Time
    arrive_until: Time
    quote_id: Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
    packs_count: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    vehicle_id: Annotated[str, msgspec.Meta(max_length=64)] = ""


class TripIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stops that are booked together: at different stations, one after the other.

    What a card pays for is held by its bank, which answers later; so a trip is paid from the wallet
    or by the bill.
    """

    stops: Annotated[
        tuple[TripStopIn, ...], msgspec.Meta(min_length=STOPS_MIN, max_length=OPEN_MAX)
    ]
    pay_with: Literal["invoice", "wallet"] = "invoice"


class TripOut(msgspec.Struct, frozen=True):
    """The bookings of a trip, in the order of its stops."""

    items: list[BookingOut]
