"""A trip: from here to there, the stops on the way, their prices, and reserving all of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_journey import BookingWish
from customer_app.api.client_trips import Point
from customer_app.api.errors import ApiError
from customer_app.api.wire_journey import Booking, Quote
from customer_app.api.wire_stations import Station
from customer_app.api.wire_trips import TripPlan, TripStation
from customer_app.models.base import Model
from customer_app.models.commands import Means

RANGES_KM = (50, 100, 150, 200, 300, 400)
SEARCH_M = 50_000  # the door's limit for a search by name
SPEED_M_S = 20  # on the way: 72 km/h
STEP_E7 = 10_000_000  # a degree between two points of a way, far below the door's 200 km
PLACE_CHARACTERS = 80


@dataclass(frozen=True)
class Stop:
    """A stop: its price once it was asked for, its booking once it is made, or why not."""

    on_way: TripStation
    quote: Quote | None = None
    booking: Booking | None = None
    error: ApiError | None = None


def way_between(begin: Point, end: Point) -> tuple[Point, ...]:
    """Draw a straight way with points near enough to each other.

    >>> way_between((0, 0), (0, 15_000_000))
    ((0, 0), (0, 7500000), (0, 15000000))
    """
    longest = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]))
    steps = max(1, -(-longest // STEP_E7))
    return tuple(
        (
            begin[0] + (end[0] - begin[0]) * step // steps,
            begin[1] + (end[1] - begin[1]) * step // steps,
        )
        for step in range(steps + 1)
    )


@observable
class TripModel(Model):
    """Two places, a range, and the stops between them.

    Nothing is reserved at a price that was not seen. `failed` is the stop that was refused: the
    driver says whether to keep or to cancel the others.
    """

    def __init__(self, client: ApiClient, means: Means, near: Point) -> None:
        Model.__init__(self)
        self._client = client
        self._means = means
        self._near = near
        self.begin = ""
        self.end = ""
        self.range_km = RANGES_KM[2]
        self.pack_class = ""
        self.classes: tuple[str, ...] = ()
        self.vehicles: dict[str, str] = {}
        self.is_unknown_place = False
        self.plan: TripPlan | None = None
        self.stops: tuple[Stop, ...] = ()
        self.is_busy = False

    @override
    async def fetch(self) -> None:
        """Read which packs the driver's vehicles take."""
        vehicles = (await self._client.vehicles()).items
        self.vehicles = {each.pack_class: each.id for each in reversed(vehicles)}
        self.classes = tuple(self.vehicles)
        self.pack_class = self.pack_class or next(iter(self.classes), "")

    def type_begin(self, text: str) -> None:
        """Take what is typed of the place to start from; empty means here."""
        self.begin, self.is_unknown_place = text[:PLACE_CHARACTERS], False

    def type_end(self, text: str) -> None:
        """Take what is typed of the place to go to."""
        self.end, self.is_unknown_place = text[:PLACE_CHARACTERS], False

    def choose_range(self, kilometres: str) -> None:
        """Say how far one gets now."""
        if kilometres in map(str, RANGES_KM):
            self.range_km = int(kilometres)

    def choose_class(self, pack_class: str) -> None:
        """Say which packs the vehicle takes."""
        self.pack_class = pack_class if pack_class in self.classes else self.pack_class

    @property
    def failed(self) -> Stop | None:
        """The stop that could not be reserved."""
        return next((each for each in self.stops if each.error is not None), None)

    @property
    def booked(self) -> tuple[Stop, ...]:
        """The stops that are reserved."""
        return tuple(each for each in self.stops if each.booking is not None)

    @property
    def are_priced(self) -> bool:
        """Whether every stop has its price on screen."""
        return bool(self.stops) and all(each.quote is not None for each in self.stops)

    async def find(self) -> bool:
        """Find the stops between the two places."""

        async def ask() -> None:
            begin = self._near if not self.begin.strip() else await self._place(self.begin)
            end = await self._place(self.end)
            self.plan, self.stops = None, ()
            self.is_unknown_place = begin is None or end is None
            if begin is None or end is None:
                return
            way = way_between(begin, end)
            self.plan = await self._client.plan_trip(way, self.range_km * 1000, self.pack_class)
            self.stops = tuple(Stop(each) for each in self.plan.items if each.is_stop)

        return await self.attempt(ask) and self.plan is not None

    async def _place(self, text: str) -> Point | None:
        wanted = text.strip()
        if not wanted:
            return None
        filters: dict[str, str | int | bool] = {"q": wanted, "radius_m": SEARCH_M}
        found: tuple[Station, ...] = (
            await self._client.stations_near(self._near, filters=filters)
        ).items
        return (found[0].lat_e7, found[0].lon_e7) if found else None

    async def ask_prices(self) -> bool:
        """Have the price of every stop locked, for when one will be there."""

        async def ask() -> None:
            now = self._means.now().replace(second=0, microsecond=0)
            for place, stop in enumerate(self.stops):
                arrive_at = now + timedelta(minutes=1 + stop.on_way.along_m // (SPEED_M_S * 60))
                station_id = stop.on_way.station.id
                work = partial(self._quote, station_id, arrive_at)
                quote = await self._means.intention().run(work, station_id)
                self._put(place, replace(stop, quote=quote, error=None))

        return await self.attempt(ask)

    async def _quote(self, station_id: str, arrive_at: datetime, key: str) -> Quote:
        vehicle_id = self.vehicles.get(self.pack_class, "")
        return await self._client.quote(
            station_id, self.pack_class, arrive_at, vehicle_id=vehicle_id, key=key
        )

    async def reserve_all(self) -> bool:
        """Reserve stop by stop at the prices on screen; the first refusal ends it."""
        if not self.are_priced or self.is_busy:
            return False
        self.is_busy = True
        try:
            for place, stop in enumerate(self.stops):
                if stop.booking is None and not await self._reserve(place, stop):
                    return False
            return True
        finally:
            self.is_busy = False

    async def _reserve(self, place: int, stop: Stop) -> bool:
        quote = stop.quote
        assert quote is not None, "priced before"
        wish = BookingWish(
            stop.on_way.station.id,
            self.pack_class,
            quote.arrive_at,
            quote.arrive_at + timedelta(seconds=quote.hold_s),
            quote.quote_id,
            vehicle_id=self.vehicles.get(self.pack_class, ""),
        )
        try:
            booking = await self._means.intention().insist(
                lambda key: self._client.reserve(wish, key), wish, lambda _checking: None
            )
        except ApiError as error:
            self._put(place, replace(stop, error=error))
            return False
        self._put(place, replace(stop, booking=booking, error=None))
        return True

    def keep_others(self) -> None:
        """Keep what is reserved, and leave the refused stop out."""
        self.stops = tuple(each for each in self.stops if each.error is None)

    async def cancel_others(self) -> None:
        """Call off what was reserved for this trip."""

        async def send() -> None:
            for place, stop in enumerate(self.stops):
                booking = stop.booking
                if booking is not None:
                    work = partial(self._client.cancel, booking.id, "")
                    await self._means.intention().run(work, booking.id)
                    self._put(place, replace(stop, booking=None, quote=None))
            self.stops = tuple(replace(each, error=None, quote=None) for each in self.stops)

        await self.attempt(send)

    def _put(self, place: int, stop: Stop) -> None:
        self.stops = (*self.stops[:place], stop, *self.stops[place + 1 :])
