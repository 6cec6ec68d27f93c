import pytest

from ledger.domain.money.tax import PRODUCTS, RULES, tax_rule
from ledger.kernel.instants import parse_instant


@pytest.mark.parametrize(
    ("country", "product", "at", "category", "rate_bp"),
    [
        ("GB", "energy", "2018-03-01T00:00:00Z", "S", 2000),
        ("FR", "service", "2018-03-01T00:00:00Z", "S", 2000),
        ("US", "energy", "2018-03-01T00:00:00Z", "O", 0),
        ("TW", "energy", "2018-03-01T00:00:00Z", "S", 500),
        ("DE", "energy", "2020-06-30T23:59:59Z", "S", 1900),
        ("DE", "energy", "2020-07-01T00:00:00Z", "S", 1600),
        ("DE", "service", "2021-01-01T00:00:00Z", "S", 1900),
        ("CN", "energy", "2019-04-01T00:00:00Z", "S", 1300),
        ("CN", "service", "2019-04-01T00:00:00Z", "S", 600),
    ],
)
def test_the_rule_in_force_on_the_day_applies(country, product, at, category, rate_bp):
    rule = tax_rule(country, product, parse_instant(at, "at"))
    assert rule is not None
    assert (rule.category, rule.rate_bp) == (category, rate_bp)


@pytest.mark.parametrize(
    ("country", "product", "at"),
    [
        ("XX", "energy", "2018-03-01T00:00:00Z"),
        ("GB", "compensation", "2018-03-01T00:00:00Z"),
        ("GB", "energy", "1980-01-01T00:00:00Z"),
    ],
)
def test_no_rule_is_invented(country, product, at):
    assert tax_rule(country, product, parse_instant(at, "at")) is None


def test_rules_stand_in_the_order_of_their_days():
    for (_, product), rules in RULES.items():
        days = [rule.valid_from for rule in rules]
        assert days == sorted(set(days))
        assert product in PRODUCTS
