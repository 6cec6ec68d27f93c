"""Reserving and holding a pack: prices, lost answers, refusals, the countdown."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from customer_app.api.errors import Kind
from customer_app.api.fake import Failure
from customer_app.models.base import State
from customer_app.models.booking import BookingModel, ReserveModel
from customer_app.models.commands import PENDING, PendingCommands
from tests.customer_app.modelling import World, run, told


def reserving(world: World, *, quoted: bool = True) -> ReserveModel:
    pending = PendingCommands(world.kept, lambda: world.time)
    model = ReserveModel(world.client, world.means, "st_mitte", "", pending)
    run(model.load())
    if quoted:
        run(model.ask_price())
    return model


def watching(model: Any, seen: list[bool]) -> Callable[[], None]:
    """See whether the model ever said that it was checking; gives how to stop."""

    def see(_model: Any, field: str | None) -> None:
        seen.append(field == "checking")

    stop = model.subscribe(see)

    def ended(kept: Any = see) -> None:  # the model itself holds its listeners weakly
        stop()
        assert kept

    return ended


def test_the_class_of_the_drivers_vehicle_is_offered_first() -> None:
    model = reserving(World(), quoted=False)
    assert (model.state, model.pack_class, model.vehicle_id) == (State.READY, "M60", "vh_1")


def test_nothing_is_reserved_before_a_price_was_seen() -> None:
    world = World()
    model = reserving(world, quoted=False)
    assert not run(model.reserve())
    assert world.door.count("POST /bookings") == 0


def test_the_locked_price_is_the_one_that_is_reserved_at() -> None:
    world = World()
    model = reserving(world)
    assert model.quote is not None
    assert run(model.reserve())
    sent = next(each.body for each in world.door.asked if each.path == "/bookings")
    assert sent["quote_id"] == model.quote.quote_id
    assert sent["arrive_from"] == "2026-11-24T13:30:00Z"
    assert sent["vehicle_id"] == "vh_1"
    assert model.booking is not None
    assert world.kept.texts == {}


def test_another_class_or_time_needs_another_price() -> None:
    model = reserving(World())
    model.choose_arrival("60")
    assert model.quote is None
    run(model.ask_price())
    model.choose_class("M60")
    assert model.quote is None
    model.choose_arrival("61")
    model.choose_arrival("²")
    assert model.arrive_in_minutes == 60


def test_a_lost_answer_is_asked_for_with_the_same_key_until_there_is_one_booking() -> None:
    world = World()
    model = reserving(world)
    seen: list[bool] = []
    watcher = watching(model, seen)
    world.door.fail("POST /bookings", Failure(silence="lost"))
    world.door.fail("POST /bookings", Failure(silence="timeout"))
    assert run(model.reserve())
    keys = world.door.keys("POST /bookings")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    bookings = [path for path in world.door.things if path.startswith("/bookings/bk_")]
    assert len([path for path in bookings if not path.endswith("ticket")]) == 1
    assert any(seen)
    assert not model.checking
    watcher()


def test_while_nothing_is_heard_the_command_waits_on_the_device() -> None:
    world = World()
    model = reserving(world)
    world.door.fail("POST /bookings", Failure(silence="timeout"), times=30)
    assert not run(model.reserve())
    (row,) = json.loads(world.kept.texts[PENDING])
    assert row["key"] == world.door.keys("POST /bookings")[0]
    assert set(row["body"]) <= {
        "station_id",
        "pack_class",
        "arrive_from",
        "arrive_until",
        "quote_id",
        "packs_count",
        "vehicle_id",
    }
    pending = PendingCommands(world.kept, lambda: world.time)
    world.door.fail("POST /bookings", Failure(status=409, code="quote_expired"))
    # the planned silences are not used up: forget them
    world.door._failures.clear()
    assert run(pending.resend(world.client.transport)) == 1
    assert PENDING not in world.kept.texts


def test_after_a_refusal_the_next_try_is_a_new_intention() -> None:
    world = World()
    model = reserving(world)
    world.door.fail("POST /bookings", Failure(409, "booking_limit_reached"))
    assert not run(model.reserve())
    assert model.error is not None
    assert model.error.code == "booking_limit_reached"
    assert run(model.reserve())
    assert len(set(world.door.keys("POST /bookings"))) == 2


def test_a_price_that_ran_out_is_shown_anew_and_never_taken_silently() -> None:
    world = World()
    model = reserving(world)
    before = world.door.works["POST /quotes"]
    world.door.works["POST /quotes"] = lambda body, _id: {
        **before(body, ""),
        "total_estimate_minor": 1800,
    }
    world.door.fail("POST /bookings", Failure(409, "quote_expired"))
    assert not run(model.reserve())
    assert model.changed_from == 1640
    assert model.quote is not None
    assert model.quote.total_estimate_minor == 1800
    assert model.booking is None
    assert run(model.reserve())
    assert model.changed_from is None


def test_the_same_price_again_still_says_why_to_tap_once_more() -> None:
    world = World()
    model = reserving(world)
    world.door.fail("POST /bookings", Failure(409, "quote_expired"))
    assert not run(model.reserve())
    assert model.error is not None
    assert model.error.code == "quote_expired"


def test_when_the_last_pack_is_gone_the_next_stations_are_offered() -> None:
    world = World()
    model = reserving(world)
    world.door.things["/stations"]["items"].insert(1, world.door.station_row("st_shut", "Shut", 9))
    world.door.things["/stations"]["items"][1]["state"] = "CLOSED"
    world.door.fail("POST /bookings", Failure(409, "no_pack_ready"))
    assert not run(model.reserve())
    assert [each.id for each in model.alternatives] == ["st_park", "st_hafen", "st_west"]
    asked = next(each.query for each in world.door.asked[::-1] if each.path == "/stations")
    assert asked["open_now"] == "true"
    assert told(model.error)
    run(model.go_instead("st_elsewhere"))
    assert told(model.station_id == "st_mitte")
    run(model.go_instead("st_park"))
    assert model.station_id == "st_park"
    assert model.error is None
    assert model.quote is not None
    assert run(model.reserve())


def test_a_search_for_others_that_fails_leaves_the_refusal_standing() -> None:
    world = World()
    model = reserving(world)
    world.door.fail("POST /bookings", Failure(409, "no_pack_ready"))
    world.door.fail("GET /stations", Failure(404, "not_found"))
    assert not run(model.reserve())
    assert model.alternatives == ()
    assert model.error is not None
    assert model.error.code == "no_pack_ready"


def test_two_taps_at_once_make_one_booking() -> None:
    world = World()
    model = reserving(world)

    async def twice() -> list[bool]:
        return list(await asyncio.gather(model.reserve(), model.reserve()))

    assert sorted(run(twice())) == [False, True]
    assert world.door.count("POST /bookings") == 1


FAILURES = (
    (Failure(silence="offline"), Kind.OFFLINE, State.OFFLINE),
    (Failure(silence="timeout"), Kind.TIMEOUT, State.OFFLINE),
    (Failure(401, "not_authenticated"), Kind.UNAUTHORISED, State.ERROR),
    (Failure(402, "invoice_overdue"), Kind.PAYMENT, State.ERROR),
    (Failure(403, "not_allowed"), Kind.FORBIDDEN, State.ERROR),
    (Failure(403, "step_up_needed"), Kind.UNAUTHORISED, State.ERROR),
    (Failure(404, "not_found"), Kind.NOT_FOUND, State.ERROR),
    (Failure(409, "conflict"), Kind.CONFLICT, State.ERROR),
    (Failure(412, "precondition_failed"), Kind.CONFLICT, State.ERROR),
    (Failure(422, "window_invalid"), Kind.INVALID, State.ERROR),
    (Failure(429, "rate_limited", retry_after_s=9), Kind.TOO_MANY, State.ERROR),
    (Failure(500, "internal_error"), Kind.SERVER, State.ERROR),
    (Failure(body=b"<html>"), Kind.MALFORMED, State.ERROR),
    (Failure(body=b'{"id": 7}'), Kind.MALFORMED, State.ERROR),
)


@pytest.mark.parametrize(("failure", "kind", "state"), FAILURES)
def test_every_kind_of_failure_is_a_state_and_then_it_works_again(
    failure: Failure, kind: Kind, state: State
) -> None:
    world = World()
    world.door.put_booking()
    model = BookingModel(world.client, world.means, "bk_1")
    world.door.fail("GET /bookings/bk_1", failure, times=4)
    run(model.load())
    assert (model.state, model.error and model.error.kind) == (state, kind)
    world.door._failures.clear()
    run(model.load())
    assert (model.state, model.error) == (State.READY, None)


@pytest.mark.parametrize(("failure", "kind", "_state"), FAILURES)
def test_what_is_on_screen_stays_when_asking_again_fails(
    failure: Failure, kind: Kind, _state: State
) -> None:
    world = World()
    world.door.put_booking()
    model = BookingModel(world.client, world.means, "bk_1")
    run(model.load())
    world.door.fail("GET /bookings/bk_1", failure, times=4)
    run(model.load())
    assert model.booking is not None
    assert model.error is not None
    assert model.error.kind is kind
    assert model.state in {State.STALE, State.ERROR}


def holding(world: World, **more: Any) -> BookingModel:
    world.door.put_booking(**more)
    model = BookingModel(world.client, world.means, "bk_1")
    run(model.load())
    return model


def test_the_hold_counts_down_and_is_announced_at_ten_five_and_one_minute() -> None:
    world = World()
    model = holding(world)
    assert model.left == timedelta(minutes=30)
    assert model.share_left == 1.0
    said = []
    for _second in range(30 * 60):
        world.later(seconds=1)
        said.append(model.tick())
    assert [each for each in said if each] == [10, 5, 1]
    assert model.has_run_out
    assert model.share_left == 0.0


def test_five_minutes_before_the_end_it_says_so() -> None:
    world = World()
    model = holding(world)
    world.later(minutes=24)
    model.tick()
    assert not model.is_soon
    world.later(minutes=1)
    model.tick()
    assert model.is_soon


def test_a_hold_is_lengthened_once_and_the_second_time_is_refused() -> None:
    world = World()
    model = holding(world)
    assert told(model.can_extend)
    assert run(model.extend())
    assert model.left == timedelta(minutes=45)
    assert not model.can_extend
    assert not run(model.extend())
    world.door.things["/bookings/bk_1"]["extendable_until"] = world.door.at(60)
    run(model.load())
    world.door.fail("POST /bookings/bk_1/extend", Failure(409, "extension_refused"))
    assert not run(model.extend())
    assert model.error is not None
    assert model.error.code == "extension_refused"


def test_cancelling_asks_first_and_happens_once() -> None:
    world = World()
    model = holding(world)
    assert not run(model.cancel())
    model.ask_to_cancel()
    model.keep_booking()
    assert not run(model.cancel())
    model.ask_to_cancel()
    assert model.is_free_to_cancel
    assert run(model.cancel())
    assert model.is_over
    model.ask_to_cancel()
    assert not model.asks_to_cancel
    assert world.door.count("POST /bookings/bk_1/cancel") == 1


def test_a_station_that_stops_reporting_is_news_only_while_the_hold_lasts() -> None:
    world = World()
    model = holding(world, station=world.door.ref(state="OFFLINE"))
    assert told(model.is_station_down)
    world.door.things["/bookings/bk_1"]["state"] = "FAILED"
    run(model.load())
    assert not model.is_station_down
    assert model.tick() is None


def test_a_booking_follows_what_concerns_it() -> None:
    model = holding(World())
    assert model.wants("booking_changed", "bk_1")
    assert model.wants("station_availability_changed", "st_mitte")
    assert not model.wants("booking_changed", "bk_2")
