"""Make one assessment of what a test, the charges seen in slots and a model say.

Order of trust: full test, then filter, then model. Filter and model are joined by inverse variance
where they agree within three sigma; where not, the filter stands and the two are in disagreement,
which is a case for a person. Numbers leave here as integers, bounds rounded outwards.
"""

import math
from typing import Literal

import msgspec

from ledger.analytics.soh_filter import Estimate
from ledger.analytics.soh_net import Answer
from ledger.kernel.errors import Malformed

SIGMAS_95 = 1.96
AGREE_SIGMAS = 3.0
TEST_SIGMA = 0.003
"""Error of a full test on a calibrated bench, as a share."""

Method = Literal["full-capacity-test", "partial-charge", "model"]

_FULL_BP = 10_000


class Opinion(msgspec.Struct, frozen=True):
    """What one method says: share of rated capacity, its standard deviation, and remarks."""

    share: float
    sigma: float
    method: Method
    flags: tuple[str, ...] = ()


class Assessment(msgspec.Struct, frozen=True):
    """A state of health as the ledger keeps it: 95 % bounds in basis points, mAh unclipped."""

    soh_bp: int
    lower_bp: int
    upper_bp: int
    capacity_mah: int
    method: Method
    flags: tuple[str, ...]
    is_disputed: bool = False
    """Filter and model contradict each other."""


def of_test(capacity_ah: float, rated_ah: float, sigma: float = TEST_SIGMA) -> Opinion:
    """Take a discharge integrated down to the real cut-off."""
    share = capacity_ah / rated_ah
    return Opinion(share, sigma * share, "full-capacity-test")


def of_filter(found: Estimate, rated_ah: float, flags: tuple[str, ...] = ()) -> Opinion:
    """Take the filter's estimate."""
    return Opinion(found.capacity_ah / rated_ah, found.sigma_ah / rated_ah, "partial-charge", flags)


def of_model(answer: Answer, *, is_known: bool) -> Opinion:
    """Take a model's answer; `is_known` is false where the charge lies outside its training."""
    flags = () if is_known else ("extrapolated",)
    widened = 1.0 if is_known else 2.0
    return Opinion(answer.soh, widened * answer.reach / SIGMAS_95, "model", flags)


def assess(rated_ah: float, *opinions: Opinion) -> Assessment:
    """Join the opinions about one pack at one time, at most one of each method.

    Raises:
        Malformed: no opinion, two of one method, or a number that is none.

    >>> assess(2.0, Opinion(0.9, 0.01, "partial-charge"), Opinion(0.92, 0.01, "model")).soh_bp
    9100
    """
    by_method = {each.method: each for each in opinions}
    if not opinions or len(by_method) != len(opinions):
        raise Malformed("one opinion of each method, at least one", field="opinions")
    for each in opinions:
        if not (math.isfinite(each.share) and 0.0 <= each.sigma < math.inf and each.share >= 0.0):
            raise Malformed("not a share with a sigma", field=each.method)
    tested = by_method.get("full-capacity-test")
    followed, modelled = by_method.get("partial-charge"), by_method.get("model")
    if tested is not None:
        return _stated(tested, rated_ah)
    if followed is None or modelled is None:
        return _stated(followed or opinions[0], rated_ah)
    apart = abs(followed.share - modelled.share)
    if apart > AGREE_SIGMAS * math.hypot(followed.sigma, modelled.sigma):
        return _stated(followed, rated_ah, is_disputed=True)
    if "extrapolated" in modelled.flags and modelled.share > followed.share:
        return _stated(followed, rated_ah)  # never raises a state of health
    return _stated(_joined(followed, modelled), rated_ah)


def _joined(followed: Opinion, modelled: Opinion) -> Opinion:
    certain = [1.0 / max(each.sigma, 1e-6) ** 2 for each in (followed, modelled)]
    share = (certain[0] * followed.share + certain[1] * modelled.share) / sum(certain)
    flags = tuple(dict.fromkeys((*followed.flags, *modelled.flags)))
    return Opinion(share, math.sqrt(1.0 / sum(certain)), "partial-charge", flags)


def _stated(opinion: Opinion, rated_ah: float, *, is_disputed: bool = False) -> Assessment:
    reach = SIGMAS_95 * opinion.sigma
    return Assessment(
        soh_bp=_clipped(round(_FULL_BP * opinion.share)),
        lower_bp=_clipped(math.floor(round(_FULL_BP * (opinion.share - reach), 6))),
        upper_bp=_clipped(math.ceil(round(_FULL_BP * (opinion.share + reach), 6))),
        capacity_mah=round(1000.0 * opinion.share * rated_ah),
        method=opinion.method,
        flags=opinion.flags,
        is_disputed=is_disputed,
    )


def _clipped(bp: int) -> int:
    return min(max(bp, 0), _FULL_BP)
