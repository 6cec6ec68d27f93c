"""Finding places on a map fast: squares of a hundredth of a degree, searched in growing circles.

A search ends as soon as it has as many as were wanted, so a metropolis with thousands of stations
costs no more than a town. Whoever seeks what is rare passes all squares of his circle, each once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from math import cos, radians
from typing import NamedTuple

from ledger.kernel.geo import Box, Point, metres_between

CELL_E7 = 100_000
"""Side of a square in degrees x 10^7: about a kilometre from south to north."""

FIRST_REACH_M = 1_000

_E7_PER_STEP, _METRES_PER_STEP = 1_000_000, 11_132
_FULL_CIRCLE_E7 = 3_600_000_000

Cell = tuple[int, int]


class Found(NamedTuple):
    """A place that was found, and how far away it is (m)."""

    distance_m: int
    name: str


def anywhere(_name: str) -> bool:
    """Take every place."""
    return True


class Grid:
    """Places by name; it never changes, so many threads may search it."""

    def __init__(self, places: Mapping[str, Point]) -> None:
        """Sort places into squares."""
        cells: defaultdict[Cell, list[tuple[str, Point]]] = defaultdict(list)
        for name, point in places.items():
            cells[point.lat_e7 // CELL_E7, point.lon_e7 // CELL_E7].append((name, point))
        self._cells: dict[Cell, list[tuple[str, Point]]] = dict(cells)

    def within(self, box: Box) -> Iterator[str]:
        """Yield the names of the places in a frame, in no order."""
        for cell in self._in(box):
            for name, point in self._cells[cell]:
                if box.holds(point):
                    yield name

    def near(
        self, place: Point, radius_m: int, wanted: int, fits: Callable[[str], bool] = anywhere
    ) -> list[Found]:
        """List places around a place that fit, the nearest first; equally near ones by name.

        At most `wanted`: the search stops at the circle that holds so many.
        """
        reached = 0
        seen: set[Cell] = set()
        waiting: list[Found] = []
        found: list[Found] = []
        while reached < radius_m:
            reached = min(max(reached * 2, FIRST_REACH_M), radius_m)
            for box in boxes_around(place, reached):
                for cell in self._in(box):
                    if cell in seen:
                        continue
                    seen.add(cell)
                    for name, point in self._cells[cell]:
                        if fits(name):
                            heappush(waiting, Found(metres_between(place, point), name))
            while waiting and waiting[0].distance_m <= reached and len(found) < wanted:
                found.append(heappop(waiting))
            if len(found) >= wanted:
                break
        return found

    def _in(self, box: Box) -> list[Cell]:
        """List the squares with places in them that a frame touches."""
        south, west = box.south_e7 // CELL_E7, box.west_e7 // CELL_E7
        north, east = box.north_e7 // CELL_E7, box.east_e7 // CELL_E7
        cells = self._cells
        if (north - south + 1) * (east - west + 1) > len(cells):
            return [cell for cell in cells if south <= cell[0] <= north and west <= cell[1] <= east]
        return [
            (lat, lon)
            for lat in range(south, north + 1)
            for lon in range(west, east + 1)
            if (lat, lon) in cells
        ]


def boxes_around(place: Point, radius_m: int) -> list[Box]:
    """Frame a circle: one frame, or two where it crosses the antimeridian.

    >>> [box.west_e7 for box in boxes_around(Point(0, 1_799_999_000), 1_000)]
    [1799909167, -1800000000]
    """
    reach = radius_m * _E7_PER_STEP // _METRES_PER_STEP + 1
    south = max(place.lat_e7 - reach, -900_000_000)
    north = min(place.lat_e7 + reach, 900_000_000)
    widest = max(abs(south), abs(north)) / 10_000_000
    shrink = cos(radians(min(widest, 89.9)))
    wide = min(int(reach / shrink) + 1, _FULL_CIRCLE_E7 // 2)
    west, east = place.lon_e7 - wide, place.lon_e7 + wide
    half = _FULL_CIRCLE_E7 // 2
    if west < -half:
        return [Box(south, -half, north, east), Box(south, west + 2 * half, north, half)]
    if east > half:
        return [Box(south, west, north, half), Box(south, -half, north, east - 2 * half)]
    return [Box(south, west, north, east)]
