"""Inbox, notices, help, settings and the driver's data."""

import pytest

from customer_app.api.fake import Failure
from customer_app.api.wire_money import Link
from customer_app.models.account import DataModel, SettingsModel
from customer_app.models.base import State
from customer_app.models.files import FILE_BYTES, media_of
from customer_app.models.help import (
    DRAFT,
    DRAFT_BYTES,
    TEXT_CHARACTERS,
    TYPED,
    TYPING_S,
    CaseModel,
    HelpModel,
    read_question,
    read_typed,
)
from customer_app.models.inbox import InboxModel, NoticeSettingsModel, route_to
from tests.customer_app.modelling import World, run

PNG = b"\x89PNG\r\n\x1a\n rest"


# Inbox ----------------------------------------------------------------------------------------


def test_notices_are_read_one_by_one_or_all_at_once() -> None:
    world = World()
    model = InboxModel(world.client, world.means, lambda: language)
    language = "zh"
    run(model.load())
    assert model.notices[0].title == "换电完成"
    language = "en"
    run(model.load())
    assert model.notices[0].title == "Swap done"
    assert (model.unread_count, len(model.notices)) == (2, 3)
    run(model.read("nt_2"))
    assert world.door.count("POST /notices/read") == 0
    run(model.read("nt_0"))
    assert model.unread_count == 1
    run(model.read_all())
    assert model.unread_count == 0
    run(model.read_all())
    assert world.door.count("POST /notices/read") == 2
    assert [day for day, _notices in model.days()] == ["2026-11-24"]


@pytest.mark.parametrize(
    ("kind", "thing", "route"),
    [
        ("booking", "bk_1", "/booking/bk_1"),
        ("swap", "sw_1", "/receipts/sw_1"),
        ("case", "cs_1", "/help/cs_1"),
        ("invoice", "../x", "/inbox"),
        ("invoice", "a/b", "/inbox"),
        ("wallet", "", "/wallet"),
        ("comet", "x", "/inbox"),
    ],
)
def test_a_notice_leads_to_a_screen_of_ours_and_nowhere_else(
    kind: str, thing: str, route: str
) -> None:
    assert route_to(Link(kind, thing)) == route


def test_notices_go_where_the_driver_wants_them() -> None:
    world = World()
    model = NoticeSettingsModel(world.client)
    run(model.load())
    run(model.set_channel("bill_due", "sms", wanted=True))
    assert model.is_saved
    assert model.settings is not None
    wanted = {each.kind: each.sms for each in model.settings.kinds}
    assert [kind for kind, sms in wanted.items() if sms] == ["bill_due"]
    run(model.set_channel("bill_due", "pigeon", wanted=True))
    assert world.door.count("PUT /notice-settings") == 1


def test_settings_that_changed_elsewhere_are_shown_and_not_overwritten() -> None:
    world = World()
    model = NoticeSettingsModel(world.client)
    run(model.load())
    world.door.fail("PUT /notice-settings", Failure(412, "precondition_failed"))
    run(model.set_channel("bill_due", "sms", wanted=True))
    assert (model.changed_elsewhere, model.is_saved, model.error) == (True, False, None)


@pytest.mark.parametrize(
    ("begin", "end", "wrong"), [("22:00", "07:00", False), ("", "", False), ("24:00", "7", True)]
)
def test_quiet_hours_are_times_of_the_clock(begin: str, end: str, *, wrong: bool) -> None:
    world = World()
    model = NoticeSettingsModel(world.client)
    run(model.load())
    model.type_begin(begin)
    model.type_end(end)
    run(model.save_quiet("Europe/Berlin"))
    assert model.quiet_is_wrong is wrong
    assert world.door.count("PUT /notice-settings") == (0 if wrong else 1)


# Help -----------------------------------------------------------------------------------------


def helping(world: World, *references: str) -> HelpModel:
    model = HelpModel(world.client, world.means, world.kept, references, is_signed_in=True)
    run(model.load())
    return model


def test_a_question_goes_with_all_that_the_driver_is_in_the_middle_of() -> None:
    world = World()
    world.door.put_booking()
    model = helping(world, "r1", "r2", "r3", "r4")
    assert model.attached() == ("booking", "station", "pack", "references")
    model.begin()
    assert not run(model.send())
    assert (model.needs_subject, model.needs_text) == (True, True)
    model.type_subject(" Stuck ")
    model.type_text("The slot does not open.")
    model.choose_topic("incident")
    model.choose_topic("revenge")
    assert run(model.send())
    sent = next(e.body for e in world.door.asked if (e.method, e.path) == ("POST", "/cases"))
    assert sent == {
        "subject": "Stuck",
        "topic": "incident",
        "text": "The slot does not open.",
        "references": ["r1", "r2", "r3"],
        "booking_id": "bk_1",
        "station_id": "st_mitte",
        "pack_id": "pk_new",
    }
    assert len(model.cases) == 1


def test_without_a_network_a_question_waits_on_the_device_and_is_sent_once() -> None:
    world = World()
    model = helping(world)
    model.begin()
    model.type_subject("Stuck")
    model.type_text("Help")
    world.door.fail("POST /cases", Failure(), times=4)
    assert not run(model.send())
    assert (model.is_kept, model.error) == (True, None)
    assert DRAFT in world.kept.texts
    world.door._failures.clear()
    run(model.load())
    assert DRAFT not in world.kept.texts
    assert not model.is_kept
    assert len(model.cases) == 1
    run(model.load())
    assert len(model.cases) == 1


def test_a_question_that_may_have_arrived_is_sent_again_under_its_key() -> None:
    world = World()
    model = helping(world)
    model.type_subject("Stuck")
    model.type_text("Help")
    world.door.fail("POST /cases", Failure(silence="lost"))
    assert not run(model.send())
    assert run(model.send())
    assert len(model.cases) == 1


def test_what_is_typed_outlives_the_session_and_is_forgotten_once_sent() -> None:
    world = World()
    model = helping(world)
    model.begin()
    model.type_subject("Stuck")
    model.type_text("\u4e2d" * TEXT_CHARACTERS)
    model.choose_topic("incident")
    run(model.keep_typed())
    assert world.waited == [TYPING_S]
    assert len(world.kept.texts[TYPED].encode()) <= DRAFT_BYTES
    run(model.keep_typed())  # the same again is no work
    assert world.waited == [TYPING_S]
    after = helping(world)
    assert (after.subject, after.topic, after.is_writing) == ("Stuck", "incident", True)
    assert model.text.startswith(after.text)
    assert len(after.text) > TEXT_CHARACTERS // 3
    assert after.cases == ()  # given back, not sent
    assert run(after.send())
    assert TYPED not in world.kept.texts
    assert helping(world).subject == ""


def test_a_form_that_was_closed_stays_closed_and_an_empty_one_leaves_nothing() -> None:
    world = World()
    model = helping(world)
    model.begin()
    model.type_subject("Stuck")
    model.give_up()
    run(model.keep_typed())
    after = helping(world)
    assert (after.subject, after.is_writing) == ("Stuck", False)
    after.type_subject("")
    run(after.keep_typed())
    assert TYPED not in world.kept.texts


def test_a_question_that_waits_to_be_sent_is_not_given_back_as_well() -> None:
    world = World()
    model = helping(world)
    model.begin()
    model.type_subject("Stuck")
    model.type_text("Help")
    run(model.keep_typed())
    world.door.fail("POST /cases", Failure(), times=4)
    assert not run(model.send())
    run(model.keep_typed())
    assert TYPED not in world.kept.texts
    world.door._failures.clear()
    after = helping(world)
    assert (after.subject, after.text, len(after.cases)) == ("", "", 1)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "nonsense", '{"topic":1,"subject":"","text":"","is_open":true}']
)
def test_typed_words_that_are_none_of_ours_are_dropped(text: str) -> None:
    assert read_typed(text) is None


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"subject": 1, "x": 2, "references": []}'])
def test_a_draft_that_is_none_of_ours_is_dropped(text: str | None) -> None:
    assert read_question(text) is None


def test_signed_out_nothing_of_a_driver_is_asked() -> None:
    world = World()
    model = HelpModel(world.client, world.means, world.kept, (), is_signed_in=False)
    run(model.load())
    assert model.state is State.READY
    assert world.door.asked == []


def test_a_thread_takes_replies_and_files() -> None:
    world = World()
    model = helping(world)
    model.type_subject("Stuck")
    model.type_text("Help")
    run(model.send())
    assert model.sent is not None
    case = CaseModel(world.client, world.means, model.sent.case_id)
    run(case.load())
    assert not run(case.reply())
    assert case.needs_text
    case.type_text("More")
    assert run(case.reply())
    assert case.case is not None
    assert [each.text for each in case.case.messages] == ["Help", "More"]
    assert run(case.attach(PNG))
    asked = world.door.asked[-2]
    assert asked.path == f"/cases/{model.sent.case_id}/files"
    world.door.things[f"/cases/{model.sent.case_id}"]["state"] = "CLOSED"
    run(case.load())
    assert case.is_closed
    case.type_text("Again")
    assert not run(case.reply())
    assert case.error is not None
    assert case.text == "Again"


@pytest.mark.parametrize("content", [b"", b"MZ", b"GIF89a", b"%PDF-" + b"0" * FILE_BYTES])
def test_a_file_that_is_no_picture_and_no_pdf_or_too_large_is_not_sent(content: bytes) -> None:
    world = World()
    case = CaseModel(world.client, world.means, "cs_1")
    assert not run(case.attach(content))
    assert case.file_is_bad
    assert world.door.asked == []


def test_a_file_is_what_its_content_says() -> None:
    assert media_of(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert media_of(PNG) == "image/png"


# Settings and data ----------------------------------------------------------------------------


def test_vehicles_devices_and_passkeys_come_and_go() -> None:
    world = World()
    model = SettingsModel(world.client, world.means)
    run(model.load())
    assert not run(model.add_vehicle())
    assert model.wrong_fields == {"label"}
    model.type_label("Taxi")
    model.choose_class("M60")
    model.choose_class("X1")
    model.choose_set("2")
    model.choose_set("9")
    assert run(model.add_vehicle())
    assert [(v.label, v.pack_class, v.packs_per_set) for v in model.vehicles][-1] == (
        "Taxi",
        "M60",
        2,
    )
    run(model.remove_vehicle("vh_1"))
    assert [each.label for each in model.vehicles] == ["Taxi"]
    run(model.remove_device("dv_2"))
    assert [each.id for each in model.devices] == ["dv_1"]
    run(model.remove_passkey("pk_1"))
    assert model.error is not None
    assert model.error.code == "last_passkey"
    assert len(model.passkeys) == 1


def test_a_profile_that_changed_elsewhere_is_shown_as_it_is() -> None:
    world = World()
    model = SettingsModel(world.client, world.means)
    run(model.load())
    run(model.set_language("zh"))
    assert model.profile is not None
    assert model.profile.language == "zh"
    world.door.fail("PATCH /profile", Failure(412, "precondition_failed"))
    run(model.set_language("en"))
    assert model.changed_elsewhere
    assert model.profile.language == "zh"


def data(world: World) -> DataModel:
    model = DataModel(world.client, world.means, "ERASE")
    run(model.load())
    return model


def test_an_archive_needs_a_fresh_passkey_and_is_asked_for_once() -> None:
    world = World()
    model = data(world)
    world.door.fail("POST /exports", Failure(403, "step_up_needed"))
    assert not run(model.ask_export())
    assert model.step_up_for == "export"
    assert run(model.ask_export())
    assert model.step_up_for == ""
    assert len(set(world.door.keys("POST /exports"))) == 1
    assert data(world).export is not None


def test_erasing_wants_the_word_and_can_be_taken_back() -> None:
    world = World()
    model = data(world)
    model.begin_erasing()
    model.type_word("erase")
    assert not run(model.erase())
    assert model.typed_is_wrong
    assert world.door.count("POST /erasure") == 0
    model.type_word(" ERASE ")
    assert run(model.erase())
    assert model.is_ordered
    assert run(model.withdraw())
    assert not model.is_ordered


@pytest.mark.parametrize("code", ["open_balance", "pack_held", "open_case"])
def test_what_stands_against_an_erasure_is_said(code: str) -> None:
    world = World()
    model = data(world)
    model.begin_erasing()
    model.type_word("ERASE")
    world.door.fail("POST /erasure", Failure(409, code))
    assert not run(model.erase())
    assert model.error is not None
    assert model.error.code == code
    assert not model.is_ordered


def test_consents_are_given_and_taken_back() -> None:
    world = World()
    model = data(world)
    run(model.set_consent("marketing", granted=True))
    assert {c.purpose: c.granted for c in model.consents}["marketing"]
    run(model.set_consent("sale_of_soul", granted=True))
    assert world.door.count("PUT /consents") == 1
