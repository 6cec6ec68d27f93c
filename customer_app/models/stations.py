"""The stations on the first screen: a list around a place, and what the map's frame holds."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.wire_stations import Cluster, Station
from customer_app.models.base import Model

MARKERS_MOST = 50
PLACE_CHARACTERS = 60
START_ZOOM, ZOOM_LEAST, ZOOM_MOST, CLOSER = 13, 5, 18, 2
_E7 = 10**7
_TILE_PX = 256
_FRAME_PX = (1000, 900)  # asked for: a little more than any screen shows of the map
LATITUDE_MOST = 85.0
SORTS = ("distance", "ready", "price")

View = tuple[float, float, float]
"""Middle of the map in degrees, and its zoom."""
Place = tuple[int, int]
"""Latitude and longitude, degrees times 10^7."""


@observable
class StationsModel(Model):
    """What is near, filtered as the driver wants it.

    `near` is where the list is around: the middle of the town until the driver says more.
    """

    def __init__(
        self,
        client: ApiClient,
        now: Callable[[], datetime],
        near: Place,
        radii_m: tuple[int, int],
    ) -> None:
        """Begin around a place with a radius, and the one to widen to."""
        Model.__init__(self)
        self._client = client
        self._now = now
        self.near = near
        self.is_here = False  # whether `near` is where the driver is
        self.radius_m, self._wider_m = radii_m
        self.items: tuple[Station, ...] = ()
        self.nearest_ready: Station | None = None
        self.clusters: tuple[Cluster, ...] = ()
        self.pins: tuple[Station, ...] = ()
        self.next_cursor = ""
        self.is_adding = False
        self.location_refused = False
        self.place = ""  # what is being searched for, as typed
        self._searched = ""
        self.frame: tuple[int, int, int, int] | None = None  # of the map, as asked for last
        self.ready_now = False
        self.open_now = False
        self.pack_class = ""
        self.sort = "distance"
        self.classes: tuple[str, ...] = ()
        self.shows_map = False
        self.view: View = (near[0] / _E7, near[1] / _E7, float(START_ZOOM))
        self.start: View = self.view  # where the map on screen began

    # What is asked ---------------------------------------------------------------------------

    @property
    def has_filters(self) -> bool:
        """Whether something is left out on the driver's wish."""
        return bool(self.place.strip() or self.ready_now or self.open_now or self.pack_class)

    def filters(self) -> dict[str, str | int | bool]:
        """Give the wish in the door's words."""
        wish: dict[str, str | int | bool] = {"radius_m": self.radius_m, "sort": self.sort}
        if self.place.strip():
            wish["q"] = self.place.strip()
        if self.ready_now:
            wish["min_ready"] = 1
        if self.open_now:
            wish["open_now"] = "true"
        if self.pack_class:
            wish["pack_class"] = self.pack_class
        return wish

    @override
    async def fetch(self) -> None:
        """Ask for the first page of the list."""
        self._searched = self.place
        found = await self._client.stations_near(self.near, filters=self.filters())
        self.items = found.items
        self.nearest_ready = found.nearest_ready
        self.next_cursor = found.next_cursor
        seen = {ready.pack_class for station in found.items for ready in station.ready}
        self.classes = tuple(sorted({*self.classes, *seen}))

    @override
    def is_empty(self) -> bool:
        """Tell whether nothing is near."""
        return not self.items

    async def more(self) -> None:
        """Add the next page to the list; raises `ApiError`."""
        if not self.next_cursor or self.is_adding:
            return
        self.is_adding = True
        try:
            wish = {**self.filters(), "cursor": self.next_cursor}
            found = await self._client.stations_near(self.near, filters=wish)
        finally:
            self.is_adding = False
        known = {station.id for station in self.items}
        self.items = (*self.items, *(each for each in found.items if each.id not in known))
        self.next_cursor = found.next_cursor

    async def fetch_map(self) -> None:
        """Ask what the map's frame holds; raises `ApiError`."""
        latitude, longitude, zoom = self.view
        self.frame = frame_of(latitude, longitude, zoom)
        found = await self._client.stations_map(self.frame, int(zoom), self.pack_class)
        self.clusters = found.clusters[:MARKERS_MOST]
        self.pins = found.stations[: MARKERS_MOST - len(self.clusters)]

    # What the driver does --------------------------------------------------------------------

    def search(self, place: str) -> None:
        """Take what is typed; the list follows a moment later."""
        self.place = place[:PLACE_CHARACTERS]

    def is_searched(self) -> bool:
        """Tell whether the list is already that of what is typed."""
        return bool(self._searched == self.place)

    async def toggle_ready(self) -> None:
        """Leave out stations without a ready pack, or take them in again."""
        self.ready_now = not self.ready_now
        await self.load()

    async def toggle_open(self) -> None:
        """Leave out closed stations, or take them in again."""
        self.open_now = not self.open_now
        await self.load()

    async def choose_class(self, pack_class: str) -> None:
        """Count packs of one class only; the one that is chosen already means all again."""
        self.pack_class = "" if pack_class == self.pack_class else pack_class
        await self.load()
        await self.fetch_map()

    async def sort_by(self, sort: str) -> None:
        """Put the list in another order; an unknown one changes nothing."""
        if sort in SORTS:
            self.sort = sort
            await self.load()

    async def clear(self) -> None:
        """Drop all filters."""
        self.place = self.pack_class = ""
        self.ready_now = self.open_now = False
        await self.load()

    async def widen(self) -> None:
        """Look as far as the door lets us."""
        self.radius_m = self._wider_m
        await self.load()

    async def be_near(self, place: Place | None) -> None:
        """Look around where the driver is; without a place, say that location is off."""
        self.location_refused = place is None
        if place is None:
            return
        self.near, self.is_here = place, True
        self.start = self.view = (place[0] / _E7, place[1] / _E7, self.view[2])
        await self.load()

    def look_closer(self, lat_e7: int, lon_e7: int) -> None:
        """Go nearer to a place of the map, so that what stands close together comes apart."""
        zoom = min(float(ZOOM_MOST), self.view[2] + CLOSER)
        self.start = self.view = (lat_e7 / _E7, lon_e7 / _E7, zoom)

    def look_at(self, latitude: float, longitude: float, zoom: float) -> None:
        """Take where the map was moved to; nonsense of a browser is brought into bounds."""
        self.view = (
            max(-LATITUDE_MOST, min(LATITUDE_MOST, latitude)),
            max(-180.0, min(180.0, longitude)),
            max(float(ZOOM_LEAST), min(float(ZOOM_MOST), zoom)),
        )

    def toggle_map(self) -> None:
        """Give the phone's screen to the map, or back to the list."""
        self.shows_map = not self.shows_map

    # What is shown ---------------------------------------------------------------------------

    def ready_of(self, station: Station) -> int:
        """Count the ready packs of the chosen class, of all classes when none is chosen."""
        return sum(
            ready.ready_count
            for ready in station.ready
            if self.pack_class in {"", ready.pack_class}
        )

    def seen_at(self) -> datetime | None:
        """Give when the station that reported least lately did so; nothing without stations."""
        return min((s.as_of for s in self.items if s.state != "OFFLINE"), default=None)

    def is_old(self, after_s: int) -> bool:
        """Tell whether some figure on screen is older than that."""
        seen = self.seen_at()
        return seen is not None and self._now() - seen > timedelta(seconds=after_s)

    def next_ready(self) -> tuple[Station, datetime] | None:
        """Find where the next pack of the chosen class will be ready, when none is now."""
        found = [
            (station, ready.next_ready_at)
            for station in self.items
            for ready in station.ready
            if ready.next_ready_at and self.pack_class in {"", ready.pack_class}
        ]
        return min(found, key=lambda each: each[1], default=None)

    def none_ready(self) -> bool:
        """Tell whether there are stations and not one ready pack."""
        return bool(self.items) and not any(map(self.ready_of, self.items))


def frame_of(latitude: float, longitude: float, zoom: float) -> tuple[int, int, int, int]:
    """Give the edges of the map around its middle: west, south, east, north, times 10^7.

    >>> frame_of(0.0, 0.0, 13)
    (-858306, -772476, 858306, 772476)
    """
    per_pixel = 360 / (_TILE_PX * 2**zoom)
    across, down = (side * per_pixel / 2 for side in _FRAME_PX)
    west, east = max(-180.0, longitude - across), min(180.0, longitude + across)
    south, north = max(-LATITUDE_MOST, latitude - down), min(LATITUDE_MOST, latitude + down)
    return int(west * _E7), int(south * _E7), int(east * _E7), int(north * _E7)
