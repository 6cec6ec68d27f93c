"""Re-derivation: what is reversed, what is posted instead, and what energy and swaps make of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.custody import PACKS
from ledger.domain.energy import TrueUpEnergy
from ledger.domain.money.billing import BILLED, Billed
from ledger.domain.rederive import NOTHING, difference
from ledger.domain.reversing import PostingReversed, evolve, postings
from ledger.domain.saga import SWAPS, Swap
from ledger.domain.world import Stamp, World
from ledger.kernel.instants import SECOND
from ledger.kernel.postings import Posting, check_zero, negate
from tests.support.reporting import (
    NOON,
    STATION,
    account,
    drafts,
    kinds,
    report,
    report_town,
    slot_of,
    take_in,
)
from tests.support.rules import act, sums_of

IN_AWAY = report("swap_in", 1, 3_600, station="ST-2", serial="S-1", driver_id="DR-2", soc_bp=2_000)
LATE_IN = report("swap_in", 1, 0, serial="S-1", driver_id="DR-1", soc_bp=1_000, arrives=7_200)
LATE_OUT = report("swap_out", 2, 60, serial="S-1", driver_id="DR-2", soc_bp=8_000, arrives=7_300)


def balance(some: list[Any], name: str) -> int:
    return sum(
        count for event in some for (line, _), count in sums_of(event).items() if line == name
    )


class Leg:
    def __init__(self, name: str) -> None:
        self.identity = (name, "", "", "", 0, "")


@pytest.mark.parametrize(
    ("posted", "derived", "gone", "new", "live"),
    [
        ("", "ab", "", "ab", (0, 0)),
        ("ab", "", "ba", "", (0, 0)),
        ("abc", "adc", "b", "d", (3, 3)),
        ("abc", "abd", "c", "d", (2, 2)),
        ("abcd", "xbcy", "da", "xy", (3, 3)),
        ("ab", "ba", "b", "b", (1, 2)),
    ],
)
def test_lists_of_legs_are_compared_one_by_one(posted, derived, gone, new, live):
    found = difference([Leg(x) for x in posted], [Leg(x) for x in derived])
    if posted == "ab" and derived == "ba":
        assert len(found.gone) == len(found.new) == 1
        return
    assert "".join(posted[at] for at in found.gone) == gone
    assert "".join(derived[at] for at in found.new) == new
    assert (found.live_gone, found.live_new) == live


def test_the_same_list_again_changes_nothing():
    assert difference([Leg("a")], [Leg("a")]) is NOTHING


def test_a_late_report_takes_back_a_leg_by_its_exact_opposite():
    world = report_town()
    came = next(one for one in drafts(world, IN_AWAY) if one.event.kind == "pack_returned")
    take_in(world, LATE_IN)
    made = drafts(world, LATE_OUT)
    undone = [one for one in made if isinstance(one.event, PostingReversed)]
    assert all(one.reverses == one.event.reversed_position for one in undone)
    assert {one.occurred_at for one in undone} == {came.occurred_at}
    for one in undone:
        check_zero(postings(one.event))
    assert [one.corrects for one in made if one.event.kind == "pack_returned"] == [
        undone[0].reverses
    ]
    again = next(one.event for one in made if one.event.kind == "pack_returned")
    assert (again.driver_id, again.to_account) == ("DR-2", slot_of("ST-2", "1"))


def test_energy_follows_the_legs_and_what_was_read_later_stays():
    world = report_town()
    made = [take_in(world, one) for one in (IN_AWAY, LATE_IN, LATE_OUT)]
    events = [event for some in made for event in some]
    pack = world.need(PACKS, "PK-1")
    assert account(world, "PK-1") == slot_of("ST-2", "1")
    assert pack.energy_wh == balance(events, "Energy:Pack:PK-1") == 2_000
    assert balance(events, "Energy:Driver:DR-1") == -1_000
    assert balance(events, "Energy:Driver:DR-2") == 8_000 - 2_000


def test_what_was_charged_between_legs_that_are_told_anew_stays_in_the_pack():
    world = report_town()
    made = take_in(world, IN_AWAY)
    outcome = act(
        world, TrueUpEnergy(pack_id="PK-1", soc_bp=7_000), at=NOON + 4_000 * SECOND, actor=STATION
    )
    assert not isinstance(outcome, tuple) or outcome
    made += [draft.event for draft in outcome]  # type: ignore[union-attr]
    # it was another driver who brought it: the leg is told anew, from him
    handed = report(
        "swap_out",
        1,
        0,
        station="ST-1",
        serial="S-1",
        driver_id="DR-2",
        soc_bp=9_000,
        arrives=9_000,
    )
    made += take_in(world, handed)
    pack = world.need(PACKS, "PK-1")
    assert "energy_restated" in kinds(made)
    assert account(world, "PK-1") == slot_of("ST-2", "1")
    assert pack.energy_wh == balance(made, "Energy:Pack:PK-1") == 7_000


def test_a_past_leg_counts_for_drivers_and_moves_nothing_else():
    world = report_town()
    take_in(world, IN_AWAY)
    later = report("swap_out", 2, 5_000, station="ST-2", serial="S-1", driver_id="DR-1")
    take_in(world, later)
    take_in(world, LATE_IN)
    made = take_in(world, LATE_OUT)
    past = [event for event in made if getattr(event, "past", False)]
    assert past
    assert account(world, "PK-1") == "Packs:Driver:DR-1"


def swap_in(world: World, stage: str, **fields: Any) -> None:
    row = Swap("SW-1", "DR-1", "ST-1", "EXCHANGE", "C1", stage=stage, **fields)
    world.put(SWAPS, "SW-1", row)


def reversal(position: int, swap_id: str = "SW-1") -> PostingReversed:
    return PostingReversed(
        reversed_position=position,
        reversed_kind="x",
        reversed_lines=(),
        reason="r",
        swap_id=swap_id,
    )


def test_a_swap_loses_a_leg_that_did_not_happen_and_gets_the_one_that_did():
    world = report_town()
    act_at = replace(LATE_IN, request="7")
    swap_id = take_in(report_town(), act_at)[0].swap_id
    row = Swap(swap_id, "DR-1", "ST-1", "EXCHANGE", "C1", stage="ACCEPTED")
    world.put(SWAPS, swap_id, row)
    take_in(world, act_at)
    half = world.need(SWAPS, swap_id)
    assert (half.stage, len(half.legs_in)) == ("HALF_IN", 1)
    position = half.legs_in[0].position
    stamp = Stamp(900, NOON, NOON)
    evolve(world, reversal(position, swap_id), stamp)
    assert (world.need(SWAPS, swap_id).stage, world.need(SWAPS, swap_id).legs_in) == (
        "ACCEPTED",
        (),
    )
    world.put(SWAPS, swap_id, replace(half, stage="COMPLETED"))
    evolve(world, reversal(position, swap_id), stamp)
    assert world.need(SWAPS, swap_id).stage == "COMPLETED"
    other = report(
        "swap_out", 1, -60, station="ST-2", serial="S-1", driver_id="DR-2", arrives=9_000
    )
    made = take_in(world, other)
    assert "posting_reversed" in kinds(made)
    ended = world.need(SWAPS, swap_id)
    assert (ended.stage, [leg.pack_id for leg in ended.legs_in]) == ("COMPLETED", ["PK-1"])
    evolve(world, reversal(1, "SW-9"), stamp)
    swap_in(world, "HALF_OUT", legs_out=half.legs_in)
    evolve(world, reversal(1), stamp)
    assert world.need(SWAPS, "SW-1").stage == "HALF_OUT"


def test_a_bill_that_rests_on_a_leg_told_anew_is_looked_at_once():
    world = report_town()
    leg = replace(IN_AWAY, request="7")
    swap_id = take_in(world, leg)[0].swap_id
    world.put(BILLED, swap_id, Billed(40))
    made = [*drafts(world, LATE_IN), *drafts(world, LATE_OUT)]
    reviews = [one for one in made if getattr(one.event, "case_type", "") == "BILL_REVIEW"]
    assert [one.causes for one in reviews] == [(40,)]
    assert reviews[0].event.subjects == (swap_id, "PK-1")
    unbilled = report_town()
    take_in(unbilled, leg)
    unbilled.put(BILLED, swap_id, Billed(40, "tariff_not_found"))
    made = [*drafts(unbilled, LATE_IN), *drafts(unbilled, LATE_OUT)]
    assert all(getattr(one.event, "case_type", "") != "BILL_REVIEW" for one in made)


def test_a_reversal_of_money_moves_its_lines_and_no_pack():
    lines = (Posting("A", "EUR", 5), Posting("B", "EUR", -5))
    event = PostingReversed(
        reversed_position=3, reversed_kind="usage.accrued", reversed_lines=negate(lines), reason="r"
    )
    assert [line.quantity for line in postings(event)] == [-5, 5]
    world = report_town()
    evolve(world, event, Stamp(9, NOON, NOON))
    assert account(world, "PK-1") == "Packs:Driver:DR-1"


def test_what_was_inside_before_a_leg_is_what_the_leg_before_it_left():
    world = report_town()
    take_in(world, report("swap_out", 1, 0, slot="2", serial="S-3", driver_id="DR-1"))
    out = report("swap_in", 1, 600, station="ST-2", serial="S-3", driver_id="DR-1", soc_bp=3_000)
    take_in(world, out)
    late = report("swap_in", 2, 300, serial="S-3", driver_id="DR-1", soc_bp=4_000, arrives=900)
    made = take_in(world, late)
    undone = next(event for event in made if event.kind == "posting_reversed")
    assert (undone.energy_wh, undone.to_account) == (9_000, "Packs:Driver:DR-1")
    assert world.need(PACKS, "PK-3").energy_wh == 4_000  # what came in; nobody metered since


def test_a_swap_that_has_all_its_legs_gets_no_more():
    world = report_town()
    leg = replace(IN_AWAY, request="7")
    swap_id = take_in(report_town(), leg)[0].swap_id
    row = Swap(swap_id, "DR-2", "ST-2", "HANDOUT", "C1", stage="COMPLETED")
    world.put(SWAPS, swap_id, row)
    take_in(world, leg)
    assert world.need(SWAPS, swap_id).legs_in == ()


def test_a_leg_that_moved_a_pack_to_a_driver_takes_its_energy_back():
    world = report_town()
    made = take_in(world, report("slot_state", 1, 0, slot="2", state="Available"))
    out = report("swap_out", 2, 600, slot="2", serial="S-3", driver_id="DR-1", soc_bp=8_000)
    made += take_in(world, out)
    late = report("swap_in", 1, 300, station="ST-2", serial="S-3", driver_id="DR-2", arrives=900)
    made += take_in(world, late)
    assert balance(made, "Energy:Driver:DR-1") == -balance(made, "Energy:Pack:PK-3") - balance(
        made, "Energy:Losses:Standing"
    ) - balance(made, "Energy:Driver:DR-2")
    assert account(world, "PK-3") == "Packs:Driver:DR-1"
