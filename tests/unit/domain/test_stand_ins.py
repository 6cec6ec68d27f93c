"""Packs of a better class: asked for and charged by the day, or given for want of the own class."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.claims import BOOKINGS
from ledger.domain.classes import StandIn
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.debts import unexplained
from ledger.domain.pack_classes import RegisterPackClass
from ledger.domain.pinning import AllocatePack, ReplaceAllocation, ReviewPins
from ledger.domain.saga import SWAPS
from ledger.domain.stand_ins import EndStandIn, StandInBegun, StandInEnded
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, sums_of
from tests.support.swaps import AUTHORISE, CLOSE, NOON, PACK_IN, PACK_OUT, REQUEST, do, swap_town
from tests.unit.domain.test_booking import RESERVE

BETTER = replace(REQUEST, pack_class="C2", own_class="C1")
OFFER = replace(AUTHORISE, pack_ids=("PK-8",))
BIG_OUT = replace(PACK_OUT, pack_id="PK-8", slot="")
END = EndStandIn(driver_id="DR-1", pack_id="PK-8", pack_class="C2", reason="fetched")
CLERK = Actor("P1", "operator")


def town(*, stands_in_for: tuple[str, ...] = ("C1",)) -> World:
    """Give station ST-1 a full pack PK-8 of class C2, outside of its slots."""
    world = swap_town()
    terms = RegisterPackClass(
        pack_class="C2",
        facts_version=1,
        source="Technical file",
        nominal_wh=20_000,
        rated_mv=355_200,
        stands_in_for=stands_in_for,
    )
    do(world, terms, Actor("P1", "asset_manager"))
    put_pack(
        world, "Packs:Station:ST-1:Staged", "PK-8", pack_class="C2", nominal_wh=20_000, soc_bp=9_000
    )
    return world


def swap(world: World, *commands: Any) -> list[Any]:
    """Do a swap; give the events of its last command."""
    found: list[Any] = []
    for command in commands:
        found = do(world, command)
    return found


def upgraded(**request: Any) -> World:
    world = town()
    swap(world, replace(BETTER, **request), OFFER, PACK_IN, BIG_OUT)
    return world


def debts_of(world: World) -> tuple[Any, ...]:
    packs = [row for _, row in world.rows(DRIVER_PACKS)]
    cases = [row for _, row in world.rows(CASES)]
    return unexplained(packs, cases, [row for _, row in world.rows(SWAPS)])


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_driver_asks_for_a_better_class_and_what_he_may_keep_follows():
    world = town()
    asked, *_ = swap(world, BETTER)
    assert (asked.pack_class, asked.own_class) == ("C2", "C1")
    allowed, _accepted = swap(world, OFFER)
    assert allowed.class_out == ""
    swap(world, PACK_IN)
    found = swap(world, BIG_OUT)
    (done,) = [event for event in found if event.kind == "swap_completed"]
    assert done.class_days == 0
    (begun,) = [event for event in found if isinstance(event, StandInBegun)]
    assert (begun.pack_id, begun.own_class, begun.is_charged) == ("PK-8", "C1", True)
    assert not [event for event in found if event.kind == "case_opened"]
    rows = [world.need(DRIVER_PACKS, f"DR-1|{name}") for name in ("C1", "C2")]
    assert [(row.held, row.entitled, row.deviation) for row in rows] == [(0, 0, 0), (1, 1, 0)]
    assert rows[1].stand_ins == (StandIn("PK-8", "C1", BIG_OUT.occurred_at, is_charged=True),)
    assert debts_of(world) == ()
    assert sums_of(begun) == {}


@pytest.mark.parametrize(
    ("after_us", "days"), [(0, 0), (1, 1), (DAY, 1), (DAY + 1, 2), (3 * DAY - 60, 3)]
)
def test_going_back_ends_it_and_every_day_begun_is_counted(after_us, days):
    world = upgraded()
    at = BIG_OUT.occurred_at + after_us
    back = replace(REQUEST, swap_id="SW-2", own_class="C2")
    do(world, back)
    do(world, replace(AUTHORISE, swap_id="SW-2"))
    pack_in = replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="", occurred_at=at)
    do(world, pack_in)
    found = do(world, replace(PACK_OUT, swap_id="SW-2", occurred_at=at + 60))
    (done,) = [event for event in found if event.kind == "swap_completed"]
    (ended,) = [event for event in found if isinstance(event, StandInEnded)]
    assert (done.class_days, ended.class_days) == (days, days)
    assert (ended.begin_at, ended.end_at, ended.own_class) == (BIG_OUT.occurred_at, at, "C1")
    assert not [event for event in found if isinstance(event, StandInBegun)]
    assert world.need(SWAPS, "SW-2").class_days == days
    assert world.need(DRIVER_PACKS, "DR-1|C2").stand_ins == ()
    assert world.need(DRIVER_PACKS, "DR-1|C1").entitled == 1
    assert debts_of(world) == ()


def test_a_better_pack_given_for_want_of_the_own_class_costs_no_days():
    world = town()
    swap(world, REQUEST)
    (allowed, *_) = swap(world, OFFER)
    assert allowed.class_out == "C2"
    found = swap(world, PACK_IN, BIG_OUT)
    (begun,) = [event for event in found if isinstance(event, StandInBegun)]
    assert not begun.is_charged
    assert debts_of(world) == ()
    later = BIG_OUT.occurred_at + 9 * DAY
    swap(world, replace(REQUEST, swap_id="SW-2", own_class="C2"))
    swap(world, replace(AUTHORISE, swap_id="SW-2"))
    pack_in = replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="", occurred_at=later)
    found = swap(world, pack_in, replace(PACK_OUT, swap_id="SW-2", occurred_at=later + 1))
    (done,) = [event for event in found if event.kind == "swap_completed"]
    assert done.class_days == 0


def test_a_driver_who_keeps_the_better_class_pays_on_and_his_own_class_is_remembered():
    world = upgraded()
    put_pack(
        world, "Packs:Station:ST-1:Staged", "PK-9", pack_class="C2", nominal_wh=20_000, soc_bp=9_000
    )
    at = BIG_OUT.occurred_at + DAY
    swap(world, replace(REQUEST, swap_id="SW-2", pack_class="C2"))
    swap(world, replace(AUTHORISE, swap_id="SW-2", pack_ids=("PK-9",)))
    swap(world, replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="2", occurred_at=at))
    out = replace(BIG_OUT, swap_id="SW-2", pack_id="PK-9", occurred_at=at + 1)
    found = swap(world, out)
    (done,) = [event for event in found if event.kind == "swap_completed"]
    assert done.class_days == 1
    row = world.need(DRIVER_PACKS, "DR-1|C2")
    assert row.stand_ins == (StandIn("PK-9", "C1", at + 1, is_charged=True),)
    assert debts_of(world) == ()


@pytest.mark.parametrize(
    ("stands_in_for", "changes", "code"),
    [
        ((), {}, RefusalCode.CLASS_MISMATCH),
        (("C7",), {}, RefusalCode.CLASS_MISMATCH),
        (("C1",), {"own_class": "no class"}, RefusalCode.CLASS_MISMATCH),
        (("C1",), {"swap_kind": "RETURN"}, RefusalCode.CLASS_MISMATCH),
        (("C1",), {"swap_kind": "STAY"}, RefusalCode.CLASS_MISMATCH),
        (("C1",), {"count": 2}, RefusalCode.ENTITLEMENT_EXCEEDED),
    ],
)
def test_another_class_is_given_only_where_one_stands_in_for_the_other(
    stands_in_for, changes, code
):
    world = town(stands_in_for=stands_in_for)
    assert code_of(act(world, replace(BETTER, **changes), at=NOON, actor=CLERK)) is code


def test_all_packs_of_a_swap_are_of_one_class():
    world = town()
    put_pack(world, "Packs:Driver:DR-1", "PK-3")
    swap(world, replace(REQUEST, count=2))
    (refused,) = swap(world, replace(AUTHORISE, pack_ids=("PK-2", "PK-8")))
    assert refused.reasons == ("class_mismatch",)


def test_a_pack_that_stands_in_for_nothing_is_not_offered():
    world = town(stands_in_for=())
    swap(world, REQUEST)
    (refused,) = swap(world, OFFER)
    assert refused.reasons == ("class_mismatch",)


def test_a_hand_out_of_a_better_class_is_one_too():
    world = town()
    swap(world, replace(BETTER, swap_kind="HANDOUT"), OFFER)
    found = swap(world, BIG_OUT)
    (begun,) = [event for event in found if isinstance(event, StandInBegun)]
    assert (begun.own_class, begun.is_charged) == ("C1", True)
    assert world.need(DRIVER_PACKS, "DR-1|C2").entitled == 1


def test_a_half_swap_that_two_persons_close_ends_the_days_of_the_pack_that_came():
    world = upgraded()
    at = BIG_OUT.occurred_at + DAY
    swap(world, replace(REQUEST, swap_id="SW-2", own_class="C2"))
    swap(world, replace(AUTHORISE, swap_id="SW-2"))
    swap(world, replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="", occurred_at=at))
    found = swap(world, replace(CLOSE, swap_id="SW-2"))
    assert [event.kind for event in found] == [
        "swap_closed_incomplete",
        "stand_in_ended",
        "case_opened",
    ]
    assert found[0].class_days == 1
    assert debts_of(world) == ()


def test_a_driver_who_takes_his_better_pack_back_has_changed_nothing():
    world = upgraded()
    at = BIG_OUT.occurred_at + 60
    swap(world, replace(REQUEST, swap_id="SW-2", pack_class="C2"))
    put_pack(
        world, "Packs:Station:ST-2:Staged", "PK-9", pack_class="C2", nominal_wh=20_000, soc_bp=9_000
    )
    world.put(PACKS, "PK-9", replace(world.need(PACKS, "PK-9"), account=BIG_OUT_PLACE))
    swap(world, replace(AUTHORISE, swap_id="SW-2", pack_ids=("PK-9",)))
    swap(world, replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="", occurred_at=at))
    out = replace(BIG_OUT, swap_id="SW-2", occurred_at=at + 60)
    found = swap(world, out)
    assert not [event for event in found if event.kind.startswith("stand_in")]
    assert world.need(DRIVER_PACKS, "DR-1|C2").stand_ins[0].since_at == BIG_OUT.occurred_at


BIG_OUT_PLACE = "Packs:Station:ST-1:Staged"


def test_a_pack_that_was_fetched_ends_its_days_when_it_left_the_driver():
    world = upgraded()
    assert code_of(act(world, END, at=NOON)) is RefusalCode.WRONG_STATE
    gone = replace(world.need(PACKS, "PK-8"), account="Packs:Depot:DE-1:Stored")
    world.put(PACKS, "PK-8", replace(gone, moved_at=BIG_OUT.occurred_at + 2 * DAY))
    (ended,) = events(act(world, END, at=NOON))
    assert (ended.class_days, ended.reason, ended.swap_id) == (2, "fetched", "")
    assert code_of(act(world, END, at=NOON)) is RefusalCode.STAND_IN_UNKNOWN
    nobody = replace(END, driver_id="DR-2")
    assert code_of(act(world, nobody, at=NOON)) is RefusalCode.STAND_IN_UNKNOWN


# Pins -----------------------------------------------------------------------------------------


def test_a_booking_is_kept_with_a_better_pack_and_no_surcharge():
    world = town()
    do(world, replace(RESERVE, min_soc_bp=0), CLERK)
    pin = AllocatePack(booking_id="BK-1", pack_id="PK-2", spare_pack_ids=("PK-8",))
    do(world, pin)
    hot = replace(world.need(PACKS, "PK-2"), soc_bp=100)
    world.put(PACKS, "PK-2", hot)
    (moved,) = do(world, ReviewPins(booking_id="BK-1"), Actor("P1", "system"))
    assert moved.pack_ids == ("PK-2", "PK-8")
    do(world, replace(REQUEST, booking_id="BK-1"))
    allowed, *_ = do(world, OFFER)
    assert allowed.class_out == "C2"
    found = swap(world, PACK_IN, BIG_OUT)
    assert "booking_fulfilled" in [event.kind for event in found]
    (begun,) = [event for event in found if isinstance(event, StandInBegun)]
    assert not begun.is_charged
    assert world.need(BOOKINGS, "BK-1").stage == "FULFILLED"


def test_a_pack_that_is_not_as_good_is_not_pinned():
    world = town(stands_in_for=())
    do(world, replace(RESERVE, min_soc_bp=0), CLERK)
    pin = AllocatePack(booking_id="BK-1", pack_id="PK-8")
    assert code_of(act(world, pin, at=NOON, actor=CLERK)) is RefusalCode.CLASS_MISMATCH
    do(world, AllocatePack(booking_id="BK-1", pack_id="PK-2"))
    instead = ReplaceAllocation(booking_id="BK-1", pack_id="PK-8", reason="too hot")
    assert code_of(act(world, instead, at=NOON, actor=CLERK)) is RefusalCode.CLASS_MISMATCH


@pytest.mark.parametrize(
    "stands_in_for", [("C2",), ("C1", "C1"), ("no class",), tuple(f"D{n}" for n in range(33))]
)
def test_a_class_does_not_stand_in_for_itself_nor_for_one_twice(stands_in_for):
    world = swap_town()
    terms = RegisterPackClass(
        pack_class="C2",
        facts_version=1,
        source="x",
        nominal_wh=1,
        rated_mv=1,
        stands_in_for=stands_in_for,
    )
    outcome = act(world, terms, at=NOON)
    assert code_of(outcome) is RefusalCode.CLASS_FIELD_INVALID
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == "stands_in_for"
