import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.errors import Malformed
from ledger.kernel.geo import Box, Point, box_around, is_point, metres_between, parse_point

POINTS = st.builds(
    Point, st.integers(-900_000_000, 900_000_000), st.integers(-1_800_000_000, 1_800_000_000)
)


def test_a_place_is_read_from_decimal_degrees_to_a_centimetre():
    assert parse_point("25.033", "-121.5") == Point(250_330_000, -1_215_000_000)
    assert parse_point("25.03399999912345678", "0") == Point(250_339_999, 0)


@pytest.mark.parametrize(
    ("lat", "lon"),
    [("90.1", "0"), ("0", "180.1"), ("", "0"), ("1e1", "0"), ("0", "1.12345678901x"), ("nan", "0")],
)
def test_a_text_that_is_no_place_on_earth_is_malformed(lat, lon):
    with pytest.raises(Malformed):
        parse_point(lat, lon)


@pytest.mark.parametrize(
    ("lat", "lon", "answer"),
    [
        (900_000_000, -1_800_000_000, True),
        (900_000_001, 0, False),
        (0, 1_800_000_001, False),
        (None, 0, False),
        (0, None, False),
    ],
)
def test_a_point_has_both_numbers_and_lies_on_earth(lat, lon, answer):
    assert is_point(lat, lon) is answer


def test_the_distance_between_two_cities_is_right_to_half_a_percent():
    shenzhen, taipei = Point(225_431_000, 1_140_579_000), Point(250_330_000, 1_215_654_000)
    assert metres_between(shenzhen, taipei) == pytest.approx(810_000, rel=0.006)
    assert metres_between(Point(0, 0), Point(0, 1_800_000_000)) == 20_015_114


@given(POINTS, POINTS)
def test_distance_is_the_same_both_ways_and_never_more_than_half_around_the_earth(one, other):
    metres = metres_between(one, other)
    assert metres == metres_between(other, one)
    assert 0 <= metres <= 20_015_115
    assert metres_between(one, one) == 0


@given(st.lists(POINTS, min_size=1), POINTS)
def test_a_box_holds_exactly_the_places_between_its_borders(places, stranger):
    box = box_around(places)
    assert all(box.holds(place) for place in places)
    north = Point(box.north_e7 + 1, box.east_e7)
    assert not box.holds(north)
    assert not box.holds(Point(box.south_e7, box.west_e7 - 1))
    if box.holds(stranger):
        assert box_around([*places, stranger]) == box


def test_a_box_around_nothing_is_malformed():
    with pytest.raises(Malformed):
        box_around([])
    assert box_around([Point(1, 2)]) == Box(1, 2, 1, 2)
