"""Chargers and meters: bought, received, tested, built in or sent back (operations handbook 10).

A charger goes `ORDERED -> RECEIVED -> VERIFIED -> INSTALLED`, or fails its test and is RETURNED.
A meter is accepted with its calibration before its readings count.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.composing import is_sha256
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import METERS, SLOTS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Charger(msgspec.Struct, frozen=True, omit_defaults=True):
    """One charger: largest power in W, how far it came, and where it is built in."""

    charger_id: str
    supplier_id: str
    max_w: int
    stage: str = "ORDERED"
    depot_id: str = ""
    serial: str = ""
    station_id: str = ""
    slot: str = ""
    calibrated_until: int = 0


class MeterAcceptance(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last test of a meter: passed or not, and until when its calibration holds (us)."""

    meter_id: str
    passed: bool
    calibrated_until: int


CHARGERS = Shelf("chargers", Charger, listed_by=lambda row: row.stage)
METER_ACCEPTANCES = Shelf("meter_acceptances", MeterAcceptance)

SHELVES = (CHARGERS, METER_ACCEPTANCES)
FOLDS: tuple[type[Event], ...] = ()

WATTS_MAX = 1_000_000

# Commands ---------------------------------------------------------------------


class OrderCharger(Command):
    """Order one charger of a purchase order; `max_w` in W, price in minor units."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})

    charger_id: str
    supplier_id: str
    max_w: int
    po_no: str = ""
    line: int = 0
    unit_price_minor: int = 0
    currency: str = ""
    occurred_at: int = 0


class ReceiveCharger(Command):
    """A charger arrived in a depot."""

    roles: ClassVar[frozenset[str]] = frozenset({"depot_clerk"})

    charger_id: str
    depot_id: str
    serial: str
    condition: str = ""
    occurred_at: int = 0


class VerifyCharger(Command):
    """The test of a charger: efficiency in hundredths of a percent at three loads, in order."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer"})

    charger_id: str
    passed: bool
    report_sha256: str
    calibrated_until: int
    efficiency_25_bp: int = 0
    efficiency_50_bp: int = 0
    efficiency_100_bp: int = 0
    insulation_kohm: int = 0
    protection_tests: tuple[str, ...] = ()
    meter_id: str = ""
    firmware: str = ""
    occurred_at: int = 0


class InstallCharger(Command):
    """A verified charger was built into a slot."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "operator"})

    charger_id: str
    station_id: str
    slot: str
    occurred_at: int = 0


class ReturnCharger(Command):
    """A charger goes back to its supplier."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "engineer"})

    charger_id: str
    reason: str
    occurred_at: int = 0


class AcceptMeter(Command):
    """The test of a meter that is registered: passed or not, calibration, the report by digest."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer"})
    needs_second_person: ClassVar[bool] = True

    meter_id: str
    passed: bool
    report_sha256: str
    calibrated_until: int
    occurred_at: int = 0


_Step = ReceiveCharger | VerifyCharger | InstallCharger | ReturnCharger
ChargerCommand = OrderCharger | _Step | AcceptMeter

# Events -----------------------------------------------------------------------


class ChargerOrdered(Event):
    """A charger is on order."""

    kind: ClassVar[str] = "charger_ordered"

    charger_id: str
    supplier_id: str
    max_w: int
    po_no: str = ""
    line: int = 0
    unit_price_minor: int = 0
    currency: str = ""


class ChargerReceived(Event):
    """A charger is in a depot, not yet tested."""

    kind: ClassVar[str] = "charger_received"

    charger_id: str
    depot_id: str
    serial: str
    condition: str = ""


class ChargerVerified(Event):
    """What the test of a charger found, and whether it passed."""

    kind: ClassVar[str] = "charger_verified"

    charger_id: str
    passed: bool
    report_sha256: str
    calibrated_until: int
    efficiency_25_bp: int = 0
    efficiency_50_bp: int = 0
    efficiency_100_bp: int = 0
    insulation_kohm: int = 0
    protection_tests: tuple[str, ...] = ()
    meter_id: str = ""
    firmware: str = ""


class ChargerInstalled(Event):
    """A charger works in a slot."""

    kind: ClassVar[str] = "charger_installed"

    charger_id: str
    station_id: str
    slot: str


class ChargerReturned(Event):
    """A charger is the supplier's again."""

    kind: ClassVar[str] = "charger_returned"

    charger_id: str
    reason: str


class MeterAccepted(Event):
    """A meter was tested."""

    kind: ClassVar[str] = "meter_accepted"

    meter_id: str
    passed: bool
    report_sha256: str
    calibrated_until: int


ChargerEvent = (
    ChargerOrdered
    | ChargerReceived
    | ChargerVerified
    | ChargerInstalled
    | ChargerReturned
    | MeterAccepted
)

# touches ----------------------------------------------------------------------


def touches(command: ChargerCommand) -> Keys:
    """Read the charger or the meter, and whom and what is named with it."""
    if isinstance(command, AcceptMeter):
        return (touch(METERS, command.meter_id),)
    charger = touch(CHARGERS, command.charger_id)
    match command:
        case OrderCharger():
            return charger, touch(PARTIES, command.supplier_id)
        case ReceiveCharger():
            return charger, touch(PARTIES, command.depot_id)
        case VerifyCharger():
            return charger, touch(METERS, command.meter_id)
        case InstallCharger():
            return charger, touch(SLOTS, command.station_id, command.slot)
        case ReturnCharger():
            return (charger,)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: ChargerCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: ChargerCommand, request: Request) -> Outcome:
    """Lead a charger from its order into a slot, one stage at a time; accept a meter."""
    at = command.occurred_at or request.at
    if isinstance(command, AcceptMeter):
        return _accept(world, command, at)
    charger = world.get(CHARGERS, command.charger_id)
    if isinstance(command, OrderCharger):
        return _order(world, command, charger)
    if charger is None:
        return Refusal(RefusalCode.CHARGER_UNKNOWN, {"charger": command.charger_id[:40]})
    if charger.stage not in _FROM[type(command)]:
        facts = {"charger": charger.charger_id, "stage": charger.stage}
        return Refusal(RefusalCode.CHARGER_STAGE, dict(facts))
    faults = _step_faults(world, command, at)
    if faults:
        return refused(faults, {"charger": charger.charger_id})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(_EVENTS[type(command)](**fields), occurred_at=occurred_at),)


_FROM: dict[type[Command], frozenset[str]] = {
    ReceiveCharger: frozenset({"ORDERED"}),
    VerifyCharger: frozenset({"RECEIVED", "VERIFIED", "FAILED"}),
    InstallCharger: frozenset({"VERIFIED"}),
    ReturnCharger: frozenset({"RECEIVED", "VERIFIED", "FAILED"}),
}
_EVENTS: dict[type[Command], type[ChargerEvent]] = {
    ReceiveCharger: ChargerReceived,
    VerifyCharger: ChargerVerified,
    InstallCharger: ChargerInstalled,
    ReturnCharger: ChargerReturned,
}


def _order(world: World, command: OrderCharger, known: Charger | None) -> Outcome:
    if known is not None:
        return Refusal(RefusalCode.CHARGER_EXISTS, {"charger": known.charger_id})
    faults = party_faults(world, command.supplier_id, "service")
    valid = (
        is_id(command.charger_id)
        and 0 < command.max_w <= WATTS_MAX
        and command.line >= 0
        and command.unit_price_minor >= 0
    )
    if not valid:
        faults.append(RefusalCode.ORDER_FIELD_INVALID)
    if faults:
        return refused(faults, {"charger": command.charger_id[:40]})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(ChargerOrdered(**fields), occurred_at=occurred_at),)


def _step_faults(world: World, command: _Step, at: int) -> list[RefusalCode]:
    match command:
        case ReceiveCharger():
            faults = party_faults(world, command.depot_id, "depot")
            return faults if command.serial else [*faults, RefusalCode.ORDER_FIELD_INVALID]
        case VerifyCharger():
            return _test_faults(world, command, at)
        case InstallCharger():
            slot = world.get(SLOTS, key_of(command.station_id, command.slot))
            return [RefusalCode.SLOT_UNKNOWN] if slot is None else []
        case ReturnCharger():
            return [] if command.reason else [RefusalCode.ORDER_FIELD_INVALID]
        case _ as unknown:
            assert_never(unknown)


def _test_faults(world: World, command: VerifyCharger, at: int) -> list[RefusalCode]:
    loads = command.efficiency_25_bp, command.efficiency_50_bp, command.efficiency_100_bp
    metered = not command.meter_id or world.get(METERS, command.meter_id) is not None
    valid = all(0 <= load <= BP_FULL for load in loads) and command.insulation_kohm >= 0
    tests = (
        (not metered, RefusalCode.METER_UNKNOWN),
        (not valid or command.calibrated_until <= at, RefusalCode.ORDER_FIELD_INVALID),
        (not is_sha256(command.report_sha256), RefusalCode.REPORT_MISSING),
    )
    return [code for failed, code in tests if failed]


def _accept(world: World, command: AcceptMeter, at: int) -> Outcome:
    tests = (
        (world.get(METERS, command.meter_id) is None, RefusalCode.METER_UNKNOWN),
        (command.calibrated_until <= at, RefusalCode.ORDER_FIELD_INVALID),
        (not is_sha256(command.report_sha256), RefusalCode.REPORT_MISSING),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"meter": command.meter_id[:40]})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(MeterAccepted(**fields), occurred_at=occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ChargerEvent, _stamp: Stamp) -> None:
    """Keep how far a charger came, and the last test of a meter."""
    if isinstance(event, MeterAccepted):
        row = MeterAcceptance(event.meter_id, event.passed, event.calibrated_until)
        world.put(METER_ACCEPTANCES, event.meter_id, row)
        return
    if isinstance(event, ChargerOrdered):
        charger = Charger(event.charger_id, event.supplier_id, event.max_w)
    else:
        charger = _advanced(world.need(CHARGERS, event.charger_id), event)
    world.put(CHARGERS, event.charger_id, charger)


def _advanced(
    charger: Charger, event: ChargerReceived | ChargerVerified | ChargerInstalled | ChargerReturned
) -> Charger:
    match event:
        case ChargerReceived():
            place = {"depot_id": event.depot_id, "serial": event.serial}
            return replace(charger, stage="RECEIVED", **place)
        case ChargerVerified():
            stage = "VERIFIED" if event.passed else "FAILED"
            return replace(charger, stage=stage, calibrated_until=event.calibrated_until)
        case ChargerInstalled():
            slot = {"station_id": event.station_id, "slot": event.slot}
            return replace(charger, stage="INSTALLED", **slot)
        case ChargerReturned():
            return replace(charger, stage="RETURNED")
        case _ as unknown:
            assert_never(unknown)


def postings(_event: ChargerEvent) -> tuple[Posting, ...]:
    """A charger is no pack: it moves nothing in these books."""
    return ()
