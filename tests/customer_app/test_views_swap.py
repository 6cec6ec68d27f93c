"""A swap and a sticker by taps; their texts are held by `test_journey_tables`."""

import pytest

from customer_app.api.fake_town import TownDoor
from customer_app.i18n.format import LANGUAGES
from tests.customer_app.journey_rows_swap import at
from tests.customer_app.touring import arrive, run, town


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
