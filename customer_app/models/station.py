"""One station in full: what is ready, what will be, prices by the hour, busy hours."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError
from customer_app.api.wire_stations import Availability, Forecast, Hours, StationSheet
from customer_app.models.base import Model

LOOK_AHEAD = timedelta(hours=4)
METRES_A_MINUTE = 500  # in town, lights included
ARRIVAL_LEAST_MIN, ARRIVAL_MOST_MIN = 5, 120


@observable
class StationModel(Model):
    """The sheet of a station for one class of pack.

    The forecast and the busy hours are extras: without them the sheet still stands.
    """

    def __init__(
        self, client: ApiClient, station_id: str, now: Callable[[], datetime], pack_class: str = ""
    ) -> None:
        """Begin with a station and the class that the list was filtered by, if any."""
        Model.__init__(self)
        self._client = client
        self.station_id = station_id
        self._now = now
        self.pack_class = pack_class
        self.sheet: StationSheet | None = None
        self.availability: Availability | None = None
        self.hours: Hours | None = None

    @override
    async def fetch(self) -> None:
        """Ask for the sheet, then for the extras of the chosen class."""
        sheet = await self._client.station(self.station_id)
        classes = [ready.pack_class for ready in sheet.ready]
        if self.pack_class not in classes:
            self.pack_class = classes[0] if classes else ""
        self.sheet = sheet
        await self._fetch_extras()

    async def choose_class(self, pack_class: str) -> None:
        """Show another class of pack; one that the station does not have changes nothing."""
        if self.sheet and pack_class in {ready.pack_class for ready in self.sheet.ready}:
            self.pack_class = pack_class
            await self._fetch_extras()

    async def _fetch_extras(self) -> None:
        if not self.pack_class or self.sheet is None or self.sheet.state == "OFFLINE":
            self.availability = self.hours = None
            return
        now = self._now()
        try:
            self.availability = await self._client.prediction(
                self.station_id, self.pack_class, now, now + LOOK_AHEAD
            )
            self.hours = await self._client.busy_hours(self.station_id, self.pack_class)
        except ApiError:
            self.availability = self.hours = None

    def wants(self, kind: str, object_id: str) -> bool:
        """Tell whether a notice is about this station."""
        return kind.startswith("station") and object_id == self.station_id

    def arrival(self, distance_m: int | None) -> datetime:
        """Guess when the driver arrives: by the distance in town, at least in five minutes."""
        minutes = (distance_m or 0) // METRES_A_MINUTE
        minutes = max(ARRIVAL_LEAST_MIN, min(ARRIVAL_MOST_MIN, minutes))
        return self._now() + timedelta(minutes=minutes)

    def at_arrival(self, arrival: datetime) -> Forecast | None:
        """Give the forecast for the quarter of an hour in which the driver arrives."""
        if self.availability is None:
            return None
        before = [step for step in self.availability.items if step.at <= arrival]
        return max(before, key=lambda step: step.at, default=None)
