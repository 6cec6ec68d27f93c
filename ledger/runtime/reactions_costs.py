"""What the energy of a usage cost follows its bill, where energy is kept at cost at all."""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.energy_pool import CostUsage, ReverseUsageCost, is_kept
from ledger.domain.money.rating_facts import CHARGING_SESSION, SWAP
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.world import Stamp, World
from ledger.kernel.messages import Command, Event


def _after_usage(world: World, event: UsageAccrued, stamp: Stamp) -> Iterable[Command]:
    """Book the cost with the first part of a bill: all the energy stands there.

    What a partner sells is his energy, and no cost of ours; other kinds of usage move none out.
    """
    if not _has_cost(event) or not is_kept(world):
        return ()
    cost = CostUsage(
        usage_id=event.usage_id,
        usage_kind=event.usage_kind,
        currency=event.currency,
        energy_wh=event.energy_wh,
        occurred_at=stamp.occurred_at,
        causes=(stamp.position,),
    )
    return (cost,)


def _has_cost(event: UsageAccrued) -> bool:
    return event.part == 1 and not event.seller_id and event.usage_kind in (SWAP, CHARGING_SESSION)


def _after_taken_back(world: World, event: UsageReversed, stamp: Stamp) -> Iterable[Command]:
    if not _has_cost(event.original) or not is_kept(world):
        return ()
    return (ReverseUsageCost(usage_id=event.usage_id, causes=(stamp.position,)),)


COST_REACTIONS: dict[type[Event], Callable[[World, Any, Stamp], Iterable[Command]]] = {
    UsageAccrued: _after_usage,
    UsageReversed: _after_taken_back,
}
