"""The vector of a charge: what it is made of, and that nothing later is in it."""

import math
from random import Random  # noqa: TID251 - seeded below

import pytest

from ledger.analytics.soh_features import RAW, Charge, History, names, scaled

MEMORIES = (8.0, 30.0)
TYPICAL = tuple(range(1, 17))
NAN = math.nan


def charges(count: int, seed: int = 1, step: int = 1) -> list[Charge]:
    chance = Random(seed)
    return [Charge(n * step, tuple(chance.uniform(0.1, 4.0) for _ in RAW)) for n in range(count)]


def vectors(given: list[Charge]) -> list[list[float]]:
    history = History(MEMORIES, TYPICAL)
    return [history.take(one) for one in given]


def part(vector: list[float], prefix: str) -> list[float]:
    return [v for v, name in zip(vector, names(MEMORIES), strict=True) if name.startswith(prefix)]


@pytest.mark.parametrize("cut", [1, 2, 3, 17, 49])
def test_a_vector_is_the_same_whatever_comes_later(cut):
    given = charges(50)
    assert vectors(given)[:cut] == vectors(given[:cut])


def test_every_value_of_a_vector_has_a_name_of_its_own():
    listed = names(MEMORIES)
    assert len(set(listed)) == len(listed) == len(vectors(charges(1))[0])


def test_the_first_charge_is_its_own_begin():
    vector = vectors(charges(1))[0]
    assert part(vector, "now") == part(vector, "begin")
    assert set(part(vector, "change")) == set(part(vector, "trend")) == {0.0}
    assert part(vector, "age") == [0.0, 0.0]


def test_the_begin_is_the_mean_of_the_first_three_and_stays():
    found = vectors(charges(10))
    mean = [sum(column) / 3 for column in zip(*(part(v, "now") for v in found[:3]), strict=True)]
    for vector in found[2:]:
        assert part(vector, "begin") == pytest.approx(mean)
        change = [a - b for a, b in zip(part(vector, "now"), mean, strict=True)]
        assert part(vector, "change") == pytest.approx(change)


def test_a_trend_is_the_fading_mean_of_the_past_minus_now():
    given = charges(20, seed=3, step=4)
    found = vectors(given)[-1]
    for memory in MEMORIES:
        weights = [math.exp(-(given[-1].cycle - one.cycle) / memory) for one in given]
        past = [[scaled(n, v) for n, v in zip(RAW, one.values, strict=True)] for one in given]
        mean = [
            sum(w * row[place] for w, row in zip(weights, past, strict=True)) / sum(weights)
            for place in range(16)
        ]
        expected = [m - now for m, now in zip(mean, past[-1], strict=True)]
        assert part(found, f"trend {memory:g}") == pytest.approx(expected)


def test_a_memory_counts_cycles_and_not_rows():
    steady = [Charge(n, (1.0 + n / 100.0,) * 16) for n in range(400)]
    whole, thinned = vectors(steady)[396], vectors(steady[::4])[99]
    assert part(thinned, "trend 30") == pytest.approx(part(whole, "trend 30"), rel=0.08)


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
def test_a_missing_value_is_the_last_one_known_and_at_first_the_typical_one(value):
    history = History(MEMORIES, TYPICAL)
    gap = (value, *(1.0,) * 15)
    assert part(history.take(Charge(0, gap)), "now")[0] == TYPICAL[0]
    assert history.filled == 1
    history.take(Charge(1, (3.3, *(1.0,) * 15)))
    assert history.filled == 0
    assert part(history.take(Charge(2, gap)), "now")[0] == pytest.approx(3.3)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("v_mean", 4.1, 4.1),
        ("cc_q_ah", 1.0, 0.0),
        ("cc_q_ah", 0.0, math.log(1e-4)),
        ("i_slope", -math.exp(-3.0), 3.0),
        ("v_slope", 0.0, -math.log(1e-7)),
    ],
)
def test_amounts_and_slopes_are_logarithms_that_never_fail(name, value, expected):
    assert scaled(name, value) == pytest.approx(expected)
