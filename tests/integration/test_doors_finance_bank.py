"""What banks send that is wrong, through the door: every row of the table of bad input."""

import pytest

from ledger.domain.cases import CASES
from ledger.kernel.instants import parse_instant
from partner_api.finance.files import FILE_BYTES_MAX
from tests.support.bank_files import camt053, document, entry, pain002, payment, statement
from tests.support.doors import check_problem
from tests.support.finance_doors import finance_over
from tests.support.ledgers import sqlite_url
from tests.support.town import new_town

ACCOUNT = {
    "bank_account_id": "BA-1",
    "number": "DE89370400440532013000",
    "currency": "EUR",
    "opened_on": "2026-03-01",
    "opening_minor": 10_000,
}
MARCH_3 = parse_instant("2026-03-03T06:00:00Z", "at")
PAID = entry("25.00", payment("25.00"))
FIRST = camt053(statement([PAID], number="1"))


@pytest.fixture
def finance(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger, finance_over(ledger, MARCH_3) as opened:
        opened.agreed("/bank-accounts", ACCOUNT)
        yield opened


def told(finance, content):
    answer = finance.send("/bank-files", content)
    assert answer.status_code == 201, answer.text
    return answer.json()


def verdict(finance, content):
    (one,) = told(finance, content)["statements"]
    return one["verdict"], *one.get("codes", [])


def cases(finance):
    with finance.desk.ledger.reading() as reads:
        return {row.case_type for _, row in reads.rows(CASES)}


NO_FILES = {
    "no XML": b"not a file of a bank",
    "a DTD": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "an unknown version": FIRST.replace(b"camt.053.001.08", b"camt.053.001.99"),
    "another message": document("pain.008.001.02", "<CstmrDrctDbtInitn/>"),
    "half a file": FIRST[: len(FIRST) // 2],
}


@pytest.mark.parametrize("what", NO_FILES)
def test_a_file_that_is_none_is_kept_and_posts_nothing(finance, what):
    check_problem(finance.send("/bank-files", NO_FILES[what]), 400, "malformed")
    assert NO_FILES[what] in finance.doors.evidence.kept.values()
    assert finance.said("/bank-statements")["items"] == []


def test_a_file_over_the_limit_is_not_read(finance):
    answer = finance.send("/bank-files", b"<" * (FILE_BYTES_MAX + 1))
    check_problem(answer, 413, "body_too_large")


def test_the_same_statement_twice_posts_once(finance):
    assert verdict(finance, FIRST) == ("booked",)
    before = finance.said("/trial-balance")["items"]
    assert verdict(finance, FIRST) == ("duplicate",)
    assert verdict(finance, FIRST + b"\n") == ("duplicate",)
    assert finance.said("/trial-balance")["items"] == before
    (one,) = finance.said("/reports/bank-days", on="2026-03-02")["items"]
    assert (one["residual_minor"], one["leg"]["external_closing"]) == (0, 12_500)
    assert one["leg"]["ledger_closing"] == 12_500


STATEMENTS = {
    "the same name with other content": (
        statement([entry("20.00", payment("20.00")), entry("5.00", payment("5.00"))], number="1"),
        "statement_conflict",
    ),
    "a gap": (
        statement([], number="3", opening="125.00", closing="125.00"),
        "statement_gap",
    ),
    "an opening that is not the last closing": (
        statement([], number="2", opening="124.99", closing="124.99"),
        "opening_mismatch",
    ),
    "a sum that is off by a cent": (
        statement([entry("1.01")], number="2", opening="125.00", closing="126.00"),
        "sum_mismatch",
    ),
    "an account that is not ours": (
        statement([], number="2").replace("DE89370400440532013000", "DE02120300000000202051"),
        "account_unknown",
    ),
}


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_statement_that_does_not_fit_waits_in_quarantine(finance, what):
    told(finance, FIRST)
    content, code = STATEMENTS[what]
    before = finance.said("/trial-balance")["items"]
    found = verdict(finance, camt053(content))
    assert found[0] in ("quarantined", "refused")
    assert code in found[1:], found
    assert finance.said("/trial-balance")["items"] == before


def waiting(finance):
    (one,) = finance.said("/bank-quarantine", status="waiting")["items"]
    return f"/bank-quarantine/{one['id']}/release"


def test_two_persons_book_a_statement_out_of_quarantine_for_a_reason(finance):
    told(finance, FIRST)
    told(finance, camt053(STATEMENTS["a gap"][0]))
    path = waiting(finance)
    check_problem(finance.post(path, {"reason": ""}), 400, "malformed")
    wanted = {"reason": "the bank left number 2 out"}
    own = finance.waits(path, wanted, who="FI-T")
    check_problem(finance.agree(own, who="FI-T"), 409, "approver_is_maker")
    assert finance.agree(own).status_code == 201
    assert finance.said("/bank-quarantine", status="waiting")["items"] == []
    assert len(finance.said("/bank-statements")["items"]) == 2


def test_two_persons_set_a_statement_aside_for_good(finance):
    told(finance, FIRST)
    told(finance, camt053(STATEMENTS["a sum that is off by a cent"][0]))
    finance.agreed(waiting(finance), {"reason": "not ours", "sets_aside": True})
    assert finance.said("/bank-quarantine", status="waiting")["items"] == []
    assert len(finance.said("/bank-statements")["items"]) == 1
    missing = finance.post("/bank-quarantine/BQ-404/release", {"reason": "x"})
    check_problem(missing, 404, "not_found")


def test_money_of_nobody_and_a_debit_of_nobody_wait_in_suspense(finance):
    taken = entry("7.00", payment("7.00", sign="DBIT"), sign="DBIT", reference="BANK-2")
    told(finance, camt053(statement([PAID, taken], number="1", closing="118.00")))
    items = finance.said("/suspense")["items"]
    assert sorted(one["left_minor"] for one in items) == [-700, 2_500]
    assert all(one["assignee_id"] == "FI-M" for one in items)
    urgent = [one for one in finance.said("/breaks")["items"] if one["told"]["priority"] == 1]
    assert [one["told"]["external_minor"] for one in urgent] == [-700]


def test_an_answer_to_an_order_that_is_not_ours_becomes_a_case(finance):
    answer = finance.send("/bank-answers", pain002([("MGE-PO-9-1", "RJCT", "AC04")]))
    assert answer.status_code == 201, answer.text
    assert [one["command"] for one in answer.json()["outcomes"]] == ["OpenCase"]
    assert "PAYOUT_ORDER_UNKNOWN" in cases(finance)
    for content in (b"<x/>", FIRST, b"\xff"):
        check_problem(finance.send("/bank-answers", content), 400, "malformed")
