"""Money, receipts, proofs and the pack by taps; their texts: `test_journey_tables`."""

import flet as ft
import flet_charts as fch
import pytest

from customer_app.api.fake import Failure
from customer_app.api.fake_money import put_invoice, wallet
from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES
from customer_app.kit.theme import SPACE_L
from customer_app.models.wallet import CHECKOUT
from tests.customer_app.journey_rows_person import proven
from tests.customer_app.touring import POLICY, Tour, arrive, launched, run, town, until

# Wallet and payment -----------------------------------------------------------------------------


def test_a_top_up_leaves_for_the_hosted_page_in_the_same_tab() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/wallet")
        browser = there.browser
        await browser.tap("wallet-top-up")
        assert browser.says("Enter an amount from €5.00 to €500.00.", "wallet-amount")
        await browser.type("wallet-amount", "25")
        await browser.tap("wallet-top-up")
        assert "https://pay.example.org/page" in launched(there)[-1]
        assert "_self" in launched(there)[-1].lower()
        assert browser.stored[CHECKOUT].startswith("co_")
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_overdue_stands_first_and_leads_to_its_invoice(language: str) -> None:
    def owe(door: TownDoor) -> None:
        door.things["/wallet"] = wallet(overdue_minor=6040)

    async def tour() -> None:
        there = await arrive(town(owe), "/wallet", language=language)
        words = {"en": "€60.40 is overdue. Pay it to book again.", "zh": "€60.40 已逾期"}
        assert there.browser.says(words[language], "wallet-overdue")
        await there.browser.tap("wallet-pay-overdue")
        assert there.browser.history[-1] == "/invoices/in_1"
        await there.browser.tap("invoice-pay-both")
        (paid,) = [each.body for each in there.door.asked if each.path == "/invoices/in_1/pay"]
        assert paid == {"pay_with": "wallet_and_card"}
        assert there.browser.says("€0.00", "invoice-open")
        assert not there.browser.has("invoice-pay-both")
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("12.5 % off · times left: 3 · at most €5.00 a bill", "Free swaps: 2 · €9.00 left")),
        ("zh", ("减免 12.5% · 剩余 3 次", "免费换电：2 次")),
    ],
)
def test_what_is_off_the_next_bills_is_said_with_what_is_left(language, words) -> None:
    off = {"promo_id": "PR-1", "currency": "EUR", "valid_from": "2026-03-01T00:00:00Z"}
    percent = {"kind": "percent", "percent": "12.5", "left": 3, "max_bill_minor": 500}
    free = {"kind": "free_swaps", "left": 2, "left_minor": 900, "valid_to": "2026-05-01T00:00:00Z"}

    def given(door: TownDoor) -> None:
        door.things["/wallet"] = wallet(discounts=[off | percent, off | free])

    async def tour() -> None:
        there = await arrive(town(given), "/wallet", language=language)
        for each in words:
            assert there.browser.says(each), each
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize("ends", ["DONE", "left"])
def test_a_wallet_that_is_too_low_is_filled_by_what_is_missing_and_pays(ends: str) -> None:
    def empty(door: TownDoor) -> None:
        door.things["/wallet"] = wallet(available_minor=0, promo_minor=5800)

    async def tour() -> None:
        there = await arrive(town(empty), "/invoices/in_1")
        browser = there.browser
        assert browser.says("Wallet has €0.00; €2.40 is missing.", "invoice-wallet-low")
        assert browser.says("Top up €5.00", "invoice-top-up")  # the least that is put in
        assert browser.has("invoice-pay-card")
        assert not browser.has("invoice-pay-wallet")
        assert not browser.has("invoice-pay-both")
        there.door.things["/wallet"] = wallet(available_minor=2500)
        await browser.reconnect()
        await browser.visit("/wallet")
        await browser.visit("/invoices/in_1")
        assert browser.has("invoice-pay-both")
        await browser.tap("invoice-top-up")
        (sent,) = [each.body for each in there.door.asked if each.path == "/checkouts"]
        asked = {"purpose": "top_up", "amount_minor": 3540, "currency": "EUR"}
        assert sent == asked | {"return_to": "/app/pay"}
        page = browser.stored[CHECKOUT]
        if ends == "DONE":
            there.door.things[f"/checkouts/{page}"]["state"] = ends
        stored = dict(browser.stored)
        await browser.close()
        there.door._answers.clear()  # keys of a session are not met again in another one
        there.door.things["/wallet"] = wallet(available_minor=6040)
        back = await arrive(there.door, f"/pay?checkout={page}&outcome={ends}", stored=stored)
        told = [each.body for each in there.door.asked if each.path == f"/checkouts/{page}/end"]
        assert told == ([{"outcome": "left"}] if ends == "left" else [])
        assert back.browser.has("pay-abandoned" if ends == "left" else "pay-done")
        assert back.browser.says("Back to the invoice", "pay-back")
        await back.browser.tap("pay-back")
        assert back.browser.history[-1] == "/invoices/in_1"
        assert not back.browser.has("invoice-wallet-low")
        await back.browser.tap("invoice-pay-wallet")
        assert back.browser.says("€0.00", "invoice-open")
        assert back.is_sound(), back.faults.faults
        await back.browser.close()

    run(tour())


def test_what_was_spent_is_drawn_by_month_from_the_bills() -> None:
    def bill(door: TownDoor) -> None:
        put_invoice(door, "in_2", "PAID", period="2026-11", total_minor=1640)
        put_invoice(door, "in_3", "PAID", period="2026-11", total_minor=500, number="INV-3")
        put_invoice(door, "in_4", "PAID", period="2026-11", currency="CNY")

    async def tour() -> None:
        there = await arrive(town(bill), "/wallet")
        said = there.browser.find("wallet-spending").label
        assert said == "October 2026 €60.40, November 2026 €16.40 + €5.00"
        rods = [c for c in there.browser.controls() if isinstance(c, fch.BarChartRod)]
        assert [each.to_y for each in rods] == [6040, 2140]
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


def test_removing_a_card_asks_first() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/wallet")
        await there.browser.tap("method-remove-pm-1")
        assert there.browser.says("Remove Visa ending in 4242?", "method-text")
        await there.browser.tap("method-yes")
        assert there.browser.says("stays while an invoice is open")
        assert there.browser.has("method-pm-1")
        await there.browser.close()

    run(tour())


def test_a_plan_is_taken_after_its_price_was_seen() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/plans")
        assert not there.browser.has("plan-subscribe")
        await there.browser.tap("plan-preview-pl-city")
        assert there.browser.says("First month: 7 of 30 days, €11.20", "plan-preview")
        await there.browser.tap("plan-subscribe")
        assert there.browser.has("plan-own")
        await there.browser.tap("plan-end")
        await there.browser.tap("plan-yes")
        assert there.browser.says("Ends after 2026-11", "plan-ending")
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


# Receipts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("swap_id", "service", "total"),
    [
        ("sw_low", "Service 20.000 kWh (minimum; delivered 12.000)", "€16.40"),
        ("sw_high", "Service 40.000 kWh", "€44.00"),
    ],
)
def test_the_golden_receipts_read_as_agreed(swap_id: str, service: str, total: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), f"/receipts/{swap_id}")
        name = f"line-{swap_id.replace('_', '-')}-2"
        assert there.browser.says(service, name)
        assert there.browser.says("€0.40 per kWh · tariff 3", name)
        assert there.browser.says(total, "receipt-total")
        assert there.browser.says("Energy in the pack 7.200 kWh · Reading signed and right")
        assert there.browser.says("q6urq6ur", "receipt-hash")
        assert there.browser.says("Mitte", "receipt-facts")
        await there.browser.close()

    run(tour())


def test_a_line_is_disputed_by_taps() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/receipts/sw_low")
        browser = there.browser
        await browser.tap("line-dispute-sw-low-2")
        await browser.tap("dispute-send")
        assert browser.says("Please tell us what happened.", "dispute-text")
        await browser.type("dispute-text", "It was less.")
        await browser.choose("dispute-code", "quantity")
        await browser.tap("dispute-send")
        assert browser.has("dispute-sent")
        assert browser.has("line-disputed-sw-low-2")
        await browser.tap("receipt-case")
        assert browser.history[-1] == "/help/cs_9"
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


# Proofs -----------------------------------------------------------------------------------------


def bars(there: Tour) -> list[ft.SnackBar]:
    return [each for each in there.browser.controls() if isinstance(each, ft.SnackBar)]


def test_a_bar_does_not_outlive_the_way_to_the_payment_page_and_back() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1")
        await there.browser.tap("booking-extend")
        assert len(bars(there)) == 1
        await there.browser.visit("/wallet")
        await there.browser.tap("wallet-quick-50")
        sent = next(each.body for each in there.door.asked if each.path == "/checkouts")
        assert (sent["purpose"], sent["amount_minor"]) == ("top_up", 5_000)
        assert "https://pay.example.org/page" in launched(there)[-1]
        assert len(bars(there)) == 1, "the payment page says itself that it opens"
        await there.browser.reconnect()
        assert bars(there) == []
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


def test_what_was_said_goes_along_to_one_screen_and_no_further() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/booking/bk_1")
        await there.browser.tap("booking-extend")
        await there.browser.visit("/wallet")
        assert len(bars(there)) == 1
        await there.browser.visit("/receipts")
        assert bars(there) == []
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


def test_an_error_above_a_screen_keeps_its_margin_and_its_reference_is_below_its_words() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/wallet")
        there.door.fail("POST /checkouts", Failure(422, "invalid", reference="abc123"))
        await there.browser.tap("wallet-add-method")
        note = there.browser.find("note")
        assert note.parent.padding.left == note.parent.padding.right == SPACE_L
        words = there.browser.find("error-reference").parent
        assert isinstance(words, ft.Column)
        first = words.controls[0]
        assert isinstance(first, ft.Row)
        said = first.controls[0]
        assert isinstance(said, ft.Text)
        assert said.value.startswith("Something in it")
        await there.browser.close()

    run(tour())


def test_a_figure_is_heard_once_and_a_choice_says_what_it_is() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/wallet")
        balance = there.browser.find("wallet-balance")
        assert (balance.label, balance.exclude_semantics) == ("€25.00 Balance", True)
        assert there.browser.says("Used first", "screen-wallet")
        await there.browser.visit("/station/st_mitte/reserve")
        merged = there.browser.find("reserve-class").content
        assert isinstance(merged, ft.MergeSemantics)
        said = merged.content
        assert isinstance(said, ft.Semantics)
        assert said.label == "Pack class: M60"
        await there.browser.visit("/receipts")
        assert there.browser.says("Mitte", "receipt-sw-low")
        await there.browser.close()

    run(tour())


# Pack and passport ------------------------------------------------------------------------------


def test_a_stranger_sees_the_model_and_nothing_of_the_packs_life() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/pack/AB12/passport", signed_in=False)
        assert there.browser.has("passport-public-note")
        assert there.browser.says("LFP", "passport-6-5-2")
        assert not there.browser.has("passport-6-7-2-7")
        assert not there.browser.says("95.1")
        await there.browser.close()

    run(tour())


def test_the_holder_sees_health_and_a_code() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/pack/pk_new/passport")
        browser = there.browser
        assert browser.says("95.1 %", "passport-6-7-2-7")
        assert browser.says("96 months", "passport-6-1-3-4")
        assert browser.says("electric vehicle", "passport-6-1-3-5")
        assert browser.says("333 kg", "passport-6-1-3-6")
        assert browser.says("12 Quay Street\n10115 DE", "passport-6-1-2-4")
        assert browser.says("Identity and maker", "passport-section-6-1")
        await browser.tap("passport-6-2-7-paper-0")
        assert launched(there)[-1].count("https://docs.example.org/ce.pdf") == 1
        assert browser.find("passport-code").label == "Code of the public passport"
        for words in (
            "95.1 %",
            "between 94 % and 96 %",
            "How it was told: measured",
            "Last measured",
        ):
            assert browser.says(words), words
        assert browser.says("123.5", "passport-own")
        assert browser.says("Status original")
        assert browser.says("as of 10 Mar 2026")
        await browser.tap("passport-open")
        assert browser.history[-1] == "/pack/AB12/passport?public=1"
        assert browser.says("Public part")
        assert not browser.says("95.1", "screen-passport")
        await there.browser.close()

    run(tour())


def test_a_proof_and_a_certificate_are_saved_as_they_came() -> None:
    async def tour() -> None:
        there = await arrive(town(proven), "/verify/sw_low")
        saved: list[dict[str, object]] = []
        there.browser.answers["save_file"] = saved.append
        await there.browser.tap("verify-start")
        await until(there, "verify-download")
        await there.browser.tap("verify-download")
        assert saved[0]["src_bytes"] == there.door.things["/swaps/sw_low/proof"]
        assert saved[0]["file_name"] == "sw_low.tlog-proof"
        await there.browser.tap("verify-policy")
        kept = saved.pop()
        assert (kept["file_name"], kept["src_bytes"]) == ("policy.txt", POLICY.encode())
        await there.browser.visit("/pack")
        await until(there, "pack-certificate")
        await there.browser.tap("pack-certificate")
        assert saved[1]["src_bytes"] == there.door.things["/packs/pk_new/certificate"]
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())
