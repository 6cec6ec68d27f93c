"""What follows a bill at once: what it used of an allowance, and the bills that count after it."""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.money.allowances import UseAllowance
from ledger.domain.money.billing import UsageAccrued, begun_at
from ledger.domain.money.plans import Free
from ledger.domain.money.rating_used import USED, later_uses, taken_of
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.rerating_later import RerateLater
from ledger.domain.world import Stamp, World, key_of
from ledger.kernel.messages import Command, Event


def _after_usage(world: World, event: UsageAccrued, stamp: Stamp) -> Iterable[Command]:
    """Take what a usage used of an allowance; rate again what counts after it."""
    yield from _used(event, taken_of(event.lines))
    for period in sorted({line.tier for line in event.lines if line.tier}):
        row = world.need(USED, key_of(event.driver_id, event.tariff_id, period))
        at = begun_at(event)
        if later_uses(row, at, event.usage_id):
            yield _rate_later(event, period, stamp)


def _after_usage_back(_: World, event: UsageReversed, stamp: Stamp) -> Iterable[Command]:
    """Give back what a usage that was taken back had used; rate again what counted after it."""
    usage = event.original
    swaps, energy_wh = taken_of(usage.lines)
    yield from _used(usage, Free(-swaps, -energy_wh))
    for period in sorted({line.tier for line in usage.lines if line.tier}):
        yield _rate_later(usage, period, stamp)


def _used(event: UsageAccrued, taken: Free) -> Iterable[Command]:
    swaps = taken.swaps if event.part == 1 else 0
    if swaps or taken.energy_wh:
        yield UseAllowance(
            driver_id=event.driver_id,
            usage_id=event.usage_id,
            usage_kind=event.usage_kind,
            occurred_at=begun_at(event),
            swaps=swaps,
            energy_wh=taken.energy_wh,
        )


def _rate_later(event: UsageAccrued, period: str, stamp: Stamp) -> Command:
    return RerateLater(
        driver_id=event.driver_id,
        tariff_id=event.tariff_id,
        period=period,
        usage_id=event.usage_id,
        at=begun_at(event),
        causes=(stamp.position,),
    )


USAGE_REACTIONS: dict[type[Event], Callable[[World, Any, Stamp], Iterable[Command]]] = {
    UsageAccrued: _after_usage,
    UsageReversed: _after_usage_back,
}
"""By event."""
