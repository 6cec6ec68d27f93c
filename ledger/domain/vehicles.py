"""Vehicles of drivers: which class of pack fits, and how many make a set.

What names a vehicle (its label, plate and identification number) is personal and lies in the vault;
the entry vouches for it by a salted commitment.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import all_classes, class_rules, known_classes, rules_of
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Actor, Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SET_MAX = 8
"""Packs in one vehicle."""

NAMED = "vehicle"
"""The field that the entry vouches for."""

_DIGEST_BYTES = 32


class Vehicle(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vehicle by opaque id, whose it is, and what packs it takes."""

    vehicle_id: str
    driver_id: str
    pack_class: str
    packs_per_set: int = 1
    is_removed: bool = False


VEHICLES = Shelf("vehicles", Vehicle, listed_by=lambda row: "" if row.is_removed else row.driver_id)

SHELVES = (VEHICLES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class SetVehicle(Command):
    """A driver has this vehicle, or it takes other packs than before.

    `named` is the commitment (32 bytes) of what names it, where that is new.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})
    circumstances: ClassVar[tuple[str, ...]] = ("named",)

    vehicle_id: str
    driver_id: str
    pack_class: str
    packs_per_set: int = 1
    named: bytes | None = None


class RemoveVehicle(Command):
    """A driver has this vehicle no more."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})

    vehicle_id: str
    driver_id: str


VehicleCommand = SetVehicle | RemoveVehicle

# Events -----------------------------------------------------------------------


class VehicleSet(Event):
    """A driver's vehicle takes packs of this class, so many at once."""

    kind: ClassVar[str] = "vehicle.set"

    vehicle_id: str
    driver_id: str
    pack_class: str
    packs_per_set: int = 1


class VehicleRemoved(Event):
    """A driver has this vehicle no more."""

    kind: ClassVar[str] = "vehicle.removed"

    vehicle_id: str
    driver_id: str


VehicleEvent = VehicleSet | VehicleRemoved

# touches ----------------------------------------------------------------------


def touches(command: VehicleCommand) -> Keys:
    """Read the vehicle, its driver, and the classes there are."""
    keys = (touch(VEHICLES, command.vehicle_id), touch(PARTIES, command.driver_id))
    if isinstance(command, SetVehicle):
        return (*keys, all_classes(), class_rules(command.pack_class))
    return keys


def follows(_world: World, _command: VehicleCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: VehicleCommand, request: Request) -> Outcome:
    """Keep a vehicle of a driver of ours, or let it go; the same again changes nothing."""
    facts: dict[str, Fact] = {"vehicle": command.vehicle_id[:40]}
    party = world.get(PARTIES, command.driver_id)
    if party is None or "driver" not in party.roles:
        return Refusal(RefusalCode.PARTY_UNKNOWN, {"party": command.driver_id[:40]})
    row = world.get(VEHICLES, command.vehicle_id)
    if not _is_his(row, command.driver_id, request.actor):
        return Refusal(RefusalCode.VEHICLE_UNKNOWN, facts)
    match command:
        case SetVehicle():
            return _set(world, command, row, facts)
        case RemoveVehicle():
            if row is None:
                return Refusal(RefusalCode.VEHICLE_UNKNOWN, facts)
            gone = VehicleRemoved(vehicle_id=row.vehicle_id, driver_id=row.driver_id)
            return () if row.is_removed else (Draft(gone),)
        case _ as unknown:
            assert_never(unknown)


def _is_his(row: Vehicle | None, driver_id: str, actor: Actor) -> bool:
    asks_for_himself = actor.role != "driver" or actor.id == driver_id
    return asks_for_himself and (row is None or row.driver_id == driver_id)


def _set(world: World, command: SetVehicle, row: Vehicle | None, facts: dict[str, Fact]) -> Outcome:
    field = _invalid_field(world, command)
    if field:
        return Refusal(RefusalCode.VEHICLE_FIELD_INVALID, facts | {"field": field})
    wanted = Vehicle(
        command.vehicle_id, command.driver_id, command.pack_class, command.packs_per_set
    )
    if row == wanted and command.named is None:
        return ()
    event = VehicleSet(
        vehicle_id=wanted.vehicle_id,
        driver_id=wanted.driver_id,
        pack_class=wanted.pack_class,
        packs_per_set=wanted.packs_per_set,
    )
    return (Draft(event, sealed={} if command.named is None else {NAMED: command.named}),)


def _invalid_field(world: World, command: SetVehicle) -> str:
    known = command.pack_class in known_classes(world) or rules_of(world, command.pack_class)
    tests = (
        (is_id(command.vehicle_id), "vehicle_id"),
        (known, "pack_class"),
        (1 <= command.packs_per_set <= SET_MAX, "packs_per_set"),
        (command.named is None or len(command.named) == _DIGEST_BYTES, "named"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: VehicleEvent, _stamp: Stamp) -> None:
    """Keep what the vehicle takes."""
    match event:
        case VehicleSet():
            row = Vehicle(event.vehicle_id, event.driver_id, event.pack_class, event.packs_per_set)
            world.put(VEHICLES, event.vehicle_id, row)
        case VehicleRemoved():
            row = world.need(VEHICLES, event.vehicle_id)
            world.put(VEHICLES, event.vehicle_id, replace(row, is_removed=True))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: VehicleEvent) -> tuple[Posting, ...]:
    """A vehicle moves nothing."""
    return ()
