"""What depends on all lines of a bill together: gross prices, least and most, promotions, tax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import Bill, Promo, RatingContext
from ledger.domain.money.rating_totals import net_parts, vat_table
from ledger.domain.money.tariff_terms import Element
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.instants import HOUR
from ledger.kernel.money import vat_inside, vat_of
from tests.support.usage import MAY, PLAIN, hours, rows, session, swap, terms

TEN = MAY + 10 * HOUR
CHINA = {"country": "CN", "currency": "CNY", "zone": "Asia/Shanghai"}


def bill(facts, *elements, promos=(), **changes):
    context = RatingContext(promos=promos)
    found = rate(facts, rows(terms(*elements, **changes)), context)
    assert isinstance(found, Bill), found
    return found


def item(minor, component="SERVICE"):
    return Element(component, "ITEM", minor * 10_000)


def taxes(found, country="DE"):
    return [row[2:] for row in vat_table(country, found.lines)]


# Tax-inclusive prices ---------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "gross", "expected"),
    [
        ("DE", 1018, (855, 162, 1)),
        ("DE", 1005, (845, 161, -1)),
        ("DE", 2500, (2101, 399, 0)),
        ("CN", 1004, (888, 115, 1)),
        ("CN", 1021, (904, 118, -1)),
    ],
)
def test_a_gross_price_gives_the_net_and_tax_of_the_handbook(country, gross, expected):
    # 13 percent is the rate of energy in China from April 2019 on
    at = TEN + 400 * 24 * HOUR if country == "CN" else TEN
    product = "energy" if country == "CN" else "service"
    element = Element("SERVICE", "ITEM", gross * 10_000, tax_product=product)
    changes = CHINA if country == "CN" else {}
    found = bill(swap(country=country, occurred_at=at), element, tax_included=True, **changes)
    assert found.lines[0].gross_minor == gross
    assert taxes(found, country) == [expected]
    assert found.net_minor == expected[0]


def test_the_net_of_a_gross_bill_is_divided_over_its_lines_by_their_gross():
    found = bill(swap(booking_id="BK-1"), tax_included=True)
    assert [line.gross_minor for line in found.lines] == [1501, 500, 100]
    assert [line.net_minor for line in found.lines] == [1262, 420, 84]
    assert taxes(found) == [(1766, 336, -1)]
    assert vat_inside(2101, 1900) == (1766, 336, -1)


def test_net_hours_and_gross_elements_may_stand_on_one_bill():
    tariff = rows(terms(item(119), tax_included=True), hours((100_000,) * 24))
    found = rate(session(TEN, TEN + HOUR, 10_000), tariff)
    assert isinstance(found, Bill)
    assert [(line.component, line.net_minor, line.gross_minor) for line in found.lines] == [
        ("ENERGY", 100, None),
        ("SERVICE", 100, 119),
    ]
    assert taxes(found) == [(200, 38, 0)]


def test_a_discount_on_a_gross_bill_keeps_the_sign_of_every_line():
    assert net_parts([1018, -18], 1900) == [855, -15]
    assert net_parts([0, 0], 1900) == [0, 0]
    assert net_parts([-500], 1900) == [-420]


@given(
    st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=8),
    st.sampled_from([0, 500, 600, 1300, 1900, 2000, 2500]),
)
def test_net_parts_re_sum_and_no_tax_is_adjusted(gross, rate_bp):
    nets = net_parts(gross, rate_bp)
    whole = vat_inside(sum(gross), rate_bp)
    assert sum(nets) == whole.net
    assert abs(sum(gross) - whole.net - vat_of(whole.net, rate_bp)) <= 1
    assert all(minor * net >= 0 for minor, net in zip(gross, nets, strict=True) if abs(minor) > 9)


# Least and most of a bill -------------------------------------------------------


def test_a_bill_is_lifted_to_the_least_of_the_tariff_by_a_line_of_its_own():
    found = bill(swap(energy_wh=1000), *PLAIN, min_bill_minor=300)
    assert [(line.component, line.net_minor) for line in found.lines] == [
        ("ENERGY", 36),
        ("SERVICE", 12),
        ("SERVICE", 252),
    ]
    added = found.lines[-1]
    assert (added.formula, added.rate_micro, added.amount_nano) == (
        "min-bill-1",
        2_520_000,
        2_520_000_000,
    )
    assert found.net_minor == 300


def test_a_bill_is_brought_down_to_the_most_of_the_tariff():
    found = bill(swap(), *PLAIN, max_bill_minor=1000)
    added = found.lines[-1]
    assert (added.component, added.net_minor, added.formula) == ("DISCOUNT", -1001, "max-bill-1")
    assert (added.revenue_account, added.tax_product) == ("Income:Discounts", "energy")
    assert (found.net_minor, found.energy_net_minor) == (1000, 500)


@pytest.mark.parametrize("least", [0, 2001])
def test_a_bill_between_least_and_most_stays_as_it_is(least):
    found = bill(swap(), *PLAIN, min_bill_minor=least, max_bill_minor=2001)
    assert len(found.lines) == 2


def test_no_least_lifts_a_credit_that_only_has_a_most():
    energy = Element("ENERGY", "KWH", 360_000)
    found = bill(swap(energy_wh=-10_000), energy, max_bill_minor=2001, negative_energy="credit")
    assert [line.net_minor for line in found.lines] == [-360]


def test_a_swap_of_an_allowance_and_a_fee_know_no_least():
    tariff = rows(terms(*PLAIN, Element("LATE", "ITEM", 10_000), min_bill_minor=300))
    free = rate(swap(), tariff, RatingContext(free_swaps=1))
    fee = rate(swap(kind="custody", late_s=1), tariff)
    assert isinstance(free, Bill)
    assert isinstance(fee, Bill)
    assert (free.net_minor, fee.net_minor) == (0, 1)


def test_least_and_most_are_gross_where_prices_are():
    found = bill(swap(energy_wh=1000), *PLAIN, min_bill_minor=300, tax_included=True)
    assert sum(line.gross_minor or 0 for line in found.lines) == 300
    assert taxes(found) == [(252, 48, 0)]


# Promotions -------------------------------------------------------------------


def promo(name="PR-1", **changes):
    return Promo(**{"promo_id": name, "kind": "percent", "percent_bp": 1000} | changes)


def offs(found):
    return [(line.promo, line.net_minor) for line in found.lines if line.promo]


def test_a_percent_is_taken_off_each_product_before_tax():
    found = bill(swap(booking_id="BK-1"), *PLAIN, promos=(promo(),))
    assert offs(found) == [("PR-1", -150), ("PR-1", -50)]  # 1501 and 500; booking is a fee
    energy, service = found.lines[-2:]
    assert (energy.tax_product, energy.formula, energy.revenue_account) == (
        "energy",
        "promo-percent-1",
        "Income:Discounts",
    )
    assert (service.component, service.rate_micro, service.quantity) == ("DISCOUNT", -500_000, 1)
    assert found.net_minor == 2101 - 200
    assert (found.energy_net_minor, found.service_net_minor) == (1351, 450)
    assert taxes(found) == [(1901, vat_of(1901, 1900), 0)]


def test_a_promotion_may_have_a_limit_components_and_a_time():
    assert offs(bill(swap(), *PLAIN, promos=(promo(max_minor=101),))) == [
        ("PR-1", -76),
        ("PR-1", -25),
    ]
    only = promo(components=("SERVICE",))
    assert offs(bill(swap(), *PLAIN, promos=(only,))) == [("PR-1", -50)]
    assert offs(bill(swap(), *PLAIN, promos=(promo(valid_to_at=TEN),))) == []
    assert offs(bill(swap(), *PLAIN, promos=(promo(valid_from_at=TEN + 1),))) == []


def test_a_free_swap_takes_all_but_fees_off_a_swap_alone():
    free = promo(kind="free_swaps", swaps_left=2)
    found = bill(swap(booking_id="BK-1"), *PLAIN, promos=(free,))
    assert found.net_minor == 100
    assert {line.formula for line in found.lines[-2:]} == {"promo-free-swap-1"}
    used_up = promo(kind="free_swaps", swaps_left=0)
    assert bill(swap(), *PLAIN, promos=(used_up,)).net_minor == 2001
    charged = session(TEN, TEN + HOUR, 10_000)
    assert bill(charged, *PLAIN, promos=(free,)).net_minor == 480


def test_promotions_stack_one_after_the_other_or_the_best_stands_alone():
    ten = promo("PR-10", stackable=True)
    half = promo("PR-50", percent_bp=5000, stackable=True)
    assert bill(swap(), item(1000), promos=(ten, half)).net_minor == 450
    alone = promo("PR-60", percent_bp=6000)
    assert offs(bill(swap(), item(1000), promos=(ten, half, alone))) == [("PR-60", -600)]
    less = promo("PR-20", percent_bp=2000)
    assert offs(bill(swap(), item(1000), promos=(less, ten, half))) == [
        ("PR-10", -100),
        ("PR-50", -450),
    ]


def test_nothing_is_taken_off_a_bill_below_zero():
    credit = swap(energy_wh=-41_700)
    found = bill(credit, *PLAIN, promos=(promo(),), negative_energy="credit")
    assert offs(found) == []


# Value added tax --------------------------------------------------------------


def test_tax_is_computed_once_for_each_rate_of_a_bill():
    at = TEN + 400 * 24 * HOUR
    found = bill(swap(country="CN", occurred_at=at), *PLAIN, **CHINA)
    assert vat_table("CN", found.lines) == [("S", 600, 500, 30, 0), ("S", 1300, 1501, 195, 0)]


def test_a_line_without_a_tax_rule_cannot_be_on_a_bill():
    with pytest.raises(InvariantBroken):
        vat_table("XX", bill(swap()).lines)
