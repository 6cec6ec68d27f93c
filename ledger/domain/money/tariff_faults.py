"""Faults of a tariff's terms, each by the path of its field, such as ``elements[2].per``."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from zoneinfo import ZoneInfo

from ledger.domain.money import accounts
from ledger.domain.money.damage import Wear
from ledger.domain.money.tariff_terms import (
    BORDER_RULE,
    COMPONENTS,
    GRADUATED,
    HOURS,
    NEGATIVE_ENERGY,
    ROUNDING,
    SCOPES,
    SOURCES,
    SWAP_SCOPE,
    TIME_MAX,
    UNITS,
    VOLUME,
    WEEKDAYS,
    Element,
    Restrictions,
    TariffTerms,
    Tier,
)
from ledger.domain.money.tax import PRODUCTS
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.quantities import BP_FULL

ELEMENTS_MAX = 100
STEPS_MAX = 20
NAMES_MAX = 1_000
"""Stations, classes, zones or groups that one element may name."""

_COUNTRY = re.compile(r"^[A-Z]{2}$")
_LOCAL_TIME = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
_ZONE = re.compile(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")

Check = tuple[bool, str]
"""Whether a field is good, and its path."""


def is_zone(zone: str) -> bool:
    """Tell whether a text names a time zone of the IANA data base."""
    if not _ZONE.match(zone):
        return False
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def terms_faults(tariff_id: str, terms: TariffTerms) -> list[str]:
    """Name every faulty field, in the order of the terms; each once."""
    found = [path for good, path in _checks(tariff_id, terms) if not good]
    return list(dict.fromkeys(found))


def _checks(tariff_id: str, terms: TariffTerms) -> Iterator[Check]:
    end = terms.valid_to_at
    yield is_id(tariff_id), "tariff_id"
    yield bool(_COUNTRY.match(terms.country)), "country"
    yield terms.currency in EXPONENTS, "currency"
    yield is_zone(terms.zone), "zone"
    yield 0 <= terms.valid_from_at < TIME_MAX, "valid_from_at"
    yield not end or terms.valid_from_at < end < TIME_MAX, "valid_to_at"
    # an hourly price has no element whose kind of price could be told
    yield bool(terms.elements) != bool(terms.hours_micro), "elements"
    yield len(terms.elements) <= ELEMENTS_MAX, "elements"
    for number, element in enumerate(terms.elements[:ELEMENTS_MAX]):
        yield from _under(f"elements[{number}]", _element_checks(element))
    yield _are_apart(terms.elements), "elements"
    yield not terms.hours_micro or _is_day(terms), "hours_micro"
    yield terms.negative_energy in NEGATIVE_ENERGY, "negative_energy"
    # hours are joined with the lasting version of their time, which says how its rates are
    yield not (terms.tax_included and terms.hours_micro), "tax_included"
    yield not terms.terms_sha256 or bool(_DIGEST.match(terms.terms_sha256)), "terms_sha256"
    yield not terms.party or is_id(terms.party), "party"
    yield _is_bound(terms.min_bill_minor, terms.max_bill_minor), "min_bill_minor"
    yield 0 <= terms.max_bill_minor <= QUANTITY_MAX, "max_bill_minor"
    yield terms.border_rule == BORDER_RULE, "border_rule"
    yield terms.rounding == ROUNDING, "rounding"
    wear = terms.wear or Wear()
    allowed = (wear.allowed_bp, wear.per_30_days_bp, wear.per_mwh_bp, wear.max_bp)
    yield all(0 <= each <= BP_FULL for each in allowed), "wear"


def _under(path: str, checks: Iterable[Check]) -> Iterator[Check]:
    for good, field in checks:
        yield good, f"{path}.{field}"


def _are_apart(elements: Iterable[Element]) -> bool:
    """Tell whether the counts of tiers that go beyond one usage can be told apart."""
    counters = [each.counter for each in elements if each.tier and each.tier.scope != SWAP_SCOPE]
    return len(counters) == len(set(counters))


def _is_bound(least: int, most: int) -> bool:
    return 0 <= least <= QUANTITY_MAX and (most <= 0 or least <= most)


def _is_day(terms: TariffTerms) -> bool:
    missing = terms.hours_missing
    return (
        len(terms.hours_micro) == HOURS
        and terms.valid_from_at % DAY == 0
        and terms.valid_to_at == terms.valid_from_at + DAY
        and all(0 <= hour < HOURS and terms.hours_micro[hour] == 0 for hour in missing)
        and list(missing) == sorted(set(missing))
        and all(map(_is_rate, terms.hours_micro))
    )


def _is_rate(rate_micro: int) -> bool:
    return -QUANTITY_MAX <= rate_micro <= QUANTITY_MAX


def _element_checks(element: Element) -> Iterator[Check]:
    account = accounts.account_info(element.revenue_account or accounts.INCOME_ENERGY)
    is_income = account is not None and account.name.startswith("Income:")
    yield element.component in COMPONENTS, "component"
    yield element.per in UNITS, "per"
    yield _is_rate(element.rate_micro) and _has_sign(element), "rate_micro"
    yield from _under("restrictions", _restriction_checks(element.restrictions))
    yield _is_bound(element.min_quantity, element.max_quantity), "min_quantity"
    yield 0 <= element.max_quantity <= QUANTITY_MAX, "max_quantity"
    yield element.tax_product in {"", *PRODUCTS}, "tax_product"
    yield is_income, "revenue_account"
    yield not element.element_id or is_id(element.element_id), "element_id"
    yield element.quantity_source in {"", *SOURCES}, "quantity_source"
    if element.tier is not None:
        yield from _under("tier", _tier_checks(element.tier, element.rate_micro))


def _has_sign(element: Element) -> bool:
    """Tell whether a discount takes away; other prices may be negative as wholesale prices are."""
    return element.component != "DISCOUNT" or element.rate_micro <= 0


def _restriction_checks(limits: Restrictions) -> Iterator[Check]:
    start, end = limits.start_local, limits.end_local
    yield set(limits.days) <= set(WEEKDAYS), "days"
    yield bool(start) == bool(end) and (not start or bool(_LOCAL_TIME.match(start))), "start_local"
    yield not end or bool(_LOCAL_TIME.match(end)), "end_local"
    yield _is_date(limits.date_from), "date_from"
    yield _is_date(limits.date_to), "date_to"
    yield not (limits.date_from and limits.date_to) or limits.date_from <= limits.date_to, "date_to"
    for name in ("stations", "pack_classes", "zones", "groups"):
        named = getattr(limits, name)
        yield len(named) <= NAMES_MAX and all(named), name
    yield 0 <= limits.min_soc_bp <= BP_FULL, "min_soc_bp"


def _is_date(text: str) -> bool:
    if not text:
        return True
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _tier_checks(tier: Tier, rate_micro: int) -> Iterator[Check]:
    steps = tier.steps
    begins = [step.from_quantity for step in steps]
    yield tier.scope in SCOPES, "scope"
    yield tier.mode in {GRADUATED, VOLUME}, "mode"
    yield 0 < len(steps) <= STEPS_MAX, "steps"
    yield begins == sorted(set(begins)) and begins[:1] == [0], "steps"
    yield all(0 <= begin <= QUANTITY_MAX for begin in begins), "steps"
    yield all(_is_rate(step.rate_micro) for step in steps), "steps"
    # the element's own rate is what a reader sees first
    yield not steps or steps[0].rate_micro == rate_micro, "steps"
