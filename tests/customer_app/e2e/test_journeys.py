"""The journeys of drivers, walked in a real browser through the whole product.

The town is the demo's: a real ledger, the doors, simulated stations, a stand-in for the provider of
payments, a witness. Every fact is looked up on the screen, as a reader of the screen hears it.
"""

import re
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from mobilegrid.app_wiring import check_offline
from tests.customer_app.e2e.conftest import Arrive
from tests.support.browsing import Visitor
from tests.support.open_town import LAST_PACK, OpenTown
from tests.support.walking import (
    ANA,
    WEI,
    ask_price,
    cancel,
    confirm,
    prove,
    step_up,
    swap,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REFERENCE = re.compile("Ref .{8}")


def test_a_station_is_found_without_signing_in(arrive: Arrive) -> None:
    visitor = arrive()
    refused: list[str] = []
    visitor.page.on("requestfailed", lambda asked: refused.append(asked.url))
    visitor.open("/")
    visitor.hears("Central Station")
    assert set(visitor.abroad) <= set(refused)  # the client tries one; the page's policy stops it
    own = [url for url in visitor.asked if url.startswith(visitor.origin) and "_tiles" not in url]
    assert len(own) <= 20
    visitor.tap("near-me")  # the browser lets nobody know where it is
    visitor.hears("Location is off. Search for a place or move the map.")
    visitor.hears("as of ")
    visitor.tap("filter-ready")
    visitor.misses("Kerb Pile")  # it has none
    visitor.type("search", "Market")
    visitor.misses("Ring Road Kiosk")
    visitor.hears("Market Hall")
    visitor.type("search", "nowhere at all")
    visitor.hears("No station matches your filters.")
    visitor.tap("clear-filters")
    visitor.hears("Kerb Pile")
    before = visitor.text()
    visitor.tap("filter-class-1")
    visitor.waits(lambda: visitor.text() != before)  # the counts are those of the class
    visitor.tap("station-row-0")
    visitor.page.wait_for_url("**/app/station/**")
    visitor.see("prices")
    assert "Reserve" in visitor.text()


def test_a_private_screen_asks_who_is_there(arrive: Arrive) -> None:
    visitor = arrive()
    prove(visitor)
    visitor.open("/wallet")
    visitor.tap("sign-in")
    visitor.page.wait_for_url("**/auth/sign-in**")
    visitor.page.click("#use-passkey")  # of which this device has none
    visitor.page.locator("#said").filter(has_text=re.compile(".{10}")).wait_for()
    assert "/auth/sign-in" in visitor.page.url


def test_reserve_swap_pay_and_prove(arrive: Arrive, town: OpenTown) -> None:
    ana = arrive(ANA)
    ana.open("/")
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
    with ana.page.expect_download() as saved:
        ana.tap("verify-download")
    policy = (town.folder / "policy.txt").read_text()
    bundle = Path(saved.value.path()).read_bytes()
    elsewhere = check_offline(bundle, policy, 2_000_000_000)
    assert elsewhere.ok
    assert f"position {elsewhere.position}" in verdict
    _sees_his_passport(ana, arrive())
    _disputes_a_line(ana, swap_id)
    step_up(ana, town, ANA, "/settings/data")
    _asks_for_his_data(ana)


def _sees_his_passport(ana: Visitor, stranger: Visitor) -> None:
    """See more of a pack than a stranger who reads its code."""
    ana.go("/pack")
    ana.tap("pack-passport")
    ana.see("passport-tier")
    own = ana.text()
    pack_id = ana.page.url.partition("/pack/")[2].partition("/")[0]
    paper = ana.page.request.get(f"{ana.origin}/driver/v1/packs/{pack_id}/passport").json()
    stranger.open(paper["url"].partition("/app")[2])
    stranger.see("passport-public-note")
    public = stranger.text()
    assert "Identity and maker" in public
    assert "{" not in public
    assert "For you, as its holder" in own
    assert "Battery category" in public
    assert "Health (SoH)" in own
    assert "Health (SoH)" not in public


def _disputes_a_line(ana: Visitor, swap_id: str) -> None:
    ana.go(f"/receipts/{swap_id}")
    ana.press("Dispute this line")
    ana.type("dispute-text", "That is not what the display said")
    ana.press("Send")
    ana.hears("You need not pay")


def _asks_for_his_data(ana: Visitor) -> None:
    """Have an archive made; nobody is forgotten as long as he holds a pack."""
    ana.tap("data-export")
    ana.hears("Save archive")
    ana.press("Erase my data")
    ana.hears("Return your pack first.")


def test_of_two_who_want_the_last_pack_one_is_shown_others(arrive: Arrive) -> None:
    ana, wei = arrive(ANA), arrive(WEI, locale="en-GB")
    for visitor in (ana, wei):
        visitor.open("/")
        ask_price(visitor, LAST_PACK)
    confirm(wei)
    ana.press("Reserve now")
    ana.see("alternatives")
    ana.hears("The last pack was just taken.")
    assert 1 <= ana.page.locator('[flt-semantics-identifier^="reserve-there-"]').count() <= 3
    ana.tap("reserve-there-0")
    ana.misses("Near by:")  # and with it the price of the other station
    _sees_nothing_of(confirm(ana), wei)
    ana.tap("booking-extend")
    ana.misses("Extend")
    cancel(ana)
    wei.go("/")
    wei.tap("booking-banner")
    cancel(wei)


def _is_told_anew(visitor: Visitor, before: list[str]) -> bool:
    """Tell whether there is a reference, and it is not the one before."""
    return REFERENCE.findall(visitor.text()) not in (before, [])


def _sees_nothing_of(booking_id: str, other: Visitor) -> None:
    """Get for somebody else's booking what there is for one that never was."""
    for screen, end in (("booking", ""), ("code", "/code")):
        said = []
        for each in (booking_id, "BK-00000000000000000000000000"):
            before = REFERENCE.findall(other.text())
            other.go(f"/booking/{each}{end}")
            other.see(f"screen-{screen}")
            other.waits(partial(_is_told_anew, other, before))
            other.hears("Not found")
            said.append(REFERENCE.sub("", other.text()))
        assert said[0] == said[1]


def test_money_is_put_in_on_the_page_of_the_provider(arrive: Arrive, town: OpenTown) -> None:
    wei = arrive(WEI, locale="en-GB")
    step_up(wei, town, WEI, "/wallet")
    _pays_what_is_overdue(wei)
    wei.tap("wallet-add-method")
    wei.page.click("button[value=good]")
    wei.page.wait_for_url("**/app/pay**")
    wei.hears("Your way to pay is saved.")
    wei.open("/wallet")
    wei.hears("visa ending in 4242")
    wei.type("wallet-amount", "20")
    wei.press("Top up")
    wei.page.click("button[value=decline]")
    assert "declined. Nothing was taken" in wei.page.inner_text("[role=alert]")
    wei.page.click("button[value=pay]")
    wei.page.wait_for_url("**/app/pay**")
    wei.hears("€20.00")
    wei.open("/wallet")
    wei.hears("€20.00")


def _pays_what_is_overdue(wei: Visitor) -> None:
    """See it first in the wallet, turn back from a top-up, pay by card; then it is gone."""
    wei.hears("is overdue. Pay it to book again.")
    wei.tap("wallet-pay-overdue")
    wei.hears("Wallet has €0.00; €19.68 is missing.")
    wei.tap("invoice-top-up")
    wei.page.wait_for_selector("button[value=leave]")
    assert "19.68" in wei.page.inner_text("body")
    wei.page.click("button[value=leave]")
    wei.page.wait_for_url("**/app/pay**")
    wei.press("Back to the invoice")
    wei.tap("invoice-pay-card")
    wei.page.wait_for_selector("button[value=pay]", timeout=15_000)
    wei.page.click("button[value=pay]")  # no card is saved: the page of the provider takes one
    wei.page.wait_for_url("**/app/invoices/**")
    wei.drawn()
    wei.hears("Open €0.00")
    wei.miss("invoice-pay-card")
    wei.go("/wallet")
    wei.see("wallet-balance")
    wei.misses("is overdue.")


def test_the_doors_say_what_they_are(town: OpenTown) -> None:
    with urllib.request.urlopen(f"{town.origin}/openapi.json", timeout=10) as answer:
        document = answer.read().decode()
    assert "/driver/v1/bookings" in document
