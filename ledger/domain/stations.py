"""Stations of four tiers, their slots and meters."""

import re
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.geo import is_point
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

TIERS = frozenset({"large", "medium", "outlet", "pile"})

_COUNTRY = re.compile(r"[A-Z]{2}")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_-]+(?:/[A-Z][A-Za-z_+-]+){1,2}")
_SLOT = re.compile(r"0|[1-9][0-9]{0,5}")


class Station(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place of the network; `zone` is its IANA time zone, `tariff_id` its price list."""

    station_id: str
    operator_id: str
    tier: str
    country: str
    zone: str
    tariff_id: str = ""
    in_service: bool = True
    target_soc_bp: int = 0
    lat_e7: int | None = None
    lon_e7: int | None = None


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place in a station that holds a pack.

    `busy_*` remember the latest ended charging sessions of the slot, which is what the overlap
    rule needs (see charging.py); before `settled_at` no stay is taken in any more. `others` are
    packs in it beside `pack_id` while a batch moves several; once the batch is done there are none.
    """

    station_id: str
    slot: str
    pack_class: str
    meter_id: str
    pack_id: str = ""
    blocked: bool = False
    session_id: str = ""
    busy_to: int = 0
    busy_point: bool = False
    busy_before: int = 0
    others: tuple[str, ...] = ()
    settled_at: int = 0


class Meter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One electricity meter; registers in Wh, growing."""

    meter_id: str
    station_id: str
    slot: str
    import_wh: int = 0
    export_wh: int = 0


STATIONS = Shelf("stations", Station, listed_by=lambda row: row.operator_id)
SLOTS = Shelf("slots", Slot, listed_by=lambda row: row.station_id)  # key: station_id, slot
METERS = Shelf("meters", Meter, listed_by=lambda row: row.station_id)

SHELVES = (STATIONS, SLOTS, METERS)
FOLDS: tuple[type[Event], ...] = ()

_BUILDERS = frozenset({"operator", "asset_manager", "importer"})

# Commands ---------------------------------------------------------------------


class CommissionStation(Command):
    """Open a station; coordinates in degrees x 10^7, `datum` names what they refer to."""

    roles: ClassVar[frozenset[str]] = _BUILDERS

    station_id: str
    operator_id: str
    tier: str
    country: str
    zone: str
    tariff_id: str = ""
    in_service: bool = True
    target_soc_bp: int = 0
    lat_e7: int | None = None
    lon_e7: int | None = None
    datum: str = ""
    source_ref: str = ""


class RegisterMeter(Command):
    """Name a meter of a station; `slot` is empty for a meter of the whole station."""

    roles: ClassVar[frozenset[str]] = _BUILDERS

    meter_id: str
    station_id: str
    slot: str = ""


class RegisterSlot(Command):
    """Name a slot of a station, for one class of packs, behind one meter."""

    roles: ClassVar[frozenset[str]] = _BUILDERS

    station_id: str
    slot: str
    pack_class: str
    meter_id: str
    max_w: int = 0


class BlockSlot(Command):
    """Take a slot out of use; a pack in it stays there."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "station", "engineer", "system"})

    station_id: str
    slot: str
    reason: str = ""


class UnblockSlot(Command):
    """Put a slot back to use."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "engineer"})

    station_id: str
    slot: str
    reason: str = ""


class SetStationService(Command):
    """Open or close a station for drivers."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator", "asset_manager", "system"})

    station_id: str
    in_service: bool
    reason: str = ""


StationCommand = (
    CommissionStation | RegisterMeter | RegisterSlot | BlockSlot | UnblockSlot | SetStationService
)

# Events -----------------------------------------------------------------------


class StationCommissioned(Event):
    """A station is part of the network."""

    kind: ClassVar[str] = "station_commissioned"

    station_id: str
    operator_id: str
    tier: str
    country: str
    zone: str
    tariff_id: str = ""
    in_service: bool = True
    target_soc_bp: int = 0
    lat_e7: int | None = None
    lon_e7: int | None = None
    datum: str = ""
    source_ref: str = ""


class MeterRegistered(Event):
    """A meter is known; its registers count from 0."""

    kind: ClassVar[str] = "meter_registered"

    meter_id: str
    station_id: str
    slot: str = ""


class SlotRegistered(Event):
    """A slot is known, empty and in use."""

    kind: ClassVar[str] = "slot_registered"

    station_id: str
    slot: str
    pack_class: str
    meter_id: str
    max_w: int = 0


class SlotBlocked(Event):
    """A slot takes no pack until it is unblocked."""

    kind: ClassVar[str] = "slot_blocked"

    station_id: str
    slot: str
    reason: str = ""


class SlotUnblocked(Event):
    """A slot takes packs again."""

    kind: ClassVar[str] = "slot_unblocked"

    station_id: str
    slot: str
    reason: str = ""


class StationServiceChanged(Event):
    """A station opened or closed for drivers."""

    kind: ClassVar[str] = "station_service_changed"

    station_id: str
    in_service: bool
    reason: str = ""


StationEvent = (
    StationCommissioned
    | MeterRegistered
    | SlotRegistered
    | SlotBlocked
    | SlotUnblocked
    | StationServiceChanged
)

# touches ----------------------------------------------------------------------


def touches(command: StationCommand) -> Keys:
    """Read the station, and the operator, slot or meter that is named with it."""
    station = touch(STATIONS, command.station_id)
    match command:
        case CommissionStation():
            return station, touch(PARTIES, command.operator_id)
        case RegisterMeter():
            return station, touch(METERS, command.meter_id)
        case RegisterSlot():
            return (
                station,
                touch(SLOTS, command.station_id, command.slot),
                touch(METERS, command.meter_id),
            )
        case BlockSlot() | UnblockSlot():
            return station, touch(SLOTS, command.station_id, command.slot)
        case SetStationService():
            return (station,)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: StationCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: StationCommand, _request: Request) -> Outcome:
    """Build a station from its parts, each known once, and open or close them."""
    if isinstance(command, CommissionStation):
        return _commission(world, command)
    station = world.get(STATIONS, command.station_id)
    if station is None:
        return Refusal(RefusalCode.STATION_UNKNOWN, {"station": command.station_id[:40]})
    match command:
        case RegisterMeter():
            return _register_meter(world, command)
        case RegisterSlot():
            return _register_slot(world, command)
        case BlockSlot() | UnblockSlot():
            return _switch_slot(world, command)
        case SetStationService():
            if station.in_service == command.in_service:
                return ()
            return (Draft(StationServiceChanged(**asdict(command))),)
        case _ as unknown:
            assert_never(unknown)


def _commission(world: World, command: CommissionStation) -> Outcome:
    event = StationCommissioned(**asdict(command))
    known = world.get(STATIONS, command.station_id)
    if known is not None:
        return Refusal(RefusalCode.STATION_EXISTS, {"station": known.station_id})
    faults = party_faults(world, command.operator_id, "operator")
    field = _invalid_field(command)
    if field:
        faults.append(RefusalCode.STATION_FIELD_INVALID)
    if faults:
        return refused(faults, {"operator": command.operator_id[:40], "field": field})
    return (Draft(event),)


def _invalid_field(command: CommissionStation) -> str:
    point = command.lat_e7, command.lon_e7
    tests = (
        (is_id(command.station_id), "station_id"),
        (command.tier in TIERS, "tier"),
        (_COUNTRY.fullmatch(command.country) is not None, "country"),
        (_ZONE.fullmatch(command.zone) is not None, "zone"),
        (not command.tariff_id or is_id(command.tariff_id), "tariff_id"),
        (0 <= command.target_soc_bp <= BP_FULL, "target_soc_bp"),
        (point == (None, None) or is_point(*point), "lat_e7"),
    )
    return next((name for valid, name in tests if not valid), "")


def _register_meter(world: World, command: RegisterMeter) -> Outcome:
    known = world.get(METERS, command.meter_id)
    if known is not None:
        return Refusal(RefusalCode.METER_EXISTS, {"meter": known.meter_id})
    if not is_id(command.meter_id):
        return Refusal(RefusalCode.STATION_FIELD_INVALID, {"field": "meter_id"})
    return (Draft(MeterRegistered(**asdict(command))),)


def _register_slot(world: World, command: RegisterSlot) -> Outcome:
    if world.get(SLOTS, key_of(command.station_id, command.slot)) is not None:
        return Refusal(RefusalCode.SLOT_EXISTS, {"slot": command.slot})
    tests = (
        (_SLOT.fullmatch(command.slot) is not None, "slot"),
        (is_id(command.pack_class), "pack_class"),
        (command.max_w >= 0, "max_w"),
    )
    field = next((name for valid, name in tests if not valid), "")
    if field:
        return Refusal(RefusalCode.SLOT_FIELD_INVALID, {"field": field})
    meter = world.get(METERS, command.meter_id)
    if meter is None or meter.station_id != command.station_id:
        return Refusal(RefusalCode.METER_UNKNOWN, {"meter": command.meter_id[:40]})
    return (Draft(SlotRegistered(**asdict(command))),)


def _switch_slot(world: World, command: BlockSlot | UnblockSlot) -> Outcome:
    row = world.get(SLOTS, key_of(command.station_id, command.slot))
    if row is None:
        return Refusal(RefusalCode.SLOT_UNKNOWN, {"slot": command.slot[:10]})
    blocks = isinstance(command, BlockSlot)
    if row.blocked == blocks:
        return ()
    event = (SlotBlocked if blocks else SlotUnblocked)(**asdict(command))
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: StationEvent, _stamp: Stamp) -> None:
    """Keep stations, slots and meters as they stand now."""
    match event:
        case StationCommissioned():
            fields = asdict(event)
            del fields["datum"], fields["source_ref"]
            world.put(STATIONS, event.station_id, Station(**fields))
        case MeterRegistered():
            row = Meter(event.meter_id, event.station_id, event.slot)
            world.put(METERS, event.meter_id, row)
        case SlotRegistered():
            slot = Slot(event.station_id, event.slot, event.pack_class, event.meter_id)
            world.put(SLOTS, key_of(event.station_id, event.slot), slot)
        case SlotBlocked() | SlotUnblocked():
            key = key_of(event.station_id, event.slot)
            blocked = isinstance(event, SlotBlocked)
            world.put(SLOTS, key, replace(world.need(SLOTS, key), blocked=blocked))
        case StationServiceChanged():
            station = world.need(STATIONS, event.station_id)
            world.put(STATIONS, event.station_id, replace(station, in_service=event.in_service))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: StationEvent) -> tuple[Posting, ...]:
    """A station moves nothing."""
    return ()
