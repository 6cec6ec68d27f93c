"""Stations along a way, and the fewest stops that reach its end."""

from itertools import combinations
from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.kernel.errors import Malformed
from ledger.kernel.geo import Box, Point, metres_between
from ledger.planning.trips import POINTS_MAX, Along, along, stops, way_of

KM_E7 = 89_932
"""A kilometre of a meridian, in degrees x 10^7."""


def north(km: float) -> Point:
    """A place so far north of 48 degrees, on the meridian of 2 degrees east."""
    return Point(480_000_000 + round(km * KM_E7), 20_000_000)


def beside(place: Point, km: float) -> Point:
    """A place so far east of another."""
    east = round(km * KM_E7 / 0.66913)  # cosine of 48 degrees
    return Point(place.lat_e7, place.lon_e7 + east)


def among(places: dict[str, Point]):
    def near(box: Box) -> list[tuple[str, Point]]:
        return [(name, place) for name, place in places.items() if box.holds(place)]

    return near


WAY = way_of([north(0), north(40), north(100)])


def test_stations_come_in_the_order_of_travel_with_their_detour():
    places = {
        "late": beside(north(90), 1),
        "early": beside(north(10), -2),
        "at the bend": north(40),
        "far": beside(north(50), 5),
        "behind": north(-3),
    }
    found = along(WAY, 2_100, among(places))
    assert [one.name for one in found] == ["early", "at the bend", "late"]
    early, bend, late = found
    assert early.along_m == pytest.approx(10_000, rel=0.01)
    assert early.detour_m == pytest.approx(4_000, rel=0.02)
    assert (bend.along_m, bend.detour_m) == (WAY.at_m[1], 0)
    assert late.detour_m == pytest.approx(2_000, rel=0.04)
    assert along(WAY, 3_100, among(places))[0] == Along("behind", 0, 3_000)


def test_the_distance_beside_is_that_of_the_sphere():
    chance = Random(1)
    for _ in range(200):
        one = Point(chance.randrange(-600_000_000, 600_000_000), chance.randrange(-(10**9), 10**9))
        place = Point(one.lat_e7 + chance.randrange(90_000), one.lon_e7 + chance.randrange(90_000))
        way = way_of([one, Point(one.lat_e7 - KM_E7, one.lon_e7 - KM_E7)])
        (found,) = along(way, 20_000, among({"A": place}))
        assert found.along_m == 0
        assert found.off_m == pytest.approx(metres_between(one, place), rel=0.01, abs=2)


def test_a_way_that_stands_still_and_one_around_the_pole_are_ways():
    here = north(5)
    assert along(way_of([here, here]), 100, among({"A": here})) == [Along("A", 0, 0)]
    pole = way_of([Point(899_999_000, 0), Point(900_000_000, 1_790_000_000)])
    assert along(pole, 100, among({"A": Point(899_999_000, 0)}))[0].off_m == 0


@pytest.mark.parametrize(
    "points",
    [
        [],
        [north(0)],
        [north(0)] * (POINTS_MAX + 1),
        [north(0), north(201)],
        [Point(0, 1_799_000_000), Point(0, -1_799_000_000)],
        [north(0), north(150)] * 20,
    ],
)
def test_what_is_no_way_is_refused(points):
    with pytest.raises(Malformed) as caught:
        way_of(points)
    assert caught.value.field == "polyline"


# Stops ------------------------------------------------------------------------------


def test_no_stop_is_made_that_is_not_needed():
    rows = [Along("A", 30_000, 500), Along("B", 60_000, 500)]
    assert stops(80_000, 80_000, 90_000, rows) == stops(80_000, 80_000, 90_000, [])
    plan = stops(140_000, 80_000, 90_000, rows)
    assert (plan.is_covered, [one.name for one in plan.stops]) == (True, ["B"])


def test_a_detour_counts_against_the_range():
    row = Along("A", 50_000, 10_000)
    assert stops(100_000, 59_999, 100_000, [row]).is_covered is False
    assert stops(100_000, 60_000, 60_000, [row]).is_covered is True
    assert stops(100_001, 60_000, 60_000, [row]).is_covered is False


def test_where_the_end_is_out_of_reach_the_stops_lead_as_far_as_one_gets():
    rows = [Along("A", 30_000, 0), Along("B", 200_000, 0)]
    plan = stops(220_000, 40_000, 50_000, rows)
    assert (plan.is_covered, [one.name for one in plan.stops]) == (False, ["A"])
    assert stops(220_000, 40_000, 50_000, []).stops == ()


def reaches(way_m: int, range_m: int, full_m: int, chosen: tuple[Along, ...]) -> bool:
    """Drive a way over given stops, in their order."""
    from_m, reach_m = 0, range_m
    for one in chosen:
        if one.along_m + one.off_m > from_m + reach_m:
            return False
        from_m, reach_m = one.along_m - one.off_m, full_m
    return from_m + reach_m >= way_m


def test_no_choice_needs_fewer_stops():
    chance = Random(2)
    for _ in range(400):
        rows = [
            Along(f"S{number}", chance.randrange(100), chance.randrange(8)) for number in range(6)
        ]
        rows.sort(key=lambda one: one.along_m - one.off_m)
        range_m, full_m = chance.randrange(10, 60), chance.randrange(10, 60)
        plan = stops(100, range_m, full_m, rows)
        fewest = next(
            (
                count
                for count in range(7)
                for chosen in combinations(rows, count)
                if reaches(100, range_m, full_m, chosen)
            ),
            None,
        )
        assert plan.is_covered is (fewest is not None)
        if plan.is_covered:
            assert len(plan.stops) == fewest
            assert reaches(100, range_m, full_m, plan.stops)
