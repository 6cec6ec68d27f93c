"""Capacity from partial charges: steps followed, wild readings doubted, nothing later used."""

from random import Random  # noqa: TID251 - seeded below

import pytest

from ledger.analytics.soh_coulomb import Instrument, from_session, use_of
from ledger.analytics.soh_filter import (
    FilterPolicy,
    Hypothesis,
    Session,
    begin,
    estimate,
    follow,
    quantile,
    restored,
    step,
    stored,
)
from ledger.kernel.errors import Malformed

POLICY = FilterPolicy()
RATED_AH = 2.0


def sessions(capacities: list[float], seed: int, sigma: float = 1.5) -> list[Session]:
    """Charge a pack of these capacities, one session each, seen through a BMS with errors."""
    chance = Random(seed)
    found = []
    for capacity in capacities:
        start = chance.uniform(5.0, 50.0)
        end = min(start + chance.uniform(25.0, 60.0), 100.0)
        seen = [min(max(round(p + chance.gauss(0.0, sigma)), 0), 100) for p in (start, end)]
        found.append(Session((end - start) / 100.0 * capacity, float(seen[0]), float(seen[1])))
    return found


def misses(capacities: list[float], seed: int) -> list[float]:
    found = follow(sessions(capacities, seed), RATED_AH, POLICY)
    return [one.capacity_ah / true - 1.0 for one, true in zip(found, capacities, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_one_session_is_more_than_halved(seed):
    true = [1.8 * 0.999**n for n in range(80)]
    alone = [100.0 * one.charge_ah / one.window_points for one in sessions(true, seed)]
    single = sum(abs(a / t - 1.0) for a, t in zip(alone[10:], true[10:], strict=True))
    assert sum(map(abs, misses(true, seed)[10:])) < 0.45 * single


@pytest.mark.parametrize(("before", "after"), [(1.8, 1.2), (1.1, 1.7), (1.6, 0.6)])
@pytest.mark.parametrize("seed", range(3))
def test_a_real_step_is_followed_within_two_sessions(before, after, seed):
    errors = misses([before] * 30 + [after] * 10, seed)
    assert max(map(abs, errors[31:])) < 0.10
    assert abs(errors[-1]) < 0.05


def test_one_wild_reading_moves_nothing_for_long():
    seen = sessions([1.6] * 40, seed=3)
    wild = [*seen[:30], Session(seen[30].charge_ah, 20.0, 100.0), *seen[31:]]
    honest, misled = (follow(each, RATED_AH, POLICY)[32] for each in (seen, wild))
    assert abs(misled.capacity_ah / honest.capacity_ah - 1.0) < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_two_sigma_hold_what_they_promise(seed):
    true = [1.8 * 0.998**n for n in range(200)]
    found = follow(sessions(true, seed), RATED_AH, POLICY)
    held = [abs(a.capacity_ah - t) <= 2.0 * a.sigma_ah for a, t in zip(found, true, strict=True)]
    assert sum(held) / len(held) >= 0.90


def test_a_session_that_ends_full_needs_only_its_begin():
    spread = {}
    for end in (80.0, 100.0):
        belief = step(
            begin(POLICY), Session(0.01 * (end - 30.0) * 1.8, 30.0, end), RATED_AH, POLICY
        )
        spread[end] = estimate(belief, RATED_AH, POLICY).sigma_ah
    assert spread[100.0] < 0.8 * spread[80.0]


def test_a_narrow_window_says_nothing_and_time_still_passes():
    belief = follow_belief(sessions([1.7] * 20, seed=1))
    passed = step(belief, Session(0.15, 40.0, 49.0), RATED_AH, POLICY)
    before, after = (estimate(each, RATED_AH, POLICY) for each in (belief, passed))
    assert after.capacity_ah == pytest.approx(before.capacity_ah, rel=0.005)
    assert after.sigma_ah > before.sigma_ah


def follow_belief(seen):
    belief = begin(POLICY)
    for each in seen:
        belief = step(belief, each, RATED_AH, POLICY)
    return belief


@pytest.mark.parametrize("cut", [1, 7, 20, 39])
def test_an_estimate_knows_no_later_session(cut):
    seen = sessions([1.7 * 0.99**n for n in range(40)], seed=8)
    whole, begun = follow(seen, RATED_AH, POLICY), follow(seen[:cut], RATED_AH, POLICY)
    assert whole[:cut] == begun


@pytest.mark.parametrize("cut", [1, 5, 25])
def test_going_on_from_the_stored_state_gives_the_same_within_a_basis_point(cut):
    seen = sessions([1.7 * 0.99**n for n in range(40)], seed=4)
    belief = restored(stored(follow_belief(seen[:cut])))
    for each in seen[cut:]:
        belief = step(belief, each, RATED_AH, POLICY)
    direct = estimate(follow_belief(seen), RATED_AH, POLICY)
    again = estimate(belief, RATED_AH, POLICY)
    assert abs(again.capacity_ah - direct.capacity_ah) / RATED_AH < 1e-4
    assert all(isinstance(number, int) for row in stored(belief) for number in row)


@pytest.mark.parametrize(
    "rows", [(), ((0, 10**9, 10**12),), ((10**9, 0, 10**12),), ((10**9, 10**9, -1),)]
)
def test_a_stored_state_that_is_none_is_refused(rows):
    with pytest.raises(Malformed, match="filter_state"):
        restored(rows)


def test_the_belief_stays_small_and_whole():
    chance = Random(5)
    belief = begin(POLICY)
    for _ in range(300):
        start = chance.uniform(0.0, 80.0)
        end = start + chance.uniform(10.0, 100.0 - start)
        belief = step(belief, Session(chance.uniform(0.05, 0.6), start, end), RATED_AH, POLICY)
        assert len(belief) <= POLICY.hypotheses
        assert sum(each.weight for each in belief) == pytest.approx(1.0)
        assert all(each.variance > 0 and each.mean > 0 for each in belief)


def test_a_session_that_nothing_explains_leaves_the_belief_alive():
    certain = (Hypothesis(1.0, 1.0, 1e-12),)
    policy = FilterPolicy(jump=0.0, walk=0.0, fade=0.0, soc_sigma_points=0.01)
    belief = step(certain, Session(1.0, 10.0, 90.0), RATED_AH, policy)
    assert quantile(belief, 0.5) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("session", "field"),
    [
        (Session(0.0, 20.0, 60.0), "charge_ah"),
        (Session(-1.0, 20.0, 60.0), "charge_ah"),
        (Session(float("nan"), 20.0, 60.0), "charge_ah"),
        (Session(800.0, 20.0, 60.0), "charge_ah"),  # mAh
        (Session(0.8, 0.2, 0.6), "soc_end_points"),  # shares
        (Session(0.8, -1.0, 60.0), "soc_start_points"),
        (Session(0.8, 20.0, 101.0), "soc_end_points"),
        (Session(0.8, 60.0, 20.0), "soc_end_points"),
        (Session(0.8, 20.0, float("nan")), "soc_end_points"),
    ],
)
def test_a_session_that_cannot_be_is_refused_by_name(session, field):
    with pytest.raises(Malformed) as caught:
        step(begin(POLICY), session, RATED_AH, POLICY)
    assert caught.value.field == field


@pytest.mark.parametrize("rated_ah", [0.0, -2.0, float("nan"), float("inf")])
def test_a_pack_without_a_size_is_refused(rated_ah):
    with pytest.raises(Malformed, match="rated_ah"):
        step(begin(POLICY), Session(0.8, 20.0, 60.0), rated_ah, POLICY)


# One session alone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "use"),
    [(40.0, 49.9, "ignored"), (40.0, 50.0, "narrow"), (40.0, 64.9, "narrow"), (40.0, 65.0, "full")],
)
def test_the_window_decides_what_a_session_may_do(start, end, use):
    assert use_of(Session(0.2, start, end)) == use


def test_sigma_grows_with_the_reading_error_over_the_window():
    wide = from_session(Session(1.6, 10.0, 90.0), RATED_AH, Instrument())
    narrow = from_session(Session(0.4, 40.0, 60.0), RATED_AH, Instrument())
    assert wide.capacity_ah == narrow.capacity_ah == pytest.approx(2.0)
    assert 3.5 < narrow.sigma_ah / wide.sigma_ah < 4.0
    sigma = Instrument().reading_sigma_points / 80.0
    assert wide.sigma_ah == pytest.approx(2.0 * (2.0 * sigma**2 + 0.003**2) ** 0.5)


def test_an_ignored_window_gives_no_capacity():
    with pytest.raises(Malformed, match="window below 10 points"):
        from_session(Session(0.1, 40.0, 45.0), RATED_AH, Instrument())
