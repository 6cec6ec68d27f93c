"""`bank check`: a bank's file read aloud, and judged."""

import pytest

from tests.support.bank_files import camt053, entry, payment, statement
from tests.support.cli import answer, error, run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "statement.xml"


def test_a_right_file_is_shown_line_by_line(file):
    parts = (payment("12.00", reference="MGE-P1-1"), payment("13.00"))
    file.write_bytes(camt053(statement([entry("25.00", *parts)])))
    shown = run("bank", "check", file)
    assert shown.exit_code == 0
    for words in ("ST-7, number 7", "100.00", "125.00", "MGE-P1-1", "Ada Sample", "12.00"):
        assert words in shown.stdout, words
    judged = answer("bank", "check", file)
    assert judged["statements"][0]["faults"] == []
    assert judged["file"]["statements"][0]["movements"][0]["amount_minor"] == 2500


def test_one_payment_stands_on_the_line_of_its_movement(file):
    file.write_bytes(camt053(statement([entry("25.00", payment("25.00", reference="MGE-P1-1"))])))
    (line,) = [one for one in run("bank", "check", file).stdout.splitlines() if "MGE-P1-1" in one]
    assert "25.00" in line
    assert "2026-03-02" in line


def test_a_wrong_sum_and_an_unreadable_statement_are_named(file):
    wrong = statement([entry("25.00")], closing="125.01")
    foreign = statement([entry("25.00")], number="8", currency="CHF")
    file.write_bytes(camt053(wrong, foreign))
    shown = run("bank", "check", file)
    assert shown.exit_code == 1
    assert "NOT TO BE POSTED: SUM_MISMATCH" in shown.stdout
    assert "NOT READ: statement 2 ST-8" in shown.stdout


def test_a_file_that_is_none_is_refused_by_name(file):
    file.write_bytes(b"%PDF-1.7")
    found = error("bank", "check", file)
    assert (found["kind"], found["place"]) == ("Malformed", str(file))
    assert "not well-formed" in found["rule"]
