"""Money as integers of minor units, the one rounding, and the one way to divide an amount.

Amounts never pass through a float. `round_half_up` is used once per bill line and once per tax
base; `split` divides by weights so that the parts re-sum exactly (money handbook 5.3, 8.3).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from typing_extensions import override

from ledger.kernel.errors import InvariantBroken, Malformed
from ledger.kernel.quantities import BP_FULL, parse_scaled, scaled_text

NANO_DECIMALS = 9
"""Exact amounts of bill lines are integers of 10^-9 of the major unit."""

# ISO 4217, active currencies by the number of decimals of their minor unit.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
       CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ
       GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
       MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
       PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
       TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
EXPONENTS: dict[str, int] = {
    code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()
}
"""Decimals of the minor unit by ISO 4217 code; a code that is not here is no currency of ours."""

_NANO_PER_MINOR: dict[str, int] = {
    code: 10 ** (NANO_DECIMALS - decimals) for code, decimals in EXPONENTS.items()
}


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units of one currency; amounts of two currencies never mix."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise InvariantBroken(f"{self.currency} and {other.currency} do not add up")
        return Money(self.minor + other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    @override
    def __str__(self) -> str:
        return f"{amount_text(self.minor, self.currency)} {self.currency}"


def check_currency(code: str, field: str) -> str:
    """Return `code` when it is a currency we know; else raise `Malformed` naming `field`."""
    if code not in EXPONENTS:
        raise Malformed(f"not a currency of ISO 4217: {code[:10]!r}", field=field)
    return code


def parse_amount(text: str, currency: str, field: str) -> int:
    """Read a decimal text exactly as minor units; `Malformed` when it has more decimals than fit.

    >>> parse_amount("25.1", "EUR", "amount"), parse_amount("25", "JPY", "amount")
    (2510, 25)
    """
    return parse_scaled(text, EXPONENTS[check_currency(currency, field)], field)


def amount_text(minor: int, currency: str) -> str:
    """Write minor units with the decimals of the currency.

    >>> amount_text(-5, "EUR"), amount_text(25, "JPY"), amount_text(1, "KWD")
    ('-0.05', '25', '0.001')
    """
    return scaled_text(minor, EXPONENTS[check_currency(currency, "currency")])


def round_half_up(numerator: int, denominator: int) -> int:
    """Divide by a positive denominator; a tie goes away from zero, so sign does not matter.

    >>> [round_half_up(n, 2) for n in (1, 3, -1, -3)]
    [1, 2, -1, -2]
    """
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def nano_to_minor(amount_nano: int, currency: str) -> int:
    """Round an exact amount (10^-9 of the major unit) to minor units: the one rounding of a line.

    >>> nano_to_minor(41_700 * 360_000, "EUR")
    1501
    """
    return round_half_up(amount_nano, _NANO_PER_MINOR[currency])


# Dividing ---------------------------------------------------------------------


def split(total: int, weights: Mapping[str, int], order: Sequence[str]) -> dict[str, int]:
    """Divide by largest remainder; ties go to the part that stands first in `order`.

    The parts re-sum to `total`; each is within one unit of its exact share; weight 0 gets 0; the
    split of ``-total`` is the negated split. `Malformed` for no weights, all zero, a negative one,
    or an `order` that is not exactly the parts.

    >>> split(1000, {"a": 1, "b": 1, "c": 1}, ["a", "b", "c"])
    {'a': 334, 'b': 333, 'c': 333}
    """
    if len(order) != len(weights) or set(order) != set(weights):
        raise Malformed("the order names every part once", field="order")
    parts = split_by(total, [weights[name] for name in order])
    return dict(zip(order, parts, strict=True))


def split_by(total: int, weights: Sequence[int]) -> list[int]:
    """Divide as `split` does, by weights in a list; ties go to the earlier one.

    >>> split_by(-10, [1, 1, 0, 1])
    [-4, -3, 0, -3]
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise Malformed("weights are not negative and not all zero", field="weights")
    magnitude = abs(total)
    shares = [divmod(magnitude * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    missing = magnitude - sum(parts)
    if missing:
        # sorting is stable: equal remainders stay in order
        largest = sorted(range(len(shares)), key=lambda place: -shares[place][1])
        for place in largest[:missing]:
            parts[place] += 1
    return parts if total >= 0 else [-part for part in parts]


def split_refund(amount: int, remaining: Mapping[str, int], order: Sequence[str]) -> dict[str, int]:
    """Divide a refund over what is left of each share, by what is left.

    No share goes below zero, and the last refund empties all of them. The difference of two splits
    would not do: a larger total can give a part less (see docs/algorithms/splitting.md).
    `Malformed` when `amount` is negative or more than what is left.

    >>> split_refund(500, {"a": 180, "b": 60, "ours": 360}, ["a", "b", "ours"])
    {'a': 150, 'b': 50, 'ours': 300}
    """
    if not 0 <= amount <= sum(remaining.values()):
        raise Malformed("a refund is between zero and what is left", field="amount")
    if amount == 0:
        return dict.fromkeys(order, 0)
    return split(amount, remaining, order)


# Value added tax --------------------------------------------------------------


class Inclusive(NamedTuple):
    """A tax-inclusive amount taken apart; ``net + tax + rounding`` is the amount paid."""

    net: int
    tax: int
    rounding: int


def vat_of(net_minor: int, rate_bp: int) -> int:
    """Compute the tax on the net sum of one category and rate of a document, never of a line.

    >>> vat_of(2101, 1900)
    399
    """
    return round_half_up(net_minor * rate_bp, BP_FULL)


def vat_inside(gross_minor: int, rate_bp: int) -> Inclusive:
    """Take a tax-inclusive amount apart; `rounding` is -1, 0 or 1 and tax is never adjusted.

    >>> vat_inside(1018, 1900)
    Inclusive(net=855, tax=162, rounding=1)
    """
    net = round_half_up(gross_minor * BP_FULL, BP_FULL + rate_bp)
    tax = vat_of(net, rate_bp)
    return Inclusive(net, tax, gross_minor - net - tax)
