"""The table of J5: how to come to each state of a swap and what it must say."""

from typing import Any

from customer_app.api.fake_town import TownDoor
from tests.customer_app.journey_stage import Change, Row, nothing

SWAP = "/swap/sw_1"


# J5 ---------------------------------------------------------------------------------------------


def at(*states: str, **more: Any) -> Change:
    def change(door: TownDoor) -> None:
        door.put_swap(**{k: v for k, v in more.items() if k in {"order", "kind"}})
        for state in states:
            door.step("sw_1", state)
        door.things["/swaps/sw_1"] |= more

    return change


def swap(
    state: str,
    given: Change,
    texts: tuple[str, str],
    action: str,
    *,
    place: str = "swap-says",
    journey: str = "J5",
) -> Row:
    return Row(journey, state, *texts, place, action, SWAP, given=given)


def turned_away(reason: str) -> Change:
    return at("REFUSED", refusal={"reason": reason, "codes": []})


def lost(door: TownDoor) -> None:
    at("ACCEPTED")(door)
    door.things["/swaps/sw_1"]["station"] |= {"state": "OFFLINE", "as_of": door.at(-9)}


CANNOT = (
    "The station cannot take this pack. Keep it; a person will help.",
    "该站无法接收此电池包，请保留，我们将协助您。",
)
FOREIGN = (
    "This pack is not from our network or not for this slot.",
    "此电池包不属于本网络或不适用于该仓位。",
)
J5: tuple[Row, ...] = (
    swap(
        "authorised, accepted",
        at("ACCEPTED"),
        ("Put your pack in slot 4.", "请将电池包放入 4 号仓。"),
        "swap-stop",
    ),
    swap(
        "half_in",
        at("ACCEPTED", "HALF_IN"),
        (
            "Got your pack: 12.3 %, health 91.2 %. Take yours from slot 7.",
            "已收到您的电池包：电量 12.3%，健康度 91.2%。请从 7 号仓取出新电池包。",
        ),
        "swap-stop",
    ),
    swap(
        "half_out (out_in)",
        at("HALF_OUT", order="out_in"),
        ("Now put the old pack in slot 4.", "请将旧电池包放入 4 号仓。"),
        "swap-stop",
    ),
    swap(
        "completed",
        at("HALF_IN", "COMPLETED"),
        ("Done. Your pack: 96 %, health 95.1 %.", "换电完成。您的电池包：电量 96%，健康度 95.1%。"),
        "swap-receipt",
    ),
    swap("refused: SoH low, damaged", turned_away("BatterySoHLow"), CANNOT, "swap-call"),
    swap(
        "refused: unknown, wrong type",
        turned_away("BatteryUnknown"),
        FOREIGN,
        "swap-call",
    ),
    swap(
        "refused: SoC",
        turned_away("BatterySoC"),
        ("This pack cannot be taken at its present charge.", "当前电量下无法接收此电池包。"),
        "swap-help",
    ),
    swap(
        "expired",
        at("EXPIRED"),
        (
            "Nothing was put in, so the swap has ended. No charge.",
            "未放入电池包，本次换电已结束，不收费。",
        ),
        "swap-again",
    ),
    swap(
        "out_timed_out",
        at("HALF_IN", "OUT_TIMED_OUT"),
        (
            "We have your pack; yours is still in slot 7. Nothing was charged.",
            "已收到您的电池包，您的新电池包仍在 7 号仓，未扣款。",
        ),
        "swap-collect",
    ),
    swap(
        "closed_incomplete",
        at("CLOSED_INCOMPLETE", resolution="a pack was brought", cases=["cs_1"]),
        (
            "This swap was closed by a person: a pack was brought.",
            "本次换电已由人工处理：a pack was brought。",
        ),
        "swap-case-link",
    ),
    swap(
        "pack not the one recorded",
        at("HALF_IN", attention=["pack_mixup"], cases=["cs_1"]),
        (
            (
                "This is not the pack we have down for you. "
                "The swap goes on; we will sort it out with you."
            ),
            "这不是登记在您名下的电池包。换电将继续，我们会与您核对。",
        ),
        "attention-case-0",
        place="attention-pack-mixup",
    ),
    swap(
        "identity not proven",
        at("ACCEPTED", attention=["counterfeit"]),
        (
            (
                "We could not prove this pack's identity. "
                "Slot 4 is locked; your own record is unchanged. Leave the pack there and call us."
            ),
            "无法验证此电池包身份，4 号仓已锁定，您的记录不受影响。请将电池包留在仓内并致电我们。",
        ),
        "attention-call-0",
        place="attention-counterfeit-suspect",
    ),
    swap(
        "station lost during the swap",
        lost,
        (
            (
                "The station stopped reporting. It keeps its record and sends it later; "
                "you will not pay twice."
            ),
            "站点连接中断，记录会稍后补传，不会重复扣款。",
        ),
        "lost-call",
        place="swap-lost",
    ),
    swap(
        "safety alarm",
        at("HALF_IN", attention=["thermal_hold"]),
        (
            "Stop where it is safe, leave the vehicle, keep away.",
            "请立即安全停车，离开车辆并保持距离。",
        ),
        "swap-emergency",
        place="swap-alarm",
    ),
    # beyond the table
    swap(
        "requested", nothing, ("Asking the station…", "正在联系换电站……"), "swap-stop", journey=""
    ),
    swap(
        "authorised without a slot",
        at("AUTHORISED"),
        ("Put your pack in the open slot.", "请将电池包放入已打开的仓位。"),
        "swap-stop",
        journey="",
    ),
    swap("damaged", turned_away("BatteryDamaged"), CANNOT, "swap-call", journey=""),
    swap("wrong type", turned_away("BatteryType"), FOREIGN, "swap-call", journey=""),
    swap(
        "no pack ready",
        turned_away("NoBatteryAvailable"),
        ("The station has no pack ready now. No fee.", "该站暂无可用电池包，免收费用。"),
        "swap-next-best",
        journey="",
    ),
    swap(
        "a reason that nobody knows",
        turned_away("Meteor"),
        (
            "The station cannot do this swap. Keep your pack; nothing was charged.",
            "该站无法完成本次换电，请保留电池包，未收费。",
        ),
        "swap-help",
        journey="",
    ),
    swap(
        "a state unheard of",
        at("COMETARY"),
        ("Asking the station…", "正在联系换电站……"),
        "swap-stop",
        journey="",
    ),
)
