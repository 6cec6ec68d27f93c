"""The tables of J1 and J2: how to come to each state and what it must say."""

from typing import Any

from customer_app.api.fake import Failure
from customer_app.api.fake_town import TownDoor
from tests.customer_app.journey_stage import Change, Row, fails

RESERVE = "/station/st_mitte/reserve?class=M60"


def rows(door: TownDoor, **members: Any) -> None:
    for row in door.things["/stations"]["items"]:
        row.update(members)


def counts(door: TownDoor, **more: Any) -> None:
    for row in door.things["/stations"]["items"]:
        row["ready"][0] |= {"ready_count": 0, **more}


def sheet(**members: Any) -> Change:
    return lambda door: door.things["/stations/st_mitte"].update(members)


J1 = (
    Row(
        "J1",
        "location refused or off",
        "Location is off. Search for a place or move the map.",
        "未开启定位，请搜索地点或移动地图。",
        "note",
        "search",
        "/",
        taps=("near-me",),
        answers={"request_permission": lambda _args: "denied"},
    ),
    Row(
        "J1",
        "none in range",
        "No station within 10 km.",
        "10 公里内没有换电站。",
        "empty",
        "widen",
        "/",
        given=lambda door: door.things["/stations"].update(items=[]),
    ),
    Row(
        "J1",
        "none ready of my class",
        "No M60 pack is ready nearby. Next: about 10:25 at Mitte.",
        "附近暂无可用的 M60 电池包，预计 10:25 在 Mitte站 有货。",
        "note",
        "reserve-for",
        "/",
        given=lambda door: counts(door, next_ready_at=door.at(25)),
        taps=("filter-class-0",),
    ),
    Row(
        "J1",
        "as_of older than 2 min",
        "Seen 5 min ago; it may have changed.",
        "5 分钟前的数据，可能已变化。",
        "note",
        "refresh",
        "/",
        given=lambda door: rows(door, as_of=door.at(-5)),
    ),
    Row(
        "J1",
        "offline",
        "This station is not reporting. We cannot promise a pack.",
        "该站暂无上报，无法保证有电池包。",
        "note",
        "nearest-other",
        "/station/st_mitte",
        given=sheet(state="OFFLINE", ready=[]),
    ),
    Row(
        "J1",
        "maintenance",
        "Closed for maintenance until 16:00.",
        "检修中，预计 16:00 恢复。",
        "note",
        "nearest-other",
        "/station/st_mitte",
        given=sheet(state="MAINTENANCE", opens_at="2026-03-10T15:00:00Z"),
    ),
    Row(
        "J1",
        "outside opening hours",
        "Closed. Opens 16:00.",
        "已打烊，16:00 营业。",
        "note",
        "reserve",
        "/station/st_mitte",
        given=sheet(state="CLOSED", opens_at="2026-03-10T15:00:00Z"),
    ),
    Row(
        "J1",
        "filters hide all",
        "No station matches your filters.",
        "没有符合筛选条件的换电站。",
        "empty",
        "clear-filters",
        "/",
        taps=("filter-ready",),
        then=lambda door: door.things["/stations"].update(items=[]),
    ),
)


# J2 ---------------------------------------------------------------------------------------------


def refused(state: str, failure: Failure, texts: tuple[str, str], action: str) -> Row:
    return Row(
        "J2",
        state,
        *texts,
        "screen-reserve",
        action,
        RESERVE,
        taps=("reserve-confirm",),
        then=fails("POST /bookings", failure, 4),
        also=("F4567890",),  # the reference
    )


def dearer(door: TownDoor) -> None:
    before = door.works["POST /quotes"]
    door.works["POST /quotes"] = lambda body, _id: {
        **before(body, ""),
        "total_estimate_minor": 1800,
    }
    door.fail("POST /bookings", Failure(409, "quote_expired"))


J2 = (
    refused(
        "409 no_pack_available",
        Failure(409, "no_pack_available"),
        ("Park, 1.2 km away, has 2 ready.", "Park站（1.2 公里）还有 2 块可用。"),
        "reserve-there-0",
    ),
    Row(
        "J2",
        "409 quote_expired",
        "The price changed from €16.40 to €18.00.",
        "价格已由 €16.40 变为 €18.00。",
        "reserve-price-changed",
        "reserve-cancel",
        RESERVE,
        taps=("reserve-confirm",),
        then=dearer,
    ),
    refused(
        "402 payment_required, no method",
        Failure(402, "payment_method_missing"),
        (
            "Add a way to pay first. Nothing is charged until you swap.",
            "请先添加支付方式，换电前不会扣款。",
        ),
        "error-add-method",
    ),
    refused(
        "402 payment_required, hold declined",
        Failure(402, "authorisation_declined", {"amount_minor": 2000, "currency": "EUR"}),
        (
            "Your bank declined the hold of €20.00. Nothing was taken.",
            "银行拒绝了 €20.00 的预授权，未扣款。",
        ),
        "error-other-method",
    ),
    refused(
        "unpaid_invoice",
        Failure(
            402,
            "invoice_overdue",
            {
                "number": "INV-7",
                "amount_minor": 6040,
                "currency": "EUR",
                "since": "2026-03-01T00:00:00Z",
                "invoice_id": "in_1",
            },
        ),
        (
            "Invoice INV-7, €60.40, is unpaid since 1 Mar 2026, 01:00. Pay it to book again.",
            "账单 INV-7（€60.40）自 2026年3月1日 01:00 起未付，付清后即可预约。",
        ),
        "error-pay",
    ),
    refused(
        "driver_blocked",
        Failure(403, "driver_blocked"),
        (
            "Booking is paused on your contract. We can explain.",
            "您的合同已暂停预约，我们可以说明原因。",
        ),
        "error-call",
    ),
    refused(
        "409 booking_limit_reached",
        Failure(409, "booking_limit_reached", {"station": "Park", "booking_id": "bk_9"}),
        ("You already hold a pack at Park.", "您已在 Park 预约了一块电池包。"),
        "error-open-booking",
    ),
    refused(
        "balance_packs below 0",
        Failure(409, "pack_owed", {"since": "2026-03-01T00:00:00Z"}),
        (
            "We owe you a pack since 1 Mar 2026, 01:00. Collect it first; it is free.",
            "自 2026年3月1日 01:00 起我们还欠您一块电池包，请先免费领取。",
        ),
        "error-where",
    ),
    refused(
        "entitlement_exceeded",
        Failure(409, "entitlement_exceeded"),
        (
            "You have one pack more than your contract. Return it first.",
            "您手上的电池包多于合同数量，请先归还。",
        ),
        "error-where",
    ),
    refused(
        "class_not_in_contract",
        Failure(422, "class_mismatch"),
        (
            "Your contract or vehicle does not include this pack class.",
            "您的合同或车辆不含此类电池包。",
        ),
        "error-classes",
    ),
    refused(
        "window_invalid",
        Failure(422, "window_invalid"),
        ("The station cannot take a booking for that time.", "该时段无法预约。"),
        "error-other-time",
    ),
    refused(
        "429",
        Failure(429, "rate_limited", retry_after_s=7),
        ("Too many requests. Try again in 7 s.", "操作过于频繁，请 7 秒后再试。"),
        "error-retry",
    ),
    Row(
        "J2",
        "no answer within 10 s",
        "Checking whether your booking went through…",
        "正在确认预约是否成功……",
        "reserve-checking",
        "",
        RESERVE,
        taps=("reserve-confirm",),
        then=fails("POST /bookings", Failure(silence="timeout"), 9),
        waits="answer",
    ),
    refused(
        "5xx after 3 tries",
        Failure(500, "internal_error"),
        ("We could not book. No money was taken.", "未能预约，未扣款。"),
        "error-reference",
    ),
)
