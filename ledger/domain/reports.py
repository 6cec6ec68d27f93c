"""Reports: every message of a station comes in here, and all that follows leaves with it.

One command, `RecordObservation`, does it in one batch, all or nothing: known before (R1)? what does
the source's clock say (R3)? what is missing (R6)? Then the observation is kept, the packs that it
tells of are derived anew, and cases open and close. A report is never refused for what it says.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from ledger.domain import sources
from ledger.domain import swap as swaps
from ledger.domain.access import refused
from ledger.domain.alarming import alarm_drafts, alarm_rows
from ledger.domain.bindings import BINDINGS
from ledger.domain.cases import CASES, CaseResolved, case_id_of, opened
from ledger.domain.claims import booking_rows
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.derive import COUNTERFEIT, UNIDENTIFIED_OBJECT
from ledger.domain.legs import (
    LegReported,
    RecordPackIn,
    RecordPackOut,
    SwapInReported,
    told,
)
from ledger.domain.neighbours import SLOT_TIMES, hear, moment_beside, neighbour_rows
from ledger.domain.observations import IN, OUT, PRESENT, Observation
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import rows_at
from ledger.domain.remaking import changed_rows, remade, set_aside
from ledger.domain.report_fields import StationReport, digest_of, event_of, invalid_field
from ledger.domain.reported import (
    AlarmReported,
    ChargingReported,
    SlotStateReported,
    SwapOutTimeoutReported,
    seen_in,
)
from ledger.domain.reversing import ObservationSetAside
from ledger.domain.saga import SWAPS
from ledger.domain.sights import SLOT_SIGHTS, is_stranger, sighted
from ledger.domain.sources import SOURCES, Boot, Moment, Sent, moment_of, sent_of
from ledger.domain.sourcing import about_source, gap_case
from ledger.domain.stand_ins import stand_in_rows
from ledger.domain.stations import SLOTS, STATIONS, SlotBlocked
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Draft, Event, Outcome, Request
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (SLOT_TIMES,)
FOLDS: tuple[type[Event], ...] = (SlotStateReported, ChargingReported)

CONFLICT = "CONFLICT"
CONFLICTING = "CONFLICTING_CONTENT"
"""Why a message is set aside that has the count of another one."""

# Commands ---------------------------------------------------------------------


class RecordObservation(StationReport):
    """One message of a station, to be kept once, with all that follows from it."""

    roles: ClassVar[frozenset[str]] = frozenset(
        {"station", "operator", "depot_clerk", "carrier", "workshop", "engineer"}
    )


ReportsCommand = RecordObservation

# touches ----------------------------------------------------------------------


def touches(command: ReportsCommand) -> Keys:
    """Read the source, the station and the slots, who stood there, and what the serials name."""
    serials = [command.serial, *(one.serial for one in command.slots)]
    slots = [command.slot, *(one.slot for one in command.slots)]
    return (
        touch(SOURCES, source_of(command)),
        touch(STATIONS, command.station_id),
        touch(PARTIES, command.driver_id),
        touch(PACKS, command.pack_id),
        *(touch(BINDINGS, "BMS_SERIAL", serial) for serial in serials if serial),
        *(touch(SLOTS, command.station_id, slot) for slot in slots if slot),
        *(touch(SLOT_SIGHTS, command.station_id, slot) for slot in slots if slot),
        *neighbour_rows(command),
    )


def source_of(command: RecordObservation) -> str:
    """Name the source of a message: the device that sent it, or the party it came from."""
    return command.observed.source.device or command.observed.source.party


def follows(world: World, command: ReportsCommand) -> Keys:
    """Read what the observation moves, by the packs it tells of and where they are."""
    told_of = tell(world, command)
    keys = changed_rows(world, told_of.sights())
    keys += [touch(CASES, case_id) for case_id in _case_ids(world, command, told_of.sent)]
    if command.kind == "alarm":
        keys += alarm_rows(world, command.station_id, command.slot, command.pack_id)
    if command.account:
        keys += rows_at(command.account, "")
    if isinstance(told_of.event, SwapOutTimeoutReported):
        keys += _time_out_rows(world, told_of.event.swap_id)
    if isinstance(told_of.event, LegReported):
        swap_id = told_of.event.swap_id
        keys += [touch(SWAPS, swap_id), touch(CASES, case_id_of("HALF_SWAP", swap_id))]
        swap = world.get(SWAPS, swap_id) if world.is_loaded(SWAPS, swap_id) else None
        keys += booking_rows(world, swap.booking_id) if swap is not None else ()
        pack_id = told_of.event.pack_id
        pack = world.get(PACKS, pack_id) if world.is_loaded(PACKS, pack_id) else None
        if pack is not None:
            keys.append(touch(DRIVER_PACKS, command.driver_id, pack.pack_class))
            keys += stand_in_rows(world, swap, pack.pack_class) if swap is not None else ()
    return keys


def _time_out_rows(world: World, swap_id: str) -> Keys:
    step = swaps.TimeOutSwap(swap_id=swap_id)
    if not world.is_loaded(SWAPS, swap_id):
        return swaps.touches(step)
    return (*swaps.touches(step), *swaps.follows(world, step))


def _case_ids(world: World, command: RecordObservation, sent: Sent) -> list[str]:
    row = world.get(SOURCES, sent.source)
    boot = None if row is None else row.boot(sent.boot)
    found = [_object_case(command.station_id, command.slot)]
    found += [_object_case(command.station_id, one.slot) for one in command.slots]
    return found + ([] if boot is None else [gap_case(sent, boot.gap_from)])


def _object_case(station_id: str, slot: str) -> str:
    return case_id_of(UNIDENTIFIED_OBJECT, key_of(station_id, slot))


# decide -----------------------------------------------------------------------


class Told(NamedTuple):
    """A message as it will be kept: its event, its corrected time, and its source before it."""

    event: Event
    moment: Moment
    sent: Sent
    before: Boot
    after: Boot

    def sights(self) -> list[Observation]:
        """Give what it tells of packs at places."""
        return seen_in(self.event, self.moment.at)


def decide(world: World, command: ReportsCommand, request: Request) -> Outcome:
    """Keep a message once, and make all that follows from it."""
    faults, field = _faults(world, command)
    if faults:
        return refused(faults, {"station": command.station_id[:40], "field": field})
    known = tell(world, command)
    verdict = sources.judge(world.get(SOURCES, known.sent.source), known.sent)
    if verdict == sources.DUPLICATE:
        return ()
    if verdict == sources.CONFLICT:
        return tuple(_conflict(command, known))
    drafts = [*_derived(world, command, known)]
    if isinstance(known.event, SwapOutTimeoutReported):
        drafts += _given_up(world, known, request)
    ends = (known.before, known.after)
    drafts += about_source(world, known.sent, *ends, command.station_id)
    drafts += _about_objects(world, command, known)
    return tuple(drafts)


def tell(world: World, command: RecordObservation) -> Told:
    """Make the event of a message, at the time that its source's clock is worth."""
    sent = replace(
        sent_of(command.observed, digest_of(command)),
        last_seq=command.last_seq,
        round_trip_us=command.round_trip_us,
    )
    row = world.get(SOURCES, sent.source)
    before = (row or sources.Source(sent.source)).boot(sent.boot)
    after = sources.take(row, sent).boot(sent.boot)
    moment = moment_of(after, sent, command.observed.clock.quality)
    moment = moment_beside(world, command, moment)
    serials = {command.serial, *(one.serial for one in command.slots)} - {""}
    packs = {serial: _named(world, serial) for serial in serials}
    return Told(event_of(command, packs, sent, moment), moment, sent, before, after)


def _named(world: World, serial: str) -> str:
    """Give the pack that a serial names now; "" for nobody."""
    row = world.get(BINDINGS, key_of("BMS_SERIAL", serial))
    return "" if row is None or row.valid_to else row.pack_id


def _derived(world: World, command: RecordObservation, known: Told) -> list[Draft]:
    """Make the observation's entry, and those by which custody follows it."""
    observed = replace(command.observed, clock=known.moment.clock)
    event, at = known.event, known.moment.at
    first = Draft(event, occurred_at=at, observed=observed)
    if isinstance(event, LegReported) and event.pack_id:
        kind = RecordPackIn if isinstance(event, SwapInReported) else RecordPackOut
        leg = kind(
            swap_id=event.swap_id,
            station_id=event.station_id,
            slot=event.slot,
            driver_id=event.driver_id,
            pack_id=event.pack_id,
            occurred_at=at,
            observed=observed,
            soc_bp=event.soc_bp,
            soh_bp=event.soh_bp,
            level=event.level,
        )
        return list(told(world, leg, event))
    changes = sighted(world, known.sights())
    drafts = [first, *remade(world, changes)]
    drafts += [Draft(one, at, after=(0,)) for one in set_aside(changes, known.sent)]
    if isinstance(event, AlarmReported):
        drafts += alarm_drafts(world, event, at)
    return drafts


def _given_up(world: World, known: Told, request: Request) -> Iterator[Draft]:
    """Let a swap run out whose station gave up, where it still waits."""
    swap_id = getattr(known.event, "swap_id", "")
    if world.get(SWAPS, swap_id) is None:
        return
    step = swaps.TimeOutSwap(swap_id=swap_id, occurred_at=known.moment.at)
    outcome = swaps.decide(world, step, request)
    if not isinstance(outcome, Refusal):
        for draft in outcome:
            yield replace(draft, after=tuple(1 + index for index in draft.after) or (0,))


def _conflict(command: RecordObservation, known: Told) -> Iterator[Draft]:
    """Keep what contradicts an earlier message of the same count; the first version stands."""
    seen = (*known.sights(), None)[0]
    event = ObservationSetAside(
        reason=CONFLICTING,
        told=command.kind,
        pack_id="" if seen is None else seen.pack_id,
        place="" if seen is None else seen.place,
        driver_id=command.driver_id,
        sent=known.sent,
    )
    observed = replace(command.observed, clock=known.moment.clock)
    yield Draft(event, occurred_at=known.moment.at, observed=observed)
    seed = key_of(known.sent.source, known.sent.boot, str(known.sent.seq), known.sent.digest)
    subjects = tuple(filter(None, (command.station_id, event.pack_id)))
    case = opened(CONFLICT, seed, subjects, "one count, two contents")
    yield Draft(case, occurred_at=known.moment.at, after=(0,))


def _about_objects(world: World, command: RecordObservation, known: Told) -> Iterator[Draft]:
    """Open the case of an object that nobody knows, or close it; block a slot with a stranger."""
    at, station_id = known.moment.at, command.station_id
    strangers, explained = _objects(world, command, known)
    for slot in strangers:
        case = world.get(CASES, _object_case(station_id, slot))
        if case is None or not case.is_open:
            seed, reason = key_of(station_id, slot), "nobody knows what is in the slot"
            found = opened(UNIDENTIFIED_OBJECT, seed, (station_id,), reason)
            yield Draft(found, occurred_at=at, after=(0,))
    for slot in explained:
        case = world.get(CASES, _object_case(station_id, slot))
        if case is not None and case.is_open:
            ended = CaseResolved(case_id=case.case_id, resolution="the slot was seen again")
            yield Draft(ended, occurred_at=at, after=(0,))
    refuted = [one for one in known.sights() if is_stranger(one)]
    unknown = [slot for slot in strangers if command.kind == "swap_in"]
    doubted = [command.slot] if refuted and command.slot else []
    for slot in dict.fromkeys((*unknown, *doubted)):
        row = world.get(SLOTS, key_of(station_id, slot))
        if row is not None and not row.blocked:
            blocked = SlotBlocked(station_id=station_id, slot=slot, reason=COUNTERFEIT)
            yield Draft(blocked, occurred_at=at, after=(0,))


def _objects(world: World, command: RecordObservation, known: Told) -> tuple[list[str], list[str]]:
    """List the slots with an object nobody knows, and those where it is clear who is in them."""
    unknown: list[str] = []
    clear: list[str] = []
    if command.kind in ("slot_state", "charging"):
        row = world.get(SLOTS, key_of(command.station_id, command.slot))
        empty = row is None or not row.pack_id
        gone = isinstance(known.event, ChargingReported) and known.event.has_departed
        if command.state == "Available" or gone:
            clear.append(command.slot)
        elif command.state in ("Occupied", "Started") and empty:
            unknown.append(command.slot)
    for one in known.sights():
        _, in_slot, slot = one.place.rpartition(":Slot:")
        if not in_slot:
            continue  # over a desk nobody knows what else is there
        if one.kind in (IN, PRESENT) and not one.pack_id:
            unknown.append(slot)
        elif one.kind in (IN, OUT, PRESENT):
            clear.append(slot)
    return unknown, clear


def _faults(world: World, command: RecordObservation) -> tuple[list[RefusalCode], str]:
    field = invalid_field(command)
    slots = [command.slot, *(one.slot for one in command.slots)]
    unknown_slot = any(
        slot and world.get(SLOTS, key_of(command.station_id, slot)) is None for slot in slots
    )
    pack_unknown = bool(command.pack_id) and world.get(PACKS, command.pack_id) is None
    tests = (
        (world.get(STATIONS, command.station_id) is None, RefusalCode.STATION_UNKNOWN),
        (unknown_slot, RefusalCode.SLOT_UNKNOWN),
        (pack_unknown, RefusalCode.UNKNOWN_PACK),
        (bool(field), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = party_faults(world, command.driver_id, "driver") if command.driver_id else []
    return faults + [code for failed, code in tests if failed], field


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: SlotStateReported | ChargingReported, stamp: Stamp) -> None:
    """Keep what gives a time to reports that have none."""
    hear(world, event, stamp.occurred_at)
