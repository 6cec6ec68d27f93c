"""What a driver used before a usage, as its price asks: counts of tiers, allowances, promos.

A tier that goes beyond one usage counts over a month (on the clock of the tariff) or a period of a
contract. Its row lists the usages of that period in the order in which they happened, so that what
came before a late one is known too. Later ones are rated again then (`later_uses`).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.domain.money.discount_rows import Moved, discount_row, promos_at, taken_off
from ledger.domain.money.plans import (
    SUBSCRIPTIONS,
    Free,
    Subscription,
    allowance_rows,
    free_of,
    month_at,
)
from ledger.domain.money.rating_facts import (
    NOTHING_BEFORE,
    Line,
    RatingContext,
    UsageFacts,
    tier_key,
)
from ledger.domain.money.rating_parts import FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH
from ledger.domain.money.tariff_terms import TIME_MAX, Tariff
from ledger.domain.money.tariffs import TARIFFS
from ledger.domain.world import Key, Shelf, World, key_of, touch

# State ------------------------------------------------------------------------

USES_MAX = 2_000
"""Usages of one driver and tariff in one period whose order is kept; more count where they come."""
LATE_MAX = 50
"""Usages that one late usage may move: one that comes behind more of them counts last."""


class Use(msgspec.Struct, frozen=True, array_like=True):
    """One usage in a period: when it counts, and its quantities by counter."""

    at: int
    usage_id: str
    counts: dict[str, int]
    usage_kind: str


class Used(msgspec.Struct, frozen=True, array_like=True):
    """A driver's period under a tariff: usages in the order in which they count.

    `base` are the counts of usages so long ago that their order is not kept any more.
    """

    base: dict[str, int] = {}
    uses: tuple[Use, ...] = ()


class Consumer(NamedTuple):
    """Whose usage counts, and under which tariff."""

    driver_id: str
    tariff_id: str
    usage_id: str
    usage_kind: str


USED = Shelf("tariff_used", Used)  # key: driver_id, tariff_id, period
SHELVES: tuple[Shelf[Any], ...] = (USED,)


# Rows -------------------------------------------------------------------------


def used_rows(world: World, driver_id: str, tariff_id: str, times: Iterable[int]) -> Iterator[Key]:
    """Name what a usage of a driver counts on to, as far as it is known yet.

    `times` (us) are those at which it may turn out to begin.
    """
    sane = [at for at in times if 0 <= at < TIME_MAX]
    rows = [key for at in sane for key in allowance_rows(world, driver_id, at)]
    yield from dict.fromkeys(rows)  # most times are of one month
    if sane:
        yield discount_row(driver_id)
    periods = {contract_period(world, driver_id, at) for at in sane} - {""}
    for period in sorted({*periods, *periods_of(world, tariff_id, sane)}):
        yield touch(USED, driver_id, tariff_id, period)


def contract_period(world: World, driver_id: str, at: int) -> str:
    """Name the period of a driver's subscription at a time (us), "" without one or not known yet.

    Periods are the months of his plan; no month of a tariff has such a name.
    """
    row = _subscription(world, driver_id, at)
    return "" if row is None else f"{row.contract_id}.{month_at(at, row.terms.zone)}"


def tariff_of(world: World, driver_id: str, at: int, usual: str) -> str:
    """Tell by which tariff a driver pays: his plan's own, where it has one, or the `usual` one."""
    row = _subscription(world, driver_id, at)
    return (row.terms.overage_tariff_id if row else "") or usual


def _subscription(world: World, driver_id: str, at: int) -> Subscription | None:
    is_known = 0 <= at < TIME_MAX and world.is_loaded(SUBSCRIPTIONS, driver_id)
    row = world.get(SUBSCRIPTIONS, driver_id) if is_known else None
    if row is None:
        return None
    month = month_at(at, row.terms.zone)
    ends = row.last_period or month
    return row if row.first_on[:7] <= month <= ends else None


def periods_of(world: World, tariff_id: str, times: Iterable[int]) -> list[str]:
    """List the periods in which tiers of a tariff count some times (us), as far as it is known."""
    if not world.is_loaded(TARIFFS, tariff_id):
        return []
    zones = _zones(world.get(TARIFFS, tariff_id))
    sane = [at for at in times if 0 <= at < TIME_MAX]
    return sorted({month_at(at, zone) for at in sane for zone in zones})


def _zones(tariff: Tariff | None) -> tuple[str, ...]:
    return tariff.month_zones if tariff else ()


# Before -----------------------------------------------------------------------


def context_of(
    world: World,
    facts: UsageFacts,
    own: Iterable[Line] = (),
    ahead: Iterable[Moved] = (),
) -> RatingContext:
    """Tell what a price depends on beside the usage; its rows must be loaded (`used_rows`).

    `own` are the lines of its bill so far: what it took of an allowance or a promo is free for it
    again. `ahead` is what bills made anew before it take of promos (`discount_rows.promos_at`).
    """
    at = facts.service_time[0]
    own = tuple(own)
    left = free_of(world, facts.driver_id, at)
    mine = taken_of(own)
    free = Free(left.swaps + mine.swaps, left.energy_wh + mine.energy_wh)
    used: dict[str, int] = {}
    periods = periods_of(world, facts.tariff_id, (at,))
    own_period = facts.contract_period
    for period in [*periods, own_period] if own_period else periods:
        row = world.get(USED, key_of(facts.driver_id, facts.tariff_id, period)) or Used()
        for counter, quantity in counted_before(row, at, facts.usage_id).items():
            used[tier_key(period, counter)] = quantity
    promos = promos_at(world, facts.driver_id, at, taken_off(own), ahead)
    if not (used or free.swaps or free.energy_wh or promos):
        return NOTHING_BEFORE
    return RatingContext(free_swaps=free.swaps, free_wh=free.energy_wh, used=used, promos=promos)


def taken_of(lines: Iterable[Line]) -> Free:
    """Tell what the lines of a bill took of an allowance: swaps, and Wh (each priced once)."""
    swaps = 0
    by_component: dict[str, int] = {}
    for line in lines:
        billed = line.quantity if line.billed_quantity is None else line.billed_quantity
        if line.formula == FORMULA_ALLOWANCE:
            swaps = 1
        elif line.formula == FORMULA_ALLOWANCE_WH:
            by_component[line.component] = by_component.get(line.component, 0) + billed
    return Free(swaps, max(by_component.values(), default=0))


def counted_before(row: Used, at: int, usage_id: str) -> dict[str, int]:
    """Sum what counts before a usage of a time (us): the uses in front of its place then.

    Its own does not count, wherever it stands: it may be told anew at another time.
    """
    counts = dict(row.base)
    for use in _around(row, at, usage_id)[0]:
        for counter, quantity in use.counts.items():
            counts[counter] = counts.get(counter, 0) + quantity
    return counts


def later_uses(row: Used, at: int, usage_id: str) -> tuple[Use, ...]:
    """List the usages that count after one of a time (us) that is there, or was at that time."""
    return _around(row, at, usage_id)[1]


def _around(row: Used, at: int, usage_id: str) -> tuple[tuple[Use, ...], tuple[Use, ...]]:
    """Give the uses before and after a usage, which keeps its place while its time is the same."""
    place = next((n for n, use in enumerate(row.uses) if use.usage_id == usage_id), None)
    if place is None:
        others = row.uses
    elif row.uses[place].at == at:
        return row.uses[:place], row.uses[place + 1 :]
    else:
        others = (*row.uses[:place], *row.uses[place + 1 :])
    place = _slot(others, at, usage_id)
    return others[:place], others[place:]


def _slot(uses: tuple[Use, ...], at: int, usage_id: str) -> int:
    """Find where a usage would stand among others; behind all where too many would move."""
    place = len(uses)
    while place and (uses[place - 1].at, uses[place - 1].usage_id) > (at, usage_id):
        place -= 1
    return place if len(uses) - place <= LATE_MAX else len(uses)


# After ------------------------------------------------------------------------


def count_in(
    world: World, who: Consumer, lines: Iterable[Line], *, taken_back: bool = False
) -> None:
    """Count the lines of a usage that a later price depends on, or take them back out."""
    counts: dict[str, dict[str, int]] = {}
    at = TIME_MAX
    for line in lines:
        at = min(at, line.service_start_at)
        if line.tier:
            billed = line.quantity if line.billed_quantity is None else line.billed_quantity
            name = f"{line.component}:{line.element_id}" if line.element_id else line.component
            own = counts.setdefault(line.tier, {})
            own[name] = own.get(name, 0) + billed
    for period, own in counts.items():
        key = key_of(who.driver_id, who.tariff_id, period)
        row = world.get(USED, key) or Used()
        use = Use(at, who.usage_id, own, who.usage_kind)
        world.put(USED, key, _without(row, use) if taken_back else _with(row, use))


def _with(row: Used, use: Use) -> Used:
    known = next((one for one in row.uses if one.usage_id == use.usage_id), None)
    if known is not None:  # a further part of its bill; it counts from its first one
        counts = dict(known.counts)
        for counter, quantity in use.counts.items():
            counts[counter] = counts.get(counter, 0) + quantity
        use = replace(known, counts=counts)
    before, after = _around(row, use.at, use.usage_id)
    uses = (*before, use, *after)
    if len(uses) <= USES_MAX:
        return Used(row.base, uses)
    base = dict(row.base)
    for counter, quantity in uses[0].counts.items():
        base[counter] = base.get(counter, 0) + quantity
    return Used(base, uses[1:])


def _without(row: Used, use: Use) -> Used:
    kept = tuple(each for each in row.uses if each.usage_id != use.usage_id)
    if len(kept) < len(row.uses):
        return Used(row.base, kept)
    base = {name: row.base.get(name, 0) - use.counts.get(name, 0) for name in row.base}
    return Used(base, kept)  # so old that its place is not kept any more
