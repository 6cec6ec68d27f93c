"""Pinning: which packs a booking will get, decided late, and others where one drops out.

A pack is pinned to at most one booking, and a pin ends once: with the booking, or when another pack
takes its place. Whatever makes a pinned pack unfit (a hold, its health, its leaving) asks
`ReviewPins` in the same command: a spare one is pinned instead, or the booking fails.
"""

from typing import ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.booking import step_faults
from ledger.domain.booking_ends import failed_booking
from ledger.domain.claims import BOOKINGS, Booking, advance, booking_rows, stand_in_rows
from ledger.domain.classes import stands_in
from ledger.domain.custody import PACKS
from ledger.domain.eligibility import eligible
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Booking], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

SPARES_MAX = 8
"""Packs that are remembered as spare for one booking."""

_STAFF = frozenset({"station", "operator", "system"})

# Commands ---------------------------------------------------------------------


class AllocatePack(Command):
    """Pin a pack to a booking that needs one, from a quarter of an hour before its window.

    `spare_pack_ids` are those that may be pinned instead when it can be handed out no more.
    """

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    pack_id: str
    spare_pack_ids: tuple[str, ...] = ()


class ReplaceAllocation(Command):
    """Pin another pack, as good or better, instead of `from_pack_id` (empty: the first one)."""

    roles: ClassVar[frozenset[str]] = _STAFF

    booking_id: str
    pack_id: str
    reason: str
    from_pack_id: str = ""


class ReviewPins(Command):
    """Look whether the pinned packs can still be handed out; answers a fact, so never refused."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    booking_id: str


PinningCommand = AllocatePack | ReplaceAllocation | ReviewPins

# Events -----------------------------------------------------------------------


class PackAllocated(Event):
    """A pack is pinned to the booking."""

    kind: ClassVar[str] = "pack_allocated"

    booking_id: str
    pack_id: str
    spare_pack_ids: tuple[str, ...] = ()


class AllocationReplaced(Event):
    """Another pack is pinned: `pack_ids` are the old one and the new one."""

    kind: ClassVar[str] = "allocation_replaced"

    booking_id: str
    pack_ids: tuple[str, str]
    reason: str


PinningEvent = PackAllocated | AllocationReplaced

# touches ----------------------------------------------------------------------


def touches(command: PinningCommand) -> Keys:
    """Read the booking, and the packs that shall be pinned."""
    booking = touch(BOOKINGS, command.booking_id)
    match command:
        case AllocatePack():
            named = (command.pack_id, *command.spare_pack_ids)
            return booking, *(touch(PACKS, pack_id) for pack_id in named)
        case ReplaceAllocation():
            return booking, touch(PACKS, command.pack_id)
        case ReviewPins():
            return (booking,)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: PinningCommand) -> Keys:
    """Read what the booking is about, and whether the packs may stand in for its class."""
    rows = booking_rows(world, command.booking_id)
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None or isinstance(command, ReviewPins):
        return rows
    return (*rows, *stand_in_rows(world, (command.pack_id,), booking.pack_class))


# decide -----------------------------------------------------------------------


def decide(world: World, command: PinningCommand, request: Request) -> Outcome:
    """Pin what can be handed out, and nothing else."""
    booking = world.get(BOOKINGS, command.booking_id)
    if booking is None:
        return Refusal(RefusalCode.BOOKING_UNKNOWN, {"booking": command.booking_id[:40]})
    match command:
        case AllocatePack():
            return _allocate(world, command, booking, request)
        case ReplaceAllocation():
            return _replace(world, command, booking, request)
        case ReviewPins():
            return _review(world, booking, request.at)
        case _ as unknown:
            assert_never(unknown)


def _allocate(world: World, command: AllocatePack, booking: Booking, request: Request) -> Outcome:
    at = request.at
    tests = (
        (len(command.spare_pack_ids) > SPARES_MAX, RefusalCode.TOO_MANY_PACKS),
        (len(booking.pack_ids) >= booking.count, RefusalCode.BOOKING_STAGE),
        (at >= booking.over_at, RefusalCode.BOOKING_WINDOW_PASSED),
        (at < booking.pin_at, RefusalCode.NOT_DUE),
    )
    faults = step_faults(booking, PackAllocated.kind, request.actor)
    faults += _pin_faults(world, booking, command.pack_id, at)
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"booking": booking.booking_id, "stage": booking.stage})
    event = PackAllocated(
        booking_id=booking.booking_id,
        pack_id=command.pack_id,
        spare_pack_ids=command.spare_pack_ids,
    )
    return (Draft(event, correlation_id=booking.booking_id),)


def _replace(
    world: World, command: ReplaceAllocation, booking: Booking, request: Request
) -> Outcome:
    at = request.at
    before = command.from_pack_id or next(iter(booking.pack_ids), "")
    tests = (
        (before not in ("", *booking.pack_ids), RefusalCode.ALLOCATED_ELSEWHERE),
        (at >= booking.over_at, RefusalCode.BOOKING_WINDOW_PASSED),
    )
    faults = step_faults(booking, AllocationReplaced.kind, request.actor)
    faults += _pin_faults(world, booking, command.pack_id, at)
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"booking": booking.booking_id, "stage": booking.stage})
    return (_replaced(booking, before, command.pack_id, command.reason),)


def _replaced(booking: Booking, before: str, after: str, reason: str) -> Draft:
    event = AllocationReplaced(
        booking_id=booking.booking_id, pack_ids=(before, after), reason=reason
    )
    return Draft(event, correlation_id=booking.booking_id)


def _review(world: World, booking: Booking, at: int) -> Outcome:
    """Replace what became unfit by what is spare; without a spare pack the booking fails."""
    if not booking.may(AllocationReplaced.kind):
        return ()
    drafts: list[Draft] = []
    spares = [one for one in booking.spare_pack_ids if one not in booking.pack_ids]
    for pack_id in booking.pack_ids:
        unfit = _pin_faults(world, booking, pack_id, at, is_pinned=True)
        if not unfit:
            continue
        fit = [one for one in spares if not _pin_faults(world, booking, one, at)]
        reason = min(unfit).wire
        if not fit:
            return failed_booking(world, booking, reason, at)
        spares.remove(fit[0])
        drafts.append(_replaced(booking, pack_id, fit[0], reason))
    return tuple(drafts)


def _pin_faults(
    world: World, booking: Booking, pack_id: str, at: int, *, is_pinned: bool = False
) -> list[RefusalCode]:
    pack = world.get(PACKS, pack_id)
    if pack is None:
        return [RefusalCode.UNKNOWN_PACK]
    station = world.need(STATIONS, booking.station_id)
    pinned_to = booking.booking_id if is_pinned else ""
    wanted = booking.pack_class
    tested = pack.pack_class if stands_in(world, pack.pack_class, wanted) else wanted
    terms = eligible(pack, station, pack_class=tested, at=at, booking_id=pinned_to)
    low = (pack.soc_bp or 0) < booking.min_soc_bp
    return [*terms, *([RefusalCode.SOC_BELOW_TARGET] if low else [])]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PinningEvent, _stamp: Stamp) -> None:
    """Keep which packs are pinned, and which are spare."""
    pins, spares = _pins(world.need(BOOKINGS, event.booking_id), event)
    advance(world, event.booking_id, event.kind, pack_ids=pins, spare_pack_ids=spares)


def _pins(row: Booking, event: PinningEvent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    match event:
        case PackAllocated():
            return (*row.pack_ids, event.pack_id), event.spare_pack_ids or row.spare_pack_ids
        case AllocationReplaced(pack_ids=(before, after)):
            pins = tuple(after if one == before else one for one in row.pack_ids)
            return pins, tuple(one for one in row.spare_pack_ids if one != after)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: PinningEvent) -> tuple[Posting, ...]:
    """A pin moves nothing."""
    return ()
