"""What a swap that is whole does to the packs that a driver may keep."""

from ledger.domain.custody import DRIVER_PACKS, DriverPacks, Pack, PackEntitlementSet
from ledger.domain.saga import Swap
from ledger.domain.world import World, key_of
from ledger.kernel.messages import Event


def entitlement_after(world: World, swap: Swap, pack: Pack) -> list[Event]:
    """A hand-out raises what a driver may keep, if that is too little; a return lowers it.

    An exchange of classes does both: what he may keep follows what he has.
    """
    if swap.swap_kind == "EXCHANGE":
        return _exchanged(world, swap) if swap.balance() else []
    row = world.get(DRIVER_PACKS, key_of(swap.driver_id, pack.pack_class))
    packs = row or DriverPacks(swap.driver_id, pack.pack_class)
    match swap.swap_kind:
        case "HANDOUT":
            count, settles = max(packs.entitled, packs.held + 1), swap.count
        case "RETURN":
            count, settles = max(packs.entitled - swap.count, 0), -swap.count
        case _:
            return []
    return [
        PackEntitlementSet(
            driver_id=swap.driver_id,
            pack_class=pack.pack_class,
            count=count,
            contract_id=swap.contract_id,
            settles=settles,
        )
    ]


def _exchanged(world: World, swap: Swap) -> list[Event]:
    found: list[Event] = []
    for debt in swap.balance():
        row = world.get(DRIVER_PACKS, key_of(debt.driver_id, debt.pack_class))
        entitled = 0 if row is None else row.entitled
        follows = PackEntitlementSet(
            driver_id=debt.driver_id,
            pack_class=debt.pack_class,
            count=max(entitled + debt.count, 0),
            contract_id=swap.contract_id,
            settles=debt.count,
        )
        found.append(follows)
    return found
