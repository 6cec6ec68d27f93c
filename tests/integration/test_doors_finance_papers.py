"""Documents and exports through the door of finance: signed, proven, the same bytes on repeat."""

import csv
import io
import subprocess
import zipfile
from hashlib import sha256

import pytest

from ledger.exports.issued import STATEMENT_TYP
from ledger.kernel.instants import HOUR
from ledger.runtime.settling import close_statements
from ledger.tlog.bundle import parse_proof
from partner_api.finance.exporting import EXPORT_TYP, PER_HOUR
from tests.support.document_keys import opened
from tests.support.doors import check_problem, until
from tests.support.finance_doors import V1, finance_doors
from tests.support.finance_objects import issue
from tests.support.partners import PAYER
from tests.support.settled_ledger import JUNE_2026
from tests.support.settling import STM
from tests.support.tools import need_tool


@pytest.fixture(scope="module")
def finance(tmp_path_factory):
    with finance_doors(tmp_path_factory.mktemp("papers")) as opened_doors:
        issue(opened_doors)
        opened_doors.done("/invoices", {"period": "2026-05"})
        opened_doors.later(HOUR)
        yield opened_doors


@pytest.fixture
def bare(tmp_path):
    """A door without a signer, a letterhead or a place for evidence."""
    with finance_doors(tmp_path, documents=None, letterhead=None) as opened_doors:
        yield opened_doors


def raw(finance, path, who="FI-R", **parameters):
    answer = finance.doors.get(f"{V1}{path}", who=who, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer


# Statements -------------------------------------------------------------------


def test_a_statement_is_the_document_that_was_signed(finance):
    first = raw(finance, f"/statements/{STM}/document", who="OP-1")
    again = raw(finance, f"/statements/{STM}/document", format="jws")
    assert first.content == again.content
    assert opened(first.text, STATEMENT_TYP).heading.document_id == f"{STM}/lines"
    paper = raw(finance, f"/statements/{STM}/document", who="OP-1", format="pdf")
    assert paper.content.startswith(b"%PDF-")
    assert paper.headers["content-type"] == "application/pdf"
    assert raw(finance, f"/statements/{STM}/document", format="pdf").content == paper.content
    lines = list(
        csv.DictReader(io.StringIO(raw(finance, f"/statements/{STM}/document", format="csv").text))
    )
    assert sum(round(100 * float(line["share"])) for line in lines) == 900


def test_the_proof_of_a_statement_is_of_its_entry_and_stays(finance):
    first = raw(finance, f"/statements/{STM}/proof", who="OP-1").content
    finance.later(HOUR)
    assert raw(finance, f"/statements/{STM}/proof").content == first
    proof = parse_proof(first)
    assert b"statement.issued" in (proof.entry or b"")


def test_a_statement_that_is_not_issued_has_no_document(bare):
    bare.done("/statements/cut", {"partner_id": "OP-1", "period": "2026-05"})
    for what in ("document", "proof"):
        bare.doors.problem(f"{V1}/statements/{STM}/{what}", 404, "not_found", who="FI-R")
    bare.doors.problem(
        f"{V1}/statements/{STM}/document", 400, "malformed", who="FI-R", params={"format": "odt"}
    )


def test_without_a_signer_nothing_is_issued_and_the_statement_waits(bare):
    bare.done("/statements/cut", {"partner_id": "OP-1", "period": "2026-05"})
    bare.done(f"/statements/{STM}/calculate")
    bare.done(f"/statements/{STM}/submit")
    bare.later(HOUR)
    check_problem(bare.post(f"/statements/{STM}/issue", {}, who="FI-C"), 503, "unavailable")
    assert bare.said(f"/statements/{STM}")["state"] == "under_review"


def test_a_statement_issued_from_its_entries_is_signed_when_it_is_asked_for(tmp_path):
    with finance_doors(tmp_path) as finance:
        close_statements(finance.desk.ledger, "2026-05", actor=PAYER, at=JUNE_2026)
        finance.later(HOUR)
        document = raw(finance, f"/statements/{STM}/document").text
        assert opened(document, STATEMENT_TYP).heading.document_id == STM


def test_who_handed_a_statement_in_does_not_issue_it(tmp_path):
    with finance_doors(tmp_path) as finance:
        finance.done("/statements/cut", {"partner_id": "OP-1", "period": "2026-05"})
        finance.done(f"/statements/{STM}/calculate")
        finance.done(f"/statements/{STM}/submit", who="FI-T")
        finance.later(HOUR)
        refused = finance.post(f"/statements/{STM}/issue", {}, who="FI-T")
        check_problem(refused, 409, "checker_is_maker")
        done = finance.post(f"/statements/{STM}/issue", {}, who="FI-C", key="ISSUE")
        again = finance.post(f"/statements/{STM}/issue", {}, who="FI-C", key="ISSUE")
        assert (again.json(), again.headers["idempotent-replay"]) == (done.json(), "true")
        late = finance.post(f"/statements/{STM}/issue", {}, who="FI-C")
        check_problem(late, 409, "cycle_state")


# Invoices ---------------------------------------------------------------------

BEGINNINGS = {
    "pdf": ("application/pdf", b"%PDF-"),
    "html": ("text/html; charset=utf-8", b"<!doctype html>"),
    "ubl": ("application/xml", b"<?xml"),
    "cii": ("application/xml", b"<?xml"),
}


@pytest.mark.parametrize("form", BEGINNINGS)
def test_an_invoice_is_the_same_document_whatever_was_paid_since(finance, form):
    (invoice,) = finance.said("/invoices")["items"]
    path = f"/invoices/{invoice['id']}/document"
    first = raw(finance, path, format=form)
    media, begin = BEGINNINGS[form]
    assert first.headers["content-type"] == media
    assert first.content.lower().startswith(begin.lower())
    paid = {
        "payment_id": f"PY-{form}",
        "driver_id": "DR-1",
        "invoice_no": invoice["id"],
        "currency": "EUR",
        "amount_minor": 100,
    }
    finance.agreed("/payments-by-hand", paid)
    assert raw(finance, path, format=form).content == first.content
    assert raw(finance, path, format=form, payments="shown").content != first.content


def test_documents_of_nobody_and_of_no_seller(finance, bare):
    finance.doors.problem(f"{V1}/invoices/IN-404/document", 404, "not_found", who="FI-R")
    finance.doors.problem(f"{V1}/credit-notes/CN-404/document", 404, "not_found", who="FI-R")
    bare.doors.problem(f"{V1}/invoices/IN-404/document", 503, "unavailable", who="FI-R")


def test_a_line_is_credited_by_two_and_its_note_has_a_document_too(finance):
    (invoice,) = finance.said("/invoices")["items"]
    path = f"/invoices/{invoice['id']}"
    lines = finance.said(f"{path}/lines")["lines"]
    wanted = {"lines": {lines[0]["name"]: 10}, "reason": "goodwill"}
    wait = finance.waits(f"{path}/credit-notes", wanted)
    assert finance.agree(wait).status_code == 201
    after = finance.said(f"{path}/lines")
    assert after["lines"][0]["left_minor"] == lines[0]["left_minor"] - 10
    (number,) = after["credit_notes"]
    first = raw(finance, f"/credit-notes/{number}/document")
    assert first.content.startswith(b"%PDF-")
    assert raw(finance, f"/credit-notes/{number}/document").content == first.content
    too_much = {"lines": {lines[0]["name"]: 10**6}, "reason": "goodwill"}
    refused = finance.agree(finance.waits(f"{path}/credit-notes", too_much))
    assert refused.status_code == 409
    nothing = {"lines": {"0/9": 1}, "reason": "goodwill"}
    assert finance.post(f"{path}/credit-notes", nothing).status_code in (400, 404)


# Exports ----------------------------------------------------------------------


def export(finance, kind, who="FI-R", **more):
    asked = finance.post("/exports", {"kind": kind, **more}, who=who)
    assert asked.status_code == 202, asked.text
    path = asked.headers["location"]
    said = until(
        lambda: finance.doors.said(path, who=who), lambda job: job["state"] in ("done", "failed")
    )
    assert said["state"] == "done", said
    return said, finance.doors.get(f"{path}/file", who=who)


WHO = {
    "hledger": "FI-R",
    "beancount": "FI-R",
    "ledger": "FI-R",
    "csv": "FI-M",
    "xlsx": "FI-M",
    "epcis": "FI-M",
    "ubl": "FI-C",
    "cii": "FI-C",
}


@pytest.mark.parametrize("kind", [one for one in WHO if one != "epcis"])
def test_an_export_is_kept_by_its_digest_under_a_signed_manifest(finance, kind):
    said, file = export(
        finance, kind, WHO[kind], period="2026-05" if kind not in ("ubl", "cii") else "2026-06"
    )
    assert sha256(file.content).hexdigest() == said["sha256"]
    assert len(file.content) == said["size_bytes"]
    manifest = said["manifest"]
    document = opened(said["manifest_jws"], EXPORT_TYP)
    assert manifest["file"]["sha256"] == said["sha256"]
    assert sha256(file.content).hexdigest().encode() in document.payload
    if kind != "xlsx":
        with zipfile.ZipFile(io.BytesIO(file.content)) as packed:
            members = [
                {"name": name, "sha256": sha256(packed.read(name)).hexdigest()}
                for name in packed.namelist()
            ]
        assert members == manifest["members"]


def test_hledger_takes_the_exported_books(finance, tmp_path):
    program = need_tool("hledger")
    _, file = export(finance, "hledger", "FI-T", period="2026-05")
    with zipfile.ZipFile(io.BytesIO(file.content)) as packed:
        packed.extractall(tmp_path)
    words = [program, "-f", "hledger.journal", "check", "-s", "ordereddates"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["ledger", "xlsx"])
def test_the_same_export_of_the_same_state_is_the_same_file(finance, kind):
    first, file = export(finance, kind, "FI-M", period="2026-05")
    again, copy = export(finance, kind, "FI-C", period="2026-05")
    assert again["position"] == first["position"]
    assert (again["sha256"], copy.content) == (first["sha256"], file.content)


def rows_of(file):
    with zipfile.ZipFile(io.BytesIO(file.content)) as packed:
        text = packed.read("postings.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_an_export_of_several_periods_is_told_as_it_was_known(finance):
    _, whole = export(finance, "csv", "FI-T", **{"from": "2026-05", "to": "2026-06"})
    said, early = export(
        finance, "csv", "FI-T", known_at="position:20", **{"from": "2026-05", "to": "2026-06"}
    )
    assert (said["position"], said["manifest"]["known"]) == (20, 21)
    assert (said["period"], said["name"]) == (
        "2026-05-to-2026-06",
        "csv-2026-05-to-2026-06.zip",
    )
    known = [row for row in rows_of(whole) if int(row["position"]) <= 20]
    assert [row["position"] for row in rows_of(early)] == [row["position"] for row in known] != []
    assert len(known) < len(rows_of(whole))


def test_books_of_several_periods_close_on_what_was_known(finance, tmp_path):
    program = need_tool("hledger")
    _, file = export(
        finance, "hledger", "FI-T", known_at="position:20", **{"from": "2026-04", "to": "2026-05"}
    )
    with zipfile.ZipFile(io.BytesIO(file.content)) as packed:
        packed.extractall(tmp_path)
    words = [program, "-f", "hledger.journal", "check", "-s", "ordereddates"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_export_of_nothing_fails_and_says_so(finance):
    asked = finance.post("/exports", {"kind": "ubl", "period": "2020-01"}, who="FI-T")
    path = asked.headers["location"]
    said = until(lambda: finance.doors.said(path, who="FI-T"), lambda job: job["state"] == "failed")
    assert "nothing to export" in said["explanation"]
    answer = finance.doors.get(f"{path}/file", who="FI-T")
    check_problem(answer, 409, "conflict")


def test_an_export_is_for_who_asked_for_it_alone(finance):
    asked = finance.post("/exports", {"kind": "csv"}, who="FI-C", key="XP-1")
    path = asked.headers["location"]
    again = finance.post("/exports", {"kind": "csv"}, who="FI-C", key="XP-1")
    assert again.json()["export_id"] == asked.json()["export_id"]
    other = finance.post("/exports", {"kind": "xlsx"}, who="FI-C", key="XP-1")
    check_problem(other, 422, "idempotency_key_reused")
    for what in ("", "/file"):
        check_problem(finance.doors.get(f"{path}{what}", who="FI-R"), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "datev"},
        {},
        {"kind": "csv", "period": "2026"},
        {"kind": "csv", "x": 1},
        {"kind": "csv", "from": "2026-05"},
        {"kind": "csv", "from": "2026-06", "to": "2026-05"},
        {"kind": "csv", "from": "2026-05", "to": "2026-05", "period": "2026-05"},
        {"kind": "csv", "known_at": "yesterday"},
    ],
)
def test_an_export_that_is_none_is_malformed(finance, body):
    check_problem(finance.post("/exports", body), 400, "malformed")


def test_an_export_of_what_is_not_known_yet_is_refused(finance):
    body = {"kind": "csv", "known_at": "position:999999"}
    check_problem(finance.post("/exports", body), 422, "not_known_yet")


def test_exports_are_few_in_an_hour(bare):
    for _ in range(PER_HOUR):
        said, _ = export(bare, "csv", "FI-R")
        assert "manifest_jws" not in said  # nobody signs here
    check_problem(bare.post("/exports", {"kind": "csv"}, who="FI-R"), 429, "rate_limited")
    bare.later(HOUR)
    assert bare.post("/exports", {"kind": "csv"}, who="FI-R").status_code == 202
