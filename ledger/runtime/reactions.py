"""What must follow an event at once, as further commands of the same batch.

A finished charging session of a driver, and a swap that ended, are rated and posted together with
the facts they rest on: there is no moment in which one stands in the log without the other.

`needs` names the rows that such a follow-up reads, so that they are loaded with the batch.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from msgspec.structs import replace

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import ChargeSessionEnded, EndChargingSession
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.money.billing import BILLED, BillUsage
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.damages import ClaimDamage, leg_of
from ledger.domain.money.rating_facts import (
    CHARGING_SESSION,
    SWAP,
    UNCERTAINTY_MAX,
    V2G,
    UsageFacts,
)
from ledger.domain.money.rating_used import tariff_of, used_rows
from ledger.domain.money.rerating import RerateSwap
from ledger.domain.money.rerating_applying import ApplyRerating
from ledger.domain.money.rerating_rows import later_rows
from ledger.domain.money.tariffs import tariff_keys
from ledger.domain.reassessing import EvidenceReassessed, ReassessMeterEvidence
from ledger.domain.reports import RecordObservation, source_of, tell
from ledger.domain.reversing import PostingReversed
from ledger.domain.saga import SWAPS, Swap, soc_given
from ledger.domain.sessions import SESSIONS, ChargingSession
from ledger.domain.sources import SOURCES
from ledger.domain.stations import STATIONS
from ledger.domain.stays import ReportStay, stay_id
from ledger.domain.swap import CloseSwapIncomplete, SwapClosedIncomplete, SwapCompleted, TimeOutSwap
from ledger.domain.world import Keys, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Command, Event
from ledger.kernel.signed_facts import INVALID, SIGNED_VALID
from ledger.runtime.reactions_bookings import (
    BOOKING_NEEDING,
    BOOKING_REACTIONS,
    after_closing,
    booking_needs,
    extra_pack_needs,
)
from ledger.runtime.reactions_costs import COST_REACTIONS
from ledger.runtime.reactions_custody import CUSTODY_REACTIONS, where
from ledger.runtime.reactions_reports import report_needs
from ledger.runtime.reactions_usages import USAGE_REACTIONS


def react(world: World, event: Event, stamp: Stamp) -> Iterable[Command]:
    """Give the commands that must follow an event at once."""
    reactions = _REACTIONS.get(type(event))
    if reactions is None:
        return ()
    return chain.from_iterable(reaction(world, event, stamp) for reaction in reactions)


def _after_session(world: World, event: ChargeSessionEnded, stamp: Stamp) -> Iterable[Command]:
    if not event.driver_id:
        return ()
    bill = _bill_session(world, event, stamp)
    if not event.energy_out_wh or not world.is_loaded(BILLED, given_back(event.session_id)):
        return (bill,)
    return bill, _bill_given_back(bill, event)


def _bill_given_back(bill: BillUsage, event: ChargeSessionEnded) -> BillUsage:
    """Credit the energy that a driver gave back to the grid, where his tariff has a price for it.

    It came through the meter of the same session, so place, times and evidence are the same.
    """
    facts = replace(
        bill.facts,
        kind=V2G,
        usage_id=given_back(event.session_id),
        energy_wh=event.energy_out_wh,
        intervals=(),  # those were read of what went in
        dims={"charging_session": event.session_id},
    )
    return BillUsage(facts=facts)


def given_back(session_id: str) -> str:
    """Name the usage of what a session gave back to the grid."""
    return derived_id("V2G", session_id)


def _after_verdict(world: World, event: EvidenceReassessed, _stamp: Stamp) -> Iterable[Command]:
    """Bill a session that could not be billed while its signed records were not valid."""
    row = world.need(SESSIONS, event.session_id)
    if not row.driver_id or event.billing_class == INVALID:
        return ()
    return (_bill_verdict(world, row, event),)


def _after_swap(world: World, event: SwapCompleted, stamp: Stamp) -> Iterable[Command]:
    return (_bill_swap(world, event, stamp, "completed"),) if _has_swapped(event) else ()


def _after_half_swap(world: World, event: SwapClosedIncomplete, stamp: Stamp) -> Iterable[Command]:
    if _has_swapped(event):
        yield _bill_swap(world, event, stamp, "closed_incomplete")
    yield from after_closing(world, event)


def _has_swapped(event: SwapCompleted | SwapClosedIncomplete) -> bool:
    """Tell whether anything was swapped: a driver who took his own pack back pays no swap.

    What a stay costs is the price of its charging session.
    """
    packs_in = {leg.pack_id for leg in event.legs_in}
    return packs_in != {leg.pack_id for leg in event.legs_out}


def _after_leg_anew(
    world: World, event: PostingReversed | PackReturned | PackSwappedOut, stamp: Stamp
) -> Iterable[Command]:
    """Hold the bill of a swap that has ended against its legs once they are told anew."""
    if not isinstance(event, PostingReversed) and not event.cause:
        return ()  # a leg that no observation tells of is not given to a swap that has ended
    swap = world.get(SWAPS, event.swap_id) if event.swap_id else None
    if swap is None or swap.stage not in ("COMPLETED", "CLOSED_INCOMPLETE"):
        return ()
    if world.get(BILLED, swap.swap_id) is None:
        return ()
    return (RerateSwap(swap_id=swap.swap_id, causes=(stamp.position,)),)


Reaction = Callable[[World, Any, Stamp], Iterable[Command]]

_OWN: dict[type[Event], Reaction] = {
    ChargeSessionEnded: _after_session,
    EvidenceReassessed: _after_verdict,
    SwapCompleted: _after_swap,
    SwapClosedIncomplete: _after_half_swap,
    PostingReversed: _after_leg_anew,
    PackReturned: _after_leg_anew,
    PackSwappedOut: _after_leg_anew,
}


def _all_of(*tables: Mapping[type[Event], Reaction]) -> dict[type[Event], tuple[Reaction, ...]]:
    """Join tables of reactions; an event that stands in several has all of them, in that order."""
    joined: dict[type[Event], tuple[Reaction, ...]] = {}
    for table in tables:
        for event, reaction in table.items():
            joined[event] = (*joined.get(event, ()), reaction)
    return joined


_REACTIONS = _all_of(_OWN, USAGE_REACTIONS, BOOKING_REACTIONS, COST_REACTIONS, CUSTODY_REACTIONS)


def _bill_session(world: World, event: ChargeSessionEnded, stamp: Stamp) -> BillUsage:
    return BillUsage(
        facts=UsageFacts(
            **where(world, event, event.started_at),
            kind=CHARGING_SESSION,
            usage_id=event.session_id,
            occurred_at=event.ended_at,
            energy_wh=event.energy_in_wh,
            level=event.level,
            clock_quality=event.clock_quality,
            clock_uncertainty_us=event.clock_uncertainty_us,
            begin_at=event.started_at,
            end_at=event.ended_at,
            pack_class=event.pack_class,
            causes=(stamp.position,),
            billing_class=event.billing_class,
            intervals=event.intervals,
        )
    )


def _bill_verdict(world: World, row: ChargingSession, event: EvidenceReassessed) -> BillUsage:
    return BillUsage(
        facts=UsageFacts(
            **where(world, row, row.started_at),
            kind=CHARGING_SESSION,
            usage_id=row.session_id,
            occurred_at=event.ended_at,
            energy_wh=event.energy_in_wh,
            level=_LEVELS.get(event.billing_class, _UNSIGNED_LEVEL),
            clock_quality=row.clock_quality,
            clock_uncertainty_us=row.clock_uncertainty_us,
            begin_at=row.started_at,
            end_at=event.ended_at,
            pack_class=row.pack_class,
            causes=(event.position,),
            billing_class=event.billing_class,
            intervals=row.intervals_of(event.energy_in_wh),
        )
    )


_LEVELS = {SIGNED_VALID: 5}
_UNSIGNED_LEVEL = 3


def _bill_swap(
    world: World, event: SwapCompleted | SwapClosedIncomplete, stamp: Stamp, stage: str
) -> BillUsage:
    return BillUsage(
        facts=UsageFacts(
            **where(world, event, event.out_at),
            kind=SWAP,
            usage_id=event.swap_id,
            occurred_at=event.out_at,
            energy_wh=event.energy_wh,
            level=event.level,
            clock_quality=event.clock_quality,
            clock_uncertainty_us=event.clock_uncertainty_us,
            stage=stage,
            pack_class=event.pack_class,
            capacity_wh=event.capacity_wh,
            booking_id=event.booking_id,
            soc_bp=soc_given(event.legs_out),
            class_days=event.class_days,
            causes=(stamp.position,),
            price_at=event.price_at,
            price_position=event.price_position,
        )
    )


def needs(world: World, command: Command) -> Keys:
    """Name the rows that the follow-ups of a command will read, as far as they are known yet."""
    kind = type(command)
    rows = booking_needs(world, command) if kind in BOOKING_NEEDING else ()
    return (*rows, *_bill_needs(world, command)) if kind in _NEEDING else rows


def _bill_needs(world: World, command: Command) -> Keys:
    match command:
        case ReportStay() if command.end_at is not None:
            span = (command.begin_at, command.end_at)
            clock = command.clock_uncertainty_us
            who = (stay_id(command), command.driver_id)
            return _bill_rows(world, command.station_id, who, span, clock)
        case ClaimDamage():
            return _damage_rows(world, command)
        case EndChargingSession():
            session = world.get(SESSIONS, command.session_id)
            if session is None or not session.driver_id:
                return ()
            clock = command.observed.clock.uncertainty_us if command.observed else 0
            span = (session.started_at, command.ended_at)
            who = (session.session_id, session.driver_id)
            rows = _bill_rows(world, session.station_id, who, span, clock)
            return (*rows, touch(BILLED, given_back(session.session_id)))
        case StartChargingSession():
            return _session_rows(world, world.get(SESSIONS, command.resumed_from))
        case ReassessMeterEvidence():
            return _session_rows(world, world.get(SESSIONS, command.session_id))
        case RecordPackIn() | RecordPackOut():
            swap = world.get(SWAPS, command.swap_id)
            at, clock = command.occurred_at, command.observed.clock.uncertainty_us
            return _swap_rows(world, swap, command.station_id, (at, at), clock)
        case RecordObservation():
            return (*report_needs(world, command), *_report_rows(world, command))
        case ApplyRerating():
            facts = command.facts
            begins = facts.service_time[:1]
            return later_rows(world, facts.driver_id, facts.tariff_id, facts.usage_id, begins)
        case CloseSwapIncomplete() | TimeOutSwap():
            swap = world.get(SWAPS, command.swap_id)
            return _swap_rows(world, swap, swap.station_id, (), 0) if swap else ()
        case _:
            return ()


def _report_rows(world: World, command: RecordObservation) -> Keys:
    """Name what the bill of a swap reads that a report may complete, or give up."""
    if not world.is_loaded(SOURCES, source_of(command)):
        return ()
    told = tell(world, command)
    swap_id = getattr(told.event, "swap_id", "")
    if not swap_id or not world.is_loaded(SWAPS, swap_id):
        return ()
    at, clock = told.moment.at, told.moment.clock.uncertainty_us
    return _swap_rows(world, world.get(SWAPS, swap_id), command.station_id, (at, at), clock)


def _damage_rows(world: World, command: ClaimDamage) -> Keys:
    """Name what the bill of a damage reads: its prices are those of where the pack came back."""
    swap = world.get(SWAPS, command.in_swap_id)
    leg = leg_of(swap, command.pack_id, is_in=True)
    if swap is None or leg is None:
        return ()
    who, clock = (command.case_id, swap.driver_id), swap.clock_uncertainty_us
    return _bill_rows(world, swap.station_id, who, (leg.occurred_at,), clock)


def _session_rows(world: World, session: ChargingSession | None) -> Keys:
    """Name what the bill of a known session reads: one cut off, or one with a new verdict."""
    if session is None or not session.driver_id:
        return ()
    span = (session.started_at, session.last_at)
    clock = session.clock_uncertainty_us
    who = (session.session_id, session.driver_id)
    return _bill_rows(world, session.station_id, who, span, clock)


_NEEDING = {
    ApplyRerating,
    ReportStay,
    StartChargingSession,
    ReassessMeterEvidence,
    EndChargingSession,
    RecordPackIn,
    RecordPackOut,
    CloseSwapIncomplete,
    TimeOutSwap,
    RecordObservation,
    ClaimDamage,
}
"""Commands with follow-ups; most have none, and are asked often."""


def _swap_rows(
    world: World, swap: Swap | None, station_id: str, times: tuple[int, ...], clock: int
) -> Keys:
    """Name what a swap's bill reads: its price time is that of one of its legs."""
    if swap is None:
        return ()
    claimed = extra_pack_needs(world, swap.swap_id) if swap.has_case else ()
    times += tuple(leg.occurred_at for leg in (*swap.legs_in, *swap.legs_out))
    if swap.booking_id and world.is_loaded(BOOKINGS, swap.booking_id):
        booking = world.get(BOOKINGS, swap.booking_id)
        times += (booking.terms.price_at,) if booking and booking.terms.price_at else ()
    clock = max(clock, swap.clock_uncertainty_us)
    who = (swap.swap_id, swap.driver_id)
    return (*claimed, *_bill_rows(world, station_id, who, times or (0,), clock))


def _bill_rows(
    world: World, station_id: str, who: tuple[str, str], times: tuple[int, ...], clock: int
) -> Keys:
    """Name what rating and sharing a usage reads; the station first, the rest through it.

    `who` is the usage and its driver; `times` those of which its price may turn out to be.
    """
    if not world.is_loaded(STATIONS, station_id):
        return (touch(STATIONS, station_id),)
    station = world.get(STATIONS, station_id)
    if station is None:
        return ()
    usage_id, driver_id = who
    slack = min(max(clock, 0), UNCERTAINTY_MAX)
    keys = [touch(BILLED, usage_id), touch(CONTRACTS, station.operator_id)]
    tariffs = {tariff_of(world, driver_id, at, station.tariff_id) for at in times}
    for tariff_id in sorted(tariffs):
        keys += tariff_keys(tariff_id, min(times) - slack, max(times) + slack)
        keys += used_rows(world, driver_id, tariff_id, times)
        keys += later_rows(world, driver_id, tariff_id, usage_id, times)
    return keys
