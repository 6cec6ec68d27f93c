"""Legs: the packs that came and went in a swap, as a station saw it.

Reality wins: what was seen is posted, whatever the rules say about it, and what breaks a rule
becomes a case in the same command. Refused is only what the books cannot hold: a pack that is
unknown or elsewhere, a slot that holds another pack, evidence below the custody table's least.
The leg that makes a swap whole completes it.
"""

from typing import Any, ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.booking import BookingFulfilled
from ledger.domain.cases import CASES, CaseOpened, CaseResolved, Debt, case_id_of, opened
from ledger.domain.claims import BOOKINGS, booking_rows
from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    DriverPacks,
    Leg,
    Pack,
    PackEntitlementSet,
    PackReturned,
    PackSwappedOut,
    is_stopped,
    returned,
    swapped_out,
)
from ledger.domain.energy import true_up
from ledger.domain.metering import is_soc
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.saga import IN, OUT, SWAPS, Swap, leg_of
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.swap import SwapCompleted
from ledger.domain.transitions import (
    driver_account,
    find_row,
    row_faults,
    slot_account,
    staged_account,
)
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
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
        touch(PACKS, command.pack_id),
    )


def follows(world: World, command: LegCommand) -> Keys:
    """Read the booking, and what the people concerned have of the pack's class."""
    swap = world.get(SWAPS, command.swap_id)
    pack = world.get(PACKS, command.pack_id)
    keys: list[Key] = []
    if pack is not None:
        people = (command.driver_id, pack.account.removeprefix(_DRIVER))
        keys += [touch(DRIVER_PACKS, person, pack.pack_class) for person in people]
    if swap is not None:
        keys += booking_rows(world, swap.booking_id)
    return keys


_DRIVER = driver_account("")

# decide -----------------------------------------------------------------------


def decide(world: World, command: LegCommand, request: Request) -> Outcome:
    """Post what was seen, with the cases it opens, and complete the swap it makes whole."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        faults = [*_faults(world, command), RefusalCode.UNKNOWN_PACK]
        return refused(faults, {"pack": command.pack_id[:40]})
    if pack.account == _target(command):
        return ()
    faults = [*_faults(world, command), *_move_faults(world, command, pack, request.actor)]
    if faults:
        return refused(faults, {"pack": pack.pack_id, "account": pack.account})
    swap = world.get(SWAPS, command.swap_id)
    if swap is not None and not swap.takes(_way(command), command.driver_id, command.station_id):
        swap = None
    drafts = _seen(world, command, pack, swap)
    if swap is not None:
        drafts += _completion(world, command, swap, drafts)
    return tuple(drafts)


def _way(command: LegCommand) -> str:
    return IN if isinstance(command, RecordPackIn) else OUT


def _station_account(command: LegCommand) -> str:
    if command.slot:
        return slot_account(command.station_id, command.slot)
    return staged_account(command.station_id)


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


def _move_faults(world: World, command: LegCommand, pack: Pack, actor: Actor) -> list[RefusalCode]:
    """Tell why the custody table, or what stands in the slot, does not let the pack move so."""
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    is_in = isinstance(command, RecordPackIn)
    event = "pack_returned" if is_in else "pack_swapped_out"
    row = find_row(pack.account, event, "staged" if is_in and not command.slot else "")
    if isinstance(row, RefusalCode):
        return [row]
    in_slot = slot.pack_id if slot is not None and command.slot else ""
    charging = slot.session_id if slot is not None and command.slot else ""
    tests = (
        (not is_in and pack.account != _station_account(command), RefusalCode.WRONG_PLACE),
        (is_in and bool(in_slot), RefusalCode.SLOT_OCCUPIED),
        (bool(charging), RefusalCode.CHARGING_SESSION_OVERLAP),
    )
    faults = row_faults(row, actor, command.level, proven=pack.proven)
    return faults + [code for failed, code in tests if failed]


def _seen(world: World, command: LegCommand, pack: Pack, swap: Swap | None) -> list[Draft]:
    """Make the entries of what was seen: observation, custody, and what breaks a rule."""
    leg = Leg(
        pack_id=command.pack_id,
        station_id=command.station_id,
        slot=command.slot,
        driver_id=command.driver_id,
        swap_id=command.swap_id,
        soc_bp=command.soc_bp,
        soh_bp=command.soh_bp,
        level=command.level,
    )
    events: list[Event] = []
    if isinstance(command, RecordPackIn):
        report: LegReported = SwapInReported(**_reported(command))
        came = returned(world, leg)
        events.append(came)
        if came.driver_id != command.driver_id:
            events.append(_mix_up(command, came))
        elif swap is not None and pack.pack_class != swap.pack_class:
            events.append(_case("PACK_MIXUP", command, "the pack is of another class"))
    else:
        report = SwapOutReported(**_reported(command))
        if command.soc_bp is not None:
            reading = true_up(pack, command.soc_bp, command.soh_bp)
            events += [reading] if reading.delta_wh else []
        events.append(swapped_out(world, leg))
        if is_stopped(pack, "no_swap_out", command.occurred_at):
            events.append(_case("HOLD_VIOLATION", command, "the pack went out under a hold"))
    if swap is None:
        count = 1 if isinstance(command, RecordPackOut) else -1
        debt = Debt(command.driver_id, pack.pack_class, count)
        events.append(_case("UNAUTHORISED_SWAP", command, "no swap waits for it", (debt,)))
    at, name = command.occurred_at, command.swap_id
    first = Draft(report, occurred_at=at, observed=command.observed, correlation_id=name)
    return [
        first,
        *(Draft(event, occurred_at=at, after=(0,), correlation_id=name) for event in events),
    ]


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
    }


def _case(
    case_type: str, command: LegCommand, reason: str, vector: tuple[Debt, ...] = ()
) -> CaseOpened:
    seed = key_of(command.swap_id, command.pack_id, str(command.occurred_at))
    subjects = (command.pack_id, command.station_id, command.driver_id)
    return opened(case_type, seed, subjects, reason, vector)


def _mix_up(command: LegCommand, came: PackReturned) -> CaseOpened:
    vector = (
        Debt(command.driver_id, came.pack_class, 1),
        Debt(came.driver_id, came.pack_class, -1),
    )
    return _case("PACK_MIXUP", command, "another driver held the pack", vector)


def _completion(world: World, command: LegCommand, swap: Swap, seen: list[Draft]) -> list[Draft]:
    """Make what follows when this leg is the last one that the swap waits for."""
    pack = world.need(PACKS, command.pack_id)
    index, moved = next(
        (at, draft.event)
        for at, draft in enumerate(seen)
        if isinstance(draft.event, PackReturned | PackSwappedOut)
    )
    causes = tuple(leg.position for leg in (*swap.legs_in, *swap.legs_out))
    clock = command.observed.clock
    whole = swap.with_leg(_way(command), leg_of(moved, pack, command.occurred_at))
    whole = whole.with_clock(clock.quality, clock.uncertainty_us)
    if not whole.is_met():
        return []
    done: list[Event] = [SwapCompleted(**whole.facts(command.station_id))]
    booking = world.get(BOOKINGS, swap.booking_id)
    if booking is not None and booking.may("booking_fulfilled"):
        done.append(BookingFulfilled(booking_id=booking.booking_id, swap_id=swap.swap_id))
    case = world.get(CASES, case_id_of("HALF_SWAP", swap.swap_id))
    if case is not None and case.is_open:
        done.append(CaseResolved(case_id=case.case_id, resolution="the swap was completed"))
    done += _entitlement(world, swap, pack)
    at, name = command.occurred_at, swap.swap_id
    return [
        Draft(event, occurred_at=at, after=(index,), causes=causes, correlation_id=name)
        for event in done
    ]


def _entitlement(world: World, swap: Swap, pack: Pack) -> list[Event]:
    """A hand-out raises what a driver may keep, if that is too little; a return lowers it."""
    row = world.get(DRIVER_PACKS, key_of(swap.driver_id, pack.pack_class))
    packs = row or DriverPacks(swap.driver_id, pack.pack_class)
    match swap.swap_kind:
        case "HANDOUT":
            count = max(packs.entitled, packs.held + 1)
        case "RETURN":
            count = max(packs.entitled - swap.count, 0)
        case _:
            return []
    if count == packs.entitled:
        return []
    return [
        PackEntitlementSet(
            driver_id=swap.driver_id,
            pack_class=pack.pack_class,
            count=count,
            contract_id=swap.contract_id,
        )
    ]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LegEvent, _stamp: Stamp) -> None:
    """Keep for the swap how sure the time of its legs is."""
    swap = world.get(SWAPS, event.swap_id)
    way = IN if isinstance(event, SwapInReported) else OUT
    if swap is not None and swap.takes(way, event.driver_id, event.station_id):
        swap = swap.with_clock(event.clock_quality, event.clock_uncertainty_us)
        world.put(SWAPS, event.swap_id, swap)


def postings(_event: LegEvent) -> tuple[Posting, ...]:
    """An observation moves nothing."""
    return ()
