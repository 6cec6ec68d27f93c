"""Partners' files through the door: signed, compared line by line, reported for ever the same."""

from hashlib import sha256

import pytest

from tests.support.doors import check_problem
from tests.support.finance_doors import V1, finance_doors
from tests.support.finance_objects import FIELDS, file_of, form_of, issue, send_file
from tests.support.settling import STM


@pytest.fixture(scope="module")
def finance(tmp_path_factory):
    with finance_doors(tmp_path_factory.mktemp("files")) as opened:
        issue(opened)
        yield opened


def test_a_file_that_agrees_is_reported_line_by_line(finance):
    content = file_of(finance)
    answer = send_file(finance, content, key="OK-1")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["state"], told["line_count"], told["rejected_count"]) == ("taken", 5, 0)
    path = f"{V1}/partner-files/{told['file_id']}"
    row = finance.doors.said(path, who="OP-1")
    assert (row["statement_id"], row["file_sha256"]) == (STM, sha256(content).hexdigest())
    report = finance.doors.get(f"{path}/report", who="OP-1")
    assert [line["status"] for line in report.json()["lines"]] == ["accepted"] * 5
    assert all(line["agrees"] for line in report.json()["lines"])
    assert report.json()["theirs_minor"] == report.json()["ours_minor"] == 900
    assert sha256(report.content).hexdigest() == row["report_sha256"]
    entry = finance.said(f"/entries/{told['position']}")["item"]["entry"]
    assert entry["evidence"][0]["kind"] == "signed_request"


def test_the_same_file_again_is_the_same_report(finance):
    content = file_of(finance)
    first, again = (send_file(finance, content, key=key) for key in ("S-1", "S-2"))
    assert again.json() == first.json()
    named = send_file(finance, content, who="FI-M", partner_id="OP-1")
    assert named.json()["file_id"] == first.json()["file_id"]
    other = send_file(finance, content, key="S-3", kind="trading_centre_statement")
    check_problem(other, 409, "partner_file_differs")


def test_a_bad_line_never_rejects_the_rest_until_there_are_many(finance):
    lines = file_of(finance).decode().splitlines()
    bad = [*lines, lines[1], lines[2].replace("EUR", "eur"), "E-9,SW-1,yesterday,1,1,1,1,EUR"]
    told = send_file(finance, "\n".join(bad).encode(), key="BAD-1").json()
    assert (told["state"], told["rejected_count"]) == ("quarantined", 3)
    report = finance.doors.said(f"{V1}/partner-files/{told['file_id']}/report", who="OP-1")
    statuses = [
        (one["status"], *one.get("codes", []), one.get("field", "")) for one in report["lines"]
    ]
    assert statuses[5:] == [
        ("duplicate", "REPEATED", "external_id"),
        ("refused", "FIELD_INVALID", "currency"),
        ("refused", "FIELD_INVALID", "service_time"),
    ]
    run = finance.post("/reconciliations", {"partner_files": [told["file_id"]]})
    check_problem(run, 400, "malformed")


def test_a_line_that_differs_becomes_a_break_of_the_run(finance):
    told = send_file(finance, file_of(finance, cents=1), key="CENT").json()
    assert (told["state"], told["warned_count"]) == ("taken", 1)
    run = finance.done("/reconciliations", {"partner_files": [told["file_id"]]})
    (row,) = finance.doors.said(f"{V1}/reconciliations/{run['number']}/breaks", who="OP-1")["items"]
    assert (row["leg"], row["kind"], row["amount_minor"]) == ("partner", "amount", 1)
    again = finance.done("/reconciliations", {"partner_files": [told["file_id"]]})
    (same,) = finance.said(f"/reconciliations/{again['number']}/breaks")["items"]
    assert same["id"] == row["id"]
    note = {"assignee_id": "FI-M", "due_on": "2026-06-30", "reason": "asked"}
    headers = finance.doors.headers("FI-M") | {"Idempotency-Key": "NOTE"}
    noted = finance.doors.call("PATCH", f"{V1}/breaks/{row['id']}", headers=headers, json=note)
    assert noted.status_code == 200, noted.text
    now = finance.said(f"/breaks/{row['id']}")
    assert (now["assignee_id"], now["due_on"], now["reason"]) == ("FI-M", "2026-06-30", "asked")
    finance.agreed(f"/breaks/{row['id']}/write-off", {"reason": "a cent"})
    missing = finance.post("/breaks/BR-404/write-off", {"reason": "a cent"})
    check_problem(missing, 404, "not_found")
    bridges = finance.said(f"/reconciliations/{run['number']}/statement")["bridges"]
    assert all(one["residual_minor"] == 0 for one in bridges)


WRONG = {
    "a wrong header": (b"a,b\n1,2\n", {}),
    "no UTF-8": ("external_id\xe9".encode("latin-1"), {}),
    "nothing": (b"", {}),
    "another kind": (None, {"kind": "letter"}),
    "no kind": (None, {"kind": ""}),
    "a period that is none": (None, {"period": "2026-13"}),
    "a currency that is none": (None, {"currency": "EURO"}),
    "another digest": (None, {"sha256": "0" * 64}),
    "a field of strangers": (None, {"surprise": "1"}),
    "another partner": (None, {"partner_id": "OP-2"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_form_that_is_wrong_is_malformed(finance, what):
    content, fields = WRONG[what]
    answer = send_file(
        finance, file_of(finance) if content is None else content, key=f"W-{len(what)}", **fields
    )
    check_problem(answer, 400, "malformed")


def test_a_statement_that_is_not_there_is_not_found(finance):
    answer = send_file(finance, file_of(finance), key="P-1", period="2026-04")
    check_problem(answer, 404, "not_found")


def test_a_partner_signs_and_staff_name_the_partner(finance):
    body, media = form_of(file_of(finance), **FIELDS)
    headers = {"Content-Type": media}
    call = finance.doors.call
    unsigned = call(
        "POST", f"{V1}/partner-files", headers=finance.doors.headers("OP-1") | headers, content=body
    )
    check_problem(unsigned, 401, "signature_invalid")
    check_problem(send_file(finance, file_of(finance), who="FI-M"), 400, "malformed")
    check_problem(send_file(finance, file_of(finance), who="FI-R"), 403, "not_allowed")
    json = finance.doors.signed(f"{V1}/partner-files", {}, key="J-1", who="OP-1")
    check_problem(json, 415, "media_type")
