"""The trend of a pack's state of health: the median of all slopes between its assessments.

The estimator of Theil and Sen: up to 29 % of the assessments may be wrong by any amount without
moving it far, and it needs no assumption about their errors. It is exact: times are integers,
slopes are fractions, and only the answer is rounded.

>>> from ledger.kernel.instants import DAY
>>> points = [(0, 10_000), (100 * DAY, 9_900), (200 * DAY, 9_800), (300 * DAY, 9_900)]
>>> trend_of(points).bp_per_year
-244
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from statistics import median

import msgspec

from ledger.kernel.instants import DAY

POINTS_MIN = 3
SPAN_MIN_US = 30 * DAY
"""Policy: fewer assessments, or over a shorter time, say nothing of a trend."""

POINTS_MAX = 200
"""Newest assessments that are looked at; the slopes between them are 19,900."""

_YEAR_DAYS = Fraction(36_525, 100)


class Trend(msgspec.Struct, frozen=True):
    """How a state of health changes, in hundredths of a percent a year, by how many assessments."""

    bp_per_year: int
    points: int
    from_at: int
    to_at: int


def trend_of(points: Sequence[tuple[int, int]]) -> Trend | None:
    """Find the trend of (time in us, state of health in bp); None where nothing can be said."""
    newest = sorted(points)[-POINTS_MAX:]
    if len(newest) < POINTS_MIN or newest[-1][0] - newest[0][0] < SPAN_MIN_US:
        return None
    slopes = [
        Fraction(later_bp - earlier_bp, later_at - earlier_at)
        for (earlier_at, earlier_bp), (later_at, later_bp) in combinations(newest, 2)
        if later_at > earlier_at
    ]
    yearly = median(slopes) * DAY * _YEAR_DAYS
    return Trend(round(yearly), len(newest), newest[0][0], newest[-1][0])
