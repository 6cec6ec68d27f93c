"""Swaps: what becomes of a swap that was allowed: it is waited for, given up, closed, or whole.

Asking for one is in `asking.py`. The packs that come and go are recorded by `legs.py`, which also
ends a swap that its last pack makes whole (`ended`). A half swap is a state of the world and ends
in a case, never in an error.
"""

from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.cases import CASES, case_id_of, opened
from ledger.domain.claims import booking_rows
from ledger.domain.custody import PACKS, PackReturned, PackSwappedOut
from ledger.domain.saga import IN, OUT, SWAPS, PackLeg, Swap, leg_of, move_on
from ledger.domain.stand_ins import days_of, stand_in_rows, stand_ins_after
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import TIMERS, set_timer
from ledger.domain.world import Keys, Stamp, World, touch
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (SWAPS, TIMERS)
FOLDS: tuple[type[Event], ...] = (PackReturned, PackSwappedOut)

TAKEN_BACK = "taken back"
"""How a swap is closed whose driver took his own pack again: nothing was swapped."""

NOTHING_CAME, STOPPED, UNANSWERED = "", "stopped", "unanswered"
EXPIRY_REASONS = frozenset({NOTHING_CAME, STOPPED, UNANSWERED})
"""Why a swap ended before a pack moved: no pack came, he stopped, the station did not answer."""

_STAFF = frozenset({"station", "operator", "system"})

# Commands ---------------------------------------------------------------------


class TimeOutSwap(Command):
    """The time for the next pack is over: a station says so, or the ledger waited long enough."""

    roles: ClassVar[frozenset[str]] = _STAFF

    swap_id: str
    occurred_at: int = 0


class CloseSwapIncomplete(Command):
    """Two persons close a half swap as it is; what it left open stays a case."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "support"})
    needs_second_person: ClassVar[bool] = True

    swap_id: str
    resolution: str


SwapCommand = TimeOutSwap | CloseSwapIncomplete

# Events -----------------------------------------------------------------------


class SwapStep(Event):
    """What every step of a swap tells."""

    swap_id: str


class SwapExpired(SwapStep):
    """Nothing was put in and nothing taken; `reason` is one of `EXPIRY_REASONS`."""

    kind: ClassVar[str] = "swap_expired"

    reason: str = ""


class SwapOutTimedOut(SwapStep):
    """A pack came in and none went out: a pack is owed to the driver."""

    kind: ClassVar[str] = "swap_out_timed_out"

    driver_id: str
    station_id: str


class SwapInTimedOut(SwapStep):
    """A pack went out and none came in: the driver owes a pack."""

    kind: ClassVar[str] = "swap_in_timed_out"

    driver_id: str
    station_id: str


class SwapFacts(SwapStep, kw_only=True):
    """What a bill needs to know of a swap that ended.

    `out_at` is the price time (us): when the last pack went out, or came in where none went out.
    `energy_wh` is what was stored in the packs out less the packs in; `capacity_wh` is the nominal
    energy of all of them; `class_days` are the days of better packs that he had asked for and has
    brought back. `level` is the lowest evidence level, the clock the worst of its legs. A booking
    that was kept had locked the prices of `price_at` (us), as published below `price_position`.
    """

    driver_id: str
    station_id: str
    swap_kind: str
    pack_class: str
    out_at: int
    energy_wh: int
    level: int
    legs_in: tuple[PackLeg, ...] = ()
    legs_out: tuple[PackLeg, ...] = ()
    booking_id: str = ""
    contract_id: str = ""
    capacity_wh: int = 0
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    class_days: int = 0
    price_at: int = 0
    price_position: int = 0


class SwapCompleted(SwapFacts):
    """All packs moved."""

    kind: ClassVar[str] = "swap_completed"


class SwapClosedIncomplete(SwapFacts, kw_only=True):
    """Two persons closed a half swap, or its driver took his own pack back."""

    kind: ClassVar[str] = "swap_closed_incomplete"

    resolution: str


SwapEnd = SwapCompleted | SwapClosedIncomplete
SwapEvent = SwapExpired | SwapOutTimedOut | SwapInTimedOut | SwapCompleted | SwapClosedIncomplete

# touches ----------------------------------------------------------------------


def touches(command: SwapCommand) -> Keys:
    """Read the swap and the case it may have become."""
    return touch(SWAPS, command.swap_id), touch(CASES, half_swap_of(command.swap_id))


def follows(world: World, command: SwapCommand) -> Keys:
    """Read the booking that the swap answers, and what it is about."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return ()
    stand_ins = stand_in_rows(world, swap)
    return touch(STATIONS, swap.station_id), *booking_rows(world, swap.booking_id), *stand_ins


def half_swap_of(swap_id: str) -> str:
    """Name the case that a swap may become."""
    return case_id_of("HALF_SWAP", swap_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: SwapCommand, request: Request) -> Outcome:
    """Give up or close a swap as its table says."""
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    match command:
        case TimeOutSwap():
            return _time_out(world, command, swap, request)
        case CloseSwapIncomplete():
            return _close(world, command, swap)
        case _ as unknown:
            assert_never(unknown)


def _time_out(world: World, command: TimeOutSwap, swap: Swap, request: Request) -> Outcome:
    faults = _time_faults(swap, request.actor, request.at)
    if faults:
        return Refusal(faults[0], {"swap": swap.swap_id, "stage": swap.stage})
    at = command.occurred_at
    if swap.may("swap_expired"):
        why = UNANSWERED if swap.stage == "REQUESTED" else NOTHING_CAME
        return (_step(swap, SwapExpired(swap_id=swap.swap_id, reason=why), occurred_at=at),)
    if swap.legs_in and swap.legs_out and not swap.balance():
        # as many packs went as had come: fewer than were asked for, and nobody owes any
        changes = stand_ins_after(world, swap)
        whole = ended(replace(swap, class_days=days_of(changes)), swap.station_id)
        return (
            _step(swap, whole, occurred_at=at),
            *(_step(swap, event, occurred_at=at, after=(0,)) for event in changes),
        )
    late = SwapOutTimedOut if swap.may("swap_out_timed_out") else SwapInTimedOut
    event = late(swap_id=swap.swap_id, driver_id=swap.driver_id, station_id=swap.station_id)
    return (
        _step(swap, _half_swap(swap), occurred_at=at),
        _step(swap, event, occurred_at=at, after=(0,)),
    )


def _time_faults(swap: Swap, actor: Actor, at: int) -> list[RefusalCode]:
    """Tell why a swap does not time out: it waits for nothing, or, by our own clock, not yet."""
    late = ("swap_expired", "swap_out_timed_out", "swap_in_timed_out")
    if swap.due_at == 0 or not any(swap.may(kind) for kind in late):
        return [RefusalCode.SWAP_STAGE]
    early = actor.role == "system" and at < swap.due_at
    return [RefusalCode.NOT_DUE] if early else []


def _half_swap(swap: Swap) -> Event:
    subjects = (swap.swap_id, swap.driver_id, swap.station_id)
    return opened("HALF_SWAP", swap.swap_id, subjects, "packs do not balance", swap.balance())


def _close(world: World, command: CloseSwapIncomplete, swap: Swap) -> Outcome:
    if not swap.may("swap_closed_incomplete"):
        return Refusal(RefusalCode.SWAP_STAGE, {"swap": swap.swap_id, "stage": swap.stage})
    changes = stand_ins_after(world, swap)
    facts = replace(swap, class_days=days_of(changes)).facts(swap.station_id)
    drafts = [_step(swap, SwapClosedIncomplete(**facts, resolution=command.resolution))]
    drafts += [_step(swap, event, after=(0,)) for event in changes]
    if not swap.has_case and swap.balance():
        drafts.append(_step(swap, _half_swap(swap), after=(0,)))
    return tuple(drafts)


def ended(swap: Swap, station_id: str) -> SwapEnd:
    """Make the end of a swap whose packs balance: whole, or void where he took his own back."""
    facts = swap.facts(station_id)
    if swap.is_void and swap.swap_kind != "STAY":
        return SwapClosedIncomplete(**facts, resolution=TAKEN_BACK)
    return SwapCompleted(**facts)


def _step(swap: Swap, event: Event, *, occurred_at: int = 0, after: tuple[int, ...] = ()) -> Draft:
    return Draft(event, occurred_at=occurred_at, after=after, correlation_id=swap.swap_id)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SwapEvent | PackReturned | PackSwappedOut, stamp: Stamp) -> None:
    """Move the swap on; packs that come and go count where they belong to it."""
    match event:
        case PackReturned() | PackSwappedOut():
            if event.swap_id:
                _fold_leg(world, event, stamp)
        case SwapOutTimedOut() | SwapInTimedOut():
            row = move_on(world, event.swap_id, event.kind, stamp.recorded_at)
            _keep(world, replace(row, has_case=True), row.swap_id)
        case SwapExpired() | SwapCompleted() | SwapClosedIncomplete():
            told = {} if isinstance(event, SwapExpired) else _ended_with(event)
            row = move_on(world, event.swap_id, event.kind, stamp.recorded_at, **told)
            if row.has_case:
                _keep(world, row, "")
        case _ as unknown:
            assert_never(unknown)


def _ended_with(event: SwapFacts) -> dict[str, int]:
    return {
        "class_days": event.class_days,
        "price_at": event.price_at,
        "price_position": event.price_position,
    }


def _keep(world: World, row: Swap, waits_for: str) -> None:
    """Keep a swap with its case, which says of the packs what the swap does while it is open."""
    world.put(SWAPS, row.swap_id, row)
    set_timer(world, "swap", row.swap_id, row.due_at)
    case = world.need(CASES, half_swap_of(row.swap_id))
    vector = row.balance() if waits_for else case.vector
    world.put(CASES, case.case_id, replace(case, vector=vector, swap_id=waits_for))


def _fold_leg(world: World, event: PackReturned | PackSwappedOut, stamp: Stamp) -> None:
    row = world.get(SWAPS, event.swap_id)
    way, person = OUT, event.driver_id
    if isinstance(event, PackReturned):
        way, person = IN, event.presenter_id
    if row is None or not row.takes(way, person, event.station_id):
        return
    pack = world.need(PACKS, event.pack_id)
    row = row.with_leg(way, leg_of(event, pack, stamp.occurred_at, stamp.position))
    row = replace(row, since_at=stamp.recorded_at)
    if row.has_case:
        _keep(world, row, row.swap_id)
    else:
        world.put(SWAPS, row.swap_id, row)
        set_timer(world, "swap", row.swap_id, row.due_at)


def postings(_event: SwapEvent) -> tuple[Posting, ...]:
    """The legs move packs and energy, the bill moves money; a saga moves nothing."""
    return ()
