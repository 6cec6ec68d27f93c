from fractions import Fraction
from random import Random  # noqa: TID251 (seeded)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.errors import InvariantBroken, Malformed
from ledger.kernel.money import (
    EXPONENTS,
    Money,
    amount_text,
    check_currency,
    nano_to_minor,
    parse_amount,
    round_half_up,
    split,
    split_by,
    split_refund,
    vat_inside,
    vat_of,
)

TOTALS = st.integers(1 - 10**15, 10**15 - 1)
WEIGHTS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.integers(0, 10**6), min_size=1, max_size=8
).filter(lambda weights: any(weights.values()))


@pytest.mark.parametrize(
    ("code", "decimals"),
    [
        ("EUR", 2),
        ("GBP", 2),
        ("USD", 2),
        ("CNY", 2),
        ("TWD", 2),
        ("CHF", 2),
        ("JPY", 0),
        ("KWD", 3),
    ],
)
def test_a_currency_has_the_decimals_of_iso_4217(code, decimals):
    assert EXPONENTS[code] == decimals


def test_no_currency_has_the_name_of_a_unit():
    assert not {"WH", "KWH", "PACK"} & set(EXPONENTS)
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


def test_an_unknown_currency_is_malformed():
    with pytest.raises(Malformed, match="price: not a currency"):
        check_currency("XXX", "price")
    assert check_currency("EUR", "price") == "EUR"


def test_money_adds_up_in_one_currency_only():
    assert Money(150, "EUR") + Money(-50, "EUR") == Money(100, "EUR")
    assert -Money(150, "EUR") == Money(-150, "EUR")
    assert str(Money(-105, "EUR")) == "-1.05 EUR"
    with pytest.raises(InvariantBroken, match="do not add up"):
        Money(1, "EUR") + Money(1, "CNY")


@pytest.mark.parametrize("text", ["1.234", "1,00", "", "1e3", " 1", "0x1"])
def test_an_amount_that_does_not_fit_the_currency_is_malformed(text):
    with pytest.raises(Malformed):
        parse_amount(text, "EUR", "amount")


@given(TOTALS, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_an_amount_reads_back_from_its_text(minor, currency):
    assert parse_amount(amount_text(minor, currency), currency, "amount") == minor


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**9))
def test_rounding_goes_to_the_nearest_and_ties_away_from_zero(numerator, denominator):
    rounded = round_half_up(numerator, denominator)
    distance = abs(Fraction(numerator, denominator) - rounded)
    assert distance <= Fraction(1, 2)
    assert round_half_up(-numerator, denominator) == -rounded
    if distance == Fraction(1, 2):
        assert abs(rounded) > abs(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("energy_wh", "rate_micro", "currency", "minor"),
    [
        (41_700, 360_000, "EUR", 1501),
        (41_700, 120_000, "EUR", 500),
        (12_000, 700_000, "CNY", 840),
        (1_000, 31_500_000, "JPY", 32),
        (1_000, 123_450, "KWD", 123),
        (1_000, -4_999, "EUR", 0),
        (1_000, -5_000, "EUR", -1),
    ],
)
def test_an_exact_amount_is_rounded_once_to_the_minor_unit(energy_wh, rate_micro, currency, minor):
    assert nano_to_minor(energy_wh * rate_micro, currency) == minor


# Splitting --------------------------------------------------------------------


def test_the_worked_examples_of_splitting():
    assert split(1000, {"a": 1, "b": 1, "c": 1}, "abc") == {"a": 334, "b": 333, "c": 333}
    assert list(split(2001, {"a": 30, "b": 10, "c": 5, "d": 55}, "abcd").values()) == [
        600,
        200,
        100,
        1101,
    ]


def test_ties_go_to_the_part_that_comes_first_in_the_order():
    assert split(1, {"a": 1, "b": 1}, ["b", "a"]) == {"b": 1, "a": 0}


def check_split(total, weights, order):
    parts = split(total, weights, order)
    whole = sum(weights.values())
    assert sum(parts.values()) == total
    for name, weight in weights.items():
        assert abs(parts[name] * whole - total * weight) < whole
        assert weight or parts[name] == 0
    assert split(-total, weights, order) == {name: -part for name, part in parts.items()}


@given(TOTALS, WEIGHTS, st.randoms(use_true_random=False))
def test_parts_of_a_split_resum_and_stay_within_one_unit(total, weights, random):
    order = sorted(weights)
    random.shuffle(order)
    check_split(total, weights, order)


def test_parts_of_five_thousand_splits_resum():
    random = Random(5)
    for _ in range(5000):
        names = random.sample("abcdefgh", random.randint(1, 8))
        weights = {name: random.choice([0, 1, 3, random.randrange(10**6)]) for name in names}
        weights[names[0]] += 1
        check_split(random.randint(-(10**6), 10**6), weights, names)


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ({}, []),
        ({"a": 0, "b": 0}, ["a", "b"]),
        ({"a": 3, "b": -1}, ["a", "b"]),
        ({"a": 1, "b": 1}, ["a"]),
        ({"a": 1, "b": 1}, ["a", "a"]),
        ({"a": 1}, ["a", "b"]),
    ],
)
def test_a_split_without_sound_weights_or_order_is_malformed(weights, order):
    with pytest.raises(Malformed):
        split(100, weights, order)


def test_a_split_by_no_weights_is_malformed():
    with pytest.raises(Malformed, match="weights"):
        split_by(1, [])


def test_a_refund_takes_from_what_is_left():
    left = {"a": 180, "b": 60, "ours": 360}
    assert split_refund(500, left, ["a", "b", "ours"]) == {"a": 150, "b": 50, "ours": 300}
    assert split_refund(600, left, ["a", "b", "ours"]) == left
    assert split_refund(0, {"a": 0, "b": 0}, ["a", "b"]) == {"a": 0, "b": 0}


@pytest.mark.parametrize("amount", [-1, 601])
def test_a_refund_beyond_what_is_left_is_malformed(amount):
    with pytest.raises(Malformed, match="amount"):
        split_refund(amount, {"a": 180, "b": 420}, ["a", "b"])


def check_refunds(total, weights, wishes):
    order = sorted(weights)
    left = split(total, weights, order)
    for wish in (*wishes, total):
        amount = min(wish, sum(left.values()))
        taken = split_refund(amount, left, order)
        assert sum(taken.values()) == amount
        assert all(0 <= taken[name] <= left[name] for name in order)
        left = {name: left[name] - taken[name] for name in order}
    assert set(left.values()) == {0}


@given(st.integers(1, 10**9), WEIGHTS, st.lists(st.integers(1, 10**9), max_size=5))
def test_refunds_never_overdraw_a_share_and_the_last_one_empties_all(total, weights, wishes):
    check_refunds(total, weights, wishes)


def test_five_thousand_runs_of_refunds_end_at_zero():
    random = Random(7)
    for _ in range(5000):
        weights = {name: random.randrange(20) for name in "abcd"} | {"ours": 1}
        total = random.randint(1, 5000)
        check_refunds(total, weights, [random.randint(1, total) for _ in range(3)])


def test_the_difference_of_two_splits_would_take_money_from_a_partner():
    weights = {"a": 1, "b": 3, "c": 3}
    assert list(split(3, weights, "abc").values()) == [1, 1, 1]
    assert list(split(4, weights, "abc").values()) == [0, 2, 2]  # "a" fell although 3 grew to 4


# Value added tax --------------------------------------------------------------


@pytest.mark.parametrize(
    ("gross", "rate_bp", "net", "tax", "rounding"),
    [
        (1018, 1900, 855, 162, 1),
        (1005, 1900, 845, 161, -1),
        (1004, 1300, 888, 115, 1),
        (1021, 1300, 904, 118, -1),
        (2500, 1900, 2101, 399, 0),
        (-1018, 1900, -855, -162, -1),
    ],
)
def test_a_price_with_tax_inside_comes_apart_with_at_most_one_unit(
    gross, rate_bp, net, tax, rounding
):
    assert vat_inside(gross, rate_bp) == (net, tax, rounding)


@pytest.mark.parametrize(
    ("rate_bp", "share_bp"), [(600, 566), (1300, 1150), (1900, 1597), (2000, 1667), (2500, 2000)]
)
def test_the_share_of_prices_that_need_a_rounding_line_is_as_published(rate_bp, share_bp):
    period = 10_000 + rate_bp
    needing = 0
    for gross in range(period):
        found = vat_inside(gross, rate_bp)
        assert found.rounding in {-1, 0, 1}
        assert found.net + found.tax + found.rounding == gross
        needing += found.rounding != 0
    assert round_half_up(needing * 10_000, period) == share_bp


def test_tax_is_rounded_half_up_on_the_sum():
    assert vat_of(2101, 1900) == 399
    assert vat_of(-2101, 1900) == -399
    assert vat_of(250, 100) == 3
