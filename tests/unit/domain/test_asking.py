import pytest
from msgspec.structs import replace

from ledger.domain.asking import AnswerSwap, swap_id_of
from ledger.domain.booking import ReserveSwap
from ledger.domain.cases import CASES
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import DRIVER_PACKS, PACKS, SetPackEntitlement
from ledger.domain.pinning import AllocatePack
from ledger.domain.saga import GRACE_US, STATION_REASONS, TIMEOUT_US, Swap
from ledger.domain.swap import TAKEN_BACK
from ledger.domain.waiting import RETURN_AFTER_US, TIMERS
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack
from tests.support.swaps import (
    AUTHORISE,
    CLOSE,
    NOON,
    PACK_IN,
    PACK_OUT,
    REQUEST,
    SEEN,
    STATION,
    TIME_OUT,
    do,
    swap_of,
    swap_town,
    swapping,
)

FROM_AFAR = replace(AUTHORISE, is_answered=False)
YES = AnswerSwap(swap_id="SW-1")
CLOCK = Actor("system", "system")


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def kinds(made):
    return [event.kind for event in made]


def seen(seq):
    return replace(SEEN, source=replace(SEEN.source, seq=seq))


# A station that was asked from afar ----------------------------------------------------------


def test_a_station_that_is_asked_from_afar_answers_later():
    world = swapping(FROM_AFAR)
    assert swap_of(world).stage == "AUTHORISED"
    assert kinds(do(world, YES)) == ["swap_accepted"]
    assert swap_of(world).stage == "ACCEPTED"
    assert code_of(act(world, YES, actor=STATION)) is RefusalCode.SWAP_STAGE


def test_what_a_station_says_against_a_swap_is_kept_under_our_names():
    assert len(STATION_REASONS) == 6
    for word, code in STATION_REASONS.items():
        world = swapping(FROM_AFAR)
        (no,) = do(world, replace(YES, reasons=(word,)))
        assert (no.kind, no.reasons) == ("swap_refused", (code.wire,))
    world = swapping()
    (no,) = do(world, replace(YES, reasons=("class_mismatch", "unknown_pack", "class_mismatch")))
    assert no.reasons == ("unknown_pack", "class_mismatch")
    assert swap_of(world).stage == "REFUSED"


def test_a_word_that_no_station_knows_is_refused():
    outcome = act(swapping(FROM_AFAR), replace(YES, reasons=("mood",)), actor=STATION)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (RefusalCode.SWAP_KIND_INVALID, {"reason": "mood"})
    late = act(swapping(AUTHORISE), replace(YES, reasons=("mood",)), actor=STATION)
    assert code_of(late) is RefusalCode.SWAP_STAGE


# Bookings ------------------------------------------------------------------------------------

RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=2,
    forecast_version="F1",
)


def test_at_the_latest_when_he_comes_a_driver_has_a_pack_pinned():
    world = swap_town()
    do(world, RESERVE, Actor("P1", "operator"))
    do(world, replace(REQUEST, booking_id="BK-1"))
    *_, pinned, came = do(world, AUTHORISE)
    assert (pinned.kind, pinned.pack_id) == ("pack_allocated", "PK-2")
    assert came.kind == "booking_presented"
    assert world.need(PACKS, "PK-2").allocated_to == "BK-1"


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_pinned_before_is_not_pinned_again(count):
    world = swap_town()
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
    do(world, replace(RESERVE, count=count), Actor("P1", "operator"))
    do(world, AllocatePack(booking_id="BK-1", pack_id="PK-2"))
    do(world, replace(REQUEST, booking_id="BK-1"))
    assert kinds(do(world, AUTHORISE))[2:] == ["booking_presented"]
    assert world.need(BOOKINGS, "BK-1").pack_ids == ("PK-2",)


def test_another_pack_than_the_pinned_one_may_be_offered_and_is_pinned_only_if_one_is_wanted():
    for count, pins in ((1, ("PK-2",)), (2, ("PK-2", "PK-3"))):
        world = swap_town()
        put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
        do(world, replace(RESERVE, count=count), Actor("P1", "operator"))
        do(world, AllocatePack(booking_id="BK-1", pack_id="PK-2"))
        do(world, replace(REQUEST, booking_id="BK-1"))
        do(world, replace(AUTHORISE, pack_ids=("PK-3",)))
        assert world.need(BOOKINGS, "BK-1").pack_ids == pins


# The clock -----------------------------------------------------------------------------------


def test_the_ledger_waits_as_long_as_the_station_and_its_grace():
    waits = TIMEOUT_US + GRACE_US
    world = swapping(AUTHORISE)
    assert swap_of(world).due_at == NOON + waits
    assert world.need(TIMERS, "swap|SW-1").due_at == NOON + waits
    early = act(world, TIME_OUT, at=NOON + waits - 1, actor=CLOCK)
    assert code_of(early) is RefusalCode.NOT_DUE
    do(world, TIME_OUT)  # the station itself says when
    assert world.need(TIMERS, "swap|SW-1").due_at == 0
    world = swapping(AUTHORISE)
    expired = events(act(world, TIME_OUT, at=NOON + waits, actor=CLOCK))
    assert kinds(expired) == ["swap_expired"]


def test_what_the_ledger_waits_for():
    row = Swap("SW-1", "DR-1", "ST-1", "EXCHANGE", "C1", since_at=1)
    waits = 1 + TIMEOUT_US + GRACE_US
    due = dict.fromkeys(("REQUESTED", "AUTHORISED", "ACCEPTED", "HALF_IN", "HALF_OUT"), waits)
    for stage in (*due, "OUT_TIMED_OUT", "COMPLETED", "EXPIRED"):
        assert replace(row, stage=stage).due_at == due.get(stage, 0)
    assert replace(row, stage="HALF_OUT", has_case=True).due_at == 0


def test_each_pack_that_moves_begins_the_wait_anew():
    world = swapping(AUTHORISE, PACK_IN)
    assert world.need(TIMERS, "swap|SW-1").due_at == NOON + TIMEOUT_US + GRACE_US
    late = events(act(world, PACK_OUT, at=NOON + HOUR, actor=STATION))
    assert late[-1].kind == "swap_completed"
    assert world.need(TIMERS, "swap|SW-1").due_at == 0


def test_a_swap_waits_once_for_a_pack_that_does_not_come():
    world = swapping(AUTHORISE, PACK_OUT, order="Out-In")
    case, late = do(world, TIME_OUT)
    assert (case.case_type, late.kind) == ("HALF_SWAP", "swap_in_timed_out")
    assert (late.driver_id, late.station_id) == ("DR-1", "ST-1")
    assert code_of(act(world, TIME_OUT, actor=STATION)) is RefusalCode.SWAP_STAGE
    (closed,) = do(world, CLOSE)
    assert closed.kind == "swap_closed_incomplete"
    row = world.need(CASES, case.case_id)
    assert (row.is_open, row.swap_id, row.vector[0].count) == (True, "", 1)


def test_a_driver_who_owes_a_pack_is_waited_for_a_week_and_only_while_he_owes_it():
    world = swapping(AUTHORISE, PACK_OUT, order="Out-In")
    assert world.need(TIMERS, "return|DR-1|C1").due_at == NOON + 60 + RETURN_AFTER_US
    do(world, PACK_IN)
    assert world.need(TIMERS, "return|DR-1|C1").due_at == 0
    ended = SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=0)
    act(world, ended, at=NOON + 1)
    assert world.need(TIMERS, "return|DR-1|C1").due_at == NOON + 1 + RETURN_AFTER_US
    act(world, replace(ended, count=1), at=NOON + 2)
    assert world.need(TIMERS, "return|DR-1|C1").due_at == 0


# Packs that balance --------------------------------------------------------------------------


def pair_of_packs(kind="EXCHANGE"):
    world = swap_town()
    put_pack(world, "Packs:Driver:DR-1", "PK-4")
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
    do(world, replace(REQUEST, count=2, swap_kind=kind))
    do(world, replace(AUTHORISE, pack_ids=("PK-2", "PK-3")))
    return world


def test_a_set_of_which_one_pair_moved_is_whole_when_the_time_is_over():
    world = pair_of_packs()
    do(world, PACK_IN)
    do(world, replace(PACK_OUT, observed=seen(6)))
    (whole,) = do(world, TIME_OUT)
    assert (whole.kind, len(whole.legs_in), len(whole.legs_out)) == ("swap_completed", 1, 1)
    row = world.need(DRIVER_PACKS, "DR-1|C1")
    assert row.deviation == row.agreed  # PK-4 was his before


def test_the_case_of_a_set_follows_the_packs_that_come_late():
    world = pair_of_packs()
    do(world, PACK_IN)
    second = replace(PACK_IN, pack_id="PK-4", slot="", observed=seen(6), occurred_at=NOON + 1)
    do(world, second)
    case, _ = do(world, TIME_OUT)
    assert [debt.count for debt in case.vector] == [-2]
    do(world, replace(PACK_OUT, observed=seen(7)))
    row = world.need(CASES, case.case_id)
    assert ([debt.count for debt in row.vector], row.is_open) == ([-1], True)
    assert swap_of(world).stage == "OUT_TIMED_OUT"
    third = replace(PACK_OUT, pack_id="PK-3", slot="", observed=seen(8), occurred_at=NOON + 70)
    assert "swap_completed" in kinds(do(world, third))
    assert not world.need(CASES, case.case_id).is_open


def test_a_driver_who_takes_his_own_pack_back_has_swapped_nothing():
    world = swapping(AUTHORISE, PACK_IN)
    back = replace(PACK_OUT, pack_id="PK-1", slot="1", soc_bp=2_000, observed=seen(6))
    closed = do(world, back)[-1]
    assert (closed.kind, closed.resolution) == ("swap_closed_incomplete", TAKEN_BACK)
    assert (closed.energy_wh, swap_of(world).stage) == (0, "CLOSED_INCOMPLETE")
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == 0


def test_a_stay_offers_no_pack_and_waits_as_long_as_it_charges():
    world = swap_town()
    do(world, replace(REQUEST, swap_kind="STAY"))
    (no,) = events(act(world, AUTHORISE, at=NOON, actor=STATION))
    assert no.reasons == ("no_pack_available",)
    world = swapping(replace(AUTHORISE, pack_ids=()), PACK_IN, swap_kind="STAY")
    assert swap_of(world).due_at == 0
    back = replace(PACK_OUT, pack_id="PK-1", slot="1", observed=seen(6))
    whole = do(world, back)[-1]
    assert (whole.kind, whole.swap_kind) == ("swap_completed", "STAY")


def test_who_charges_his_own_pack_and_takes_another_one_has_swapped_it():
    world = swapping(replace(AUTHORISE, pack_ids=()), PACK_IN, swap_kind="STAY")
    whole = do(world, replace(PACK_OUT, observed=seen(6)))[-1]
    assert [leg.pack_id for leg in (*whole.legs_in, *whole.legs_out)] == ["PK-1", "PK-2"]


def test_nothing_in_and_nothing_out_is_not_void():
    row = Swap("SW-1", "DR-1", "ST-1", "EXCHANGE", "C1")
    assert not row.is_void


def test_the_name_of_a_swap_is_the_same_for_ever():
    assert swap_id_of("ST-1", "B1", "7") == derived_id("SW", "ST-1", "B1", "7")
    assert swap_id_of("ST-1", "B1", "7").startswith("SW-")
