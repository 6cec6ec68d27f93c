"""Legs: the packs that came and went in a swap, as a station saw it.

Reality wins: what was seen is posted, whatever the rules say about it, and what breaks a rule
becomes a case in the same command. A report that contradicts the books, or comes late, re-derives
the packs it tells of (`remaking.py`). Refused is only what cannot be kept: an unknown pack or slot,
evidence below the custody table's least. The leg that makes a swap whole completes it.
"""

from functools import lru_cache
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain import sights, sources
from ledger.domain.access import refused
from ledger.domain.booking_ends import BookingFulfilled
from ledger.domain.cases import CASES, CaseOpened, CaseResolved, Debt, case_id_of, opened
from ledger.domain.claims import BOOKINGS, booking_rows
from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    Pack,
    PackReturned,
    PackSwappedOut,
    holds_on,
)
from ledger.domain.entitling import entitlement_after
from ledger.domain.metering import is_soc
from ledger.domain.observations import IN as SEEN_IN
from ledger.domain.observations import OUT as SEEN_OUT
from ledger.domain.observations import Observation, content_digest
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.remaking import changed_rows, remade, set_aside
from ledger.domain.saga import IN, OUT, SWAPS, Swap, leg_of
from ledger.domain.sights import sight_rows, sighted
from ledger.domain.sources import Sent, sent_of
from ledger.domain.stand_ins import days_of, stand_in_rows, stand_ins_after
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.swap import SwapCompleted, ended
from ledger.domain.transitions import (
    driver_account,
    find_row,
    row_faults,
    slot_account,
    staged_account,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Actor, Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Swap], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RecordLeg(Command):
    """What both reports tell: the pack, the slot (empty at a desk), and who stood there.

    `occurred_at` is when it happened by the corrected clock (us); a late upload only has an older
    one. `level` is the best evidence level, 0 to 5.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"station", "operator"})

    swap_id: str
    station_id: str
    slot: str
    driver_id: str
    pack_id: str
    occurred_at: int
    observed: Observed
    soc_bp: int | None = None
    soh_bp: int | None = None
    level: int = 3


class RecordPackIn(RecordLeg):
    """A pack came in."""


class RecordPackOut(RecordLeg):
    """A pack went out."""


LegCommand = RecordPackIn | RecordPackOut

# Events -----------------------------------------------------------------------


class LegReported(Event):
    """What both observations tell; the driver is who stood there."""

    swap_id: str
    station_id: str
    slot: str
    driver_id: str
    pack_id: str
    soc_bp: int | None = None
    soh_bp: int | None = None
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    level: int = 3
    serial: str = ""
    verdict: str = ""
    sent: Sent | None = None


class SwapInReported(LegReported):
    """An observation: a station saw a pack come in."""

    kind: ClassVar[str] = "swap_in_reported"


class SwapOutReported(LegReported):
    """An observation: a station saw a pack go out."""

    kind: ClassVar[str] = "swap_out_reported"


LegEvent = SwapInReported | SwapOutReported

# touches ----------------------------------------------------------------------


def touches(command: LegCommand) -> Keys:
    """Read the swap and its case, who stood where, and the pack."""
    return (
        touch(SWAPS, command.swap_id),
        touch(CASES, case_id_of("HALF_SWAP", command.swap_id)),
        touch(STATIONS, command.station_id),
        touch(SLOTS, command.station_id, command.slot),
        touch(PARTIES, command.driver_id),
        *sight_rows(World(), [_observation(command)]),
    )


def follows(world: World, command: LegCommand) -> Keys:
    """Read the booking, and what the packs concerned meet at their accounts."""
    keys = changed_rows(world, [_observation(command)])
    swap = world.get(SWAPS, command.swap_id)
    pack = world.get(PACKS, command.pack_id)
    if pack is not None:
        keys.append(touch(DRIVER_PACKS, command.driver_id, pack.pack_class))
    if swap is not None:
        keys += booking_rows(world, swap.booking_id)
        keys += stand_in_rows(world, swap, "" if pack is None else pack.pack_class)
    return keys


# decide -----------------------------------------------------------------------


def decide(world: World, command: LegCommand, request: Request) -> Outcome:
    """Post what was seen, with the cases it opens, and complete the swap it makes whole."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        faults = [*_faults(world, command), RefusalCode.UNKNOWN_PACK]
        return refused(faults, {"pack": command.pack_id[:40]})
    if pack.account == _target(command):
        return ()
    faults = [
        *_faults(world, command),
        *_actor_faults(command, pack, request.actor),
        *_slot_faults(world, command, pack),
    ]
    if faults:
        return refused(faults, {"pack": pack.pack_id, "account": pack.account})
    return told(world, command, _report(command))


def told(world: World, command: LegCommand, report: LegReported) -> tuple[Draft, ...]:
    """Make all that follows from a leg as it was reported; the pack is known."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is not None and not swap.takes(_way(command), command.driver_id, command.station_id):
        swap = None
    drafts = _seen(world, command, report, swap)
    if swap is not None:
        drafts += _completion(world, command, swap, drafts)
    return tuple(drafts)


def _way(command: LegCommand) -> str:
    return IN if isinstance(command, RecordPackIn) else OUT


def _station_account(command: LegCommand) -> str:
    return station_place(command.station_id, command.slot)


def station_place(station_id: str, slot: str) -> str:
    """Give the account of a pack at a station, in a slot or (empty) outside of them."""
    return slot_account(station_id, slot) if slot else staged_account(station_id)


def _target(command: LegCommand) -> str:
    match command:
        case RecordPackIn():
            return _station_account(command)
        case RecordPackOut():
            return driver_account(command.driver_id)
        case _ as unknown:
            assert_never(unknown)


def _faults(world: World, command: LegCommand) -> list[RefusalCode]:
    known = world.get(SLOTS, key_of(command.station_id, command.slot)) is not None
    tests = (
        (world.get(STATIONS, command.station_id) is None, RefusalCode.STATION_UNKNOWN),
        (bool(command.slot) and not known, RefusalCode.SLOT_UNKNOWN),
        (
            not (is_soc(command.soc_bp) and is_soc(command.soh_bp)),
            RefusalCode.PACK_FIELD_INVALID,
        ),
        (not 0 < command.occurred_at <= QUANTITY_MAX, RefusalCode.SESSION_TIME_INVALID),
    )
    faults = party_faults(world, command.driver_id, "driver")
    return faults + [code for failed, code in tests if failed]


def _actor_faults(command: LegCommand, pack: Pack, actor: Actor) -> list[RefusalCode]:
    """Tell why nobody may report such a leg so; where the books say otherwise, they are wrong."""
    is_in = isinstance(command, RecordPackIn)
    event = "pack_returned" if is_in else "pack_swapped_out"
    usual = driver_account(command.driver_id) if is_in else _station_account(command)
    row = find_row(usual, event, "staged" if is_in and not command.slot else "")
    assert not isinstance(row, RefusalCode), "the table has every leg of a swap"
    return row_faults(row, actor, command.level, proven=pack.proven)


def _slot_faults(world: World, command: LegCommand, pack: Pack) -> list[RefusalCode]:
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    is_charging = slot is not None and bool(slot.session_id) and slot.pack_id == pack.pack_id
    return [RefusalCode.CHARGING_SESSION_OVERLAP] if is_charging else []


def _seen(world: World, command: LegCommand, report: LegReported, swap: Swap | None) -> list[Draft]:
    """Make the entries of what was seen: observation, custody, and what breaks a rule."""
    at, name = command.occurred_at, command.swap_id
    pack = world.need(PACKS, command.pack_id)
    changes = sighted(world, [leg_sight(report, at)])
    drafts = [
        Draft(report, occurred_at=at, observed=command.observed, correlation_id=name),
        *remade(world, changes, first=pack.pack_id),
    ]
    events: list[Event] = list(set_aside(changes, report.sent))
    if isinstance(command, RecordPackIn):
        if swap is not None and pack.pack_class != swap.class_in:
            events.append(_case("PACK_MIXUP", command, "the pack is of another class"))
    elif _was_stopped(pack, at) and _own_leg(drafts, pack.pack_id) >= 0:
        events.append(_case("HOLD_VIOLATION", command, "the pack went out under a hold"))
    if swap is None and name:
        count = 1 if isinstance(command, RecordPackOut) else -1
        debt = Debt(command.driver_id, pack.pack_class, count)
        events.append(_case("UNAUTHORISED_SWAP", command, "no swap waits for it", (debt,)))
    drafts += [Draft(event, occurred_at=at, after=(0,)) for event in events]
    return [replace(draft, correlation_id=name) for draft in drafts]


def _was_stopped(pack: Pack, at: int) -> bool:
    """Tell whether a pack may not go out at an instant; a late report may tell of before a hold."""
    return any(hold.placed_at <= at for hold in holds_on(pack, "no_swap_out", at))


def _own_leg(drafts: list[Draft], pack_id: str) -> int:
    """Find the leg of a swap that a pack has made with this report, -1 for none."""
    found = (
        index
        for index, draft in enumerate(drafts)
        if isinstance(draft.event, PackReturned | PackSwappedOut)
        and draft.event.pack_id == pack_id
        and not draft.event.past
        and not draft.causes
    )
    return max(found, default=-1)


@lru_cache(maxsize=1024)  # a batch asks several times for each: what to load, to decide
def _report(command: LegCommand) -> LegReported:
    kind = SwapInReported if isinstance(command, RecordPackIn) else SwapOutReported
    return kind(**_reported(command))


def _observation(command: LegCommand) -> Observation:
    return leg_sight(_report(command), command.occurred_at)


def leg_sight(event: LegReported, at: int, position: int = -1) -> Observation:
    """Give what a report of a leg says of the pack, as the derivation reads it."""
    sent = event.sent or Sent(event.station_id)
    return Observation(
        source=sent.source,
        boot=sent.boot,
        seq=sent.seq,
        kind=SEEN_IN if isinstance(event, SwapInReported) else SEEN_OUT,
        place=station_place(event.station_id, event.slot),
        pack_id=event.pack_id,
        at=at,
        digest=sent.digest,
        driver_id=event.driver_id,
        level=event.level,
        uncertainty_us=event.clock_uncertainty_us,
        quality=event.clock_quality,
        verdict=event.verdict,
        received_at=sent.received_at,
        swap_id=event.swap_id,
        soc_bp=event.soc_bp,
        soh_bp=event.soh_bp,
        position=position,
    )


def _reported(command: LegCommand) -> dict[str, Any]:
    clock = command.observed.clock
    return {
        "swap_id": command.swap_id,
        "station_id": command.station_id,
        "slot": command.slot,
        "driver_id": command.driver_id,
        "pack_id": command.pack_id,
        "soc_bp": command.soc_bp,
        "soh_bp": command.soh_bp,
        "clock_quality": clock.quality,
        "clock_uncertainty_us": clock.uncertainty_us,
        "level": command.level,
        "sent": sent_of(command.observed, _digest(command), relayed=True),
    }


def _digest(command: LegCommand) -> str:
    told = (command.swap_id, command.pack_id, command.driver_id, command.occurred_at)
    return content_digest((type(command).__name__, command.slot, *told))


def _case(
    case_type: str, command: LegCommand, reason: str, vector: tuple[Debt, ...] = ()
) -> CaseOpened:
    seed = key_of(command.swap_id, command.pack_id, str(command.occurred_at))
    subjects = (command.pack_id, command.station_id, command.driver_id)
    return opened(case_type, seed, subjects, reason, vector)


def _completion(world: World, command: LegCommand, swap: Swap, seen: list[Draft]) -> list[Draft]:
    """Make what follows when this leg is the last one that the swap waits for."""
    pack = world.need(PACKS, command.pack_id)
    index = _own_leg(seen, pack.pack_id)
    if index < 0:
        return []
    moved = seen[index].event
    assert isinstance(moved, PackReturned | PackSwappedOut)
    causes = tuple(leg.position for leg in (*swap.legs_in, *swap.legs_out))
    clock = command.observed.clock
    whole = swap.with_leg(_way(command), leg_of(moved, pack, command.occurred_at))
    whole = whole.with_clock(clock.quality, clock.uncertainty_us)
    if not whole.is_met():
        return []
    changes = stand_ins_after(world, whole)
    whole = replace(whole, class_days=days_of(changes))
    end = ended(whole, command.station_id)
    done: list[Event] = [end]
    booking = world.get(BOOKINGS, swap.booking_id)
    is_whole = isinstance(end, SwapCompleted)
    if is_whole and booking is not None and booking.may("booking_fulfilled"):
        done = [replace(end, **booking.locked_prices)]
        done.append(BookingFulfilled(booking_id=booking.booking_id, swap_id=swap.swap_id))
    case = world.get(CASES, case_id_of("HALF_SWAP", swap.swap_id))
    if case is not None and case.is_open:
        done.append(CaseResolved(case_id=case.case_id, resolution="the swap was completed"))
    done += [*entitlement_after(world, whole, pack), *changes]
    at, name = command.occurred_at, swap.swap_id
    return [
        Draft(event, occurred_at=at, after=(index,), causes=causes, correlation_id=name)
        for event in done
    ]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LegEvent, stamp: Stamp) -> None:
    """Keep what was seen, and for the swap how sure the time of its legs is."""
    if event.sent is not None:
        sources.keep(world, event.sent)
        sights.keep(world, [leg_sight(event, stamp.occurred_at, stamp.position)])
    if not event.swap_id:
        return
    swap = world.get(SWAPS, event.swap_id)
    way = IN if isinstance(event, SwapInReported) else OUT
    if swap is not None and swap.takes(way, event.driver_id, event.station_id):
        swap = swap.with_clock(event.clock_quality, event.clock_uncertainty_us)
        world.put(SWAPS, event.swap_id, swap)


def postings(_event: LegEvent) -> tuple[Posting, ...]:
    """An observation moves nothing."""
    return ()
