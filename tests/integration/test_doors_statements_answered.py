"""Statements over HTTP: read by their partner, answered by requests that he signs."""

from shutil import copyfile
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.kernel.instants import HOUR, MINUTE, SECOND
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger
from ledger.runtime.settling import close_period
from partner_api.signed_requests import COVERED
from tests.support.doors import HandClock, check_problem, open_doors
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, PERIOD, new_town

V1 = "/finance/v1"
NAME = "STM-OP-1-2024-03"
PATH = f"{V1}/statements/{NAME}"


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """The file of a town whose month is settled; every test gets a copy."""
    folder = tmp_path_factory.mktemp("settled")
    with new_town(sqlite_url(folder)) as ledger:
        finance = Actor("FI-1", "finance", "FI-2")
        close_period(ledger, PERIOD, actor=finance, at=MARCH + 31 * 24 * HOUR)
    (file,) = folder.glob("*.db")
    return file


@pytest.fixture
def doors(settled, tmp_path):
    copyfile(settled, tmp_path / settled.name)
    with Ledger(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(MARCH + 32 * 24 * HOUR)
        with open_doors(ledger, clock, doors=("finance",)) as opened:
            yield opened


def read(doors, who="OP-1"):
    return doors.said(PATH, who=who)


def lines(doors, who="OP-1"):
    return doors.said(f"{PATH}/lines", who=who)["items"]


def accept(doors, key="A-1", who="OP-1", **changed):
    root = changed.pop("root", read(doors)["calculation"]["lines_root"])
    return doors.signed(f"{PATH}/accept", {"lines_root": root}, key=key, who=who, **changed)


def entry(doors, position):
    with doors.parts.ledger.reading() as reads:
        return msgspec.json.decode(reads.entry(position).data)


# Lines ------------------------------------------------------------------------


def test_the_lines_of_a_statement_add_up_to_it(doors):
    said, found = read(doors), lines(doors)
    assert said["calculation"]["line_count"] == len(found) == 3
    (amounts,) = said["calculation"]["amounts"]
    assert sum(line["share_minor"] for line in found) == amounts["share_minor"]
    assert all(line["share_rule_version"] == "CT-1/1" for line in found)


def test_lines_come_page_by_page_without_loss(doors):
    whole: list[Any] = lines(doors)
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = doors.said(f"{PATH}/lines", who="OP-1", limit=1, **cursor)
        found += page["items"]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == whole


def test_the_lines_of_another_are_as_those_of_none(doors):
    assert lines(doors, who="FI-R") == lines(doors)
    doors.problem(f"{PATH}/lines", 404, "not_found", who="OP-2")


# Answers ----------------------------------------------------------------------


def test_a_partner_accepts_by_a_signed_request_which_is_kept(doors):
    answer = accept(doors)
    assert answer.status_code == 201, answer.text
    assert read(doors)["state"] == "accepted"
    told = entry(doors, answer.json()["position"])
    assert (told["kind"], told["actor"]["id"]) == ("statement.accepted", "OP-1")
    (piece,) = told["evidence"]
    kept = doors.evidence.kept[piece["sha256"]]
    assert b'"@method": POST' in kept
    assert f'"@target-uri": https://grid.example.net{PATH}/accept'.encode() in kept
    assert (piece["kind"], piece["level"], piece["verdict"]) == ("signed_request", 4, "valid")


def test_the_same_acceptance_again_is_the_same_answer(doors):
    first, again = accept(doors), accept(doors)
    assert again.json() == first.json()
    assert again.headers["idempotent-replay"] == "true"
    other = accept(doors, root="b3RoZXI=")
    check_problem(other, 422, "idempotency_key_reused")


def test_another_root_stops_the_cycle(doors):
    answer = accept(doors, root="b3RoZXI=")
    assert answer.status_code == 201
    said = read(doors)
    assert (said["state"], said["is_contested"]) == ("issued", True)


BROKEN: dict[str, dict[str, Any]] = {
    "no signature of his": {"private": Ed25519PrivateKey.from_private_bytes(bytes(32))},
    "the key of another": {"key_id": "x" * 43},
    "another purpose": {"tag": "other"},
    "the media type left out": {"covered": [one for one in COVERED if one != "content-type"]},
    "the key of the command left out": {
        "covered": [one for one in COVERED if one != "idempotency-key"]
    },
    "another body than was signed": {"sent": b'{"lines_root":"b3RoZXI="}'},
    "good for too long": {"lasts_s": 301},
    "no nonce": {"nonce": ""},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_signature_that_does_not_hold_is_refused_in_the_same_words(doors, what):
    problem = check_problem(accept(doors, **BROKEN[what]), 401, "signature_invalid")
    assert problem["detail"] == "The signature of the request does not hold"
    assert read(doors)["state"] == "issued"
    assert not doors.evidence.kept


@pytest.mark.parametrize("shift_s", [-120, 120])
def test_a_signature_of_another_time_is_refused(doors, shift_s):
    now_s = doors.parts.clock.now() // SECOND
    check_problem(accept(doors, created_s=now_s + shift_s), 401, "signature_invalid")


def test_a_nonce_is_taken_once_and_forgotten_after_ten_minutes(doors):
    assert accept(doors, nonce="N").status_code == 201
    check_problem(accept(doors, nonce="N"), 401, "signature_invalid")
    doors.parts.clock.at += 11 * MINUTE
    assert accept(doors, nonce="N").status_code == 201


def test_an_unsigned_answer_is_refused(doors):
    body = {"lines_root": "x"}
    answer = doors.post(f"{PATH}/accept", body, key="A-1", who="OP-1")
    check_problem(answer, 401, "signature_invalid")


def test_only_the_partner_himself_answers(doors):
    check_problem(accept(doors, who="OP-2"), 404, "not_found")
    assert read(doors)["state"] == "issued"
    check_problem(accept(doors, who="FI-T"), 403, "not_allowed")


# Disputes ---------------------------------------------------------------------


def dispute(doors, line, key="D-1", who="OP-1", **more):
    wanted = {
        "position": line["position"],
        "posting_index": line["posting_index"],
        "code": "QUANTITY",
        **more,
    }
    return doors.signed(f"{PATH}/lines/dispute", {"lines": [wanted]}, key=key, who=who)


def test_a_disputed_line_waits_for_two_persons_and_the_rest_is_accepted(doors):
    answer = dispute(doors, lines(doors)[0], claimed_minor=500, reason="meter read wrong")
    assert answer.status_code == 201, answer.text
    (name,) = answer.json()["dispute_ids"]
    assert doors.said(f"{V1}/disputes/{name}", who="OP-1")["state"] == "RAISED"
    doors.problem(f"{V1}/disputes/{name}", 404, "not_found", who="OP-2")
    accept(doors)
    assert read(doors)["state"] == "partly_disputed"
    reviewed = doors.post(f"{V1}/disputes/{name}/review", {}, key="R-1", who="FI-M")
    assert reviewed.status_code == 201, reviewed.text
    body = {"reason": "the meter is right"}
    waits = doors.post(f"{V1}/disputes/{name}/reject", body, key="V-1", who="FI-M")
    assert waits.status_code == 202, waits.text
    yes = {"digest": waits.json()["digest"]}
    path = f"{V1}/approvals/{waits.json()['approval_id']}/approve"
    assert doors.post(path, yes, key="V-2", who="FI-C").status_code == 201
    assert doors.said(f"{V1}/disputes/{name}", who="OP-1")["state"] == "REJECTED"


def test_an_upheld_share_is_made_anew_from_its_own_entry(doors):
    line = lines(doors)[0]
    answer = dispute(doors, line, code="PRICE", claimed_minor=line["share_minor"] + 1)
    (name,) = answer.json()["dispute_ids"]
    doors.post(f"{V1}/disputes/{name}/review", {}, key="R-1", who="FI-M")
    body = entry(doors, line["position"])["body"]
    shares = dict(body["shares"])
    shares["OP-1"] += 1
    shares["MG"] -= 1
    upheld = {"reason": "a cent", "shares": shares}
    waits = doors.post(f"{V1}/disputes/{name}/uphold", upheld, key="V-1", who="FI-M")
    assert waits.status_code == 202, waits.text
    yes = {"digest": waits.json()["digest"]}
    path = f"{V1}/approvals/{waits.json()['approval_id']}/approve"
    done = doors.post(path, yes, key="V-2", who="FI-C")
    assert done.status_code == 201, done.text
    assert doors.said(f"{V1}/disputes/{name}", who="OP-1")["state"] == "UPHELD"


def test_a_partner_gives_up_his_own_dispute_alone(doors):
    (name,) = dispute(doors, lines(doors)[0]).json()["dispute_ids"]
    body = {"reason": "our mistake"}
    path = f"{V1}/disputes/{name}/withdraw"
    check_problem(doors.post(path, body, key="W-1", who="OP-2"), 404, "not_found")
    check_problem(doors.post(path, body, key="W-1", who="OP-1"), 401, "signature_invalid")
    given_up = doors.signed(path, body, key="W-1", who="OP-1")
    assert given_up.status_code == 201, given_up.text
    (piece,) = entry(doors, given_up.json()["position"])["evidence"]
    assert piece["kind"] == "signed_request"
    assert doors.said(f"{V1}/disputes/{name}", who="OP-1")["state"] == "WITHDRAWN"


def test_an_upheld_quantity_is_rated_again_by_what_two_persons_found(doors):
    line = lines(doors)[0]
    (name,) = dispute(doors, line, claimed_quantity=1_000).json()["dispute_ids"]
    doors.post(f"{V1}/disputes/{name}/review", {}, key="R-1", who="FI-M")
    found = {"energy_wh": 1_000, "has_energy": True}
    upheld = {"reason": "the meter of the car", "found": found}
    waits = doors.post(f"{V1}/disputes/{name}/uphold", upheld, key="V-1", who="FI-M")
    again = doors.post(f"{V1}/disputes/{name}/uphold", upheld, key="V-1", who="FI-M")
    assert (waits.status_code, again.json()) == (202, waits.json())
    yes = {"digest": waits.json()["digest"]}
    path = f"{V1}/approvals/{waits.json()['approval_id']}/approve"
    done = doors.post(path, yes, key="V-2", who="FI-C")
    assert done.status_code == 201, done.text
    with doors.parts.ledger.reading() as reads:
        kinds = [one.event.kind for one in reads.entries(reads.size - 10)]
    wanted = {"line_dispute.closed", "usage.reversed", "usage.accrued", "share.accrued"}
    assert wanted <= set(kinds), kinds


def test_both_sides_write_inside_a_dispute_and_see_who_wrote_when(doors):
    (name,) = dispute(doors, lines(doors)[0]).json()["dispute_ids"]
    path = f"{V1}/disputes/{name}/messages"
    said = {"text": "Our meter says 18.", "evidence": ["ab" * 32]}
    check_problem(doors.post(path, said, key="M-1", who="OP-2"), 404, "not_found")
    check_problem(doors.post(path, said, key="M-1", who="OP-1"), 401, "signature_invalid")
    check_problem(doors.post(path, {"text": ""}, key="M-1", who="FI-M"), 400, "malformed")
    first = doors.signed(path, said, key="M-1", who="OP-1")
    assert first.status_code == 201, first.text
    (piece,) = entry(doors, first.json()["position"])["evidence"]
    assert piece["kind"] == "signed_request"
    answer = doors.post(path, {"text": "Please send its record."}, key="M-2", who="FI-M")
    assert answer.status_code == 201, answer.text
    told = doors.said(path, who="OP-1")["items"]
    assert [(one["sender_id"], one["side"], one["text"]) for one in told] == [
        ("OP-1", "partner", "Our meter says 18."),
        ("FI-M", "ours", "Please send its record."),
    ]
    assert told[1]["position"] == answer.json()["position"]
    assert told[0]["at"].startswith("2024-04-02T")
    doors.problem(path, 404, "not_found", who="OP-2")


def test_both_sides_count_the_same_service_levels_and_a_partner_sees_his_own(doors):
    (name,) = dispute(doors, lines(doors)[0]).json()["dispute_ids"]
    accept(doors)
    with doors.parts.ledger.reading() as reads:
        span = {"first": 0, "end": reads.size}
    ours = doors.said(f"{V1}/reports/sla", who="FI-R", **span)["items"]
    (his,) = doors.said(f"{V1}/reports/sla", who="OP-1", **span)["items"]
    assert his in ours
    assert (his["statements_issued"], his["statements_accepted"]) == (1, 1)
    assert (his["disputes_raised"], his["disputes_settled"], his["disputes_late"]) == (1, 0, 0)
    doors.parts.clock.at += 60 * 24 * HOUR
    doors.bearers.clear()
    doors.signed(f"{V1}/disputes/{name}/withdraw", {"reason": "ours"}, key="W-1", who="OP-1")
    span["end"] += 10
    (late,) = doors.said(f"{V1}/reports/sla", who="OP-1", **span)["items"]
    assert (late["disputes_settled"], late["disputes_settled_late"]) == (1, 1)
    doors.problem(f"{V1}/reports/sla", 422, "bounds_needed", who="OP-1")


# The cycle --------------------------------------------------------------------


def test_a_cycle_is_cut_calculated_and_handed_in(doors):
    cut = {"partner_id": "OP-1", "period": "2024-04"}
    problem = doors.post(f"{V1}/statements/cut", cut, key="C-1", who="FI-M")
    assert problem.status_code == 409
    name = "STM-404"
    answer = doors.post(f"{V1}/statements/{name}/calculate", {}, key="C-2", who="FI-M")
    check_problem(answer, 404, "not_found")
