"""The tables of J6 and J7: how to come to each state and what it must say."""

from typing import Any

from customer_app.api.fake_money import put_invoice, receipt
from customer_app.api.fake_town import TownDoor
from customer_app.models.wallet import CHECKOUT
from tests.customer_app.journey_stage import Change, Row

RECEIPT = "/receipts/sw_low"


def page(state: str, **more: Any) -> Change:
    def change(door: TownDoor) -> None:
        door.things["/checkouts/co_1"] = {
            "checkout_id": "co_1",
            "purpose": "top_up",
            "state": state,
            "expires_at": door.at(20),
            "return_to": "/pay",
            "amount_minor": 2500,
            "currency": "EUR",
            **more,
        }

    return change


def paid(*payments: tuple[str, int]) -> Change:
    def change(door: TownDoor) -> None:
        door.things[RECEIPT]["payments"] = [
            {"kind": kind, "on": "2026-11-22", "amount_minor": minor} for kind, minor in payments
        ]

    return change


J6 = (
    Row(
        "J6",
        "priced, capturing",
        "Paying €60.40…",
        "正在支付 €60.40……",
        "invoice-paying",
        "",
        "/invoices/in_1",
        taps=("invoice-pay-card",),
        waits="door",
    ),
    Row(
        "J6",
        "card declined after hand-out",
        "Payment of €60.40 did not go through. Keep driving; please pay by 30 Nov 2026.",
        "€60.40 支付未成功。可继续用车，请于 2026年11月30日 前付清。",
        "invoice-overdue",
        "invoice-pay-card",
        "/invoices/in_1",
        given=lambda door: put_invoice(door, "in_1", "NEEDS_ACTION"),
    ),
    Row(
        "J6",
        "left the hosted page",
        "Payment was not finished. Nothing was taken.",
        "支付未完成，未扣款。",
        "pay-abandoned",
        "pay-again",
        "/pay",
        given=page("ABANDONED"),
        stored={CHECKOUT: "co_1"},
    ),
    Row(
        "J6",
        "back from the page, webhook not in",
        "Waiting for your bank…",
        "等待银行确认……",
        "pay-waiting",
        "",
        "/pay",
        given=page("WAITING"),
        stored={CHECKOUT: "co_1"},
    ),
    Row(
        "J6",
        "wallet too low",
        "Wallet has €4.00; €12.40 goes to your card.",
        "钱包余额 €4.00，其余 €12.40 由银行卡支付。",
        "receipt-split",
        "",
        RECEIPT,
        given=paid(("wallet", 400), ("card", 1240)),
    ),
    Row(  # the same before it is paid: filled by what is missing, or shared with a card
        "J6",
        "wallet too low",
        "Wallet has €25.00; €35.40 is missing. Top it up, or let a card pay the rest.",
        "钱包余额 €25.00，还差 €35.40。可充值，或由银行卡支付其余部分。",
        "invoice-wallet-low",
        "invoice-top-up",
        "/invoices/in_1",
    ),
    Row(
        "J6",
        "refund",
        "€5.00 on its way back, 3 to 10 days.",
        "€5.00 退款中，预计 3 至 10 天。",
        "receipt-sums",
        "",
        RECEIPT,
        given=paid(("card", 1640), ("card", -500)),
    ),
    Row(
        "",
        "topped up",
        "€25.00 is in your wallet.",
        "€25.00 已存入钱包。",
        "pay-done",
        "pay-wallet",
        "/pay",
        given=page("DONE"),
        stored={CHECKOUT: "co_1"},
    ),
)


# J7 ---------------------------------------------------------------------------------------------


def special(**members: Any) -> Change:
    def change(door: TownDoor) -> None:
        made = receipt(door, "sw_low", 12_000, (840, 800), 1640)
        door.things[RECEIPT] = {**made, **members}

    return change


OBJECTED = {"line_id": "sw_low-1", "case_id": "cs_1", "code": "price", "state": "OPEN"}
J7 = (
    Row(
        "J7",
        "not priced yet",
        "The bill is being made.",
        "账单生成中。",
        "receipt-pending",
        "",
        RECEIPT,
        given=special(state="PENDING", lines=[]),
    ),
    Row(
        "J7",
        "corrected later",
        "Corrected on 10 Mar 2026: meter. Difference -€2.00.",
        "已于 2026年3月10日 更正：meter，差额 -€2.00。",
        "receipt-corrected-0",
        "receipt-both-0",
        RECEIPT,
        given=special(
            corrections=[
                {
                    "at": "2026-03-10T08:00:00Z",
                    "why": "meter",
                    "difference_minor": -200,
                    "position": 9,
                }
            ]
        ),
    ),
    Row(
        "J7",
        "evidence is a substitute",
        "The station's reading was missing; this is an estimate, never above 60.000 kWh.",
        "缺少站点读数，此为估算值，不超过 60.000 千瓦时。",
        "receipt-substitute",
        "receipt-why",
        RECEIPT,
        given=special(substitute={"method": "M2", "value_wh": 11_000, "cap_wh": 60_000}),
    ),
    Row(
        "J7",
        "line disputed",
        "We are looking at this line. You need not pay it now.",
        "该项正在核查，暂无需支付。",
        "line-disputed-sw-low-1",
        "line-case-sw-low-1",
        RECEIPT,
        given=special(disputed_lines=[OBJECTED]),
    ),
    Row(
        "J7",
        "404",
        "No such receipt in your account.",
        "您的账户中没有此账单。",
        "error",
        "error-receipts",
        "/receipts/sw_foreign",
    ),
    Row(
        "J7",
        "PDF not offered by this service",
        "Open the printable page instead.",
        "请改用可打印页面。",
        "screen-invoice",
        "invoice-page",
        "/invoices/in_1",
        given=lambda door: put_invoice(door, "in_1", "ISSUED", formats=["html"]),
    ),
    Row(
        "",
        "not billed",
        "This swap is not billed.",
        "本次换电不计费。",
        "receipt-unbilled",
        "",
        RECEIPT,
        given=special(state="UNBILLED", lines=[]),
    ),
)
