"""Workshop: work orders on packs, chargers, slots and stations (operations handbook 10).

`OPEN -> DIAGNOSED -> WAITING_PARTS -> IN_REPAIR -> TESTING`, ended as RELEASED, SCRAPPED or
CANCELLED. A pack goes to a workshop on its order (`moves.py`, rows 30 and 31) and leaves it when
the order is closed (row 32): with a test report, a fresh assessment of its health, no hold on
charging, and, where its management system was changed, with the new one enrolled and proven.
"""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.bindings import PACK_BMS
from ledger.domain.composing import is_sha256, move_rows, moving, together
from ledger.domain.custody import PACKS, Pack
from ledger.domain.moves import MovePack
from ledger.domain.orders import (
    PACK_WORK,
    WORK_ENDINGS,
    WORK_ORDERS,
    PackWork,
    Part,
    WorkOrder,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import Ask, proven_level
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.transitions import PROOF_BY_PACK, TERMINAL, state_of
from ledger.domain.world import Key, Keys, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (WORK_ORDERS, PACK_WORK)
FOLDS: tuple[type[Event], ...] = ()

STAGES = ("OPEN", "DIAGNOSED", "WAITING_PARTS", "IN_REPAIR", "TESTING")
"""Stages of work, in order; it may go back and forth between them."""

LIST_MAX = 64
TEXT_MAX = 200
SERIAL_MAX = 50
LABOUR_MAX_MIN = 100_000

_BENCH = frozenset({"workshop", "engineer"})

# Commands ---------------------------------------------------------------------


class OpenWorkOrder(Command):
    """Order work on exactly one thing: a pack, a charger, a slot of a station, or a station."""

    roles: ClassVar[frozenset[str]] = _BENCH | {"operator", "depot_clerk", "asset_manager"}

    work_order_id: str
    workshop_id: str
    fault_codes: tuple[str, ...]
    pack_id: str = ""
    charger_id: str = ""
    station_id: str = ""
    slot: str = ""
    occurred_at: int = 0


class AdvanceWorkOrder(Command):
    """Work came to another of `STAGES`; `findings` is what was found, in a few words each."""

    roles: ClassVar[frozenset[str]] = _BENCH

    work_order_id: str
    stage: str
    findings: tuple[str, ...] = ()
    occurred_at: int = 0


class RecordRepair(Command):
    """Parts, labour in minutes and cost in minor units of a repair; a change of BMS is a part."""

    roles: ClassVar[frozenset[str]] = _BENCH

    work_order_id: str
    parts: tuple[Part, ...] = ()
    labour_min: int = 0
    cost_minor: int = 0
    currency: str = ""
    occurred_at: int = 0


class CloseWorkOrder(Command):
    """End the work: RELEASED, SCRAPPED or CANCELLED; two persons answer for it.

    A released pack goes to the depot named, with its own answer if its BMS was changed.
    """

    roles: ClassVar[frozenset[str]] = _BENCH
    needs_second_person: ClassVar[bool] = True

    work_order_id: str
    outcome: str
    report_sha256: str = ""
    depot_id: str = ""
    level: int = 2
    attestation_sha256: str = ""
    occurred_at: int = 0


WorkshopCommand = OpenWorkOrder | AdvanceWorkOrder | RecordRepair | CloseWorkOrder

# Events -----------------------------------------------------------------------


class WorkOrderOpened(Event):
    """Work is ordered on what is named."""

    kind: ClassVar[str] = "work_order_opened"

    work_order_id: str
    workshop_id: str
    fault_codes: tuple[str, ...]
    pack_id: str = ""
    charger_id: str = ""
    station_id: str = ""
    slot: str = ""


class WorkOrderAdvanced(Event):
    """Work is at a stage, and what was found."""

    kind: ClassVar[str] = "work_order_advanced"

    work_order_id: str
    stage: str
    pack_id: str = ""
    findings: tuple[str, ...] = ()


class RepairRecorded(Event):
    """What was changed and what it took: minutes, and cost in minor units."""

    kind: ClassVar[str] = "repair_recorded"

    work_order_id: str
    pack_id: str = ""
    parts: tuple[Part, ...] = ()
    labour_min: int = 0
    cost_minor: int = 0
    currency: str = ""


class WorkOrderClosed(Event):
    """Work ended, and how; the report stays outside, by digest."""

    kind: ClassVar[str] = "work_order_closed"

    work_order_id: str
    outcome: str
    pack_id: str = ""
    report_sha256: str = ""


WorkshopEvent = WorkOrderOpened | WorkOrderAdvanced | RepairRecorded | WorkOrderClosed

# touches ----------------------------------------------------------------------


def touches(command: WorkshopCommand) -> Keys:
    """Read the work order, and what it is on."""
    order = touch(WORK_ORDERS, command.work_order_id)
    if not isinstance(command, OpenWorkOrder):
        return (order,)
    return (
        order,
        touch(PARTIES, command.workshop_id),
        touch(PACKS, command.pack_id),
        touch(PACK_WORK, command.pack_id),
        touch(STATIONS, command.station_id),
        touch(SLOTS, command.station_id, command.slot),
    )


def follows(world: World, command: WorkshopCommand) -> Keys:
    """Read the pack, and what its way out of the workshop needs."""
    order = world.get(WORK_ORDERS, command.work_order_id)
    if isinstance(command, OpenWorkOrder) or order is None:
        return ()
    rows: list[Key] = [touch(PACKS, order.pack_id)]
    if isinstance(command, CloseWorkOrder):
        rows.append(touch(PACK_BMS, order.pack_id))
        rows += move_rows(world, [_step(order, command)])
    return rows


# decide -----------------------------------------------------------------------


def decide(world: World, command: WorkshopCommand, request: Request) -> Outcome:
    """Open an order once on one thing; record work while it is open; close it once."""
    order = world.get(WORK_ORDERS, command.work_order_id)
    if isinstance(command, OpenWorkOrder):
        return _open(world, command, order)
    if order is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"work_order": command.work_order_id[:40]})
    if not order.is_open:
        return Refusal(RefusalCode.ORDER_ENDED, {"work_order": order.work_order_id})
    match command:
        case AdvanceWorkOrder():
            return _advance(order, command)
        case RecordRepair():
            return _repair(order, command)
        case CloseWorkOrder():
            return _close(world, order, command, request)
        case _ as unknown:
            assert_never(unknown)


def _open(world: World, command: OpenWorkOrder, known: WorkOrder | None) -> Outcome:
    if known is not None:
        return Refusal(RefusalCode.ORDER_EXISTS, {"work_order": known.work_order_id})
    faults = party_faults(world, command.workshop_id, "workshop") + _subject_faults(world, command)
    subjects = (command.pack_id, command.charger_id, command.station_id)
    valid = (
        is_id(command.work_order_id)
        and sum(map(bool, subjects)) == 1
        and (not command.slot or bool(command.station_id))
        and _is_list(command.fault_codes)
    )
    if not valid:
        faults.append(RefusalCode.ORDER_FIELD_INVALID)
    if faults:
        return refused(faults, {"work_order": command.work_order_id[:40]})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(WorkOrderOpened(**fields), occurred_at=occurred_at),)


def _subject_faults(world: World, command: OpenWorkOrder) -> list[RefusalCode]:
    pack = world.get(PACKS, command.pack_id)
    work = world.get(PACK_WORK, command.pack_id)
    at_station, slot = command.station_id, key_of(command.station_id, command.slot)
    tests = (
        (bool(command.pack_id) and pack is None, RefusalCode.UNKNOWN_PACK),
        (pack is not None and state_of(pack.account) in TERMINAL, RefusalCode.PACK_ENDED),
        (work is not None and bool(work.work_order_id), RefusalCode.WORK_ORDER_OPEN),
        (
            bool(at_station) and world.get(STATIONS, at_station) is None,
            RefusalCode.STATION_UNKNOWN,
        ),
        (bool(command.slot) and world.get(SLOTS, slot) is None, RefusalCode.SLOT_UNKNOWN),
    )
    return [code for failed, code in tests if failed]


def _is_list(texts: tuple[str, ...]) -> bool:
    return len(texts) <= LIST_MAX and all(0 < len(text) <= TEXT_MAX for text in texts)


def _advance(order: WorkOrder, command: AdvanceWorkOrder) -> Outcome:
    if command.stage not in STAGES or not _is_list(command.findings):
        return Refusal(RefusalCode.ORDER_FIELD_INVALID, {"stage": command.stage[:20]})
    if order.stage == command.stage and not command.findings:
        return ()
    event = WorkOrderAdvanced(
        work_order_id=order.work_order_id,
        stage=command.stage,
        pack_id=order.pack_id,
        findings=command.findings,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _repair(order: WorkOrder, command: RecordRepair) -> Outcome:
    texts = [text for part in command.parts for text in (part.serial_old, part.serial_new)]
    valid = (
        len(order.parts) + len(command.parts) <= LIST_MAX
        and _is_list(tuple(part.code for part in command.parts))
        and all(len(text) <= SERIAL_MAX for text in texts)
        and 0 <= command.labour_min <= LABOUR_MAX_MIN
        and 0 <= command.cost_minor <= QUANTITY_MAX
        and (not command.cost_minor or command.currency in EXPONENTS)
        and (not order.currency or command.currency in ("", order.currency))
    )
    if not valid:
        return Refusal(RefusalCode.ORDER_FIELD_INVALID, {"work_order": order.work_order_id})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    event = RepairRecorded(**fields, pack_id=order.pack_id)
    return (Draft(event, occurred_at=occurred_at),)


def _close(world: World, order: WorkOrder, command: CloseWorkOrder, request: Request) -> Outcome:
    pack = world.get(PACKS, order.pack_id)
    proven = pack is not None and _is_proven(world, pack, command, request)
    faults = _closing_faults(world, order, command, pack, proven=proven)
    if faults:
        return refused(faults, {"work_order": order.work_order_id, "outcome": command.outcome[:20]})
    event = WorkOrderClosed(
        work_order_id=order.work_order_id,
        outcome=command.outcome,
        pack_id=order.pack_id,
        report_sha256=command.report_sha256,
    )
    at_work = pack is not None and state_of(pack.account) == "IN_WORKSHOP"
    leaves = at_work and command.outcome == "RELEASED"
    told = {"report_sha256": command.report_sha256}
    moves = [moving(world, _step(order, command), request, **told)] if leaves else []
    return together(moves, event, command.occurred_at)


def _closing_faults(
    world: World, order: WorkOrder, command: CloseWorkOrder, pack: Pack | None, *, proven: bool
) -> list[RefusalCode]:
    released = command.outcome == "RELEASED"
    serial = order.new_bms()
    bms = world.get(PACK_BMS, order.pack_id)
    enrolled = bms is not None and bool(bms.public_key) and bms.serial == serial
    changed = released and pack is not None and bool(serial)
    measured = pack is not None and pack.soh_assessed_at >= order.opened_at
    tests = (
        (command.outcome not in WORK_ENDINGS, RefusalCode.ORDER_FIELD_INVALID),
        (changed and not proven, RefusalCode.EVIDENCE_TOO_LOW),
        (changed and not enrolled, RefusalCode.IDENTITY_NOT_PROVEN),
        (released and pack is not None and not measured, RefusalCode.SOH_STALE),
        (
            command.outcome == "SCRAPPED" and pack is not None and not pack.retired,
            RefusalCode.NOT_RETIRED,
        ),
        (
            command.outcome != "CANCELLED" and not is_sha256(command.report_sha256),
            RefusalCode.REPORT_MISSING,
        ),
    )
    return [code for failed, code in tests if failed]


def _is_proven(world: World, pack: Pack, command: CloseWorkOrder, request: Request) -> bool:
    at = command.occurred_at or request.at
    shown = command.attestation_sha256
    ask = Ask("released_from_workshop", request.actor, command.level, at, attestation=shown)
    return proven_level(world, pack, ask) >= PROOF_BY_PACK


def _step(order: WorkOrder, command: CloseWorkOrder) -> MovePack:
    return MovePack(
        pack_id=order.pack_id,
        event="released_from_workshop",
        level=command.level,
        holder_id=command.depot_id,
        order_id=order.work_order_id,
        attestation_sha256=command.attestation_sha256,
        occurred_at=command.occurred_at,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: WorkshopEvent, stamp: Stamp) -> None:
    """Keep the order, and which one a pack has."""
    row: WorkOrder
    match event:
        case WorkOrderOpened():
            row = WorkOrder(**asdict(event), opened_at=stamp.occurred_at)
            if event.pack_id:
                work = PackWork(event.pack_id, event.work_order_id)
                world.put(PACK_WORK, event.pack_id, work)
        case WorkOrderAdvanced():
            row = replace(world.need(WORK_ORDERS, event.work_order_id), stage=event.stage)
        case RepairRecorded():
            row = _with_repair(world.need(WORK_ORDERS, event.work_order_id), event)
        case WorkOrderClosed():
            row = replace(world.need(WORK_ORDERS, event.work_order_id), stage=event.outcome)
            if event.pack_id:
                world.put(PACK_WORK, event.pack_id, PackWork(event.pack_id))
        case _ as unknown:
            assert_never(unknown)
    world.put(WORK_ORDERS, event.work_order_id, row)


def _with_repair(order: WorkOrder, event: RepairRecorded) -> WorkOrder:
    return replace(
        order,
        stage="IN_REPAIR",
        parts=order.parts + event.parts,
        labour_min=order.labour_min + event.labour_min,
        cost_minor=order.cost_minor + event.cost_minor,
        currency=event.currency or order.currency,
    )


def postings(_event: WorkshopEvent) -> tuple[Posting, ...]:
    """Work moves nothing; the pack's way in and out does."""
    return ()
