"""Two ways to rate a usage, written apart: the ledger's and the strangers' never disagree.

Tariffs, usages and what was used before are drawn at random: every kind of usage, every component,
unit, restriction, tier, bound, allowance and promotion that a tariff can have. The last test sees
that all of them were met.
"""

import os
from collections import Counter
from random import Random  # noqa: TID251  seeded and printed
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.money.rating import price_span, rate
from ledger.domain.money.rating_facts import Bill, Interval, Promo, RatingContext, UsageFacts
from ledger.domain.money.rating_used import LATE_MAX, Use, Used, counted_before
from ledger.domain.money.tariff_terms import (
    COMPONENTS,
    UNITS,
    Element,
    Restrictions,
    Step,
    TariffTerms,
    Tier,
)
from ledger.domain.money.tariffs import TARIFFS, PublishTariff, TariffPublished, tariff_rows
from ledger.domain.money.tax import RULES, tax_rule
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.money import split_by, vat_inside
from mobilegrid import offline_verifier as offline
from tests.support.rules import act
from tests.support.usage import MAY

EXAMPLES = int(os.environ.get("MOBILEGRID_TEST_EXAMPLES", "0")) or 1_200
"""Set the variable for a longer run by hand; docs/verify.md says of how many."""

# What is drawn ------------------------------------------------------------------

OF_KIND = {
    "swap": ["ENERGY", "SERVICE", "SWAP", "BOOKING", "CLASS_UPGRADE", "DISCOUNT", "LATE", "IDLE"],
    "charging_session": ["ENERGY", "SERVICE", "DISCOUNT", "IDLE", "EXTRA_PACK"],
    "booking": ["NO_SHOW", "BOOKING", "LATE"],
    "custody": ["DAMAGE", "DAMAGE", "LATE", "EXTRA_PACK"],
    "subscription": ["SUBSCRIPTION", "EXTRA_PACK"],
    "v2g": ["V2G"],
}
"""What a usage of a kind is usually priced by; any component may stand in its tariff beside."""
PER = {
    "LATE": ["MINUTE", "DAY", "ITEM"],
    "IDLE": ["MINUTE", "DAY", "ITEM", "MONTH"],
    "NO_SHOW": ["ITEM"],
    "CLASS_UPGRADE": ["DAY"],
    "EXTRA_PACK": ["ITEM", "DAY"],
    "DAMAGE": ["SOH_BP"],
    "SUBSCRIPTION": ["MONTH"],
    "V2G": ["KWH"],
}
USUALLY = ["KWH", "KWH", "SWAP", "MINUTE", "ITEM", "DAY", "MONTH"]
KINDS: tuple[Any, ...] = (*["swap"] * 4, *["charging_session"] * 3, *OF_KIND)
CLOCKS = ["00:00", "02:30", "06:00", "12:00", "22:15"]


class Draw:
    """Draws tariffs and usages of one kind."""

    def __init__(self, random: Random) -> None:
        self.any = random.choice
        self.number = random.randrange
        self.kind = self.any(KINDS)
        self.currency = self.any(["EUR", "EUR", "JPY", "KWD"])
        self.included = self.any([True, False])  # hours of a day are without tax

    def one_in(self, count: int) -> bool:
        return self.number(count) == 0

    def rate(self) -> int:
        return self.number(-400_000, 900_000)

    def limits(self) -> Restrictions:
        start, end = self.any(CLOCKS), self.any(CLOCKS)
        has_window = start != end and self.one_in(2)
        dates = self.any([("", ""), ("", ""), ("2018-04-30", "2018-05-02"), ("2018-05-02", "")])
        return Restrictions(
            self.any([(), (), ("mon", "tue"), ("sat", "sun")]),
            start if has_window else "",
            end if has_window else "",
            *dates,
            stations=self.any([(), (), ("ST-1",), ("ST-2",)]),
            pack_classes=self.any([(), (), ("L",)]),
            zones=self.any([(), (), (), ("north",)]),
            groups=self.any([(), (), (), ("taxis",)]),
            min_soc_bp=self.any([0, 0, 0, 8_000]),
        )

    def tier(self, rate_micro: int) -> Tier:
        some = {self.any([self.number(1, 60_000), self.number(1, 3)]) for _ in range(3)}
        begins = sorted(some)[self.number(4) :]
        return Tier(
            self.any(["swap", "calendar_month", "contract_period"]),
            self.any(["graduated", "volume"]),
            (Step(0, rate_micro), *(Step(begin, self.rate()) for begin in begins)),
        )

    def element(self, number: int) -> Element:
        component = self.any([*OF_KIND[self.kind] * 4, *COMPONENTS])
        rate_micro = self.rate()
        if component == "DISCOUNT":
            rate_micro = -abs(rate_micro)
        return Element(
            component,
            self.any(PER.get(component, USUALLY)),
            rate_micro,
            self.limits() if self.one_in(3) else Restrictions(),
            *self.any([(0, 0), (0, 0), (0, 20_000), (20_000, 30_000)]),
            tax_product=self.any(["", "", "energy", "service"]),
            element_id=self.any(["", f"EL-{number}"]),
            quantity_source=self.any(["", "", "", "METER", "SOC_DIFFERENCE", "EVENT"]),
            tier=self.tier(rate_micro) if self.one_in(3) else None,
        )

    def terms(self, *, is_first: bool) -> TariffTerms:
        begin = MAY + (-96 if is_first else self.number(-3, 4) * 12) * HOUR
        zone = self.any(["Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata"])
        credit = self.any(["floor_zero", "credit"])
        if not is_first and not self.included and self.one_in(3):
            missing = tuple(sorted({self.number(24) for _ in range(self.number(3))}))
            hours = tuple(0 if hour in missing else self.rate() for hour in range(24))
            day = begin // DAY * DAY
            span = (day, day + DAY)
            return TariffTerms(
                "DE", self.currency, zone, *span, (), hours, missing, negative_energy=credit
            )
        least, most = self.any([(0, 0), (0, 0), (500, 0), (0, 1_000), (100, 5_000)])
        return TariffTerms(
            "DE",
            self.currency,
            zone,
            begin,
            self.any([0, 0, begin + 18 * HOUR]),
            tuple(self.element(number) for number in range(self.number(1, 7))),
            negative_energy=credit,
            tax_included=self.included,
            min_bill_minor=least,
            max_bill_minor=most,
        )

    def usage(self) -> UsageFacts:
        kind = self.kind
        begin = MAY + self.number(-30 * 60, 60 * 60) * MINUTE
        is_timed = kind in ("charging_session", "v2g", "subscription")
        end = begin + self.number(40 * 60) * MINUTE + self.number(60)
        energy_wh = self.number(-50_000 if kind == "swap" else -1, 80_000)
        intervals: tuple[Interval, ...] = ()
        if is_timed and end - begin > HOUR and energy_wh >= 0 and self.one_in(2):
            middle, first = begin + self.number(1, 60) * MINUTE, self.number(energy_wh + 1)
            intervals = (Interval(begin, middle, first), Interval(middle, end, energy_wh - first))
        return UsageFacts(
            kind=kind,
            usage_id="U-1",
            driver_id="DR-1",
            station_id=self.any(["ST-1", "ST-2"]),
            operator_id="OP-1",
            country=self.any(["DE", "DE", "DE", "FR", "CN", "XX"]),
            tariff_id="T1",
            occurred_at=begin,
            begin_at=begin if is_timed else 0,
            end_at=end if is_timed else 0,
            energy_wh=energy_wh,
            level=3,
            clock_quality="S",
            clock_uncertainty_us=self.any([0, 0, 5 * MINUTE, 3 * HOUR, DAY]),
            pack_class=self.any(["M", "L"]),
            capacity_wh=self.any([0, 75_000]) if kind == "swap" else 0,
            booking_id=self.any(["", "BK-1"]),
            intervals=intervals,
            zone_id=self.any(["", "north"]),
            group=self.any(["", "taxis"]),
            soc_bp=self.any([None, 7_900, 8_000]),
            contract_period="CT-1.2018-05",
            is_no_show=self.one_in(2),
            late_s=self.any([0, 59, 90_000]),
            idle_s=self.any([0, 600, 600, 600, -1]),
            class_days=self.any([0, 2]),
            is_system_upgrade=self.one_in(3),
            extra_packs=self.any([0, 1]),
            extra_pack_days=self.any([0, 5]),
            damage_bp=self.any([0, 40, 40]),
            months=self.any([0, 1]),
        )

    def promo(self) -> Promo:
        return Promo(
            promo_id=self.any(["PR-1", "PR-2"]),
            kind=self.any(["percent", "free_swaps"]),
            percent_bp=self.number(10_001),
            swaps_left=self.number(2),
            max_minor=self.any([0, 0, 100]),
            components=self.any([(), (), ("ENERGY",), ("SERVICE", "BOOKING")]),
            valid_from_at=MAY + self.any([-30, -30, 1]) * DAY,
            stackable=self.one_in(2),
            currency=self.any(["", "EUR", "EUR", "CNY"]),
        )

    def context(self) -> RatingContext:
        periods = ["2018-04", "2018-05", "CT-1.2018-05"]
        names = [f"{one}{more}" for one in OF_KIND["swap"] for more in ("", ":EL-0", ":EL-1")]
        counted = [f"{self.any(periods)}/{self.any(names)}" for _ in range(self.number(40))]
        return RatingContext(
            free_swaps=self.any([0, 0, 1]),
            free_wh=self.any([0, 0, 7_000]),
            used={name: self.number(self.any([4, 90_000])) for name in counted},
            promos=tuple(self.promo() for _ in range(self.any([0, 0, 1, 2, 3]))),
        )


# Both ways --------------------------------------------------------------------


def tax(country: str, product: str, at: int) -> tuple[str, int] | None:
    rule = tax_rule(country, product, at)
    return None if rule is None else (rule.category, rule.rate_bp)


COUNTS = (
    *("is_no_show", "late_s", "idle_s", "class_days", "is_system_upgrade", "extra_packs"),
    *("extra_pack_days", "damage_bp", "months"),
)


def told(facts: UsageFacts, context: RatingContext) -> offline.Usage:
    """Tell the strangers' rating the same."""
    begin, end = facts.service_time
    return offline.Usage(
        kind=facts.kind,
        begin=begin,
        end=end,
        energy_wh=facts.energy_wh,
        station=facts.station_id,
        pack_class=facts.pack_class,
        country=facts.country,
        is_booked=bool(facts.booking_id),
        limit_wh=facts.capacity_wh or 1_000_000,
        slack=facts.clock_uncertainty_us,
        zone=facts.zone_id,
        group=facts.group,
        soc_bp=facts.soc_bp,
        counts={name: int(getattr(facts, name)) for name in COUNTS},
        intervals=tuple((one.begin_at, one.end_at, one.energy_wh) for one in facts.intervals),
        period=facts.contract_period,
        free_swaps=context.free_swaps,
        free_wh=context.free_wh,
        used=context.used,
        promos=tuple(msgspec.to_builtins(each) for each in context.promos),
    )


MET: Counter[str] = Counter()
"""What bills had, over all examples."""


def _meet(bill: Bill) -> None:
    for line in bill.lines:
        MET.update({line.formula, line.component, line.unit})
        MET["tier"] += bool(line.tier)
        MET["gross"] += line.gross_minor is not None
        MET["bounded"] += line.billed_quantity is not None
    MET["bills"] += 1
    MET["shift"] += bool(bill.price_shift_us)


def agree(random: Random) -> None:
    """Rate one usage by one tariff in both ways."""
    draw = Draw(random)
    published = [draw.terms(is_first=not number) for number in range(draw.number(1, 4))]
    facts, context, supersedes = draw.usage(), draw.context(), draw.number(3)
    world = World(complete=True)
    versions = []
    for each in published:
        held = world.get(TARIFFS, "T1")
        there = held.at(each.valid_from_at) if held else None
        old = there.version if there and supersedes == 0 and not each.hours_micro else 0
        outcome = act(world, PublishTariff(tariff_id="T1", terms=each, supersedes=old))
        if isinstance(outcome, tuple) and outcome:
            event = outcome[0].event
            assert isinstance(event, TariffPublished)
            versions.append((event.tariff_version, each, old))
    rows = tariff_rows(world, "T1", *price_span(facts))
    ours = rate(facts, rows, context)
    known = [*(rows.tariff.lasting if rows.tariff else ()), *rows.days.values()]
    places = {version.version: version.position for version in known}
    tariff = offline.Tariff(
        [
            offline.Version(
                places.get(number, -1),
                number,
                each.valid_from_at,
                each.valid_to_at,
                msgspec.json.decode(msgspec.json.encode(each)),
                old,
            )
            for number, each, old in versions
        ]
    )
    try:
        lines, shift = offline.rate(told(facts, context), tariff, tax)
    except offline.EvidenceRefused:
        assert not isinstance(ours, Bill), ours
    else:
        assert isinstance(ours, Bill), (ours, lines)
        assert lines == msgspec.json.decode(msgspec.json.encode(ours.lines))
        nets = offline.sums_of(lines)
        assert (shift, nets) == (
            ours.price_shift_us,
            {
                "energy": ours.energy_net_minor,
                "service": ours.service_net_minor,
                "fee": ours.fee_net_minor,
            },
        )
        _meet(ours)


@given(st.randoms(use_true_random=True))
@settings(max_examples=100)
def test_both_rate_every_usage_to_the_same_lines(random):
    agree(random)


def test_both_agree_about_everything_a_bill_can_have():
    MET.clear()
    for seed in range(EXAMPLES):
        agree(Random(seed))
    formulas = ["soc-diff-1", "meter-time-1", "meter-interval-1", "event-1", "allowance-1"]
    formulas += ["allowance-wh-1", "min-bill-1", "max-bill-1", "promo-percent-1"]
    formulas += ["promo-free-swap-1"]
    wanted = {*formulas, *COMPONENTS, *UNITS.values(), "tier", "gross", "bounded", "shift"}
    assert {one for one in wanted if not MET[one]} == set()


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=6).filter(any),
    st.sampled_from([0, 500, 600, 700, 1_300, 1_900, 2_500]),
)
def test_both_divide_and_take_tax_out_alike(total, weights, rate_bp):
    assert offline.divide(total, weights) == split_by(total, weights)
    assert offline.net_inside(total, rate_bp) == vat_inside(total, rate_bp).net


@pytest.mark.parametrize("number", [3, LATE_MAX, LATE_MAX + 9])
def test_both_count_alike_what_came_before_a_usage_that_is_told_anew(number):
    uses = tuple(
        Use(MAY + n * HOUR, f"U-{n:02d}", {"ENERGY": n + 1}, "swap") for n in range(number)
    )
    for own in (uses[0], uses[number // 2], uses[-1]):
        for at in (own.at, MAY - HOUR, MAY + 1, MAY + number * HOUR):
            theirs = offline.Counted()
            for use in (*uses, own):
                line = {"service_start_at": use.at, "quantity": 0}
                bill = {"usage_id": use.usage_id, "lines": [line]}
                is_back = use is own and bool(theirs.rows) and len(theirs.rows) == number
                theirs.add(bill, use.counts, is_back=is_back, is_anew=is_back)
            assert len(theirs.rows) == number - 1
            ours = counted_before(Used({}, uses), at, own.usage_id)
            assert theirs.before(at, own.usage_id) == ours, (own, at)


def test_the_tax_rules_of_the_tests_are_those_of_the_ledger():
    assert tax("DE", "energy", MAY) == ("S", 1900)
    assert tax("XX", "energy", MAY) is None
    assert len(RULES) > 5
