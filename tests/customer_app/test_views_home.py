"""The first screen and the sheet of a station, in every state, in both languages."""

import asyncio
from collections.abc import Callable
from typing import Any

import flet as ft
import flet_map as ftm
import pytest

from customer_app.api.client_journey import BookingWish
from customer_app.api.fake import Failure
from customer_app.api.fake_town import TownDoor
from customer_app.session import Handshake
from tests.customer_app.harness import NOW, PHONE, Browser, services_for

SIGNED_IN = Handshake(session_cookie="mg_session=x")
CLASS = "M60"
TYPING = 1  # pauses below a second pass at once, longer ones never


async def pause(seconds: float) -> None:
    if seconds < TYPING:
        await asyncio.sleep(0)
    else:
        await asyncio.Event().wait()


def open_town(
    door: TownDoor,
    route: str = "/",
    *,
    size: tuple[int, int] = PHONE,
    language: str = "en",
    signed_in: bool = False,
) -> Any:
    services = services_for(lambda _handshake: door.client(), pause=pause)
    handshake = Handshake(
        session_cookie=SIGNED_IN.session_cookie if signed_in else "", accept_language=language
    )
    return Browser.open(services, route, size=size, handshake=handshake)


def town(change: Callable[[TownDoor], object] | None = None) -> TownDoor:
    door = TownDoor(lambda: NOW)
    if change is not None:
        change(door)
    return door


def rows_of(door: TownDoor) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = door.things["/stations"]["items"]
    return items


def set_all(door: TownDoor, **members: Any) -> None:
    for row in rows_of(door):
        row.update(members)


def no_packs(door: TownDoor, **members: Any) -> None:
    ready = {"pack_class": CLASS, "ready_count": 0, "charging_count": 3, **members}
    set_all(door, ready=[ready])


# The list -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["5 ready · 850 m · from €0.70/kWh", "as of 09:59", "Find a station"]),
        ("zh", ["5 块可用 · 850 米 · €0.70/千瓦时起", "截至 09:59", "查找换电站"]),
    ],
)
def test_the_list_says_what_decides(language: str, words: list[str]) -> None:
    async def run() -> None:
        browser = await open_town(town(), language=language)
        tiles = [c for c in browser.controls() if isinstance(c, ft.ListTile)]
        said = [*browser.texts(), *[str(tile.subtitle) for tile in tiles]]
        assert [word for word in words if word not in said] == []

    asyncio.run(run())


def test_one_opening_asks_for_the_list_and_the_map_once() -> None:
    async def run() -> None:
        door = town()
        await open_town(door)
        assert (door.count("GET /stations"), door.count("GET /stations/map")) == (1, 1)

    asyncio.run(run())


def test_filters_are_asked_of_the_door_and_can_all_be_cleared() -> None:
    async def run() -> None:
        door = town()
        browser = await open_town(door)
        await browser.tap("filter-ready")
        await browser.tap("filter-open")
        await browser.tap("filter-class-0")
        await browser.type("search", "market")
        asked = door.asked[-1].query
        assert {name: asked.get(name) for name in ("min_ready", "open_now", "pack_class", "q")} == {
            "min_ready": "1",
            "open_now": "true",
            "pack_class": CLASS,
            "q": "market",
        }
        door.things["/stations"]["items"] = []
        await browser.type("search", "market hall")
        assert browser.says("No station matches your filters.", "empty")
        await browser.tap("clear-filters")
        last = [each for each in door.asked if each.path == "/stations"][-1]
        assert set(last.query) == {"limit", "near", "radius_m", "sort"}

    asyncio.run(run())


def test_the_order_is_asked_of_the_door() -> None:
    async def run() -> None:
        door = town()
        browser = await open_town(door)
        items = [c for c in browser.controls() if isinstance(c, ft.PopupMenuItem)]
        await browser.fire(items[2], "click")
        assert door.asked[-1].query["sort"] == "price"

    asyncio.run(run())


def test_nothing_near_offers_a_wider_circle_once() -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations"].update(items=[]))
        browser = await open_town(door)
        assert browser.says("No station within 10 km.", "empty")
        await browser.tap("widen")
        assert door.asked[-1].query["radius_m"] == "50000"
        assert browser.says("No station within 50 km.")
        assert not browser.has("widen")

    asyncio.run(run())


def test_no_ready_pack_says_where_the_next_one_will_be() -> None:
    async def run() -> None:
        door = town(lambda d: no_packs(d, next_ready_at=d.at(25)))
        browser = await open_town(door)
        await browser.tap("filter-class-0")
        assert browser.says("No M60 pack is ready nearby. Next: about 10:25 at Mitte.", "note")
        await browser.tap("reserve-for")
        assert browser.page.route == "/station/st_mitte"

    asyncio.run(run())


def test_no_ready_pack_and_no_forecast_says_so_and_names_the_nearest_one() -> None:
    async def run() -> None:
        door = town(no_packs)
        far = door.station_row("st_far", "Far", 4, distance_m=22_000)
        door.things["/stations"]["nearest_ready"] = far
        browser = await open_town(door)
        assert browser.says("pack is ready nearby.", "note")
        assert browser.says("Far, 22.0 km", "nearest-ready")

    asyncio.run(run())


def test_old_figures_carry_their_age() -> None:
    async def run() -> None:
        door = town(lambda d: set_all(d, as_of=d.at(-7)))
        browser = await open_town(door)
        assert browser.says("Seen 7 min ago; it may have changed.", "note")
        before = door.count("GET /stations")
        await browser.tap("refresh")
        assert door.count("GET /stations") == before + 1

    asyncio.run(run())


def test_an_offline_station_promises_nothing() -> None:
    async def run() -> None:
        door = town(lambda d: set_all(d, state="OFFLINE", ready=[], as_of=d.at(-40)))
        browser = await open_town(door)
        tiles = [str(c.subtitle) for c in browser.controls() if isinstance(c, ft.ListTile)]
        assert all(tile.startswith("Not reporting") for tile in tiles)
        assert not browser.has("refresh")

    asyncio.run(run())


def test_more_adds_a_page_once_and_no_station_twice() -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations"].update(next_cursor="c1"))
        browser = await open_town(door)
        before = len(rows_of(door))
        more = [rows_of(door)[0], door.station_row("st_new", "New", 1)]
        door.things["/stations"] = {**door.things["/stations"], "items": more, "next_cursor": ""}
        await browser.tap("more")
        assert door.asked[-1].query["cursor"] == "c1"
        assert [n for n in browser.names() if n.startswith("station-row-")] == [
            f"station-row-{place}" for place in range(before + 1)
        ]
        assert not browser.has("more")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Failure(silence="offline"), "No connection"),
        (Failure(silence="timeout"), "No connection"),
        (Failure(500, "internal_error"), "Something is wrong on our side"),
        (Failure(429, "rate_limited", retry_after_s=30), "One moment"),
        (Failure(body=b"<html>"), "Please reload the app"),
    ],
)
def test_a_list_that_cannot_be_had_explains_itself(failure: Failure, words: str) -> None:
    async def run() -> None:
        door = town()
        door.fail("GET /stations", failure, 4)
        browser = await open_town(door)
        assert browser.says(words, "error")
        assert browser.has("map")

    asyncio.run(run())


def test_a_list_that_cannot_be_renewed_stays_with_the_reason_above_it() -> None:
    async def run() -> None:
        door = town()
        browser = await open_town(door)
        door.fail("GET /stations", Failure(500, "internal_error"))
        await browser.tap("filter-open")
        assert browser.has("station-row-0")
        assert browser.has("note")
        await browser.tap("error-retry")
        assert not browser.has("note")

    asyncio.run(run())


# Where the driver is --------------------------------------------------------------------------


def test_a_refused_position_says_so_and_changes_nothing_else() -> None:
    async def run() -> None:
        browser = await open_town(town())
        browser.answers["request_permission"] = lambda _args: "denied"
        await browser.tap("near-me")
        assert browser.says("Location is off. Search for a place or move the map.", "note")
        assert browser.has("station-row-0")

    asyncio.run(run())


def test_a_position_is_rounded_before_it_leaves() -> None:
    async def run() -> None:
        door = town()
        browser = await open_town(door)
        browser.answers["request_permission"] = lambda _args: "whileInUse"
        browser.answers["get_current_position"] = lambda _args: {
            "latitude": 52.5123456,
            "longitude": 13.3987654,
            "mocked": False,
        }
        await browser.tap("near-me")
        asked = [each for each in door.asked if each.path == "/stations"][-1]
        assert asked.query["near"] == "525120000,133990000"

    asyncio.run(run())


# The map --------------------------------------------------------------------------------------


def move(latitude: Any, zoom: float) -> dict[str, Any]:
    centre = {"latitude": latitude, "longitude": 13.4}
    camera = {"center": centre, "zoom": zoom, "min_zoom": 5, "max_zoom": 18, "rotation": 0}
    return {"source": "dragEnd", "event_type": "moveEnd", "camera": camera}


def the_map(browser: Browser) -> ftm.Map:
    return next(c for c in browser.controls() if isinstance(c, ftm.Map))


def test_the_map_asks_for_its_frame_when_a_gesture_has_ended() -> None:
    async def run() -> None:
        door = town()
        browser = await open_town(door)
        await browser.fire(the_map(browser), "event", {**move(52.6, 14), "event_type": "move"})
        assert door.count("GET /stations/map") == 1
        await browser.fire(the_map(browser), "event", move(52.6, 14))
        assert door.count("GET /stations/map") == 2
        west, south, east, north = map(int, door.asked[-1].query["bbox"].split(","))
        assert west < 134_000_000 < east
        assert south < 526_000_000 < north
        await browser.fire(the_map(browser), "event", move(9_000_000.0, 99))
        assert max(abs(int(n)) for n in door.asked[-1].query["bbox"].split(",")) <= 1_800_000_000

    asyncio.run(run())


def test_a_cluster_is_taken_apart_by_going_nearer() -> None:
    async def run() -> None:
        door = town()
        cluster = {"lat_e7": 525_500_000, "lon_e7": 133_900_000, "count": 7, "ready_count": 20}
        door.things["/stations/map"]["clusters"] = [cluster]
        browser = await open_town(door)
        buttons = [c for c in browser.controls() if isinstance(c, ft.FilledTonalButton)]
        (sign,) = [c for c in buttons if c.content == "7"]
        await browser.fire(sign, "click")
        drawn = the_map(browser)
        assert (drawn.initial_zoom, drawn.initial_center.latitude) == (15, 52.55)
        assert door.asked[-1].query["zoom"] == "15"

    asyncio.run(run())


def test_the_phone_gives_its_screen_to_the_map_and_back() -> None:
    async def run() -> None:
        browser = await open_town(town())
        await browser.tap("map-or-list")
        assert browser.has("map")
        assert not browser.has("station-row-0")
        await browser.tap("map-or-list")
        assert browser.has("station-row-0")

    asyncio.run(run())


def test_the_tiles_follow_the_theme() -> None:
    async def run() -> None:
        browser = await open_town(town())
        layer = the_map(browser).layers[0]
        assert isinstance(layer, ftm.TileLayer)
        assert layer.url_template == "/app/_tiles/light/{z}/{x}/{y}.png"
        browser.session.apply_page_patch({"platform_brightness": "dark"})
        await browser.fire(browser.page, "platform_brightness_change", {"brightness": "dark"})
        layer = the_map(browser).layers[0]
        assert isinstance(layer, ftm.TileLayer)
        assert "/dark/" in layer.url_template

    asyncio.run(run())


# What waits -----------------------------------------------------------------------------------


def test_a_running_booking_is_above_the_list_of_whoever_is_signed_in() -> None:
    async def run() -> None:
        door = town()
        booked = await door.client().reserve(wish(door), "k1")
        assert not (await open_town(door)).has("booking-banner")
        browser = await open_town(door, signed_in=True)
        assert browser.has("booking-banner")
        await browser.tap("booking-banner")
        assert browser.page.route == f"/booking/{booked.id}"

    asyncio.run(run())


def wish(door: TownDoor) -> BookingWish:
    return BookingWish(
        station_id="st_mitte",
        pack_class=CLASS,
        arrive_from=door.now(),
        arrive_until=door.now(),
        vehicle_id="vh_1",
        quote_id="qt_1",
        pay_with="card",
    )


def test_a_map_without_tiles_still_has_its_stations() -> None:
    async def run() -> None:
        browser = await open_town(town())  # nothing here ever answers for a tile
        layer = next(c for c in browser.controls() if isinstance(c, ftm.TileLayer))
        assert layer.on_image_error is None, "what is missing is not worth a word"
        assert [c for c in browser.controls() if isinstance(c, ftm.Marker)]
        assert not browser.has("note")

    asyncio.run(run())
