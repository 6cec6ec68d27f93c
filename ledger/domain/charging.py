"""Charging sessions: what flowed into and out of packs, by the registers of a slot's meter.

Sessions of a slot never overlap, registers never go back. Finished sessions that a network reports
from its own books come in through `stays.py`; the arithmetic of both is in `metering.py`.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import opened
from ledger.domain.custody import PACKS, Pack
from ledger.domain.metering import (
    ENERGY_LIMIT_WH,
    Flow,
    Registers,
    busy_until,
    is_soc,
    pack_faults,
    register_faults,
    session_lines,
    slot_faults,
    soc_change,
)
from ledger.domain.proofs import Counted, Judged, Proof, is_evidence, judged, proof_rows, take_in
from ledger.domain.stations import METERS, SLOTS, Slot
from ledger.domain.transitions import slot_account
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import ClockReading, Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import UNSIGNED, MeterEvidence

# State ------------------------------------------------------------------------


class ChargingSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """One charging session; `stage` is ``OPEN``, ``ENDED`` or ``QUARANTINED``.

    The registers are those at its begin, in Wh; `proof` is what was signed of it.
    """

    session_id: str
    pack_id: str
    station_id: str
    slot: str
    meter_id: str
    started_at: int
    driver_id: str = ""
    stage: str = "OPEN"
    import_begin_wh: int = 0
    export_begin_wh: int = 0
    soc_begin_bp: int | None = None
    proof: Proof | None = None


SESSIONS = Shelf("charging_sessions", ChargingSession, listed_by=lambda row: row.station_id)

SHELVES = (SESSIONS,)
FOLDS: tuple[type[Event], ...] = ()

STAGES: dict[tuple[str, str], str] = {
    ("", "charge_session_started"): "OPEN",
    ("OPEN", "charge_session_ended"): "ENDED",
    ("", "observation_quarantined"): "QUARANTINED",
}
"""The life of a session: (stage, event) to the next stage; "" is before it."""

_SCOPES = {
    "CHARGE": ("no_charge",),
    "DISCHARGE": ("no_discharge",),
    "BIDIRECTIONAL": ("no_charge", "no_discharge"),
}

# Commands ---------------------------------------------------------------------


class StartChargingSession(Command):
    """Energy begins to flow; registers in Wh as the meter shows them.

    `resumed_from` names the session that a reboot cut off: the new one counts from its end, so
    that nothing is lost or doubled. `driver_id` is who pays, where it is the driver's own pack.
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


class EndChargingSession(Command):
    """Energy stopped; with `mismatch_case` false what is not plausible is only marked.

    `meter_evidence` is what the check of the meter's signed records found.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"station", "operator"})

    session_id: str
    ended_at: int
    register_import_wh: int
    register_export_wh: int = 0
    soc_bp: int | None = None
    end_reason: str = "EVDisconnected"
    level: int = 3
    mismatch_case: bool = True
    meter_evidence: MeterEvidence | None = None
    observed: Observed | None = None


ChargingCommand = StartChargingSession | EndChargingSession

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


class ChargeSessionEnded(Event):
    """What one session moved, in Wh, and all that its price depends on; times in us.

    `stored_wh_delta` is the change inside the pack: by state of charge (`stored_basis` ``SOC``),
    or what the meter counted (``METERED``). `mismatch` marks a session that is not plausible.
    `driver_id` is who pays; absent for energy put into packs on sale. `billing_class` says how its
    energy may be billed, by what the meter signed: ``SIGNED_VALID``, ``UNSIGNED``, ``INVALID``.
    """

    kind: ClassVar[str] = "charge_session_ended"

    session_id: str
    pack_id: str
    pack_class: str
    station_id: str
    slot: str
    meter_id: str
    started_at: int
    ended_at: int
    energy_in_wh: int
    stored_wh_delta: int
    stored_basis: str
    end_reason: str
    level: int
    energy_out_wh: int = 0
    driver_id: str = ""
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    register_import_end_wh: int | None = None
    register_export_end_wh: int | None = None
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    mismatch: bool = False
    meter_evidence: MeterEvidence | None = None
    billing_class: str = UNSIGNED


ChargingEvent = ChargeSessionStarted | ChargeSessionEnded

# touches ----------------------------------------------------------------------


def touches(command: ChargingCommand) -> Keys:
    """Read the session, or the pack and slot where it shall begin."""
    match command:
        case StartChargingSession():
            return (
                touch(SESSIONS, command.session_id),
                touch(SESSIONS, command.resumed_from),
                touch(SLOTS, command.station_id, command.slot),
                touch(PACKS, command.pack_id),
            )
        case EndChargingSession():
            return (touch(SESSIONS, command.session_id),)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: ChargingCommand) -> Keys:
    """Read the meter of the slot, or where the session is."""
    if isinstance(command, StartChargingSession):
        slot = world.get(SLOTS, key_of(command.station_id, command.slot))
        return () if slot is None else (touch(METERS, slot.meter_id),)
    session = world.get(SESSIONS, command.session_id)
    if session is None:
        return ()
    return (
        touch(SLOTS, session.station_id, session.slot),
        touch(PACKS, session.pack_id),
        touch(METERS, session.meter_id),
        *proof_rows(session.meter_id, command.meter_evidence),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: ChargingCommand, _request: Request) -> Outcome:
    """Begin and end a session."""
    match command:
        case StartChargingSession():
            return _start(world, command)
        case EndChargingSession():
            return _end(world, command)
        case _ as unknown:
            assert_never(unknown)


def _start(world: World, command: StartChargingSession) -> Outcome:
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    pack = world.get(PACKS, command.pack_id)
    place = slot_account(command.station_id, command.slot)
    meter = None if slot is None else world.get(METERS, slot.meter_id)
    now = Registers(command.register_import_wh, command.register_export_wh)
    before = Registers(0) if meter is None else Registers(meter.import_wh, meter.export_wh)
    faults = [
        *slot_faults(slot, meter, command.started_at),
        *pack_faults(pack, place, _SCOPES.get(command.direction, ()), command.started_at),
        *register_faults(now, before),
    ]
    valid = command.direction in _SCOPES and is_id(command.session_id) and is_soc(command.soc_bp)
    broken = world.get(SESSIONS, command.resumed_from)
    resumes = broken is not None and slot_account(broken.station_id, broken.slot) == place
    tests = (
        (not valid, RefusalCode.PACK_FIELD_INVALID),
        (bool(command.resumed_from) and not resumes, RefusalCode.CHARGING_SESSION_UNKNOWN),
        (world.get(SESSIONS, command.session_id) is not None, RefusalCode.CHARGING_SESSION_EXISTS),
        (not 0 < command.started_at <= QUANTITY_MAX, RefusalCode.SESSION_TIME_INVALID),
    )
    faults += [code for failed, code in tests if failed]
    if faults or slot is None:
        return refused(faults, {"session": command.session_id[:40], "pack": command.pack_id[:40]})
    first = before if command.resumed_from else now
    event = ChargeSessionStarted(
        **_shared(command, ChargeSessionStarted),
        meter_id=slot.meter_id,
        register_import_begin_wh=first.import_wh,
        register_export_begin_wh=first.export_wh,
    )
    return (Draft(event, occurred_at=command.started_at, observed=command.observed),)


def _end(world: World, command: EndChargingSession) -> Outcome:
    session = world.get(SESSIONS, command.session_id)
    if session is None:
        return Refusal(RefusalCode.CHARGING_SESSION_UNKNOWN, {"session": command.session_id[:40]})
    at = command.ended_at
    valid = is_soc(command.soc_bp) and is_evidence(command.meter_evidence)
    now = Registers(command.register_import_wh, command.register_export_wh)
    begin = Registers(session.import_begin_wh, session.export_begin_wh)
    in_wh, out_wh = now.import_wh - begin.import_wh, now.export_wh - begin.export_wh
    tests = (
        (not valid, RefusalCode.PACK_FIELD_INVALID),
        (session.stage != "OPEN", RefusalCode.CHARGING_SESSION_ENDED),
        (max(in_wh, out_wh) > ENERGY_LIMIT_WH, RefusalCode.ENERGY_LIMIT),
        (not session.started_at <= at <= QUANTITY_MAX, RefusalCode.SESSION_TIME_INVALID),
    )
    faults = [code for failed, code in tests if failed] + register_faults(now, begin)
    if faults:
        return refused(faults, {"session": session.session_id})
    pack = world.need(PACKS, session.pack_id)
    counted = Counted(session.session_id, session.meter_id, at, in_wh, out_wh)
    proof = judged(world, command.meter_evidence, counted)
    event = _ended(session, pack, command, (in_wh, out_wh), proof)
    cases = list(proof.cases)
    if event.mismatch and command.mismatch_case:
        subjects = (session.session_id, session.pack_id, session.meter_id)
        reason = "meter, BMS or pack wrong"
        cases.append(opened("ENERGY_MISMATCH", session.session_id, subjects, reason))
    ended = Draft(event, occurred_at=at, observed=command.observed)
    return ended, *(Draft(case, occurred_at=at, after=(0,)) for case in cases)


def _shared(source: msgspec.Struct, target: type[msgspec.Struct]) -> dict[str, Any]:
    """Give the fields that one and the other have by the same name."""
    names = set(source.__struct_fields__).intersection(target.__struct_fields__)
    return {name: getattr(source, name) for name in names}


def _ended(
    session: ChargingSession,
    pack: Pack,
    command: EndChargingSession,
    metered: tuple[int, int],
    proof: Judged,
) -> ChargeSessionEnded:
    clock = command.observed.clock if command.observed else ClockReading("S")
    basis, stored, plausible = "METERED", metered[0] - metered[1], True
    if session.soc_begin_bp is not None and command.soc_bp is not None:
        basis = "SOC"
        stored, plausible = soc_change(pack, session.soc_begin_bp, command.soc_bp, metered)
    return ChargeSessionEnded(
        **_shared(session, ChargeSessionEnded),
        pack_class=pack.pack_class,
        ended_at=command.ended_at,
        energy_in_wh=metered[0],
        energy_out_wh=metered[1],
        stored_wh_delta=stored,
        stored_basis=basis,
        end_reason=command.end_reason,
        level=proof.level(command.level),
        soc_end_bp=command.soc_bp,
        register_import_end_wh=command.register_import_wh,
        register_export_end_wh=command.register_export_wh,
        clock_quality=clock.quality,
        clock_uncertainty_us=clock.uncertainty_us,
        mismatch=not plausible,
        meter_evidence=proof.evidence,
        billing_class=proof.billing_class,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ChargingEvent, stamp: Stamp) -> None:
    """Keep the session, when slot and pack were busy, and what is inside the pack."""
    key = key_of(event.station_id, event.slot)
    slot = world.need(SLOTS, key)
    match event:
        case ChargeSessionStarted():
            row = ChargingSession(
                **_shared(event, ChargingSession),
                started_at=stamp.occurred_at,
                import_begin_wh=event.register_import_begin_wh or 0,
                export_begin_wh=event.register_export_begin_wh or 0,
                soc_begin_bp=event.soc_bp,
            )
            world.put(SESSIONS, event.session_id, row)
            world.put(SLOTS, key, replace(slot, session_id=event.session_id))
        case ChargeSessionEnded():
            row = world.need(SESSIONS, event.session_id)
            proof = take_in(world, event, stamp.position)
            world.put(SESSIONS, event.session_id, replace(row, stage="ENDED", proof=proof))
            _end_busy(world, event, slot)
        case _ as unknown:
            assert_never(unknown)


def _end_busy(world: World, event: ChargeSessionEnded, slot: Slot) -> None:
    begin_at, end_at = event.started_at, event.ended_at
    slot = busy_until(replace(slot, session_id=""), begin_at, end_at)
    world.put(SLOTS, key_of(event.station_id, event.slot), slot)
    pack = world.need(PACKS, event.pack_id)
    # without a new reading of the state of charge the old one says nothing any more
    energy_wh = pack.energy_wh + event.stored_wh_delta
    pack = replace(pack, soc_bp=event.soc_end_bp, energy_wh=energy_wh)
    world.put(PACKS, event.pack_id, busy_until(pack, begin_at, end_at))
    if event.register_import_end_wh is not None:
        meter = world.need(METERS, event.meter_id)
        export_wh = event.register_export_end_wh or 0
        meter = replace(meter, import_wh=event.register_import_end_wh, export_wh=export_wh)
        world.put(METERS, event.meter_id, meter)


def postings(event: ChargingEvent) -> tuple[Posting, ...]:
    """Move energy between grid and pack; what is in neither was lost."""
    match event:
        case ChargeSessionStarted():
            return ()
        case ChargeSessionEnded():
            return session_lines(
                Flow(event.energy_in_wh, event.energy_out_wh, event.stored_wh_delta),
                pack_id=event.pack_id,
                meter_id=event.meter_id,
                station_id=event.station_id,
            )
        case _ as unknown:
            assert_never(unknown)
