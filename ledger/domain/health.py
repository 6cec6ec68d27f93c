"""Health: what a pack can still hold, what that makes of the energy in it, and its retirement.

An assessment names what it rests on. What it sets off (holds, cases) comes in the same batch and is
told in `health_triggers.py`.
"""

from typing import ClassVar, NamedTuple, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened
from ledger.domain.custody import PACKS, Pack
from ledger.domain.health_models import HEALTH_MODELS
from ledger.domain.health_state import PACK_HEALTH, FilterState, Found, PackHealth
from ledger.domain.health_triggers import (
    JUMP,
    RETIREMENT,
    TEST_DUE,
    TEST_DUE_US,
    Basis,
    below_count,
    due_case_id,
    effects,
    is_cleared,
)
from ledger.domain.sessions import SESSIONS
from ledger.domain.transitions import REVALUATION, TERMINAL, energy_account, state_of
from ledger.domain.world import Key, Keys, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, WH, Posting, pair
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

METHODS = frozenset({"bms-reported", "partial-charge", "full-capacity-test", "model"})

FLAGS = frozenset(
    {"off_reference_temperature", "extrapolated", "narrow_window", "step", "substitute_energy"}
)
"""What can be remarked on an assessment."""

SHELVES = (PACK_HEALTH,)
FOLDS: tuple[type[Event], ...] = ()

SESSIONS_MAX = 256
"""Sessions that one assessment may name."""

VERIFIED_LEVEL = 2
"""Evidence level from which a full test with a calibrated instrument is verified."""

_TEXT_MAX = 80
_BELIEFS_MAX = 16

# Commands ---------------------------------------------------------------------


class AssessSoh(Command):
    """A state of health was found, by one of `METHODS`, with its 95 % bounds where they are known.

    `capacity_mah` is the fact measured; it may lie above nominal, `soh_bp` is clipped to 10,000.
    `session_ids` are the ended sessions and `report_refs` the positions of the measurements it
    rests on, all of this pack and not later. `efc_x100` and `throughput_wh` are counted over the
    whole life. `driver_id` is who alone had the pack since the last assessment, `supersedes` the
    position of the assessment that this one corrects.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"engineer", "workshop", "station", "asset_manager", "system", "importer"}
    )

    pack_id: str
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    capacity_mah: int | None = None
    soce_bp: int | None = None
    efc_x100: int | None = None
    throughput_wh: int | None = None
    session_ids: tuple[str, ...] = ()
    report_refs: tuple[int, ...] = ()
    model_version: str = ""
    filter_state: FilterState = ()
    flags: tuple[str, ...] = ()
    instrument_id: str = ""
    calibrated_until: int = 0
    level: int = 0
    driver_id: str = ""
    is_disputed: bool = False
    supersedes: int | None = None
    occurred_at: int = 0
    observed: Observed | None = None


class RetirePack(Command):
    """A pack serves no driver any more; where it goes is another move."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    reason: str
    residual_soh_bp: int = 0
    occurred_at: int = 0


HealthCommand = AssessSoh | RetirePack

# Events -----------------------------------------------------------------------


class SohAssessed(Event):
    """A pack's state of health from now on; `before_wh` and `after_wh` are what it holds by it.

    Both are absent while nothing is known to be in the pack: state of charge unknown, or with a
    driver, whose energy is counted at hand-out and return. `data_refs` are the positions of what it
    rests on beside the entry's own causes, `sets_off` the cases and holds that come with it.
    """

    kind: ClassVar[str] = "soh_assessed"

    pack_id: str
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    capacity_mah: int | None = None
    before_wh: int = 0
    after_wh: int = 0
    soce_bp: int | None = None
    efc_x100: int | None = None
    throughput_wh: int | None = None
    data_refs: tuple[int, ...] = ()
    model_version: str = ""
    filter_state: FilterState = ()
    flags: tuple[str, ...] = ()
    instrument_id: str = ""
    calibrated_until: int = 0
    epoch: int = 0
    sessions_used: int = 0
    used_to: int = 0
    verified: bool = False
    level: int = 0
    supersedes: int | None = None
    sets_off: tuple[str, ...] = ()

    def found(self, position: int, at: int) -> Found:
        """Give what is remembered of it; without bounds it is taken as exact."""
        lower = self.soh_bp if self.lower_bp is None else self.lower_bp
        upper = self.soh_bp if self.upper_bp is None else self.upper_bp
        return Found(position, at, self.soh_bp, lower, upper, self.verified, self.level)


class PackRetired(Event):
    """It serves no driver any more."""

    kind: ClassVar[str] = "pack_retired"

    pack_id: str
    reason: str
    residual_soh_bp: int = 0


HealthEvent = SohAssessed | PackRetired

# touches ----------------------------------------------------------------------


def touches(command: HealthCommand) -> Keys:
    """Read the pack and its health, and what an assessment says it rests on."""
    rows = touch(PACKS, command.pack_id), touch(PACK_HEALTH, command.pack_id)
    if not isinstance(command, AssessSoh):
        return rows
    sessions = (touch(SESSIONS, name) for name in command.session_ids[:SESSIONS_MAX])
    return (*rows, touch(HEALTH_MODELS, command.model_version), *sessions)


def follows(world: World, command: HealthCommand) -> Keys:
    """Read the case that asked for a test."""
    return due_case_rows(world, command.pack_id)


def due_case_rows(world: World, pack_id: str) -> tuple[Key, ...]:
    """Name the case that asked for a test of a pack, where there is one."""
    known = world.get(PACK_HEALTH, pack_id)
    return (touch(CASES, known.test_case_id),) if known and known.test_case_id else ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: HealthCommand, request: Request) -> Outcome:
    """Take an assessment of a living pack as it is; retire a pack once."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    faults = [RefusalCode.PACK_ENDED] if state_of(pack.account) in TERMINAL else []
    match command:
        case AssessSoh():
            return assess(world, pack, command, command.occurred_at or request.at, faults)
        case RetirePack():
            return _retire(pack, command, faults)
        case _ as unknown:
            assert_never(unknown)


def assess(
    world: World, pack: Pack, command: AssessSoh, at: int, faults: list[RefusalCode]
) -> Outcome:
    """Make the assessment and all it sets off; `faults` are those that are known already."""
    known = world.get(PACK_HEALTH, pack.pack_id) or PackHealth(pack.pack_id)
    refs = _refs(world, known, command, at)
    model = world.get(HEALTH_MODELS, command.model_version)
    released = model is not None and model.valid_from <= at
    asks_model = command.method == "model" and bool(command.model_version)
    tests = (
        (not _is_valid(command), RefusalCode.PACK_FIELD_INVALID),
        (refs is None, RefusalCode.NOT_CAUSAL),
        (not _bounds_hold(command), RefusalCode.BOUNDS_INVALID),
        (0 < command.calibrated_until < at, RefusalCode.INSTRUMENT_EXPIRED),
        (asks_model and not released, RefusalCode.MODEL_NOT_RELEASED),
    )
    faults += [code for failed, code in tests if failed]
    if faults or refs is None:
        return refused(faults, {"pack": pack.pack_id, "method": command.method[:40]})
    event = _assessed(pack, known, command, refs, at)
    if known.newest is not None and _says_the_same(event.found(0, at), known.newest):
        return ()
    case = world.get(CASES, known.test_case_id) if known.test_case_id else None
    waits = case is not None and case.is_open
    basis = Basis(command.method, command.flags, command.driver_id, command.is_disputed, waits)
    sets_off = effects(pack, known, event.found(0, at), basis)
    names = [one.case_type if isinstance(one, CaseOpened) else one.kind for one in sets_off]
    event = replace(event, sets_off=tuple(names))
    first = Draft(event, occurred_at=at, observed=command.observed)
    return first, *(Draft(one, occurred_at=at, after=(0,)) for one in sets_off)


def _says_the_same(one: Found, other: Found) -> bool:
    return replace(one, position=0) == replace(other, position=0)


class _Refs(NamedTuple):
    """Positions of what an assessment rests on, and the end of its newest session (us)."""

    positions: tuple[int, ...]
    used_to: int


def _refs(world: World, known: PackHealth, command: AssessSoh, at: int) -> _Refs | None:
    """Give the positions it rests on; None where one is of another pack, or later."""
    positions, used_to = set(command.report_refs), 0
    if not positions <= {position for position, said_at in known.reports if said_at <= at}:
        return None
    for name in command.session_ids[:SESSIONS_MAX]:
        row = world.get(SESSIONS, name)
        if row is None or row.pack_id != command.pack_id or not 0 < row.ended_at <= at:
            return None
        positions.add(row.ended_position)
        used_to = max(used_to, row.ended_at)
    return _Refs(tuple(sorted(positions)), used_to)


def _is_valid(command: AssessSoh) -> bool:
    counted = (command.capacity_mah, command.efc_x100, command.throughput_wh, command.supersedes)
    numbers = (*(number or 0 for number in counted), command.level, command.calibrated_until)
    return (
        command.method in METHODS
        and 0 <= min(numbers) <= max(numbers) <= QUANTITY_MAX
        and 0 <= (command.soce_bp or 0) <= BP_FULL
        and FLAGS.issuperset(command.flags)
        and len(command.model_version) <= _TEXT_MAX
        and len(command.instrument_id) <= _TEXT_MAX
        and len(command.session_ids) <= SESSIONS_MAX
        and len(command.filter_state) <= _BELIEFS_MAX
        and all(0 < number <= QUANTITY_MAX for one in command.filter_state for number in one)
    )


def _bounds_hold(command: AssessSoh) -> bool:
    lower = command.soh_bp if command.lower_bp is None else command.lower_bp
    upper = command.soh_bp if command.upper_bp is None else command.upper_bp
    return 0 <= lower <= command.soh_bp <= upper <= BP_FULL


def _assessed(
    pack: Pack, known: PackHealth, command: AssessSoh, refs: _Refs, at: int
) -> SohAssessed:
    before_wh = after_wh = 0
    is_newest = known.newest is None or known.newest.at <= at
    is_ours = state_of(pack.account) != "WITH_DRIVER"
    if is_newest and is_ours and pack.soc_bp is not None:
        before_wh = stored_wh(pack.nominal_wh, pack.soc_bp, pack.soh_bp)
        after_wh = stored_wh(pack.nominal_wh, pack.soc_bp, command.soh_bp)
    is_test = command.method == "full-capacity-test" and command.level >= VERIFIED_LEVEL
    fields = {
        name: value
        for name, value in asdict(command).items()
        if name in SohAssessed.__struct_fields__ and name != "filter_state"
    }
    return SohAssessed(
        **fields,
        before_wh=before_wh,
        after_wh=after_wh,
        data_refs=refs.positions,
        filter_state=command.filter_state,
        epoch=known.epoch,
        sessions_used=len(command.session_ids),
        used_to=refs.used_to,
        verified=is_test and command.calibrated_until >= at,
    )


def _retire(pack: Pack, command: RetirePack, faults: list[RefusalCode]) -> Outcome:
    if not pack.commissioned:
        faults.append(RefusalCode.NOT_COMMISSIONED)
    if faults:
        return refused(faults, {"pack": pack.pack_id})
    if pack.retired:
        return ()
    event = PackRetired(
        pack_id=pack.pack_id, reason=command.reason, residual_soh_bp=command.residual_soh_bp
    )
    return (Draft(event, occurred_at=command.occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HealthEvent, stamp: Stamp) -> None:
    """Keep the newest assessment, what it makes of the energy inside, and the end of service."""
    match event:
        case SohAssessed():
            _keep(world, event, stamp)
        case PackRetired():
            pack = world.need(PACKS, event.pack_id)
            world.put(PACKS, event.pack_id, replace(pack, retired=True))
        case _ as unknown:
            assert_never(unknown)


def _keep(world: World, event: SohAssessed, stamp: Stamp) -> None:
    pack = world.need(PACKS, event.pack_id)
    known = world.get(PACK_HEALTH, event.pack_id) or PackHealth(event.pack_id)
    now = event.found(stamp.position, stamp.occurred_at)
    is_newest = known.newest is None or known.newest.at <= now.at
    if is_newest:
        energy_wh = pack.energy_wh + event.after_wh - event.before_wh
        row = replace(
            pack, soh_bp=event.soh_bp, soh_assessed_at=stamp.occurred_at, energy_wh=energy_wh
        )
        world.put(PACKS, event.pack_id, row)
        known = _counted(known, event, now)
        known = _due(known, pack, event, now)
    world.put(PACK_HEALTH, event.pack_id, known.with_found(now))


def _counted(known: PackHealth, event: SohAssessed, now: Found) -> PackHealth:
    """Keep what the newest assessment counted and believes; what it does not say stays."""
    lowest = known.verified_min_bp
    if event.verified:
        lowest = event.soh_bp if lowest is None else min(lowest, event.soh_bp)
    return replace(
        known,
        filter_state=event.filter_state or known.filter_state,
        used_to=max(known.used_to, event.used_to),
        sessions_used=known.sessions_used + event.sessions_used,
        capacity_mah=known.capacity_mah if event.capacity_mah is None else event.capacity_mah,
        soce_bp=known.soce_bp if event.soce_bp is None else event.soce_bp,
        efc_x100=known.efc_x100 if event.efc_x100 is None else event.efc_x100,
        throughput_wh=(known.throughput_wh if event.throughput_wh is None else event.throughput_wh),
        verified_min_bp=lowest,
        below_count=below_count(known, now),
    )


def _due(known: PackHealth, pack: Pack, event: SohAssessed, now: Found) -> PackHealth:
    """Remember what it set off, so that it is not asked for twice."""
    if TEST_DUE in event.sets_off:
        case_id = due_case_id(event.pack_id, event.epoch, now.at)
        known = replace(known, test_due_at=now.at + TEST_DUE_US, test_case_id=case_id)
    elif Basis(event.method, event.flags).may_hold and is_cleared(pack, now):
        known = replace(known, test_due_at=0, test_case_id="")
    return replace(
        known,
        jump_at=now.at if JUMP in event.sets_off else known.jump_at,
        proposed=known.proposed or RETIREMENT in event.sets_off,
    )


def postings(event: HealthEvent) -> tuple[Posting, ...]:
    """Revalue the energy in the pack."""
    if not isinstance(event, SohAssessed):
        return ()
    change_wh = event.after_wh - event.before_wh
    return pair(WH, change_wh, debit=energy_account(event.pack_id), credit=REVALUATION)
