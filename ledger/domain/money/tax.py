"""Tax rules as data: which rate a product has in a country from which day on.

A row is a fact to be confirmed by a person for each country before it is used for real documents;
changing one is a change of this table, never of code. Energy and service stay separate products,
so that one rate for both (a composite supply) and two rates (China) are both just rows.
"""

from functools import lru_cache

import msgspec

from ledger.kernel.instants import DAY, utc_day

PRODUCTS = ("energy", "service")
"""Products a line can be; a component names its own (see tariffs.py)."""


class TaxRule(msgspec.Struct, frozen=True):
    """Treatment of a product from a day on: category of EN 16931 (S, Z, E, AE, O), rate."""

    valid_from: str
    category: str
    rate_bp: int


# country  products  from  category  rate in basis points
_ROWS = """
CN energy         2017-07-01 S 1700
CN energy         2018-05-01 S 1600
CN energy         2019-04-01 S 1300
CN service        2016-05-01 S  600
DE energy,service 2007-01-01 S 1900
DE energy,service 2020-07-01 S 1600
DE energy,service 2021-01-01 S 1900
FR energy,service 2014-01-01 S 2000
GB energy,service 2011-01-04 S 2000
TW energy,service 1986-04-01 S  500
US energy,service 1970-01-01 O    0
"""


def _table() -> dict[tuple[str, str], tuple[TaxRule, ...]]:
    table: dict[tuple[str, str], tuple[TaxRule, ...]] = {}
    for row in _ROWS.strip().splitlines():
        country, products, valid_from, category, rate_bp = row.split()
        for product in products.split(","):
            rule = TaxRule(valid_from, category, int(rate_bp))
            table[country, product] = (*table.get((country, product), ()), rule)
    return table


RULES = _table()
"""Rules by (country, product), oldest first."""


def tax_rule(country: str, product: str, at: int) -> TaxRule | None:
    """Find the rule in force at a time (by the UTC day of `at`, in us); None if there is none."""
    return _rule_of_day(country, product, at // DAY)


@lru_cache(maxsize=4096)  # every line of every bill asks
def _rule_of_day(country: str, product: str, day: int) -> TaxRule | None:
    text = utc_day(day * DAY)
    found = None
    for rule in RULES.get((country, product), ()):
        if rule.valid_from <= text:
            found = rule
    return found
