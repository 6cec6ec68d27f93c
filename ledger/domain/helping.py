"""Helping: what a driver can do about a swap that does not go as it should.

While no pack has moved he can stop it. Later he has the slot opened again; where a pack is owed to
him, at any station. Whatever else went wrong is a case.
"""

from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, case_id_of, opened
from ledger.domain.claims import booking_rows
from ledger.domain.custody import PACKS
from ledger.domain.saga import OUT, SWAPS, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.swap import STOPPED, SwapExpired
from ledger.domain.transitions import Family, place_of
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Swap], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

CALLED = "DRIVER_CALLED"
REOPENED_MAX = 5
"""Policy: so often a slot is opened again in one swap; then a person must look."""

_AT_ONE_STATION = frozenset({"HALF_IN", "HALF_OUT"})
_OWED = "OUT_TIMED_OUT"
_ANYBODY = frozenset({"driver", "station", "operator", "support"})

# Commands ---------------------------------------------------------------------


class StopSwap(Command):
    """The driver wants no swap any more; only while no pack has moved."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    swap_id: str


class CallForHelp(Command):
    """A driver is stuck in a swap, with a pack on its way: a person must look at once."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    swap_id: str


class ReopenSlot(Command):
    """The station shall open again: the slot that is waited for, or one with a pack he is owed."""

    roles: ClassVar[frozenset[str]] = _ANYBODY

    swap_id: str
    station_id: str


HelpingCommand = StopSwap | CallForHelp | ReopenSlot

# Events -----------------------------------------------------------------------


class SlotReopened(Event):
    """A station was told to open; `slot` is empty where it chooses itself."""

    kind: ClassVar[str] = "swap_slot_reopened"

    swap_id: str
    station_id: str
    driver_id: str
    slot: str = ""


HelpingEvent = SlotReopened

# touches ----------------------------------------------------------------------


def touches(command: HelpingCommand) -> Keys:
    """Read the swap, and the station that shall open."""
    swap = touch(SWAPS, command.swap_id)
    match command:
        case StopSwap():
            return (swap,)
        case CallForHelp():
            return swap, touch(CASES, help_case_of(command.swap_id))
        case ReopenSlot():
            return swap, touch(STATIONS, command.station_id)
        case _ as unknown:
            assert_never(unknown)


def help_case_of(swap_id: str) -> str:
    """Name the case of a driver who called in the middle of a swap."""
    return case_id_of(CALLED, swap_id)


def follows(world: World, command: HelpingCommand) -> Keys:
    """Read where the packs stand that are offered, and the booking that a stop may end."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return ()
    if isinstance(command, StopSwap):
        # what follows from a swap that ended (runtime/reactions_bookings.py) reads these
        return booking_rows(world, swap.booking_id)
    if isinstance(command, CallForHelp):
        return ()
    return tuple(touch(PACKS, pack_id) for pack_id in swap.pack_ids)


# decide -----------------------------------------------------------------------


def decide(world: World, command: HelpingCommand, request: Request) -> Outcome:
    """Stop what has not begun; open again what is waited for."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    facts = {"swap": swap.swap_id, "stage": swap.stage}
    match command:
        case StopSwap():
            faults = _common(swap, request.actor, may=swap.may(SwapExpired.kind))
            if faults:
                return refused(faults, dict(facts))
            stopped = SwapExpired(swap_id=swap.swap_id, reason=STOPPED)
            return (Draft(stopped, correlation_id=swap.swap_id),)
        case CallForHelp():
            faults = _common(swap, request.actor, may=True)
            if faults:
                return refused(faults, dict(facts))
            return _called(world, swap)
        case ReopenSlot():
            faults = _reopening_faults(world, command, swap, request.actor)
            if faults:
                return refused(faults, {**facts, "station": command.station_id[:40]})
            event = SlotReopened(
                swap_id=swap.swap_id,
                station_id=command.station_id,
                driver_id=swap.driver_id,
                slot=_slot(world, swap, command.station_id),
            )
            return (Draft(event, correlation_id=swap.swap_id),)
        case _ as unknown:
            assert_never(unknown)


def _common(swap: Swap, actor: Actor, *, may: bool) -> list[RefusalCode]:
    another = actor.role == "driver" and actor.id != swap.driver_id
    tests = ((not may, RefusalCode.SWAP_STAGE), (another, RefusalCode.SWAP_OF_ANOTHER_DRIVER))
    return [code for failed, code in tests if failed]


def _called(world: World, swap: Swap) -> tuple[Draft, ...]:
    """Open the case once; whoever calls again has it already."""
    if world.get(CASES, help_case_of(swap.swap_id)) is not None:
        return ()
    subjects = (swap.swap_id, swap.driver_id, swap.station_id)
    event = opened(CALLED, swap.swap_id, subjects, "the driver called in the middle of a swap")
    return (Draft(event, correlation_id=swap.swap_id),)


def _reopening_faults(
    world: World, command: ReopenSlot, swap: Swap, actor: Actor
) -> list[RefusalCode]:
    station = world.get(STATIONS, command.station_id)
    away = command.station_id != swap.station_id and swap.stage != _OWED
    tests = (
        (station is None, RefusalCode.STATION_UNKNOWN),
        (station is not None and not station.in_service, RefusalCode.STATION_NOT_IN_SERVICE),
        (away, RefusalCode.WRONG_PLACE),
        (swap.reopened >= REOPENED_MAX, RefusalCode.REOPENED_TOO_OFTEN),
    )
    faults = _common(swap, actor, may=swap.stage in _AT_ONE_STATION or swap.stage == _OWED)
    return faults + [code for failed, code in tests if failed]


def _slot(world: World, swap: Swap, station_id: str) -> str:
    """Give the slot that is waited for: of the next pack out, or the one opened for a pack in."""
    if len(swap.legs_out) < swap.expects(OUT):
        gone = {leg.pack_id for leg in swap.legs_out}
        for pack_id in swap.pack_ids:
            pack = world.get(PACKS, pack_id)
            family, ids = place_of(pack.account) if pack is not None else ("", ())
            if pack_id not in gone and family is Family.SLT and ids[0] == station_id:
                return ids[1]
        return ""
    return next(iter(swap.open_slots[len(swap.legs_in) :]), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HelpingEvent, stamp: Stamp) -> None:
    """Give the driver his time again."""
    row = world.need(SWAPS, event.swap_id)
    row = replace(row, since_at=stamp.recorded_at, reopened=row.reopened + 1)
    world.put(SWAPS, event.swap_id, row)
    set_timer(world, "swap", event.swap_id, row.due_at)


def postings(_event: HelpingEvent) -> tuple[Posting, ...]:
    """Opening a slot moves nothing."""
    return ()
