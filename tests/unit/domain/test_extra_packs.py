"""A pack out and none in: what is owed after a day, and refunds that two persons decide."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.blocks import DRIVER_BLOCKS, DriverBlock
from ledger.domain.cases import CASES, OpenCase, ResolveCase, case_id_of
from ledger.domain.extra_packs import (
    BILLS,
    EXTRA_PACK_AFTER_US,
    EXTRA_PACKS,
    ClaimExtraPack,
    ExtraPackOwed,
    SettleExtraPack,
)
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.extra_pack_bills import BillExtraPackDays, usage_of
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.refunds_due import DecideRefund, RefundDecided
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, sums_of
from tests.support.swaps import (
    AUTHORISE,
    CLOSE,
    NOON,
    PACK_IN,
    PACK_OUT,
    SUPPORT,
    TIME_OUT,
    do,
    swapping,
)

SYSTEM = Actor("system", "system")
CLAIM = ClaimExtraPack(swap_id="SW-1")
SETTLE = SettleExtraPack(swap_id="SW-1", reason="it came")
CASE = case_id_of("HALF_SWAP", "SW-1")
LATE = TIME_OUT.occurred_at + EXTRA_PACK_AFTER_US
TIMER = "extra_pack|SW-1"


def half_out() -> World:
    """Give a swap up whose pack went out and none came."""
    return swapping(AUTHORISE, PACK_OUT, TIME_OUT, order="Out-In")


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_pack_out_and_none_in_is_owed_after_a_day_and_its_driver_is_blocked():
    world = half_out()
    assert world.need(TIMERS, TIMER).due_at == LATE
    assert code_of(act(world, CLAIM, at=LATE - 1, actor=SYSTEM)) is RefusalCode.NOT_DUE
    owed, blocked = events(act(world, CLAIM, at=LATE, actor=SYSTEM))
    assert owed == ExtraPackOwed(
        swap_id="SW-1",
        driver_id="DR-1",
        station_id="ST-1",
        pack_class="C1",
        count=1,
        since_at=PACK_OUT.occurred_at,
        case_id=CASE,
    )
    assert (blocked.driver_id, blocked.reason) == ("DR-1", "extra_pack SW-1")
    assert EXTRA_PACKS.listed_by(world.need(EXTRA_PACKS, "SW-1")) == "open"
    assert world.need(TIMERS, TIMER).due_at == 0
    assert events(act(world, CLAIM, at=LATE, actor=SYSTEM)) == []
    assert sums_of(owed) == {}


def test_who_brings_the_pack_in_time_owes_nothing():
    world = half_out()
    do(world, PACK_IN)
    assert world.need(TIMERS, TIMER).due_at == 0
    assert events(act(world, CLAIM, at=LATE, actor=SYSTEM)) == []


def test_a_swap_that_needed_no_time_out_is_not_watched():
    world = swapping(AUTHORISE, PACK_IN, PACK_OUT)
    assert world.get(TIMERS, TIMER) is None
    assert events(act(world, CLAIM, at=LATE, actor=SYSTEM)) == []


def test_a_half_swap_closed_by_two_persons_is_watched_from_then_on():
    world = swapping(AUTHORISE, PACK_OUT, CLOSE, order="Out-In")
    assert world.need(TIMERS, TIMER).due_at == NOON + EXTRA_PACK_AFTER_US
    assert len(events(act(world, CLAIM, at=NOON + EXTRA_PACK_AFTER_US, actor=SYSTEM))) == 2


def test_a_half_swap_closed_after_its_time_out_goes_on_being_watched():
    world = half_out()
    world.put(TIMERS, TIMER, replace(world.need(TIMERS, TIMER), due_at=7))
    do(world, CLOSE)
    assert world.need(TIMERS, TIMER).due_at == 7


def test_a_pack_that_is_owed_to_the_driver_is_no_extra_pack():
    world = swapping(AUTHORISE, PACK_IN, CLOSE)
    assert world.get(TIMERS, TIMER) is None
    assert events(act(world, CLAIM, at=LATE, actor=SYSTEM)) == []
    assert world.need(CASES, CASE).is_open


def test_what_was_claimed_is_settled_once_and_frees_the_driver():
    world = half_out()
    assert events(act(world, SETTLE, actor=SYSTEM)) == []
    act(world, CLAIM, at=LATE, actor=SYSTEM)
    settled, free = events(act(world, SETTLE, actor=SYSTEM))
    assert (settled.reason, free.reason) == ("it came", "extra_pack SW-1")
    assert world.need(DRIVER_BLOCKS, "DR-1") == DriverBlock("DR-1")
    assert EXTRA_PACKS.listed_by(world.need(EXTRA_PACKS, "SW-1")) == "settled"
    assert events(act(world, SETTLE, actor=SYSTEM)) == []


def test_a_driver_who_was_freed_or_blocked_by_hand_is_not_twice():
    world = half_out()
    world.put(DRIVER_BLOCKS, "DR-1", DriverBlock("DR-1", ("extra_pack SW-1",)))
    assert len(events(act(world, CLAIM, at=LATE, actor=SYSTEM))) == 1
    world.put(DRIVER_BLOCKS, "DR-1", DriverBlock("DR-1", ()))
    assert len(events(act(world, SETTLE, actor=SYSTEM))) == 1


def test_a_case_that_persons_settle_ends_the_watch_and_another_case_does_not():
    world = half_out()
    do(world, CLOSE)
    other = OpenCase(case_id="CA-7", case_type="OTHER", subjects=("SW-1",), reason="noise")
    do(world, other, SUPPORT)
    do(world, ResolveCase(case_id="CA-7", resolution="nothing"), SUPPORT)
    assert world.need(TIMERS, TIMER).due_at > 0
    do(world, ResolveCase(case_id=CASE, resolution="he keeps it", forgives=True), SUPPORT)
    assert world.need(TIMERS, TIMER).due_at == 0


def test_nothing_is_claimed_for_a_swap_that_nobody_knows():
    world = half_out()
    for command in (replace(CLAIM, swap_id="SW-9"), replace(SETTLE, swap_id="SW-9")):
        assert code_of(act(world, command, at=LATE, actor=SYSTEM)) is RefusalCode.SWAP_UNKNOWN


# Days ---------------------------------------------------------------------------------------

DAYS = BillExtraPackDays(swap_id="SW-1")
FACTS = UsageFacts(
    kind="custody",
    usage_id=usage_of("SW-1"),
    driver_id="DR-1",
    station_id="ST-1",
    operator_id="OP-1",
    country="CN",
    tariff_id="TF-1",
    occurred_at=LATE,
    energy_wh=0,
    level=3,
    clock_quality="S",
    extra_pack_days=1,
)


def test_the_days_are_billed_once_and_only_when_they_are_over():
    world = half_out()
    assert code_of(act(world, DAYS, actor=SYSTEM)) is RefusalCode.SWAP_UNKNOWN
    act(world, CLAIM, at=LATE, actor=SYSTEM)
    assert events(act(world, DAYS, actor=SYSTEM)) == []
    act(world, SETTLE, at=LATE + HOUR, actor=SYSTEM)
    assert world.need(TIMERS, f"{BILLS}|SW-1").due_at == LATE + HOUR
    strange = replace(DAYS, usage=BillUsage(facts=replace(FACTS, usage_id="SW-1")))
    assert code_of(act(world, strange, actor=SYSTEM)) is RefusalCode.PACK_FIELD_INVALID
    billed = events(act(world, replace(DAYS, usage=BillUsage(facts=FACTS)), actor=SYSTEM))
    assert [one.kind for one in billed] == ["usage.unbilled", "extra_pack_billed"]  # no tariff
    assert world.need(TIMERS, f"{BILLS}|SW-1").due_at == 0
    assert events(act(world, DAYS, actor=SYSTEM)) == []


def test_days_without_a_price_cost_nothing():
    world = half_out()
    act(world, CLAIM, at=LATE, actor=SYSTEM)
    act(world, SETTLE, at=LATE + HOUR, actor=SYSTEM)
    (billed,) = events(act(world, DAYS, actor=SYSTEM))
    assert (billed.kind, billed.usage_id) == ("extra_pack_billed", "")


# Refunds ------------------------------------------------------------------------------------

DECIDE = DecideRefund(case_id="CA-1", swap_id="SW-1", reason="it grew hot")


def due(**changes: Any) -> World:
    world = swapping(AUTHORISE, PACK_IN, PACK_OUT)
    usual = {"case_id": "CA-1", "case_type": "REFUND_DUE", "subjects": ("PK-2", "DR-1")}
    do(world, OpenCase(**(usual | {"reason": "hot"} | changes)), SUPPORT)
    return world


@pytest.mark.parametrize(("granted", "said"), [(True, "refund granted"), (False, "no refund")])
def test_two_persons_decide_a_refund_and_the_case_says_how(granted, said):
    world = due()
    decide = replace(DECIDE, is_granted=granted)
    lone = Actor("P1", "support")
    assert code_of(act(world, decide, actor=lone)) is RefusalCode.SECOND_PERSON_REQUIRED
    decided, ended = do(world, decide, SUPPORT)
    assert decided == RefundDecided(
        case_id="CA-1",
        swap_id="SW-1",
        driver_id="DR-1",
        reason="it grew hot",
        is_granted=granted,
    )
    assert ended.resolution == f"{said}: it grew hot"
    assert not world.need(CASES, "CA-1").is_open
    assert sums_of(decided) == {}
    assert code_of(act(world, decide, at=HOUR, actor=SUPPORT)) is RefusalCode.CASE_ENDED


@pytest.mark.parametrize(
    ("case", "changes", "code"),
    [
        ({}, {"case_id": "CA-9"}, RefusalCode.CASE_UNKNOWN),
        ({"case_type": "OVERDUE"}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({}, {"reason": ""}, RefusalCode.PACK_FIELD_INVALID),
        ({}, {"swap_id": "SW-9"}, RefusalCode.SWAP_UNKNOWN),
        ({"subjects": ("PK-2", "DR-2")}, {}, RefusalCode.SWAP_OF_ANOTHER_DRIVER),
    ],
)
def test_a_decision_about_something_else_is_refused(case, changes, code):
    world = due(**case)
    assert code_of(act(world, replace(DECIDE, **changes), actor=SUPPORT)) is code
