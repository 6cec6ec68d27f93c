"""Everything a tariff can ask for beside energy by the kWh, one component after the other."""

import pytest

from ledger.domain.money.rating import RATING_VERSION, rate
from ledger.domain.money.rating_facts import Bill, Interval, RatingContext, tier_key
from ledger.domain.money.tariff_terms import Element, Restrictions, Step, Tier
from ledger.kernel.instants import DAY, HOUR, SECOND, parse_instant
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.usage import MAY, hours, rows, session, swap, terms

TEN = MAY + 10 * HOUR
ENERGY = Element("ENERGY", "KWH", 360_000)
FEES = (
    Element("NO_SHOW", "ITEM", 2_500_000),
    Element("LATE", "DAY", 4_000_000, max_quantity=3),
    Element("IDLE", "MINUTE", 100_000),
    Element("CLASS_UPGRADE", "DAY", 1_500_000),
    Element("EXTRA_PACK", "ITEM", 30_000_000),
    Element("DAMAGE", "SOH_BP", 900_000),
)


def bill(facts, *elements, context=None, **changes):
    tariff = rows(terms(*elements, **changes))
    found = rate(facts, tariff) if context is None else rate(facts, tariff, context)
    assert isinstance(found, Bill), found
    return found


def lines(found):
    return [(line.component, line.quantity, line.unit, line.net_minor) for line in found.lines]


def priced(found):
    return [(one.billed_quantity or one.quantity, one.rate_micro) for one in found.lines]


def refused(facts, *elements):
    found = rate(facts, rows(terms(*elements)))
    assert isinstance(found, Refusal), found
    return found.code


# Fees -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ({"kind": "booking", "is_no_show": True}, ("NO_SHOW", 1, "ITEM", 250)),
        ({"late_s": 86_401}, ("LATE", 2, "DAY", 800)),
        ({"kind": "custody", "late_s": 1}, ("LATE", 1, "DAY", 400)),
        ({"idle_s": 119}, ("IDLE", 1, "MINUTE", 10)),
        ({"class_days": 4}, ("CLASS_UPGRADE", 4, "DAY", 600)),
        ({"kind": "custody", "extra_packs": 2}, ("EXTRA_PACK", 2, "ITEM", 6000)),
        ({"kind": "custody", "damage_bp": 150}, ("DAMAGE", 150, "SOH_BP", 13_500)),
    ],
)
def test_a_fee_stands_on_the_bill_when_it_is_due(happened, expected):
    found = bill(swap(energy_wh=0, **happened), *FEES)
    assert lines(found) == [expected]
    assert (found.fee_net_minor, found.service_net_minor) == (expected[3], 0)


@pytest.mark.parametrize(
    "happened",
    [
        {},
        {"idle_s": 59},
        {"class_days": 4, "is_system_upgrade": True},
        {"damage_bp": 150},  # only a driver's time with a pack is a base for it
    ],
)
def test_a_fee_that_is_not_due_has_no_line(happened):
    assert [line.component for line in bill(swap(**happened), ENERGY, *FEES).lines] == ["ENERGY"]


def test_a_late_fee_has_a_cap_and_may_be_flat_or_by_the_minute():
    (capped,) = bill(swap(kind="custody", energy_wh=0, late_s=10 * 86_400), *FEES).lines
    assert (capped.quantity, capped.billed_quantity, capped.net_minor) == (10, 3, 1200)
    late = swap(kind="custody", energy_wh=0, late_s=150)
    flat, minutes = Element("LATE", "ITEM", 5_000_000), Element("LATE", "MINUTE", 20_000)
    assert lines(bill(late, flat)) == [("LATE", 1, "ITEM", 500)]
    assert lines(bill(late, minutes)) == [("LATE", 2, "MINUTE", 4)]
    extra = swap(kind="custody", energy_wh=0, extra_pack_days=3)
    assert lines(bill(extra, Element("EXTRA_PACK", "DAY", 1_000_000))) == [
        ("EXTRA_PACK", 3, "DAY", 300)
    ]


@pytest.mark.parametrize(
    "element",
    [
        Element("LATE", "SWAP", 1),
        Element("LATE", "KWH", 1),
        Element("NO_SHOW", "DAY", 1),
        Element("SERVICE", "SWAP", 1),
        Element("ENERGY", "KWH", 1),
        Element("V2G", "ITEM", 1),
        Element("SUBSCRIPTION", "MONTH", 1),
    ],
)
def test_an_element_that_cannot_price_what_happened_makes_no_bill(element):
    late = swap(kind="custody", energy_wh=0, late_s=150, months=1)
    assert refused(late, element) is RefusalCode.TARIFF_NO_ELEMENT


@pytest.mark.parametrize("field", ["late_s", "class_days", "months", "damage_bp"])
def test_a_count_below_zero_or_beyond_all_sense_is_refused(field):
    assert refused(swap(**{field: -1}), ENERGY) is RefusalCode.QUANTITY_NEGATIVE
    assert refused(swap(**{field: 10**10}), ENERGY) is RefusalCode.QUANTITY_LIMIT


# Other usages -----------------------------------------------------------------


def test_a_subscription_is_priced_by_the_month():
    month = session(MAY, MAY + 31 * DAY, 0, months=1)
    plan = Element("SUBSCRIPTION", "MONTH", 59_000_000)
    found = bill(swap_to(month, "subscription"), plan, ENERGY)
    assert lines(found) == [("SUBSCRIPTION", 1, "MONTH", 5900)]
    assert (found.service_net_minor, found.lines[0].revenue_account) == (
        5900,
        "Income:Subscriptions",
    )
    assert found.lines[0].service_end_at == MAY + 31 * DAY


def swap_to(facts, kind):
    return type(facts)(**{name: getattr(facts, name) for name in UsageFields} | {"kind": kind})


UsageFields = type(swap()).__struct_fields__


def test_energy_given_to_the_grid_is_sold_by_the_kwh_in_its_bands():
    export = swap_to(session(TEN, TEN + 2 * HOUR, 100_000), "v2g")
    dear = Element("V2G", "KWH", 500_000, Restrictions(start_local="13:00", end_local="14:00"))
    found = bill(export, dear, Element("V2G", "KWH", 250_000), ENERGY)
    assert lines(found) == [("V2G", 50_000, "WH", 1250), ("V2G", 50_000, "WH", 2500)]
    assert (found.energy_net_minor, found.lines[0].revenue_account) == (3750, "Income:V2G")


def test_a_discount_is_a_negative_line_before_tax():
    off = Element("DISCOUNT", "KWH", -10_000, Restrictions(groups=("TAXI",)))
    assert lines(bill(swap(group="TAXI"), ENERGY, off))[1] == ("DISCOUNT", 41_700, "WH", -42)
    assert len(bill(swap(group="POST"), ENERGY, off).lines) == 1
    once = Element("DISCOUNT", "ITEM", -1_000_000)
    assert bill(swap(), ENERGY, once).net_minor == 1501 - 100


def test_days_of_a_session_count_when_they_begin():
    parking = Element("SERVICE", "DAY", 2_000_000)
    assert lines(bill(session(TEN, TEN + DAY + 1, 0), parking)) == [("SERVICE", 2, "DAY", 400)]


# Where, with what, for whom -----------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "fits", "differs"),
    [
        (Restrictions(zones=("Z-1",)), {"zone_id": "Z-1"}, {"zone_id": "Z-2"}),
        (Restrictions(groups=("G-1",)), {"group": "G-1"}, {}),
        (Restrictions(min_soc_bp=8_000), {"soc_bp": 8_000}, {"soc_bp": 7_999}),
        (Restrictions(min_soc_bp=8_000), {"soc_bp": 9_000}, {}),
    ],
)
def test_an_element_may_hold_for_a_zone_a_group_or_a_full_pack(limits, fits, differs):
    special = Element("ENERGY", "KWH", 100_000, limits)
    assert bill(swap(**fits), special, ENERGY).lines[0].rate_micro == 100_000
    assert bill(swap(**differs), special, ENERGY).lines[0].rate_micro == 360_000


def test_an_element_may_hold_for_swaps_or_for_sessions_alone():
    swapped = Element("ENERGY", "KWH", 100_000, quantity_source="SOC_DIFFERENCE")
    charged = Element("ENERGY", "KWH", 200_000, quantity_source="METER")
    event = Element("SERVICE", "ITEM", 1_000_000, quantity_source="EVENT")
    assert priced(bill(swap(), charged, swapped, event)) == [(41_700, 100_000), (1, 1_000_000)]
    found = bill(session(TEN, TEN + HOUR, 500), charged, swapped, event)
    assert priced(found) == [(500, 200_000), (1, 1_000_000)]


def test_an_element_for_events_is_restricted_like_any_other():
    away = Restrictions(stations=("ST-9",))
    event = Element("SERVICE", "ITEM", 1_000_000, away, quantity_source="EVENT")
    assert [line.component for line in bill(swap(), ENERGY, event).lines] == ["ENERGY"]


def test_a_line_names_its_element_and_the_rules_have_a_version():
    (line,) = bill(swap(), Element("ENERGY", "KWH", 1, element_id="EL-7")).lines
    assert (line.element_id, RATING_VERSION) == ("EL-7", 1)


# Interval registers -------------------------------------------------------------


def test_energy_between_two_registers_stays_between_their_times():
    registers = (Interval(TEN, TEN + HOUR, 9_000), Interval(TEN + HOUR, TEN + 2 * HOUR, 1_000))
    tariff = rows(hours(tuple(range(0, 240_000, 10_000))))
    by_time = rate(session(TEN, TEN + 2 * HOUR, 10_000), tariff)
    metered = rate(session(TEN, TEN + 2 * HOUR, 10_000, intervals=registers), tariff)
    assert isinstance(by_time, Bill)
    assert isinstance(metered, Bill)
    assert [line.quantity for line in by_time.lines] == [5_000, 5_000]
    assert [line.quantity for line in metered.lines] == [9_000, 1_000]
    assert {line.formula for line in metered.lines} == {"meter-interval-1"}


def test_an_interval_across_a_border_of_prices_is_divided_by_time():
    registers = (
        Interval(TEN, TEN + HOUR + HOUR // 2, 3_001),
        Interval(TEN + HOUR + HOUR // 2, TEN + 2 * HOUR, 7),
    )
    tariff = rows(hours(tuple(range(0, 240_000, 10_000))))
    found = rate(session(TEN, TEN + 2 * HOUR, 3_008, intervals=registers), tariff)
    assert isinstance(found, Bill)
    assert [line.quantity for line in found.lines] == [2_001, 1_007]


@pytest.mark.parametrize(
    "registers",
    [
        (Interval(TEN + 1, TEN + HOUR, 10),),
        (Interval(TEN, TEN + HOUR - 1, 10),),
        (Interval(TEN, TEN + HOUR, 9),),
        (Interval(TEN, TEN, 0), Interval(TEN, TEN + HOUR, 10)),
        (Interval(TEN, TEN + SECOND, -1), Interval(TEN + SECOND, TEN + HOUR, 11)),
    ],
)
def test_registers_that_do_not_follow_on_are_no_base_for_a_bill(registers):
    facts = session(TEN, TEN + HOUR, 10, intervals=registers)
    assert refused(facts, ENERGY) is RefusalCode.TIME_UNUSABLE


@pytest.mark.parametrize(
    ("begin", "local_hours"), [("2018-03-24T23:00:00Z", 23), ("2018-10-27T22:00:00Z", 25)]
)
def test_a_local_day_of_another_length_is_priced_hour_by_hour(begin, local_hours):
    at = parse_instant(begin, "at")
    night = Element("ENERGY", "KWH", 100_000, Restrictions(start_local="22:00", end_local="06:00"))
    found = bill(session(at, at + local_hours * HOUR, local_hours * 1000), night, ENERGY, begin=0)
    # 00:00 to 06:00 has five or seven hours on such a day, 22:00 to 24:00 has two
    assert [line.quantity // 1000 for line in found.lines] == [local_hours - 18, 16, 2]


# Tiers and allowances -----------------------------------------------------------

STEPS = (Step(0, 500_000), Step(10_000, 400_000), Step(40_000, 300_000))


def tiered(scope="swap", mode="graduated", **changes):
    return Element("ENERGY", "KWH", 500_000, tier=Tier(scope, mode, STEPS), **changes)


def before(quantity, period="2018-05"):
    return RatingContext(used={tier_key(period, "ENERGY"): quantity})


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (0, [(10_000, 500_000), (30_000, 400_000), (1_700, 300_000)]),
        (10_000, [(30_000, 400_000), (11_700, 300_000)]),
        (9_999, [(1, 500_000), (30_000, 400_000), (11_699, 300_000)]),
        (90_000, [(41_700, 300_000)]),
    ],
)
def test_each_step_of_a_graduated_tier_prices_its_own_part(used, expected):
    found = bill(swap(), tiered("calendar_month"), context=before(used))
    assert priced(found) == expected
    assert sum(line.quantity for line in found.lines) == 41_700
    assert {line.tier for line in found.lines} == {"2018-05"}


@pytest.mark.parametrize(
    ("energy_wh", "used", "rate_micro"),
    [(10_000, 0, 500_000), (10_001, 0, 400_000), (1, 40_000, 300_000), (1, 39_999, 400_000)],
)
def test_the_step_that_is_reached_prices_all_of_a_volume_tier(energy_wh, used, rate_micro):
    element = tiered("contract_period", "volume")
    facts = swap(energy_wh=energy_wh, contract_period="CO-1.2018")
    found = bill(facts, element, context=before(used, "CO-1.2018"))
    assert priced(found) == [(energy_wh, rate_micro)]
    assert found.lines[0].tier == "CO-1.2018"


def test_a_tier_over_one_usage_knows_nothing_of_what_was_before():
    assert priced(bill(swap(), tiered(), context=before(90_000)))[0] == (10_000, 500_000)
    assert bill(swap(), tiered()).lines[0].tier == ""


def test_a_tier_goes_on_over_the_bands_of_a_session_and_shows_least_quantities():
    night = Element(
        "ENERGY",
        "KWH",
        500_000,
        Restrictions(end_local="13:00", start_local="00:00"),
        tier=Tier("swap", "graduated", STEPS),
    )
    found = bill(session(TEN, TEN + 2 * HOUR, 30_000), night, tiered())
    assert priced(found) == [(10_000, 500_000), (5_000, 400_000), (15_000, 400_000)]
    (short, rest) = bill(swap(energy_wh=4_000), tiered(min_quantity=15_000)).lines
    assert (short.quantity, short.billed_quantity) == (4_000, 10_000)
    assert (rest.quantity, rest.billed_quantity) == (0, 5_000)
    assert bill(swap(energy_wh=0), tiered()).lines[0].net_minor == 0


def test_kwh_of_an_allowance_come_first_and_stand_at_zero():
    free = RatingContext(free_wh=12_000)
    service = Element("SERVICE", "KWH", 100_000)
    found = bill(swap(), ENERGY, service, context=free)
    assert priced(found) == [(12_000, 0), (29_700, 360_000), (12_000, 0), (29_700, 100_000)]
    assert [line.formula for line in found.lines[:2]] == ["allowance-wh-1", "soc-diff-1"]
    assert priced(bill(swap(energy_wh=500), ENERGY, context=free)) == [(500, 0)]
    assert priced(bill(swap(), tiered(), context=free))[:2] == [(12_000, 0), (10_000, 500_000)]


def test_an_allowance_runs_out_over_the_bands_of_a_session():
    found = rate(
        session(TEN, TEN + 2 * HOUR, 10_000),
        rows(hours(tuple(range(0, 240_000, 10_000)))),
        RatingContext(free_wh=6_000),
    )
    assert isinstance(found, Bill)
    assert priced(found) == [(5_000, 0), (1_000, 0), (4_000, 110_000)]


def test_energy_that_comes_back_uses_no_allowance_and_no_tier():
    given = swap(energy_wh=-5_000)
    found = bill(given, ENERGY, context=RatingContext(free_wh=9), negative_energy="credit")
    assert priced(found) == [(-5_000, 360_000)]
