"""What refusals and drafts of waiting, better packs, extra packs and holds tell beside codes."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES, case_id_of
from ledger.domain.claims import POOLS, Claim
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.holds import ClearHold, PlaceHold
from ledger.domain.liens import PlaceLien
from ledger.domain.parties import PARTIES, Party
from ledger.domain.saga import SWAPS
from ledger.domain.stations import SLOTS, Slot
from ledger.domain.swap import SwapCompleted
from ledger.domain.waiting import TIMERS
from ledger.domain.waitlist import OFFER_US
from ledger.domain.world import World
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town
from tests.support.swaps import (
    AUTHORISE,
    CLOSE,
    NOON,
    PACK_IN,
    PACK_OUT,
    REQUEST,
    STATION,
    SUPPORT,
    TIME_OUT,
    do,
)
from tests.unit.domain import test_extra_packs as extra
from tests.unit.domain import test_stand_ins as stand_ins
from tests.unit.domain import test_waitlist as waiting

LONG = "X" * 50
WORKSHOP = Actor("W", "workshop", "V")


def facts_of(outcome: Any) -> dict[str, Any]:
    assert isinstance(outcome, Refusal), outcome
    return outcome.facts


def filed(outcome: Any) -> list[tuple[str, tuple[int, ...], tuple[int, ...], str]]:
    """Give of each draft its kind, what caused it, and what it is filed under."""
    assert not isinstance(outcome, Refusal), outcome
    return [(one.event.kind, one.after, one.causes, one.correlation_id) for one in outcome]


# Waiting --------------------------------------------------------------------------------------


def test_a_wish_to_wait_that_is_refused_names_station_and_length():
    world = waiting.waiting("DR-1", "DR-2")
    again = act(world, waiting.JOIN, at=waiting.NOON, actor=waiting.CLERK)
    assert facts_of(again) == {"station": "ST-1", "waiting": 2}
    far = replace(waiting.JOIN, station_id=LONG)
    assert facts_of(act(world, far, at=waiting.NOON, actor=waiting.CLERK)) == {
        "station": LONG[:40],
        "waiting": 0,
    }


def test_who_does_not_wait_or_waits_for_another_is_named():
    world = small_town()
    nobody = replace(waiting.LEAVE, driver_id=LONG)
    assert facts_of(act(world, nobody, actor=waiting.CLERK)) == {"driver": LONG[:40]}
    other = act(world, nobody, actor=Actor("DR-2", "driver"))
    assert facts_of(other) == {"driver": LONG[:40]}
    assert isinstance(other, Refusal)
    assert other.code is RefusalCode.BOOKING_OF_ANOTHER_DRIVER


def test_the_edges_of_a_wait_are_inside():
    world = small_town()
    shortest = replace(waiting.JOIN, until=waiting.NOON + 1, count=4)
    assert events(act(world, shortest, at=waiting.NOON, actor=waiting.CLERK))
    longest = replace(waiting.JOIN, driver_id="DR-2", until=waiting.NOON + DAY)
    assert events(act(world, longest, at=waiting.NOON, actor=waiting.CLERK))


def test_an_offer_claims_as_many_packs_as_it_offers_under_its_own_name():
    world = waiting.waiting("DR-1", count=2)
    serve = replace(waiting.SERVE, forecast_ready=2)
    act(world, serve, at=waiting.NOON, actor=waiting.CLERK)
    name = derived_id("WL", "ST-1", "C1", "DR-1")
    until = waiting.NOON + OFFER_US
    assert world.need(POOLS, "ST-1|C1").claims == (Claim(name, waiting.NOON, until, 2),)


def test_an_offer_that_lapsed_is_free_for_the_next_in_the_same_command():
    world = waiting.waiting("DR-1", until=waiting.NOON + 60 * OFFER_US)
    act(world, waiting.SERVE, at=waiting.NOON, actor=waiting.CLERK)
    second = replace(waiting.JOIN, driver_id="DR-2", until=waiting.NOON + 60 * OFFER_US)
    act(world, second, at=waiting.NOON, actor=waiting.CLERK)
    late = waiting.NOON + OFFER_US
    # an older offer still claims what would be free, were it not given back first
    stays = Claim(derived_id("WL", "ST-1", "C1", "DR-1"), waiting.NOON, late + 1)
    pool = world.need(POOLS, "ST-1|C1")
    world.put(POOLS, "ST-1|C1", replace(pool, claims=(stays,)))
    kinds = [
        event.kind for event in events(act(world, waiting.SERVE, at=late, actor=waiting.CLERK))
    ]
    assert kinds == ["waitlist_left", "waitlist_offered"]


# Better packs -----------------------------------------------------------------------------------


def test_a_stand_in_that_cannot_end_names_driver_and_pack():
    world = stand_ins.upgraded()
    told = {"driver": "DR-1", "pack": "PK-8"}
    assert facts_of(act(world, stand_ins.END, at=1)) == told
    unknown = replace(stand_ins.END, pack_id="PK-2", pack_class="C1")
    assert facts_of(act(world, unknown, at=1)) == {"driver": "DR-1", "pack": "PK-2"}
    long = replace(stand_ins.END, driver_id=LONG, pack_id=LONG)
    assert facts_of(act(world, long, at=1)) == {"driver": LONG[:40], "pack": LONG[:40]}


# Extra packs and refunds ------------------------------------------------------------------------


def test_an_extra_pack_is_filed_under_its_swap_with_the_leg_that_caused_it():
    world = extra.half_out()
    swap = extra.CLAIM.swap_id
    early = act(world, extra.CLAIM, at=1, actor=extra.SYSTEM)
    assert facts_of(early) == {"swap": swap}
    unknown = replace(extra.CLAIM, swap_id=LONG)
    assert facts_of(act(world, unknown, at=1, actor=extra.SYSTEM)) == {"swap": LONG[:40]}
    claimed = act(world, extra.CLAIM, at=extra.LATE, actor=extra.SYSTEM)
    ((_, _, causes, _), _) = filed(claimed)
    assert len(causes) == 1
    assert filed(claimed) == [
        ("extra_pack_owed", (), causes, swap),
        ("driver.blocked", (0,), (), swap),
    ]
    assert filed(act(world, extra.SETTLE, at=extra.LATE, actor=extra.SYSTEM)) == [
        ("extra_pack_settled", (), (), swap),
        ("driver.unblocked", (0,), (), swap),
    ]


def test_what_is_owed_names_the_contract_and_when_the_first_pack_went():
    world = extra.half_out()
    world.put(SWAPS, "SW-1", replace(world.need(SWAPS, "SW-1"), contract_id="CT-1"))
    owed, _ = events(act(world, extra.CLAIM, at=extra.LATE, actor=extra.SYSTEM))
    assert (owed.contract_id, owed.since_at) == ("CT-1", PACK_OUT.occurred_at)
    assert owed.case_id == case_id_of("HALF_SWAP", "SW-1")


def test_a_refund_that_cannot_be_decided_names_case_and_swap():
    unknown = replace(extra.DECIDE, case_id=LONG)
    assert facts_of(act(extra.due(), unknown, actor=SUPPORT)) == {"case": LONG[:40]}
    no_swap = replace(extra.DECIDE, swap_id=LONG)
    told = {"case": "CA-1", "swap": LONG[:40]}
    assert facts_of(act(extra.due(), no_swap, actor=SUPPORT)) == told
    assert filed(act(extra.due(), extra.DECIDE, actor=SUPPORT)) == [
        ("refund_decided", (), (), "SW-1"),
        ("case_resolved", (0,), (), "SW-1"),
    ]


# Holds ------------------------------------------------------------------------------------------


def held(*holds: OpenHold, account: str = "Packs:Depot:DE-1:Stored") -> World:
    world = small_town()
    put_pack(world, account, holds=holds)
    return world


def test_a_lien_is_cleared_by_its_release_only_and_other_holds_beside_it_are():
    world = held(OpenHold("HD-7", "RECALL", 1, ("no_charge",), "P1"))
    world.put(PARTIES, "BN-1", Party("BN-1", ("bank",), "CN"))
    lien = PlaceLien(
        lien_id="LI-1",
        pack_id="PK-1",
        bank_id="BN-1",
        doc_sha256="ab" * 32,
        amount_minor=1,
        currency="EUR",
    )
    events(act(world, lien, actor=Actor("F", "finance", "G")))
    (own,) = [one for one in world.need(PACKS, "PK-1").holds if one.reason == "LEGAL_LIEN"]
    clear = ClearHold(hold_id=own.hold_id, pack_id="PK-1")
    outcome = act(world, clear, actor=Actor("F", "finance", "G"))
    assert facts_of(outcome) == {"hold": own.hold_id}
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.LIEN_EXISTS
    recall = ClearHold(hold_id="HD-7", pack_id="PK-1", reason="report 3")
    (cleared,) = events(act(world, recall, actor=WORKSHOP))
    assert (cleared.cleared_by, cleared.second_person) == ("W", "V")
    assert [one.hold_id for one in world.need(PACKS, "PK-1").holds] == [own.hold_id]


def test_a_hold_knows_since_when_and_until_when_it_stops():
    world = held()
    place = PlaceHold(
        hold_id="HD-1", pack_id="PK-1", reason="ELECTRICAL_FAULT", expires_at=1, occurred_at=0
    )
    (placed,) = events(act(world, place, at=5, actor=Actor("S", "station")))
    assert placed.expires_at == 1
    (hold,) = world.need(PACKS, "PK-1").holds
    assert (hold.placed_at, hold.expires_at) == (5, 1)
    over = act(world, ClearHold(hold_id="HD-1", pack_id="PK-1"), at=1, actor=WORKSHOP)
    assert isinstance(over, Refusal)
    assert over.code is RefusalCode.HOLD_ENDED


@pytest.mark.parametrize(("slot", "blocked"), [("0", ["0", "1"]), ("1", ["1", "0", "2"])])
def test_the_first_slot_has_a_neighbour_on_one_side_only(slot, blocked):
    world = small_town()
    world.put(SLOTS, "ST-1|0", Slot("ST-1", "0", "C1", "M-ST-1"))
    put_pack(world, f"Packs:Station:ST-1:Slot:{slot}")
    alarm = PlaceHold(hold_id="HD-1", pack_id="PK-1", reason="THERMAL_ALARM")
    _, *found = events(act(world, alarm, actor=Actor("S", "station")))
    assert [one.slot for one in found] == blocked


# Swaps ------------------------------------------------------------------------------------------


def two_and_one() -> World:
    """Let a driver bring one of two packs and take one of two, both of the better class."""
    world = stand_ins.upgraded()
    put_pack(world, "Packs:Driver:DR-1", "PK-6", pack_class="C2", nominal_wh=20_000)
    for pack_id in ("PK-9", "PK-10"):
        place = "Packs:Station:ST-1:Staged"
        put_pack(world, place, pack_id, pack_class="C2", nominal_wh=20_000, soc_bp=9_000)
    do(world, replace(REQUEST, swap_id="SW-2", pack_class="C2", count=2))
    do(world, replace(AUTHORISE, swap_id="SW-2", pack_ids=("PK-9", "PK-10")))
    at = PACK_OUT.occurred_at + DAY
    do(world, replace(PACK_IN, swap_id="SW-2", pack_id="PK-8", slot="", occurred_at=at))
    return world


def test_as_many_packs_out_as_in_are_a_whole_swap_when_the_time_is_over():
    world = two_and_one()
    at = PACK_OUT.occurred_at + DAY + 1
    do(world, replace(PACK_OUT, swap_id="SW-2", pack_id="PK-9", slot="", occurred_at=at))
    drafts = act(world, replace(TIME_OUT, swap_id="SW-2", occurred_at=at + 7), actor=STATION)
    assert filed(drafts) == [
        ("swap_completed", (), (), "SW-2"),
        ("stand_in_ended", (0,), (), "SW-2"),
        ("stand_in_begun", (0,), (), "SW-2"),
    ]
    assert not isinstance(drafts, Refusal)
    assert {draft.occurred_at for draft in drafts} == {at + 7}
    whole = drafts[0].event
    assert isinstance(whole, SwapCompleted)
    assert (whole.station_id, whole.class_days, whole.swap_id) == ("ST-1", 1, "SW-2")
    assert world.need(SWAPS, "SW-2").stage == "COMPLETED"


def test_what_two_persons_close_is_filed_with_what_it_does_to_stand_ins():
    outcome = act(two_and_one(), replace(CLOSE, swap_id="SW-2"), at=NOON, actor=SUPPORT)
    assert filed(outcome) == [
        ("swap_closed_incomplete", (), (), "SW-2"),
        ("stand_in_ended", (0,), (), "SW-2"),
        ("case_opened", (0,), (), "SW-2"),
    ]


def test_the_case_of_a_swap_follows_the_packs_that_still_come_and_no_clock_waits_for_it():
    world = two_and_one()
    bring = replace(PACK_IN, swap_id="SW-2", slot="", occurred_at=PACK_OUT.occurred_at + DAY + 1)
    do(world, replace(bring, pack_id="PK-6"))
    do(world, replace(TIME_OUT, swap_id="SW-2"))
    case_id = case_id_of("HALF_SWAP", "SW-2")
    assert [debt.count for debt in world.need(CASES, case_id).vector] == [-2]
    assert world.need(TIMERS, "swap|SW-2").due_at == 0
    late = PACK_OUT.occurred_at + 2 * DAY
    do(world, replace(PACK_OUT, swap_id="SW-2", pack_id="PK-9", slot="", occurred_at=late))
    assert [debt.count for debt in world.need(CASES, case_id).vector] == [-1]
    assert world.need(TIMERS, "swap|SW-2").due_at == 0
