"""Trips: which stations lie along a way, and where to swap so that no stretch is too long.

A way is a line of points. A station lies along it where it is nearest to it, and is reached by
driving there and back: its detour is twice its distance from the line, as the crow flies. Distances
are right to about one percent on stretches of the length that is taken.

Stops are chosen from the beginning, each time the station from which one gets farthest. No choice
needs fewer: whoever leaves a station at `along` metres of the way, `off` metres beside it, reaches
exactly the stations with ``along + off`` of at most his range and ``along - off`` of where he was,
so the largest ``along - off`` reaches all that any other does.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import cos, hypot, radians

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.geo import LAT_E7_MAX, LON_E7_MAX, Box, Point, metres_between

POINTS_MAX = 500
STRETCH_M_MAX = 200_000
WAY_M_MAX = 5_000_000
CORRIDOR_M_MAX = 20_000

_METRES_PER_E7 = 6_371_008.8 * radians(1) / 10_000_000
_NEAR_POLE = 89.9

Near = Callable[[Box], Iterable[tuple[str, Point]]]
"""Gives the stations in a frame, by name and place; more than those do no harm."""


class Along(msgspec.Struct, frozen=True):
    """A station along a way: how far on, and how far beside it, in metres."""

    name: str
    along_m: int
    off_m: int

    @property
    def detour_m(self) -> int:
        """How much longer the way is over this station."""
        return 2 * self.off_m


class Way(msgspec.Struct, frozen=True):
    """A line of points, each with its distance from the beginning (m); `way_of` makes it."""

    points: tuple[Point, ...]
    at_m: tuple[int, ...]

    @property
    def length_m(self) -> int:
        """How long it is."""
        return self.at_m[-1]


class Plan(msgspec.Struct, frozen=True):
    """Where to swap, in order; `is_covered` tells whether the end is reached so."""

    stops: tuple[Along, ...]
    is_covered: bool


def way_of(points: Sequence[Point]) -> Way:
    """Measure a way.

    Raises:
        Malformed: fewer than two points or too many, points too far apart, a way over the
            antimeridian, or one that is too long.
    """
    if not 2 <= len(points) <= POINTS_MAX:  # noqa: PLR2004 - a line has two ends
        raise Malformed(f"from 2 to {POINTS_MAX} points", field="polyline")
    at_m = [0]
    for one, other in pairwise(points):
        if abs(one.lon_e7 - other.lon_e7) > LON_E7_MAX:
            raise Malformed("crosses the antimeridian: ask for its two parts", field="polyline")
        stretch_m = metres_between(one, other)
        if stretch_m > STRETCH_M_MAX:
            raise Malformed(f"points at most {STRETCH_M_MAX} m apart", field="polyline")
        at_m.append(at_m[-1] + stretch_m)
    if at_m[-1] > WAY_M_MAX:
        raise Malformed(f"at most {WAY_M_MAX} m long", field="polyline")
    return Way(tuple(points), tuple(at_m))


def along(way: Way, corridor_m: int, near: Near) -> list[Along]:
    """List the stations at most `corridor_m` beside a way, in the order of travel."""
    found: dict[str, Along] = {}
    for number, (one, other) in enumerate(pairwise(way.points)):
        begin_m, end_m = way.at_m[number], way.at_m[number + 1]
        for name, place in near(_frame(one, other, corridor_m)):
            share, off = _nearest(one, other, place)
            here = Along(name, begin_m + round(share * (end_m - begin_m)), round(off))
            before = found.get(name)
            if off <= corridor_m and (before is None or here.off_m < before.off_m):
                found[name] = here
    return sorted(found.values(), key=lambda each: (each.along_m, each.name))


def _shrink(lat_e7: float) -> float:
    return cos(radians(min(abs(lat_e7) / 10_000_000, _NEAR_POLE)))


def _frame(one: Point, other: Point, corridor_m: int) -> Box:
    """Frame a stretch with its corridor."""
    reach = int(corridor_m / _METRES_PER_E7) + 1
    wide = int(reach / _shrink(max(abs(one.lat_e7), abs(other.lat_e7)) + reach)) + 1
    return Box(
        max(min(one.lat_e7, other.lat_e7) - reach, -LAT_E7_MAX),
        max(min(one.lon_e7, other.lon_e7) - wide, -LON_E7_MAX),
        min(max(one.lat_e7, other.lat_e7) + reach, LAT_E7_MAX),
        min(max(one.lon_e7, other.lon_e7) + wide, LON_E7_MAX),
    )


def _nearest(one: Point, other: Point, place: Point) -> tuple[float, float]:
    """Find where a stretch is nearest to a place: the share of it behind, metres beside it."""
    shrink = _shrink((one.lat_e7 + other.lat_e7) / 2)
    east, north = (other.lon_e7 - one.lon_e7) * shrink, float(other.lat_e7 - one.lat_e7)
    x, y = (place.lon_e7 - one.lon_e7) * shrink, float(place.lat_e7 - one.lat_e7)
    length = east * east + north * north
    share = min(max((x * east + y * north) / length, 0.0), 1.0) if length else 0.0
    return share, hypot(x - share * east, y - share * north) * _METRES_PER_E7


def stops(way_m: int, range_m: int, full_range_m: int, stations: Sequence[Along]) -> Plan:
    """Choose the fewest stops for a way; without an answer those as far as one gets.

    Args:
        way_m: how long the way is.
        range_m: how far the driver gets now.
        full_range_m: how far he gets after a swap.
        stations: where he may swap.
    """
    chosen: list[Along] = []
    from_m, reach_m = 0, range_m
    while from_m + reach_m < way_m:
        near = [one for one in stations if one.along_m + one.off_m <= from_m + reach_m]
        best = max(near, key=lambda one: (one.along_m - one.off_m, one.name), default=None)
        if best is None or best.along_m - best.off_m + full_range_m <= from_m + reach_m:
            return Plan(tuple(chosen), is_covered=False)
        chosen.append(best)
        from_m, reach_m = best.along_m - best.off_m, full_range_m
    return Plan(tuple(chosen), is_covered=True)
