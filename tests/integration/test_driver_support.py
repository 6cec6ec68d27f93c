"""Requests for help with their threads and files, and the inbox of notices, over HTTP."""

from collections.abc import Iterator

import pytest

from ledger.domain.support import AddSupportMessage, CloseSupportCase
from ledger.domain.support_rows import SUPPORT_CASES, text_field
from ledger.kernel.instants import DAY
from ledger.runtime.notices import follow
from ledger.store import notices
from tests.support.doors import check_problem
from tests.support.driver_money import SUPPORT, MoneyTown, money_town
from tests.support.ledgers import sqlite_url
from tests.support.pictures import JPEG, PDF, PNG, exif
from tests.support.told_anew import SWAP

TEXT = "Mon pack chauffe, 电池包很热."
CASE = {"subject": "Trop chaud", "topic": "incident", "text": TEXT, "swap_id": SWAP}


@pytest.fixture
def town(tmp_path) -> Iterator[MoneyTown]:
    with money_town(sqlite_url(tmp_path), tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def still(tmp_path_factory) -> Iterator[MoneyTown]:
    """A town for all that is refused, so that it stays as it was built."""
    folder = tmp_path_factory.mktemp("still")
    with money_town(sqlite_url(folder), folder) as found:
        yield found


def opened(town, *, key="K1", **changed):
    return str(town.said("POST", "/cases", CASE | changed, key=key)["case_id"])


def answered(town, case_id, text):
    """Let somebody of support write."""
    message_id = f"SM-{town.ids.key().hex()[:20]}"
    sealed = town.doors.parts.texts.keep("DR-1", {text_field(message_id): text})
    town.ask(
        AddSupportMessage(case_id=case_id, driver_id="DR-1", message_id=message_id, sealed=sealed),
        SUPPORT,
    )


# Requests ---------------------------------------------------------------------------


def test_a_request_goes_back_and_forth_until_it_is_closed_and_opens_again(town):
    case_id = opened(town)
    said = town.said("GET", f"/cases/{case_id}")
    assert (said["state"], said["subject"], said["swap_id"]) == ("OPEN", "Trop chaud", SWAP)
    assert said["messages"][0]["text"] == TEXT
    town.said("POST", f"/cases/{case_id}/messages", {"text": "Vite!"}, key="K2")
    assert town.said("GET", f"/cases/{case_id}")["state"] == "OPEN"
    answered(town, case_id, "On arrive.")
    said = town.said("GET", f"/cases/{case_id}")
    assert (said["state"], "answer_by" in said) == ("WAITING_DRIVER", False)
    assert [one["sender"] for one in said["messages"]] == ["driver", "driver", "support"]
    made = town.said("POST", f"/cases/{case_id}/messages", {"text": "Merci"}, key="K3")
    assert made["state"] == "WAITING_US"
    town.ask(
        CloseSupportCase(case_id=case_id, driver_id="DR-1", resolution="pack exchanged"), SUPPORT
    )
    said = town.said("GET", f"/cases/{case_id}")
    assert (said["state"], said["resolution"]) == ("CLOSED", "pack exchanged")
    town.said("POST", f"/cases/{case_id}/messages", {"text": "Encore"}, key="K4")
    assert town.said("GET", f"/cases/{case_id}")["state"] == "WAITING_US"
    town.ask(CloseSupportCase(case_id=case_id, driver_id="DR-1", resolution="done"), SUPPORT)
    town.clock.at += 14 * DAY + 1
    town.doors.bearers.clear()
    answer = town.call("POST", f"/cases/{case_id}/messages", {"text": "Allo"}, key="K5")
    check_problem(answer, 409, "support_case_closed")


def test_an_incident_is_answered_in_a_quarter_of_an_hour_a_question_on_a_working_day(town):
    first = town.said("POST", "/cases", CASE, key="K1")
    assert first["answer_by"] == "2024-04-02T00:15:00Z"
    friday = 3 * DAY
    town.clock.at += friday
    town.doors.bearers.clear()
    then = town.said("POST", "/cases", CASE | {"topic": "question"}, key="K2")
    assert then["answer_by"] == "2024-04-08T00:00:00Z"
    rows = town.said("GET", "/cases")["items"]
    assert [row["case_id"] for row in rows] == [then["case_id"], first["case_id"]]
    assert [row["subject"] for row in rows] == ["Trop chaud"] * 2
    assert town.said("GET", "/cases?state=CLOSED") == {"items": []}


def test_no_word_of_a_driver_stands_in_the_log_or_in_the_files(town, tmp_path):
    case_id = opened(town)
    send(town, case_id, PNG, "image/png")
    with town.ledger.reading() as reads:
        data = b"".join(reads.raw(0, reads.size))
    assert b"chauffe" not in data
    assert b"chaud" not in data
    assert case_id.encode() in data
    assert town.shelf.kept
    for sealed in town.shelf.kept.values():
        assert PNG[:8] not in sealed


def test_the_same_key_opens_one_request_and_another_text_under_it_is_refused(town):
    first = town.call("POST", "/cases", CASE, key="K1")
    again = town.call("POST", "/cases", CASE, key="K1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    answer = town.call("POST", "/cases", CASE | {"text": "Autre chose"}, key="K1")
    check_problem(answer, 422, "idempotency_key_reused")


def test_who_is_erased_has_a_thread_without_words(town):
    case_id = opened(town)
    file_id = send(town, case_id, PNG, "image/png").json()["file_id"]
    town.vault.destroy([("DR-1", "contact")])
    answer = town.call("GET", f"/cases/{case_id}/files/{file_id}")
    check_problem(answer, 404, "not_found")
    said = town.said("GET", f"/cases/{case_id}")
    assert "subject" not in said
    assert all("text" not in one for one in said["messages"])


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"topic": "weather"}, 400, "malformed"),
        ({"topic": "disputed_lines"}, 400, "malformed"),
        ({"subject": "x" * 121}, 400, "malformed"),
        ({"subject": "a\u202eb"}, 400, "malformed"),
        ({"text": ""}, 400, "malformed"),
        ({"text": "a" * 2_001}, 400, "malformed"),
        ({"text": "a\x07"}, 400, "malformed"),
        ({"references": ["R1"]}, 400, "malformed"),
        ({"references": ["ABCD12345"] * 4}, 400, "malformed"),
        ({"swap_id": None}, 400, "malformed"),
        ({"station_id": "ST-9"}, 400, "malformed"),
        ({"swap_id": "SW-NEVER"}, 422, "support_field_invalid"),
        ({"booking_id": "BK-9"}, 422, "support_field_invalid"),
        ({"invoice_id": "MG1-INV-2024-000009"}, 422, "support_field_invalid"),
        ({"pack_id": "no id"}, 422, "support_field_invalid"),
        ({"more": 1}, 400, "malformed"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(still, changed, status, code):
    body, key = CASE | changed, still.ids.key().hex()
    check_problem(still.call("POST", "/cases", body, key=key), status, code)


# Files ------------------------------------------------------------------------------


def send(town, case_id, data, media_type, *, key="F1", who="DR-1"):
    headers = town.doors.headers(who) | {"Idempotency-Key": key, "Content-Type": media_type}
    path = f"/driver/v1/cases/{case_id}/files"
    return town.doors.call("POST", path, headers=headers, content=data)


@pytest.mark.parametrize(
    ("sent", "data", "media_type"),
    [
        (PNG, PNG, "image/png"),
        (JPEG[:2] + exif(1) + JPEG[2:], JPEG, "image/jpeg"),
        (PDF, PDF, "application/pdf"),
    ],
)
def test_a_file_comes_back_without_what_the_camera_noted(still, sent, data, media_type):
    key = media_type.replace("/", ".")
    town, case_id = still, opened(still, key=key)
    key = f"{key}.file"
    answer = send(town, case_id, sent, media_type, key=key)
    assert answer.status_code == 201, answer.text
    again = send(town, case_id, sent, media_type, key=key)
    assert (again.status_code, again.json()) == (201, answer.json())
    file_id = answer.json()["file_id"]
    (row,) = town.said("GET", f"/cases/{case_id}")["files"]
    assert (row["file_id"], row["media_type"], row["size_bytes"]) == (
        file_id,
        media_type,
        len(data),
    )
    back = town.call("GET", f"/cases/{case_id}/files/{file_id}")
    assert (back.content, back.headers["content-type"]) == (data, media_type)
    assert back.headers["content-disposition"].startswith("attachment")
    assert back.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("data", "media_type", "status", "code"),
    [
        (PNG, "image/jpeg", 400, "malformed"),
        (b"<svg onload=alert(1)>", "image/png", 400, "malformed"),
        (b"", "image/png", 400, "malformed"),
        (PNG[:40], "image/png", 400, "malformed"),
        (PNG, "image/svg+xml", 415, "media_type"),
        (PNG, "", 415, "media_type"),
        (b"GIF89a", "image/gif", 415, "media_type"),
        (PNG + bytes(10 * 1024 * 1024), "image/png", 413, "body_too_large"),
    ],
)
def test_what_is_no_picture_or_document_is_not_taken(still, data, media_type, status, code):
    case_id = opened(still)
    check_problem(send(still, case_id, data, media_type), status, code)
    assert still.said("GET", f"/cases/{case_id}")["files"] == []
    assert not still.row(SUPPORT_CASES, case_id).files


def test_another_file_under_the_same_key_is_refused(town):
    case_id = opened(town)
    send(town, case_id, PNG, "image/png")
    check_problem(send(town, case_id, JPEG, "image/jpeg"), 422, "idempotency_key_reused")


# Notices ----------------------------------------------------------------------------


def test_what_happened_comes_into_the_inbox_once(town):
    made = follow(town.ledger)
    assert made >= 1
    assert follow(town.ledger) == 0
    said = town.said("GET", "/notices")
    swap = next(one for one in said["items"] if one["kind"] == "swap_done")
    assert (swap["object_id"], swap["link"]) == (SWAP, {"kind": "swap", "id": SWAP})
    assert "ST-1" in swap["text"]
    chinese = town.said("GET", "/notices?language=zh")["items"]
    assert next(one for one in chinese if one["kind"] == "swap_done")["title"] == "换电进展"
    assert town.said("GET", "/notices", who="DR-2")["items"] == []


def test_bills_failed_payments_and_answers_are_told(town):
    (invoice,) = town.close()
    town.save_card("declined")
    town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="P1")
    case_id = opened(town)
    answered(town, case_id, "On arrive.")
    town.clock.at += 1
    town.ask(CloseSupportCase(case_id=case_id, driver_id="DR-1", resolution="done"), SUPPORT)
    follow(town.ledger)
    found = {one["text_key"]: one for one in town.said("GET", "/notices")["items"]}
    assert {"invoice.issued", "payment.failed", "case.answered", "case.closed"} <= found.keys()
    assert found["payment.failed"]["facts"]["invoice_no"] == invoice
    assert invoice in found["invoice.issued"]["text"]
    assert found["case.closed"]["link"] == {"kind": "case", "id": case_id}


def test_notices_are_read_one_by_one_or_up_to_one(town):
    town.close()
    opened(town)
    follow(town.ledger)
    rows = town.said("GET", "/notices")
    ids = [one["id"] for one in rows["items"]]
    assert rows["unread_count"] == len(ids) >= 2
    left = town.said("POST", "/notices/read", {"ids": [ids[0], "NO-unknown"]}, key="R1")
    assert left["unread_count"] == len(ids) - 1
    again = town.said("GET", "/notices")["items"]
    assert ("read_at" in again[0], "read_at" in again[1]) == (True, False)
    assert town.said("GET", f"/notices?after={ids[1]}")["items"][0]["id"] == ids[0]
    town.said("POST", "/notices/read", {"until": ids[1]}, key="R2")
    assert town.said("GET", "/notices")["unread_count"] == 0
    check_problem(town.call("POST", "/notices/read", {}, key="R3"), 400, "malformed")
    town.said("POST", "/notices/read", {"ids": ids}, who="DR-2", key="R4")


def test_notices_of_another_cannot_be_marked(town):
    follow(town.ledger)
    ids = [one["id"] for one in town.said("GET", "/notices")["items"]]
    town.said("POST", "/notices/read", {"ids": ids}, who="DR-2", key="R1")
    assert town.said("GET", "/notices")["unread_count"] == len(ids)


def test_settings_of_notices_are_kept_whole(town):
    usual = town.said("GET", "/notice-settings")
    assert {one["kind"] for one in usual["kinds"]} >= {"hold_ending", "case_answered"}
    body = {
        "kinds": [{"kind": "bill_due", "in_app": True, "email": True, "sms": False}],
        "quiet_hours": {"begin": "22:00", "end": "07:00", "zone": "Europe/Paris"},
    }
    said = town.said("PUT", "/notice-settings", body)
    kept = {one["kind"]: one for one in said["kinds"]}
    assert kept["bill_due"]["email"] is True
    assert kept["hold_ending"]["in_app"] is True
    assert said["quiet_hours"]["begin"] == "22:00"
    assert town.said("GET", "/notice-settings") == said
    assert town.said("GET", "/notice-settings", who="DR-2") == usual


@pytest.mark.parametrize(
    "changed",
    [
        {"kinds": []},
        {"kinds": [{"kind": "gossip", "in_app": True, "email": True, "sms": True}]},
        {"kinds": [{"kind": "bill_due", "in_app": True, "email": True, "sms": True}] * 2},
        {"kinds": [{"kind": "bill_due", "in_app": "yes", "email": True, "sms": True}]},
        {"quiet_hours": {"begin": "24:00", "end": "07:00", "zone": "Europe/Paris"}},
        {"quiet_hours": {"begin": "22:00", "end": "07:00", "zone": "Mars/Base"}},
        {"quiet_hours": {"begin": "22:00", "end": "07:00"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(still, changed):
    usual = {"kinds": [{"kind": "bill_due", "in_app": True, "email": True, "sms": False}]}
    check_problem(still.call("PUT", "/notice-settings", usual | changed), 400, "malformed")


def test_an_inbox_keeps_the_newest_five_hundred(town):
    follow(town.ledger)
    log_id = town.ledger.name.log_id
    with town.ledger.writing() as tx:
        (row, *_) = notices.of_driver(tx, log_id, "DR-1")
        many = [
            notices.NoticeRow(f"NO-{n}", "DR-1", row.kind, row.object_id, row.at + n, row.body)
            for n in range(1, notices.KEPT_MAX + 20)
        ]
        notices.add(tx, log_id, many)
        assert len(notices.of_driver(tx, log_id, "DR-1")) == notices.KEPT_MAX
        notices.forget(tx, log_id, "DR-1")
        assert notices.of_driver(tx, log_id, "DR-1") == []
    assert follow(town.ledger, again=True) >= 1
