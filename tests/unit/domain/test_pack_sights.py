"""What is kept of a pack: in two rows, within bounds, and folded alone where it comes last."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.classes import CLASS_RULES, ClassRules
from ledger.domain.derive import derive
from ledger.domain.observations import IN, OUT, PRESENT, Observation
from ledger.domain.pack_sights import (
    NEWEST_MAX,
    OLDER_SIGHTS,
    PACK_SIGHTS,
    SIGHTS_KEPT,
    SIGHTS_MAX,
    PackSights,
    PostedLeg,
    Retold,
    bounded,
    comes_last,
    read_row,
)
from ledger.domain.standing import Derived, Standing
from tests.support.reporting import account, kinds, report, report_town, take_in

STAGED, DRIVER = "Packs:Station:ST-1:Staged", "Packs:Driver:DR-1"


def seen(seq: int, at: int, **fields: Any) -> Observation:
    usual = {"source": "ST-1", "boot": "B1", "kind": IN, "place": STAGED}
    return Observation(**(usual | fields), seq=seq, at=at, pack_id="PK-1")


KNOWN = (seen(1, 100), seen(2, 200, uncertainty_us=10))


@pytest.mark.parametrize(
    ("one", "last"),
    [
        (seen(3, 300), True),
        (seen(3, 200), False),
        (seen(3, 150), False),
        (seen(2, 300), False),
        (seen(1, 300, boot="B2"), True),
        (seen(1, 300, source="ST-2"), True),
        (seen(1, 205, source="ST-2"), False),
        (seen(1, 210, source="ST-2"), True),
        (seen(3, 300, quality="U"), False),
    ],
)
def test_what_comes_last_for_certain_is_told_at_a_glance(one, last):
    assert comes_last(KNOWN, Standing(STAGED, at=200), one) is last
    assert comes_last(KNOWN, Standing(STAGED, at=200, unsure=True), one) is False
    assert comes_last((), Standing(STAGED), one) is (one.quality != "U")


def test_the_next_count_of_an_earlier_boot_does_not_come_last():
    known = (*KNOWN, seen(1, 250, boot="B2"))
    assert not comes_last(known, Standing(STAGED, at=250), seen(3, 300))
    assert comes_last(known, Standing(STAGED, at=250), seen(2, 300, boot="B2"))


def row_of(sights: list[Observation]) -> tuple[PackSights, Retold]:
    """Keep sights with the legs that were posted for them."""
    now = derive("PK-1", DRIVER, sights)
    legs = tuple(
        PostedLeg(*leg.identity, position, energy_wh=position, soc_bp=position)
        for position, leg in enumerate(now.legs)
    )
    row = PackSights("PK-1", DRIVER, 0, now.account, 0, tuple(sights), legs)
    return row, Retold(Derived([], now.standing), Derived([], now.standing), ())


def there_and_back(count: int, **fields: Any) -> list[Observation]:
    """Let a pack come in and go out by turns, each told by the other of two stations' desks."""
    return [
        seen(number, number * 100, kind=(OUT, IN)[number % 2], driver_id="DR-1", **fields)
        for number in range(1, count + 1)
    ]


def test_the_oldest_are_let_go_and_what_is_left_begins_where_they_led():
    few, retold = row_of(there_and_back(SIGHTS_MAX))
    assert bounded(few, retold) is few
    row, retold = row_of(there_and_back(SIGHTS_MAX + 1))
    left = bounded(row, retold)
    assert len(left.sights) == len(left.legs) == SIGHTS_KEPT
    gone = SIGHTS_MAX + 1 - SIGHTS_KEPT
    assert (left.base, left.settled_at) == (STAGED, (gone + 1) * 100)
    assert (left.base_wh, left.base_soc_bp) == (gone - 1, gone - 1)
    assert left.standing == left.derived().standing == row.derived().standing
    # legs that do not follow from what is left are found out with the next observation
    assert bounded(replace(row, legs=row.legs[1:-1]), retold).standing is None


def test_where_no_leg_is_let_go_what_was_inside_stays():
    sights = [seen(number, number, kind=PRESENT) for number in range(1, SIGHTS_MAX + 2)]
    row, retold = row_of(sights)
    left = bounded(replace(row, base=STAGED, legs=(), base_wh=7, base_soc_bp=8), retold)
    assert (left.base_wh, left.base_soc_bp) == (7, 8)


@pytest.mark.parametrize(("close", "kept"), [("one", SIGHTS_KEPT - 1), ("all", SIGHTS_KEPT)])
def test_two_whose_order_is_not_certain_are_let_go_together(close, kept):
    sights = there_and_back(SIGHTS_MAX + 1)
    at = SIGHTS_MAX + 1 - SIGHTS_KEPT
    for index in range(len(sights)):
        if close == "all" or index in (at - 1, at):
            source = f"ST-{1 + index % 2}"
            sights[index] = replace(sights[index], source=source, uncertainty_us=60)
    row, retold = row_of(sights)
    assert len(bounded(row, retold).sights) == kept


def there_and_back_again(world: Any, times: int) -> None:
    for number in range(times):
        at = 600 * number
        took = {"serial": "S-1", "driver_id": "DR-1"}
        take_in(world, report("swap_in", 2 * number + 1, at, **took))
        take_in(world, report("swap_out", 2 * number + 2, at + 300, **took))


def test_the_older_stand_in_a_row_of_their_own_and_are_told_anew_from_there():
    world = report_town()
    there_and_back_again(world, NEWEST_MAX)
    newest, row = world.need(PACK_SIGHTS, "PK-1"), read_row(world, "PK-1")
    assert row is not None
    older = world.need(OLDER_SIGHTS, "PK-1")
    assert newest.older == len(older.sights) > 0
    assert len(newest.sights) <= NEWEST_MAX
    assert (len(row.sights), len(row.legs)) == (2 * NEWEST_MAX, 2 * NEWEST_MAX)
    late = report("swap_in", 1, 400, station="ST-2", serial="S-1", driver_id="DR-1", arrives=90_000)
    made = take_in(world, late)
    assert {"posting_reversed", "pack_returned"} <= {*kinds(made)}
    row = read_row(world, "PK-1")
    assert row is not None
    assert {leg.identity for leg in row.legs} == {leg.identity for leg in row.derived().legs}
    assert account(world, "PK-1") == row.derived().account


def test_where_packs_must_prove_themselves_from_now_on_all_is_told_anew():
    world = report_town()
    there_and_back_again(world, 1)
    limits = (0, 9_500, (8_500, 10_000))
    rules = ClassRules("C1", 1, "", 10_000, 48_000, *limits, must_prove=True)
    world.put(CLASS_RULES, "C1", rules)
    made = take_in(world, report("swap_in", 3, 600, serial="S-1", driver_id="DR-1"))
    assert "posting_reversed" in kinds(made)
    assert account(world, "PK-1") == DRIVER
