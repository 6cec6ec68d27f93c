"""Asking: a driver wants a swap, the station offers packs, the ledger allows or refuses it.

What happens to a swap that was allowed is in `legs.py` and `swap.py`.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import asdict

from ledger.domain.access import refused
from ledger.domain.blocks import block_row, reasons_of
from ledger.domain.booking import BookingPresented
from ledger.domain.claims import BOOKINGS, Booking, booking_rows, claim_faults, stand_in_rows
from ledger.domain.classes import stand_in_row, stands_in
from ledger.domain.custody import DRIVER_PACKS, PACKS, DriverPacks
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.pinning import PackAllocated
from ledger.domain.saga import (
    KINDS,
    ORDERS,
    PACKS_MAX,
    STATION_REASONS,
    SWAPS,
    USED_CODES,
    Swap,
    UsedCode,
    failed_terms,
    move_on,
)
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (USED_CODES,)
FOLDS: tuple[type[Event], ...] = ()

LANES_MAX = 99
OPEN_SLOTS_MAX = 8

_STAFF = frozenset({"station", "operator", "system"})

# Commands ---------------------------------------------------------------------


def swap_id_of(station_id: str, boot: str, request: str) -> str:
    """Name the swap that always belongs to a station's request; a restart begins new names."""
    return derived_id("SW", station_id, boot, request)


class RequestSwap(Command):
    """A driver wants to swap `count` packs of a class at a station, perhaps by his booking.

    `own_class` is that of the packs he brings, or has a contract for, where he wants another one:
    a better one, or back from it. `code_id` is the check-in code that he showed, good for one swap;
    `lane` where he stands, 0 where the station has no lanes.
    """

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
    own_class: str = ""
    code_id: str = ""
    lane: int = 0


class AuthoriseSwap(Command):
    """The station offers packs (none for a return or a stay); all of them must be eligible.

    Packs of a better class may be offered where the station has none of the class that is wanted.

    A station that was asked from afar still has to answer: `is_answered` False. `open_slots` are
    those that it has opened for what comes in.
    """

    roles: ClassVar[frozenset[str]] = _STAFF

    swap_id: str
    pack_ids: tuple[str, ...] = ()
    is_answered: bool = True
    open_slots: tuple[str, ...] = ()


class AnswerSwap(Command):
    """The station opens, or says why it will not, in words of `STATION_REASONS`."""

    roles: ClassVar[frozenset[str]] = _STAFF

    swap_id: str
    reasons: tuple[str, ...] = ()
    open_slots: tuple[str, ...] = ()


AskingCommand = RequestSwap | AuthoriseSwap | AnswerSwap

# Events -----------------------------------------------------------------------


class SwapRequested(Event):
    """A driver asked."""

    kind: ClassVar[str] = "swap_requested"

    swap_id: str
    driver_id: str
    station_id: str
    pack_class: str
    swap_kind: str
    order: str
    count: int
    booking_id: str = ""
    contract_id: str = ""
    vehicle_id: str = ""
    own_class: str = ""
    code_id: str = ""
    lane: int = 0


class SwapAuthorised(Event):
    """He may, and these packs are offered; `class_out` is theirs where it is not what he wants."""

    kind: ClassVar[str] = "swap_authorised"

    swap_id: str
    pack_ids: tuple[str, ...] = ()
    class_out: str = ""


class SwapAccepted(Event):
    """The station opens, and which slots, where it tells."""

    kind: ClassVar[str] = "swap_accepted"

    swap_id: str
    open_slots: tuple[str, ...] = ()


class SwapRefused(Event):
    """He may not; `reasons` are the names of all failed terms, in the order of testing."""

    kind: ClassVar[str] = "swap_refused"

    swap_id: str
    reasons: tuple[str, ...]


AskingEvent = SwapRequested | SwapAuthorised | SwapAccepted | SwapRefused

# touches ----------------------------------------------------------------------


def touches(command: AskingCommand) -> Keys:
    """Read the swap, who asks and where, and the packs that are offered."""
    swap = touch(SWAPS, command.swap_id)
    match command:
        case RequestSwap():
            return (
                swap,
                touch(PARTIES, command.driver_id),
                touch(STATIONS, command.station_id),
                touch(DRIVER_PACKS, command.driver_id, command.pack_class),
                *_class_rows(command),
                *([touch(USED_CODES, command.code_id)] if command.code_id else []),
                touch(BOOKINGS, command.booking_id),
                block_row(command.driver_id),
            )
        case AuthoriseSwap():
            return swap, *(touch(PACKS, pack_id) for pack_id in command.pack_ids)
        case AnswerSwap():
            return (swap,)
        case _ as unknown:
            assert_never(unknown)


def _class_rows(command: RequestSwap) -> Keys:
    own, wanted = command.own_class, command.pack_class
    if own in ("", wanted):
        return ()
    held = touch(DRIVER_PACKS, command.driver_id, own)
    return held, *stand_in_row(own, wanted), *stand_in_row(wanted, own)


def follows(world: World, command: AskingCommand) -> Keys:
    """Read the booking that a swap answers, and what it is about."""
    if isinstance(command, RequestSwap):
        return booking_rows(world, command.booking_id)
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return ()
    offered = command.pack_ids if isinstance(command, AuthoriseSwap) else ()
    return (
        touch(STATIONS, swap.station_id),
        *booking_rows(world, swap.booking_id),
        *stand_in_rows(world, offered, swap.pack_class),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: AskingCommand, request: Request) -> Outcome:
    """Take a request in; allow or refuse it as the packs and the station let it be."""
    if isinstance(command, RequestSwap):
        return _request(world, command, request.actor)
    swap = world.get(SWAPS, command.swap_id)
    if swap is None:
        return Refusal(RefusalCode.SWAP_UNKNOWN, {"swap": command.swap_id[:40]})
    match command:
        case AuthoriseSwap():
            return _authorise(world, command, swap, request.at)
        case AnswerSwap():
            return _answer(command, swap)
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
        (not _are_ids(command), RefusalCode.PACK_FIELD_INVALID),
        (world.get(SWAPS, command.swap_id) is not None, RefusalCode.SWAP_EXISTS),
        (another, RefusalCode.SWAP_OF_ANOTHER_DRIVER),
        (kinds is None or command.order not in ORDERS, RefusalCode.SWAP_KIND_INVALID),
        (not _may_change_class(world, command), RefusalCode.CLASS_MISMATCH),
        (command.count < 1, RefusalCode.SWAP_BALANCE),
        (_is_beyond(world, command), RefusalCode.ENTITLEMENT_EXCEEDED),
        (
            command.swap_kind != "RETURN" and bool(reasons_of(world, command.driver_id)),
            RefusalCode.DRIVER_BLOCKED,
        ),
        (_is_used(world, command.code_id), RefusalCode.CODE_USED),
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


def _are_ids(command: RequestSwap) -> bool:
    named = [command.pack_class, command.swap_id]
    named += [command.code_id] if command.code_id else []
    return all(map(is_id, named)) and 0 <= command.lane <= LANES_MAX


def _is_used(world: World, code_id: str) -> bool:
    return bool(code_id) and world.get(USED_CODES, code_id) is not None


def _may_change_class(world: World, command: RequestSwap) -> bool:
    """Tell whether one class stands in for the other, where a driver wants another than his own."""
    own, wanted = command.own_class, command.pack_class
    if own in ("", wanted):
        return True
    return (
        is_id(own)
        and command.swap_kind in ("EXCHANGE", "HANDOUT")
        and (stands_in(world, wanted, own) or stands_in(world, own, wanted))
    )


def _is_beyond(world: World, command: RequestSwap) -> bool:
    """Tell whether a driver asks for what is not his: he owes a pack, or has too few to bring."""
    own = command.own_class or command.pack_class
    row = world.get(DRIVER_PACKS, key_of(command.driver_id, own))
    packs = row or DriverPacks(command.driver_id, own)
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
    given = {world.need(PACKS, pack_id).pack_class for pack_id in command.pack_ids}
    better = "".join(given - {swap.pack_class})  # all offered packs are of one class
    allowed = SwapAuthorised(swap_id=swap.swap_id, pack_ids=command.pack_ids, class_out=better)
    drafts = [_step(swap, allowed)]
    if command.is_answered:
        opens = command.open_slots[:OPEN_SLOTS_MAX]
        accepted = SwapAccepted(swap_id=swap.swap_id, open_slots=opens)
        drafts.append(_step(swap, accepted, after=(0,)))
    booking = world.get(BOOKINGS, swap.booking_id)
    if booking is not None:
        came = _came(booking, command.pack_ids)
        drafts += [_step(swap, event, after=(0,)) for event in came]
    return tuple(drafts)


def _came(booking: Booking, pack_ids: tuple[str, ...]) -> list[Event]:
    """Make what a driver's coming does to his booking: at the latest now a pack is pinned to it."""
    if not booking.may("booking_presented"):
        return []
    wanted = booking.count - len(booking.pack_ids)
    free = [pack_id for pack_id in pack_ids if pack_id not in booking.pack_ids]
    events: list[Event] = [
        PackAllocated(booking_id=booking.booking_id, pack_id=pack_id) for pack_id in free[:wanted]
    ]
    return [*events, BookingPresented(booking_id=booking.booking_id)]


def _answer(command: AnswerSwap, swap: Swap) -> Outcome:
    event = SwapAccepted.kind if not command.reasons else SwapRefused.kind
    if not swap.may(event):
        return Refusal(RefusalCode.SWAP_STAGE, {"swap": swap.swap_id, "stage": swap.stage})
    if not command.reasons:
        opens = command.open_slots[:OPEN_SLOTS_MAX]
        return (_step(swap, SwapAccepted(swap_id=swap.swap_id, open_slots=opens)),)
    unknown = [reason for reason in command.reasons if reason not in STATION_REASONS]
    if unknown:
        return Refusal(RefusalCode.SWAP_KIND_INVALID, {"reason": unknown[0][:40]})
    codes = sorted({STATION_REASONS[reason] for reason in command.reasons})
    names = tuple(code.wire for code in codes)
    return (_step(swap, SwapRefused(swap_id=swap.swap_id, reasons=names)),)


def _step(swap: Swap, event: Event, *, after: tuple[int, ...] = ()) -> Draft:
    return Draft(event, after=after, correlation_id=swap.swap_id)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AskingEvent, stamp: Stamp) -> None:
    """Begin the swap, or move it on."""
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
            since_at=stamp.recorded_at,
            own_class=event.own_class,
            order=event.order,
            lane=event.lane,
        )
        world.put(SWAPS, event.swap_id, row)
        set_timer(world, "swap", event.swap_id, row.due_at)
        if event.code_id:
            world.put(USED_CODES, event.code_id, UsedCode(event.swap_id))
    elif isinstance(event, SwapAuthorised):
        offered = {"pack_ids": event.pack_ids, "class_out": event.class_out}
        move_on(world, event.swap_id, event.kind, stamp.recorded_at, **offered)
    elif isinstance(event, SwapAccepted):
        opens = {"open_slots": event.open_slots}
        move_on(world, event.swap_id, event.kind, stamp.recorded_at, **opens)
    else:
        move_on(world, event.swap_id, event.kind, stamp.recorded_at)


def postings(_event: AskingEvent) -> tuple[Posting, ...]:
    """Asking moves nothing."""
    return ()
