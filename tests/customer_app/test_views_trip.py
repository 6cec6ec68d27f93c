"""A trip by taps: the stops on the way, their prices, reserving all, and one that is refused."""

from customer_app.api.fake import Failure, Json, Work
from customer_app.api.fake_town import TownDoor
from tests.customer_app.touring import Tour, arrive, run, town


async def planned(door: TownDoor) -> Tour:
    there = await arrive(door, "/trip")
    await there.browser.type("trip-to", "Park")
    await there.browser.choose("trip-range", "100")
    await there.browser.tap("trip-find")
    return there


def test_the_stops_of_a_trip_are_reserved_at_prices_that_were_seen() -> None:
    async def tour() -> None:
        there = await planned(town())
        browser = there.browser
        sent = next(each.body for each in there.door.asked if each.path == "/trips/plan")
        assert (sent["range_m"], sent["pack_class"], len(sent["polyline"])) == (100_000, "M60", 2)
        assert browser.says("after 60.0 km", "trip-stop-0")
        assert not browser.has("trip-reserve"), "no price was seen yet"
        await browser.tap("trip-prices")
        assert browser.says("\u20ac16.40", "trip-stop-1")
        await browser.tap("trip-reserve")
        assert browser.has("trip-booking-1")
        assert not browser.has("trip-reserve")
        assert there.door.count("POST /bookings") == 2
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_one_refused_stop_asks_whether_to_keep_or_cancel_the_others() -> None:
    async def tour() -> None:
        for choice in ("trip-keep", "trip-cancel"):
            there = await planned(town())
            browser, door = there.browser, there.door
            await browser.tap("trip-prices")
            reserve = door.works["POST /bookings"]

            def once(body: Json, id_: str, reserve: Work = reserve, door: TownDoor = door) -> Json:
                door.fail("POST /bookings", Failure(409, "no_pack_ready"))
                return reserve(body, id_)

            door.works["POST /bookings"] = once
            await browser.tap("trip-reserve")
            assert browser.says("Park could not be reserved.", "trip-refused")
            await browser.tap(choice)
            canceled = [each.path for each in door.asked if each.path.endswith("/cancel")]
            assert len(canceled) == (choice == "trip-cancel")
            assert browser.has("trip-booking-0") is (choice == "trip-keep")
            assert not browser.has("trip-refused")
            await browser.close()

    run(tour())


def test_a_place_that_nobody_knows_and_a_way_without_a_stop_are_said() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/trip")
        browser = there.browser
        await browser.tap("trip-find")
        assert browser.says("We know no station of that name.", "trip-to")
        await browser.type("trip-to", "Park")
        await browser.choose("trip-range", "400")
        await browser.tap("trip-find")
        assert browser.has("trip-direct")
        await browser.close()

    run(tour())
