import pytest
from msgspec.structs import replace

from ledger.domain.booking import ExtendBooking, PresentBooking, ReserveSwap
from ledger.domain.booking_ends import BookingFulfilled, CancelBooking, FailBooking, MarkNoShow
from ledger.domain.claims import (
    BOOKINGS,
    ENDED,
    NO_SHOW_GRACE_US,
    POOL_MAX,
    POOLS,
    STAGES,
    Claim,
    Pool,
)
from ledger.domain.custody import PACKS
from ledger.domain.pinning import AllocatePack, ReplaceAllocation
from ledger.domain.stations import STATIONS
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act as act_as
from tests.support.rules import events, fold, put_pack, small_town

NOON = 12 * HOUR
OVER = NOON + HOUR + NO_SHOW_GRACE_US
RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=2,
    forecast_version="F7",
    min_soc_bp=9_000,
)
ALLOCATE = AllocatePack(booking_id="BK-1", pack_id="PK-1")
REPLACE = ReplaceAllocation(booking_id="BK-1", pack_id="PK-2", reason="too hot")
PRESENT = PresentBooking(booking_id="BK-1", driver_id="DR-1")
EXTEND = ExtendBooking(
    booking_id="BK-1", until=NOON + HOUR + 1, forecast_ready=2, forecast_version="F8"
)
CANCEL = CancelBooking(booking_id="BK-1", reason="changed mind")
NO_SHOW = MarkNoShow(booking_id="BK-1")
FAIL = FailBooking(booking_id="BK-1", reason="power cut")
FULFIL = BookingFulfilled(booking_id="BK-1", swap_id="SW-1")


STAFF = Actor("P1", "operator", "P2")


def act(world, command, *, at=0, actor=STAFF):
    return act_as(world, command, at=at, actor=actor)


def town():
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-1", soc_bp=9_000)
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-2", soc_bp=9_500)
    return world


def booked(*commands):
    world = town()
    for command in (RESERVE, *commands):
        events(act(world, command, at=NOON))
    return world


def stage_of(world):
    return world.need(BOOKINGS, "BK-1").stage


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_driver_asks_and_is_promised_a_pack():
    world = town()
    asked, promised = events(act(world, RESERVE, at=HOUR))
    assert (asked.kind, promised.kind) == ("booking_requested", "booking_reserved")
    assert (asked.forecast_ready, asked.forecast_version) == (2, "F7")
    row = world.need(BOOKINGS, "BK-1")
    assert (row.stage, row.min_soc_bp, BOOKINGS.listed_by(row)) == ("RESERVED", 9_000, "DR-1")
    assert world.need(POOLS, "ST-1|C1").claims == (Claim("BK-1", NOON, NOON + HOUR),)


def test_a_station_promises_no_more_than_it_will_have_ready_in_a_window():
    world = town()
    for number, start in enumerate((NOON, NOON + HOUR // 2), start=1):
        wish = replace(
            RESERVE, booking_id=f"BK-{number}", window_from=start, window_to=start + HOUR
        )
        events(act(world, wish))
    third = replace(RESERVE, booking_id="BK-3")
    assert code_of(act(world, third)) is RefusalCode.NO_PACK_AVAILABLE
    later = replace(third, window_from=NOON + 2 * HOUR, window_to=NOON + 3 * HOUR)
    events(act(world, later))
    act(world, CANCEL)
    events(act(world, replace(third, booking_id="BK-4")))


def test_a_pin_is_set_moved_and_freed():
    world = booked(ALLOCATE)
    assert world.need(PACKS, "PK-1").allocated_to == "BK-1"
    (moved,) = events(act(world, REPLACE, at=NOON))
    assert moved.pack_ids == ("PK-1", "PK-2")
    assert stage_of(world) == "ALLOCATED"
    assert [world.need(PACKS, name).allocated_to for name in ("PK-1", "PK-2")] == ["", "BK-1"]
    act(world, CANCEL)
    assert world.need(PACKS, "PK-2").allocated_to == ""
    assert world.need(POOLS, "ST-1|C1").claims == ()
    assert world.need(BOOKINGS, "BK-1").pack_ids == ()


def test_a_pack_that_went_to_somebody_else_keeps_his_pin():
    world = booked(ALLOCATE)
    world.put(PACKS, "PK-1", replace(world.need(PACKS, "PK-1"), allocated_to="BK-7"))
    act(world, CANCEL)
    assert world.need(PACKS, "PK-1").allocated_to == "BK-7"


@pytest.mark.parametrize(
    ("commands", "ended_by", "stage"),
    [
        ([], CANCEL, "CANCELED"),
        ([ALLOCATE], CANCEL, "CANCELED"),
        ([], NO_SHOW, "NO_SHOW"),
        ([ALLOCATE], NO_SHOW, "NO_SHOW"),
        ([], FAIL, "FAILED"),
        ([ALLOCATE], FAIL, "FAILED"),
        ([PRESENT], FAIL, "FAILED"),
        ([ALLOCATE, PRESENT], FULFIL, "FULFILLED"),
    ],
)
def test_a_booking_ends_once_and_frees_what_it_held(commands, ended_by, stage):
    world = booked(*commands)
    if ended_by is FULFIL:
        fold(world, FULFIL)
    else:
        events(act(world, ended_by, at=OVER))
    assert stage_of(world) == stage
    assert world.need(PACKS, "PK-1").allocated_to == ""
    assert world.need(POOLS, "ST-1|C1").claims == ()
    for command in (CANCEL, FAIL, NO_SHOW):
        assert code_of(act(world, command, at=OVER)) is RefusalCode.BOOKING_ENDED


BY_KIND = {
    "pack_allocated": replace(ALLOCATE, pack_id="PK-2"),
    "allocation_replaced": REPLACE,
    "booking_extended": EXTEND,
    "booking_presented": PRESENT,
    "booking_canceled": CANCEL,
    "booking_no_show": NO_SHOW,
    "booking_failed": FAIL,
}
WAYS: dict[str, list[Command]] = {
    "RESERVED": [],
    "ALLOCATED": [ALLOCATE],
    "PRESENTED": [PRESENT],
    "CANCELED": [CANCEL],
    "FAILED": [FAIL],
}


@pytest.mark.parametrize("stage", WAYS)
@pytest.mark.parametrize("kind", BY_KIND)
def test_the_rules_agree_with_the_table(stage, kind):
    world = booked(*WAYS[stage])
    assert stage_of(world) == stage
    world.put(BOOKINGS, "BK-1", replace(world.need(BOOKINGS, "BK-1"), count=2))
    at = OVER if kind == "booking_no_show" else NOON
    outcome = act(world, BY_KIND[kind], at=at)
    target = STAGES.get((stage, kind))
    assert isinstance(outcome, Refusal) == (target is None)
    assert stage_of(world) == (target or stage)


def test_every_stage_is_reached_and_every_other_one_can_end():
    reached, froms = {"", *STAGES.values()}, {stage for stage, _ in STAGES}
    assert froms <= reached
    assert reached - froms == ENDED
    assert not froms & ENDED


@pytest.mark.parametrize(
    ("changes", "at", "actor", "code"),
    [
        ({"driver_id": "DR-9"}, 0, STAFF, RefusalCode.PARTY_UNKNOWN),
        ({"driver_id": "OP-1"}, 0, STAFF, RefusalCode.PARTY_ROLE_MISSING),
        ({"station_id": "ST-9"}, 0, STAFF, RefusalCode.STATION_UNKNOWN),
        ({"station_id": "ST-2"}, 0, STAFF, RefusalCode.STATION_NOT_IN_SERVICE),
        ({"pack_class": "no class"}, 0, STAFF, RefusalCode.PACK_FIELD_INVALID),
        ({"min_soc_bp": 10_001}, 0, STAFF, RefusalCode.PACK_FIELD_INVALID),
        ({}, 0, Actor("DR-2", "driver"), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        ({"window_to": NOON}, 0, STAFF, RefusalCode.BOOKING_WINDOW_INVALID),
        ({"window_to": NOON + DAY + 1}, 0, STAFF, RefusalCode.BOOKING_WINDOW_INVALID),
        ({"booking_id": "no id"}, 0, STAFF, RefusalCode.BOOKING_WINDOW_INVALID),
        ({"forecast_ready": 0}, 0, STAFF, RefusalCode.NO_PACK_AVAILABLE),
        ({}, NOON + HOUR, STAFF, RefusalCode.BOOKING_WINDOW_PASSED),
    ],
)
def test_a_wish_that_cannot_be_kept_is_refused(changes, at, actor, code):
    world = town()
    station = world.need(STATIONS, "ST-2")
    world.put(STATIONS, "ST-2", replace(station, in_service=False))
    assert code_of(act(world, replace(RESERVE, **changes), at=at, actor=actor)) is code


def test_a_driver_books_for_himself_once():
    world = town()
    driver = Actor("DR-1", "driver")
    events(act(world, RESERVE, actor=driver))
    assert code_of(act(world, RESERVE, actor=driver)) is RefusalCode.BOOKING_EXISTS


def test_a_pool_has_a_limit():
    world = town()
    claims = tuple(Claim(f"BK-{number}", 1, 2) for number in range(POOL_MAX))
    world.put(POOLS, "ST-1|C1", Pool(claims))
    assert code_of(act(world, RESERVE)) is RefusalCode.NO_PACK_AVAILABLE


@pytest.mark.parametrize(
    ("command", "at", "actor", "code"),
    [
        (replace(CANCEL, booking_id="BK-9"), 0, STAFF, RefusalCode.BOOKING_UNKNOWN),
        (CANCEL, 0, Actor("DR-2", "driver"), RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (replace(PRESENT, driver_id="DR-2"), 0, STAFF, RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (PRESENT, OVER, STAFF, RefusalCode.BOOKING_WINDOW_PASSED),
        (REPLACE, 0, STAFF, RefusalCode.BOOKING_STAGE),
        (ALLOCATE, OVER, STAFF, RefusalCode.BOOKING_WINDOW_PASSED),
        (replace(ALLOCATE, pack_id="PK-9"), 0, STAFF, RefusalCode.UNKNOWN_PACK),
        (replace(ALLOCATE, pack_id="PK-3"), 0, STAFF, RefusalCode.SOC_BELOW_TARGET),
        (replace(ALLOCATE, pack_id="PK-4"), 0, STAFF, RefusalCode.WRONG_PLACE),
        (NO_SHOW, OVER - 1, STAFF, RefusalCode.BOOKING_WINDOW_INVALID),
    ],
)
def test_a_step_that_may_not_be_is_refused(command, at, actor, code):
    world = booked()
    put_pack(world, "Packs:Station:ST-1:Staged", "PK-3", soc_bp=8_999)
    put_pack(world, "Packs:Station:ST-2:Staged", "PK-4", soc_bp=9_999)
    assert code_of(act(world, command, at=at, actor=actor)) is code


def test_a_driver_cancels_his_own_booking():
    world = booked()
    events(act(world, CANCEL, actor=Actor("DR-1", "driver")))
    assert stage_of(world) == "CANCELED"
