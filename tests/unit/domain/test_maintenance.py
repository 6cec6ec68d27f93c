"""Maintenance plans: due by calendar or counter, one case until the work is done."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.maintenance import (
    EVERY_DAYS_MAX,
    PLANS,
    CheckMaintenance,
    MaintenanceDone,
    MaintenanceDue,
    MaintenancePlanSet,
    RecordMaintenance,
    SetMaintenancePlan,
)
from ledger.domain.orders import WORK_ORDERS, WorkOrder
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

BOSS = Actor("P1", "asset_manager")
HAND = Actor("P2", "workshop")
YEARLY = SetMaintenancePlan(plan_id="MP-1", subject="ST-1", measure="calendar", every=365)
BY_SWAPS = replace(YEARLY, measure="swaps", every=1_000)
CHECK = CheckMaintenance(plan_id="MP-1")
DONE = RecordMaintenance(plan_id="MP-1")
BEGUN, OVER = 10, 10 + 365 * DAY


def planned(plan: SetMaintenancePlan = YEARLY) -> World:
    world = small_town()
    events(act(world, plan, at=BEGUN, actor=BOSS))
    return world


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def due_at(world: World) -> int:
    return world.need(TIMERS, "maintenance|MP-1").due_at


def state(world: World) -> str:
    return PLANS.listed_by(world.need(PLANS, "MP-1"))


def test_a_plan_by_calendar_is_overdue_when_its_days_are_over():
    world = planned()
    assert (due_at(world), state(world)) == (OVER, "running")
    assert events(act(world, CHECK, at=OVER - 1)) == []
    due, case = events(act(world, CHECK, at=OVER))
    assert due == MaintenanceDue(plan_id="MP-1")
    assert (case.case_type, case.subjects) == ("MAINTENANCE_DUE", ("ST-1", "MP-1"))
    assert case.reason == "every 365 by calendar"
    assert (due_at(world), state(world)) == (0, "overdue")
    assert events(act(world, CHECK, at=OVER + DAY)) == []
    assert sums_of(due) == {}


def test_the_work_ends_the_case_and_the_time_begins_anew():
    world = planned()
    act(world, CHECK, at=OVER)
    world.put(WORK_ORDERS, "WO-1", WorkOrder("WO-1", "WS-1", 1))
    done, ended = events(act(world, replace(DONE, work_order_id="WO-1"), at=OVER + 5, actor=HAND))
    assert done == MaintenanceDone(plan_id="MP-1", work_order_id="WO-1")
    assert not world.need(CASES, ended.case_id).is_open
    assert (due_at(world), state(world)) == (OVER + 5 + 365 * DAY, "running")
    (alone,) = events(act(world, DONE, at=OVER + 9, actor=HAND))
    assert alone.kind == "maintenance_done"
    assert len(events(act(world, CHECK, at=OVER + 9 + 365 * DAY))) == 2


def test_a_plan_by_a_counter_is_judged_when_it_is_read():
    world = planned(BY_SWAPS)
    assert due_at(world) == 0
    assert events(act(world, replace(CHECK, count=999), at=OVER)) == []
    due, _ = events(act(world, replace(CHECK, count=1_000), at=BEGUN))
    assert due.count == 1_000
    back = replace(DONE, count=999)
    assert code_of(act(world, back, actor=HAND)) is RefusalCode.ORDER_FIELD_INVALID
    assert len(events(act(world, replace(DONE, count=1_010), actor=HAND))) == 2
    assert events(act(world, replace(CHECK, count=2_009))) == []
    assert len(events(act(world, replace(CHECK, count=2_010)))) == 2


def test_a_plan_is_changed_and_ended_with_its_case():
    world = planned()
    assert events(act(world, YEARLY, actor=BOSS)) == []
    (changed,) = events(act(world, replace(YEARLY, every=30), actor=BOSS))
    assert changed == MaintenancePlanSet(
        plan_id="MP-1", subject="ST-1", measure="calendar", every=30
    )
    assert due_at(world) == BEGUN + 30 * DAY
    act(world, CHECK, at=OVER)
    ended, closed = events(act(world, replace(YEARLY, every=0), actor=BOSS))
    assert (ended.every, closed.kind) == (0, "case_resolved")
    assert (due_at(world), state(world)) == (0, "ended")
    for command in (CHECK, DONE):
        assert code_of(act(world, command, at=OVER)) is RefusalCode.MAINTENANCE_PLAN_UNKNOWN
    assert events(act(world, YEARLY, actor=BOSS))
    assert state(world) == "running"
    assert len(events(act(world, replace(YEARLY, every=0), actor=BOSS))) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (replace(YEARLY, plan_id="no id"), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, subject=""), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, measure="mood"), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, every=-1), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, every=EVERY_DAYS_MAX + 1), RefusalCode.ORDER_FIELD_INVALID),
        (replace(BY_SWAPS, every=QUANTITY_MAX + 1), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, plan_id="MP-2", every=0), RefusalCode.ORDER_FIELD_INVALID),
        (replace(YEARLY, subject="ST-2"), RefusalCode.ORDER_EXISTS),
        (BY_SWAPS, RefusalCode.ORDER_EXISTS),
        (replace(CHECK, plan_id="MP-9"), RefusalCode.MAINTENANCE_PLAN_UNKNOWN),
        (replace(CHECK, count=-1), RefusalCode.ORDER_FIELD_INVALID),
        (replace(CHECK, count=QUANTITY_MAX + 1), RefusalCode.ORDER_FIELD_INVALID),
        (replace(DONE, work_order_id="WO-9"), RefusalCode.ORDER_UNKNOWN),
    ],
)
def test_what_cannot_be_planned_or_done_is_refused(command, code):
    assert code_of(act(planned(), command, at=OVER)) is code
