"""Charging sessions begin, go on after a reboot, and report their registers meanwhile.

Sessions of a slot never overlap, registers never go back. What ended is in `charging.py`.
"""

from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.charging import cut_off, shown_by
from ledger.domain.custody import PACKS
from ledger.domain.metering import Registers, is_soc, pack_faults, register_faults, slot_faults
from ledger.domain.sessions import SESSIONS, ChargingSession, shared
from ledger.domain.stations import METERS, SLOTS
from ledger.domain.transitions import slot_account
from ledger.domain.world import Keys, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (SESSIONS,)
FOLDS: tuple[type[Event], ...] = ()

CHECKPOINT_REASONS = frozenset({"tariff", "direction", "limit"})
"""Why registers are reported while energy flows: another price, direction or limit."""

_SCOPES = {
    "CHARGE": ("no_charge",),
    "DISCHARGE": ("no_discharge",),
    "BIDIRECTIONAL": ("no_charge", "no_discharge"),
}

# Commands ---------------------------------------------------------------------


class StartChargingSession(Command):
    """Energy begins to flow; registers in Wh as the meter shows them.

    `resumed_from` names the session of the same pack that a reboot cut off: the new one counts
    from its last registers, so that nothing is lost or doubled, and ends it where nobody did.
    `driver_id` is who pays, where it is the driver's own pack.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"station", "operator"})

    session_id: str
    pack_id: str
    station_id: str
    slot: str
    started_at: int
    register_import_wh: int
    register_export_wh: int = 0
    direction: str = "CHARGE"
    soc_bp: int | None = None
    driver_id: str = ""
    reason: str = "docked"
    resumed_from: str = ""
    observed: Observed | None = None


class RecordChargeCheckpoint(Command):
    """The registers of a running session, for one of `CHECKPOINT_REASONS`."""

    roles: ClassVar[frozenset[str]] = frozenset({"station", "operator"})

    session_id: str
    at: int
    register_import_wh: int
    register_export_wh: int = 0
    soc_bp: int | None = None
    reason: str = "tariff"
    observed: Observed | None = None


ChargeBeginCommand = StartChargingSession | RecordChargeCheckpoint

# Events -----------------------------------------------------------------------


class ChargeSessionStarted(Event):
    """Energy began to flow; registers are absent where the source has none."""

    kind: ClassVar[str] = "charge_session_started"

    session_id: str
    pack_id: str
    station_id: str
    slot: str
    meter_id: str
    driver_id: str = ""
    direction: str = "CHARGE"
    reason: str = "docked"
    resumed_from: str = ""
    register_import_begin_wh: int | None = None
    register_export_begin_wh: int | None = None
    soc_bp: int | None = None


class ChargeSessionCheckpoint(Event):
    """An observation: what the registers of a running session show, in Wh."""

    kind: ClassVar[str] = "charge_session_checkpoint"

    session_id: str
    pack_id: str
    register_import_wh: int
    register_export_wh: int = 0
    soc_bp: int | None = None
    reason: str = "tariff"


ChargeBeginEvent = ChargeSessionStarted | ChargeSessionCheckpoint

# touches ----------------------------------------------------------------------


def touches(command: ChargeBeginCommand) -> Keys:
    """Read the session, or the pack and slot where it shall begin."""
    if isinstance(command, RecordChargeCheckpoint):
        return (touch(SESSIONS, command.session_id),)
    return (
        touch(SESSIONS, command.session_id),
        touch(SESSIONS, command.resumed_from),
        touch(SLOTS, command.station_id, command.slot),
        touch(PACKS, command.pack_id),
    )


def follows(world: World, command: ChargeBeginCommand) -> Keys:
    """Read the meter of the slot, or the pack of the session."""
    if isinstance(command, RecordChargeCheckpoint):
        session = world.get(SESSIONS, command.session_id)
        return () if session is None else (touch(PACKS, session.pack_id),)
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    return () if slot is None else (touch(METERS, slot.meter_id),)


# decide -----------------------------------------------------------------------


def decide(world: World, command: ChargeBeginCommand, _request: Request) -> Outcome:
    """Begin a session, or take in how far it is."""
    match command:
        case StartChargingSession():
            return _start(world, command)
        case RecordChargeCheckpoint():
            return _checkpoint(world, command)
        case _ as unknown:
            assert_never(unknown)


def _start(world: World, command: StartChargingSession) -> Outcome:
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    pack = world.get(PACKS, command.pack_id)
    place = slot_account(command.station_id, command.slot)
    meter = None if slot is None else world.get(METERS, slot.meter_id)
    cut = world.get(SESSIONS, command.resumed_from)
    if slot is not None and cut is not None and slot.session_id == cut.session_id:
        slot = replace(slot, session_id="")  # what is ended with this very command
    now = Registers(command.register_import_wh, command.register_export_wh)
    before = Registers(0) if meter is None else Registers(meter.import_wh, meter.export_wh)
    if cut is not None:
        before = shown_by(cut)
    faults = [
        *slot_faults(slot, meter, command.started_at),
        *pack_faults(pack, place, _SCOPES.get(command.direction, ()), command.started_at),
        *register_faults(now, before),
    ]
    valid = command.direction in _SCOPES and is_id(command.session_id) and is_soc(command.soc_bp)
    goes_on = cut is not None and cut.goes_on_with(command.pack_id, place)
    early = cut is not None and command.started_at < cut.last_at
    tests = (
        (not valid, RefusalCode.PACK_FIELD_INVALID),
        (bool(command.resumed_from) and cut is None, RefusalCode.CHARGING_SESSION_UNKNOWN),
        (world.get(SESSIONS, command.session_id) is not None, RefusalCode.CHARGING_SESSION_EXISTS),
        (not 0 < command.started_at <= QUANTITY_MAX or early, RefusalCode.SESSION_TIME_INVALID),
        (cut is not None and not goes_on, RefusalCode.SESSION_CHAIN_BROKEN),
    )
    faults += [code for failed, code in tests if failed]
    if faults or slot is None or pack is None:
        return refused(faults, {"session": command.session_id[:40], "pack": command.pack_id[:40]})
    first = now if cut is None else before
    event = ChargeSessionStarted(
        **shared(command, ChargeSessionStarted),
        meter_id=slot.meter_id,
        register_import_begin_wh=first.import_wh,
        register_export_begin_wh=first.export_wh,
    )
    begun = Draft(event, occurred_at=command.started_at, observed=command.observed)
    if cut is None or cut.stage != "OPEN":
        return (begun,)
    ended = Draft(cut_off(cut, pack), occurred_at=cut.last_at, observed=command.observed)
    return ended, replace(begun, after=(0,))


def _checkpoint(world: World, command: RecordChargeCheckpoint) -> Outcome:
    session = world.get(SESSIONS, command.session_id)
    if session is None:
        return Refusal(RefusalCode.CHARGING_SESSION_UNKNOWN, {"session": command.session_id[:40]})
    now = Registers(command.register_import_wh, command.register_export_wh)
    valid = is_soc(command.soc_bp) and command.reason in CHECKPOINT_REASONS
    tests = (
        (not valid, RefusalCode.PACK_FIELD_INVALID),
        (session.stage != "OPEN", RefusalCode.CHARGING_SESSION_ENDED),
        (not session.last_at <= command.at <= QUANTITY_MAX, RefusalCode.SESSION_TIME_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    faults += register_faults(now, shown_by(session))
    if faults:
        return refused(faults, {"session": session.session_id})
    event = ChargeSessionCheckpoint(
        **shared(command, ChargeSessionCheckpoint), pack_id=session.pack_id
    )
    return (Draft(event, occurred_at=command.at, observed=command.observed),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ChargeBeginEvent, stamp: Stamp) -> None:
    """Keep the session as far as it is, and that its slot is busy."""
    match event:
        case ChargeSessionStarted():
            _begin(world, event, stamp)
        case ChargeSessionCheckpoint():
            row = world.need(SESSIONS, event.session_id)
            row = replace(
                row,
                last_import_wh=event.register_import_wh,
                last_export_wh=event.register_export_wh,
                last_soc_bp=event.soc_bp,
                last_at=stamp.occurred_at,
                registers=row.read_at(stamp.occurred_at, event.register_import_wh),
            )
            world.put(SESSIONS, event.session_id, row)
        case _ as unknown:
            assert_never(unknown)


def _begin(world: World, event: ChargeSessionStarted, stamp: Stamp) -> None:
    row = ChargingSession(
        **shared(event, ChargingSession),
        started_at=stamp.occurred_at,
        import_begin_wh=event.register_import_begin_wh or 0,
        export_begin_wh=event.register_export_begin_wh or 0,
        soc_begin_bp=event.soc_bp,
        last_import_wh=event.register_import_begin_wh,
        last_export_wh=event.register_export_begin_wh or 0,
        last_soc_bp=event.soc_bp,
        last_at=stamp.occurred_at,
    )
    world.put(SESSIONS, event.session_id, row)
    if event.resumed_from:
        cut = world.need(SESSIONS, event.resumed_from)
        world.put(SESSIONS, event.resumed_from, replace(cut, resumed_by=event.session_id))
    key = key_of(event.station_id, event.slot)
    world.put(SLOTS, key, replace(world.need(SLOTS, key), session_id=event.session_id))


def postings(_event: ChargeBeginEvent) -> tuple[Posting, ...]:
    """Energy is posted when a session ends."""
    return ()
