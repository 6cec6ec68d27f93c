from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.money.bands import Place, bands, edges, prices_at
from ledger.domain.money.rating import price_span, rate
from ledger.domain.money.rating_facts import Bill
from ledger.domain.money.tariff_terms import Element, Restrictions, TariffRows
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND, parse_instant
from ledger.kernel.refusal import Refusal
from tests.support.usage import MAY, PLAIN, hours, rows, session, swap, terms

TEN = MAY + 10 * HOUR


def bill(facts, tariffs, **options):
    found = rate(facts, tariffs, **options)
    assert isinstance(found, Bill), found
    return found


def nets(facts, tariffs):
    return [line.net_minor for line in bill(facts, tariffs).lines]


RISING = hours(tuple(range(0, 240_000, 10_000)))


def parts(found):
    return [
        (line.service_start_at, line.service_end_at, line.quantity, line.rate_micro)
        for line in found.lines
    ]


def test_a_session_is_cut_at_the_hours_and_its_energy_resums():
    found = bill(session(TEN + 30 * MINUTE, TEN + 150 * MINUTE, 10_002), rows(RISING))
    assert parts(found) == [
        (TEN + 30 * MINUTE, TEN + 60 * MINUTE, 2501, 100_000),  # equal remainders: earlier first
        (TEN + 60 * MINUTE, TEN + 120 * MINUTE, 5001, 110_000),
        (TEN + 120 * MINUTE, TEN + 150 * MINUTE, 2500, 120_000),
    ]
    assert [line.net_minor for line in found.lines] == [25, 55, 30]
    assert {line.formula for line in found.lines} == {"meter-time-1"}


def test_neighbouring_hours_of_one_price_are_one_line():
    flat = rows(hours((50_000,) * 12 + (60_000,) * 12))
    assert parts(bill(session(MAY, MAY + DAY, 24_000), flat)) == [
        (MAY, MAY + 12 * HOUR, 12_000, 50_000),
        (MAY + 12 * HOUR, MAY + DAY, 12_000, 60_000),
    ]


def test_equal_prices_of_two_versions_stay_two_lines():
    flat = (50_000,) * 24
    found = bill(session(MAY + 23 * HOUR, MAY + 25 * HOUR, 2000), rows(hours(flat), hours(flat, 1)))
    assert [line.tariff_version for line in found.lines] == [1, 2]


def test_a_missing_hour_falls_back_to_the_lasting_version():
    prices = tuple(0 if hour == 11 else 10_000 for hour in range(24))
    tariff = rows(terms(Element("ENERGY", "KWH", 99_000)), hours(prices, missing=(11,)))
    found = bill(session(TEN, TEN + 3 * HOUR, 3000), tariff)
    assert [(line.rate_micro, line.tariff_version) for line in found.lines] == [
        (10_000, 2),
        (99_000, 1),
        (10_000, 2),
    ]


def test_an_hourly_energy_price_stands_beside_the_lasting_service_price():
    tariff = rows(terms(), RISING)
    found = bill(session(TEN, TEN + 2 * HOUR, 2000), tariff)
    assert [(line.component, line.quantity, line.rate_micro) for line in found.lines] == [
        ("ENERGY", 1000, 100_000),
        ("ENERGY", 1000, 110_000),
        ("SERVICE", 2000, 120_000),
    ]


def test_a_negative_hour_pays_the_driver():
    found = bill(session(TEN, TEN + HOUR, 10_000), rows(hours((-500_000,) * 24)))
    assert found.net_minor == -500


def test_bounds_apply_to_the_whole_session_not_to_each_hour():
    late = Restrictions(start_local="13:00", end_local="23:00")
    elements = (
        Element("SERVICE", "KWH", 200_000, late, min_quantity=20_000),
        Element("SERVICE", "KWH", 100_000, min_quantity=20_000),
    )
    tariff = rows(terms(*elements, zone="UTC"))
    begin = MAY + 12 * HOUR
    full = bill(session(begin, begin + 4 * HOUR, 12_000), tariff)
    assert [line.billed_quantity for line in full.lines] == [5_000, 15_000]
    assert [line.quantity for line in full.lines] == [3_000, 9_000]
    empty = bill(session(begin, begin + 2 * HOUR, 0), tariff)
    assert [line.billed_quantity for line in empty.lines] == [10_000, 10_000]
    ample = bill(session(begin, begin + 2 * HOUR, 40_000), tariff)
    assert [line.billed_quantity for line in ample.lines] == [None, None]


def test_an_event_is_priced_once_by_the_begin_of_a_session():
    night = Restrictions(start_local="22:00", end_local="06:00")
    elements = (
        Element("SERVICE", "ITEM", 500_000, night),
        Element("ENERGY", "KWH", 100_000),
    )
    tariff = rows(terms(*elements, zone="UTC"))
    into = session(MAY + 21 * HOUR, MAY + 23 * HOUR, 2000)
    out_of = session(MAY + 5 * HOUR, MAY + 7 * HOUR, 2000)
    assert nets(into, tariff) == [20]
    assert nets(out_of, tariff) == [50, 20]
    assert nets(session(MAY + 2 * HOUR, MAY + 2 * HOUR, 2000), tariff) == [50, 20]


def test_a_unit_may_change_within_a_session():
    night = Restrictions(start_local="22:00", end_local="06:00")
    elements = (Element("SERVICE", "MINUTE", 10_000, night), Element("SERVICE", "KWH", 100_000))
    tariff = rows(terms(*elements, zone="UTC"))
    evening = bill(session(MAY + 21 * HOUR, MAY + 23 * HOUR, 2000), tariff)
    assert [(line.unit, line.quantity) for line in evening.lines] == [("WH", 1000)]


def test_a_component_may_be_priced_at_some_hours_only():
    peak = Restrictions(start_local="12:00", end_local="13:00")
    elements = (Element("SERVICE", "KWH", 100_000, peak), Element("ENERGY", "KWH", 50_000))
    found = bill(
        session(MAY + 10 * HOUR, MAY + 14 * HOUR, 4000), rows(terms(*elements, zone="UTC"))
    )
    assert [(line.component, line.quantity) for line in found.lines] == [
        ("ENERGY", 4000),
        ("SERVICE", 1000),
    ]


def test_a_version_that_begins_within_a_session_cuts_it():
    tariff = rows(
        terms(Element("ENERGY", "KWH", 130_000), end=TEN),
        terms(Element("ENERGY", "KWH", 140_000), begin=TEN),
    )
    found = bill(session(TEN - HOUR, TEN + HOUR, 2000), tariff)
    assert [(line.tariff_version, line.net_minor) for line in found.lines] == [(1, 13), (2, 14)]


@pytest.mark.parametrize(
    ("limits", "at", "matches"),
    [
        (Restrictions(days=("tue",)), "2018-05-01T21:59:00Z", True),  # 23:59 in Berlin
        (Restrictions(days=("tue",)), "2018-05-01T22:00:00Z", False),
        (Restrictions(date_from="2018-05-02"), "2018-05-01T21:59:00Z", False),
        (Restrictions(date_from="2018-05-02"), "2018-05-01T22:00:00Z", True),
        (Restrictions(date_to="2018-05-01"), "2018-05-01T22:00:00Z", False),
        (Restrictions(date_to="2018-05-01"), "2018-05-01T21:59:00Z", True),
        (Restrictions(start_local="07:30", end_local="08:00"), "2018-05-01T05:29:59Z", False),
        (Restrictions(start_local="07:30", end_local="08:00"), "2018-05-01T05:30:00Z", True),
        (Restrictions(start_local="07:30", end_local="08:00"), "2018-05-01T06:00:00Z", False),
        (Restrictions(start_local="22:00", end_local="06:00"), "2018-05-01T03:59:00Z", True),
        (Restrictions(start_local="22:00", end_local="06:00"), "2018-05-01T04:00:00Z", False),
        (Restrictions(start_local="22:00", end_local="06:00"), "2018-05-01T20:00:00Z", True),
    ],
)
def test_restrictions_are_read_on_the_local_clock(limits, at, matches):
    tariff = rows(terms(Element("ENERGY", "KWH", 1, limits)))
    found = prices_at(tariff, Place("ST-1", ""), parse_instant(at, "at"))
    assert bool(found) is matches


def test_no_price_exists_without_a_tariff():
    assert prices_at(TariffRows(None), Place("ST-1", ""), MAY) is None
    assert edges(TariffRows(None), MAY, MAY + DAY) == []


@pytest.mark.parametrize(
    ("day", "length"), [("2018-03-25", 23), ("2018-05-01", 24), ("2018-10-28", 25)]
)
def test_a_local_day_of_23_or_25_hours_resums_to_the_energy(day, length):
    zone = rows(
        terms(
            Element("ENERGY", "KWH", 90_000, Restrictions(start_local="02:30", end_local="04:00")),
            Element("ENERGY", "KWH", 50_000, Restrictions(days=("sun",))),
            Element("ENERGY", "KWH", 70_000),
            begin=0,
        )
    )
    begin = parse_instant(f"{day}T00:00:00Z", "at") - (HOUR if length == 23 else 2 * HOUR)
    end = begin + length * HOUR
    found = bill(session(begin, end, 100_003), zone)
    assert sum(line.quantity for line in found.lines) == 100_003
    spans = [(line.service_start_at, line.service_end_at) for line in found.lines]
    assert spans[0][0] == begin
    assert spans[-1][1] == end
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    night = sum(
        line.service_end_at - line.service_start_at
        for line in found.lines
        if line.rate_micro == 90_000
    )
    # local 02:30 to 04:00: skipped from 02:30 on in March, 02:30 to 03:00 twice in October
    assert night == {23: 60, 24: 90, 25: 120}[length] * MINUTE


@given(
    st.integers(0, 3 * DAY // SECOND),
    st.integers(0, 3 * DAY // SECOND),
    st.integers(0, 900_000),
    st.lists(st.integers(-3, 3), min_size=24, max_size=24),
)
def test_every_session_resums_to_its_energy_and_time(start, length, energy_wh, prices):
    tariff = rows(
        terms(Element("ENERGY", "KWH", 120_000), begin=0),
        hours(tuple(price * 10_000 for price in prices)),
        hours(tuple(price * 20_000 for price in prices), day=1),
    )
    begin, end = MAY + start * SECOND, MAY + (start + length) * SECOND
    lines = bill(session(begin, end, energy_wh), tariff).lines
    assert sum(line.quantity for line in lines) == energy_wh
    assert sum(line.service_end_at - line.service_start_at for line in lines) == end - begin
    for line in lines:
        share = energy_wh * (line.service_end_at - line.service_start_at)
        pieces = (line.service_end_at - line.service_start_at) // HOUR + 2
        assert abs(line.quantity * (end - begin) - share) <= pieces * max(end - begin, 1)


def test_bands_cover_a_span_without_gap_or_overlap():
    tariff = rows(terms(), RISING)
    found = bands(tariff, Place("ST-1", ""), MAY - HOUR, MAY + 5 * HOUR + 1)
    assert not isinstance(found, Refusal)
    assert [band.begin for band in found] == [MAY - HOUR, *(MAY + h * HOUR for h in range(6))]
    assert found[-1].end == MAY + 5 * HOUR + 1


# Uncertain clocks -------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "slack", "rate_micro", "shift"),
    [
        (5, 4, 100_000, 0),
        (5, 6, 90_000, -6),
        (55, 6, 100_000, 0),
        (5, 66, 80_000, -66),
    ],
)
def test_a_swap_near_a_border_takes_the_cheaper_price(minutes, slack, rate_micro, shift):
    at = TEN + minutes * MINUTE
    facts = swap(occurred_at=at, clock_uncertainty_us=slack * MINUTE)
    found = bill(facts, rows(RISING))
    assert found.lines[0].rate_micro == rate_micro
    assert found.price_shift_us == shift * MINUTE
    assert found.lines[0].service_start_at == at


def test_the_cheaper_price_may_also_come_later():
    falling = rows(hours(tuple(range(240_000, 0, -10_000))))
    at = TEN + 55 * MINUTE
    found = bill(swap(occurred_at=at, clock_uncertainty_us=70 * MINUTE), falling)
    assert found.lines[0].rate_micro == 120_000
    assert found.price_shift_us == 65 * MINUTE  # the border itself, two hours on


def test_a_session_near_a_border_is_moved_as_a_whole():
    facts = session(TEN, TEN + HOUR, 1000, clock_uncertainty_us=HOUR)
    found = bill(facts, rows(RISING))
    assert parts(found) == [(TEN, TEN + HOUR, 1000, 90_000)]
    assert found.price_shift_us == -HOUR


def test_an_uncertain_clock_matters_not_where_prices_stand_still():
    facts = session(TEN, TEN + HOUR, 1000, clock_uncertainty_us=HOUR)
    assert bill(facts, rows(terms())).price_shift_us == 0
    assert bill(swap(clock_uncertainty_us=HOUR), rows(terms())).price_shift_us == 0


def test_a_time_without_a_price_is_not_the_cheaper_one():
    tariff = rows(terms(*PLAIN[:1], begin=TEN))
    assert bill(swap(clock_uncertainty_us=HOUR), tariff).price_shift_us == 0


def test_the_span_of_prices_includes_the_uncertainty():
    assert price_span(swap(clock_uncertainty_us=5)) == (TEN - 5, TEN + 5)
    assert price_span(session(TEN, TEN + 1, 1)) == (TEN, TEN + 1)
    assert price_span(swap(clock_uncertainty_us=10 * DAY)) == (TEN - DAY, TEN + DAY)


def test_a_version_of_another_time_has_no_border_within_a_usage():
    tariff = rows(terms(end=MAY + DAY), terms(begin=MAY + 3 * DAY))
    assert edges(tariff, TEN, TEN + HOUR) == []
    assert len(bill(session(TEN, TEN + HOUR, 1000), tariff).lines) == 2
