"""Searching places in growing circles finds what looking at every place finds."""

from random import Random  # noqa: TID251  seeded below

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.geo import Box, Point, metres_between
from ledger.runtime.station_grid import Found, Grid

RENNES = Point(481_173_000, -16_778_000)


def scattered(count, spread_e7, middle=RENNES):
    dice = Random(count)
    return {
        f"ST-{number}": Point(
            middle.lat_e7 + dice.randint(-spread_e7, spread_e7),
            middle.lon_e7 + dice.randint(-spread_e7, spread_e7),
        )
        for number in range(count)
    }


def by_hand(places, middle, radius_m, wanted, fits=lambda _: True):
    found = [Found(metres_between(middle, point), name) for name, point in places.items()]
    return sorted(one for one in found if one.distance_m <= radius_m and fits(one.name))[:wanted]


@given(st.integers(0, 60_000), st.integers(1, 60), st.integers(0, 300))
def test_the_nearest_are_found_in_their_order(radius_m, wanted, count):
    places = scattered(count, 6_000_000)
    assert Grid(places).near(RENNES, radius_m, wanted) == by_hand(places, RENNES, radius_m, wanted)


@pytest.mark.parametrize("lon_e7", [1_799_990_000, -1_799_990_000])
def test_the_antimeridian_is_no_border(lon_e7):
    middle = Point(0, lon_e7)
    places = {"EAST": Point(0, 1_799_999_000), "WEST": Point(0, -1_799_999_000)}
    assert len(Grid(places).near(middle, 5_000, 10)) == 2


def test_what_is_rare_is_found_too():
    places = scattered(2_000, 3_000_000)
    rare = {name for name in places if name.endswith("77")}
    found = Grid(places).near(RENNES, 50_000, 5, rare.__contains__)
    assert found == by_hand(places, RENNES, 50_000, 5, rare.__contains__)
    assert len(found) == 5


def test_a_metropolis_is_not_searched_whole():
    places = scattered(5_000, 2_000_000)
    asked = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return True

    Grid(places).near(RENNES, 50_000, 10, wanted)
    assert len(asked) < 1_000


def test_a_frame_holds_what_lies_in_it():
    places = scattered(500, 3_000_000)
    box = Box(480_000_000, -17_000_000, 481_500_000, -16_000_000)
    inside = {name for name, point in places.items() if box.holds(point)}
    assert set(Grid(places).within(box)) == inside
