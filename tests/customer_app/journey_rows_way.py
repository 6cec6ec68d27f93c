"""The tables of J3 and J4: how to come to each state and what it must say."""

from datetime import timedelta
from typing import Any

from customer_app.api.fake import Failure
from customer_app.api.fake_town import TownDoor
from tests.customer_app.harness import NOW
from tests.customer_app.journey_stage import Change, Row, fails

BOOKING, CODE, SLOT = "/booking/bk_1", "/booking/bk_1/code", "/slot/st_mitte/7"
HALF_HOUR = timedelta(minutes=30)


# J3 ---------------------------------------------------------------------------------------------


def booked(**members: Any) -> Change:
    return lambda door: door.put_booking(**members)


def replaced(door: TownDoor) -> None:
    change = {"from_pack_id": "a", "to_pack_id": "b", "reason": "x", "at": door.at()}
    door.put_booking(replaced=[change])


def silent(door: TownDoor) -> None:
    door.put_booking(station={**door.ref(state="OFFLINE"), "as_of": door.at(-20)})


J3 = (
    Row(
        "J3",
        "5 min left",
        "Your hold ends in 5 minutes.",
        "预约将在 5 分钟后到期。",
        "booking-soon",
        "booking-extend",
        BOOKING,
        given=lambda door: door.put_booking(arrive_until=door.at(4)),
    ),
    Row(
        "J3",
        "extension refused",
        "The hold cannot be extended further.",
        "无法再延长预约。",
        "note",
        "error-retry",
        BOOKING,
        taps=("booking-extend",),
        then=fails("POST /bookings/bk_1/extend", Failure(409, "extension_refused")),
    ),
    Row(
        "J3",
        "expired",
        "Your hold has ended. Fee: €3.00.",
        "预约已到期，费用：€3.00。",
        "booking-ended",
        "booking-again",
        BOOKING,
        given=lambda door: door.put_booking(arrive_until=door.at(-1)),
    ),
    Row(
        "J3",
        "allocation_replaced",
        "We swapped your reserved pack for one as good or better. Same price.",
        "已为您换成同级或更好的电池包，价格不变。",
        "booking-replaced",
        "booking-replaced-ok",
        BOOKING,
        given=replaced,
    ),
    Row(
        "J3",
        "failed",
        "This station can no longer serve you. No fee; €5.00 credit added.",
        "该站暂时无法为您服务。免收费用，已补偿 €5.00。",
        "booking-ended",
        "booking-again",
        BOOKING,
        given=booked(state="FAILED", credit_minor=500),
    ),
    Row(
        "J3",
        "station stopped reporting",
        "Mitte went offline 20 min ago.",
        "Mitte站 于 20 分钟前离线。",
        "booking-station-down",
        "booking-move",
        BOOKING,
        given=silent,
    ),
    Row(
        "J3",
        "no_show",
        "You did not arrive in time. Fee: €3.00, as shown when you booked.",
        "您未按时到达，按预约时告知收取 €3.00。",
        "booking-ended",
        "booking-dispute",
        BOOKING,
        given=booked(state="NO_SHOW", fee_minor=300),
    ),
    Row(  # beyond the table: no credit, and called off
        "",
        "failed without credit",
        "This station can no longer serve you. No fee.",
        "该站暂时无法为您服务。免收费用。",
        "booking-ended",
        "booking-again",
        BOOKING,
        given=booked(state="FAILED"),
    ),
    Row(
        "",
        "the bank has not answered",
        "Waiting for your bank…",
        "等待银行确认……",
        "booking-waiting",
        "booking-cancel",
        BOOKING,
        given=booked(state="PENDING"),
    ),
    Row(
        "",
        "the bank declined",
        "Your bank declined the hold. Nothing was taken.",
        "银行拒绝了预授权，未扣款。",
        "booking-ended",
        "booking-again",
        BOOKING,
        given=booked(state="REJECTED"),
    ),
    Row(
        "",
        "canceled",
        "Booking canceled.",
        "预约已取消。",
        "booking-ended",
        "booking-again",
        BOOKING,
        given=booked(state="CANCELED"),
    ),
)


# J4 ---------------------------------------------------------------------------------------------


KEPT = (
    '{"booking_id":"bk_1","station":"Mitte","slot":"7","phone":"+49","codes":[{"png":'
    '"data:image/png;base64,aGk=","text":"MG1.off","valid_until":"%s"}]}'
)


def ended(door: TownDoor) -> None:
    before = door.things["/bookings/bk_1/ticket"]
    door.things["/bookings/bk_1/ticket"] = lambda: {**before(), "valid_until": door.at(-1)}


def unbooked(ready: int) -> Change:
    def change(door: TownDoor) -> None:
        door.things.pop("/bookings/bk_1")
        door.things["/stations/st_mitte"]["ready"][0]["ready_count"] = ready

    return change


J4 = (
    Row(
        "J4",
        "no network, code cached",
        "No connection. This code still works until 10:30.",
        "无网络。此码在 10:30 前仍然有效。",
        "code-offline",
        "code-next",
        CODE,
        given=fails("GET /bookings/bk_1/ticket", Failure(), 99),
        stored={"mg.code": KEPT % (NOW + HALF_HOUR).isoformat()},
    ),
    Row(
        "J4",
        "no network, no code",
        "No connection. Go to the station's own screen or call.",
        "无网络。请使用站内屏幕或致电。",
        "code-none",
        "code-call",
        CODE,
        given=fails("GET /bookings/bk_1/ticket", Failure(), 99),
    ),
    Row(
        "J4",
        "code expired",
        "This code has run out.",
        "此码已过期。",
        "code-ended",
        "code-new",
        CODE,
        given=ended,
    ),
    Row(
        "J4",
        "code already used",
        "This code was already used at 10 Mar 2026, 09:50.",
        "此码已于 2026年3月10日 09:50 使用。",
        "screen-code",
        "error-not-me",
        CODE,
        given=fails(
            "GET /bookings/bk_1/ticket",
            Failure(409, "ticket_used", {"used_at": "2026-03-10T08:50:00Z"}),
            9,
        ),
    ),
    Row(
        "J4",
        "other station",
        "Your booking is at Mitte.",
        "您的预约在 Mitte站。",
        "slot-elsewhere",
        "slot-book-here",
        "/slot/st_park/2",
    ),
    Row(
        "J4",
        "sticker for unknown slot",
        "We do not know this slot.",
        "无法识别该仓位。",
        "slot-unknown",
        "slot-show-code",
        "/slot/st_nowhere/7",
    ),
    Row(
        "J4",
        "sticker, no booking",
        "You have no booking at this station. 5 packs are ready.",
        "您在此站没有预约，现有 5 块可用。",
        "slot-free",
        "slot-start",
        SLOT,
        given=unbooked(5),
    ),
    Row(
        "J4",
        "station refused, no pack",
        "The station has no pack ready now. No fee.",
        "该站暂无可用电池包，免收费用。",
        "slot-none",
        "slot-next-best",
        SLOT,
        given=unbooked(0),
    ),
    Row(
        "J4",
        "lane_busy",
        "The lane is in use. You are next in about 4 min.",
        "通道使用中，约 4 分钟后轮到您。",
        "screen-slot",
        "",
        SLOT,
        taps=("slot-start",),
        then=fails("POST /swaps", Failure(409, "lane_busy", {"wait_min": 4})),
    ),
    Row(
        "J4",
        "station_offline",
        "This station is not reporting, so a swap cannot start.",
        "该站未联网，无法开始换电。",
        "screen-slot",
        "error-next-best",
        SLOT,
        taps=("slot-start",),
        then=fails("POST /swaps", Failure(409, "station_offline")),
    ),
)
