"""Stays: finished charging sessions out of a network's own books (custody handbook 15.2).

One report is one session: a pack came into a slot, was charged, and went out to its driver again.
An accepted report becomes the whole stay; a report that contradicts itself, or an accepted one, is
set aside with a reason, its energy kept apart. Nothing is dropped, and nothing is counted twice.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.cases import opened
from ledger.domain.charge_begin import ChargeSessionStarted
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.classes import ClassRules, class_rules, rules_of
from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    Pack,
    PackReturned,
    PackSwappedOut,
    is_stopped,
)
from ledger.domain.metering import is_soc, soc_change, unusable
from ledger.domain.parties import PARTIES
from ledger.domain.sessions import SESSIONS, ChargingSession, shared
from ledger.domain.stations import SLOTS, Slot
from ledger.domain.stay_times import (
    STAY_WEEKS,
    StayWeek,
    contradiction,
    is_past,
    take_in,
    week_rows,
)
from ledger.domain.transitions import driver_account, slot_account
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import (
    ClockReading,
    Command,
    Draft,
    Event,
    Observed,
    Outcome,
    Request,
    Source,
)
from ledger.kernel.postings import QUANTITY_MAX, WH, Posting, pair
from ledger.kernel.quantities import stored_wh
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[StayWeek], ...] = (STAY_WEEKS,)
FOLDS: tuple[type[Event], ...] = (ChargeSessionEnded,)

_WHY = {
    "SLOT_OVERLAP": "two sessions in one slot at the same time",
    "PACK_IN_TWO_PLACES": "the pack was elsewhere at the same time",
    "HOLD_VIOLATION": "the pack went out under a hold",
}

# Commands ---------------------------------------------------------------------


class ReportStay(Command):
    """One session as a network reports it; times in us, energy in Wh, None = missing.

    `network` is the party whose books these are, `report_id` its name for the session, `row_ref`
    where it stands there; `seq` is its rank in the order of their ends. `meter_id` says where
    energy is drawn when the slot is unknown. `flags` and `amount_text` are kept as they came.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"importer", "station", "operator"})

    report_id: str
    network: str
    station_id: str
    slot: str
    driver_id: str
    pack_id: str
    begin_at: int
    received_at: int
    seq: int
    row_ref: str
    end_at: int | None = None
    energy_wh: int | None = None
    active_s: int | None = None
    idle_s: int | None = None
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    amount_text: str = ""
    currency: str = ""
    flags: tuple[str, ...] = ()
    meter_id: str = ""
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    level: int = 3


StayCommand = ReportStay

# Events -----------------------------------------------------------------------


class ChargeSessionReported(Event):
    """An observation: what a network says about one session, word for word."""

    kind: ClassVar[str] = "charge_session_reported"

    report_id: str
    network_id: str
    station_id: str
    slot: str
    begin_at: int
    row_ref: str
    driver_id: str = ""
    end_at: int | None = None
    energy_wh: int | None = None
    active_s: int | None = None
    idle_s: int | None = None
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    amount_text: str = ""
    currency: str = ""
    flags: tuple[str, ...] = ()


class ObservationQuarantined(Event):
    """A report is set aside: why, and the energy (Wh) kept apart."""

    kind: ClassVar[str] = "observation_quarantined"

    report_id: str
    session_id: str
    meter_id: str
    reason: str
    energy_wh: int = 0


StayEvent = ChargeSessionReported | ObservationQuarantined

# touches ----------------------------------------------------------------------


def stay_id(command: ReportStay) -> str:
    """Name the charging session that always belongs to a network's report."""
    return derived_id("CS", command.network, command.report_id)


def touches(command: StayCommand) -> Keys:
    """Read the network, the session, the slot and the pack, and what they did at that time."""
    times = command.begin_at, command.end_at or 0
    return (
        touch(PARTIES, command.network),
        touch(SESSIONS, stay_id(command)),
        touch(SLOTS, command.station_id, command.slot),
        touch(PACKS, command.pack_id),
        *week_rows(("slot", command.station_id, command.slot), *times),
        *week_rows(("pack", command.pack_id), *times),
    )


def follows(world: World, command: StayCommand) -> Keys:
    """Read how many packs of this class the driver has, and the class."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return ()
    held = touch(DRIVER_PACKS, command.driver_id, pack.pack_class)
    return held, class_rules(pack.pack_class)


# decide -----------------------------------------------------------------------


def decide(world: World, command: StayCommand, _request: Request) -> Outcome:
    """Take a report in once: as a stay, or set aside with the first reason that applies.

    Refused is only what cannot be kept at all: an unknown network, a report that is there already,
    a number out of range, and a good stay of a pack that nobody took over.
    """
    network, session_id = command.network, stay_id(command)
    refusal = _refusal(world, command, session_id)
    if refusal is not None:
        return refusal
    slot = world.get(SLOTS, key_of(command.station_id, command.slot))
    pack = world.get(PACKS, command.pack_id)
    reason = _reason(world, command, slot, pack)
    report = Draft(
        _reported(command),
        occurred_at=command.begin_at,
        observed=Observed(
            command.received_at,
            Source(network, seq=command.seq),
            ClockReading(command.clock_quality, uncertainty_us=command.clock_uncertainty_us),
        ),
    )
    if not reason and slot is not None:
        if pack is None:
            return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
        drafts = [report, *_stay(world, command, session_id, slot, pack)]
        if pack.holds and is_stopped(pack, "no_swap_out", command.end_at or 0):
            drafts.append(_case("HOLD_VIOLATION", command, session_id, after=(4,)))
        return tuple(drafts)
    set_aside = ObservationQuarantined(
        report_id=command.report_id,
        session_id=session_id,
        meter_id=slot.meter_id if slot is not None else command.meter_id or network,
        reason=reason,
        energy_wh=command.energy_wh or 0,
    )
    drafts = [report, Draft(set_aside, occurred_at=command.begin_at, after=(0,))]
    if reason in _WHY:
        drafts.append(_case(reason, command, session_id, after=(0, 1)))
    return tuple(drafts)


def _case(case_type: str, command: ReportStay, seed: str, *, after: tuple[int, ...]) -> Draft:
    subjects = (seed, command.pack_id, command.station_id)
    case = opened(case_type, seed, subjects, _WHY[case_type])
    return Draft(case, occurred_at=command.begin_at, after=after)


def _refusal(world: World, command: ReportStay, session_id: str) -> Refusal | None:
    if world.get(PARTIES, command.network) is None:
        return Refusal(RefusalCode.PARTY_UNKNOWN, {"party": command.network[:40]})
    if world.get(SESSIONS, session_id) is not None:
        return Refusal(RefusalCode.CHARGING_SESSION_EXISTS, {"session": session_id})
    if not is_id(command.meter_id or command.network):
        return Refusal(RefusalCode.METER_UNKNOWN, {"meter": command.meter_id[:40]})
    counted = (command.energy_wh, command.active_s, command.idle_s, command.seq)
    if any(abs(number or 0) > QUANTITY_MAX for number in counted):
        return Refusal(RefusalCode.ENERGY_LIMIT, {"session": session_id})
    if not (is_soc(command.soc_begin_bp) and is_soc(command.soc_end_bp)):
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"session": session_id})
    times = (command.begin_at, command.received_at, command.end_at or command.begin_at)
    # an end of 1970 is what a meter without a clock says: kept, and set aside by its reason
    if not 0 <= min(times) <= max(times) <= QUANTITY_MAX or command.begin_at == 0:
        return Refusal(RefusalCode.SESSION_TIME_INVALID, {"session": session_id})
    return None


def _reason(world: World, command: ReportStay, slot: Slot | None, pack: Pack | None) -> str:
    """Name the first reason to set a report aside; "" when it can be a stay."""
    if slot is None:
        return "NO_STATION"
    begin_at, end_at = command.begin_at, command.end_at
    reason = unusable(begin_at, end_at, command.energy_wh)
    if reason or end_at is None:
        return reason
    if slot.pack_id:
        return "SLOT_OVERLAP"
    reason = contradiction(world, slot, pack, begin_at, end_at)
    if not reason and pack is not None and pack.account != driver_account(command.driver_id):
        return "PACK_IN_TWO_PLACES"
    return reason


def _reported(command: ReportStay) -> ChargeSessionReported:
    told = shared(command, ChargeSessionReported)
    return ChargeSessionReported(**told, network_id=command.network)


class _Energy(msgspec.Struct, frozen=True):
    """What a stay knows of the energy inside the pack, in Wh: at begin, the change, at end."""

    begin_wh: int
    delta_wh: int
    end_wh: int
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    mismatch: bool = False


def _inside(command: ReportStay, pack: Pack, rules: ClassRules | None) -> _Energy:
    """Trust readings of the state of charge where both are there and rise; else the meter."""
    energy_wh = command.energy_wh or 0
    begin_bp, end_bp = command.soc_begin_bp, command.soc_end_bp
    if begin_bp is None or end_bp is None or end_bp <= begin_bp:
        return _Energy(0, energy_wh, energy_wh)
    change, plausible = soc_change(pack, begin_bp, end_bp, (energy_wh, 0), rules)
    begin_wh = stored_wh(pack.nominal_wh, begin_bp, pack.soh_bp)
    return _Energy(begin_wh, change, begin_wh + change, begin_bp, end_bp, not plausible)


def _stay(
    world: World, command: ReportStay, session_id: str, slot: Slot, pack: Pack
) -> tuple[Draft, Draft, Draft, Draft]:
    """Make the four entries that follow from an accepted report: in, started, ended, out.

    A stay that ended before another one of its pack is told as past: the pack has gone on.
    """
    begin_at, end_at = command.begin_at, command.end_at or 0
    pack_id, station_id, level = command.pack_id, command.station_id, command.level
    driver_id, pack_class = command.driver_id, pack.pack_class
    at_slot = slot_account(station_id, command.slot)
    inside = _inside(command, pack, rules_of(world, pack.pack_class))
    past = is_past(world, pack, begin_at, end_at, (inside.end_wh, inside.soc_end_bp))
    both: dict[str, Any] = {
        "pack_id": pack_id,
        "station_id": station_id,
        "slot": command.slot,
        "driver_id": driver_id,
        "pack_class": pack_class,
        "level": level,
        "past": past,
    }
    came = PackReturned(
        **both,
        presenter_id=driver_id,
        from_account=pack.account,
        to_account=at_slot,
        stored_wh=inside.begin_wh,
        soc_bp=inside.soc_begin_bp,
    )
    began, ended = _session(command, session_id, slot, inside, both)
    left = PackSwappedOut(
        **both,
        from_account=at_slot,
        to_account=pack.account,
        stored_wh=inside.end_wh,
        soc_bp=inside.soc_end_bp,
    )
    return (
        Draft(came, occurred_at=begin_at, after=(0,), correlation_id=session_id),
        Draft(began, occurred_at=begin_at, after=(0,)),
        Draft(ended, occurred_at=end_at, after=(0, 2)),
        Draft(left, occurred_at=end_at, after=(0,), correlation_id=session_id),
    )


def _session(
    command: ReportStay, session_id: str, slot: Slot, inside: _Energy, both: dict[str, Any]
) -> tuple[ChargeSessionStarted, ChargeSessionEnded]:
    """Make the charging session of a stay, which began and ended with it; `both` is of its legs."""
    where: dict[str, Any] = {
        "session_id": session_id,
        "pack_id": command.pack_id,
        "station_id": command.station_id,
        "slot": command.slot,
        "meter_id": slot.meter_id,
        "driver_id": command.driver_id,
    }
    began = ChargeSessionStarted(**where, soc_bp=inside.soc_begin_bp)
    ended = ChargeSessionEnded(
        **where,
        pack_class=both["pack_class"],
        started_at=command.begin_at,
        ended_at=command.end_at or 0,
        energy_in_wh=command.energy_wh or 0,
        stored_wh_delta=inside.delta_wh,
        stored_basis="METERED" if inside.soc_end_bp is None else "SOC",
        end_reason="EVDisconnected",
        level=command.level,
        soc_begin_bp=inside.soc_begin_bp,
        soc_end_bp=inside.soc_end_bp,
        clock_quality=command.clock_quality,
        clock_uncertainty_us=command.clock_uncertainty_us,
        mismatch=inside.mismatch,
        past=both["past"],
    )
    return began, ended


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: StayEvent | ChargeSessionEnded, stamp: Stamp) -> None:
    """Remember when slot and pack were busy, and a report that was set aside."""
    match event:
        case ChargeSessionReported():
            pass
        case ChargeSessionEnded():
            take_in(world, event)
        case ObservationQuarantined():
            row = ChargingSession(
                session_id=event.session_id,
                pack_id="",
                station_id="",
                slot="",
                meter_id=event.meter_id,
                started_at=stamp.occurred_at,
                stage="QUARANTINED",
            )
            world.put(SESSIONS, event.session_id, row)
        case _ as unknown:
            assert_never(unknown)


def postings(event: StayEvent) -> tuple[Posting, ...]:
    """Keep metered energy that was not accepted apart, under its reason."""
    match event:
        case ChargeSessionReported():
            return ()
        case ObservationQuarantined():
            apart, grid = f"Energy:Quarantine:{event.reason}", f"Energy:Grid:{event.meter_id}"
            return pair(WH, event.energy_wh, debit=apart, credit=grid)
        case _ as unknown:
            assert_never(unknown)
