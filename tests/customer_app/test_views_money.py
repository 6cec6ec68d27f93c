"""Money, receipts, proofs and the pack by taps; every text of J6 to J8."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from customer_app.api.fake import Failure
from customer_app.api.fake_money import receipt, wallet
from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES
from customer_app.models.wallet import CHECKOUT
from customer_app.trust.bundle import Verdict
from tests.customer_app.touring import GOOD, arrive, launched, run, town, until

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


PAYMENTS = (
    ("WAITING", "pay-waiting", "Waiting for your bank…", "等待银行确认……"),
    ("ABANDONED", "pay-abandoned", "Payment was not finished. Nothing was taken.", "支付未完成"),
    ("DONE", "pay-done", "€25.00 is in your wallet.", "€25.00 已存入钱包。"),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("state", "name", "en", "zh"), PAYMENTS)
def test_the_way_back_from_the_page_says_what_the_bank_said(
    state: str, name: str, en: str, zh: str, language: str
) -> None:
    def paid(door: TownDoor) -> None:
        door.things["/checkouts/co_1"] = {
            "checkout_id": "co_1",
            "purpose": "top_up",
            "state": state,
            "expires_at": door.at(20),
            "return_to": "/pay",
            "amount_minor": 2500,
            "currency": "EUR",
        }

    async def tour() -> None:
        there = await arrive(town(paid), "/pay", language=language, stored={CHECKOUT: "co_1"})
        await until(there, name)
        assert there.browser.says(en if language == "en" else zh, name)
        assert there.is_sound()
        await there.browser.close()

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
        await there.browser.tap("invoice-pay-wallet")
        assert there.browser.says("€0.00", "invoice-open")
        assert not there.browser.has("invoice-pay-wallet")
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
        assert there.browser.says("Mitte", "receipt-facts")
        await there.browser.close()

    run(tour())


def special(**members: Any) -> Callable[[TownDoor], None]:
    def change(door: TownDoor) -> None:
        made = receipt(door, "sw_low", 12_000, (840, 800), 1640)
        for each in members.get("corrections", ()):
            each["at"] = door.at()
        door.things["/receipts/sw_low"] = {**made, **members}

    return change


SPECIAL = (
    (special(state="PENDING", lines=[]), "receipt-pending", "being made", "账单生成中"),
    (special(state="UNBILLED", lines=[]), "receipt-unbilled", "not billed", "不计费"),
    (
        special(substitute={"method": "M2", "value_wh": 11_000, "cap_wh": 60_000}),
        "receipt-substitute",
        "this is an estimate, never above 60.000 kWh.",
        "此为估算值，不超过 60.000 千瓦时。",
    ),
    (
        special(corrections=[{"at": "", "why": "meter", "difference_minor": -200, "position": 9}]),
        "receipt-corrected-0",
        "meter. Difference -€2.00.",
        "meter，差额 -€2.00。",
    ),
    (
        special(
            disputed_lines=[
                {"line_id": "sw_low-1", "case_id": "cs_1", "code": "price", "state": "OPEN"}
            ]
        ),
        "line-disputed-sw-low-1",
        "You need not pay it now.",
        "暂无需支付。",
    ),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("change", "name", "en", "zh"), SPECIAL, ids=[row[1] for row in SPECIAL])
def test_what_is_special_about_a_bill_is_said(
    change: Callable[[TownDoor], None], name: str, en: str, zh: str, language: str
) -> None:
    async def tour() -> None:
        there = await arrive(town(change), "/receipts/sw_low", language=language)
        assert there.browser.says(en if language == "en" else zh, name)
        assert there.is_sound()
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_that_is_not_mine_is_not_there(language: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), "/receipts/sw_foreign", language=language)
        words = {"en": "it is not yours", "zh": "不属于您"}
        assert there.browser.says(words[language], "error")
        await there.browser.close()

    run(tour())


# Proofs -----------------------------------------------------------------------------------------


def proven(door: TownDoor) -> None:
    entry = {"body": {"swap_id": "sw_low", "station_id": "st_mitte", "energy_wh": 12_000}}
    inner = base64.b64encode(json.dumps(entry).encode()).decode()
    extra = base64.b64encode(json.dumps({"entry": inner}).encode()).decode()
    proof = f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 102\n\nnote\n".encode()
    door.things["/swaps/sw_low/proof"] = proof


def shown_otherwise(door: TownDoor) -> None:
    proven(door)
    door.things["/receipts/sw_low"]["energy_wh"] = 13_000


VERDICTS = (
    (GOOD, proven, "Verified. Written at position 102; signed", "已验证。记录位置 102"),
    (
        Verdict(ok=False, step_failed="2", tree_size=9, witnesses_ok=1, witnesses_needed=2),
        proven,
        "Signed by us; only 1 of 2 witnesses so far.",
        "目前 1/2 个见证方确认。",
    ),
    (
        Verdict(ok=False, step_failed="E5", tree_size=9),
        proven,
        "Keep the file and send it to an auditor.",
        "请保留文件并提交审计方。",
    ),
    (
        Verdict(ok=False, step_failed="2", detail="no key of the policy signed"),
        proven,
        "Signed with a key this app does not know.",
        "签名密钥未知。",
    ),
    (GOOD, shown_otherwise, "The receipt shown differs", "显示的账单与记录不一致"),
    (
        GOOD,
        lambda door: door.fail("GET /swaps/sw_low/proof", Failure(404, "not_signed_yet")),
        "the signed proof follows within a minute",
        "签名证明将在一分钟内生成",
    ),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("verdict", "change", "en", "zh"), VERDICTS, ids=map(str, range(len(VERDICTS)))
)
def test_every_verdict_has_its_words(
    verdict: Verdict, change: Callable[[TownDoor], None], en: str, zh: str, language: str
) -> None:
    async def tour() -> None:
        door = town(change)
        door.verdict = verdict
        there = await arrive(door, "/verify/sw_low", language=language)
        await there.browser.tap("verify-start")
        await until(there, "verify-verdict")
        assert there.browser.says(en if language == "en" else zh, "verify-verdict")
        serious = not verdict.ok and verdict.witnesses_ok is None
        differs = change is shown_otherwise
        assert there.browser.has("verify-report") is (serious or differs)
        assert there.browser.says("log.example:")
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())


# Pack and passport ------------------------------------------------------------------------------


def test_a_stranger_sees_the_model_and_nothing_of_the_packs_life() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/pack/AB12/passport", signed_in=False)
        assert there.browser.has("passport-public-note")
        assert there.browser.says("LFP", "passport-chemistry")
        assert not there.browser.has("passport-soh")
        assert not there.browser.says("95.1")
        await there.browser.close()

    run(tour())


def test_the_holder_sees_health_and_a_code() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/pack/pk_new/passport")
        assert there.browser.has("passport-soh")
        assert there.browser.find("passport-code").label == "Code of the public passport"
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
        await there.browser.visit("/pack")
        await until(there, "pack-certificate")
        await there.browser.tap("pack-certificate")
        assert saved[1]["src_bytes"] == there.door.things["/packs/pk_new/certificate"]
        assert there.is_sound(), there.faults.faults
        await there.browser.close()

    run(tour())
