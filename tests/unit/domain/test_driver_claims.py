"""What a driver may claim: so many bookings, a check-in code once, a lane there is."""

import pytest
from msgspec.structs import replace

from ledger.domain.asking import LANES_MAX
from ledger.domain.booking import ReserveSwap
from ledger.domain.booking_ends import CancelBooking
from ledger.domain.claims import BOOKINGS, DRIVER_BOOKINGS, OPEN_MAX, BookingTerms
from ledger.domain.saga import SWAPS, USED_CODES
from ledger.domain.swap import SwapCompleted
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town
from tests.support.swaps import (
    AUTHORISE,
    NOON,
    PACK_IN,
    PACK_OUT,
    REQUEST,
    STATION,
    do,
    swap_of,
    swap_town,
    swapping,
)

DRIVER = Actor("DR-1", "driver")
STAFF = Actor("P1", "operator", "P2")
RESERVE = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=9,
    forecast_version="F1",
)


def later(number):
    begin = NOON + 2 * number * HOUR
    return replace(RESERVE, booking_id=f"BK-{number}", window_from=begin, window_to=begin + HOUR)


def test_a_driver_has_few_bookings_and_none_for_the_same_time():
    world = small_town()
    events(act(world, RESERVE, at=1, actor=DRIVER))
    same = replace(RESERVE, booking_id="BK-9", window_from=NOON + 30 * MINUTE)
    refused = act(world, same, at=1, actor=DRIVER)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.BOOKING_LIMIT_REACHED
    for number in range(1, OPEN_MAX):
        events(act(world, later(number + 1), at=1, actor=DRIVER))
    full = act(world, later(7), at=1, actor=DRIVER)
    assert isinstance(full, Refusal)
    assert full.code is RefusalCode.BOOKING_LIMIT_REACHED
    assert len(world.need(DRIVER_BOOKINGS, "DR-1").claims) == OPEN_MAX
    events(act(world, CancelBooking(booking_id="BK-2", reason="no"), at=2, actor=DRIVER))
    events(act(world, later(7), at=3, actor=DRIVER))


def test_staff_may_book_more_for_him():
    world = small_town()
    events(act(world, RESERVE, at=1, actor=DRIVER))
    events(act(world, replace(RESERVE, booking_id="BK-9"), at=1, actor=STAFF))
    assert len(world.need(DRIVER_BOOKINGS, "DR-1").claims) == 2


def test_a_check_in_code_is_good_for_one_swap():
    world = swapping(code_id="CD-1", lane=2)
    assert world.need(USED_CODES, "CD-1").swap_id == "SW-1"
    assert (swap_of(world).lane, swap_of(world).order) == (2, "In-Out")
    again = replace(REQUEST, swap_id="SW-2", code_id="CD-1")
    refused = act(world, again, at=NOON, actor=STATION)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.CODE_USED


@pytest.mark.parametrize("wrong", [{"code_id": "a b"}, {"lane": -1}, {"lane": LANES_MAX + 1}])
def test_codes_and_lanes_are_what_they_say(wrong):
    refused = act(swap_town(), replace(REQUEST, **wrong), at=NOON, actor=STATION)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.PACK_FIELD_INVALID


def booked(price_at):
    world = swap_town()
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-3", soc_bp=9_000)
    wish = replace(RESERVE, terms=BookingTerms(price_at=price_at), forecast_ready=2)
    events(act(world, wish, at=NOON - HOUR, actor=DRIVER))
    return world


@pytest.mark.parametrize("price_at", [0, NOON])
def test_a_booking_that_is_kept_locks_its_prices(price_at):
    world = booked(price_at)
    for command in (replace(REQUEST, booking_id="BK-1"), AUTHORISE, PACK_IN):
        do(world, replace(command, slot="") if command is PACK_IN else command)
    end = next(one for one in do(world, PACK_OUT) if isinstance(one, SwapCompleted))
    made = world.need(BOOKINGS, "BK-1").position
    assert made > 0
    assert (end.price_at, end.price_position) == ((price_at, made) if price_at else (0, 0))
    row = world.need(SWAPS, "SW-1")
    assert (row.price_at, row.price_position) == (end.price_at, end.price_position)


def test_a_booking_ends_with_a_swap_its_driver_stopped_only_once_he_had_come():
    world = booked(0)
    do(world, replace(REQUEST, booking_id="BK-1"))
    assert world.need(BOOKINGS, "BK-1").stage == "RESERVED"
    do(world, AUTHORISE)
    assert world.need(BOOKINGS, "BK-1").stage == "PRESENTED"
