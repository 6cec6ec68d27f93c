"""Bank statements become signed minor units, line by line, or say what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.statements import BankStatement, faults_of, read_bank_file
from ledger.kernel.errors import Malformed
from tests.support.bank_files import (
    DRIVER_IBAN,
    OWN_IBAN,
    camt053,
    document,
    entry,
    payment,
    statement,
)


def one(content: bytes) -> BankStatement:
    (found,) = read_bank_file(content).statements
    return found


def test_a_booked_credit_tells_who_paid_what_for_which_invoice() -> None:
    content = camt053(statement([entry("25.00", payment("25.00", reference="MGE-P1-1"))]))
    found = one(content)
    assert (found.account, found.sequence, found.currency) == (OWN_IBAN, 7, "EUR")
    assert (found.opening_minor, found.closing_minor, found.closed_on) == (
        10000,
        12500,
        "2026-03-02",
    )
    (movement,) = found.movements
    assert (movement.key, movement.amount_minor, movement.code) == (
        "BANK-1",
        2500,
        "PMNT-RCDT-ESCT",
    )
    assert (movement.booked_on, movement.valued_on) == ("2026-03-02", "2026-03-03")
    (paid,) = movement.payments
    assert (paid.end_to_end_id, paid.name, paid.account) == ("MGE-P1-1", "Ada Sample", DRIVER_IBAN)
    assert paid.remittance == "invoice MG1-INV-2026-000042"
    assert faults_of(found) == ()


def test_a_debit_is_negative_and_a_return_names_its_reason() -> None:
    returned = payment("25.00", sign="DBIT", returned="AC04", reference="MGE-P1-1")
    found = one(camt053(statement([entry("25.00", returned, sign="DBIT")], closing="75.00")))
    assert found.booked_minor() == -2500
    assert found.movements[0].payments[0].return_code == "AC04"
    assert faults_of(found) == ()


def test_pending_movements_are_shown_and_do_not_count() -> None:
    pending = entry("9.99", status="<Cd>PDNG</Cd>", reference="P")
    found = one(camt053(statement([entry("25.00"), pending])))
    assert [one.status for one in found.movements] == ["BOOK", "PDNG"]
    assert faults_of(found) == ()


def test_old_versions_say_the_status_as_text() -> None:
    found = one(camt053(statement([entry("25.00", status="BOOK")]), version="02"))
    assert found.movements[0].status == "BOOK"


def test_two_equal_lines_without_a_reference_stay_two() -> None:
    twice = [entry("12.50", reference=""), entry("12.50", reference="")]
    first, second = one(camt053(statement(twice))).movements
    assert first.key.removesuffix("-1") == second.key.removesuffix("-2")
    assert first.key != second.key
    again = one(camt053(statement(twice))).movements
    assert [line.key for line in again] == [first.key, second.key]


@pytest.mark.parametrize(
    ("entries", "closing", "code"),
    [
        ([entry("25.00")], "125.01", "SUM_MISMATCH"),
        ([entry("25.00", payment("12.00"), payment("12.99"))], "125.00", "SUM_MISMATCH"),
    ],
    ids=["lines against balances", "a batch against its parts"],
)
def test_a_statement_that_does_not_add_up_is_not_posted(
    entries: list[str], closing: str, code: str
) -> None:
    faults = faults_of(one(camt053(statement(entries, closing=closing))))
    assert [fault.code for fault in faults] == [code]


def test_one_payment_of_another_amount_than_its_movement_is_wrong_unless_a_charge_was_kept() -> (
    None
):
    other = payment("25.35")
    (fault,) = faults_of(one(camt053(statement([entry("25.00", other)]))))
    assert (fault.code, fault.fact) == ("SUM_MISMATCH", "BANK-1: 2500, parts 2535")
    kept = '<Chrgs><Rcrd><Amt Ccy="EUR">0.35</Amt></Rcrd></Chrgs></TxDtls>'
    declared = one(camt053(statement([entry("25.00", other.replace("</TxDtls>", kept))])))
    assert faults_of(declared) == ()
    assert declared.movements[0].payments[0].charge_minor == 35


def test_an_amount_in_the_currency_of_the_payer_is_not_taken_for_ours() -> None:
    ours = '<Amt Ccy="EUR">25.00</Amt><CdtDbtInd>'
    theirs = '<AmtDtls><TxAmt><Amt Ccy="{}">{}</Amt></TxAmt></AmtDtls><CdtDbtInd>'
    for currency, told, amount in (("CHF", "23.90", 0), ("EUR", "25.00", 2_500)):
        part = payment("25.00").replace(ours, theirs.format(currency, told))
        found = one(camt053(statement([entry("25.00", part)])))
        assert found.movements[0].payments[0].amount_minor == amount
        assert faults_of(found) == ()


def test_a_reference_that_a_bank_repeats_names_two_lines() -> None:
    twice = [entry("12.50", reference="B-1"), entry("12.50", reference="B-1")]
    assert [line.key for line in one(camt053(statement(twice))).movements] == ["B-1", "B-1-2"]


def test_a_batch_whose_parts_sum_to_it_is_right() -> None:
    parts = (payment("12.00"), payment("13.00"))
    assert faults_of(one(camt053(statement([entry("25.00", *parts)])))) == ()


def test_a_statement_without_balances_says_so_unless_it_is_a_notification() -> None:
    body = (
        "<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M</MsgId></GrpHdr><Ntfctn><Id>N-1</Id>"
        f"<Acct><Id><Othr><Id>62170-1</Id></Othr></Id></Acct>{entry('25.00')}</Ntfctn>"
        "</BkToCstmrDbtCdtNtfctn>"
    )
    found = one(document("camt.054.001.08", body))
    assert (found.account, found.currency, found.sequence) == ("62170-1", "EUR", None)
    assert [fault.code for fault in faults_of(found)] == ["BALANCE_MISSING"]
    assert faults_of(found, needs_balances=False) == ()


def test_one_statement_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    wrong = statement([entry("25.00")], number="8", currency="CHF")
    read = read_bank_file(camt053(statement([entry("25.00")]), wrong))
    assert [found.statement_id for found in read.statements] == ["ST-7"]
    (unread,) = read.unread
    assert (unread.number, unread.statement_id) == (2, "ST-8")
    assert unread.rule == "the account is in CHF, got 'EUR'"
    assert unread.field.endswith("Bal/Amt@Ccy")


ELEMENT = statement([entry("25.00")])


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"not xml", "not well-formed XML"),
        (b"", "not well-formed XML"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a/>', "no document type"),
        (document("camt.053.001.15", ""), "CAMT_VERSION"),
        (document("camt.060.001.03", ""), "CAMT_VERSION"),
        (b"<Document/>", "CAMT_VERSION"),
        (document("camt.053.001.08", "<BkToCstmrStmt/>"), "no statement inside"),
        (document("camt.053.001.08", ""), "is missing"),
        (document("camt.053.001.08", "<a>" * 41 + "</a>" * 41), "more than 40 elements"),
    ],
    ids=[
        "text",
        "empty",
        "entity",
        "version 15",
        "camt.060",
        "bare",
        "no statement",
        "no body",
        "deep",
    ],
)
def test_what_is_no_bank_file_is_refused_with_its_rule(content: bytes, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_bank_file(content)
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (">BOOK<", ">SOLD<", "not a status"),
        (">CRDT<", ">PLUS<", "CRDT or DBIT"),
        (">25.00<", ">25.001<", "more than 2 decimals"),
        (">25.00<", ">-25.00<", "an amount has no sign"),
        (">25.00<", ">1e3<", "not a plain decimal"),
        (">2026-03-02<", ">2026-02-30<", "not a date"),
        (">7<", ">seven<", "not a number"),
        (f"<IBAN>{OWN_IBAN}</IBAN>", "<Prxy/>", "an account is an IBAN or another id"),
        ("<Id>ST-7</Id>", "", "is missing"),
        ("<Ccy>EUR</Ccy>", "<Ccy>EURO</Ccy>", "the account is in EURO"),
    ],
)
def test_a_wrong_value_is_named_with_its_element(old: str, new: str, rule: str) -> None:
    assert old in ELEMENT
    read = read_bank_file(camt053(ELEMENT.replace(old, new)))
    assert read.statements == ()
    assert rule in read.unread[0].rule
    assert read.unread[0].field.startswith("Document/BkToCstmrStmt/Stmt")


@given(st.binary(max_size=400), st.integers(0, 1500))
def test_any_bytes_end_in_our_own_error(noise: bytes, at: int) -> None:
    good = camt053(ELEMENT)
    for content in (noise, good[:at] + noise + good[at:]):
        try:
            read_bank_file(content)
        except Malformed as error:
            assert error.rule  # noqa: PT017  any file may also be right


def test_only_booked_amounts_become_lines_and_parts_of_nothing_are_left_out() -> None:
    entries = [
        entry("25.00", payment("25.00"), payment("0.00")),
        entry("9.99", status="<Cd>PDNG</Cd>", reference="P"),
    ]
    (told,) = read_statements(camt053(statement(entries)))[1]
    assert [(line.key, line.part, line.amount_minor) for line in told.lines] == [
        ("BANK-1", 1, 2_500)
    ]
