"""Stand-ins: packs of one class that drivers have instead of one of the class that is theirs.

A driver asks for a better class and pays its days, or is given it because the station has none of
his own, and pays nothing for that. The row of what he has of the better class remembers each such
pack; the swap that brings it back tells its days. Going back, and keeping on, are ordinary swaps.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import StandIn, class_rules, stands_in
from ledger.domain.custody import DRIVER_PACKS, PACKS, DriverPacks
from ledger.domain.saga import PackLeg, Swap
from ledger.domain.transitions import driver_account
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[DriverPacks], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class EndStandIn(Command):
    """A pack that stood in left its driver otherwise than by a swap: fetched, lost, mixed up."""

    roles: ClassVar[frozenset[str]] = frozenset({"support", "operator", "system"})

    driver_id: str
    pack_id: str
    pack_class: str
    reason: str


StandInCommand = EndStandIn

# Events -----------------------------------------------------------------------


class StandInBegun(Event):
    """A driver has a pack of another class than his own; `is_charged` where he asked for it."""

    kind: ClassVar[str] = "stand_in_begun"

    driver_id: str
    pack_id: str
    own_class: str
    pack_class: str
    swap_id: str
    is_charged: bool = False


class StandInEnded(Event):
    """He has it no more; `class_days` are the days begun between the two times (us), 0 if free."""

    kind: ClassVar[str] = "stand_in_ended"

    driver_id: str
    pack_id: str
    own_class: str
    pack_class: str
    begin_at: int
    end_at: int
    class_days: int = 0
    swap_id: str = ""
    reason: str = ""


StandInEvent = StandInBegun | StandInEnded

# touches ----------------------------------------------------------------------


def touches(command: StandInCommand) -> Keys:
    """Read the pack, and what the driver has of its class."""
    return touch(PACKS, command.pack_id), _row_key(command.driver_id, command.pack_class)


def follows(_world: World, _command: StandInCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def _row_key(driver_id: str, pack_class: str) -> Key:
    return touch(DRIVER_PACKS, driver_id, pack_class)


def stand_in_rows(world: World, swap: Swap, *more: str) -> list[Key]:
    """Name what `stand_ins_after` reads: what the driver has of the classes that a swap moves."""
    legs = (*swap.legs_in, *swap.legs_out)
    classes = {leg.pack_class for leg in legs} | {swap.class_in, swap.class_given, *more} - {""}
    keys = [_row_key(swap.driver_id, name) for name in sorted(classes)]
    changes = len(classes) > 1 or any(_stand_ins(world, *key) for key in keys)
    if not changes:
        return keys
    packs = [touch(PACKS, leg.pack_id) for leg in legs]  # what ends or begins names its pack
    return [*keys, *packs, *(class_rules(name) for name in sorted(classes))]


def _stand_ins(world: World, shelf: Shelf[msgspec.Struct], key: str) -> tuple[StandIn, ...]:
    row = world.get(shelf, key) if world.is_loaded(shelf, key) else None
    return row.stand_ins if isinstance(row, DriverPacks) else ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: StandInCommand, _request: Request) -> Outcome:
    """End it where the pack is with its driver no more, at the time when it left him."""
    facts: dict[str, Fact] = {"driver": command.driver_id[:40], "pack": command.pack_id[:40]}
    row = world.get(DRIVER_PACKS, key_of(command.driver_id, command.pack_class))
    known = None if row is None else _known(row, command.pack_id)
    if known is None:
        return Refusal(RefusalCode.STAND_IN_UNKNOWN, facts)
    pack = world.need(PACKS, command.pack_id)
    if pack.account == driver_account(command.driver_id):
        return Refusal(RefusalCode.WRONG_STATE, facts)
    ended = _ended(known, command.driver_id, command.pack_class, pack.moved_at)
    return (Draft(replace(ended, reason=command.reason)),)


def _known(row: DriverPacks, pack_id: str) -> StandIn | None:
    return next((one for one in row.stand_ins if one.pack_id == pack_id), None)


def _ended(known: StandIn, driver_id: str, pack_class: str, at: int) -> StandInEnded:
    lasted = max(at - known.since_at, 0)
    return StandInEnded(
        driver_id=driver_id,
        pack_id=known.pack_id,
        own_class=known.own_class,
        pack_class=pack_class,
        begin_at=known.since_at,
        end_at=known.since_at + lasted,
        class_days=-(-lasted // DAY) if known.is_charged else 0,
    )


def stand_ins_after(world: World, swap: Swap) -> list[Event]:
    """Make what a swap that ends does to stand-ins: those brought end, those taken begin.

    The first pack out is for the first pack in, and so on. A pack is charged where the driver asked
    for its class, and that is better than his own.
    """
    if swap.swap_kind == "STAY" or swap.is_void:
        return []
    events: list[Event] = []
    own_classes: list[str] = []
    for leg in swap.legs_in:
        row = world.get(DRIVER_PACKS, key_of(swap.driver_id, leg.pack_class))
        known = None if row is None else _known(row, leg.pack_id)
        own_classes.append(leg.pack_class if known is None else known.own_class)
        if known is not None:
            ended = _ended(known, swap.driver_id, leg.pack_class, leg.occurred_at)
            events.append(replace(ended, swap_id=swap.swap_id))
    for index, leg in enumerate(swap.legs_out):
        own = own_classes[index] if index < len(own_classes) else swap.class_in
        if leg.pack_class != own:
            events.append(_begun(world, swap, leg, own))
    return events


def _begun(world: World, swap: Swap, leg: PackLeg, own_class: str) -> StandInBegun:
    asked = swap.pack_class == leg.pack_class
    return StandInBegun(
        driver_id=swap.driver_id,
        pack_id=leg.pack_id,
        own_class=own_class,
        pack_class=leg.pack_class,
        swap_id=swap.swap_id,
        is_charged=asked and stands_in(world, leg.pack_class, own_class),
    )


def days_of(events: list[Event]) -> int:
    """Add up the days to be paid of stand-ins that ended."""
    return sum(event.class_days for event in events if isinstance(event, StandInEnded))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: StandInEvent, stamp: Stamp) -> None:
    """Keep which packs of a class a driver has instead of others."""
    key = key_of(event.driver_id, event.pack_class)
    row = world.get(DRIVER_PACKS, key) or DriverPacks(event.driver_id, event.pack_class)
    kept = tuple(one for one in row.stand_ins if one.pack_id != event.pack_id)
    match event:
        case StandInBegun():
            begun = StandIn(event.pack_id, event.own_class, stamp.occurred_at, event.is_charged)
            kept = (*kept, begun)
        case StandInEnded():
            pass
        case _ as unknown:
            assert_never(unknown)
    world.put(DRIVER_PACKS, key, replace(row, stand_ins=kept))


def postings(_event: StandInEvent) -> tuple[Posting, ...]:
    """The swap moves the packs, its bill the money."""
    return ()
