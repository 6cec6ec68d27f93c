"""The rows that re-rating reads, named step by step as they become known."""

from ledger.domain.money.billing import BILLED
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.energy_pool import cost_rows
from ledger.domain.money.rating_facts import SWAP, UNCERTAINTY_MAX
from ledger.domain.money.rating_used import (
    USED,
    Used,
    contract_period,
    later_uses,
    periods_of,
    used_rows,
)
from ledger.domain.money.rerating_bills import ENDED, SWAP_BILLS, SwapBill, operator_of
from ledger.domain.money.tariffs import tariff_keys
from ledger.domain.saga import SWAPS
from ledger.domain.sessions import SESSIONS
from ledger.domain.stations import STATIONS
from ledger.domain.world import Key, World, key_of, touch


def rerating_rows(
    world: World, swap_id: str, times: tuple[int, ...] = (), *, with_later: bool = True
) -> list[Key]:
    """Name what the re-rating of a billed swap reads, as far as it is known yet.

    `times` are those of legs that the swap does not have yet (us). Those that count after it in a
    tier are read as well, unless it is itself one of them.
    """
    if not world.is_loaded(BILLED, swap_id) or world.get(BILLED, swap_id) is None:
        return []
    swap = world.get(SWAPS, swap_id) if world.is_loaded(SWAPS, swap_id) else None
    if swap is None or swap.stage not in ENDED:
        return []
    keys = [touch(SWAP_BILLS, swap_id), *cost_rows(world, swap_id)]
    bill = world.get(SWAP_BILLS, swap_id) if world.is_loaded(SWAP_BILLS, swap_id) else None
    if bill is None:
        return keys
    first = bill.usages[0]
    keys.append(touch(STATIONS, first.event.station_id))
    if world.is_loaded(*keys[-1]):
        keys.append(touch(CONTRACTS, operator_of(world, bill)))
    times += tuple(leg.occurred_at for leg in (*swap.legs_in, *swap.legs_out))
    times += (first.occurred_at,)
    slack = min(swap.clock_uncertainty_us, UNCERTAINTY_MAX)
    tariff_id = first.event.tariff_id
    keys += tariff_keys(tariff_id, min(times) - slack, max(times) + slack)
    driver_id = first.event.driver_id
    keys += used_rows(world, driver_id, tariff_id, sorted(set(times)))
    keys += later_rows(world, driver_id, tariff_id, swap_id, times) if with_later else []
    return keys


def later_rows(
    world: World, driver_id: str, tariff_id: str, usage_id: str, times: tuple[int, ...]
) -> list[Key]:
    """Name what re-rating after a usage reads that may come at some times (us), as far as known."""
    keys: list[Key] = []
    periods = {contract_period(world, driver_id, at) for at in times} - {""}
    for period in sorted({*periods, *periods_of(world, tariff_id, times)}):
        key = key_of(driver_id, tariff_id, period)
        keys += rows_after(world, key, min(times), usage_id)
    return keys


def rows_after(world: World, key: str, at: int, usage_id: str) -> list[Key]:
    """Name what re-rating the usages after one reads; `key` is that of their period."""
    if not world.is_loaded(USED, key):
        return []
    keys: list[Key] = []
    for use in later_uses(world.get(USED, key) or Used(), at, usage_id):
        keys += [touch(BILLED, use.usage_id), touch(SWAP_BILLS, use.usage_id)]
        if use.usage_kind == SWAP:
            keys += [
                touch(SWAPS, use.usage_id),
                *rerating_rows(world, use.usage_id, with_later=False),
            ]
        else:
            is_known = world.is_loaded(SWAP_BILLS, use.usage_id)
            bill = world.get(SWAP_BILLS, use.usage_id) if is_known else None
            keys += [touch(SESSIONS, use.usage_id), *session_rows(world, use.usage_id, bill)]
    return keys


def session_rows(
    world: World, usage_id: str, bill: SwapBill | None, times: tuple[int, ...] = ()
) -> list[Key]:
    """Name what rating a billed session again reads; `times` are others it may begin at (us)."""
    session = world.get(SESSIONS, usage_id) if world.is_loaded(SESSIONS, usage_id) else None
    if bill is None or session is None:
        return []
    first = bill.usages[0].event
    keys = [*cost_rows(world, usage_id), touch(STATIONS, first.station_id)]
    if world.is_loaded(*keys[-1]):
        keys.append(touch(CONTRACTS, operator_of(world, bill)))
    slack = min(session.clock_uncertainty_us, UNCERTAINTY_MAX)
    begins = (session.started_at, *times)
    lasts = session.ended_at - session.started_at
    keys += tariff_keys(first.tariff_id, min(begins) - slack, max(begins) + lasts + slack)
    keys += used_rows(world, first.driver_id, first.tariff_id, begins)
    return keys
