"""Calls about trips."""

from collections.abc import Sequence

from customer_app.api.calls import Calls, path, read_answer
from customer_app.api.http import Ask
from customer_app.api.wire_trips import TripPlan

Point = tuple[int, int]
"""Latitude and longitude in degrees x 10^7."""


class TripCalls(Calls):
    """Planning; what is planned is stored nowhere."""

    async def plan_trip(self, way: Sequence[Point], range_m: int, pack_class: str) -> TripPlan:
        """Say where to stop along a way, when one gets so far (metres) now and after a swap."""
        points = [{"lat_e7": latitude, "lon_e7": longitude} for latitude, longitude in way]
        body = {"polyline": points, "range_m": range_m, "pack_class": pack_class}
        ask = Ask("POST", path("trips", "plan"), body=body)
        return read_answer(TripPlan, await self.transport.send(ask))
