"""Charging sessions end: what flowed into and out of packs, by the registers of a slot's meter.

How they begin and what is reported meanwhile is in `charge_begin.py`. Finished sessions that a
network reports from its own books come in through `stays.py`; the arithmetic of all is in
`metering.py`.
"""

from typing import ClassVar

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import opened
from ledger.domain.classes import ClassRules, class_rules, rules_of
from ledger.domain.custody import PACKS, Pack
from ledger.domain.metering import (
    ENERGY_LIMIT_WH,
    Flow,
    Registers,
    busy_until,
    is_soc,
    register_faults,
    session_lines,
    soc_change,
)
from ledger.domain.money.rating_facts import Interval
from ledger.domain.proofs import Counted, Proof, is_evidence, judged, proof_rows, take_in
from ledger.domain.sessions import (
    END_REASONS,
    SESSIONS,
    SUBSTITUTES,
    ChargingSession,
    Moved,
    Substitute,
    shared,
)
from ledger.domain.stations import METERS, SLOTS, Slot
from ledger.domain.transitions import PROOF_BY_PACK
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import ClockReading, Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import UNSIGNED, MeterEvidence

# State ------------------------------------------------------------------------


SHELVES: tuple[Shelf[ChargingSession], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class EndChargingSession(Command):
    """Energy stopped, for one of `END_REASONS`; `temp_max_dc` in tenths of a degree.

    With `mismatch_case` false what is not plausible is only marked. `meter_evidence` is what the
    check of the meter's signed records found. Where no register tells what flowed, `substitute`
    does; it opens a case.
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
    temp_max_dc: int | None = None
    meter_evidence: MeterEvidence | None = None
    substitute: Substitute | None = None
    observed: Observed | None = None


ChargingCommand = EndChargingSession

# Events -----------------------------------------------------------------------


class ChargeSessionEnded(Event):
    """What one session moved, in Wh, and all that its price depends on; times in us.

    `stored_wh_delta` is the change inside the pack: by state of charge (`stored_basis` ``SOC``),
    or what the meter counted (``METERED``). `mismatch` marks a session that is not plausible.
    `driver_id` is who pays; absent for energy put into packs on sale. `billing_class` says how its
    energy may be billed, by what the meter signed: ``SIGNED_VALID``, ``UNSIGNED``, ``INVALID``.
    `substitute_method` says how it was estimated, where it was. A `past` one is told after a later
    stay of its pack: what is inside was read since. `intervals` divide what a driver drew over the
    times between readings of the meter.
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
    temp_max_dc: int | None = None
    substitute_method: str = ""
    past: bool = False
    intervals: tuple[Interval, ...] = ()


ChargingEvent = ChargeSessionEnded

# touches ----------------------------------------------------------------------


def touches(command: ChargingCommand) -> Keys:
    """Read the session."""
    return (touch(SESSIONS, command.session_id),)


def follows(world: World, command: ChargingCommand) -> Keys:
    """Read where the session is, and what its signed records are held against."""
    session = world.get(SESSIONS, command.session_id)
    if session is None:
        return ()
    is_known = world.is_loaded(PACKS, session.pack_id)
    pack = world.get(PACKS, session.pack_id) if is_known else None
    return (
        *(() if pack is None else (class_rules(pack.pack_class),)),
        touch(SLOTS, session.station_id, session.slot),
        touch(PACKS, session.pack_id),
        touch(METERS, session.meter_id),
        *proof_rows(session.meter_id, command.meter_evidence),
    )


# decide -----------------------------------------------------------------------


def decide(world: World, command: ChargingCommand, _request: Request) -> Outcome:
    """End a session once, and say what of it a person must look at."""
    session = world.get(SESSIONS, command.session_id)
    if session is None:
        return Refusal(RefusalCode.CHARGING_SESSION_UNKNOWN, {"session": command.session_id[:40]})
    pack = world.need(PACKS, session.pack_id) if session.stage == "OPEN" else None
    moved = _moved(session, command)
    tests = (
        (not _is_end(command, pack), RefusalCode.PACK_FIELD_INVALID),
        (session.stage != "OPEN", RefusalCode.CHARGING_SESSION_ENDED),
        (max(moved.in_wh, moved.out_wh) > ENERGY_LIMIT_WH, RefusalCode.ENERGY_LIMIT),
        (
            not max(session.started_at, session.last_at) <= command.ended_at <= QUANTITY_MAX,
            RefusalCode.SESSION_TIME_INVALID,
        ),
    )
    faults = [code for failed, code in tests if failed]
    if command.substitute is None:
        now = Registers(command.register_import_wh, command.register_export_wh)
        faults += register_faults(now, shown_by(session))
    if faults or pack is None:
        return refused(faults, {"session": session.session_id})
    counted = Counted(
        session.session_id, session.meter_id, command.ended_at, moved.in_wh, moved.out_wh
    )
    proof = judged(world, command.meter_evidence, counted)
    event = replace(
        _ended(session, pack, command, moved, rules_of(world, pack.pack_class)),
        level=proof.level(command.level),
        meter_evidence=proof.evidence,
        billing_class=proof.billing_class,
    )
    subjects = (session.session_id, session.pack_id, session.meter_id)
    cases = list(proof.cases)
    if event.mismatch and command.mismatch_case:
        reason = "meter, BMS or pack wrong"
        cases.append(opened("ENERGY_MISMATCH", session.session_id, subjects, reason))
    if event.substitute_method:
        seed = key_of(session.session_id, "substitute")
        cases.append(opened("METER", seed, subjects, "energy was estimated"))
    at = command.ended_at
    ended = Draft(event, occurred_at=at, observed=command.observed)
    return ended, *(Draft(case, occurred_at=at, after=(0,)) for case in cases)


def shown_by(session: ChargingSession) -> Registers:
    """Give the last registers of a session: what comes next counts from there."""
    return Registers(session.last_import_wh or 0, session.last_export_wh)


def cut_off(cut: ChargingSession, pack: Pack) -> ChargeSessionEnded:
    """End a session that a reboot cut off where it was last heard of."""
    end = EndChargingSession(
        session_id=cut.session_id,
        ended_at=cut.last_at,
        register_import_wh=cut.last_import_wh or 0,
        register_export_wh=cut.last_export_wh,
        soc_bp=cut.last_soc_bp,
        end_reason="Reboot",
    )
    return _ended(cut, pack, end, _moved(cut, end))


def _is_end(command: EndChargingSession, pack: Pack | None) -> bool:
    """Tell whether the fields can be true; an estimate is capped by what the pack can hold."""
    estimate = command.substitute
    most_wh = 0 if pack is None else pack.nominal_wh
    is_estimate = estimate is None or (
        estimate.method in SUBSTITUTES
        and min(estimate.in_wh, estimate.out_wh) >= 0
        and max(estimate.in_wh, estimate.out_wh) <= most_wh
        and command.meter_evidence is None
    )
    return (
        is_soc(command.soc_bp)
        and is_evidence(command.meter_evidence)
        and command.end_reason in END_REASONS
        and is_estimate
    )


def _moved(session: ChargingSession, command: EndChargingSession) -> Moved:
    if command.substitute is not None:
        return Moved(command.substitute.in_wh, command.substitute.out_wh, None, None)
    now = Registers(command.register_import_wh, command.register_export_wh)
    return Moved(
        now.import_wh - session.import_begin_wh, now.export_wh - session.export_begin_wh, *now
    )


def _ended(
    session: ChargingSession,
    pack: Pack,
    command: EndChargingSession,
    moved: Moved,
    rules: ClassRules | None = None,
) -> ChargeSessionEnded:
    clock = command.observed.clock if command.observed else ClockReading("S")
    basis, stored, plausible = "METERED", moved.in_wh - moved.out_wh, True
    if session.soc_begin_bp is not None and command.soc_bp is not None:
        basis = "SOC"
        metered = moved.in_wh, moved.out_wh
        stored, plausible = soc_change(pack, session.soc_begin_bp, command.soc_bp, metered, rules)
    fields = shared(session, ChargeSessionEnded) | {
        "pack_class": pack.pack_class,
        "ended_at": command.ended_at,
        "clock_quality": clock.quality,
        "clock_uncertainty_us": clock.uncertainty_us,
    }
    return ChargeSessionEnded(
        **fields,
        energy_in_wh=moved.in_wh,
        energy_out_wh=moved.out_wh,
        stored_wh_delta=stored,
        stored_basis=basis,
        end_reason=command.end_reason,
        level=min(command.level, PROOF_BY_PACK - 1),
        soc_end_bp=command.soc_bp,
        register_import_end_wh=moved.import_wh,
        register_export_end_wh=moved.export_wh,
        mismatch=not plausible,
        temp_max_dc=command.temp_max_dc,
        substitute_method="" if command.substitute is None else command.substitute.method,
        intervals=session.intervals(command.ended_at, moved.import_wh),
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ChargingEvent, stamp: Stamp) -> None:
    """Keep the session, when slot and pack were busy, and what is inside the pack."""
    row = world.need(SESSIONS, event.session_id)
    proof = take_in(world, event, stamp.position)
    world.put(SESSIONS, event.session_id, _over(row, event, proof, stamp.position))
    _end_busy(world, event, world.need(SLOTS, key_of(event.station_id, event.slot)))


def _over(
    row: ChargingSession, event: ChargeSessionEnded, proof: Proof | None, position: int
) -> ChargingSession:
    """Keep of an ended session what assessments, later verdicts and a next session ask for."""
    end_wh = event.register_import_end_wh
    return replace(
        row,
        stage="ENDED",
        proof=proof,
        ended_at=event.ended_at,
        ended_position=position,
        last_import_wh=row.last_import_wh if end_wh is None else end_wh,
        last_export_wh=event.register_export_end_wh or row.last_export_wh,
        last_soc_bp=event.soc_end_bp,
        last_at=event.ended_at,
        pack_class=event.pack_class,
        clock_quality=event.clock_quality,
        clock_uncertainty_us=event.clock_uncertainty_us,
        registers=row.registers if event.intervals else (),
    )


def _end_busy(world: World, event: ChargeSessionEnded, slot: Slot) -> None:
    begin_at, end_at = event.started_at, event.ended_at
    slot = busy_until(replace(slot, session_id=""), begin_at, end_at)
    world.put(SLOTS, key_of(event.station_id, event.slot), slot)
    pack = world.need(PACKS, event.pack_id)
    if not event.past:
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
    return session_lines(
        Flow(event.energy_in_wh, event.energy_out_wh, event.stored_wh_delta),
        pack_id=event.pack_id,
        meter_id=event.meter_id,
        station_id=event.station_id,
    )
