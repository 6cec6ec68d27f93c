"""Quantities of a bill: energy divided over bands, events counted, bounds, allowance and tiers."""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.domain.money.bands import Band, Price
from ledger.domain.money.rating_facts import (
    CHARGING_SESSION,
    CUSTODY,
    SUBSCRIPTION,
    SWAP,
    V2G,
    RatingContext,
    UsageFacts,
    tier_key,
)
from ledger.domain.money.tariff_terms import CONTRACT_SCOPE, SWAP_SCOPE, VOLUME, Tier
from ledger.kernel.instants import DAY, MINUTE, local_date
from ledger.kernel.money import split_by

FORMULA_SWAP = "soc-diff-1"
FORMULA_SESSION = "meter-time-1"
FORMULA_INTERVALS = "meter-interval-1"
FORMULA_EVENT = "event-1"
FORMULA_ALLOWANCE = "allowance-1"
FORMULA_ALLOWANCE_WH = "allowance-wh-1"

_DRIVEN = (SWAP, CHARGING_SESSION)
_MINUTE_S, _DAY_S = 60, 86_400


class Part(NamedTuple):
    """A stretch of time in which a component has one price, and its Wh (or count of events)."""

    price: Price
    begin: int
    end: int
    quantity: int


class Cut(NamedTuple):
    """What of a part has one rate; `tier` names the period over which it counts."""

    quantity: int
    billed: int
    rate_micro: int
    formula: str
    tier: str = ""


def parts_of(found: list[Band], facts: UsageFacts, shift: int) -> dict[str, list[Part]]:
    """Divide the energy over the bands, and join bands of equal price; by component."""
    if len(found) == 1:
        begin, end, prices = found[0]
        return {price.component: [Part(price, begin, end, facts.energy_wh)] for price in prices}
    parts: dict[str, list[Part]] = {}
    for band, share in zip(found, _shares(found, facts, shift), strict=True):
        for price in band.prices:
            row = parts.setdefault(price.component, [])
            if row and row[-1].end == band.begin and row[-1].price.continues(price):
                last = row.pop()
                row.append(Part(last.price, last.begin, band.end, last.quantity + share))
            else:
                row.append(Part(price, band.begin, band.end, share))
    return parts


def _shares(found: list[Band], facts: UsageFacts, shift: int) -> list[int]:
    """Divide Wh by length of time, within each interval of registers where there are any."""
    if not facts.intervals:
        return split_by(facts.energy_wh, [band.end - band.begin for band in found])
    shares = [0] * len(found)
    for one in facts.intervals:
        begin, end = one.begin_at + shift, one.end_at + shift
        lengths = [max(min(band.end, end) - max(band.begin, begin), 0) for band in found]
        for place, part in enumerate(split_by(one.energy_wh, lengths)):
            shares[place] += part
    return shares


def are_whole(facts: UsageFacts) -> bool:
    """Tell whether intervals follow on from begin to end and sum to the energy."""
    if not facts.intervals:
        return True
    at = facts.begin_at
    for one in facts.intervals:
        if one.begin_at != at or one.end_at <= at or one.energy_wh < 0:
            return False
        at = one.end_at
    total = sum(one.energy_wh for one in facts.intervals)
    return at == facts.end_at and total == facts.energy_wh


# Counting ---------------------------------------------------------------------


def is_metered(facts: UsageFacts, component: str) -> bool:
    """Tell whether a component of a usage can be priced by the kWh."""
    if facts.kind == V2G:
        return component == "V2G"
    return facts.kind in _DRIVEN and component in _BY_ENERGY


_BY_ENERGY = frozenset({"ENERGY", "SERVICE", "SWAP", "DISCOUNT", "BOOKING"})


def count_of(facts: UsageFacts, component: str, per: str) -> int | None:
    """Count what an element is priced by, other than energy; None where that did not happen."""
    count = _fee_count(facts, component, per) if component in _FEES else _count(facts, per)
    if component in _PLAIN and facts.kind not in _DRIVEN:
        return None
    return count


_PLAIN = frozenset({"ENERGY", "SERVICE", "SWAP"})
_FEES = frozenset(
    {"NO_SHOW", "LATE", "CLASS_UPGRADE", "EXTRA_PACK", "IDLE", "DAMAGE", "SUBSCRIPTION", "V2G"}
)


def _count(facts: UsageFacts, per: str) -> int | None:
    """Count swaps, whole minutes, begun days or items of the usage itself."""
    begin, end = facts.service_time
    match per:
        case "ITEM":
            return 1
        case "SWAP":
            return 1 if facts.kind == SWAP else None
        case "MINUTE" if facts.is_timed:
            return (end - begin) // MINUTE
        case "DAY" if facts.is_timed:
            return -(-(end - begin) // DAY)
        case _:
            return None


def _fee_count(facts: UsageFacts, component: str, per: str) -> int | None:
    """Count what a fee is for; None rather than 0, for a fee that is not due has no line."""
    match component, per:
        case "NO_SHOW", "ITEM":
            count = int(facts.is_no_show)
        case "LATE", _:
            count = _seconds(facts.late_s, per)
        case "IDLE", _:
            count = _seconds(facts.idle_s, per)
        case "CLASS_UPGRADE", "DAY":
            count = 0 if facts.is_system_upgrade else facts.class_days
        case "EXTRA_PACK", "ITEM":
            count = facts.extra_packs
        case "EXTRA_PACK", "DAY":
            count = facts.extra_pack_days
        case "DAMAGE", "SOH_BP" if facts.kind == CUSTODY:
            count = facts.damage_bp
        case "SUBSCRIPTION", "MONTH" if facts.kind == SUBSCRIPTION:
            count = facts.months
        case _:
            return None
    return count or None


def _seconds(seconds: int, per: str) -> int:
    """Count whole minutes, begun days, or one time for all of it."""
    match per:
        case "MINUTE":
            return seconds // _MINUTE_S
        case "DAY":
            return -(-seconds // _DAY_S)
        case "ITEM":
            return int(seconds > 0)
        case _:
            return 0


# Bounds -----------------------------------------------------------------------


def billed_of(quantity: int, price: Price) -> int:
    """Bound a quantity: nothing below zero unless the tariff credits it, then the element's."""
    if quantity < 0:
        credited = price.version.terms.negative_energy == "credit" and price.component == "ENERGY"
        quantity = quantity if credited else 0
    element = price.element
    if element is None:
        return quantity
    if element.max_quantity:
        quantity = min(quantity, element.max_quantity)
    return max(quantity, element.min_quantity) if element.min_quantity else quantity


def billed_parts(row: list[Part]) -> list[int]:
    """Bound the sum of several stretches, and divide what is billed as the energy is divided."""
    if len(row) == 1:
        return [billed_of(row[0].quantity, row[0].price)]
    actual = [part.quantity for part in row]
    total = sum(actual)
    billed = billed_of(total, row[0].price)
    if billed == total:
        return actual
    return split_by(billed, actual if total > 0 else [part.end - part.begin for part in row])


# Allowance and tiers ----------------------------------------------------------


class Cutter:
    """Cuts the parts of one component, in order, where an allowance or a step of a tier ends."""

    def __init__(self, facts: UsageFacts, context: RatingContext, component: str) -> None:
        """Start with what the context says was used before."""
        self._facts = facts
        self._used = dict(context.used)
        in_allowance = facts.kind in _DRIVEN and component in _ALLOWED
        self.is_free = in_allowance and facts.kind == SWAP and context.free_swaps > 0
        self._free_wh = context.free_wh if in_allowance else 0

    def cut(self, part: Part, billed: int, formula: str) -> list[Cut]:
        """Cut what is billed of a part; the cuts sum to `billed` and to its quantity."""
        price = part.price
        tier = price.element.tier if price.element else None
        if self.is_free:
            return [Cut(part.quantity, billed, 0, FORMULA_ALLOWANCE)]
        free = min(self._free_wh, billed) if price.per == "KWH" and billed > 0 else 0
        if not free and tier is None:
            return [Cut(part.quantity, billed, price.rate_micro, formula)]
        self._free_wh -= free
        pieces = [(free, 0, FORMULA_ALLOWANCE_WH, "")] if free else []
        if tier is not None and billed > free:
            pieces += self._stepped(part, tier, billed - free, formula)
        elif billed > free or not pieces:
            pieces.append((billed - free, price.rate_micro, formula, ""))
        return _with_quantities(part.quantity, pieces)

    def _stepped(
        self, part: Part, tier: Tier, quantity: int, formula: str
    ) -> list[tuple[int, int, str, str]]:
        element = part.price.element
        assert element is not None, "only elements have tiers"
        period = "" if tier.scope == SWAP_SCOPE else self._period(part, tier)
        key = tier_key(period, element.counter)
        before = self._used.get(key, 0)
        after = self._used[key] = before + quantity
        if tier.mode == VOLUME:
            reached = [step for step in tier.steps if step.from_quantity < after]
            return [(quantity, reached[-1].rate_micro, formula, period)]
        ends = [*(step.from_quantity for step in tier.steps[1:]), after]
        owns = [
            min(end, after) - max(step.from_quantity, before)
            for step, end in zip(tier.steps, ends, strict=True)
        ]
        return [
            (own, step.rate_micro, formula, period)
            for step, own in zip(tier.steps, owns, strict=True)
            if own > 0
        ]

    def _period(self, part: Part, tier: Tier) -> str:
        if tier.scope == CONTRACT_SCOPE:
            return self._facts.contract_period
        return month_of(self._facts, part.price.version.terms.zone)


_ALLOWED = frozenset({"ENERGY", "SERVICE", "SWAP"})
"""Components that an allowance pays for."""


def month_of(facts: UsageFacts, zone: str) -> str:
    """Name the month that a usage counts in: that of its begin, on the clock of the tariff."""
    return local_date(facts.service_time[0], zone).isoformat()[:7]


def _with_quantities(quantity: int, pieces: Iterable[tuple[int, int, str, str]]) -> list[Cut]:
    """Divide the real quantity over what is billed, in order; the last cut takes what is left."""
    *first, last = pieces
    cuts = []
    for billed, rate_micro, formula, tier in first:
        own = max(min(billed, quantity), 0)
        quantity -= own
        cuts.append(Cut(own, billed, rate_micro, formula, tier))
    cuts.append(Cut(quantity, *last))
    return cuts
