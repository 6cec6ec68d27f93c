import pytest
from msgspec.structs import replace

from ledger.domain.asking import SwapAccepted, swap_id_of
from ledger.domain.booking import PresentBooking, ReserveSwap
from ledger.domain.cases import CASES, Debt, case_id_of
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import DRIVER_PACKS, DriverPacks
from ledger.domain.saga import ENDED, STAGES, SWAPS, worse_clock
from ledger.domain.stations import STATIONS
from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_pack, sums_of
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
    swap_of,
    swap_town,
    swapping,
)

RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + 1,
    forecast_ready=1,
    forecast_version="F1",
)
CLERK = Actor("P1", "operator")


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def kinds(events):
    return [event.kind for event in events]


def test_a_swap_is_asked_for_and_allowed():
    world = swap_town()
    (asked,) = do(world, REQUEST, Actor("DR-1", "driver"))
    assert (asked.swap_kind, asked.order, asked.count) == ("EXCHANGE", "In-Out", 1)
    row = swap_of(world)
    assert (row.stage, SWAPS.listed_by(row)) == ("REQUESTED", "DR-1")
    allowed, accepted = do(world, AUTHORISE)
    assert (allowed.pack_ids, accepted) == (("PK-2",), SwapAccepted(swap_id="SW-1"))
    assert swap_of(world).stage == "ACCEPTED"
    assert sums_of(accepted) == {}


def test_a_restarted_station_cannot_repeat_the_name_of_a_swap():
    assert swap_id_of("ST-1", "B1", "7") == swap_id_of("ST-1", "B1", "7")
    assert swap_id_of("ST-1", "B1", "7") != swap_id_of("ST-1", "B2", "7")


@pytest.mark.parametrize(
    ("pack", "offer", "reasons"),
    [
        ({"soc_bp": 7_999}, ("PK-3",), ("soc_below_target",)),
        (
            {"soc_bp": None, "commissioned": False},
            ("PK-3",),
            ("not_commissioned", "soc_below_target"),
        ),
        ({"soc_bp": 9_000, "allocated_to": "BK-9"}, ("PK-3",), ("allocated_elsewhere",)),
        ({}, ("PK-9",), ("unknown_pack",)),
        ({"soc_bp": 9_000}, (), ("no_pack_available",)),
        ({"soc_bp": 9_000}, ("PK-2", "PK-3"), ("no_pack_available",)),
        ({"soc_bp": 9_000}, ("PK-2", "PK-2"), ("no_pack_available",)),
    ],
)
def test_a_pack_that_may_not_go_out_refuses_the_swap_with_all_reasons(pack, offer, reasons):
    world = swapping()
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-3", **pack)
    (refused,) = do(world, replace(AUTHORISE, pack_ids=offer))
    assert (refused.kind, refused.reasons) == ("swap_refused", reasons)
    assert swap_of(world).stage == "REFUSED"


def test_a_driver_with_a_booking_is_at_the_station_when_his_swap_is_allowed():
    world = swap_town()
    do(world, RESERVE, CLERK)
    do(world, replace(REQUEST, booking_id="BK-1"))
    assert kinds(do(world, AUTHORISE))[2:] == ["pack_allocated", "booking_presented"]
    row = world.need(BOOKINGS, "BK-1")
    assert (row.stage, row.pack_ids) == ("PRESENTED", ("PK-2",))


def test_a_booking_that_was_presented_before_is_not_presented_again():
    world = swap_town()
    do(world, RESERVE, CLERK)
    do(world, PresentBooking(booking_id="BK-1", driver_id="DR-1"))
    do(world, replace(REQUEST, booking_id="BK-1"))
    assert len(do(world, AUTHORISE)) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"driver_id": "DR-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"driver_id": "OP-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"station_id": "ST-9"}, RefusalCode.STATION_UNKNOWN),
        ({"station_id": "ST-2"}, RefusalCode.STATION_NOT_IN_SERVICE),
        ({"count": 9}, RefusalCode.TOO_MANY_PACKS),
        ({"pack_class": "no class"}, RefusalCode.PACK_FIELD_INVALID),
        ({"swap_id": "no id"}, RefusalCode.PACK_FIELD_INVALID),
        ({"booking_id": "BK-9"}, RefusalCode.BOOKING_UNKNOWN),
        ({"booking_id": "BK-1", "driver_id": "DR-2"}, RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        ({"swap_kind": "LOAN"}, RefusalCode.SWAP_KIND_INVALID),
        ({"order": "Both"}, RefusalCode.SWAP_KIND_INVALID),
        ({"count": 0}, RefusalCode.SWAP_BALANCE),
        ({"count": 2}, RefusalCode.ENTITLEMENT_EXCEEDED),
        ({"driver_id": "DR-2"}, RefusalCode.ENTITLEMENT_EXCEEDED),
        ({"driver_id": "DR-2", "swap_kind": "RETURN"}, RefusalCode.ENTITLEMENT_EXCEEDED),
    ],
)
def test_a_request_that_cannot_be_is_refused(changes, code):
    world = swap_town()
    station = world.need(STATIONS, "ST-2")
    world.put(STATIONS, "ST-2", replace(station, in_service=False))
    do(world, RESERVE, CLERK)
    assert code_of(act(world, replace(REQUEST, **changes), actor=STATION)) is code


def test_a_request_by_a_booking_must_fit_it():
    world = swap_town()
    do(world, RESERVE, CLERK)
    request = replace(REQUEST, booking_id="BK-1")
    row = world.need(BOOKINGS, "BK-1")
    for changes, code in (
        ({"station_id": "ST-2"}, RefusalCode.WRONG_PLACE),
        ({"pack_class": "C2"}, RefusalCode.CLASS_MISMATCH),
        ({"stage": "CANCELED"}, RefusalCode.BOOKING_ENDED),
    ):
        world.put(BOOKINGS, "BK-1", replace(row, **changes))
        assert code_of(act(world, request, actor=STATION)) is code


def test_a_driver_asks_only_for_himself_and_once():
    world = swapping()
    assert code_of(act(world, REQUEST, actor=STATION)) is RefusalCode.SWAP_EXISTS
    other = act(world, replace(REQUEST, swap_id="SW-2"), actor=Actor("DR-2", "driver"))
    assert code_of(other) is RefusalCode.SWAP_OF_ANOTHER_DRIVER


def test_who_owes_a_pack_gets_no_more():
    world = swap_town()
    handout = replace(REQUEST, swap_kind="HANDOUT")
    world.put(DRIVER_PACKS, "DR-1|C1", DriverPacks("DR-1", "C1", held=2, entitled=1))
    assert code_of(act(world, handout, actor=STATION)) is RefusalCode.ENTITLEMENT_EXCEEDED
    world.put(DRIVER_PACKS, "DR-1|C1", DriverPacks("DR-1", "C1", held=1, entitled=1))
    do(world, handout)


def test_nothing_put_in_is_an_expired_swap():
    world = swapping(AUTHORISE)
    assert kinds(do(world, TIME_OUT)) == ["swap_expired"]
    assert swap_of(world).stage == "EXPIRED"


def test_a_pack_in_and_none_out_is_a_half_swap_that_names_who_is_owed():
    world = swapping(AUTHORISE, PACK_IN)
    case, timed_out = do(world, TIME_OUT)
    assert (timed_out.kind, case.case_type) == ("swap_out_timed_out", "HALF_SWAP")
    assert case.vector == (Debt("DR-1", "C1", -1),)
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == -1
    row = world.need(CASES, case_id_of("HALF_SWAP", "SW-1"))
    assert (row.is_open, row.swap_id) == (True, "SW-1")
    assert swap_of(world).stage == "OUT_TIMED_OUT"


@pytest.mark.parametrize(
    ("steps", "kinds_made", "vector"),
    [
        ([PACK_IN], ["swap_closed_incomplete", "case_opened"], -1),
        ([PACK_OUT], ["swap_closed_incomplete", "case_opened"], 1),
        ([PACK_IN, TIME_OUT], ["swap_closed_incomplete"], -1),
    ],
)
def test_two_persons_close_a_half_swap_and_its_debt_stays_a_case(steps, kinds_made, vector):
    world = swapping(AUTHORISE, *steps)
    closed, *_ = made = do(world, CLOSE)
    assert kinds(made) == kinds_made
    assert (closed.resolution, closed.level) == ("paid back", 3)
    assert swap_of(world).stage == "CLOSED_INCOMPLETE"
    (case,) = [row for _, row in world.rows(CASES)]
    assert case.vector == (Debt("DR-1", "C1", vector),)


def test_a_half_swap_that_balances_is_closed_without_a_case():
    world = swap_town()
    put_pack(world, "Packs:Driver:DR-1", "PK-4")
    put_pack(world, "Packs:Station:ST-2:Staged", "PK-5", soc_bp=9_000)
    do(world, replace(REQUEST, count=2))
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=9_000)
    do(world, replace(AUTHORISE, pack_ids=("PK-2", "PK-3")))
    do(world, PACK_IN)
    do(world, PACK_OUT)
    assert kinds(do(world, CLOSE)) == ["swap_closed_incomplete"]


@pytest.mark.parametrize("command", [AUTHORISE, TIME_OUT, CLOSE])
def test_a_swap_nobody_asked_for_is_unknown(command):
    actor = SUPPORT if command is CLOSE else STATION
    assert code_of(act(swap_town(), command, actor=actor)) is RefusalCode.SWAP_UNKNOWN


LATER = replace(AUTHORISE, is_answered=False)
WAYS: dict[str, list[Command]] = {
    "REQUESTED": [],
    "AUTHORISED": [LATER],
    "ACCEPTED": [AUTHORISE],
    "REFUSED": [replace(AUTHORISE, pack_ids=())],
    "EXPIRED": [AUTHORISE, TIME_OUT],
    "HALF_IN": [AUTHORISE, PACK_IN],
    "HALF_OUT": [AUTHORISE, PACK_OUT],
    "OUT_TIMED_OUT": [AUTHORISE, PACK_IN, TIME_OUT],
    "COMPLETED": [AUTHORISE, PACK_IN, PACK_OUT],
    "CLOSED_INCOMPLETE": [AUTHORISE, PACK_IN, CLOSE],
}
COMMANDS = {
    "authorise": (AUTHORISE, ("swap_authorised",)),
    "time out": (TIME_OUT, ("swap_expired", "swap_out_timed_out", "swap_in_timed_out")),
    "close": (CLOSE, ("swap_closed_incomplete",)),
}


@pytest.mark.parametrize("stage", WAYS)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_rules_agree_with_the_table(stage, name):
    world = swapping(*WAYS[stage])
    assert swap_of(world).stage == stage
    command, made = COMMANDS[name]
    actor = SUPPORT if command is CLOSE else STATION
    outcome = act(world, command, at=NOON, actor=actor)
    targets = {STAGES[stage, kind] for kind in made if (stage, kind) in STAGES}
    if targets:
        assert not isinstance(outcome, Refusal)
        # what was authorised is accepted in the same command
        assert swap_of(world).stage in ({"ACCEPTED"} if name == "authorise" else targets)
    else:
        assert code_of(outcome) is RefusalCode.SWAP_STAGE


@pytest.mark.parametrize("stage", WAYS)
def test_a_leg_counts_where_the_table_says(stage):
    world = swapping(*WAYS[stage])
    row = swap_of(world)
    for way, kind in (("in", "pack_returned"), ("out", "pack_swapped_out")):
        waits = len(row.legs_in if way == "in" else row.legs_out) < 1
        assert row.takes(way, "DR-1", "ST-1") == (waits and (stage, kind) in STAGES)


def test_every_stage_is_reached_and_every_other_one_can_end():
    reached, froms = {"", *STAGES.values()}, {stage for stage, _ in STAGES}
    assert froms <= reached
    assert reached - froms == ENDED
    ends = set(ENDED)
    while True:
        more = {source for (source, _), target in STAGES.items() if target in ends} | ends
        if more == ends:
            break
        ends = more
    assert ends == reached


def test_the_worse_clock_speaks_for_both():
    assert worse_clock("S", "R") == worse_clock("R", "I") == "R"
    assert worse_clock("S", "?") == "?"
