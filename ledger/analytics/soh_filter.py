"""Follow a pack's capacity through its partial charges: what a slot sees, session by session.

A session carries `charge_ah` into the pack while the BMS reads two states of charge. The filter
holds what is believed of ``u = rated / capacity`` as a small mixture of Gaussians. In `u` a window
of the state of charge is linear, ``window = 100 * charge / rated * u``, and its error does not
depend on the answer; a ratio ``charge / window`` would be skewed.

One step:

1. *Predict.* Each hypothesis fades by `fade` and widens by `walk`. With the chance `jump` the
   capacity is anywhere in `anywhere`: rest, a repair or another temperature moved it. So a true
   step is followed at once, and one wild reading is not believed.
2. *Measure.* Either the session ended at a full pack (chance `full`): the end is 100, and only the
   reading at the start carries an error; or it ended somewhere: both carry it. How far the reading
   at the end lies from 100 weighs the two.
3. *Reduce.* Hypotheses that say nearly the same are joined; at most `hypotheses` remain.

The answer is the median, with the half width of the interval between the 2.3 % and 97.7 %
quantiles as two sigma. Nothing here knows a later session.
"""

import math
from collections.abc import Sequence

import msgspec

from ledger.kernel.errors import Malformed

WINDOW_POINTS_MIN = 10.0
"""A narrower window says nothing of the capacity (1,000 bp); the session is passed over."""

_TAIL = 0.0227501319
"""What a Gaussian leaves beyond two sigma on one side."""


class Hypothesis(msgspec.Struct, frozen=True):
    """One belief: its `weight`, and mean and variance of rated / capacity."""

    weight: float
    mean: float
    variance: float


class FilterPolicy(msgspec.Struct, frozen=True):
    """What is known of a class of packs before any session."""

    soc_sigma_points: float = 1.53
    """Error of one BMS reading: 1.5 points, and the rounding to whole points in quadrature."""
    gain: float = 0.003
    """Error of the charge counter, as a share."""
    walk: float = 0.007
    """Standard deviation of the change from session to session, as a share."""
    fade: float = 0.002
    """Mean loss from session to session, as a share."""
    jump: float = 0.03
    """Chance of a step of any size between two sessions."""
    full: float = 0.24
    """Share of sessions that end at a full pack."""
    span_points: float = 60.0
    """Width over which the ends of the other sessions are spread."""
    hypotheses: int = 6
    anywhere: tuple[Hypothesis, ...] = (
        Hypothesis(0.4, 1.1, 0.12**2),
        Hypothesis(0.4, 1.4, 0.3**2),
        Hypothesis(0.2, 2.2, 0.8**2),
    )
    """Where a pack of unknown condition lies: mostly good, some worn, a few nearly dead."""


class Session(msgspec.Struct, frozen=True):
    """One charge: amp-hours into the pack, BMS readings in points (0 to 100) at rest."""

    charge_ah: float
    soc_start_points: float
    soc_end_points: float

    @property
    def window_points(self) -> float:
        """How much of the pack the BMS says was filled."""
        return self.soc_end_points - self.soc_start_points


class Estimate(msgspec.Struct, frozen=True):
    """A capacity with its standard deviation, in Ah."""

    capacity_ah: float
    sigma_ah: float


Belief = tuple[Hypothesis, ...]


def begin(policy: FilterPolicy) -> Belief:
    """Give the belief about a pack of which nothing is known yet."""
    return policy.anywhere


def step(belief: Belief, session: Session, rated_ah: float, policy: FilterPolicy) -> Belief:
    """Learn from one session.

    Raises:
        Malformed: the session cannot be one of this pack: no charge, readings outside 0 to 100, or
            a charge that the window contradicts beyond reason (a wrong unit, most often).
    """
    check(session, rated_ah)
    predicted = _predicted(belief, policy)
    if session.window_points < WINDOW_POINTS_MIN:
        return _reduced(predicted, policy.hypotheses)
    return _reduced(_measured(predicted, session, rated_ah, policy), policy.hypotheses)


def estimate(belief: Belief, rated_ah: float, policy: FilterPolicy) -> Estimate:
    """Say the median capacity and half of the two-sigma half width, gain error included."""
    middle = 1.0 / quantile(belief, 0.5)
    low = 1.0 / quantile(belief, 1.0 - _TAIL)
    high = 1.0 / quantile(belief, _TAIL)
    sigma = math.hypot(max(high - middle, middle - low) / 2.0, policy.gain * middle)
    return Estimate(middle * rated_ah, sigma * rated_ah)


def check(session: Session, rated_ah: float) -> None:
    """Raise `Malformed` for a session that no pack of this size can have had."""
    if not (math.isfinite(rated_ah) and rated_ah > 0):
        raise Malformed("rated capacity must be above 0", field="rated_ah")
    if not (math.isfinite(session.charge_ah) and session.charge_ah > 0):
        raise Malformed("charge must be above 0 Ah", field="charge_ah")
    for field in ("soc_start_points", "soc_end_points"):
        if not 0.0 <= getattr(session, field) <= 100.0:  # noqa: PLR2004 - percent
            raise Malformed("outside 0 to 100 percent", field=field)
    if session.charge_ah > 3.0 * rated_ah:
        raise Malformed("more charge than three packs hold: not in Ah?", field="charge_ah")
    window = max(session.window_points, 0.0)
    if session.charge_ah > 3.0 * rated_ah * (window + 8.0) / 100.0:
        rule = "far more charge than this window can take: SoC not in percent, or charge not in Ah?"
        raise Malformed(rule, field="soc_end_points")


def quantile(belief: Belief, share: float) -> float:
    """Find the value of rated / capacity below which `share` of the belief lies."""
    spread = [(each.mean, math.sqrt(each.variance), each.weight) for each in belief]
    low = max(min(mean - 8.0 * sigma for mean, sigma, _ in spread), 0.05)
    high = max(mean + 8.0 * sigma for mean, sigma, _ in spread)
    for _ in range(44):
        middle = (low + high) / 2.0
        below = sum(weight * _normal_below((middle - m) / s) for m, s, weight in spread)
        if below < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def stored(belief: Belief) -> tuple[tuple[int, int, int], ...]:
    """Write a belief as integers: weight and mean x 10^9, variance x 10^15, each at least 1."""
    return tuple(
        (max(round(one.weight * 1e9), 1), round(one.mean * 1e9), max(round(one.variance * 1e15), 1))
        for one in belief
    )


def restored(rows: Sequence[tuple[int, int, int]]) -> Belief:
    """Read what `stored` wrote; `Malformed` when a number cannot be one of a belief."""
    if not rows or any(number <= 0 for row in rows for number in row):
        raise Malformed("no weights, means and variances above 0", field="filter_state")
    total = sum(weight for weight, _, _ in rows)
    return tuple(Hypothesis(w / total, mean / 1e9, variance / 1e15) for w, mean, variance in rows)


# The three parts of a step ---------------------------------------------------------------------


def _predicted(belief: Belief, policy: FilterPolicy) -> list[Hypothesis]:
    stay = 1.0 - policy.jump
    kept = [
        Hypothesis(
            each.weight * stay,
            each.mean * (1.0 + policy.fade),
            each.variance + (policy.walk * each.mean) ** 2,
        )
        for each in belief
    ]
    moved = [
        Hypothesis(each.weight * policy.jump, each.mean, each.variance) for each in policy.anywhere
    ]
    return kept + moved


def _measured(
    predicted: list[Hypothesis], session: Session, rated_ah: float, policy: FilterPolicy
) -> list[Hypothesis]:
    scale = 100.0 * session.charge_ah / rated_ah  # points of window for each 1 of u
    variance = policy.soc_sigma_points**2 / scale**2
    readings = (
        (session.window_points / scale, 2.0 * variance, (1.0 - policy.full) / policy.span_points),
        (
            (100.0 - session.soc_start_points) / scale,
            variance,
            policy.full * _chance_of_reading(session.soc_end_points, policy.soc_sigma_points),
        ),
    )
    learnt = []
    for each in predicted:
        for value, own, chance in readings:
            total = each.variance + own
            gain = each.variance / total
            surprise = (value - each.mean) ** 2 / total
            likelihood = chance * math.exp(-0.5 * min(surprise, 1200.0)) / math.sqrt(total)
            mean = each.mean + gain * (value - each.mean)
            learnt.append(Hypothesis(each.weight * likelihood, mean, each.variance * (1.0 - gain)))
    if sum(each.weight for each in learnt) <= 0.0:
        return predicted  # nothing explains this session; it changes nothing
    return learnt


def _chance_of_reading(points: float, sigma: float) -> float:
    """Say how likely a full pack reads as `points`, whole points clipped at 100."""
    below = _normal_below((points - 100.5) / sigma)
    above = 1.0 if points > 99.5 else _normal_below((points - 99.5) / sigma)  # noqa: PLR2004
    return above - below


def _reduced(learnt: list[Hypothesis], at_most: int) -> Belief:
    total = sum(each.weight for each in learnt)
    kept: list[Hypothesis] = []
    for each in sorted(learnt, key=lambda one: (-one.weight, one.mean)):
        if each.weight < 1e-6 * total:
            break
        place = _place(kept, each, at_most)
        if place is None:
            kept.append(each)
        else:
            kept[place] = _joined(kept[place], each)
    total = sum(each.weight for each in kept)
    return tuple(Hypothesis(one.weight / total, one.mean, one.variance) for one in kept)


def _place(kept: list[Hypothesis], new: Hypothesis, at_most: int) -> int | None:
    """Find the kept hypothesis that says nearly the same; when there is no room, the nearest."""
    for place, old in enumerate(kept):
        if (new.mean - old.mean) ** 2 < 0.25 * min(new.variance, old.variance):
            return place
    if len(kept) < at_most:
        return None
    return min(range(len(kept)), key=lambda place: abs(kept[place].mean - new.mean))


def _joined(one: Hypothesis, two: Hypothesis) -> Hypothesis:
    weight = one.weight + two.weight
    mean = (one.weight * one.mean + two.weight * two.mean) / weight
    variance = sum(each.weight * (each.variance + (each.mean - mean) ** 2) for each in (one, two))
    return Hypothesis(weight, mean, variance / weight)


def _normal_below(sigmas: float) -> float:
    return 0.5 * math.erfc(-sigmas / math.sqrt(2.0))


def follow(sessions: Sequence[Session], rated_ah: float, policy: FilterPolicy) -> list[Estimate]:
    """Estimate the capacity after each session of one pack, in order of time."""
    belief = begin(policy)
    answers = []
    for session in sessions:
        belief = step(belief, session, rated_ah, policy)
        answers.append(estimate(belief, rated_ah, policy))
    return answers
