"""Stations for everybody, without sign-in: around a place, by name, on the map, one by one."""

from collections import defaultdict
from hashlib import sha256
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.params import FromPath

from ledger.kernel.errors import NotFound
from ledger.kernel.geo import Box
from ledger.kernel.ids import is_id
from ledger.kernel.instants import as_text
from ledger.runtime.availability import Near, StationNow
from partner_api.auth import Action
from partner_api.deps import asked, asks, parts_of
from partner_api.driver.bodies_stations import (
    ClusterOut,
    MapOut,
    OpeningOut,
    PositionOut,
    StationSheetOut,
    StationsOut,
)
from partner_api.driver.station_view import Stations, language_of
from partner_api.driver.stations_search import (
    NOWHERE,
    RADIUS_M_MAX,
    SEARCH,
    Search,
    boxes,
    found_by,
    number,
)
from partner_api.look import Asking
from partner_api.problems import Unchanged

ON_MAP_MAX = 300
CELLS_ACROSS = 20
ZOOMS = range(3, 20)
FRESH = {"Cache-Control": "public, max-age=10"}

_E7_WORLD = 3_600_000_000
_SIDES = 4
_TAG_CHARACTERS = 32


def answered(request: Asking, said: msgspec.Struct, position: int) -> Response[Any]:
    """Answer with what everybody may see for ten seconds; who has it already is told so."""
    data: Any = msgspec.json.encode(said)
    tag = f'"{sha256(data).hexdigest()[:_TAG_CHARACTERS]}"'
    if tag in request.headers.getall("if-none-match", []):
        raise Unchanged(tag)
    headers = {"Ledger-Position": str(max(position, 0)), "ETag": tag, **FRESH}
    return Response(data, headers=headers, media_type=MediaType.JSON)


def station_of(stations: Stations, station_id: str) -> StationNow:
    """Find a station; `NotFound` for none."""
    row = stations.index.one(station_id) if is_id(station_id) else None
    if row is None:
        raise NotFound("no such station")
    return row


def language(request: Asking) -> str:
    """Give the language of who asks."""
    return language_of(request.headers.get("accept-language", ""))


@get(
    "/stations",
    operation_id="list_stations",
    opt=asks(Action.READ_STATIONS, *SEARCH),
    sync_to_thread=True,
)
def list_stations(request: Asking) -> Response[StationsOut]:
    """List stations around a place or by name, with what is ready there."""
    parts = parts_of(request)
    with parts.ledger.reading() as reads:
        stations = Stations(parts, reads, language(request))
        search = Search(dict(asked(request).query), stations.now)
        found = found_by(search, stations)
        if "cursor" in search.query:
            after = tuple(parts.cursors.read(search.query["cursor"], search.filters).after)
            found = [near for near in found if search.key(stations, near) > after]
        shown = found[: search.limit]
        more = ""
        if len(found) > len(shown):
            last = search.key(stations, shown[-1])
            more = parts.cursors.write(search.filters, 0, reads.size, last)
        if search.arrive_at:
            stations.read_pools(near.found for near in shown)
        said = StationsOut(
            items=[stations.out(near, search.arrive_at) for near in shown],
            radius_m=search.radius_m,
            as_of=PositionOut(reads.size - 1),
            next_cursor=more,
        )
        if search.place is not None and not any(_has_ready(search, stations, n) for n in shown):
            beyond = _nearest_ready(search, stations)
            if beyond is not None:
                said = msgspec.structs.replace(said, nearest_ready=stations.out(beyond))
        return answered(request, said, reads.size - 1)


def _has_ready(search: Search, stations: Stations, near: Near) -> bool:
    return search.ready(near.found, stations.now) > 0


def _nearest_ready(search: Search, stations: Stations) -> Near | None:
    """Find the nearest station with a pack, as far as the widest circle reaches."""
    assert search.place is not None, "asked for a place only"
    found = stations.index.near(
        search.place, RADIUS_M_MAX, 1, lambda row: search.ready(row, stations.now) > 0
    )
    return found[0] if found else None


# The map ----------------------------------------------------------------------


@get(
    "/stations/map",
    operation_id="map_stations",
    opt=asks(Action.READ_STATIONS, "bbox", "zoom", "pack_class"),
    sync_to_thread=True,
)
def map_stations(request: Asking) -> Response[MapOut]:
    """Give what a map shows in its frame: stations, or clusters where they are too many."""
    parts, query = parts_of(request), asked(request).query
    frames = boxes(query.get("bbox", ""))
    zoom = number(query, "zoom", None, (ZOOMS[0], ZOOMS[-1]))
    pack_class = query.get("pack_class", "")
    with parts.ledger.reading() as reads:
        stations = Stations(parts, reads, language(request))
        found = [
            row
            for box in frames
            for row in stations.index.within(box)
            if not pack_class or any(one.pack_class == pack_class for one in row.stocks)
        ]
        found.sort(key=lambda row: row.station.station_id)
        clusters: list[ClusterOut] = []
        if len(found) > ON_MAP_MAX:
            clusters, found = _clustered(stations, found, frames, zoom)
        said = MapOut(
            clusters=clusters,
            stations=[stations.out(Near(row, NOWHERE)) for row in found],
            as_of=PositionOut(reads.size - 1),
        )
        return answered(request, said, reads.size - 1)


def _clustered(
    stations: Stations, found: list[StationNow], boxes: list[Box], zoom: int
) -> tuple[list[ClusterOut], list[StationNow]]:
    """Gather stations by squares of the map; alone in its square one is shown as it is."""
    width = sum(box.east_e7 - box.west_e7 for box in boxes)
    side = max(_E7_WORLD // 2**zoom // _SIDES, width // CELLS_ACROSS, 1)
    cells: defaultdict[tuple[int, int], list[StationNow]] = defaultdict(list)
    for row in found:
        point = row.point
        assert point is not None, "it lies in a frame"
        cells[point.lat_e7 // side, point.lon_e7 // side].append(row)
    alone = [rows[0] for rows in cells.values() if len(rows) == 1][:ON_MAP_MAX]
    shown = {row.station.station_id for row in alone}
    clusters = []
    for _, members in sorted(cells.items()):
        if members[0].station.station_id in shown:
            continue
        points = [row.point for row in members if row.point is not None]
        clusters.append(
            ClusterOut(
                lat_e7=sum(point.lat_e7 for point in points) // len(points),
                lon_e7=sum(point.lon_e7 for point in points) // len(points),
                count=len(members),
                ready_count=sum(
                    stock.ready
                    for row in members
                    if row.is_online(stations.now)
                    for stock in row.stocks
                ),
            )
        )
    return clusters, alone


# One station ------------------------------------------------------------------


@get(
    "/stations/{station_id:str}",
    operation_id="show_station",
    opt=asks(Action.READ_STATIONS),
    sync_to_thread=True,
)
def show_station(request: Asking, station_id: FromPath[str]) -> Response[StationSheetOut]:
    """Give all that is told of a station."""
    parts = parts_of(request)
    with parts.ledger.reading() as reads:
        stations = Stations(parts, reads, language(request))
        row = station_of(stations, station_id)
        if row.point is None:
            raise NotFound("a station without a place")
        return answered(request, sheet_of(stations, row), reads.size - 1)


def sheet_of(stations: Stations, row: StationNow) -> StationSheetOut:
    """Make the sheet of a station."""
    plain = stations.out(Near(row, NOWHERE))
    profile = row.profile
    members = {name: getattr(plain, name) for name in plain.__struct_fields__}
    return StationSheetOut(
        **members,
        address=profile.address if profile else "",
        opening=[
            OpeningOut(span.day, span.from_local, span.to_local)
            for span in (profile.opening if profile else ())
        ],
        zone=row.station.zone,
        lanes=profile.lanes if profile else 1,
        slots_total=row.slots,
        photos=(),
        services=profile.services if profile else (),
        phone=stations.phone(row),
        position=stations.reads.size - 1,
        tariff=stations.prices.tariff(row.station, stations.now),
        last_swap_at=as_text(row.last_swap_at) if row.last_swap_at else None,
    )


ROUTES = (list_stations, map_stations, show_station)
