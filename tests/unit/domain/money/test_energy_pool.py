from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money import energy_pool
from ledger.domain.money.energy_pool import (
    ENERGY_COSTS,
    ENERGY_POOLS,
    CostUsage,
    Pool,
    ReverseUsageCost,
    TrueUpEnergyPool,
    cost_rows,
)
from ledger.domain.money.energy_trade import (
    ENERGY_PURCHASES,
    BuyEnergy,
    CorrectEnergyPurchase,
    SellEnergy,
)
from ledger.domain.money.period_close import BeginClosing, OpenBooks
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal
from tests.support.books import at
from tests.support.rules import act, events, small_town, sums_of

NOW = at("2026-02-05T08:00")
BUY = BuyEnergy(
    purchase_id="EP-1",
    partner_id="SV-1",
    currency="EUR",
    net_minor=9_600,
    stored_wh=1_150_000,
    tax_code="DE-S-1900",
    tax_minor=1_824,
)
COST = CostUsage(
    usage_id="SW-1", usage_kind="swap", currency="EUR", energy_wh=41_700, occurred_at=NOW
)
SELL = SellEnergy(
    sale_id="VG-1",
    partner_id="SV-2",
    currency="EUR",
    energy_wh=100_000,
    net_minor=2_500,
    tax_code="DE-S-1900",
    tax_minor=475,
)
CORRECT = CorrectEnergyPurchase(purchase_id="EP-1", net_minor=9_000, reason="their statement")
TRUE_UP = TrueUpEnergyPool(stored_wh=1_150_000, posting_date="2026-01-31")

STOCK, COSTS, OWED = (
    "Assets:Inventory:Energy",
    "Expenses:Energy-Cost",
    "Liabilities:Partners:Accrued",
)


def town(*commands: Any) -> World:
    world = small_town()
    for command in commands:
        events(act(world, command, at=NOW))
    return world


def pool(world: World, currency: str = "EUR") -> tuple[int, int]:
    found = world.need(ENERGY_POOLS, "pools").of(currency)
    return found.minor, found.wh


def codes(outcome: Any) -> list[str]:
    assert isinstance(outcome, Refusal), outcome
    return [one.wire for one in (outcome.code, *outcome.others)]


def test_energy_comes_in_at_cost_and_the_supplier_is_owed() -> None:
    world = town()
    (bought,) = events(act(world, BUY, at=NOW))
    assert sums_of(bought) == {
        (STOCK, "EUR"): 9_600,
        ("Assets:Tax:Input-VAT", "EUR"): 1_824,
        (OWED, "EUR"): -11_424,
    }
    assert pool(world) == (9_600, 1_150_000)


@pytest.mark.parametrize(("wh", "cost"), [(41_700, 348), (100_000, 835), (1_150_000, 9_600)])
def test_a_use_takes_its_part_of_the_pool_at_the_average(wh: int, cost: int) -> None:
    world = town(BUY)
    (used,) = events(act(world, replace(COST, energy_wh=wh), at=NOW))
    assert (used.cost_minor, used.kind) == (cost, "swap.energy_cost")
    assert sums_of(used) == {(COSTS, "EUR"): cost, (STOCK, "EUR"): -cost}
    assert pool(world) == (9_600 - cost, 1_150_000 - wh)


def test_more_than_there_is_takes_all_that_is_left() -> None:
    world = town(BUY)
    (used,) = events(act(world, replace(COST, energy_wh=2_000_000), at=NOW))
    assert (used.cost_minor, pool(world)) == (9_600, (0, 0))
    assert act(world, replace(COST, usage_id="SW-2"), at=NOW) == ()


def test_a_network_that_buys_no_energy_books_no_costs() -> None:
    assert act(town(), COST, at=NOW) == ()
    assert act(town(BUY), replace(COST, currency="CNY"), at=NOW) == ()
    assert act(town(BUY), replace(COST, energy_wh=-5), at=NOW) == ()
    assert cost_rows(town(), "SW-1") == ()
    assert cost_rows(World(), "SW-1") == ()
    assert [key for _, key in cost_rows(town(BUY), "SW-1")] == ["SW-1"]


def test_what_a_usage_cost_is_taken_back_exactly_and_once() -> None:
    world = town(BUY, COST)
    position = world.need(ENERGY_COSTS, "SW-1").position
    back = act(world, ReverseUsageCost(usage_id="SW-1"), at=NOW)
    assert not isinstance(back, Refusal)
    assert (back[0].reverses, back[0].occurred_at) == (position, NOW)
    assert sums_of(back[0].event) == {(STOCK, "EUR"): 348, (COSTS, "EUR"): -348}
    assert pool(world) == (9_600, 1_150_000)
    assert act(world, ReverseUsageCost(usage_id="SW-1"), at=NOW) == ()
    assert act(world, ReverseUsageCost(usage_id="SW-9"), at=NOW) == ()
    (again,) = events(act(world, replace(COST, energy_wh=100_000), at=NOW))
    assert again.cost_minor == 835


def test_a_sale_to_the_grid_is_income_and_costs_what_its_energy_did() -> None:
    world = town(BUY)
    sold, cost = events(act(world, SELL, at=NOW))
    assert sums_of(sold) == {
        ("Assets:Receivables:Partners", "EUR"): 2_975,
        ("Income:V2G", "EUR"): -2_500,
        ("Liabilities:Tax:Output-VAT", "EUR"): -475,
    }
    assert sums_of(cost) == {(COSTS, "EUR"): 835, (STOCK, "EUR"): -835}
    assert codes(act(world, SELL, at=NOW)) == ["energy_purchase_exists"]


@pytest.mark.parametrize(
    ("net", "stock", "cost"),
    [(9_000, -600, 0), (10_000, 400, 0), (0, -9_252, -348)],
)
def test_a_correction_changes_the_stock_as_far_as_there_is_any(
    net: int, stock: int, cost: int
) -> None:
    world = town(BUY, COST)
    (event,) = events(act(world, replace(CORRECT, net_minor=net), at=NOW))
    assert (event.inventory_minor, event.cost_minor, event.tax_minor) == (stock, cost, -1_824)
    assert pool(world) == (9_252 + stock, 1_108_300)
    row = world.need(ENERGY_PURCHASES, "EP-1")
    assert (row.net_minor, row.tax_minor) == (net, 0)
    assert act(world, replace(CORRECT, net_minor=net), at=NOW) == ()


def test_a_correction_of_energy_that_is_all_used_is_cost() -> None:
    world = town(BUY, replace(COST, energy_wh=1_150_000))
    (event,) = events(act(world, CORRECT, at=NOW))
    assert (event.inventory_minor, event.cost_minor) == (0, -600)
    assert sums_of(event)[OWED, "EUR"] == 600 + 1_824


@pytest.mark.parametrize(
    ("command", "codes_"),
    [
        (replace(BUY, partner_id="SV-9"), ["party_unknown"]),
        (replace(BUY, purchase_id="no id"), ["energy_field_invalid"]),
        (replace(BUY, currency="XXX"), ["energy_field_invalid"]),
        (replace(BUY, net_minor=-1), ["energy_field_invalid"]),
        (replace(BUY, tax_minor=-1), ["energy_field_invalid"]),
        (replace(BUY, tax_code=""), ["energy_field_invalid"]),
        (replace(BUY, stored_wh=0), ["energy_field_invalid"]),
        (replace(SELL, partner_id="SV-9", energy_wh=0), ["party_unknown", "energy_field_invalid"]),
        (replace(SELL, sale_id=""), ["energy_field_invalid"]),
        (CORRECT, ["energy_purchase_unknown"]),
        (
            replace(CORRECT, reason=" ", net_minor=-1),
            ["reason_missing", "energy_purchase_unknown", "energy_field_invalid"],
        ),
        (replace(CORRECT, tax_minor=-1), ["energy_purchase_unknown", "energy_field_invalid"]),
        (TRUE_UP, ["period_closed"]),
        (replace(TRUE_UP, posting_date=""), ["energy_field_invalid"]),
        (replace(TRUE_UP, stored_wh=-1), ["period_closed", "energy_field_invalid"]),
    ],
)
def test_energy_that_cannot_be_is_refused(command: Any, codes_: list[str]) -> None:
    assert codes(act(town(), command, at=NOW)) == codes_


def test_the_same_purchase_is_booked_once() -> None:
    assert codes(act(town(BUY), BUY, at=NOW)) == ["energy_purchase_exists"]


def test_correcting_needs_two_persons() -> None:
    alone = act(town(BUY), CORRECT, at=NOW, actor=Actor("F1", "finance"))
    assert codes(alone) == ["second_person_required"]


def test_the_pool_is_set_to_what_packs_hold_and_the_difference_is_cost() -> None:
    closing = OpenBooks(period="2026-01", zone="UTC"), BeginClosing(period="2026-01")
    world = town(BUY, *closing)
    assert act(world, TRUE_UP, at=NOW) == ()
    (less,) = events(act(world, replace(TRUE_UP, stored_wh=1_108_300), at=NOW))
    assert (less.cost_minor, pool(world)) == (348, (9_252, 1_108_300))
    assert len(world.need(PERIODS, "2026-01").dated) == 1
    (more,) = events(act(world, replace(TRUE_UP, stored_wh=1_200_000), at=NOW))
    assert (more.cost_minor, sums_of(more), pool(world)) == (0, {}, (9_252, 1_200_000))


def test_two_pools_share_what_packs_hold_by_what_each_had() -> None:
    closing = OpenBooks(period="2026-01", zone="UTC"), BeginClosing(period="2026-01")
    yuan = replace(BUY, purchase_id="EP-2", currency="CNY", stored_wh=575_000)
    world = town(BUY, yuan, *closing)
    first, second = events(act(world, replace(TRUE_UP, stored_wh=1_150_000), at=NOW))
    assert (first.currency, first.after_wh) == ("CNY", 383_333)
    assert (second.currency, second.after_wh) == ("EUR", 766_667)
    emptied = town(BUY, replace(COST, energy_wh=1_150_000), *closing)
    assert act(emptied, TRUE_UP, at=NOW) == ()


def test_a_charging_session_is_named_and_other_uses_are_not() -> None:
    world = town(BUY)
    session = replace(COST, usage_id="CS-1", usage_kind="charging_session")
    (used,) = events(act(world, session, at=NOW))
    assert Pool(9_600, 1_150_000).cost_of(41_700) == used.cost_minor
    assert [one.dims for one in energy_pool.postings(used)] == [{"charging_session": "CS-1"}] * 2


def test_the_cost_of_a_usage_is_known_before_and_after_it_is_booked() -> None:
    assert energy_pool.energy_cost_of(town(), "SW-1", "EUR", 41_700) == 0
    world = town(BUY)
    assert energy_pool.energy_cost_of(world, "SW-1", "EUR", 0) == 0
    assert energy_pool.energy_cost_of(world, "SW-1", "CNY", 41_700) == 0
    assert energy_pool.energy_cost_of(world, "SW-1", "EUR", 41_700) == 348
    events(act(world, COST, at=NOW))
    events(act(world, replace(CORRECT, net_minor=90_000), at=NOW))
    assert energy_pool.energy_cost_of(world, "SW-1", "EUR", 41_700) == 348
    assert energy_pool.energy_cost_of(world, "SW-1", "CNY", 41_700) == 0
