"""What drivers owe for damage follows where it was found; and by whom any usage is priced."""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.money.billing import BillUsage
from ledger.domain.money.damages import DamageFound
from ledger.domain.money.rating_facts import CUSTODY, UsageFacts
from ledger.domain.money.rating_used import tariff_of
from ledger.domain.stations import STATIONS
from ledger.domain.world import Stamp, World
from ledger.kernel.messages import Command, Event


def where(world: World, event: Any, begins_at: int) -> dict[str, Any]:
    """Give the facts of a usage that its station and driver tell: by whom, where, at what price.

    `event`, or the row of a session, names both; the price list is that of when the usage began.
    """
    station = world.need(STATIONS, event.station_id)
    return {
        "driver_id": event.driver_id,
        "station_id": event.station_id,
        "operator_id": station.operator_id,
        "country": station.country,
        "tariff_id": tariff_of(world, event.driver_id, begins_at, station.tariff_id),
    }


def _after_damage(world: World, event: DamageFound, stamp: Stamp) -> Iterable[Command]:
    """Bill the damage as a usage of its own, named by its case."""
    facts = UsageFacts(
        **where(world, event, event.told.end_at),
        kind=CUSTODY,
        usage_id=event.case_id,
        occurred_at=event.told.end_at,
        energy_wh=0,
        level=event.level,
        clock_quality=event.clock_quality,
        clock_uncertainty_us=event.clock_uncertainty_us,
        damage_bp=event.billed_bp,
        causes=(stamp.position, *event.told.positions),
        dims={"pack": event.pack_id, "swap": event.swap_id},
        damage=event.told,
    )
    return (BillUsage(facts=facts),)


CUSTODY_REACTIONS: dict[type[Event], Callable[[World, Any, Stamp], Iterable[Command]]] = {
    DamageFound: _after_damage,
}
"""By event."""
