"""The trend of a state of health: robust, exact, and silent where nothing can be said."""

import pytest

from ledger.analytics.soh_trend import POINTS_MAX, SPAN_MIN_US, trend_of
from ledger.kernel.instants import DAY

YEAR = 36_525 * DAY // 100


def test_a_steady_loss_is_found_to_the_point():
    points = [(number * YEAR // 4, 10_000 - 25 * number) for number in range(9)]
    found = trend_of(points)
    assert found is not None
    assert (found.bp_per_year, found.points) == (-100, 9)
    assert (found.from_at, found.to_at) == (0, 2 * YEAR)


def test_one_wild_assessment_does_not_move_it():
    points = [(number * YEAR // 4, 10_000 - 25 * number) for number in range(9)]
    points[4] = (points[4][0], 3_000)
    found = trend_of(list(reversed(points)))
    assert found is not None
    assert found.bp_per_year == -100


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, 9_000), (YEAR, 8_000)],
        [(0, 9_000), (SPAN_MIN_US // 2, 8_000), (SPAN_MIN_US - 1, 8_000)],
        [(5, 9_000)] * 9,
    ],
)
def test_too_few_or_too_close_assessments_say_nothing(points):
    assert trend_of(points) is None


def test_two_assessments_of_one_moment_have_no_slope():
    found = trend_of([(0, 9_000), (0, 9_100), (YEAR, 8_950)])
    assert found is not None
    assert found.bp_per_year == -100


def test_only_the_newest_are_looked_at():
    old = [(number * DAY, 10_000) for number in range(500)]
    new = [((500 + number) * DAY, 9_000 - number) for number in range(POINTS_MAX)]
    found = trend_of(old + new)
    assert found is not None
    assert (found.points, found.from_at) == (POINTS_MAX, 500 * DAY)
    assert found.bp_per_year == -365
