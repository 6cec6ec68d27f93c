"""Say what one charge alone tells of a pack's capacity: the charge counted over a window.

Only a window known exactly (both ends at rest, under one protocol) is good enough to publish by
itself; with ordinary BMS readings the sessions go through `soh_filter`, which weighs them.
"""

import math
from typing import Literal

import msgspec

from ledger.analytics.soh_filter import Estimate, Session, check
from ledger.kernel.errors import Malformed

IGNORED_BELOW_POINTS = 10.0
NARROW_BELOW_POINTS = 25.0
SOC_SIGMA_TO_PUBLISH_POINTS = 0.5
"""At most this error of a reading makes a session worth publishing by itself."""

Use = Literal["ignored", "narrow", "full"]


class Instrument(msgspec.Struct, frozen=True):
    """What measured: the error of one SoC reading in points, of the counted charge as a share."""

    soc_sigma_points: float = 1.5
    rounding_points: float = 1.0
    gain: float = 0.003

    @property
    def reading_sigma_points(self) -> float:
        """Error of a reading with its rounding to `rounding_points` steps, in quadrature.

        >>> round(Instrument().reading_sigma_points, 3)
        1.528
        """
        return math.hypot(self.soc_sigma_points, self.rounding_points / math.sqrt(12.0))


def use_of(session: Session) -> Use:
    """Say what a session may do: nothing, no more than hint (never change a hold), or count.

    >>> use_of(Session(0.4, 20.0, 40.0))
    'narrow'
    """
    if session.window_points < IGNORED_BELOW_POINTS:
        return "ignored"
    return "narrow" if session.window_points < NARROW_BELOW_POINTS else "full"


def from_session(session: Session, rated_ah: float, instrument: Instrument) -> Estimate:
    """Divide charge by window: ``capacity = q / w``, with both errors in its sigma.

    ``sigma = capacity * sqrt(2 * (sigma_soc / w)^2 + gain^2)``.

    Raises:
        Malformed: no session of such a pack, or a window below `IGNORED_BELOW_POINTS`.

    >>> found = from_session(Session(1.0, 20.0, 70.0), 2.0, Instrument())
    >>> round(found.capacity_ah, 3), round(found.sigma_ah, 3)
    (2.0, 0.087)
    """
    check(session, rated_ah)
    if use_of(session) == "ignored":
        raise Malformed("window below 10 points of SoC", field="soc_end_points")
    capacity = 100.0 * session.charge_ah / session.window_points
    share = instrument.reading_sigma_points / session.window_points
    return Estimate(capacity, capacity * math.sqrt(2.0 * share**2 + instrument.gain**2))
