"""Shifts: opened once, handed over by who has it to who signs for it, differences told."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.shifts import (
    PHOTOS_MAX,
    SHIFTS,
    Counted,
    HandOverShift,
    OpenShift,
    Shift,
    ShiftHandedOver,
    differences,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

ANNA, BEN = Actor("PE-1", "operator"), Actor("PE-2", "operator")
BOTH = Actor("PE-1", "operator", "PE-2")
OPEN = OpenShift(station_id="ST-1", occurred_at=5)
SHEET = Counted(ready=4, charging=3, broken=1)
HAND = HandOverShift(
    station_id="ST-1", to_person_id="PE-2", counted=SHEET, expected=SHEET, occurred_at=9
)


def opened() -> World:
    world = small_town()
    events(act(world, OPEN, actor=ANNA))
    return world


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_person_minds_an_outlet_that_nobody_minds():
    world = opened()
    row = world.need(SHIFTS, "ST-1")
    assert (row, SHIFTS.listed_by(row)) == (Shift("ST-1", "PE-1", 5), "open")
    outcome = act(world, OPEN, actor=BEN)
    assert code_of(outcome) is RefusalCode.SHIFT_OPEN
    assert isinstance(outcome, Refusal)
    assert outcome.facts == {"station": "ST-1", "person": "PE-1"}
    nowhere = act(world, OpenShift(station_id="ST-9"), actor=ANNA)
    assert code_of(nowhere) is RefusalCode.STATION_UNKNOWN


def test_two_persons_hand_over_what_they_counted():
    world = opened()
    (sheet,) = events(act(world, HAND, actor=BOTH))
    assert sheet == ShiftHandedOver(
        station_id="ST-1",
        from_person_id="PE-1",
        to_person_id="PE-2",
        witness_id="PE-2",
        counted=SHEET,
        expected=SHEET,
    )
    assert world.need(SHIFTS, "ST-1") == Shift("ST-1", "PE-2", 9, 1)
    assert sums_of(sheet) == {}


def test_a_difference_is_a_case_of_its_sheet():
    world = opened()
    missing = replace(HAND, counted=replace(SHEET, ready=3, cash_minor=1))
    _, case = events(act(world, missing, actor=BOTH))
    assert (case.case_type, case.reason) == ("SHIFT_DIFFERENCE", "ready 3, expected 4")
    assert case.subjects == ("ST-1", "PE-1", "PE-2")
    back = replace(missing, to_person_id="PE-1")
    _, second = events(act(world, back, actor=Actor("PE-2", "operator", "PE-1")))
    assert second.case_id != case.case_id
    assert len(list(world.rows(CASES))) == 2


@pytest.mark.parametrize(
    ("counted", "expected", "said"),
    [
        (Counted(), Counted(), ""),
        (Counted(meter_import_wh=5), Counted(), ""),
        (Counted(), Counted(meter_import_wh=5), "meter_import_wh not told, expected 5"),
        (
            Counted(broken=1, foreign=2),
            Counted(foreign=1),
            "broken 1, expected 0, foreign 2, expected 1",
        ),
    ],
)
def test_what_nobody_expects_is_not_compared(counted, expected, said):
    assert differences(counted, expected) == said


def test_an_outlet_is_closed_before_a_witness_and_opened_again():
    world = opened()
    events(act(world, replace(HAND, to_person_id=""), actor=BOTH))
    row = world.need(SHIFTS, "ST-1")
    assert (row, SHIFTS.listed_by(row)) == (Shift("ST-1", "", 0, 1), "closed")
    assert events(act(world, OPEN, actor=BEN))


@pytest.mark.parametrize(
    ("changes", "actor", "code"),
    [
        ({}, ANNA, RefusalCode.SECOND_PERSON_REQUIRED),
        ({}, Actor("PE-2", "operator", "PE-1"), RefusalCode.SHIFT_OF_ANOTHER),
        ({"to_person_id": "PE-3"}, BOTH, RefusalCode.SHIFT_OF_ANOTHER),
        ({"to_person_id": "no id"}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"counted": Counted(ready=-1)}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"expected": Counted(ready=QUANTITY_MAX + 1)}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"notes_sha256": "ab"}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"photos": ("ab",)}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"photos": ("ab" * 32,) * (PHOTOS_MAX + 1)}, BOTH, RefusalCode.ORDER_FIELD_INVALID),
        ({"station_id": "ST-9"}, BOTH, RefusalCode.STATION_UNKNOWN),
        ({"station_id": "ST-2"}, BOTH, RefusalCode.SHIFT_OF_ANOTHER),
    ],
)
def test_a_sheet_that_cannot_be_is_refused(changes, actor, code):
    outcome = act(opened(), replace(HAND, **changes), actor=actor)
    assert code_of(outcome) is code
