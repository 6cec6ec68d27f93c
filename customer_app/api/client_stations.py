"""Calls about stations: no sign-in needed but for offers."""

from datetime import datetime

from customer_app.api.calls import Calls, given, path, wire_time
from customer_app.api.wire_packs import PublicPack
from customer_app.api.wire_stations import (
    Availability,
    Hours,
    Map,
    Offers,
    Stations,
    StationSheet,
)

PAGE = 24


class StationCalls(Calls):
    """Stations: near a place, on the map, one by one, and what will be ready there."""

    async def stations_near(
        self, near: tuple[int, int] | None = None, *, filters: "dict[str, str | int | bool]"
    ) -> Stations:
        """List stations around a place (degrees x 10^7), by the names of the door's filters."""
        around = {"near": f"{near[0]},{near[1]}"} if near else {}
        return await self._get(Stations, path("stations"), {"limit": PAGE, **around, **filters})

    async def stations_map(
        self, bbox: tuple[int, int, int, int], zoom: int, pack_class: str = ""
    ) -> Map:
        """Give what the map shows between west, south, east and north (degrees x 10^7)."""
        query = given(bbox=",".join(map(str, bbox)), zoom=zoom, pack_class=pack_class)
        return await self._get(Map, path("stations", "map"), query)

    async def station(self, station_id: str) -> StationSheet:
        """Give all that is told of a station."""
        return await self._get(StationSheet, path("stations", station_id))

    async def prediction(
        self, station_id: str, pack_class: str, begin: datetime, end: datetime
    ) -> Availability:
        """Say how many packs will be ready, in quarters of an hour."""
        query = given(pack_class=pack_class, **{"from": wire_time(begin), "to": wire_time(end)})
        return await self._get(Availability, path("stations", station_id, "availability"), query)

    async def busy_hours(self, station_id: str, pack_class: str) -> Hours:
        """Give what is typically ready in each hour of the week."""
        return await self._get(
            Hours, path("stations", station_id, "hours"), given(pack_class=pack_class)
        )

    async def offers(self) -> Offers:
        """Give the offers to bring a charged pack back."""
        return await self._get(Offers, path("offers"))

    async def public_pack(self, code: str) -> PublicPack:
        """Give what anybody may know of a pack by the code on it."""
        return await self._get(PublicPack, path("public", "packs", code))
