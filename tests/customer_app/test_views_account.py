"""Inbox, help, settings and the driver's data by taps; every text of J9 and J10."""

from typing import Any

import flet as ft
import pytest

from customer_app.api.fake import Failure
from customer_app.hosting.drops import PATH, Drops
from customer_app.i18n.format import LANGUAGES
from customer_app.models.files import FILE_BYTES
from tests.customer_app.harness import NOW, Browser
from tests.customer_app.journey_rows_person import stands
from tests.customer_app.touring import Town, arrive, launched, run, town


def test_a_notice_is_read_and_leads_to_what_it_is_about() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/inbox")
        assert there.browser.says("2 new", "inbox-unread")
        await there.browser.tap("notice-nt-0")
        assert there.browser.history[-1] == "/receipts/sw_low"
        assert there.door.count("POST /notices/read") == 1
        await there.browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_without_a_network_is_kept_and_says_so(language: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), "/help?ref=abc123", language=language)
        browser = there.browser
        await browser.tap("help-write")
        attached = {"en": "booking, swap, station, pack, one reference", "zh": "1 个编号"}
        assert browser.says(attached[language], "help-attached")
        await browser.type("help-subject", "Stuck")
        await browser.type("help-text", "The slot does not open.")
        there.door.fail("POST /cases", Failure(), times=9)
        await browser.tap("help-send")
        words = {"en": "Saved. Sent when you are back online.", "zh": "已保存，联网后发送。"}
        assert browser.says(words[language], "help-kept")
        there.door._failures.clear()
        await browser.reconnect()
        assert browser.has("help-sent")
        sent = [each.body for each in there.door.asked if each.path == "/cases" and each.body]
        assert sent[-1]["references"] == ["abc123"]
        await browser.close()

    run(tour())


def test_a_reply_and_a_bad_file() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/help/cs_100")
        browser = there.browser
        await browser.type("case-reply", "More")
        await browser.tap("case-send")
        assert browser.says("More", "message-ms-2")
        files = [{"name": "x.exe", "size": 2, "id": 1, "bytes": b"MZ"}]
        browser.answers["pick_files"] = lambda _args: files
        await browser.tap("case-attach")
        assert browser.says("picture or PDF up to 10 MiB", "case-file-bad")
        files[0]["bytes"] = b"%PDF-1.7"
        await browser.tap("case-attach")
        assert not browser.has("case-file-bad")
        assert there.door.count("POST /cases/cs_100/files") == 1
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(300_000)  # larger than a frame of the socket may be


class Places(Town):
    """A town whose browsers leave files in a place, as they do on the web."""

    def __init__(self) -> None:
        Town.__init__(self, lambda: NOW)
        self.put_swap()
        self.places = Drops(lambda: 0.0)
        self.drop = self.places.open

    def leave(self, args: Any) -> None:
        (left,) = args["files"]
        self.places._open[left.upload_url.removeprefix(PATH)].arrive(PICTURE)


def choose_picture(door: Places, browser: Browser) -> None:
    chosen = [{"name": "slot.png", "size": len(PICTURE), "id": 1}]
    browser.answers |= {"pick_files": lambda _args: chosen, "upload": door.leave}


def test_a_picture_goes_along_with_a_message_and_with_a_dispute() -> None:
    async def tour() -> None:
        door = Places()
        there = await arrive(door, "/help")
        browser = there.browser
        choose_picture(door, browser)
        await browser.tap("help-write")
        await browser.type("help-subject", "Stuck")
        await browser.type("help-text", "See the picture.")
        for _ in range(3):
            await browser.tap("help-attach")
        assert not browser.has("help-attach"), "three are enough"
        await browser.tap("help-file-2-remove")
        assert browser.says("Picture, 292 KiB", "help-file-1")
        await browser.tap("help-send")
        sent = [each.path for each in door.asked if each.path.endswith("/files")]
        assert len(sent) == 2
        await browser.visit("/receipts/sw_low")
        await browser.tap("line-dispute-sw-low-2")
        await browser.tap("dispute-attach")
        await browser.type("dispute-text", "Too much")
        door.things["/cases/cs_9"] = {**door.things[sent[0].removesuffix("/files")], "files": []}
        await browser.tap("dispute-send")
        assert [each.path for each in door.asked][-1] == "/cases/cs_9/files"
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_a_file_that_is_none_of_ours_does_not_go_along() -> None:
    async def tour() -> None:
        door = Places()
        there = await arrive(door, "/help")
        there.browser.answers["pick_files"] = lambda _args: [
            {"name": "film.mp4", "size": FILE_BYTES + 1, "id": 1}
        ]
        await there.browser.tap("help-write")
        await there.browser.tap("help-attach")
        assert there.browser.has("help-file-bad")
        assert not there.browser.has("help-file-0")
        await there.browser.close()

    run(tour())


def test_language_and_theme_change_without_a_reload_and_stay_on_the_device() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/settings")
        browser = there.browser
        await browser.choose("settings-language", "zh")
        assert browser.says("外观", "settings-theme")
        await browser.choose("settings-language", "xx")
        assert browser.stored["mg.lang"] == "zh"
        assert there.door.things["/profile"]["language"] == "zh"
        await browser.choose("settings-theme", "dark")
        assert browser.stored["mg.theme"] == "dark"
        await browser.choose("settings-units", "imperial")
        await browser.choose("settings-scale", "200")
        await browser.choose("settings-scale", "999")
        assert (browser.stored["mg.units"], browser.stored["mg.scale"]) == ("imperial", "200")
        assert browser.page.theme.text_theme.body_medium.size == 28
        assert browser.page.dark_theme.text_theme.body_medium.color is ft.Colors.ON_SURFACE
        await browser.visit("/")
        rows = [each.subtitle for each in browser.controls() if isinstance(each, ft.ListTile)]
        assert any("0.5 英里" in str(row) for row in rows), rows
        stored = dict(browser.stored)
        await browser.close()
        again = await arrive(town(), "/settings", stored=stored)
        assert again.browser.page.theme.text_theme is not None
        browser = again.browser
        await browser.close()

    run(tour())


def test_signing_out_asks_clears_the_device_and_leaves() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/settings", stored={"mg.code": "{}", "mg.lang": "en"})
        browser = there.browser
        await browser.tap("settings-sign-out")
        await browser.tap("sign-out-yes")
        assert "mg.code" not in browser.stored
        assert browser.stored["mg.lang"] == "en"
        assert "/auth/bye" in launched(there)[-1]
        await browser.close()

    run(tour())


def test_notices_and_vehicles_are_set_by_taps() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/settings")
        browser = there.browser
        await browser.choose("notice-bill-due-sms", True)  # noqa: FBT003 - what a switch sends
        kinds = there.door.things["/notice-settings"]["kinds"]
        assert [each["kind"] for each in kinds if each["sms"]] == ["bill_due"]
        await browser.type("quiet-begin", "25:00")
        await browser.type("quiet-end", "07:00")
        await browser.tap("quiet-save")
        assert browser.says("Write a time such as 22:00.", "quiet-begin")
        await browser.type("vehicle-label", "Taxi")
        await browser.tap("vehicle-add")
        assert browser.says("Taxi")
        await browser.tap("vehicle-change-vh-1")
        await browser.type("vehicle-vin", "too-short")
        await browser.tap("vehicle-save")
        assert browser.says("A VIN has 17 letters", "vehicle-vin")
        await browser.type("vehicle-vin", "vf1aaaaa123456789")
        await browser.type("vehicle-plate", "B-MG 2041")
        await browser.tap("vehicle-save")
        assert browser.says("••2041", "vehicle-vh-1")
        assert browser.has("vehicle-add"), "the form is for a new one again"
        await browser.tap("device-remove-dv-2")
        assert not browser.has("device-dv-2")
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


@pytest.mark.parametrize("language", LANGUAGES)
def test_erasing_shows_what_goes_asks_for_a_word_and_can_be_taken_back(language: str) -> None:
    async def tour() -> None:
        there = await arrive(town(), "/settings/data", language=language)
        browser = there.browser
        await browser.tap("data-erase")
        await browser.type("data-word", "no")
        await browser.tap("data-erase-now")
        assert there.door.count("POST /erasure") == 0
        await browser.type("data-word", {"en": "ERASE", "zh": "删除"}[language])
        await browser.tap("data-erase-now")
        words = {"en": "You can withdraw until then.", "zh": "此前可撤回。"}
        assert browser.says(words[language], "data-ordered")
        assert browser.has("data-certificate")
        await browser.tap("data-withdraw")
        assert browser.has("data-withdrawn")
        assert there.is_sound(), there.faults.faults
        await browser.close()

    run(tour())


def test_an_erasure_that_something_stands_against_cannot_be_ordered() -> None:
    async def tour() -> None:
        there = await arrive(town(stands("open_case")), "/settings/data")
        await there.browser.tap("data-erase")
        with pytest.raises(AssertionError):
            await there.browser.tap("data-erase-now")
        await there.browser.tap("data-obstacle-open-case")
        assert there.browser.history[-1] == "/help"
        await there.browser.close()

    run(tour())


def test_an_archive_asks_for_the_passkey_and_then_is_there() -> None:
    async def tour() -> None:
        there = await arrive(town(), "/settings/data")
        browser = there.browser
        there.door.fail("POST /exports", Failure(403, "step_up_needed"))
        await browser.tap("data-export")
        assert browser.says("Please confirm with your passkey.")
        await browser.tap("error-confirm")
        assert "/auth/step-up?return_to=%2Fapp%2Fsettings%2Fdata" in launched(there)[-1]
        await browser.tap("data-export")
        await browser.tap("data-export-get")
        assert "/driver/v1/exports/ex_1/file" in launched(there)[-1]
        await browser.close()

    run(tour())
