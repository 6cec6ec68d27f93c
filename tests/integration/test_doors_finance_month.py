"""A month of finance through HTTP alone: from the cut of a statement to the closed books."""

from hashlib import sha256

import msgspec
import pytest

from ledger.exports.issued import STATEMENT_TYP
from ledger.kernel.instants import DAY, HOUR
from ledger.tlog.bundle import parse_proof
from tests.support.bank_files import camt053, entry, payment, statement
from tests.support.document_keys import opened
from tests.support.doors import check_problem
from tests.support.finance_doors import V1, finance_doors
from tests.support.postgres import fresh_database
from tests.support.settling import STM

SHARE = 900  # five swaps, 1.80 each


@pytest.fixture(params=["sqlite", "postgres"])
def month(request, tmp_path):
    url = ""
    if request.param == "postgres":
        url = fresh_database(request.getfixturevalue("postgres_url"))
    with finance_doors(tmp_path, url=url) as opened_doors:
        yield opened_doors


def state(month):
    return month.said(f"/statements/{STM}")["state"]


def test_a_month_goes_through_the_door_from_the_cut_to_the_close(month):
    month.done("/periods", {"period": "2026-05", "zone": "UTC"})
    issued(month)
    accepted(month)
    paid(month)
    told_by_the_bank(month)
    closed(month)


def issued(month):
    month.done("/statements/cut", {"partner_id": "OP-1", "period": "2026-05"})
    month.done(f"/statements/{STM}/calculate")
    month.done(f"/statements/{STM}/submit")
    early = month.post(f"/statements/{STM}/issue", {}, who="FI-C")
    check_problem(early, 409, "conflict")  # no checkpoint covers it yet
    month.later(HOUR)
    month.done(f"/statements/{STM}/issue", who="FI-C")
    assert state(month) == "issued"


def accepted(month):
    month.later(HOUR)
    path = f"{V1}/statements/{STM}"
    document = month.doors.get(f"{path}/document", who="OP-1")
    assert document.headers["content-type"] == "application/jose"
    told = msgspec.json.decode(opened(document.text, STATEMENT_TYP).payload)
    figures = told["figures"]
    assert figures["calculation"]["amounts"][0]["share_minor"] == SHARE
    proof = parse_proof(month.doors.get(f"{path}/proof", who="OP-1").content)
    assert STM.encode() in (proof.entry or b"")
    root = {"lines_root": figures["lines_root"]}
    answer = month.doors.signed(f"{path}/accept", root, key="A-1", who="OP-1")
    assert answer.status_code == 201, answer.text
    month.agreed(f"/statements/{STM}/approve")
    assert state(month) == "approved"


def paid(month):
    month.later(5 * DAY)
    plan = {
        "payout_id": "PO-1",
        "partner_id": "OP-1",
        "statements": [STM],
        "currency": "EUR",
        "payee_id": "PE-1",
        "route": "bank_file",
    }
    month.done("/payouts", plan)
    order = {"payouts": ["PO-1"], "bank_account": "BA-1", "pay_on": "2026-06-08"}
    month.agreed("/payout-batches", order)
    (batch,) = month.said("/payout-batches")["items"]
    file = month.doors.get(f"{V1}/payout-batches/{batch['id']}/file", who="FI-R").content
    again = month.doors.get(f"{V1}/payout-batches/{batch['id']}/file", who="FI-R").content
    digest = sha256(file).hexdigest()
    assert (again, batch["file_sha256"]) == (file, digest)
    release = f"/payout-batches/{batch['id']}/release"
    no_treasurer = month.agree(month.waits(release, {"file_sha256": digest}))
    check_problem(no_treasurer, 403, "duty_missing")
    other = month.waits(release, {"file_sha256": "0" * 64}, who="FI-T")
    assert month.agree(other).status_code == 409
    month.agreed(release, {"file_sha256": digest}, who="FI-T")
    month.done(f"/payout-batches/{batch['id']}/sent")
    assert month.said("/payouts/PO-1")["state"] == "SENT"


def told_by_the_bank(month):
    month.later(2 * DAY)
    line = payment("9.00", sign="DBIT", reference="MGE-PO-1-1", name="Example Swaps GmbH")
    booked = entry("9.00", line, sign="DBIT", reference="BANK-9")
    content = camt053(statement([booked], number="1", opening="0.00", closing="-9.00"))
    content = content.replace(b"-9.00", b"9.00").replace(
        b'<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">9.00</Amt><CdtDbtInd>CRDT',
        b'<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">9.00</Amt><CdtDbtInd>DBIT',
    )
    content = content.replace(b"2026-03-0", b"2026-06-0")
    answer = month.send("/bank-files", content)
    assert [one["verdict"] for one in answer.json()["statements"]] == ["booked"], answer.text
    assert month.said("/payouts/PO-1")["state"] == "CONFIRMED"
    run = month.done("/reconciliations", {})
    assert run["verdict"] == "reconciled", run
    bridges = month.said(f"/reconciliations/{run['number']}/statement")["bridges"]
    assert [one["residual_minor"] for one in bridges] == [0]
    assert month.said(f"/reconciliations/{run['number']}/breaks")["items"] == []
    month.done(f"/statements/{STM}/reconcile")


def closed(month):
    month.done("/invoices", {"period": "2026-05"})
    month.done("/periods/2026-05/closing")
    month.done("/depreciation", {"posting_date": "2026-05-31"})
    month.done("/energy-pools/true-up", {"posting_date": "2026-05-31"})
    checklist = month.said("/periods/2026-05/checklist")
    open_ = [one for one in checklist["items"] if not one["holds"]]
    accept = [{"no": one["no"], "reason": "a town of tests"} for one in open_]
    waiting = month.waits("/periods/2026-05/close", {"accept": accept})
    command = month.said(f"/approvals/{waiting['approval_id']}")["command"]
    assert [one["no"] for one in command["checklist"]] == list(range(1, 14))
    same = month.post(f"/approvals/{waiting['approval_id']}/approve", {"digest": waiting["digest"]})
    check_problem(same, 403, "not_allowed")
    assert month.agree(waiting).status_code == 201
    period = month.said("/periods/2026-05")
    assert (period["state"], period["revisions"][0]["revision"]) == ("CLOSED", 1)
    report = month.doors.get(f"{V1}/periods/2026-05/report", who="FI-R")
    assert sha256(report.content).hexdigest() == command["report_sha256"]
    month.done(f"/statements/{STM}/close")
    assert state(month) == "closed"
