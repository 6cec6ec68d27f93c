"""The journey by taps: reserve, hold, code, as a driver does it.

The texts of J2 to J4 are held by `test_journey_tables`.
"""

import json

import pytest

from customer_app.api.fake import Failure
from customer_app.api.fake_money import wallet
from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES
from customer_app.models.code import KEPT
from customer_app.models.commands import PENDING
from customer_app.models.wallet import BACK, CHECKOUT
from tests.customer_app.harness import NOW
from tests.customer_app.touring import Tour, arrive, launched, run, town

RESERVE = "/station/st_mitte/reserve?class=M60"


async def priced(there: Tour) -> None:
    assert there.browser.has("reserve-price"), "the price is there without a tap"


def test_a_pack_is_reserved_in_two_taps_at_the_price_on_screen() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/station/st_mitte")
        browser = there.browser
        await browser.tap("reserve")
        await browser.choose("reserve-pay", "card")
        assert browser.says("€16.40", "reserve-total")
        assert browser.says("No-show fee €3.00", "reserve-fees")
        assert browser.says("at least 20.0 kWh billed", "reserve-price")
        await browser.tap("reserve-confirm")
        made = browser.history[-1]
        assert made.startswith("/booking/bk_1")
        assert browser.has("booking-ring")
        assert there.door.count("POST /bookings") == 1
        (sent,) = [each.body for each in there.door.asked if each.path == "/bookings" and each.key]
        assert sent["pay_with"] == "card"
        assert there.is_sound()
        await browser.close()

    run(tour())


@pytest.mark.parametrize("ends", ["DONE", "ABANDONED"])
def test_without_a_way_to_pay_one_is_added_and_the_same_booking_goes_on(ends: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), RESERVE)
        browser = there.browser
        await browser.choose("reserve-arrival", "60")
        await browser.choose("reserve-pay", "card")
        there.door.fail("POST /bookings", Failure(402, "payment_method_missing"))
        await browser.tap("reserve-confirm")
        assert browser.says("Add a way to pay first")
        await browser.tap("error-add-method")
        (sent,) = [each.body for each in there.door.asked if each.path == "/checkouts"]
        assert sent == {"purpose": "add_method", "return_to": "/app/pay"}
        assert "https://pay.example.org/page" in launched(there)[-1]
        page = browser.stored[CHECKOUT]
        there.door.things[f"/checkouts/{page}"]["state"] = ends
        stored = dict(browser.stored)
        await browser.close()
        there.door._answers.clear()  # keys of a session are not met again in another one
        back = await arrive(there.door, f"/pay?checkout={page}&outcome=back", stored=stored)
        await back.browser.tap("pay-back")
        route = "/station/st_mitte/reserve?class=M60&in=60&pay=card"
        assert back.browser.history[-1] == route
        assert BACK not in back.browser.stored
        await back.browser.tap("reserve-confirm")
        (made,) = [e.body for e in there.door.asked[-9:] if e.path == "/bookings" and e.key]
        assert (made["pay_with"], made["arrive_from"][11:16]) == ("card", "10:00")
        assert back.browser.history[-1].startswith("/booking/")
        assert back.is_sound(), back.faults.faults
        await back.browser.close()

    run(tour())


def test_a_wallet_too_low_for_a_booking_is_filled_or_another_way_pays() -> None:
    async def tour() -> None:
        door = town()
        plain = door.works["POST /quotes"]
        door.works["POST /quotes"] = lambda *a: {**plain(*a), "deposit_minor": 2000}
        there = await arrive(door, RESERVE)
        browser = there.browser
        await browser.choose("reserve-pay", "wallet")
        there.door.things["/wallet"] = wallet(available_minor=150)
        there.door.fail("POST /bookings", Failure(402, "payment_method_missing"))
        await browser.tap("reserve-confirm")
        assert browser.says("The wallet has €1.50 of the €20.00", "note")
        assert browser.says("€18.50 is missing. Nothing was taken.", "note")
        await browser.tap("error-top-up")
        (sent,) = [each.body for each in there.door.asked if each.path == "/checkouts"]
        assert (sent["purpose"], sent["amount_minor"]) == ("top_up", 1850)
        assert browser.stored[BACK].endswith(
            " /station/st_mitte/reserve?class=M60&in=30&pay=wallet"
        )
        await browser.tap("error-pay-card")
        assert not browser.has("note")
        await browser.tap("reserve-confirm")
        asked = [each.body for each in there.door.asked if each.path == "/bookings" and each.key]
        assert [each["pay_with"] for each in asked] == ["wallet", "card"]
        assert browser.history[-1].startswith("/booking/")
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_a_way_back_to_elsewhere_is_none() -> None:
    async def tour() -> None:
        stored = {BACK: "co_9 https://example.org/station/x/reserve", CHECKOUT: "co_9"}
        door = town()
        page = {"checkout_id": "co_9", "purpose": "add_method", "state": "DONE"}
        times = {"expires_at": "2026-03-10T10:00:00Z", "return_to": "/app/pay"}
        door.things["/checkouts/co_9"] = page | times
        there = await arrive(door, "/pay", stored=stored)
        assert there.browser.has("pay-wallet")
        assert not there.browser.has("pay-back")
        await there.browser.close()

    run(tour())


def test_a_stranger_who_wants_to_reserve_signs_in_and_comes_back() -> None:
    async def tour() -> None:
        there = await arrive(town(), RESERVE, signed_in=False)
        await there.browser.tap("sign-in")
        (url,) = [args["url"] for name, args in there.browser.invoked if name == "launch_url"]
        assert "return_to=%2Fapp%2Fstation%2Fst_mitte%2Freserve%3Fclass%3DM60" in str(url)
        await there.browser.close()

    run(tour())


def test_the_last_pack_gone_offers_the_next_station_and_its_own_price() -> None:
    async def tour() -> None:
        there = await arrive(town(), RESERVE)
        await priced(there)
        there.door.fail("POST /bookings", Failure(409, "no_pack_ready"))
        await there.browser.tap("reserve-confirm")
        assert there.browser.says("Park, 1.2 km away, has 2 ready.", "alternatives")
        await there.browser.tap("reserve-there-0")
        assert there.browser.says("Park", "reserve-station")
        await there.browser.tap("reserve-confirm")
        sent = [each.body for each in there.door.asked if each.path == "/bookings" and each.key]
        assert sent[-1]["station_id"] == "st_park"
        await there.browser.close()

    run(tour())


def test_a_price_that_moved_is_shown_before_it_is_taken() -> None:
    async def tour() -> None:
        there = await arrive(town(), RESERVE)
        await priced(there)
        before = there.door.works["POST /quotes"]
        dearer = {"total_estimate_minor": 1800}
        there.door.works["POST /quotes"] = lambda body, _id: {**before(body, ""), **dearer}
        there.door.fail("POST /bookings", Failure(409, "quote_expired"))
        await there.browser.tap("reserve-confirm")
        changed = "The price changed from €16.40 to €18.00."
        assert there.browser.says(changed, "reserve-price-changed")
        assert there.browser.says("Accept €18.00", "reserve-confirm")
        await there.browser.close()

    run(tour())


def test_a_session_that_begins_anew_asks_what_became_of_a_lost_booking() -> None:
    async def tour() -> None:
        body = {
            "station_id": "st_mitte",
            "pack_class": "M60",
            "arrive_until": "2026-03-10T10:00:00Z",
        }
        row = {"path": "/driver/v1/bookings", "key": "k-lost", "body": body}
        pending = json.dumps([{**row, "at": NOW.isoformat()}])
        there = await arrive(town(), "/wallet", stored={PENDING: pending})
        for _ in range(50):  # the device answers in its own time
            await there.browser.settle()
        assert there.door.keys("POST /bookings") == ["k-lost"]
        assert PENDING not in there.browser.stored
        await there.browser.close()

    run(tour())


# The hold ---------------------------------------------------------------------------------------


def test_a_booking_is_cancelled_only_after_its_question() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1")
        browser = there.browser
        await browser.tap("booking-cancel")
        assert browser.says("Free until 10:10.", "cancel-text")
        await browser.tap("cancel-no")
        assert not browser.has("cancel-yes")
        await browser.tap("booking-cancel")
        await browser.tap("cancel-yes")
        assert browser.says("Canceled", "booking-state")
        assert there.door.count("POST /bookings/bk_1/cancel") == 1
        assert not browser.has("booking-cancel")
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_a_hold_is_extended_once() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1")
        await there.browser.tap("booking-extend")
        assert there.browser.says("45:00", "booking-ring")
        assert not there.browser.has("booking-extend")
        await there.browser.close()

    run(tour())


def test_a_station_that_fell_silent_lets_the_driver_move_the_booking() -> None:
    def silence(door: TownDoor) -> None:
        door.put_booking(station={**door.ref(state="OFFLINE"), "as_of": door.at(-20)})

    async def tour() -> None:
        there = await arrive(town(silence), "/booking/bk_1")
        assert there.browser.says("Mitte went offline 20 min ago.", "booking-station-down")
        await there.browser.tap("booking-move")
        assert there.browser.history[-1] == "/"
        await there.browser.close()

    run(tour())


# The code ---------------------------------------------------------------------------------------


def test_the_code_has_its_label_and_is_kept_for_places_without_signal() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1/code")
        browser = there.browser
        assert browser.find("code-picture").label == "Check-in code, valid until 10:01"
        kept = json.loads(browser.stored[KEPT])
        assert len(kept["codes"]) == 3
        assert kept["phone"] == "+49 30 5550 101"
        await browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_network_the_kept_codes_are_shown_one_after_the_other(language: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1/code")
        stored = dict(there.browser.stored)
        await there.browser.close()
        door = town(lambda door: door.fail("GET /bookings/bk_1/ticket", Failure(), times=99))
        later = await arrive(door, "/booking/bk_1/code", language=language, stored=stored)
        words = {"en": "No connection. This code still works until", "zh": "无网络。此码在"}
        assert later.browser.says(words[language], "code-offline")
        assert later.browser.has("code-picture")
        await later.browser.tap("code-next")
        await later.browser.tap("code-next")
        with pytest.raises(AssertionError):
            await later.browser.tap("code-next")
        await later.browser.close()

    run(tour())


@pytest.mark.parametrize("silence", ["offline", "timeout"])
def test_without_a_network_and_a_code_there_is_the_station_and_a_person(silence: str) -> None:
    async def tour() -> None:
        failure = Failure(silence=silence)
        door = town(lambda door: door.fail("GET /bookings/bk_1/ticket", failure, times=99))
        there = await arrive(door, "/booking/bk_1/code")
        assert there.browser.says("Go to the station's own screen or call.", "code-none")
        await there.browser.tap("code-call")
        called = [args["url"] for name, args in there.browser.invoked if name == "launch_url"]
        assert "tel:+49305550100" in str(called[-1])
        await there.browser.close()

    run(tour())


def test_what_is_set_aside_is_told_with_the_means_that_set_it_aside() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/station/st_mitte/reserve")
        held = "Reserved on your card or wallet"
        assert held not in "\n".join(there.browser.texts())
        await there.browser.choose("reserve-pay", "card")
        assert held in "\n".join(there.browser.texts())
        await there.browser.close()

    run(tour())
