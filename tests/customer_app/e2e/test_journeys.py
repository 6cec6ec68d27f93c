"""The journeys of drivers, walked in a real browser through the whole product.

The town is the demo's: a real ledger, the doors, simulated stations, a stand-in for the provider of
payments, a witness. Every fact is looked up on the screen, as a reader of the screen hears it.
"""

import re
import urllib.request

import pytest

from tests.customer_app.e2e.conftest import ANA, WEI, Arrive, add_passkeys
from tests.support.browsing import Visitor
from tests.support.open_town import OpenTown

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STATION = "ST-CENTRAL"


def reserve(visitor: Visitor) -> str:
    """Reserve a pack for as soon as may be; gives the booking's id."""
    visitor.open(f"/station/{STATION}")
    visitor.tap("reserve")
    visitor.tap("reserve-arrival")
    visitor.press("in 15 min")
    visitor.tap("reserve-quote")
    visitor.see("reserve-price")
    visitor.tap("reserve-quote")
    visitor.see("booking-code")
    return visitor.page.url.rpartition("/")[2]


def swap(visitor: Visitor) -> str:
    """Reserve, show the code to the station, and wait for the swap; gives its id."""
    reserve(visitor)
    visitor.tap("booking-code")
    visitor.page.wait_for_url("**/app/swap/**", timeout=120_000)
    return visitor.page.url.rpartition("/")[2]


def test_a_station_is_found_without_signing_in(arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/")
    visitor.hears("Central Station")
    visitor.tap("station-row-0")
    visitor.page.wait_for_url("**/app/station/**")
    visitor.see("prices")
    assert "Reserve" in visitor.text()


def test_a_private_screen_asks_who_is_there(arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/wallet")
    visitor.tap("sign-in")
    visitor.page.wait_for_url("**/auth/sign-in**")
    assert visitor.page.is_visible("#use-passkey")


def test_who_has_no_passkey_is_told_so(arrive: Arrive) -> None:
    visitor = arrive()
    add_passkeys(visitor)
    visitor.page.goto(f"{visitor.origin}/auth/sign-in?return_to=/app/")
    visitor.page.click("#use-passkey")
    visitor.page.locator("#said").filter(has_text=re.compile(".{10}")).wait_for()
    assert "/auth/sign-in" in visitor.page.url


def test_reserve_swap_pay_and_prove(arrive: Arrive) -> None:
    ana = arrive(ANA)
    swap_id = swap(ana)
    ana.hears("Done. Your pack:")
    ana.tap("swap-receipt")
    ana.page.wait_for_url(f"**/app/receipts/{swap_id}")
    ana.see("receipt-total")
    said = ana.text()
    lines = sum(int(euro.replace(".", "")) for euro in re.findall(r"€(\d+\.\d\d) €", said))
    assert "Energy" in said
    assert "VAT 20 %" in said
    assert lines >= 0
    ana.tap("receipt-verify")
    ana.tap("verify-start")
    ana.hears("one witness agrees")
    verdict = ana.text()
    assert "Verified. Written at position" in verdict
    for step in ("The log signed it", "Witnesses agree", "It stands in the log"):
        assert f"{step}: right" in verdict


def test_the_code_on_the_screen_is_what_a_camera_reads(arrive: Arrive) -> None:
    wei = arrive(WEI, locale="en-GB")
    booking_id = reserve(wei)
    wei.open(f"/booking/{booking_id}")
    wei.tap("booking-code")
    wei.see("code-picture")
    [text] = wei.codes()
    assert text.startswith("MG1.")
    assert len(text) <= 300
    wei.page.wait_for_url("**/app/swap/**", timeout=120_000)
    wei.hears("Done. Your pack:")


def test_a_pack_that_nobody_collected_waits_without_a_bill(arrive: Arrive, town: OpenTown) -> None:
    town.tell(f"fail {STATION} not_collected")
    ana = arrive(ANA)
    swap_id = swap(ana)
    ana.hears("We have your pack; yours is still in slot")
    ana.hears("Nothing was charged.")
    ana.open(f"/receipts/{swap_id}")
    assert "€" not in ana.text().partition("Total")[2][:20]
    ana.open(f"/swap/{swap_id}")
    ana.tap("swap-reopen")
    ana.hears("Done. Your pack:")


def test_nobody_sees_what_is_anothers(arrive: Arrive) -> None:
    ana, wei = arrive(ANA), arrive(WEI)
    booking_id = reserve(ana)
    for route in (f"/booking/{booking_id}", f"/booking/{booking_id}/code"):
        wei.open(route)
        wei.hears("Not found")
        foreign = wei.text()
        wei.open(route.replace(booking_id, "BK-00000000000000000000000000"))
        wei.hears("Not found")
        assert re.sub("Ref .{8}", "", wei.text()) == re.sub("Ref .{8}", "", foreign)
    ana.open(f"/booking/{booking_id}")
    ana.tap("booking-cancel")
    ana.tap("cancel-yes")
    ana.hears("Booking canceled.")


def test_the_power_fails_while_the_code_is_shown(arrive: Arrive, town: OpenTown) -> None:
    ana = arrive(ANA)
    booking_id = reserve(ana)
    town.tell(f"fail {STATION} offline")  # the station does not take the code meanwhile
    ana.open(f"/booking/{booking_id}/code")
    ana.see("code-picture")
    town.stop(kills=True)
    ana.page.wait_for_selector("#mg-link .qr img", timeout=60_000)
    assert any(text.startswith("MG1.") for text in ana.codes())
    town.start()
    ana.page.wait_for_selector("#mg-link .full", state="detached", timeout=180_000)
    ana.drawn()
    ana.faults.clear()  # the client says of its socket that it is gone, as it must
    assert f"/booking/{booking_id}" in ana.page.url or "/swap/" in ana.page.url


def test_nothing_is_asked_of_other_places(arrive: Arrive) -> None:
    visitor = arrive()
    refused: list[str] = []
    visitor.page.on("requestfailed", lambda asked: refused.append(asked.url))
    visitor.open("/")
    visitor.hears("Central Station")
    assert set(visitor.abroad) <= set(refused)  # the client tries one; the page's policy stops it
    own = [url for url in visitor.asked if url.startswith(visitor.origin) and "_tiles" not in url]
    assert len(own) <= 20


def test_the_doors_say_what_they_are(town: OpenTown) -> None:
    with urllib.request.urlopen(f"{town.origin}/openapi.json", timeout=10) as answer:
        document = answer.read().decode()
    assert "/driver/v1/bookings" in document
