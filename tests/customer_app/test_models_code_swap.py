"""The check-in code without a network, and a swap in every state it can be in."""

import json
from typing import Any

import pytest

from customer_app.api.errors import Kind
from customer_app.api.fake import Failure
from customer_app.models.base import State
from customer_app.models.code import KEPT, KEPT_BYTES, CodeModel, read_kept
from customer_app.models.swap import SlotModel, SwapModel
from tests.customer_app.modelling import World, run, told

PHONE = "+49 30 5550 100"
WITHOUT_ZONE = json.dumps(
    {
        "booking_id": "b",
        "station": "s",
        "slot": "",
        "codes": [{"text": "t", "png": "p", "valid_until": "2026-11-24T13:00:00"}],
    }
)


def coding(world: World) -> CodeModel:
    if "/bookings/bk_1" not in world.door.things:
        world.door.put_booking()
    return CodeModel(world.client, world.means, world.kept, "bk_1", PHONE)


def test_the_code_is_renewed_every_45_seconds_and_not_before() -> None:
    world = World()
    model = coding(world)
    run(model.load())
    first = model.shown
    for _second in range(44):
        world.later(seconds=1)
        run(model.renew())
    assert model.shown == first
    world.later(seconds=1)
    run(model.renew())
    assert model.shown is not None
    assert model.shown != first
    assert not model.has_ended


def test_without_a_network_the_code_on_screen_stays_and_the_next_one_is_a_kept_one() -> None:
    world = World()
    model = coding(world)
    run(model.load())
    online = model.shown
    world.door.fail("GET /bookings/bk_1/ticket", Failure(), times=99)
    world.later(seconds=46)
    run(model.renew())
    assert (model.state, model.is_offline, model.shown) == (State.STALE, True, online)
    assert model.next_code()
    assert model.shown is not None
    assert model.shown.text.endswith("off0")
    assert model.next_code()
    assert model.next_code()
    assert not model.next_code()


def test_a_session_that_begins_without_a_network_shows_a_kept_code() -> None:
    world = World()
    run(coding(world).load())
    world.door.fail("GET /bookings/bk_1/ticket", Failure(), times=99)
    world.later(minutes=5)
    model = coding(world)
    run(model.load())
    assert (model.state, model.is_offline) == (State.READY, True)
    assert model.shown is not None
    assert model.shown.text.endswith("off0")
    assert model.station_name == "Mitte"
    assert model.slot_hint == "7"


def test_without_a_network_and_without_a_code_there_is_only_the_station() -> None:
    world = World()
    world.door.fail("GET /bookings/bk_1/ticket", Failure(), times=99)
    model = coding(world)
    run(model.load())
    assert model.has_no_way
    assert model.error is not None
    assert model.error.kind is Kind.OFFLINE


def test_kept_codes_of_another_booking_or_past_their_time_are_not_shown() -> None:
    world = World()
    run(coding(world).load())
    world.door.fail("GET /bookings/bk_2", Failure(), times=99)
    other = CodeModel(world.client, world.means, world.kept, "bk_2", PHONE)
    run(other.load())
    assert other.has_no_way
    world.door.fail("GET /bookings/bk_1/ticket", Failure(), times=99)
    world.later(hours=1)
    late = coding(world)
    run(late.load())
    assert late.has_no_way


@pytest.mark.parametrize("code", ["booking_ended", "ticket_used"])
def test_a_code_that_is_over_leaves_the_device(code: str) -> None:
    world = World()
    model = coding(world)
    run(model.load())
    assert KEPT in world.kept.texts
    world.door.fail("GET /bookings/bk_1/ticket", Failure(409, code))
    run(model.load())
    assert KEPT not in world.kept.texts
    assert model.shown is None
    assert model.error is not None
    assert model.error.code == code


def test_what_is_kept_are_pictures_a_place_and_a_phone_and_little_of_it() -> None:
    world = World()
    world.door.png = lambda text: text.encode() * 400
    model = coding(world)
    run(model.load())
    text = world.kept.texts[KEPT]
    assert len(text.encode()) <= KEPT_BYTES
    kept = json.loads(text)
    assert set(kept) == {"booking_id", "station", "slot", "phone", "codes"}
    assert 0 < len(kept["codes"]) < 3
    assert all(each["png"].startswith("data:image/png;base64,") for each in kept["codes"])


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "7",
        "{}",
        '{"codes": [7]}',
        WITHOUT_ZONE,
    ],
)
def test_anything_else_on_the_device_counts_as_nothing(text: str | None) -> None:
    assert read_kept(text) is None


def test_an_ended_code_is_asked_for_again() -> None:
    world = World()
    model = coding(world)
    run(model.load())
    world.later(minutes=2)
    assert model.has_ended
    run(model.renew())
    assert not model.has_ended


# Swaps ----------------------------------------------------------------------------------------


def swapping(world: World, *states: str, **more: Any) -> SwapModel:
    world.door.put_swap(**{k: v for k, v in more.items() if k in {"order", "kind"}})
    for state in states:
        world.door.step("sw_1", state)
    world.door.things["/swaps/sw_1"] |= more
    model = SwapModel(world.client, world.means, "sw_1")
    run(model.load())
    return model


STEPS = (
    ("in_out", (), ["now", "next", "next", "next"]),
    ("in_out", ("ACCEPTED",), ["past", "now", "next", "next"]),
    ("in_out", ("ACCEPTED", "HALF_IN"), ["past", "past", "now", "next"]),
    ("in_out", ("ACCEPTED", "HALF_IN", "COMPLETED"), ["past"] * 4),
    ("in_out", ("HALF_IN", "OUT_TIMED_OUT"), ["past", "past", "now", "next"]),
    ("out_in", ("ACCEPTED", "HALF_OUT"), ["past", "past", "now", "next"]),
)


@pytest.mark.parametrize(("order", "states", "standing"), STEPS)
def test_the_steps_follow_the_swap(
    order: str, states: tuple[str, ...], standing: list[str]
) -> None:
    model = swapping(World(), *states, order=order)
    names = [name for name, _at in model.steps()]
    legs = ["step_in", "step_out"] if order == "in_out" else ["step_out", "step_in"]
    assert names == ["step_check", *legs, "step_done"]
    assert [at for _name, at in model.steps()] == standing


@pytest.mark.parametrize(("kind", "leg"), [("handout", "step_out"), ("return", "step_in")])
def test_a_swap_with_one_leg_has_one_step_less(kind: str, leg: str) -> None:
    model = swapping(World(), "ACCEPTED", kind=kind)
    assert [name for name, _at in model.steps()] == ["step_check", leg, "step_done"]


def test_stopping_before_a_pack_moved_ends_the_swap() -> None:
    world = World()
    model = swapping(world, "ACCEPTED")
    assert not run(model.stop())
    model.ask_to_stop()
    model.go_on()
    assert not run(model.stop())
    model.ask_to_stop()
    assert run(model.stop())
    assert model.stopped is not None
    assert model.stopped.case_id is None
    assert model.is_over


def test_stopping_after_a_pack_moved_calls_a_person() -> None:
    world = World()
    model = swapping(world, "ACCEPTED", "HALF_IN")
    assert model.has_moved
    model.ask_to_stop()
    world.door.fail("POST /swaps/sw_1/stop", Failure(silence="lost"))
    assert run(model.stop())
    assert model.stopped is not None
    assert (model.stopped.case_id, model.stopped.phone) == ("cs_1", "+49 30 5550 101")
    assert len(set(world.door.keys("POST /swaps/sw_1/stop"))) == 1


def test_a_half_swap_owes_the_driver_a_pack_whose_slot_opens_again() -> None:
    world = World()
    model = swapping(world, "HALF_IN", "OUT_TIMED_OUT")
    assert model.is_owed_a_pack
    assert run(model.reopen())
    assert model.reopened


def test_a_pack_that_is_owed_comes_out_at_any_station_without_one_going_in() -> None:
    world = World()
    world.door.things["/profile"]["balance_packs"] = -1
    model = landing(world)
    assert model.is_owed_a_pack
    assert run(model.start())
    sent = next(e.body for e in world.door.asked if (e.method, e.path) == ("POST", "/swaps"))
    assert sent == {
        "kind": "handout",
        "station_id": "st_mitte",
        "slot_sticker": "7",
        "order": "in_out",
    }


def test_a_station_that_falls_silent_is_told_from_one_that_is_slow() -> None:
    world = World()
    model = swapping(world, "ACCEPTED")
    assert not told(model.is_station_lost)
    world.later(minutes=3)
    assert model.is_station_lost
    model = swapping(world, "ACCEPTED", station=world.door.ref(state="OFFLINE"))
    assert model.is_station_lost
    model = swapping(world, "HALF_IN", "COMPLETED", station=world.door.ref(state="OFFLINE"))
    assert not model.is_station_lost


def test_an_alarm_is_told_apart_from_what_a_person_looks_at() -> None:
    model = swapping(World(), "ACCEPTED", attention=["thermal_hold", "pack_mixup", "x", "y"])
    assert model.alarm
    assert model.attention == ("pack_mixup", "other")


def test_a_swap_is_followed_until_its_bill_is_there() -> None:
    world = World()
    model = swapping(world, "ACCEPTED")
    world.door.step("sw_1", "HALF_IN")
    run(model.follow())
    assert model.is_half
    world.door.step("sw_1", "COMPLETED", price={"rated": False, "lines": []})
    run(model.follow())
    assert model.is_done
    asked = world.door.count("GET /swaps/sw_1")
    world.door.step("sw_1", "COMPLETED")
    run(model.follow())
    run(model.follow())
    assert world.door.count("GET /swaps/sw_1") == asked + 1
    assert model.swap is not None
    assert model.swap.price.total_minor == 1640


# The sticker ----------------------------------------------------------------------------------


def landing(world: World) -> SlotModel:
    model = SlotModel(world.client, world.means, "st_mitte", "7")
    run(model.load())
    return model


def test_a_sticker_finds_the_booking_for_its_station() -> None:
    world = World()
    world.door.put_booking("bk_1", station=world.door.ref("st_park", "Park"))
    world.door.put_booking("bk_2")
    model = landing(world)
    assert model.is_here
    assert run(model.start())
    sent = next(e.body for e in world.door.asked if (e.method, e.path) == ("POST", "/swaps"))
    assert (sent["booking_id"], sent["slot_sticker"]) == ("bk_2", "7")


def test_a_booking_elsewhere_is_named_and_not_used() -> None:
    world = World()
    world.door.put_booking("bk_1", station=world.door.ref("st_park", "Park"))
    model = landing(world)
    assert model.booking is not None
    assert not model.is_here
    assert model.ready_count == 5


def test_a_sticker_that_nobody_knows_says_so() -> None:
    world = World()
    model = SlotModel(world.client, world.means, "st_nowhere", "7")
    run(model.load())
    assert (model.is_unknown, model.error) == (True, None)
    model = landing(world)
    world.door.fail("POST /swaps", Failure(409, "slot_unknown"))
    assert not run(model.start())
    assert model.is_unknown


@pytest.mark.parametrize("code", ["lane_busy", "station_offline", "pack_owed", "no_pack_ready"])
def test_a_refused_start_keeps_its_reason(code: str) -> None:
    world = World()
    model = landing(world)
    world.door.fail("POST /swaps", Failure(409, code))
    assert not run(model.start())
    assert model.error is not None
    assert model.error.code == code
    assert not model.is_unknown


def test_a_busy_lane_is_waited_for_and_then_the_swap_starts_once() -> None:
    world = World()
    model = SlotModel(world.client, world.means, "st_mitte", "7")
    run(model.load())
    assert not run(model.try_again()), "nobody has asked to start yet"
    world.door.fail("POST /swaps", Failure(409, "lane_busy", {"wait_min": 4}), times=2)
    assert not run(model.start())
    assert model.waits_for_lane
    assert not run(model.try_again())
    assert run(model.try_again())
    assert not run(model.try_again()), "it has started"
    assert len(set(world.door.keys("POST /swaps"))) == 3, "each try after a refusal is a new one"
