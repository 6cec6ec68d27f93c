"""Bank files over HTTP: booked once, kept by their digest, quarantined when they are wrong."""

from hashlib import sha256

import pytest

from ledger.kernel.instants import parse_instant
from tests.support.bank_files import OWN_IBAN, camt053, entry, payment, statement
from tests.support.doors import HandClock, check_problem, open_doors
from tests.support.ledgers import sqlite_url
from tests.support.town import new_town

V1 = "/finance/v1"
ACCOUNT = {
    "bank_account_id": "BA-1",
    "number": OWN_IBAN,
    "currency": "EUR",
    "opened_on": "2026-03-01",
    "opening_minor": 10_000,
}
FIRST = camt053(statement([entry("25.00", payment("25.00"))], number="1"))


@pytest.fixture
def doors(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(parse_instant("2026-03-03T06:00:00Z", "at"))
        with open_doors(ledger, clock, doors=("finance",)) as opened:
            agreed(opened, "/bank-accounts", ACCOUNT)
            yield opened


def agreed(doors, path, body):
    waits = doors.post(f"{V1}{path}", body, key=f"ask{path.replace('/', '.')}", who="FI-M")
    assert waits.status_code == 202, waits.text
    told = waits.json()
    yes = {"digest": told["digest"]}
    path = f"{V1}/approvals/{told['approval_id']}/approve"
    done = doors.post(path, yes, key=told["approval_id"], who="FI-C")
    assert done.status_code == 201, done.text


def send(doors, content, *, who="FI-M", media="application/xml", path="/bank-files"):
    headers = doors.headers(who) | {"Content-Type": media}
    return doors.call("POST", f"{V1}{path}", headers=headers, content=content)


def said(doors, path, **more):
    return doors.said(f"{V1}{path}", who="FI-R", **more)


def test_a_statement_is_booked_once_and_its_file_is_kept(doors):
    answer = send(doors, FIRST)
    assert answer.status_code == 201, answer.text
    digest = sha256(FIRST).hexdigest()
    (told,) = answer.json()["statements"]
    assert (answer.json()["sha256"], told["verdict"], told["lines"]) == (digest, "booked", 1)
    assert doors.evidence.kept[digest] == FIRST
    assert said(doors, f"/bank-files/{digest}")["booked"] == ["ST-1"]
    (line,) = said(doors, "/bank-lines")["items"]
    assert (line["id"], line["state"]) == (said(doors, "/suspense")["items"][0]["id"], "posted")
    (again,) = send(doors, FIRST).json()["statements"]
    assert again["verdict"] == "duplicate"
    assert len(said(doors, "/bank-lines")["items"]) == 1


def test_what_nobody_knows_waits_in_suspense_with_somebody_who_looks_after_it(doors):
    send(doors, FIRST)
    (item,) = said(doors, "/suspense")["items"]
    assert (item["left_minor"], item["assignee_id"]) == (2_500, "FI-M")
    note = {"assignee_id": "FI-9", "hold_until": "2026-03-20", "reason": "asked the payer"}
    path = f"{V1}/bank-lines/{item['id']}/hold"
    held = doors.post(path, note, key="H-1", who="FI-M")
    assert held.status_code == 201, held.text
    (item,) = said(doors, "/suspense")["items"]
    assert (item["assignee_id"], item["hold_until"]) == ("FI-9", "2026-03-20")
    (aged,) = said(doors, "/reports/ageing")["suspense"]
    assert (aged["left_minor"], aged["age_class"]) == (2_500, "0-1")


def test_a_gap_keeps_a_statement_out_until_the_missing_one_came(doors):
    third = camt053(statement([], number="3", opening="150.00", closing="150.00"))
    second = entry("25.00", payment("25.00"), reference="BANK-2")
    second_file = camt053(statement([second], number="2", opening="125.00", closing="150.00"))
    send(doors, FIRST)
    (told,) = send(doors, third).json()["statements"]
    assert (told["verdict"], told["codes"][0]) == ("quarantined", "statement_gap")
    assert said(doors, "/bank-quarantine", status="waiting")["items"][0]["codes"]
    verdicts = [one["verdict"] for one in send(doors, second_file).json()["statements"]]
    assert verdicts == ["booked", "booked"]
    assert said(doors, "/bank-quarantine", status="waiting")["items"] == []


WRONG = {
    "sums that do not add up": (statement([entry("24.99")], number="1"), "sum_mismatch"),
    "an opening that is not ours": (
        statement([], number="1", opening="99.99", closing="99.99"),
        "opening_mismatch",
    ),
    "a currency that is not the account's": (
        statement([], number="1", currency="USD"),
        "",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_statement_that_is_wrong_posts_nothing(doors, what):
    content, code = WRONG[what]
    answer = send(doors, camt053(content))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    verdicts = [one["verdict"] for one in told["statements"]]
    assert verdicts == ["quarantined"] or told["unread"]
    if code:
        assert code in told["statements"][0]["codes"]
    assert said(doors, "/bank-lines")["items"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XML",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        FIRST.replace(b"camt.053.001.08", b"camt.053.001.99"),
        FIRST.decode().encode("utf-16"),
    ],
)
def test_a_file_that_is_none_is_malformed_and_kept_all_the_same(doors, content):
    check_problem(send(doors, content), 400, "malformed")
    assert sha256(content).hexdigest() in doors.evidence.kept
    assert said(doors, "/bank-lines")["items"] == []


def test_a_file_is_sent_as_what_it_is_by_who_may(doors):
    check_problem(send(doors, FIRST, media="application/json"), 415, "media_type")
    check_problem(send(doors, FIRST, who="FI-R"), 403, "not_allowed")
    check_problem(send(doors, b"x" * (25 * 1024 * 1024 + 1)), 413, "body_too_large")
    doors.problem(f"{V1}/bank-files/{'0' * 64}", 404, "not_found", who="FI-R")


def test_an_answer_of_a_bank_that_is_none_is_malformed(doors):
    check_problem(send(doors, b"<x/>", path="/bank-answers"), 400, "malformed")
    doors.problem(f"{V1}/payout-batches/PB-404/file", 404, "not_found", who="FI-R")
