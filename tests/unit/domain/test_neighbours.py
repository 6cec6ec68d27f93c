"""Times from neighbours, and charging transactions as evidence of what is in a slot."""

from typing import Any

import pytest

from ledger.domain.neighbours import BESIDE_US, CAME, SLOT_TIMES, WENT, SlotTime
from ledger.domain.world import World
from ledger.kernel.instants import SECOND
from ledger.kernel.messages import ClockReading
from tests.support.reporting import (
    NOON,
    account,
    changed,
    drafts,
    kinds,
    open_types,
    report,
    report_town,
    slot_of,
    take_in,
)

ARRIVED = NOON + 61 * SECOND
BLIND = ClockReading("U")
STARTED = {"transaction": "T1", "state": "Started"}
DEPARTED = {"transaction": "T1", "state": "Ended", "trigger": "EVDeparted"}


def blind_in(**fields: Any) -> Any:
    """Report a pack that came into slot 1, without a time and without a count."""
    usual = {"serial": "S-1", "driver_id": "DR-1"}
    return changed(report("swap_in", 9, 60, **(usual | fields)), clock=BLIND)


def time_of(world: World, one: Any) -> tuple[int, str, int]:
    """Give time, quality and uncertainty of the entry that a report became."""
    first = drafts(world, one)[0]
    assert first.observed is not None
    clock = first.observed.clock
    return first.occurred_at, clock.quality, clock.uncertainty_us


@pytest.mark.parametrize(
    "beside",
    [report("slot_state", 1, 20, state="Occupied"), report("charging", 1, 20, **STARTED)],
    ids=["slot state", "charging"],
)
def test_a_swap_report_without_a_time_takes_that_of_its_neighbour(beside):
    world = report_town()
    take_in(world, beside)
    known = world.need(SLOT_TIMES, f"ST-1|1|{CAME}")
    assert time_of(world, blind_in()) == (known.at, "I", known.uncertainty_us)
    assert abs(known.at - (NOON + 20 * SECOND)) <= SECOND
    assert account(world, "PK-1") == slot_of("ST-1", "1")


@pytest.mark.parametrize(
    "beside",
    [report("slot_state", 1, 30, slot="2", state="Available"),
     report("charging", 1, 30, slot="2", **DEPARTED)],
    ids=["slot state", "charging"],
)  # fmt: skip
def test_a_pack_that_went_out_takes_the_time_when_its_slot_was_empty(beside):
    world = report_town()
    take_in(world, beside)
    out = changed(report("swap_out", 9, 60, slot="2", serial="S-3", driver_id="DR-1"), clock=BLIND)
    assert time_of(world, out)[0] == world.need(SLOT_TIMES, f"ST-1|2|{WENT}").at


@pytest.mark.parametrize(
    ("known", "way"),
    [
        (None, CAME),
        (SlotTime(ARRIVED - BESIDE_US - 1), CAME),
        (SlotTime(ARRIVED + BESIDE_US + 1), CAME),
        (SlotTime(ARRIVED - 1), WENT),
    ],
)
def test_without_a_neighbour_in_time_it_has_no_time_of_its_own(known, way):
    world = report_town()
    if known is not None:
        world.put(SLOT_TIMES, f"ST-1|1|{way}", known)
    assert time_of(world, blind_in()) == (ARRIVED, "U", 0)


@pytest.mark.parametrize("early", [-BESIDE_US, BESIDE_US])
def test_two_minutes_are_beside(early):
    world = report_town()
    world.put(SLOT_TIMES, f"ST-1|1|{CAME}", SlotTime(ARRIVED + early, 7))
    assert time_of(world, blind_in()) == (ARRIVED + early, "I", 7)


def test_a_report_with_a_time_of_its_own_keeps_it_and_a_desk_has_no_slot():
    world = report_town()
    world.put(SLOT_TIMES, f"ST-1|1|{CAME}", SlotTime(ARRIVED))
    timed = report("swap_in", 9, 60, serial="S-1", driver_id="DR-1")
    assert time_of(world, timed)[:2] == (ARRIVED, "S")
    world = report_town()
    assert time_of(world, blind_in(slot=""))[1] == "U"


def test_only_news_of_coming_and_going_are_kept_and_older_ones_change_nothing():
    world = report_town()
    take_in(world, report("slot_state", 2, 50, state="Occupied"))
    newest = world.need(SLOT_TIMES, f"ST-1|1|{CAME}")
    take_in(world, report("slot_state", 1, 20, state="Occupied", arrives=55))
    assert world.need(SLOT_TIMES, f"ST-1|1|{CAME}") == newest
    take_in(world, report("slot_state", 3, 60, state="Unavailable"))
    take_in(world, report("charging", 4, 61, transaction="T1", state="Updated"))
    take_in(world, report("charging", 5, 62, transaction="T1", state="Ended"))
    assert world.get(SLOT_TIMES, f"ST-1|1|{WENT}") is None
    blind = changed(report("slot_state", 6, 63, state="Available"), clock=BLIND)
    take_in(world, blind)
    assert world.get(SLOT_TIMES, f"ST-1|1|{WENT}") is None


def test_charging_in_a_slot_that_is_empty_in_the_books_is_a_case_until_the_pack_is_told():
    world = report_town()
    assert kinds(take_in(world, report("charging", 1, 0, **STARTED))) == [
        "charging_reported",
        "case_opened",
    ]
    assert open_types(world) == ["UNIDENTIFIED_OBJECT"]
    take_in(world, report("swap_in", 2, 5, serial="S-1", driver_id="DR-1"))
    assert open_types(world) == []


def test_charging_corroborates_the_pack_that_the_books_have_there():
    world = report_town()
    made = kinds(take_in(world, report("charging", 1, 0, slot="2", **STARTED)))
    assert made == ["charging_reported"]


def test_a_transaction_whose_pack_departed_says_that_the_slot_is_empty():
    world = report_town()
    made = kinds(take_in(world, report("charging", 1, 0, slot="2", **DEPARTED)))
    assert made[-1] == "slot_found_empty"
    assert open_types(world) == ["UNEXPLAINED_REMOVAL"]
    take_in(world, report("swap_out", 2, 30, slot="2", serial="S-3", driver_id="DR-1"))
    assert account(world, "PK-3") == "Packs:Driver:DR-1"
    assert open_types(world) == []


def test_a_stranger_that_departed_is_no_case_any_more():
    world = report_town()
    take_in(world, report("charging", 1, 0, **STARTED))
    take_in(world, report("charging", 2, 9, **DEPARTED))
    assert open_types(world) == []
