"""What goes wrong on the way: at a station, and with the service itself, seen from browsers."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.customer_app.e2e.conftest import Arrive
from tests.support.browsing import Visitor
from tests.support.open_town import LAST_PACK, OpenTown
from tests.support.walking import ANA, STATION, WEI, ask_price, cancel, reserve, swap

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OPEN_SOCKETS, ENDS_WITHIN_S = 50, 6
_WATCH = """
() => {
  const keep = Storage.prototype.setItem;
  Storage.prototype.setItem = function (key, text) {
    window.mgSent ||= key === "flutter.mg.pending" && text.includes("bookings");
    return keep.call(this, key, text);
  };
}
"""


def test_a_service_that_is_told_to_end_lets_fifty_sockets_go(town: OpenTown) -> None:
    town.start()
    with ExitStack() as stack:
        for _ in range(OPEN_SOCKETS):
            place = f"{town.origin.replace('http', 'ws')}/app/ws"
            stack.enter_context(connect(place, origin=Origin(town.origin)))
        began = time.monotonic()
        town.stop()
        assert time.monotonic() - began < ENDS_WITHIN_S


@pytest.fixture
def blind_town(town: OpenTown) -> Iterator[OpenTown]:
    """Open the town with stations that read no codes; who comes next finds it seeing."""
    town.stop()
    town.start(is_blind=True)
    yield town
    if town.is_blind:
        town.stop()


def test_the_power_fails_and_everybody_goes_on_where_he_was(
    blind_town: OpenTown, arrive: Arrive
) -> None:
    town = blind_town
    light, dark = arrive(ANA), arrive(ANA, color_scheme="dark", is_large=True)
    booking_id = _shows_codes(light, dark)
    booking = arrive(WEI, locale="en-GB")
    booking.open("/")
    ask_price(booking)
    booking.page.evaluate(_WATCH)
    booking.press("Reserve now")
    booking.page.wait_for_function("() => window.mgSent")
    town.stop(kills=True)  # before the answer is on the screen
    for visitor in (light, dark):
        visitor.page.wait_for_selector("#mg-link .qr img")
        assert any(text.startswith("MG1.") for text in visitor.codes())
    dark.page.reload()  # as when the browser has put the tab away: there is no page to load
    dark.page.wait_for_selector("#mg-link .qr img")
    assert any(text.startswith("MG1.") for text in dark.codes())
    town.start()
    for visitor in (light, dark, booking):
        visitor.page.wait_for_selector("#mg-link .full", state="detached", timeout=180_000)
        visitor.drawn()
        visitor.faults.clear()  # the client says of its socket that it is gone, as it must
    for visitor in (light, dark):
        where = visitor.page.url  # the station sees again, and may have read the code already
        assert f"/booking/{booking_id}/code" in where or "/swap/" in where
    booking.waits(lambda: len(_bookings(booking)) == 1)
    booking.go("/")
    booking.tap("booking-banner")
    cancel(booking)
    light.hears("Done. Your pack:")


def _shows_codes(light: Visitor, dark: Visitor) -> str:
    """Show a code on two screens, one dark and in large letters; a camera reads both."""
    light.open("/")
    assert light.page.evaluate("crossOriginIsolated") is False, "drawn in threads: decision 0028"
    booking_id = reserve(light)
    light.go(f"/booking/{booking_id}/code")
    dark.open(f"/booking/{booking_id}/code")
    for visitor in (light, dark):
        visitor.see("code-picture")
        [text] = visitor.codes()
        assert text.startswith("MG1.")
        assert len(text) <= 300
    return booking_id


def _bookings(visitor: Visitor) -> list[Any]:
    """List what is booked, as the door knows it."""
    answer = visitor.page.request.get(f"{visitor.origin}/driver/v1/bookings")
    ended = {"CANCELED", "NO_SHOW", "FULFILLED", "FAILED", "REJECTED"}
    return [each for each in answer.json()["items"] if each["state"] not in ended]


def test_a_pack_that_is_not_the_one_recorded_is_said_so(arrive: Arrive, town: OpenTown) -> None:
    town.tell(f"fail {STATION} mix_up")
    wei = arrive(WEI, locale="en-GB")
    wei.open("/")
    swap(wei)
    wei.hears("This is not the pack we have down for you.")
    wei.hears("Done. Your pack:")


def test_a_pack_that_nobody_collected_waits_without_a_bill(arrive: Arrive, town: OpenTown) -> None:
    town.tell(f"fail {STATION} not_collected")
    ana = arrive(ANA)
    ana.open("/")
    swap_id = swap(ana)
    ana.hears("We have your pack; yours is still in slot")
    ana.hears("Nothing was charged.")
    ana.go(f"/receipts/{swap_id}")
    ana.see("screen-receipt")
    assert "€" not in ana.text().partition("Total")[2][:20]
    ana.go(f"/swap/{swap_id}")
    ana.tap("swap-reopen")
    ana.hears("Done. Your pack:")


def test_a_pack_that_does_not_prove_its_identity_locks_its_slot(
    arrive: Arrive, town: OpenTown
) -> None:
    town.tell(f"fail {LAST_PACK} unproven")
    ana = arrive(ANA)
    ana.open("/")
    swap(ana, LAST_PACK)  # which stays there
    ana.hears("We could not prove this pack's identity.")
    said = ana.text()
    assert re.search(r"Slot \w+ is locked; your own record is unchanged", said)
    assert "Leave the pack there and call us." in said
    assert "Put your pack in slot" not in said
    ana.see("attention-call-0")
    ana.press("Stop and call")
    ana.tap("stop-yes")
    ana.hears("Stopped. Nothing was charged.")
