import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.money.billing import billed
from ledger.domain.money.contract_shares import share_base, shares_of
from ledger.domain.money.energy_pool import (
    ENERGY_COSTS,
    ENERGY_POOLS,
    EnergyCost,
    EnergyCosted,
    EnergyPools,
    Pool,
    energy_cost_of,
)
from ledger.kernel.refusal import Refusal
from tests.support.usage import agreement, market, swap
from tests.support.usage import terms as tariff_terms


@pytest.mark.parametrize(
    ("base", "found"),
    [("TOTAL_NET", 2101), ("ENERGY_NET", 1501), ("SERVICE_NET", 600), ("MARGIN", 1753)],
)
def test_a_contract_names_what_is_shared(base, found):
    assert share_base(agreement(base=base), 2101, 1501, 348) == found


def test_fixed_amounts_of_a_swap_go_before_the_weights():
    terms = agreement(fixed={"CAR-1": 100})
    assert shares_of(terms, 600, is_swap=True) == {"OP-1": 150, "CAR-1": 150, "MG": 300}
    assert shares_of(terms, 600, is_swap=False) == {"OP-1": 180, "CAR-1": 60, "MG": 360}


def test_fixed_amounts_are_due_where_the_base_is_short_and_ours_bears_it():
    terms = agreement(fixed={"CAR-1": 100, "OP-1": 50})
    assert shares_of(terms, 40, is_swap=True) == {"OP-1": 50, "CAR-1": 100, "MG": -110}


def test_a_negative_base_is_shared_like_a_positive_one():
    assert shares_of(agreement(), -600, is_swap=True) == {"OP-1": -180, "CAR-1": -60, "MG": -360}


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any),
    st.dictionaries(st.sampled_from(["OP-1", "CAR-1"]), st.integers(1, 10**6)),
    st.booleans(),
)
def test_shares_sum_to_their_base_whatever_the_contract_says(base, weights, fixed, is_swap):
    named = dict(zip(("OP-1", "CAR-1", "MG"), weights, strict=True))
    parts = shares_of(agreement(weights=named, fixed=fixed), base, is_swap=is_swap)
    assert sum(parts.values()) == base
    assert set(parts) == {"OP-1", "CAR-1", "MG"}


# The margin -------------------------------------------------------------------


def margin_world(pool=None, cost=None):
    """Make a market in which OP-1 shares the margin, with energy in stock at cost."""
    world = market(tariff_terms(), contract=agreement(base="MARGIN"))
    if pool is not None:
        world.put(ENERGY_POOLS, "pools", EnergyPools({"EUR": pool}))
    if cost is not None:
        world.put(ENERGY_COSTS, "SW-1", cost)
    return world


def margin_of(world):
    found = billed(world, swap())
    assert not isinstance(found, Refusal)
    return found.shares[0].base_minor


def costed(currency, minor):
    event = EnergyCosted(
        usage_id="SW-1", usage_kind="swap", currency=currency, energy_wh=41_700, cost_minor=minor
    )
    return EnergyCost(7, 0, event)


@pytest.mark.parametrize(
    ("pool", "cost", "base"),
    [
        (None, None, 2001),
        (Pool(9_600, 1_150_000), None, 2001 - 348),
        (Pool(0, 0), None, 2001),
        (Pool(9_600, 1_150_000), costed("EUR", 300), 1701),
        (Pool(9_600, 1_150_000), costed("USD", 300), 2001 - 348),
    ],
    ids=["none bought", "from the pool", "empty pool", "costed before", "another currency"],
)
def test_a_margin_is_net_less_what_the_energy_cost(pool, cost, base):
    assert margin_of(margin_world(pool, cost)) == base


def test_a_margin_of_no_energy_is_the_net():
    world = margin_world(Pool(9_600, 1_150_000))
    assert energy_cost_of(world, "SW-1", "EUR", 0) == 0
