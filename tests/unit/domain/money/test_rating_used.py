"""What was used before a usage: its place among those of its period, and what is free."""

from msgspec.structs import replace

from ledger.domain.money import rating_used
from ledger.domain.money.billing import BillUsage, begun_at, count_usage
from ledger.domain.money.plans import SUBSCRIPTIONS
from ledger.domain.money.rating_facts import NOTHING_BEFORE, Line
from ledger.domain.money.rating_used import (
    LATE_MAX,
    USED,
    USES_MAX,
    Use,
    Used,
    context_of,
    contract_period,
    counted_before,
    later_uses,
    periods_of,
    taken_of,
    tariff_of,
    used_rows,
)
from ledger.domain.money.tariff_terms import Element, Step, Tariff, Tier
from ledger.domain.money.tariffs import TARIFFS
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from tests.support.rules import act
from tests.support.usage import MAY, entitled, made, market, session, swap, terms

TEN = MAY + 10 * HOUR
STEPS = (Step(0, 500_000), Step(50_000, 300_000))
TIERED = Element("ENERGY", "KWH", 500_000, tier=Tier("calendar_month", "graduated", STEPS))
KEY = "DR-1|T1|2018-05"


def used_to(world: World, number: int, at: int, **changes):
    facts = swap(usage_id=f"SW-{number}", occurred_at=at, **changes)
    (accrued,) = made(act(world, BillUsage(facts=facts)))
    return accrued


def rates(accrued):
    return [(line.billed_quantity or line.quantity, line.rate_micro) for line in accrued.lines]


def test_a_usage_goes_on_where_the_one_before_it_ended():
    world = market(terms(TIERED))
    assert rates(used_to(world, 1, TEN)) == [(41_700, 500_000)]
    second = used_to(world, 2, TEN + HOUR)
    assert rates(second) == [(8_300, 500_000), (33_400, 300_000)]
    assert [use.usage_id for use in world.need(USED, KEY).uses] == ["SW-1", "SW-2"]
    assert world.need(USED, KEY).uses[1].counts == {"ENERGY": 41_700}
    assert begun_at(second) == TEN + HOUR


def test_a_month_begins_anew_on_the_clock_of_the_tariff():
    world = market(terms(TIERED))
    used_to(world, 1, TEN)
    june = MAY + 31 * DAY - HOUR  # one o'clock in Berlin
    assert rates(used_to(world, 2, june)) == [(41_700, 500_000)]
    assert periods_of(world, "T1", (TEN, june)) == ["2018-05", "2018-06"]


def test_another_driver_and_another_counter_count_on_their_own():
    night = replace(TIERED, component="SERVICE", element_id="EL-2")
    world = market(terms(TIERED, night))
    used_to(world, 1, TEN)
    assert world.need(USED, KEY).uses[0].counts == {"ENERGY": 41_700, "SERVICE:EL-2": 41_700}
    assert rates(used_to(world, 2, TEN, driver_id="DR-2"))[0] == (41_700, 500_000)


def test_one_that_comes_late_counts_where_it_happened():
    world = market(terms(TIERED))
    used_to(world, 1, TEN + HOUR)
    assert rates(used_to(world, 2, TEN)) == [(41_700, 500_000)]
    row = world.need(USED, KEY)
    assert [use.usage_id for use in row.uses] == ["SW-2", "SW-1"]
    assert [use.usage_id for use in later_uses(row, TEN, "SW-2")] == ["SW-1"]
    assert counted_before(row, TEN + HOUR, "SW-1") == {"ENERGY": 41_700}


def test_one_that_is_told_anew_counts_where_it_happened_then():
    uses = tuple(Use(TEN + n * HOUR, f"SW-{n}", {"ENERGY": 10**n}, "swap") for n in range(3))
    row = Used({}, uses)
    assert counted_before(row, TEN + 9 * HOUR, "SW-0") == {"ENERGY": 110}
    assert counted_before(row, TEN - HOUR, "SW-2") == {}
    assert counted_before(row, TEN + HOUR, "SW-1") == {"ENERGY": 1}
    # those between its old and its new time count after the old one
    assert [one.usage_id for one in later_uses(row, TEN - HOUR, "SW-2")] == ["SW-0", "SW-1"]
    assert [one.usage_id for one in later_uses(row, TEN, "SW-0")] == ["SW-1", "SW-2"]


def test_one_that_stays_at_its_time_keeps_its_place_before_ever_so_many():
    uses = tuple(Use(TEN + n, f"SW-{n}", {"ENERGY": 1}, "swap") for n in range(LATE_MAX + 9))
    assert counted_before(Used({}, uses), TEN + 1, "SW-1") == {"ENERGY": 1}
    assert len(later_uses(Used({}, uses), TEN + 1, "SW-1")) == LATE_MAX + 7


def test_one_that_comes_behind_too_many_counts_last():
    uses = tuple(Use(TEN + n, f"SW-{n}", {"ENERGY": 1}, "swap") for n in range(LATE_MAX + 1))
    assert later_uses(Used({}, uses), TEN - 1, "SW-0X") == ()
    assert counted_before(Used({}, uses), TEN - 1, "SW-0X") == {"ENERGY": LATE_MAX + 1}
    assert len(later_uses(Used({}, uses[1:]), TEN - 1, "SW-0X")) == LATE_MAX


def test_a_long_period_keeps_its_sum_and_its_last_usages(monkeypatch):
    assert USES_MAX > LATE_MAX
    monkeypatch.setattr(rating_used, "USES_MAX", 2)
    world = market(terms(TIERED))
    accrued = [used_to(world, n, TEN + n * HOUR, energy_wh=1_000) for n in range(3)]
    row = world.need(USED, KEY)
    assert (row.base, len(row.uses)) == ({"ENERGY": 1_000}, 2)
    assert counted_before(row, TEN + 9 * HOUR, "SW-9") == {"ENERGY": 3_000}
    count_usage(world, accrued[0], taken_back=True)
    assert world.need(USED, KEY).base == {"ENERGY": 0}
    count_usage(world, accrued[1], taken_back=True)
    assert [use.usage_id for use in world.need(USED, KEY).uses] == ["SW-2"]


def test_the_parts_of_a_long_bill_count_as_one_usage():
    world = market(terms(TIERED))
    first = used_to(world, 1, TEN, energy_wh=1_000)
    count_usage(world, replace(first, part=2))
    assert world.need(USED, KEY).uses == (Use(TEN, "SW-1", {"ENERGY": 2_000}, "swap"),)


# Allowances -------------------------------------------------------------------


def test_nothing_was_before_where_nobody_counts():
    world = market(terms())
    assert context_of(world, swap()) is NOTHING_BEFORE
    assert periods_of(World(), "T1", (TEN,)) == []
    assert [key for _, key in used_rows(world, "DR-1", "T1", (-1, 2**60))] == []


def test_swaps_and_wh_of_an_allowance_are_free():
    world = market(terms())
    entitled(world, "DR-1", quantity=2)
    assert context_of(world, swap()).free_swaps == 2
    entitled(world, "DR-1", quantity=5_000, unit="KWH")
    assert context_of(world, session(TEN, TEN + HOUR, 9)).free_wh == 5_000
    (accrued,) = made(act(world, BillUsage(facts=session(TEN, TEN + HOUR, 8_000))))
    assert rates(accrued) == [(5_000, 0), (3_000, 360_000), (5_000, 0), (3_000, 120_000)]
    assert taken_of(accrued.lines) == (0, 5_000)
    (free,) = made(act(world, BillUsage(facts=swap(tariff_id="T1", energy_wh=4_000))))
    assert taken_of(free.lines) == (0, 4_000)


def test_what_a_bill_took_itself_is_free_for_it_again():
    line = Line("SWAP", 1, "SWAP", 0, 0, 0, "service", "A", 1, 1, TEN, TEN, "allowance-1")
    energy = replace(line, component="ENERGY", formula="allowance-wh-1", billed_quantity=700)
    assert taken_of([line, line]) == (1, 0)
    assert taken_of([energy, energy, replace(energy, billed_quantity=None)]) == (0, 1_401)
    world = market(terms())
    entitled(world, "DR-1", quantity=0)
    assert context_of(world, swap(), [line]).free_swaps == 1


def test_a_tariff_is_asked_for_its_periods_once_it_is_known():
    world = market(terms(TIERED))
    narrow = World()
    assert [key for _, key in used_rows(narrow, "DR-1", "T1", (TEN, TEN))] == ["DR-1", "DR-1"]
    narrow.admit(TARIFFS, {"T1": world.get(TARIFFS, "T1")})
    assert [key for _, key in used_rows(narrow, "DR-1", "T1", (TEN,))] == ["DR-1", "DR-1", KEY]
    unknown: dict[str, Tariff | None] = {"T2": None}
    narrow.admit(TARIFFS, unknown)
    assert [key for _, key in used_rows(narrow, "DR-1", "T2", (TEN,))] == ["DR-1", "DR-1"]


# Contracts --------------------------------------------------------------------


def test_a_tier_may_count_the_months_of_a_plan():
    by_plan = replace(TIERED, tier=Tier("contract_period", "graduated", STEPS))
    world = market(terms(by_plan))
    entitled(world, "DR-1", quantity=0)
    assert contract_period(world, "DR-1", TEN) == "CO-S.2018-05"
    assert "DR-1|T1|CO-S.2018-05" in [key for _, key in used_rows(world, "DR-1", "T1", (TEN,))]
    used_to(world, 1, TEN)
    second = used_to(world, 2, TEN + HOUR)
    assert rates(second) == [(8_300, 500_000), (33_400, 300_000)]
    assert {line.tier for line in second.lines} == {"CO-S.2018-05"}


def test_a_plan_may_have_prices_of_its_own_while_it_lasts():
    world = market(terms())
    assert tariff_of(world, "DR-1", TEN, "T1") == "T1"
    entitled(world, "DR-1")
    assert tariff_of(world, "DR-1", TEN, "T1") == "T1"
    row = world.need(SUBSCRIPTIONS, "DR-1")
    row = replace(row, terms=replace(row.terms, overage_tariff_id="T2"))
    world.put(SUBSCRIPTIONS, "DR-1", row)
    assert tariff_of(world, "DR-1", TEN, "T1") == "T2"
    assert tariff_of(world, "DR-1", MAY - DAY, "T1") == "T1"
    assert tariff_of(world, "DR-1", 2**60, "T1") == "T1"
    world.put(SUBSCRIPTIONS, "DR-1", replace(row, last_period="2018-05"))
    assert tariff_of(world, "DR-1", MAY + 40 * DAY, "T1") == "T1"
    assert tariff_of(World(), "DR-1", TEN, "T1") == "T1"
    assert contract_period(world, "DR-2", TEN) == ""
    assert periods_of(world, "T1", (-1, 2**60)) == []
