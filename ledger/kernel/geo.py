"""Places on Earth: degrees as integers x 10^7 (about 1 cm), metres between, bounding boxes.

Stored coordinates are integers. Floats appear only inside `metres_between`, whose answer is for
people and planning and is never stored.
"""

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.quantities import parse_scaled

LAT_E7_MAX = 900_000_000
LON_E7_MAX = 1_800_000_000

_EARTH_RADIUS_M = 6_371_008.8  # mean radius (IUGG)
_E7 = 10_000_000


class Point(msgspec.Struct, frozen=True):
    """One place, in degrees x 10^7."""

    lat_e7: int
    lon_e7: int


class Box(msgspec.Struct, frozen=True):
    """The smallest south-north, west-east frame around some places; borders are inside."""

    south_e7: int
    west_e7: int
    north_e7: int
    east_e7: int

    def holds(self, point: Point) -> bool:
        """Tell whether a place lies inside."""
        return (
            self.south_e7 <= point.lat_e7 <= self.north_e7
            and self.west_e7 <= point.lon_e7 <= self.east_e7
        )


def is_point(lat_e7: int | None, lon_e7: int | None) -> bool:
    """Tell whether two numbers, both given, are a latitude and a longitude."""
    return (
        lat_e7 is not None
        and lon_e7 is not None
        and abs(lat_e7) <= LAT_E7_MAX
        and abs(lon_e7) <= LON_E7_MAX
    )


def parse_point(lat: str, lon: str) -> Point:
    """Read decimal degrees; digits beyond the seventh decimal (1 cm) are cut off.

    Raises `Malformed` for anything that is no place on Earth.

    >>> parse_point("25.0330", "121.56541234999")
    Point(lat_e7=250330000, lon_e7=1215654123)
    """
    point = Point(_degrees(lat, "lat"), _degrees(lon, "lon"))
    if not is_point(point.lat_e7, point.lon_e7):
        raise Malformed(f"not a place on Earth: {lat[:20]}, {lon[:20]}", field="lat")
    return point


def _degrees(text: str, field: str) -> int:
    whole, dot, fraction = text.partition(".")
    parse_scaled(whole + dot + fraction[:9], 9, field)
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise Malformed(f"not a plain decimal number: {text[:40]!r}", field=field)
    return parse_scaled(whole + dot + fraction[:7], 7, field)


def metres_between(one: Point, other: Point) -> int:
    """Measure along the great circle of a sphere, to the nearest metre (error below 0.6 %).

    >>> metres_between(Point(0, 0), Point(0, 10_000_000))  # one degree of the equator
    111195
    """
    south, north = radians(one.lat_e7 / _E7), radians(other.lat_e7 / _E7)
    half_lat = (north - south) / 2
    half_lon = radians((other.lon_e7 - one.lon_e7) / _E7) / 2
    chord = sin(half_lat) ** 2 + cos(south) * cos(north) * sin(half_lon) ** 2
    return round(2 * _EARTH_RADIUS_M * asin(sqrt(min(chord, 1.0))))


def box_around(points: Iterable[Point]) -> Box:
    """Frame some places, at least one; frames across the date line are not made.

    >>> box_around([Point(1, 5), Point(-2, 7)])
    Box(south_e7=-2, west_e7=5, north_e7=1, east_e7=7)
    """
    places = list(points)
    if not places:
        raise Malformed("a box needs at least one place", field="points")
    lats = [place.lat_e7 for place in places]
    lons = [place.lon_e7 for place in places]
    return Box(min(lats), min(lons), max(lats), max(lons))
