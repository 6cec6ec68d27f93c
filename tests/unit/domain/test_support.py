"""Requests for help: what may be asked, who may write, when one is over."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.support import (
    AddSupportFile,
    AddSupportMessage,
    CloseSupportCase,
    OpenSupportCase,
    SupportCaseOpened,
    first_message_of,
    follows,
    postings,
)
from ledger.domain.support_rows import (
    FILES_MAX,
    MESSAGES_MAX,
    REOPEN_US,
    SUPPORT_CASES,
    DisputedAt,
    SentFile,
    SupportMessage,
    answer_by,
    dispute_id_of,
    file_field,
    subject_field,
    text_field,
)
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town

DRIVER = Actor("DR-1", "driver")
HELPER = Actor("SU-1", "support")
FIRST = text_field(first_message_of("SC-1"))
OPEN = OpenSupportCase(
    case_id="SC-1",
    driver_id="DR-1",
    topic="question",
    sealed={FIRST: bytes(32), subject_field("SC-1"): bytes(32)},
    invoice_no="MG1-INV-2026-000001",
    references=("ABCD1234",),
)
WRITE = AddSupportMessage(
    case_id="SC-1", driver_id="DR-1", message_id="SM-1", sealed={text_field("SM-1"): bytes(32)}
)
SEND = AddSupportFile(
    case_id="SC-1",
    driver_id="DR-1",
    file_id="SF-1",
    sealed_sha256="ab" * 32,
    media_type="image/png",
    size_bytes=10,
    sealed={file_field("SF-1"): bytes(32)},
)
CLOSE = CloseSupportCase(case_id="SC-1", driver_id="DR-1", resolution="explained")


@pytest.fixture
def town() -> World:
    world = small_town()
    for number, driver in ((1, "DR-1"), (2, "DR-2")):
        name = f"MG1-INV-2026-00000{number}"
        world.put(INVOICES, name, Invoice(name, driver, "EUR", 100, "2026-04-01"))
    return world


@pytest.fixture
def asked(town: World) -> World:
    events(act(town, OPEN, actor=DRIVER))
    return town


def row(world):
    return world.need(SUPPORT_CASES, "SC-1")


def code(outcome) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def field(outcome) -> object:
    assert code(outcome) is RefusalCode.SUPPORT_FIELD_INVALID
    return outcome.facts["field"]


def test_a_request_is_opened_with_its_first_message(asked):
    found = row(asked)
    assert (found.state, found.has_subject, found.channel) == ("OPEN", True, "app")
    assert found.messages == (SupportMessage("SC-1-1", "driver", 0),)
    assert found.is_open
    assert follows(asked, OPEN) == ()
    assert postings(SupportCaseOpened(case_id="A", driver_id="D", topic="data", answer_by=1)) == ()


def test_the_commitments_stand_in_the_entry(town):
    outcome = act(town, OPEN, actor=DRIVER)
    assert not isinstance(outcome, Refusal)
    assert outcome[0].sealed == OPEN.sealed


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"case_id": "no id"}, "case_id"),
        ({"topic": "weather"}, "topic"),
        ({"channel": "pigeon"}, "channel"),
        ({"sealed": {}}, "sealed"),
        ({"sealed": {FIRST: bytes(31)}}, "sealed"),
        ({"sealed": {FIRST: bytes(32), "more": bytes(32)}}, "sealed"),
        ({"swap_id": "SW-9"}, "swap_id"),
        ({"booking_id": "BK-9"}, "booking_id"),
        ({"invoice_no": "MG1-INV-2026-000002"}, "invoice_no"),
        ({"station_id": "no id"}, "station_id"),
        ({"about_pack": "no id"}, "station_id"),
        ({"references": ("ABCD",) * 4}, "references"),
        ({"references": ("a b c",)}, "references"),
        ({"disputed": tuple(DisputedAt(n, 1) for n in range(51))}, "disputed"),
        ({"disputed": (DisputedAt(1, 1), DisputedAt(1, 1)), "dispute_code": "PRICE"}, "disputed"),
        ({"disputed": (DisputedAt(1, 1),)}, "dispute_code"),
        ({"dispute_code": "PRICE"}, "dispute_code"),
        ({"disputed": (DisputedAt(-1, 1),), "dispute_code": "PRICE"}, "disputed"),
    ],
)
def test_a_request_with_a_wrong_field_is_refused(town, changed, wrong):
    assert field(act(town, replace(OPEN, **changed), actor=HELPER)) == wrong


def test_a_driver_asks_for_himself_and_a_request_is_opened_once(asked):
    other = replace(OPEN, case_id="SC-2", driver_id="DR-2", invoice_no="")
    sealed = {text_field(first_message_of("SC-2")): bytes(32)}
    assert field(act(asked, replace(other, sealed=sealed), actor=DRIVER)) == "driver_id"
    assert code(act(asked, OPEN, actor=DRIVER)) is RefusalCode.SUPPORT_CASE_EXISTS
    nobody = replace(OPEN, case_id="SC-3", driver_id="DR-9")
    assert code(act(asked, nobody, actor=HELPER)) is RefusalCode.PARTY_UNKNOWN


def test_a_request_may_name_lines_of_a_bill(town):
    lines = (DisputedAt(7, 1), DisputedAt(7, 2))
    wanted = replace(OPEN, topic="disputed_lines", disputed=lines, dispute_code="PRICE")
    events(act(town, wanted, actor=DRIVER))
    assert row(town).disputed == lines


def test_both_sides_write_and_it_waits_for_the_other_one(asked):
    events(act(asked, WRITE, actor=DRIVER))
    assert row(asked).state == "OPEN"
    second = replace(WRITE, message_id="SM-2", sealed={text_field("SM-2"): bytes(32)})
    events(act(asked, second, actor=HELPER))
    assert (row(asked).state, row(asked).answer_by) == ("WAITING_DRIVER", 0)
    third = replace(WRITE, message_id="SM-3", sealed={text_field("SM-3"): bytes(32)})
    events(act(asked, third, actor=DRIVER, at=5))
    assert (row(asked).state, row(asked).answer_by > 0) == ("WAITING_US", True)
    assert events(act(asked, third, actor=DRIVER)) == []


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"message_id": "no id"}, "message_id"),
        ({"sealed": {}}, "message_id"),
        ({"sealed": {text_field("SM-1"): bytes(3)}}, "sealed"),
    ],
)
def test_a_message_is_sealed_under_its_own_name(asked, changed, wrong):
    assert field(act(asked, replace(WRITE, **changed), actor=DRIVER)) == wrong


def test_a_file_joins_the_thread_once(asked):
    events(act(asked, SEND, actor=DRIVER))
    assert row(asked).files == (SentFile("SF-1", "ab" * 32, "image/png", 10, "driver", 0),)
    assert events(act(asked, SEND, actor=DRIVER)) == []
    again = replace(SEND, file_id="SF-2", sealed={file_field("SF-2"): bytes(32)})
    events(act(asked, again, actor=HELPER))
    assert row(asked).files[1].sender == "support"


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"file_id": "no id"}, "file_id"),
        ({"sealed_sha256": "AB" * 32}, "sealed_sha256"),
        ({"media_type": "image/svg+xml"}, "media_type"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": 10 * 1024 * 1024 + 1}, "size_bytes"),
        ({"sealed": {}}, "sealed"),
        ({"sealed": {"other": bytes(32)}}, "sealed"),
    ],
)
def test_a_file_with_a_wrong_field_is_refused(asked, changed, wrong):
    assert field(act(asked, replace(SEND, **changed), actor=DRIVER)) == wrong


def test_a_thread_has_an_end(asked):
    full = replace(
        row(asked),
        messages=tuple(SupportMessage(f"SM-{n}", "driver", 0) for n in range(9, 9 + MESSAGES_MAX)),
        files=tuple(
            SentFile(f"SF-{n}", "ab" * 32, "image/png", 1, "driver", 0)
            for n in range(9, 9 + FILES_MAX)
        ),
    )
    asked.put(SUPPORT_CASES, "SC-1", full)
    assert code(act(asked, WRITE, actor=DRIVER)) is RefusalCode.SUPPORT_CASE_FULL
    assert code(act(asked, SEND, actor=DRIVER)) is RefusalCode.SUPPORT_CASE_FULL


def test_nobody_writes_in_the_request_of_another(asked):
    stranger = Actor("DR-2", "driver")
    for command in (WRITE, replace(WRITE, driver_id="DR-2"), replace(WRITE, case_id="SC-9")):
        found = act(asked, command, actor=stranger)
        assert code(found) is RefusalCode.SUPPORT_CASE_UNKNOWN
    wrong = replace(CLOSE, driver_id="DR-2")
    assert code(act(asked, wrong, actor=HELPER)) is RefusalCode.SUPPORT_CASE_UNKNOWN


def test_a_request_is_closed_and_opened_again_by_its_driver_for_two_weeks(asked):
    assert field(act(asked, replace(CLOSE, resolution=""), actor=HELPER)) == "resolution"
    events(act(asked, CLOSE, actor=HELPER, at=10))
    assert (row(asked).state, row(asked).is_open) == ("CLOSED", False)
    assert events(act(asked, CLOSE, actor=HELPER, at=11)) == []
    assert code(act(asked, WRITE, actor=HELPER, at=11)) is RefusalCode.SUPPORT_CASE_CLOSED
    late = 10 + REOPEN_US + 1
    assert code(act(asked, WRITE, actor=DRIVER, at=late)) is RefusalCode.SUPPORT_CASE_CLOSED
    events(act(asked, WRITE, actor=DRIVER, at=late - 1))
    found = row(asked)
    assert (found.state, found.resolution, found.closed_at) == ("WAITING_US", "", 0)


@pytest.mark.parametrize(
    ("topic", "asked_at", "until"),
    [
        ("emergency", "2026-04-03T10:00:00Z", "2026-04-03T10:00:30Z"),
        ("incident", "2026-04-03T10:00:00Z", "2026-04-03T10:15:00Z"),
        ("question", "2026-04-01T10:00:00Z", "2026-04-02T10:00:00Z"),
        ("question", "2026-04-03T10:00:00Z", "2026-04-06T10:00:00Z"),
    ],
)
def test_somebody_answers_in_time(topic, asked_at, until):
    assert answer_by(topic, parse_instant(asked_at, "at")) == parse_instant(until, "at")


def test_names_of_sealed_fields_and_disputes_follow_from_ids_alone():
    names = {text_field("SM-1"), subject_field("SM-1"), file_field("SM-1"), text_field("SM-2")}
    assert len(names) == 4
    assert all(len(name) <= 40 for name in names)
    first = dispute_id_of("SC-1", DisputedAt(7, 1))
    assert first == dispute_id_of("SC-1", DisputedAt(7, 1))
    assert first not in {
        dispute_id_of("SC-1", DisputedAt(7, 2)),
        dispute_id_of("SC-2", DisputedAt(7, 1)),
    }
