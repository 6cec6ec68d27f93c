"""A swap and a sticker by taps: every state, every attention, every text of J5."""

from collections.abc import Callable
from typing import Any

import pytest

from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES
from tests.customer_app.touring import arrive, run, town


def at(*states: str, **more: Any) -> Callable[[TownDoor], None]:
    def change(door: TownDoor) -> None:
        door.put_swap(**{k: v for k, v in more.items() if k in {"order", "kind"}})
        for state in states:
            door.step("sw_1", state)
        door.things["/swaps/sw_1"] |= more

    return change


def refused(reason: str) -> Callable[[TownDoor], None]:
    return at("REFUSED", refusal={"reason": reason, "codes": []})


SWAPS = (
    (at(), "Asking the station", "正在联系换电站"),
    (at("AUTHORISED"), "Put your pack in the open slot.", "请将电池包放入已打开的仓位。"),
    (at("ACCEPTED"), "Put your pack in slot 4.", "请将电池包放入 4 号仓。"),
    (
        at("ACCEPTED", "HALF_IN"),
        "Got your pack: 12.3 %, health 91.2 %. Take yours from slot 7.",
        "已收到您的电池包：电量 12.3%，健康度 91.2%。请从 7 号仓取出新电池包。",
    ),
    (
        at("HALF_OUT", order="out_in"),
        "Now put the old pack in slot 4.",
        "请将旧电池包放入 4 号仓。",
    ),
    (
        at("HALF_IN", "COMPLETED"),
        "Done. Your pack: 96 %, health 95.1 %.",
        "换电完成。您的电池包：电量 96%，健康度 95.1%。",
    ),
    (refused("BatterySoHLow"), "cannot take this pack. Keep it;", "请保留，我们将协助您"),
    (refused("BatteryDamaged"), "cannot take this pack. Keep it;", "请保留，我们将协助您"),
    (refused("BatteryUnknown"), "not from our network or not for this slot", "不属于本网络"),
    (refused("BatteryType"), "not from our network or not for this slot", "不适用于该仓位"),
    (refused("BatterySoC"), "at its present charge", "当前电量下无法接收"),
    (refused("NoBatteryAvailable"), "no pack ready now. No fee.", "免收费用"),
    (refused("Meteor"), "cannot do this swap", "该站无法完成本次换电"),
    (at("EXPIRED"), "the swap has ended. No charge.", "不收费"),
    (
        at("HALF_IN", "OUT_TIMED_OUT"),
        "yours is still in slot 7. Nothing was charged.",
        "您的新电池包仍在 7 号仓，未扣款。",
    ),
    (
        at("CLOSED_INCOMPLETE", resolution="a pack was brought"),
        "closed by a person: a pack was brought.",
        "本次换电已由人工处理",
    ),
    (at("COMETARY"), "Asking the station", "正在联系换电站"),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("change", "en", "zh"), SWAPS, ids=map(str, range(len(SWAPS))))
def test_a_swap_says_in_every_state_what_to_do(
    change: Callable[[TownDoor], None], en: str, zh: str, language: str
) -> None:
    async def tour() -> None:
        there = await arrive(town(change), "/swap/sw_1", language=language)
        assert there.browser.says(en if language == "en" else zh, "swap-says")
        assert there.browser.find("swap-says").live_region
        assert there.is_sound()
        await there.browser.close()

    run(tour())


ATTENTION = (
    ("pack_mixup", "attention-pack-mixup", "The swap goes on", "换电将继续"),
    ("counterfeit_suspect", "attention-counterfeit-suspect", "Slot 7 is locked", "7 号仓已锁定"),
    ("thermal_hold", "swap-alarm", "leave the vehicle, keep away", "请立即安全停车"),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("code", "name", "en", "zh"), ATTENTION)
def test_what_needs_attention_stands_above_everything(
    code: str, name: str, en: str, zh: str, language: str
) -> None:
    async def tour() -> None:
        change = at("HALF_IN", attention=[code], cases=["cs_1"])
        there = await arrive(town(change), "/swap/sw_1", language=language)
        assert there.browser.says(en if language == "en" else zh, name)
        await there.browser.close()

    run(tour())


def test_stopping_a_half_swap_opens_a_case_and_shows_whom_to_call() -> None:
    async def tour() -> None:
        there = await arrive(town(at("ACCEPTED", "HALF_IN")), "/swap/sw_1")
        browser = there.browser
        await browser.tap("swap-stop")
        assert browser.says("A pack has moved already.", "stop-text")
        await browser.tap("stop-yes")
        assert browser.says("Call +49 30 5550 101.", "swap-case")
        await browser.tap("stopped-call")
        called = [args["url"] for name, args in browser.invoked if name == "launch_url"]
        assert "tel:+49305550101" in str(called[-1])
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_a_sticker_starts_the_swap_of_the_booking_here() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/slot/st_mitte/7")
        await there.browser.tap("slot-start")
        sent = [each.body for each in there.door.asked if each.path == "/swaps" and each.key]
        assert (sent[0]["booking_id"], sent[0]["slot_sticker"]) == ("bk_1", "7")
        assert there.browser.history[-1].startswith("/swap/sw_1")
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pack_that_is_owed_is_collected_at_a_sticker(language: str) -> None:
    def owe(door: TownDoor) -> None:
        door.things["/profile"]["balance_packs"] = -1

    async def tour() -> None:
        there = await arrive(town(owe), "/slot/st_park/2", language=language)
        words = {"en": "We owe you a pack.", "zh": "我们还欠您一块电池包"}
        assert there.browser.says(words[language], "slot-owed")
        await there.browser.tap("slot-start")
        sent = [each.body for each in there.door.asked if each.path == "/swaps" and each.key]
        assert sent[0]["kind"] == "handout"
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_sticker_says_so(language: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), "/slot/st_nowhere/7", language=language)
        words = {"en": "We do not know this slot.", "zh": "无法识别该仓位。"}
        assert there.browser.says(words[language], "slot-unknown")
        await there.browser.close()

    run(tour())
