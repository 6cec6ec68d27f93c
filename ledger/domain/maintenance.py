"""Preventive maintenance: plans by calendar or by a counter, and the case when one is overdue.

A plan by calendar is watched by the clock. One by operating hours, swaps or cycles is judged when
somebody reads that counter. An overdue plan is one case until the work is done, with a work order
or without.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened, CaseResolved, case_id_of, opened
from ledger.domain.orders import WORK_ORDERS
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

CALENDAR = "calendar"
MEASURES = (CALENDAR, "operating_hours", "swaps", "equivalent_cycles")
"""What a plan goes by: days of the calendar, or a counter in its own unit."""

EVERY_DAYS_MAX = 3_650


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """One plan: what is looked after, by what measure, how often; when and at what count last."""

    plan_id: str
    subject: str
    measure: str
    every: int
    done_at: int
    done_count: int = 0
    count: int = 0
    is_overdue: bool = False
    is_ended: bool = False

    @property
    def due_at(self) -> int:
        """Give when the clock must look at it (us); 0 = never."""
        watched = self.measure == CALENDAR and not (self.is_overdue or self.is_ended)
        return self.done_at + self.every * DAY if watched else 0

    def is_due(self, at: int, count: int) -> bool:
        """Tell whether it is due at a time (us), or at a count."""
        if self.measure == CALENDAR:
            return at >= self.done_at + self.every * DAY
        return count >= self.done_count + self.every


def _list(row: Plan) -> str:
    if row.is_ended:
        return "ended"
    return "overdue" if row.is_overdue else "running"


PLANS = Shelf("maintenance_plans", Plan, listed_by=_list)
SHELVES = (PLANS,)
FOLDS: tuple[type[Event], ...] = ()

_STAFF = frozenset({"operator", "asset_manager", "workshop", "engineer"})

# Commands ---------------------------------------------------------------------


class SetMaintenancePlan(Command):
    """Look after something every so many days, hours, swaps or cycles; a known plan is changed.

    `every` 0 ends the plan.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "operator"})

    plan_id: str
    subject: str
    measure: str
    every: int


class CheckMaintenance(Command):
    """The clock, or a counter that was read (`count`), says how far a plan is."""

    roles: ClassVar[frozenset[str]] = _STAFF | {"system"}

    plan_id: str
    count: int = 0


class RecordMaintenance(Command):
    """It was looked after, at this count; `work_order_id` is the order by which, where there is."""

    roles: ClassVar[frozenset[str]] = _STAFF

    plan_id: str
    count: int = 0
    work_order_id: str = ""
    occurred_at: int = 0


MaintenanceCommand = SetMaintenancePlan | CheckMaintenance | RecordMaintenance

# Events -----------------------------------------------------------------------


class MaintenancePlanSet(Event):
    """Something is looked after every so often, from now on; 0 = no more."""

    kind: ClassVar[str] = "maintenance_plan_set"

    plan_id: str
    subject: str
    measure: str
    every: int


class MaintenanceDue(Event):
    """A plan is overdue, at this count."""

    kind: ClassVar[str] = "maintenance_due"

    plan_id: str
    count: int = 0


class MaintenanceDone(Event):
    """It was looked after, at this count."""

    kind: ClassVar[str] = "maintenance_done"

    plan_id: str
    count: int = 0
    work_order_id: str = ""


MaintenanceEvent = MaintenancePlanSet | MaintenanceDue | MaintenanceDone

# touches ----------------------------------------------------------------------


def touches(command: MaintenanceCommand) -> Keys:
    """Read the plan, and the work order of a record."""
    plan = touch(PLANS, command.plan_id)
    if isinstance(command, RecordMaintenance):
        return plan, touch(WORK_ORDERS, command.work_order_id)
    return (plan,)


def follows(world: World, command: MaintenanceCommand) -> Keys:
    """Read the case of the plan, which is named by when it was done last."""
    row = world.get(PLANS, command.plan_id)
    return () if row is None else (touch(CASES, _case_id(row)),)


def _seed(row: Plan) -> str:
    return f"{row.plan_id}|{row.done_at}"


def _case_id(row: Plan) -> str:
    return case_id_of("MAINTENANCE_DUE", _seed(row))


# decide -----------------------------------------------------------------------


def decide(world: World, command: MaintenanceCommand, request: Request) -> Outcome:
    """Keep plans; open the case of one that is overdue, close it when the work is done."""
    row = world.get(PLANS, command.plan_id)
    match command:
        case SetMaintenancePlan():
            return _set(world, command, row)
        case CheckMaintenance() | RecordMaintenance():
            if row is None or row.is_ended:
                return Refusal(RefusalCode.MAINTENANCE_PLAN_UNKNOWN, {"plan": command.plan_id[:40]})
            if not row.count <= command.count <= QUANTITY_MAX:
                return Refusal(RefusalCode.ORDER_FIELD_INVALID, {"field": "count"})
            if isinstance(command, CheckMaintenance):
                return _check(row, command, request.at)
            return _record(world, row, command)
        case _ as unknown:
            assert_never(unknown)


def _set(world: World, command: SetMaintenancePlan, row: Plan | None) -> Outcome:
    field = _wrong_field(command)
    if field or (row is None and not command.every):
        return refused([RefusalCode.ORDER_FIELD_INVALID], {"field": field or "every"})
    event = MaintenancePlanSet(**asdict(command))
    if row is not None and (row.subject, row.measure) != (command.subject, command.measure):
        return Refusal(RefusalCode.ORDER_EXISTS, {"plan": row.plan_id})
    if row is not None and row.every == command.every and not row.is_ended:
        return ()
    ends = row is not None and not command.every
    return (Draft(event), *(_closing(world, row, 0) if ends and row is not None else ()))


def _wrong_field(command: SetMaintenancePlan) -> str:
    most = EVERY_DAYS_MAX if command.measure == CALENDAR else QUANTITY_MAX
    tests = (
        (is_id(command.plan_id), "plan_id"),
        (is_id(command.subject), "subject"),
        (command.measure in MEASURES, "measure"),
        (0 <= command.every <= most, "every"),
    )
    return next((name for valid, name in tests if not valid), "")


def _check(row: Plan, command: CheckMaintenance, at: int) -> Outcome:
    if row.is_overdue or not row.is_due(at, command.count):
        return ()
    due = MaintenanceDue(plan_id=row.plan_id, count=command.count)
    said = f"every {row.every} by {row.measure}"
    case: CaseOpened = opened("MAINTENANCE_DUE", _seed(row), (row.subject, row.plan_id), said)
    return Draft(due), Draft(case, after=(0,))


def _record(world: World, row: Plan, command: RecordMaintenance) -> Outcome:
    work = world.get(WORK_ORDERS, command.work_order_id)
    if command.work_order_id and work is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"order": command.work_order_id[:40]})
    event = MaintenanceDone(
        plan_id=row.plan_id, count=command.count, work_order_id=command.work_order_id
    )
    at = command.occurred_at
    return Draft(event, occurred_at=at), *_closing(world, row, at)


def _closing(world: World, row: Plan, at: int) -> tuple[Draft, ...]:
    case = world.get(CASES, _case_id(row))
    if case is None or not case.is_open:
        return ()
    ended = CaseResolved(
        case_id=case.case_id, resolution="it was looked after, or needs it no more"
    )
    return (Draft(ended, occurred_at=at, after=(0,)),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: MaintenanceEvent, stamp: Stamp) -> None:
    """Keep how far a plan is."""
    changes: dict[str, Any]
    match event:
        case MaintenancePlanSet():
            fresh = Plan(event.plan_id, event.subject, event.measure, 0, stamp.occurred_at)
            row = world.get(PLANS, event.plan_id) or fresh
            changes = {"every": event.every, "is_ended": not event.every, "is_overdue": False}
        case MaintenanceDue():
            row = world.need(PLANS, event.plan_id)
            changes = {"count": event.count, "is_overdue": True}
        case MaintenanceDone(count=count):
            row = world.need(PLANS, event.plan_id)
            done = {"done_at": stamp.occurred_at, "done_count": count}
            changes = done | {"count": count, "is_overdue": False}
        case _ as unknown:
            assert_never(unknown)
    row = replace(row, **changes)
    world.put(PLANS, event.plan_id, row)
    set_timer(world, "maintenance", event.plan_id, row.due_at)


def postings(_event: MaintenanceEvent) -> tuple[Posting, ...]:
    """Looking after something moves nothing."""
    return ()
