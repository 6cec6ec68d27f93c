"""What must follow an event at once, as further commands of the same batch.

A finished charging session of a driver, and a swap that ended, are rated and posted together with
the facts they rest on: there is no moment in which one stands in the log without the other.

`needs` names the rows that such a follow-up reads, so that they are loaded with the batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.billing import BILLED, BillUsage
from ledger.domain.charging import SESSIONS, ChargeSessionEnded, EndChargingSession
from ledger.domain.contracts import CONTRACTS
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.rating import CHARGING_SESSION, SWAP, UNCERTAINTY_MAX, UsageFacts
from ledger.domain.saga import SWAPS, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.stays import ReportStay, stay_id
from ledger.domain.swap import CloseSwapIncomplete, SwapClosedIncomplete, SwapCompleted
from ledger.domain.tariffs import tariff_keys
from ledger.domain.world import Keys, Stamp, World, touch
from ledger.kernel.messages import Command, Event


def react(world: World, event: Event, stamp: Stamp) -> Iterable[Command]:
    """Give the commands that must follow an event at once."""
    reaction = _REACTIONS.get(type(event))
    return () if reaction is None else reaction(world, event, stamp)


def _after_session(world: World, event: ChargeSessionEnded, stamp: Stamp) -> Iterable[Command]:
    return (_bill_session(world, event, stamp),) if event.driver_id else ()


def _after_swap(world: World, event: SwapCompleted, stamp: Stamp) -> Iterable[Command]:
    return (_bill_swap(world, event, stamp, "completed"),)


def _after_half_swap(world: World, event: SwapClosedIncomplete, stamp: Stamp) -> Iterable[Command]:
    return (_bill_swap(world, event, stamp, "closed_incomplete"),)


_REACTIONS: dict[type[Event], Callable[[World, Any, Stamp], Iterable[Command]]] = {
    ChargeSessionEnded: _after_session,
    SwapCompleted: _after_swap,
    SwapClosedIncomplete: _after_half_swap,
}


def _bill_session(world: World, event: ChargeSessionEnded, stamp: Stamp) -> BillUsage:
    station = world.need(STATIONS, event.station_id)
    return BillUsage(
        facts=UsageFacts(
            kind=CHARGING_SESSION,
            usage_id=event.session_id,
            driver_id=event.driver_id,
            station_id=event.station_id,
            operator_id=station.operator_id,
            country=station.country,
            tariff_id=station.tariff_id,
            occurred_at=event.ended_at,
            energy_wh=event.energy_in_wh,
            level=event.level,
            clock_quality=event.clock_quality,
            clock_uncertainty_us=event.clock_uncertainty_us,
            begin_at=event.started_at,
            end_at=event.ended_at,
            pack_class=event.pack_class,
            causes=(stamp.position,),
        )
    )


def _bill_swap(
    world: World, event: SwapCompleted | SwapClosedIncomplete, stamp: Stamp, stage: str
) -> BillUsage:
    station = world.need(STATIONS, event.station_id)
    return BillUsage(
        facts=UsageFacts(
            kind=SWAP,
            usage_id=event.swap_id,
            driver_id=event.driver_id,
            station_id=event.station_id,
            operator_id=station.operator_id,
            country=station.country,
            tariff_id=station.tariff_id,
            occurred_at=event.out_at,
            energy_wh=event.energy_wh,
            level=event.level,
            clock_quality=event.clock_quality,
            clock_uncertainty_us=event.clock_uncertainty_us,
            stage=stage,
            pack_class=event.pack_class,
            capacity_wh=event.capacity_wh,
            booking_id=event.booking_id,
            causes=(stamp.position,),
        )
    )


def needs(world: World, command: Command) -> Keys:
    """Name the rows that the follow-ups of a command will read, as far as they are known yet."""
    if type(command) not in _NEEDING:
        return ()
    match command:
        case ReportStay() if command.end_at is not None:
            span = (command.begin_at, command.end_at)
            clock = command.clock_uncertainty_us
            return _bill_rows(world, command.station_id, stay_id(command), span, clock)
        case EndChargingSession():
            session = world.get(SESSIONS, command.session_id)
            if session is None or not session.driver_id:
                return ()
            clock = command.observed.clock.uncertainty_us if command.observed else 0
            span = (session.started_at, command.ended_at)
            return _bill_rows(world, session.station_id, session.session_id, span, clock)
        case RecordPackIn() | RecordPackOut():
            swap = world.get(SWAPS, command.swap_id)
            at, clock = command.occurred_at, command.observed.clock.uncertainty_us
            return _swap_rows(world, swap, command.station_id, (at, at), clock)
        case CloseSwapIncomplete():
            swap = world.get(SWAPS, command.swap_id)
            return _swap_rows(world, swap, swap.station_id, (), 0) if swap else ()
        case _:
            return ()


_NEEDING = {
    ReportStay,
    EndChargingSession,
    RecordPackIn,
    RecordPackOut,
    CloseSwapIncomplete,
}
"""Commands with follow-ups; most have none, and are asked often."""


def _swap_rows(
    world: World, swap: Swap | None, station_id: str, times: tuple[int, ...], clock: int
) -> Keys:
    """Name what a swap's bill reads: its price time is that of one of its legs."""
    if swap is None:
        return ()
    times += tuple(leg.occurred_at for leg in (*swap.legs_in, *swap.legs_out))
    clock = max(clock, swap.clock_uncertainty_us)
    span = (min(times, default=0), max(times, default=0))
    return _bill_rows(world, station_id, swap.swap_id, span, clock)


def _bill_rows(
    world: World, station_id: str, usage_id: str, span: tuple[int, int], clock: int
) -> Keys:
    """Name what rating and sharing a usage reads; the station first, the rest through it."""
    if not world.is_loaded(STATIONS, station_id):
        return (touch(STATIONS, station_id),)
    station = world.get(STATIONS, station_id)
    if station is None:
        return ()
    slack = min(max(clock, 0), UNCERTAINTY_MAX)
    return (
        touch(BILLED, usage_id),
        touch(CONTRACTS, station.operator_id),
        *tariff_keys(station.tariff_id, span[0] - slack, span[1] + slack),
    )
