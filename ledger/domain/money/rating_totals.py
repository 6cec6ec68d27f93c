"""Sums of a bill: tax-inclusive prices, least and most of a bill, promotions, value added tax.

All of it is done once on the rounded lines of one usage, in that order. What is added or taken off
is a line of its own, so the bill stays the sum of its lines.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from ledger.domain.money.rating_facts import (
    CHARGING_SESSION,
    SWAP,
    Bill,
    Line,
    Promo,
    RatingContext,
    UsageFacts,
)
from ledger.domain.money.rating_parts import FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH
from ledger.domain.money.tariff_terms import COMPONENTS, FEES, TariffTerms, TariffVersion
from ledger.domain.money.tax import tax_rule
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.money import (
    EXPONENTS,
    NANO_DECIMALS,
    round_half_up,
    split_by,
    vat_inside,
    vat_of,
)
from ledger.kernel.quantities import BP_FULL

FORMULA_MIN = "min-bill-1"
FORMULA_MAX = "max-bill-1"
FORMULA_PERCENT = "promo-percent-1"
FORMULA_FREE_SWAP = "promo-free-swap-1"

_DRIVEN = (SWAP, CHARGING_SESSION)
_FREE = (FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH)


def adjusted(
    facts: UsageFacts,
    lines: list[Line],
    version: TariffVersion | None,
    currency: str,
    context: RatingContext,
) -> list[Line]:
    """Give the lines of a bill with everything that depends on all of them together.

    `version` is the lasting one in force at its begin, which says its least and most.
    """
    if version is not None and (version.terms.min_bill_minor or version.terms.max_bill_minor):
        lines = _bounded(facts, lines, version.terms)
    if context.promos:
        lines = _promoted(facts, lines, currency, context.promos)
    for line in lines:
        if line.gross_minor is not None:
            return _netted(facts.country, lines)
    return lines


def summed(lines: list[Line], currency: str, shift: int) -> Bill:
    """Sum the lines of a bill, with energy, service and fees apart."""
    energy = service = fee = 0
    for line in lines:
        if line.component in _ENERGY or (
            line.component == "DISCOUNT" and line.tax_product == "energy"
        ):
            energy += line.net_minor
        elif line.component in FEES:
            fee += line.net_minor
        else:
            service += line.net_minor
    return Bill(
        currency=currency,
        lines=tuple(lines),
        net_minor=energy + service + fee,
        energy_net_minor=energy,
        service_net_minor=service,
        fee_net_minor=fee,
        price_shift_us=shift,
    )


_ENERGY = ("ENERGY", "V2G")


# Least and most ---------------------------------------------------------------


def _price(line: Line) -> int:
    """Give what a line costs as the tariff says it: gross where its rates are."""
    return line.net_minor if line.gross_minor is None else line.gross_minor


def _bounded(facts: UsageFacts, lines: list[Line], terms: TariffTerms) -> list[Line]:
    """Add the line that lifts a bill to the tariff's least, or brings it down to its most.

    An entitlement that was used stays at 0: no least holds for it.
    """
    if facts.kind not in _DRIVEN:
        return lines
    total = sum(map(_price, lines))
    is_free = any(line.formula in _FREE for line in lines)
    dearest = max(lines, key=_price)  # the first of equals
    if 0 < terms.min_bill_minor > total and not is_free:  # 0 is no bound: a credit stays one
        missing = terms.min_bill_minor - total
        return [*lines, _added(dearest, ("SERVICE", FORMULA_MIN), missing, terms.currency)]
    if terms.max_bill_minor and total > terms.max_bill_minor:
        spare = terms.max_bill_minor - total
        return [*lines, _added(dearest, ("DISCOUNT", FORMULA_MAX), spare, terms.currency)]
    return lines


def _added(like: Line, what: tuple[str, str], minor: int, currency: str) -> Line:
    """Make a line of one item (component, formula) beside another: its version, product, time."""
    component, formula = what
    amount_nano = minor * 10 ** (NANO_DECIMALS - EXPONENTS[currency])
    return replace(
        like,
        component=component,
        quantity=1,
        unit="ITEM",
        rate_micro=amount_nano // 1000,
        amount_nano=amount_nano,
        net_minor=minor,
        gross_minor=None if like.gross_minor is None else minor,
        revenue_account=COMPONENTS[component][1],
        formula=formula,
        billed_quantity=None,
        element_id="",
        tier="",
    )


# Promotions -------------------------------------------------------------------


def _promoted(
    facts: UsageFacts, lines: list[Line], currency: str, promos: Iterable[Promo]
) -> list[Line]:
    """Take off what promotions give: those that stack one after the other, or the best alone."""
    at = facts.service_time[0]
    inside = [
        each
        for each in promos
        if each.valid_from_at <= at < each.valid_to_at and each.currency in ("", currency)
    ]
    together: list[Line] = []
    for promo in inside:
        if promo.stackable:
            together += _discounts(facts, [*lines, *together], currency, promo)
    alone = [_discounts(facts, lines, currency, promo) for promo in inside if not promo.stackable]
    # the first of equals; what stacks comes first, for the driver keeps more of it
    return [*lines, *min([together, *alone], key=lambda found: sum(map(_price, found)))]


def _discounts(facts: UsageFacts, lines: list[Line], currency: str, promo: Promo) -> list[Line]:
    """Make the lines of one promotion, one for each product and version it takes something off."""
    groups: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        covered = line.component in promo.components if promo.components else _is_usual(line)
        if covered or (line.component == "DISCOUNT" and line.promo):
            groups.setdefault((line.tax_product, line.tariff_position), []).append(line)
    bases = [max(sum(map(_price, group)), 0) for group in groups.values()]
    taken = [_taken(facts, promo, base) for base in bases]
    total = sum(taken)
    if promo.max_minor and total > promo.max_minor:
        taken = split_by(promo.max_minor, taken)
    formula = FORMULA_PERCENT if promo.kind == "percent" else FORMULA_FREE_SWAP
    return [
        replace(_added(group[0], ("DISCOUNT", formula), -minor, currency), promo=promo.promo_id)
        for group, minor in zip(groups.values(), taken, strict=True)
        if minor
    ]


def _is_usual(line: Line) -> bool:
    return line.component not in FEES and line.component != "DISCOUNT"


def _taken(facts: UsageFacts, promo: Promo, base: int) -> int:
    if promo.kind == "percent":
        return round_half_up(base * promo.percent_bp, BP_FULL)
    return base if facts.kind == SWAP and promo.swaps_left else 0


# Tax-inclusive prices ---------------------------------------------------------


def _netted(country: str, lines: list[Line]) -> list[Line]:
    """Give every gross line its part of the net of its category and rate (money handbook 5.3)."""
    places: dict[tuple[str, int], list[int]] = {}
    for place, line in enumerate(lines):
        if line.gross_minor is not None:
            places.setdefault(_category(country, line), []).append(place)
    found = list(lines)
    for (_, rate_bp), group in places.items():
        gross = [lines[place].gross_minor or 0 for place in group]
        for place, net in zip(group, net_parts(gross, rate_bp), strict=True):
            found[place] = replace(lines[place], net_minor=net)
    return found


def net_parts(gross: list[int], rate_bp: int) -> list[int]:
    """Divide the net of a sum of gross amounts over them.

    Amounts below zero (discounts) and the others are divided apart, so that no line changes sign.
    """
    net = vat_inside(sum(gross), rate_bp).net
    below = [min(minor, 0) for minor in gross]
    above = [max(minor, 0) for minor in gross]
    net_below = vat_inside(sum(below), rate_bp).net
    return [
        one + other
        for one, other in zip(_split(net_below, below), _split(net - net_below, above), strict=True)
    ]


def _split(total: int, amounts: list[int]) -> list[int]:
    if not any(amounts):
        return [0] * len(amounts)
    return split_by(total, list(map(abs, amounts)))


# Value added tax --------------------------------------------------------------


class VatRow(NamedTuple):
    """The tax of a document's lines of one category and rate; `rounding` is -1, 0 or 1."""

    category: str
    rate_bp: int
    net_minor: int
    tax_minor: int
    rounding_minor: int


def vat_table(country: str, lines: Iterable[Line]) -> list[VatRow]:
    """Compute the tax of a bill, once for each category and rate, never by line.

    With tax-inclusive prices net, tax and rounding sum to the gross exactly.
    """
    groups: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        groups.setdefault(_category(country, line), []).append(line)
    found = []
    for (category, rate_bp), group in sorted(groups.items()):
        net = sum(line.net_minor for line in group)
        tax = vat_of(net, rate_bp)
        gross = [line.gross_minor for line in group if line.gross_minor is not None]
        rounding = sum(gross) - net - tax if len(gross) == len(group) else 0
        found.append(VatRow(category, rate_bp, net, tax, rounding))
    return found


def _category(country: str, line: Line) -> tuple[str, int]:
    rule = tax_rule(country, line.tax_product, line.service_start_at)
    if rule is None:
        raise InvariantBroken(f"{line.tax_product} in {country} has no tax rule")
    return rule.category, rule.rate_bp
