"""What refusals, drafts and postings of swaps, bookings and holds tell besides their codes."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AnswerSwap
from ledger.domain.booking_ends import BookingFailed, CancelBooking, FailBooking, postings
from ledger.domain.cases import CASES
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.holds import ClearHold, PlaceHold, stopped
from ledger.domain.pinning import AllocatePack, ReplaceAllocation, ReviewPins
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_pack
from tests.support.swaps import (
    AUTHORISE,
    CLOSE,
    NOON,
    PACK_IN,
    STATION,
    SUPPORT,
    TIME_OUT,
    swapping,
)
from tests.unit.domain.money.test_booking_money import OVER, PIN, STAFF, town

LONG = "X" * 50
BOOKED = {"booking": "BK-1", "stage": "RESERVED"}
SYSTEM = Actor("system", "system")


def facts_of(outcome: Any) -> dict[str, Any]:
    assert isinstance(outcome, Refusal), outcome
    return outcome.facts


def drafts_of(outcome: Any) -> Any:
    assert not isinstance(outcome, Refusal), outcome
    return outcome


def told(outcome: Any) -> list[tuple[str, tuple[int, ...], str]]:
    assert not isinstance(outcome, Refusal), outcome
    return [(draft.event.kind, draft.after, draft.correlation_id) for draft in outcome]


def test_a_refused_step_of_a_booking_names_booking_and_stage():
    swap = ReplaceAllocation(booking_id="BK-1", pack_id="PK-2", reason="hot")
    for command in (replace(PIN, pack_id="PK-9"), swap):
        assert facts_of(act(town(), command, at=NOON, actor=STAFF)) == BOOKED
    world = town()
    wrong = FailBooking(booking_id="BK-1", reason="?", fault="weather")
    assert facts_of(act(world, wrong, at=NOON, actor=STAFF)) == BOOKED


@pytest.mark.parametrize(
    ("command", "actor"),
    [
        (AllocatePack(booking_id=LONG, pack_id="PK-1"), STAFF),
        (ReviewPins(booking_id=LONG), SYSTEM),
        (CancelBooking(booking_id=LONG, reason="no"), STAFF),
    ],
)
def test_an_unknown_booking_is_named_as_far_as_a_name_may_be_long(command, actor):
    assert facts_of(act(town(), command, at=NOON, actor=actor)) == {"booking": LONG[:40]}


def test_everything_about_a_booking_is_filed_under_it():
    world = town()
    assert told(act(world, PIN, at=OVER - 1, actor=STAFF)) == [("pack_allocated", (), "BK-1")]
    swap = ReplaceAllocation(booking_id="BK-1", pack_id="PK-2", reason="hot")
    assert told(act(world, swap, at=OVER - 1, actor=STAFF)) == [
        ("allocation_replaced", (), "BK-1"),
    ]
    cancel = CancelBooking(booking_id="BK-1", reason="no")
    assert told(act(world, cancel, at=NOON, actor=STAFF)) == [
        ("booking_canceled", (), "BK-1"),
        ("pending.voided", (0,), "BK-1"),
    ]
    late = ReplaceAllocation(booking_id="BK-1", pack_id="PK-2", reason="hot")
    outcome = act(town(PIN), late, at=OVER, actor=STAFF)
    assert isinstance(outcome, Refusal)
    assert RefusalCode.BOOKING_WINDOW_PASSED in (outcome.code, *outcome.others)


def test_a_fit_pin_before_an_unfit_one_does_not_hide_it():
    world = town(PIN, replace(PIN, pack_id="PK-2", spare_pack_ids=("PK-3",)), count=2)
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000, soh_assessed_at=NOON)
    world.put(PACKS, "PK-2", replace(world.need(PACKS, "PK-2"), commissioned=False))
    made = act(world, ReviewPins(booking_id="BK-1"), at=NOON, actor=SYSTEM)
    assert told(made) == [("allocation_replaced", (), "BK-1")]
    assert world.need(BOOKINGS, "BK-1").pack_ids == ("PK-1", "PK-3")


def test_a_spare_pack_of_another_booking_is_no_spare_pack():
    world = town(PIN)
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), commissioned=False))
    world.put(PACKS, "PK-2", replace(world.need(PACKS, "PK-2"), allocated_to="BK-9"))
    made = act(world, ReviewPins(booking_id="BK-1"), at=NOON, actor=SYSTEM)
    assert told(made)[0][0] == "booking_failed"


def test_money_of_a_booking_that_failed_is_told_by_driver_station_and_booking():
    event = BookingFailed(
        booking_id="BK-1",
        driver_id="DR-1",
        station_id="ST-1",
        currency="EUR",
        fee_minor=10,
        tax_minor=2,
        tax_code="FR-S-2000",
        reason="?",
        compensation_minor=5,
    )
    dims = {"driver": "DR-1", "station": "ST-1", "booking": "BK-1"}
    lines = [(line.account, line.quantity, line.dims) for line in postings(event)]
    assert lines == [
        ("Assets:Receivables:Drivers", 12, dims),
        ("Income:Damage-Late-Fees", -10, dims),
        ("Liabilities:Tax:Output-VAT", -2, dims | {"tax_code": "FR-S-2000"}),
        ("Income:Discounts", 5, dims | {"promo": "BK-1"}),
        ("Liabilities:Wallets:Promo", -5, dims | {"promo": "BK-1"}),
    ]


def test_a_swap_that_cannot_be_closed_or_answered_names_its_stage():
    stage = {"swap": "SW-1", "stage": "REQUESTED"}
    assert facts_of(act(swapping(), CLOSE, at=NOON, actor=SUPPORT)) == stage
    yes = AnswerSwap(swap_id="SW-1")
    assert facts_of(act(swapping(), yes, at=NOON, actor=STATION)) == stage
    word = replace(yes, reasons=(LONG,))
    assert facts_of(act(swapping(), word, at=NOON, actor=STATION)) == {"reason": LONG[:40]}


def test_the_case_of_a_closed_swap_follows_from_its_closing():
    made = act(swapping(AUTHORISE, PACK_IN), CLOSE, at=NOON, actor=SUPPORT)
    assert told(made) == [
        ("swap_closed_incomplete", (), "SW-1"),
        ("case_opened", (0,), "SW-1"),
    ]


def test_a_time_that_is_over_is_told_with_its_case_and_when():
    world = swapping(AUTHORISE, PACK_IN)
    drafts = drafts_of(act(world, replace(TIME_OUT, occurred_at=7), at=NOON, actor=STATION))
    assert told(drafts) == [("case_opened", (), "SW-1"), ("swap_out_timed_out", (0,), "SW-1")]
    assert [draft.occurred_at for draft in drafts] == [7, 7]
    case, late = (draft.event for draft in drafts)
    assert (case.subjects, case.reason) == (("SW-1", "DR-1", "ST-1"), "packs do not balance")
    assert (late.driver_id, late.station_id) == ("DR-1", "ST-1")
    row = world.need(CASES, case.case_id)
    assert (row.swap_id, row.vector, row.is_open) == ("SW-1", case.vector, True)
    again = act(world, TIME_OUT, at=NOON, actor=STATION)
    assert facts_of(again) == {"swap": "SW-1", "stage": "OUT_TIMED_OUT"}
    unknown = replace(TIME_OUT, swap_id=LONG)
    assert facts_of(act(world, unknown, at=NOON, actor=STATION)) == {"swap": LONG[:40]}


def test_nothing_that_came_is_told_when_it_was_over():
    drafts = drafts_of(act(swapping(AUTHORISE), replace(TIME_OUT, occurred_at=7), actor=STATION))
    assert told(drafts) == [("swap_expired", (), "SW-1")]
    assert drafts[0].occurred_at == 7


# Holds ----------------------------------------------------------------------------------------

HELD = OpenHold("HD-1", "THERMAL_ALARM", 1, ("no_swap_out",), "P1", expires_at=9)


def held(*holds: OpenHold) -> Any:
    world = swapping()
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-1", holds=holds)
    return world


@pytest.mark.parametrize(
    ("command", "actor", "at", "facts"),
    [
        (
            PlaceHold(hold_id="HD-2", pack_id="PK-1", reason="RECALL"),
            STATION,
            1,
            {"reason": "RECALL"},
        ),
        (PlaceHold(hold_id="HD-2", pack_id="PK-1", reason=LONG), STATION, 1, {"reason": LONG[:40]}),
        (PlaceHold(hold_id="HD-2", pack_id=LONG, reason="RECALL"), STATION, 1, {"pack": LONG[:40]}),
        (ClearHold(hold_id=LONG, pack_id="PK-1"), Actor("W", "workshop"), 1, {"hold": LONG[:40]}),
        (
            ClearHold(hold_id="HD-1", pack_id="PK-1"),
            Actor("E", "engineer"),
            1,
            {"reason": "THERMAL_ALARM"},
        ),
        (
            ClearHold(hold_id="HD-1", pack_id="PK-1"),
            Actor("W", "workshop"),
            1,
            {"reason": "THERMAL_ALARM"},
        ),
        (
            ClearHold(hold_id="HD-1", pack_id="PK-1"),
            Actor("W", "workshop", "V"),
            9,
            {"hold": "HD-1"},
        ),
    ],
)
def test_a_refusal_about_a_hold_says_which_and_why(command, actor, at, facts):
    assert facts_of(act(held(HELD), command, at=at, actor=actor)) == facts


def test_a_hold_happens_and_ends_when_it_is_said_to():
    world = held()
    place = PlaceHold(hold_id="HD-2", pack_id="PK-1", reason="ELECTRICAL_FAULT", occurred_at=5)
    placed = drafts_of(act(world, place, actor=STATION, at=9))[0]
    clear = ClearHold(hold_id="HD-2", pack_id="PK-1", reason="repaired", occurred_at=7)
    cleared = drafts_of(act(world, clear, actor=Actor("W", "workshop"), at=9))[0]
    assert (placed.occurred_at, cleared.occurred_at) == (5, 7)
    assert (cleared.event.reason, cleared.event.cleared_by) == ("repaired", "W")


def test_a_hold_that_a_rule_places_has_a_name_for_ever():
    hold = stopped("PK-1", "SOH_STALE", "7")
    assert hold.hold_id == derived_id("HD", "PK-1", "SOH_STALE", "7")
    assert (hold.placed_by, hold.severity, hold.scopes) == ("system", 1, ("no_swap_out",))
