"""Measuring: what is measured of a pack's health, and what time alone asks for.

A measurement is an observation. Its reporter may draw an assessment from it, which is then made by
the rules of `health.py` in the same batch, with all that it sets off.
"""

import re
from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.health import AssessSoh, assess, due_case_rows
from ledger.domain.health_models import HEALTH_MODELS
from ledger.domain.health_state import PACK_HEALTH, FilterState, PackHealth
from ledger.domain.health_triggers import COUNTERFEIT, overdue
from ledger.domain.holds import HoldPlaced, stopped
from ledger.domain.transitions import TERMINAL, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

REPORT_METHODS = frozenset({"full-capacity-test", "partial-charge", "charge", "bms-reported"})
"""How a measurement was made; ``charge`` counted what went in, and says no capacity."""

SHELVES: tuple[Shelf[PackHealth], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_DIGEST = re.compile("[0-9a-f]{64}")
_TEXT_MAX = 100
_TEMPERATURE_DC = (-1_000, 2_000)

_MEASURERS = frozenset({"engineer", "workshop", "station", "operator", "system", "importer"})

# Commands ---------------------------------------------------------------------


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reporter draws from his measurement; the fields are those of `AssessSoh`."""

    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    capacity_mah: int | None = None
    efc_x100: int | None = None
    throughput_wh: int | None = None
    model_version: str = ""
    filter_state: FilterState = ()
    flags: tuple[str, ...] = ()
    instrument_id: str = ""
    calibrated_until: int = 0
    level: int = 0


class ReportHealth(Command):
    """Something was measured of a pack: charge in mAh, energy in Wh, resistance in 0.01 mOhm.

    `series_sha256` names the points of a curve, which stay outside, `points` counts them.
    `set_aside` says why a measurement cannot be used; nothing is drawn from it then.
    """

    roles: ClassVar[frozenset[str]] = _MEASURERS

    pack_id: str
    method: str
    capacity_mah: int | None = None
    charge_mah: int | None = None
    energy_wh: int | None = None
    resistance_cmohm: int | None = None
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    temp_dc: int | None = None
    series_sha256: str = ""
    points: int = 0
    row_ref: str = ""
    flags: tuple[str, ...] = ()
    set_aside: str = ""
    finding: Finding | None = None
    occurred_at: int = 0
    observed: Observed | None = None


class RecordCycles(Command):
    """The management system of a pack counts its cycles; the count never goes back."""

    roles: ClassVar[frozenset[str]] = _MEASURERS

    pack_id: str
    cycles: int
    occurred_at: int = 0


class RecordResistance(Command):
    """An impedance test: ohmic and charge transfer resistance of the pack in 0.01 mOhm.

    A value that no pack can have is left out, and `flags` say so.
    """

    roles: ClassVar[frozenset[str]] = _MEASURERS

    pack_id: str
    re_cmohm: int | None = None
    rct_cmohm: int | None = None
    temp_dc: int | None = None
    instrument_id: str = ""
    row_ref: str = ""
    flags: tuple[str, ...] = ()
    occurred_at: int = 0
    observed: Observed | None = None


class ReviewHealth(Command):
    """Time has passed: stop a pack that was not assessed for too long, or not tested when due."""

    roles: ClassVar[frozenset[str]] = frozenset({"system", "asset_manager"})

    pack_id: str
    occurred_at: int = 0


class BeginHealthEpoch(Command):
    """Modules of a pack were changed: its health is found anew, older assessments stay."""

    roles: ClassVar[frozenset[str]] = frozenset({"workshop"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    reason: str
    occurred_at: int = 0


MeasuringCommand = ReportHealth | RecordCycles | RecordResistance | ReviewHealth | BeginHealthEpoch

# Events -----------------------------------------------------------------------


class HealthReported(Event):
    """An observation: what was measured of a pack's health."""

    kind: ClassVar[str] = "health_reported"

    pack_id: str
    method: str
    capacity_mah: int | None = None
    charge_mah: int | None = None
    energy_wh: int | None = None
    resistance_cmohm: int | None = None
    soc_begin_bp: int | None = None
    soc_end_bp: int | None = None
    temp_dc: int | None = None
    series_sha256: str = ""
    points: int = 0
    row_ref: str = ""
    flags: tuple[str, ...] = ()
    set_aside: str = ""


class CycleCountRecorded(Event):
    """How many cycles a management system has counted."""

    kind: ClassVar[str] = "cycle_count_recorded"

    pack_id: str
    cycles: int


class ResistanceRecorded(Event):
    """What an impedance test found, in 0.01 mOhm."""

    kind: ClassVar[str] = "resistance_recorded"

    pack_id: str
    re_cmohm: int | None = None
    rct_cmohm: int | None = None
    temp_dc: int | None = None
    instrument_id: str = ""
    row_ref: str = ""
    flags: tuple[str, ...] = ()


class HealthEpochBegun(Event):
    """What was found of its health before counts no more for what comes."""

    kind: ClassVar[str] = "health_epoch_begun"

    pack_id: str
    epoch: int
    reason: str


MeasuringEvent = HealthReported | CycleCountRecorded | ResistanceRecorded | HealthEpochBegun

# touches ----------------------------------------------------------------------


def touches(command: MeasuringCommand) -> Keys:
    """Read the pack and its health, and the model a finding names."""
    rows = touch(PACKS, command.pack_id), touch(PACK_HEALTH, command.pack_id)
    if not isinstance(command, ReportHealth) or command.finding is None:
        return rows
    return (*rows, touch(HEALTH_MODELS, command.finding.model_version))


def follows(world: World, command: MeasuringCommand) -> Keys:
    """Read the case that asked for a test."""
    return due_case_rows(world, command.pack_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: MeasuringCommand, request: Request) -> Outcome:
    """Take what was measured of a living pack; draw what follows from it."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    if state_of(pack.account) in TERMINAL:
        return Refusal(RefusalCode.PACK_ENDED, {"pack": pack.pack_id})
    known = world.get(PACK_HEALTH, pack.pack_id) or PackHealth(pack.pack_id)
    at = command.occurred_at or request.at
    match command:
        case ReportHealth():
            return _report(world, pack, command, at)
        case RecordCycles():
            return _count(pack, known, command, at)
        case RecordResistance():
            return _resistance(command, at)
        case ReviewHealth():
            return tuple(Draft(hold, occurred_at=at) for hold in overdue(pack, known, at))
        case BeginHealthEpoch():
            begun = HealthEpochBegun(
                pack_id=pack.pack_id, epoch=known.epoch + 1, reason=command.reason
            )
            return (Draft(begun, occurred_at=at),)
        case _ as unknown:
            assert_never(unknown)


def _report(world: World, pack: Pack, command: ReportHealth, at: int) -> Outcome:
    finding = command.finding
    if not _is_valid(command) or (finding is not None and command.set_aside):
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"method": command.method[:40]})
    names = HealthReported.__struct_fields__
    fields = {name: value for name, value in asdict(command).items() if name in names}
    first = Draft(HealthReported(**fields), occurred_at=at, observed=command.observed)
    if finding is None:
        return (first,)
    wish = AssessSoh(**asdict(finding), pack_id=pack.pack_id, occurred_at=at)
    drawn = assess(world, pack, wish, at, [])
    if isinstance(drawn, Refusal):
        return drawn
    # it was the first draft of its own rule, and is the second here
    moved = (replace(one, after=tuple(place + 1 for place in one.after) or (0,)) for one in drawn)
    return first, *moved


def _is_valid(command: ReportHealth) -> bool:
    counted = (command.capacity_mah, command.charge_mah, command.resistance_cmohm, command.points)
    numbers = (*(number or 0 for number in counted), command.energy_wh or 0)
    shares = (command.soc_begin_bp or 0, command.soc_end_bp or 0)
    low, high = _TEMPERATURE_DC
    return (
        command.method in REPORT_METHODS
        and 0 <= min(numbers) <= max(numbers) <= QUANTITY_MAX
        and 0 <= min(shares) <= max(shares) <= BP_FULL
        and low <= (command.temp_dc or 0) <= high
        and (not command.series_sha256 or _DIGEST.fullmatch(command.series_sha256) is not None)
        and _are_texts(command.row_ref, command.set_aside, *command.flags)
    )


def _are_texts(*texts: str) -> bool:
    return all(len(text) <= _TEXT_MAX and text.isprintable() for text in texts)


def _is_resistance(cmohm: int | None) -> bool:
    return cmohm is None or 0 < cmohm <= QUANTITY_MAX


def _count(pack: Pack, known: PackHealth, command: RecordCycles, at: int) -> Outcome:
    if not 0 <= command.cycles <= QUANTITY_MAX:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"field": "cycles"})
    if command.cycles == known.cycles:
        return ()
    event = CycleCountRecorded(pack_id=pack.pack_id, cycles=command.cycles)
    first = Draft(event, occurred_at=at)
    suspect = any(hold.reason == COUNTERFEIT for hold in pack.holds)
    if command.cycles > known.cycles or suspect:
        return (first,)
    # a count that went back is that of another system, or of one that was tampered with
    hold: HoldPlaced = stopped(pack.pack_id, COUNTERFEIT, f"{known.cycles}|{command.cycles}|{at}")
    return first, Draft(hold, occurred_at=at, after=(0,))


def _resistance(command: RecordResistance, at: int) -> Outcome:
    low, high = _TEMPERATURE_DC
    tests = (
        (_is_resistance(command.re_cmohm), "re_cmohm"),
        (_is_resistance(command.rct_cmohm), "rct_cmohm"),
        (low <= (command.temp_dc or 0) <= high, "temp_dc"),
        (_are_texts(command.row_ref, command.instrument_id, *command.flags), "row_ref"),
    )
    field = next((name for valid, name in tests if not valid), "")
    if field:
        return refused([RefusalCode.PACK_FIELD_INVALID], {"field": field})
    names = ResistanceRecorded.__struct_fields__
    fields = {name: value for name, value in asdict(command).items() if name in names}
    event = ResistanceRecorded(**fields)
    return (Draft(event, occurred_at=at, observed=command.observed),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: MeasuringEvent, stamp: Stamp) -> None:
    """Remember what was measured."""
    known = world.get(PACK_HEALTH, event.pack_id) or PackHealth(event.pack_id)
    match event:
        case HealthReported():
            if event.set_aside:
                return
            known = known.with_report(stamp.position, stamp.occurred_at)
        case CycleCountRecorded():
            known = replace(known, cycles=event.cycles)
        case ResistanceRecorded():
            known = known.with_resistance(event.re_cmohm, event.rct_cmohm, stamp.occurred_at)
        case HealthEpochBegun():
            known = known.next_epoch()
        case _ as unknown:
            assert_never(unknown)
    world.put(PACK_HEALTH, event.pack_id, known)


def postings(_event: MeasuringEvent) -> tuple[Posting, ...]:
    """A measurement moves nothing."""
    return ()
