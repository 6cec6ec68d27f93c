from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.health_state import PACK_HEALTH, Found, PackHealth
from ledger.domain.money import supplier_payables
from ledger.domain.money.asset_ends import EndAsset, RecapitalisePack
from ledger.domain.money.asset_rows import ASSET_POLICIES, ASSETS, Asset, AssetPolicy
from ledger.domain.money.depreciation import (
    CapitalisePack,
    CapitaliseRepair,
    DepreciatePack,
    ReleaseAssetPolicy,
)
from ledger.domain.money.payout_rows import PAYABLES
from ledger.domain.money.period_close import BeginClosing, OpenBooks
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.money.templates_partners import SUPPLIERS
from ledger.domain.title_rows import TITLES, BookValue, Title
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal
from tests.support.books import at
from tests.support.rules import act, events, put_pack, small_town, sums_of

NOW = at("2026-02-05T08:00")
POLICY = ReleaseAssetPolicy(policy_id="AP-1", residual_bp=2_000, end_bp=7_000)
BUY = CapitalisePack(
    pack_id="PK-1",
    partner_id="SV-1",
    policy_id="AP-1",
    currency="EUR",
    cost_minor=900_000,
    in_service_on="2026-01-10",
    tax_code="DE-S-1900",
    tax_minor=171_000,
)
OPENED = OpenBooks(period="2026-01", zone="UTC")
JANUARY = DepreciatePack(pack_id="PK-1", posting_date="2026-01-31")
REPAIR = CapitaliseRepair(pack_id="PK-1", partner_id="SV-1", cost_minor=100_000, baseline_bp=9_900)
END = EndAsset(pack_id="PK-1")
FOUND = RecapitalisePack(pack_id="PK-1", value_minor=650_000, reason="found at a carrier")

COST, LOST = "Assets:Fixed:Packs-Cost", "Assets:Fixed:Packs-Depreciation"
YEAR = replace(POLICY, life_months=100)


def town(*commands: Any, account: str = "Packs:Depot:DE-1:Stored") -> World:
    world = small_town()
    put_pack(world, account)
    for command in (OPENED, *commands):
        events(act(world, command, at=NOW))
    return world


def assessed(world: World, lowest_bp: int, epoch: int = 0) -> None:
    """Remember two verified tests and an estimate that nobody verified."""
    found = (
        Found(11, 1, lowest_bp, lowest_bp, lowest_bp, verified=True),
        Found(12, 2, 9_990, 9_990, 9_990, verified=True),
        Found(13, 3, 100, 100, 100),
    )
    row = PackHealth("PK-1", epoch=epoch, found=found, verified_min_bp=lowest_bp)
    world.put(PACK_HEALTH, "PK-1", row)


def asset(world: World) -> Asset:
    return world.need(ASSETS, "PK-1")


def codes(outcome: Any) -> list[str]:
    assert isinstance(outcome, Refusal), outcome
    return [one.wire for one in (outcome.code, *outcome.others)]


def test_a_pack_that_was_bought_is_an_asset_at_cost() -> None:
    world = town(POLICY)
    (bought,) = events(act(world, BUY, at=NOW))
    assert sums_of(bought) == {
        (COST, "PK-1"): 900_000,
        ("Assets:Tax:Input-VAT", "EUR"): 171_000,
        ("Liabilities:Suppliers", "PK-1"): -1_071_000,
    }
    assert asset(world).book_value_minor == 900_000
    assert (asset(world).baseline_bp, ASSETS.listed_by(asset(world))) == (10_000, "held")


def test_a_pack_depreciates_by_its_lowest_verified_state_of_health() -> None:
    world = town(POLICY, BUY)
    assert act(world, JANUARY, at=NOW) == ()
    assessed(world, 9_850)
    (lost,) = events(act(world, JANUARY, at=NOW))
    assert (lost.amount_minor, lost.soh_min_bp, lost.assessment_position) == (36_000, 9_850, 11)
    assert (lost.policy_id, lost.policy_version) == ("AP-1", 1)
    assert sums_of(lost) == {
        ("Expenses:Depreciation-Packs", "PK-1"): 36_000,
        (LOST, "PK-1"): -36_000,
    }
    assert asset(world).book_value_minor == 864_000
    assessed(world, 9_900)  # better again: no gain
    assert act(world, JANUARY, at=NOW) == ()
    assessed(world, 9_800)
    (more,) = events(act(world, JANUARY, at=NOW))
    assert (more.amount_minor, more.accumulated_minor) == (12_000, 48_000)


def test_nothing_is_depreciated_below_the_residual_value() -> None:
    world = town(POLICY, BUY)
    assessed(world, 100)
    (lost,) = events(act(world, JANUARY, at=NOW))
    assert (lost.amount_minor, asset(world).book_value_minor) == (720_000, 180_000)


def test_a_straight_line_may_be_the_least_that_is_depreciated() -> None:
    world = town(YEAR, BUY)
    (lost,) = events(act(world, JANUARY, at=NOW))
    assert (lost.amount_minor, lost.assessment_position) == (7_200, -1)
    february = replace(JANUARY, posting_date="2026-02-05")
    (more,) = events(act(world, february, at=NOW))
    assert more.accumulated_minor == 14_400
    assert act(world, JANUARY, at=NOW) == (), "an earlier day gives nothing back"
    assessed(world, 9_850)
    (by_health,) = events(act(world, february, at=NOW))
    assert by_health.accumulated_minor == 36_000


def test_parts_of_the_loss_sum_to_the_whole() -> None:
    policy = AssetPolicy("AP-1", 1, residual_bp=1_234, end_bp=6_999)
    pack = Asset("PK-1", "EUR", "AP-1", 777_777, 9_987, 9_987, "2026-01-01")
    total = 0
    for soh_bp in range(9_987, 6_900, -7):
        due = pack.due(policy, soh_bp, "2026-01-31")
        total += due - pack.accumulated_minor
        pack = replace(pack, accumulated_minor=due)
    assert total == 777_777 - 95_978


def test_a_new_policy_version_counts_from_then_on_and_takes_nothing_back() -> None:
    world = town(POLICY, BUY)
    assessed(world, 9_850)
    events(act(world, JANUARY, at=NOW))
    events(act(world, replace(POLICY, end_bp=5_000), at=NOW))
    assert [one.version for one in world.need(ASSET_POLICIES, "AP-1").versions] == [1, 2]
    assert act(world, JANUARY, at=NOW) == ()
    assessed(world, 9_700)
    (lost,) = events(act(world, JANUARY, at=NOW))
    assert (lost.policy_version, lost.accumulated_minor) == (2, 43_200)


def test_a_repair_adds_to_the_cost_and_begins_a_new_baseline() -> None:
    world = town(POLICY, BUY)
    assessed(world, 9_850)
    events(act(world, JANUARY, at=NOW))
    assessed(world, 9_850, epoch=1)
    (repaired,) = events(act(world, REPAIR, at=NOW))
    assert (repaired.currency, repaired.epoch) == ("EUR", 1)
    row = asset(world)
    assert (row.cost_minor, row.base_minor, row.baseline_bp) == (1_000_000, 36_000, 9_900)
    (lost,) = events(act(world, JANUARY, at=NOW))
    # (1,000,000 - 200,000 - 36,000) x 50 / 2,900 on top of what was lost before
    assert lost.accumulated_minor == 36_000 + 13_172
    assessed(world, 5_000, epoch=2)  # another epoch than the asset's tells nothing of it
    assert act(world, JANUARY, at=NOW) == ()


def test_a_pack_whose_life_ended_leaves_the_assets_at_what_was_left() -> None:
    world = town(POLICY, BUY)
    assessed(world, 9_850)
    events(act(world, JANUARY, at=NOW))
    assert codes(act(world, END, at=NOW)) == ["wrong_state"]
    put_pack(world, "Packs:Ended:WrittenOff")
    (ended,) = events(act(world, replace(END, posting_date="2026-01-31"), at=NOW))
    assert ended.state == "WRITTEN_OFF"
    assert sums_of(ended) == {
        (LOST, "PK-1"): 36_000,
        ("Expenses:Pack-Write-Off", "PK-1"): 864_000,
        (COST, "PK-1"): -900_000,
    }
    assert (asset(world).book_value_minor, ASSETS.listed_by(asset(world))) == (0, "ended")
    assert act(world, END, at=NOW) == ()
    assert codes(act(world, JANUARY, at=NOW)) == ["asset_ended"]
    assert codes(act(world, REPAIR, at=NOW)) == ["asset_ended"]


def test_a_pack_that_was_found_again_comes_back_at_an_approved_value() -> None:
    world = town(POLICY, BUY)
    assert codes(act(world, FOUND, at=NOW)) == ["asset_exists"]
    put_pack(world, "Packs:Ended:WrittenOff")
    events(act(world, END, at=NOW))
    assert codes(act(world, FOUND, at=NOW)) == ["pack_ended"]
    put_pack(world, "Packs:Depot:DE-1:Received", soh_bp=9_500)
    (back,) = events(act(world, FOUND, at=NOW))
    assert sums_of(back) == {
        (COST, "PK-1"): 650_000,
        ("Expenses:Pack-Write-Off", "PK-1"): -650_000,
    }
    row = asset(world)
    assert (row.cost_minor, row.baseline_bp, row.accumulated_minor) == (650_000, 9_500, 0)
    assert row.book_value_minor == 650_000


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (replace(POLICY, policy_id=""), ["asset_field_invalid"]),
        (replace(POLICY, residual_bp=10_000), ["asset_field_invalid"]),
        (replace(POLICY, end_bp=-1), ["asset_field_invalid"]),
        (replace(POLICY, life_months=601), ["asset_field_invalid"]),
        (replace(BUY, partner_id="SV-9"), ["party_unknown", "asset_policy_unknown"]),
        (replace(BUY, pack_id="PK-9"), ["unknown_pack", "asset_policy_unknown"]),
        (REPAIR, ["asset_unknown"]),
        (replace(REPAIR, partner_id="SV-9"), ["party_unknown", "asset_unknown"]),
        (JANUARY, ["asset_unknown"]),
        (END, ["asset_unknown"]),
        (FOUND, ["asset_unknown"]),
    ],
)
def test_what_the_books_do_not_know_is_refused(command: Any, found: list[str]) -> None:
    assert codes(act(town(), command, at=NOW)) == found


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cost_minor": 0}, "cost_minor"),
        ({"tax_minor": -1}, "tax_minor"),
        ({"tax_code": ""}, "tax_code"),
        ({"baseline_bp": 10_001}, "baseline_bp"),
        ({"currency": "XXX"}, "currency"),
        ({"in_service_on": "soon"}, "in_service_on"),
    ],
)
def test_a_refusal_names_the_field(fields: dict[str, Any], field: str) -> None:
    outcome = act(town(POLICY), replace(BUY, **fields), at=NOW)
    assert codes(outcome) == ["asset_field_invalid"]
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == field


def test_a_pack_in_our_care_is_not_our_asset() -> None:
    world = town(POLICY)
    put_pack(world, "Packs:Depot:DE-1:Stored", bailor_id="OP-2")
    assert codes(act(world, BUY, at=NOW)) == ["asset_field_invalid"]
    put_pack(world, "Packs:Depot:DE-1:Received", commissioned=False, soh_bp=0)
    events(act(world, BUY, at=NOW))
    assert asset(world).baseline_bp == 10_000
    assert codes(act(world, BUY, at=NOW)) == ["asset_exists"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (replace(JANUARY, posting_date=""), ["asset_field_invalid"]),
        (replace(JANUARY, posting_date="2025-12-31"), ["period_closed"]),
        (replace(REPAIR, baseline_bp=0), ["asset_field_invalid"]),
        (replace(END, posting_date="2025-12-31"), ["period_closed", "wrong_state"]),
        (replace(FOUND, reason=" ", value_minor=0), None),
    ],
)
def test_steps_that_cannot_be_are_refused(command: Any, found: list[str] | None) -> None:
    expected = found or ["reason_missing", "asset_exists", "asset_field_invalid"]
    assert sorted(codes(act(town(POLICY, BUY), command, at=NOW))) == sorted(expected)


@pytest.mark.parametrize("command", [POLICY, BUY, REPAIR, FOUND])
def test_what_changes_values_needs_two_persons(command: Any) -> None:
    outcome = act(town(), command, at=NOW, actor=Actor("F1", "finance"))
    assert codes(outcome) == ["second_person_required"]


def test_depreciation_of_a_closing_period_is_booked_in_it() -> None:
    world = town(YEAR, BUY, BeginClosing(period="2026-01"))
    (draft,) = act(world, JANUARY, at=NOW)  # type: ignore[misc]
    assert draft.occurred_at == at("2026-01-31T00:00")
    assert len(world.need(PERIODS, "2026-01").dated) == 1


@pytest.mark.parametrize(("currency", "values"), [("EUR", [900_000, 864_000, 0]), ("CNY", [])])
def test_the_title_of_a_pack_follows_its_value_in_the_books(
    currency: str, values: list[int]
) -> None:
    world = town(POLICY)
    first = BookValue(1, currency, 0, 0)
    world.put(TITLES, "PK-1", Title("PK-1", "C1", values=(first,)))
    events(act(world, BUY, at=NOW))
    assessed(world, 9_850)
    events(act(world, JANUARY, at=NOW))
    put_pack(world, "Packs:Ended:WrittenOff")
    events(act(world, END, at=NOW))
    assert [one.amount_minor for one in world.need(TITLES, "PK-1").values[1:]] == values


# What suppliers are owed --------------------------------------------------------


def test_what_a_pack_cost_is_owed_to_its_supplier_with_tax():
    world = town(POLICY, BUY)
    (owed,) = world.need(PAYABLES, "SV-1").open
    assert (owed.statement_id, owed.owed_minor) == ("CAP-2026-01-10", 1_071_000)
    assert (owed.owed_on, owed.is_of_statement) == (SUPPLIERS, False)
    events(act(world, REPAIR, at=NOW))
    _, repair = world.need(PAYABLES, "SV-1").open
    assert (repair.statement_id, repair.owed_minor) == ("REP-2026-02-05", 100_000)
    assert supplier_payables.postings(None) == ()
