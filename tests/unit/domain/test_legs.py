import pytest
from msgspec.structs import replace

from ledger.domain.booking import ReserveSwap
from ledger.domain.cases import CASES, Debt, ResolveCase, case_id_of
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import DRIVER_PACKS, PACKS, OpenHold
from ledger.domain.pinning import AllocatePack
from ledger.domain.stations import SLOTS
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, ClockReading
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, sums_of
from tests.support.swaps import (
    AUTHORISE,
    CLOSE,
    NOON,
    PACK_IN,
    PACK_OUT,
    REQUEST,
    SEEN,
    STATION,
    SUPPORT,
    TIME_OUT,
    do,
    swap_of,
    swap_town,
    swapping,
)

DESK = replace(PACK_IN, slot="")
MOVED = {
    *("leg_inferred", "leg_confirmed", "slot_found_empty"),
    *("pack_returned", "pack_swapped_out"),
}
CLERK = Actor("P1", "operator")


def kinds(events):
    return [event.kind for event in events]


def test_the_leg_that_makes_a_swap_whole_completes_it():
    world = swapping(AUTHORISE)
    seen, came = do(world, PACK_IN)
    assert (seen.kind, seen.clock_uncertainty_us) == ("swap_in_reported", 9)
    assert swap_of(world).stage == "HALF_IN"
    outcome = act(world, PACK_OUT, at=NOON, actor=STATION)
    assert not isinstance(outcome, Refusal)
    seen, reading, left, done = events(outcome)
    assert kinds([seen, reading, left]) == [
        "swap_out_reported",
        "energy_true_up",
        "pack_swapped_out",
    ]
    assert (reading.delta_wh, left.stored_wh) == (-100, 9_000)
    assert [draft.after for draft in outcome] == [(), (0,), (0,), (2,)]
    assert outcome[0].observed == SEEN
    assert {draft.correlation_id for draft in outcome} == {"SW-1"}
    assert outcome[3].causes == (swap_of(world).legs_in[0].position,)
    assert (done.kind, done.swap_kind, done.station_id) == ("swap_completed", "EXCHANGE", "ST-1")
    assert (done.out_at, done.energy_wh, done.capacity_wh) == (NOON + 60, 7_000, 20_000)
    assert (done.level, done.clock_quality, done.clock_uncertainty_us) == (3, "S", 9)
    assert [leg.pack_id for leg in (*done.legs_in, *done.legs_out)] == ["PK-1", "PK-2"]
    row = swap_of(world)
    assert row.stage == "COMPLETED"
    assert all(leg.position for leg in (*row.legs_in, *row.legs_out))
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == 0
    assert sums_of(came)["Packs:Driver:DR-1", "PK-1"] == -1
    assert sums_of(seen) == {}


def test_packs_may_go_out_first():
    world = swapping(AUTHORISE, order="Out-In")
    late = replace(PACK_IN, occurred_at=NOON + 90, level=4)
    do(world, replace(PACK_OUT, observed=replace(SEEN, clock=ClockReading("I"))))
    assert (swap_of(world).stage, world.need(DRIVER_PACKS, "DR-1|C1").deviation) == ("HALF_OUT", 1)
    done = do(world, late)[-1]
    assert (done.out_at, done.level, done.clock_quality) == (NOON + 60, 3, "I")


def test_a_reading_that_agrees_with_the_books_needs_no_correction():
    world = swapping(AUTHORISE, PACK_IN)
    assert "energy_true_up" not in kinds(do(world, replace(PACK_OUT, soc_bp=9_100)))
    world = swapping(AUTHORISE, PACK_IN)
    done = do(world, replace(PACK_OUT, soc_bp=None))[-1]
    assert done.energy_wh == 7_100


def test_what_was_seen_twice_happened_once():
    world = swapping(AUTHORISE, PACK_IN)
    assert act(world, PACK_IN, actor=STATION) == ()
    do(world, PACK_OUT)
    assert act(world, PACK_OUT, actor=STATION) == ()


def test_two_packs_are_swapped_when_all_four_have_moved():
    world = swap_town()
    put_pack(world, "Packs:Driver:DR-1", "PK-4")
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
    do(world, replace(REQUEST, count=2))
    do(world, replace(AUTHORISE, pack_ids=("PK-2", "PK-3")))
    for command, stage in (
        (PACK_IN, "HALF_IN"),
        (PACK_OUT, "HALF_IN"),
        (replace(PACK_OUT, pack_id="PK-3", slot=""), "HALF_IN"),
        (replace(DESK, pack_id="PK-4"), "COMPLETED"),
    ):
        do(world, command)
        assert swap_of(world).stage == stage


def test_a_pack_handed_out_raises_what_the_driver_may_keep():
    world = swap_town()
    do(world, replace(REQUEST, driver_id="DR-2", swap_kind="HANDOUT", contract_id="CO-1"))
    do(world, AUTHORISE)
    done, entitled = do(world, replace(PACK_OUT, driver_id="DR-2"))[-2:]
    assert (done.kind, entitled.count, entitled.contract_id) == ("swap_completed", 1, "CO-1")
    row = world.need(DRIVER_PACKS, "DR-2|C1")
    assert (row.held, row.entitled) == (1, 1)


def test_a_pack_handed_out_under_an_entitlement_leaves_it():
    world = swapping(AUTHORISE, PACK_IN, TIME_OUT, swap_kind="EXCHANGE")
    handout = replace(REQUEST, swap_id="SW-2", swap_kind="HANDOUT")
    do(world, handout)
    do(world, replace(AUTHORISE, swap_id="SW-2"))
    done, entitled = do(world, replace(PACK_OUT, swap_id="SW-2"))[-2:]
    assert (done.kind, entitled.count, entitled.settles) == ("swap_completed", 1, 1)
    assert world.need(DRIVER_PACKS, "DR-1|C1").entitled == 1


def test_a_pack_given_back_for_good_lowers_what_the_driver_may_keep():
    world = swapping(replace(AUTHORISE, pack_ids=()), swap_kind="RETURN")
    done, entitled = do(world, PACK_IN)[-2:]
    assert (done.out_at, done.energy_wh, entitled.count) == (NOON, -2_000, 0)
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == 0


def test_a_booking_is_kept_when_its_swap_completes():
    world = swap_town()
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
    reserve = ReserveSwap(
        booking_id="BK-1",
        driver_id="DR-1",
        station_id="ST-1",
        pack_class="C1",
        window_from=NOON,
        window_to=NOON + HOUR,
        forecast_ready=1,
        forecast_version="F1",
    )
    do(world, reserve, CLERK)
    do(world, AllocatePack(booking_id="BK-1", pack_id="PK-3"))
    do(world, replace(REQUEST, booking_id="BK-1"))
    do(world, AUTHORISE)
    do(world, PACK_IN)
    done, kept = do(world, PACK_OUT)[-2:]
    assert (done.booking_id, kept.kind, kept.swap_id) == ("BK-1", "booking_fulfilled", "SW-1")
    assert world.need(BOOKINGS, "BK-1").stage == "FULFILLED"
    assert world.need(PACKS, "PK-3").allocated_to == ""


def test_a_late_pack_out_completes_a_half_swap_at_any_station():
    world = swapping(AUTHORISE, PACK_IN, TIME_OUT)
    put_pack(world, "Packs:Station:ST-2:Slot:1", "PK-3", soc_bp=9_000, energy_wh=9_000)
    collected = replace(PACK_OUT, station_id="ST-2", slot="1", pack_id="PK-3")
    done, resolved = do(world, collected)[-2:]
    assert (done.kind, done.station_id) == ("swap_completed", "ST-2")
    assert resolved.case_id == case_id_of("HALF_SWAP", "SW-1")
    assert not world.need(CASES, resolved.case_id).is_open
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == 0


def test_the_case_of_a_swap_is_settled_by_hand_only_once_the_swap_was_closed():
    world = swapping(AUTHORISE, PACK_IN, TIME_OUT)
    settle = ResolveCase(case_id=case_id_of("HALF_SWAP", "SW-1"), resolution="paid", forgives=True)
    outcome = act(world, settle, actor=SUPPORT)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (RefusalCode.CASE_OPEN, {"swap": "SW-1"})
    do(world, CLOSE)
    (settled,) = do(world, settle, SUPPORT)
    assert settled.debts == "forgiven"
    late = do(world, PACK_OUT)[-1]
    assert (late.case_type, late.vector) == ("UNAUTHORISED_SWAP", (Debt("DR-1", "C1", 1),))


@pytest.mark.parametrize(
    ("steps", "leg", "vector"),
    [
        (None, PACK_OUT, 1),
        (None, PACK_IN, -1),
        ([], PACK_OUT, 1),
        ([AUTHORISE, TIME_OUT], PACK_IN, -1),
        ([AUTHORISE, PACK_IN, CLOSE], PACK_OUT, 1),
    ],
)
def test_a_leg_that_no_swap_waits_for_is_posted_and_opens_a_case(steps, leg, vector):
    world = swap_town() if steps is None else swapping(*steps)
    *_, moved, case = do(world, leg)
    assert moved.kind in {"pack_returned", "pack_swapped_out"}
    assert case.case_type == "UNAUTHORISED_SWAP"
    assert case.vector == (Debt("DR-1", "C1", vector),)
    assert world.need(PACKS, leg.pack_id).account == moved.to_account


def test_a_leg_of_another_driver_does_not_count_for_the_swap():
    world = swapping(AUTHORISE)
    case = do(world, replace(PACK_OUT, driver_id="DR-2"))[-1]
    assert (case.case_type, swap_of(world).stage) == ("UNAUTHORISED_SWAP", "ACCEPTED")


def test_a_pack_of_another_holder_is_taken_in_and_both_are_named():
    world = swapping(AUTHORISE)
    put_pack(world, "Packs:Driver:DR-2", "PK-7")
    _, came, case = do(world, replace(PACK_IN, pack_id="PK-7"))
    assert (came.driver_id, came.presenter_id) == ("DR-2", "DR-1")
    assert case.case_type == "PACK_MIXUP"
    assert case.vector == (Debt("DR-1", "C1", 1), Debt("DR-2", "C1", -1))
    assert swap_of(world).stage == "HALF_IN"


def test_a_pack_of_another_class_is_taken_in_but_does_not_balance():
    world = swapping(AUTHORISE)
    put_pack(world, "Packs:Driver:DR-1", "PK-7", pack_class="C2")
    assert do(world, replace(PACK_IN, pack_id="PK-7"))[-1].case_type == "PACK_MIXUP"
    assert kinds(do(world, PACK_OUT))[-1] == "pack_swapped_out"
    assert swap_of(world).balance() == (Debt("DR-1", "C1", 1), Debt("DR-1", "C2", -1))


def test_a_hand_out_under_a_hold_is_posted_and_opens_a_case():
    world = swapping(AUTHORISE, PACK_IN)
    pack = world.need(PACKS, "PK-2")
    hold = OpenHold("H-1", "RECALL", 2, ("no_swap_out",), "P1")
    world.put(PACKS, "PK-2", replace(pack, holds=(hold,)))
    made = do(world, PACK_OUT)
    assert made[3].case_type == "HOLD_VIOLATION"
    assert kinds(made)[-1] == "swap_completed"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (replace(PACK_IN, driver_id="DR-9"), RefusalCode.PARTY_UNKNOWN),
        (replace(DESK, station_id="ST-9"), RefusalCode.STATION_UNKNOWN),
        (replace(PACK_IN, slot="9"), RefusalCode.SLOT_UNKNOWN),
        (replace(PACK_IN, pack_id="PK-9"), RefusalCode.UNKNOWN_PACK),
        (replace(PACK_IN, level=2), RefusalCode.EVIDENCE_TOO_LOW),
        (replace(PACK_IN, soc_bp=10_001), RefusalCode.PACK_FIELD_INVALID),
        (replace(PACK_IN, soh_bp=-1), RefusalCode.PACK_FIELD_INVALID),
        (replace(PACK_IN, occurred_at=0), RefusalCode.SESSION_TIME_INVALID),
    ],
)
def test_what_cannot_be_kept_is_refused(command, code):
    world = swapping(AUTHORISE)
    outcome = act(world, command, actor=STATION)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("command", "kinds_of_moves", "case_type"),
    [
        (replace(PACK_IN, pack_id="PK-8"), [], "SIGHTED_OUT_OF_LIFE"),
        (
            replace(PACK_OUT, pack_id="PK-6"),
            ["slot_found_empty", "leg_inferred", "leg_confirmed"],
            "MISSING_LEG",
        ),
        (replace(PACK_OUT, slot="1"), ["leg_inferred", "leg_confirmed"], "MISSING_LEG"),
        (replace(PACK_OUT, slot=""), ["leg_inferred", "leg_confirmed"], "MISSING_LEG"),
        (
            replace(PACK_IN, slot="2"),
            ["slot_found_empty", "pack_returned"],
            "UNEXPLAINED_REMOVAL",
        ),
    ],
)
def test_what_contradicts_the_books_is_posted_and_opens_a_case(command, kinds_of_moves, case_type):
    world = swapping(AUTHORISE)
    put_pack(world, "Packs:Ended:WrittenOff", "PK-8")
    put_pack(world, "Packs:Depot:DE-1:Stored", "PK-6")
    made = do(world, command)
    assert [kind for kind in kinds(made) if kind in MOVED] == kinds_of_moves
    assert case_type in [event.case_type for event in made if event.kind == "case_opened"]


def test_a_pack_leaves_only_after_its_charging_session_ended():
    world = swapping(AUTHORISE, PACK_IN)
    world.put(SLOTS, "ST-1|2", replace(world.need(SLOTS, "ST-1|2"), session_id="CS-1"))
    outcome = act(world, PACK_OUT, actor=STATION)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.CHARGING_SESSION_OVERLAP


def test_a_desk_hands_over_on_the_word_of_staff_and_a_scan():
    world = swapping(AUTHORISE)
    do(world, replace(DESK, level=2), CLERK)
    assert world.need(PACKS, "PK-1").account == "Packs:Station:ST-1:Staged"
