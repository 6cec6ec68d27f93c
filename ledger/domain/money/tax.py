"""Tax rules as data: which rate a product has in a country from which day on.

A row is a fact to be confirmed by a person for each country before it is used for real documents;
changing one is a change of this table, never of code. Energy and service stay separate products,
so that one rate for both (a composite supply) and two rates (China) are both just rows.
"""

from functools import lru_cache

import msgspec

from ledger.kernel.instants import DAY, utc_day

PRODUCTS = ("energy", "service", "compensation")
"""Products a line can be; a component names its own (see tariff_terms.py)."""

TREATMENTS = ("composite", "energy", "service", "compensation")
"""What a product is taxed as: a part of one composite supply, or on its own."""


class TaxRule(msgspec.Struct, frozen=True):
    """Treatment of a product from a day on: category of EN 16931 (S, Z, E, AE, O), rate.

    `treatment` is one of `TREATMENTS`; `legal_ref` is what it rests on, "" where nobody has said.
    """

    valid_from: str
    category: str
    rate_bp: int
    treatment: str = "composite"
    legal_ref: str = ""


# country  products  from  category  rate in basis points  treatment  what it rests on
_ROWS = """
CN energy         2017-07-01 S 1700 energy
CN energy         2018-05-01 S 1600 energy
CN energy         2019-04-01 S 1300 energy
CN service        2016-05-01 S  600 service
DE compensation   2007-01-01 O    0 compensation UStAE-1.3
DE energy,service 2007-01-01 S 1900 composite    C-282/22
DE energy,service 2020-07-01 S 1600 composite    C-282/22
DE energy,service 2021-01-01 S 1900 composite    C-282/22
FR energy,service 2014-01-01 S 2000 composite    C-282/22
GB energy,service 2011-01-04 S 2000 composite
TW energy,service 1986-04-01 S  500 composite
US energy,service 1970-01-01 O    0 composite
"""


def _table() -> dict[tuple[str, str], tuple[TaxRule, ...]]:
    table: dict[tuple[str, str], tuple[TaxRule, ...]] = {}
    for row in _ROWS.strip().splitlines():
        country, products, valid_from, category, rate_bp, treatment, *ref = row.split()
        for product in products.split(","):
            rule = TaxRule(valid_from, category, int(rate_bp), treatment, *ref)
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
