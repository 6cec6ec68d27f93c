"""The sheet of a station, in every state, on a phone and over the map of a desk."""

import asyncio
from typing import Any

import pytest

from customer_app.api.fake import Failure
from tests.customer_app.harness import DESK
from tests.customer_app.test_views_home import CLASS, open_town, town


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "About 4 ready when you arrive (10:05)",
                "at least 3, nine times out of ten",
                "3 charging",
                "Kept 98.7 % of bookings in 30 days",
                "Last swap 12 min ago",
                "Open day and night",
                "Busy hours, Tuesday",
            ],
        ),
        ("zh", ["3 块充电中", "30 天预约履约率 98.7%", "全天营业"]),
    ],
)
def test_the_sheet_says_what_is_and_what_will_be(language: str, words: list[str]) -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_mitte", language=language)
        said = browser.texts("screen-station")
        assert [word for word in words if word not in said] == []
        await browser.tap("reserve")
        assert browser.page.route == f"/station/st_mitte/reserve?class={CLASS}"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("members", "words", "can_reserve"),
    [
        ({"state": "OFFLINE", "ready": []}, "This station is not reporting.", False),
        (
            {"state": "MAINTENANCE", "opens_at": "2026-03-10T15:00:00Z"},
            "Closed for maintenance until 16:00.",
            False,
        ),
        ({"state": "MAINTENANCE"}, "Closed for maintenance.", False),
        (
            {"state": "CLOSED", "opens_at": "2026-03-11T05:00:00Z"},
            "Closed. Opens 11 Mar 2026, 06:00.",
            True,
        ),
        ({"state": "CLOSED"}, "Closed.", True),
    ],
)
def test_a_station_that_cannot_promise_a_pack_says_why(
    members: dict[str, Any], words: str, *, can_reserve: bool
) -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations/st_mitte"].update(members))
        browser = await open_town(door, "/station/st_mitte")
        assert browser.says(words, "note")
        assert browser.has("reserve") is can_reserve
        await browser.tap("nearest-other")
        assert browser.page.route == "/"

    asyncio.run(run())


def test_a_sheet_without_forecast_still_stands() -> None:
    async def run() -> None:
        door = town()
        door.fail("GET /stations/st_mitte/availability", Failure(500, "internal_error"), 4)
        browser = await open_town(door, "/station/st_mitte")
        assert browser.has("station-head")
        assert not browser.has("busy")
        assert not browser.has("error")

    asyncio.run(run())


def test_a_station_that_does_not_exist_leads_home() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_nowhere")
        assert browser.says("Not found", "error")
        await browser.tap("error-home")
        assert browser.page.route == "/"

    asyncio.run(run())


def test_on_a_desk_the_sheet_lies_over_the_map_beside_the_list() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_mitte", size=DESK)
        assert {"screen-home", "station-row-0", "map", "station-head", "reserve"} <= set(
            browser.names()
        )
        assert not browser.has("screen-station")
        await browser.tap("sheet-close")
        assert not browser.has("station-head")
        await browser.tap("station-row-1")
        assert browser.says("Park", "station-head")

    asyncio.run(run())


TARIFF = {
    "tariff_id": "t1",
    "version": 3,
    "currency": "EUR",
    "tax_included": True,
    "lines": [
        {"kind": "energy", "per": "kwh", "unit_price": "0.6200"},
        {"kind": "service", "per": "kwh", "unit_price": "0.4000", "minimum_wh": 20_000},
        {"kind": "booking", "per": "fortnight", "unit_price": "1.00"},
    ],
    "hours": [
        {"from_at": f"2026-03-10T{hour:02}:00:00Z", "unit_price": price}
        for hour, price in ((8, "0.6200"), (9, "0.6200"), (10, "0.5400"), (11, "0.5400"))
    ],
}


def test_prices_are_shown_by_the_hour_where_they_change() -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations/st_mitte"].update(tariff=TARIFF))
        browser = await open_town(door, "/station/st_mitte")
        said = browser.texts("prices")
        assert said[1:] == [
            "09:00",
            "€0.62 per kWh",
            "11:00",
            "€0.54 per kWh",
            "Service",
            "€0.40 per kWh",
            "Booking fee",
            "€1.00 / fortnight",
            "Tariff 3",
        ]

    asyncio.run(run())


def test_another_class_is_chosen_with_its_own_forecast() -> None:
    async def run() -> None:
        door = town()
        ready = [
            {"pack_class": "M60", "ready_count": 5, "charging_count": 0},
            {
                "pack_class": "L90",
                "ready_count": 0,
                "charging_count": 1,
                "next_ready_at": "2026-03-10T10:40:00Z",
            },
        ]
        door.things["/stations/st_mitte"].update(ready=ready)
        browser = await open_town(door, "/station/st_mitte")
        await browser.tap("class-1")
        asked = [each for each in door.asked if each.path.endswith("/availability")]
        assert [each.query["pack_class"] for each in asked] == ["M60", "L90"]
        assert browser.says("Next about 11:40", "arrival")
        await browser.tap("reserve")
        assert browser.page.route.endswith("?class=L90")

    asyncio.run(run())


def test_an_old_sheet_carries_its_age_and_can_be_asked_for_again() -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations/st_mitte"].update(as_of=d.at(-9)))
        browser = await open_town(door, "/station/st_mitte")
        assert browser.says("Seen 9 min ago; it may have changed.", "note")
        door.things["/stations/st_mitte"]["as_of"] = door.at()
        await browser.tap("refresh")
        assert not browser.has("note")

    asyncio.run(run())


def test_opening_hours_that_differ_are_said_day_by_day() -> None:
    async def run() -> None:
        opening = [
            {"day": "mon", "from_local": "06:00", "to_local": "22:00"},
            {"day": "sun", "from_local": "10:00", "to_local": "12:00"},
            {"day": "sun", "from_local": "14:00", "to_local": "18:00"},
        ]
        door = town(lambda d: d.things["/stations/st_mitte"].update(opening=opening))
        browser = await open_town(door, "/station/st_mitte")
        dash = chr(0x2013)
        assert browser.says(
            f"Monday 06:00{dash}22:00\nSunday 10:00{dash}12:00, 14:00{dash}18:00", "facts"
        )

    asyncio.run(run())


def test_the_way_and_the_phone_are_opened_outside() -> None:
    async def run() -> None:
        browser = await open_town(town(), "/station/st_mitte")
        await browser.tap("route")
        await browser.tap("station-call")
        opened = [args["url"].url for name, args in browser.invoked if name == "launch_url"]
        assert opened == ["geo:52.520000,13.405000?q=52.520000,13.405000", "tel:+49305550101"]

    asyncio.run(run())


def test_without_any_history_there_are_no_busy_hours() -> None:
    async def run() -> None:
        door = town(lambda d: d.things["/stations/st_mitte/hours"].update(days_seen=0))
        assert not (await open_town(door, "/station/st_mitte")).has("busy")

    asyncio.run(run())
