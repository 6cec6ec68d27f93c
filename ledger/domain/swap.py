"""Swaps: a driver asks, the station offers packs, the ledger allows, waits, and gives up.

The packs that come and go are recorded by `legs.py`, which also completes a swap; here is what
happens around them. A half swap is a state of the world and ends in a case, never in an error.
"""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.booking import BookingPresented
from ledger.domain.cases import opened
from ledger.domain.claims import BOOKINGS, booking_rows, claim_faults
from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    DriverPacks,
    PackReturned,
    PackSwappedOut,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.saga import (
    IN,
    KINDS,
    ORDERS,
    OUT,
    PACKS_MAX,
    STAGES,
    SWAPS,
    PackLeg,
    Swap,
    failed_terms,
    leg_of,
)
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (SWAPS,)
FOLDS: tuple[type[Event], ...] = (PackReturned, PackSwappedOut)

_STAFF = frozenset({"station", "operator", "system"})

# Commands ---------------------------------------------------------------------


def swap_id_of(station_id: str, boot: str, request: str) -> str:
    """Name the swap that always belongs to a station's request; a restart begins new names."""
    return derived_id("SW", station_id, boot, request)


class RequestSwap(Command):
    """A driver wants to swap `count` packs of a class at a station, perhaps by his booking."""

    roles: ClassVar[frozenset[str]] = _STAFF | {"driver", "support"}

    swap_id: str
    driver_id: str
    station_id: str
    pack_class: str
    swap_kind: str = "EXCHANGE"
    order: str = "In-Out"
    count: int = 1
    booking_id: str = ""
    contract_id: str = ""
    vehicle_id: str = ""


class AuthoriseSwap(Command):
    """The station offers packs (none for a return); all of them must be eligible."""

    roles: ClassVar[frozenset[str]] = _STAFF

    swap_id: str
    pack_ids: tuple[str, ...] = ()


class TimeOutSwap(Command):
    """The station's time for the next pack is over, with its grace."""

    roles: ClassVar[frozenset[str]] = _STAFF

    swap_id: str
    occurred_at: int = 0


class CloseSwapIncomplete(Command):
    """Two persons close a half swap as it is; what it left open stays a case."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "support"})
    needs_second_person: ClassVar[bool] = True

    swap_id: str
    resolution: str


SwapCommand = RequestSwap | AuthoriseSwap | TimeOutSwap | CloseSwapIncomplete

# Events -----------------------------------------------------------------------


class SwapStep(Event):
    """What every step of a swap tells."""

    swap_id: str


class SwapRequested(SwapStep):
    """A driver asked."""

    kind: ClassVar[str] = "swap_requested"

    driver_id: str
    station_id: str
    pack_class: str
    swap_kind: str
    order: str
    count: int
    booking_id: str = ""
    contract_id: str = ""
    vehicle_id: str = ""


class SwapAuthorised(SwapStep):
    """He may, and these packs are offered."""

    kind: ClassVar[str] = "swap_authorised"

    pack_ids: tuple[str, ...] = ()


class SwapAccepted(SwapStep):
    """The station opens."""

    kind: ClassVar[str] = "swap_accepted"


class SwapRefused(SwapStep):
    """He may not; `reasons` are the names of all failed terms, in the order of testing."""

    kind: ClassVar[str] = "swap_refused"

    reasons: tuple[str, ...]


class SwapExpired(SwapStep):
    """Nothing was put in and nothing taken."""

    kind: ClassVar[str] = "swap_expired"


class SwapOutTimedOut(SwapStep):
    """A pack came in and none went out: a pack is owed to the driver."""

    kind: ClassVar[str] = "swap_out_timed_out"

    driver_id: str
    station_id: str


class SwapFacts(SwapStep, kw_only=True):
    """What a bill needs to know of a swap that ended.

    `out_at` is the price time (us): when the last pack went out, or came in where none went out.
    `energy_wh` is what was stored in the packs out less the packs in; `capacity_wh` is the nominal
    energy of all of them. `level` is the lowest evidence level, the clock the worst of its legs.
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


class SwapCompleted(SwapFacts):
    """All packs moved."""

    kind: ClassVar[str] = "swap_completed"


class SwapClosedIncomplete(SwapFacts, kw_only=True):
    """Two persons closed a half swap."""

    kind: ClassVar[str] = "swap_closed_incomplete"

    resolution: str


SwapEvent = (
    SwapRequested
    | SwapAuthorised
    | SwapAccepted
    | SwapRefused
    | SwapExpired
    | SwapOutTimedOut
    | SwapCompleted
    | SwapClosedIncomplete
)

# touches ----------------------------------------------------------------------


def touches(command: SwapCommand) -> Keys:
    """Read the swap, who asks and where, and the packs that are offered."""
    swap = touch(SWAPS, command.swap_id)
    match command:
        case RequestSwap():
            return (
                swap,
                touch(PARTIES, command.driver_id),
                touch(STATIONS, command.station_id),
                touch(DRIVER_PACKS, command.driver_id, command.pack_class),
                touch(BOOKINGS, command.booking_id),
            )
        case AuthoriseSwap():
            return swap, *(touch(PACKS, pack_id) for pack_id in command.pack_ids)
        case _:
            return (swap,)


def follows(world: World, command: SwapCommand) -> Keys:
    """Read the booking that a swap answers, and what it is about."""
    if isinstance(command, RequestSwap):
        return booking_rows(world, command.booking_id)
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return ()
    return touch(STATIONS, swap.station_id), *booking_rows(world, swap.booking_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: SwapCommand, request: Request) -> Outcome:
    """Take a request in; allow, give up or close a swap as its table says."""
    if isinstance(command, RequestSwap):
        return _request(world, command, request.actor)
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    match command:
        case AuthoriseSwap():
            return _authorise(world, command, swap, request.at)
        case TimeOutSwap():
            return _time_out(command, swap)
        case CloseSwapIncomplete():
            return _close(command, swap)
        case _ as unknown:
            assert_never(unknown)


def _request(world: World, command: RequestSwap, actor: Actor) -> Outcome:
    station = world.get(STATIONS, command.station_id)
    kinds = KINDS.get(command.swap_kind)
    another = actor.role == "driver" and actor.id != command.driver_id
    tests = (
        (station is None, RefusalCode.STATION_UNKNOWN),
        (station is not None and not station.in_service, RefusalCode.STATION_NOT_IN_SERVICE),
        (command.count > PACKS_MAX, RefusalCode.TOO_MANY_PACKS),
        (
            not (is_id(command.pack_class) and is_id(command.swap_id)),
            RefusalCode.PACK_FIELD_INVALID,
        ),
        (world.get(SWAPS, command.swap_id) is not None, RefusalCode.SWAP_EXISTS),
        (another, RefusalCode.SWAP_OF_ANOTHER_DRIVER),
        (kinds is None or command.order not in ORDERS, RefusalCode.SWAP_KIND_INVALID),
        (command.count < 1, RefusalCode.SWAP_BALANCE),
        (_is_beyond(world, command), RefusalCode.ENTITLEMENT_EXCEEDED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    if command.booking_id:
        booking = world.get(BOOKINGS, command.booking_id)
        wish = (command.driver_id, command.station_id, command.pack_class)
        faults += claim_faults(booking, *wish)
    if faults:
        return refused(faults, {"swap": command.swap_id[:40], "station": command.station_id[:40]})
    return (Draft(SwapRequested(**asdict(command)), correlation_id=command.swap_id),)


def _is_beyond(world: World, command: RequestSwap) -> bool:
    """Tell whether a driver asks for what is not his: he owes a pack, or has too few to bring."""
    row = world.get(DRIVER_PACKS, key_of(command.driver_id, command.pack_class))
    packs = row or DriverPacks(command.driver_id, command.pack_class)
    if command.swap_kind == "HANDOUT":
        return packs.deviation > 0
    return packs.held < command.count


def _authorise(world: World, command: AuthoriseSwap, swap: Swap, at: int) -> Outcome:
    if not swap.may("swap_authorised"):
        return Refusal(RefusalCode.SWAP_STAGE, {"swap": swap.swap_id, "stage": swap.stage})
    reasons = failed_terms(world, swap, command.pack_ids, at)
    if reasons:
        names = tuple(code.wire for code in reasons)
        return (_step(swap, SwapRefused(swap_id=swap.swap_id, reasons=names)),)
    drafts = [
        _step(swap, SwapAuthorised(swap_id=swap.swap_id, pack_ids=command.pack_ids)),
        _step(swap, SwapAccepted(swap_id=swap.swap_id), after=(0,)),
    ]
    booking = world.get(BOOKINGS, swap.booking_id)
    if booking is not None and booking.may("booking_presented"):
        came = BookingPresented(booking_id=booking.booking_id)
        drafts.append(_step(swap, came, after=(0,)))
    return tuple(drafts)


def _step(swap: Swap, event: Event, *, occurred_at: int = 0, after: tuple[int, ...] = ()) -> Draft:
    return Draft(event, occurred_at=occurred_at, after=after, correlation_id=swap.swap_id)


def _time_out(command: TimeOutSwap, swap: Swap) -> Outcome:
    at = command.occurred_at
    if swap.may("swap_expired"):
        return (_step(swap, SwapExpired(swap_id=swap.swap_id), occurred_at=at),)
    if not swap.may("swap_out_timed_out"):
        return Refusal(RefusalCode.SWAP_STAGE, {"swap": swap.swap_id, "stage": swap.stage})
    event = SwapOutTimedOut(
        swap_id=swap.swap_id, driver_id=swap.driver_id, station_id=swap.station_id
    )
    return (
        _step(swap, event, occurred_at=at),
        _step(swap, _half_swap(swap), occurred_at=at, after=(0,)),
    )


def _half_swap(swap: Swap) -> Event:
    subjects = (swap.swap_id, swap.driver_id, swap.station_id)
    return opened("HALF_SWAP", swap.swap_id, subjects, "packs do not balance", swap.balance())


def _close(command: CloseSwapIncomplete, swap: Swap) -> Outcome:
    if not swap.may("swap_closed_incomplete"):
        return Refusal(RefusalCode.SWAP_STAGE, {"swap": swap.swap_id, "stage": swap.stage})
    facts = swap.facts(swap.station_id)
    drafts = [_step(swap, SwapClosedIncomplete(**facts, resolution=command.resolution))]
    if swap.stage != "OUT_TIMED_OUT" and swap.balance():
        drafts.append(_step(swap, _half_swap(swap), after=(0,)))
    return tuple(drafts)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SwapEvent | PackReturned | PackSwappedOut, stamp: Stamp) -> None:
    """Move the swap on; packs that come and go count where they belong to it."""
    if isinstance(event, PackReturned | PackSwappedOut):
        if event.swap_id:
            _fold_leg(world, event, stamp)
        return
    if isinstance(event, SwapRequested):
        row = Swap(
            swap_id=event.swap_id,
            driver_id=event.driver_id,
            station_id=event.station_id,
            swap_kind=event.swap_kind,
            pack_class=event.pack_class,
            count=event.count,
            booking_id=event.booking_id,
            contract_id=event.contract_id,
            vehicle_id=event.vehicle_id,
        )
    else:
        row = world.need(SWAPS, event.swap_id)
        offered = event.pack_ids if isinstance(event, SwapAuthorised) else row.pack_ids
        row = replace(row, stage=STAGES[row.stage, event.kind], pack_ids=offered)
    world.put(SWAPS, event.swap_id, row)


def _fold_leg(world: World, event: PackReturned | PackSwappedOut, stamp: Stamp) -> None:
    row = world.get(SWAPS, event.swap_id)
    way, person = OUT, event.driver_id
    if isinstance(event, PackReturned):
        way, person = IN, event.presenter_id
    if row is not None and row.takes(way, person, event.station_id):
        pack = world.need(PACKS, event.pack_id)
        row = row.with_leg(way, leg_of(event, pack, stamp.occurred_at, stamp.position))
        world.put(SWAPS, event.swap_id, row)


def postings(_event: SwapEvent) -> tuple[Posting, ...]:
    """The legs move packs and energy, the bill moves money; a saga moves nothing."""
    return ()
