"""Sales in a partner's name: what of a price is his, and what we keep of it (money handbook 8.1).

An agent's contract that says how invoices name the partner makes him the seller of what is used at
his stations. The driver owes the tariff's price; the partner gets it less our commission and the
VAT on that commission, and owes the VAT of his sale himself. Ours is the commission alone.

The handbook's row ``agent.sale`` comes in two entries here, as a bill of our own does: what the
usage says when it is rated, and the VAT when the invoice is issued.

Sale of 21.01 net, 25.00 with VAT; 10 % of 25.00 are 2.50, with VAT of 0.48:

    usage     Dr unbilled 21.01    Cr partner 18.03    Cr commission 2.50    Cr VAT 0.48
    invoice   Dr driver   25.00    Cr unbilled 21.01   Cr partner 3.99
"""

from collections.abc import Iterable

import msgspec

from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rating_totals import vat_table
from ledger.domain.money.tax import tax_rule
from ledger.kernel.ids import is_id
from ledger.kernel.money import round_half_up, vat_of
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

AGENCY = "AGENCY"
"""Base of a share that is our commission: the whole net of what was sold."""

_TEXT_MAX = 120


class Seller(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who sells, as it stands on invoices (BG-4): a partner's company, never a person's home."""

    party_id: str
    name: str
    street: str
    post_code: str
    city: str
    country: str
    vat_id: str
    register_id: str = ""

    def is_named(self) -> bool:
        """Tell whether an invoice can name him: each field is there, the VAT id has a country."""
        texts = (self.name, self.street, self.post_code, self.city, self.vat_id)
        return (
            is_id(self.party_id)
            and all(text.strip() and len(text) <= _TEXT_MAX for text in texts)
            and len(self.register_id) <= _TEXT_MAX
            and _is_country(self.country)
            and _is_country(self.vat_id[:2])
        )


def _is_country(text: str) -> bool:
    return len(text) == len("DE") and text.isascii() and text.isalpha() and text.isupper()


class Agency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What we keep of a sale of `gross_minor`: the commission, and the VAT on it (minor units)."""

    gross_minor: int
    commission_minor: int
    tax_minor: int
    tax_code: str

    @property
    def kept_minor(self) -> int:
        """What the partner does not get of the price."""
        return self.commission_minor + self.tax_minor

    def commission_in(self, kept_minor: int) -> int:
        """Give how much of what is given back of `kept_minor` in all is commission.

        Counted over all that was given back so far, so parts sum to the commission exactly.

        >>> Agency(2_500, 250, 48, "DE-S-1900").commission_in(71)
        60
        """
        if not self.kept_minor:
            return 0
        sign = -1 if self.kept_minor < 0 else 1
        return round_half_up(sign * kept_minor * self.commission_minor, sign * self.kept_minor)


def agency_of(country: str, lines: Iterable[Line], commission_bp: int, at: int) -> Agency | Refusal:
    """Compute what we keep of a sale at a time (us): a part of its price with VAT.

    Refuses where our commission has no tax rule in that country.
    """
    rule = tax_rule(country, "service", at)
    if rule is None:
        return Refusal(RefusalCode.TAX_RULE_MISSING, {"country": country, "product": "service"})
    rows = vat_table(country, lines)
    gross = sum(row.net_minor + row.tax_minor + row.rounding_minor for row in rows)
    commission = round_half_up(gross * commission_bp, BP_FULL)
    tax_code = f"{country}-{rule.category}-{rule.rate_bp}"
    return Agency(gross, commission, vat_of(commission, rule.rate_bp), tax_code)
