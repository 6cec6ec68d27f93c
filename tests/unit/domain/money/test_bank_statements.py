"""Statements of a bank: booked whole, in order, once; or kept in quarantine with the reason.

The rows of the bank in the table of bad input (money handbook 15) are named in the tests.
"""

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    BANK_STATEMENTS,
    DISCARDED,
    POSTED,
    PROVISIONAL,
    QUARANTINE,
    RELEASED,
    WAITING,
)
from ledger.domain.money.bank_statements import LINES_MAX, RecordNotice, ReleaseStatement
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.bank_world import (
    bank_town,
    header,
    line,
    pays_invoice,
    refusal_of,
    statement,
    to_book,
)
from tests.support.rules import act, events

FIRST = statement(to_book("BL-1", 2_500, pays_invoice()))


def kinds(outcome):
    return [event.kind for event in events(outcome)]


def code_of(outcome):
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def quarantined(world, command):
    outcome = act(world, command)
    found = events(outcome)
    assert found[0].kind == "bank.statement_quarantined"
    assert all(event.kind in {"bank.statement_quarantined", "case_opened"} for event in found)
    return found[0].codes


def test_a_statement_is_booked_with_its_lines_and_moves_the_account():
    world = bank_town()
    assert kinds(act(world, FIRST)) == ["bank.statement_booked", "bank.line_booked"]
    account = world.need(BANK_ACCOUNTS, "BA-1")
    assert (account.closing_minor, account.last_sequence, account.statements) == (12_500, 1, 1)
    assert BANK_STATEMENTS.listed_by(world.need(BANK_STATEMENTS, FIRST.header.key)) == "BA-1"
    assert BANK_LINES.listed_by(world.need(BANK_LINES, "BL-1")) == POSTED


def test_a_bank_statement_sent_twice_posts_nothing():
    world = bank_town()
    act(world, FIRST)
    assert act(world, FIRST) == ()


def test_the_same_statement_id_with_other_content_is_a_conflict_and_a_case():
    world = bank_town()
    act(world, FIRST)
    other = statement(to_book("BL-9", 2_501), content_sha256="ff" * 32)
    (waiting, case) = events(act(world, other))
    assert waiting.codes == ("statement_conflict",)
    assert case.case_type == "BANK_CONFLICT"
    assert CASES.listed_by(world.need(CASES, case.case_id)) == "open"
    assert act(world, other) == ()
    later = replace(other, header=replace(other.header, bank_account_id="BA-1"))
    assert act(world, later) == ()


def test_a_conflict_whose_case_is_known_opens_no_second_one():
    world = bank_town()
    act(world, FIRST)
    other = statement(to_book("BL-9", 2_501), content_sha256="ff" * 32)
    case_id = events(act(world, other))[1].case_id
    row = world.need(QUARANTINE, other.header.quarantine_key)
    world.put(QUARANTINE, other.header.quarantine_key, replace(row, codes=("else",)))
    assert kinds(act(world, other)) == ["bank.statement_quarantined"]
    assert world.need(CASES, case_id).is_open


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        (statement(to_book("BL-1", 5), no=3, opening=12_500), ("statement_gap",)),
        (statement(to_book("BL-1", 5), no=2, opening=12_501), ("opening_mismatch",)),
        (statement(to_book("BL-1", 5), no=4, opening=1), ("statement_gap", "opening_mismatch")),
        (statement(to_book("BL-0", 5), no=2, opening=12_500), ("entry_repeated",)),
        (
            statement(to_book("BL-1", 5), to_book("BL-1", 5), no=2, opening=12_500),
            ("entry_repeated",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, opening=12_500, faults=("M-1: parts",)),
            ("sum_mismatch",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, opening=12_500, closing_minor=12_506),
            ("sum_mismatch",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, has_balances=False),
            ("balance_missing",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, opening=12_500, currency="CHF"),
            ("currency_mismatch",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, opening=12_500, bank_account_id="BA-9"),
            ("account_unknown",),
        ),
        (
            statement(to_book("BL-1", 5), no=2, opening=12_500, number="GB00"),
            ("account_unknown",),
        ),
    ],
)
def test_a_gap_a_wrong_opening_wrong_sums_and_foreign_accounts_wait_in_quarantine(command, codes):
    world = bank_town()
    act(world, statement(to_book("BL-0", 2_500)))
    assert quarantined(world, command) == codes
    assert world.need(QUARANTINE, command.header.quarantine_key).state == WAITING
    assert world.need(BANK_ACCOUNTS, "BA-1").closing_minor == 12_500
    assert act(world, command) == ()  # known already


def test_a_statement_comes_good_when_the_missing_one_was_booked():
    world = bank_town()
    third = statement(to_book("BL-3", 100), no=3, opening=12_500)
    act(world, FIRST)
    assert quarantined(world, third) == ("statement_gap",)
    events(act(world, statement(no=2, opening=12_500)))
    assert kinds(act(world, third))[0] == "bank.statement_booked"
    row = world.need(QUARANTINE, third.header.quarantine_key)
    assert (row.state, QUARANTINE.listed_by(row)) == ("booked", "booked")


def test_banks_that_begin_to_number_anew_each_year_or_never_number_are_followed():
    world = bank_town()
    act(world, replace(FIRST, header=replace(FIRST.header, sequence=31)))
    anew = statement(no=1, opening=12_500, closed_on="2027-01-04", name="ST-2027-1")
    assert kinds(act(world, anew)) == ["bank.statement_booked"]
    unnumbered = statement(no=2, opening=12_500, sequence=0, closed_on="2027-01-05")
    assert kinds(act(world, unnumbered)) == ["bank.statement_booked"]
    assert world.need(BANK_ACCOUNTS, "BA-1").last_sequence == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"sequence": -1}, "sequence"),
        ({"closed_on": "yesterday"}, "closed_on"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_field(change, field):
    command = replace(FIRST, header=replace(FIRST.header, **change))
    outcome = act(bank_town(), command)
    assert code_of(outcome) is RefusalCode.STATEMENT_FIELD_INVALID
    assert refusal_of(outcome).facts["field"] == field


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ((to_book("BL-1", 0),), "amount_minor"),
        ((to_book("BL-1", 1, booked_on="2026-02-30"),), "booked_on"),
        ((to_book("BL-1", 1),) * (LINES_MAX + 1), "lines"),
    ],
)
def test_lines_that_cannot_be_are_refused_by_field(lines, field):
    outcome = act(bank_town(), replace(FIRST, lines=lines))
    assert code_of(outcome) is RefusalCode.STATEMENT_FIELD_INVALID
    assert refusal_of(outcome).facts["field"] == field


# Two persons ------------------------------------------------------------------


def release(command, **fields):
    usual = {"reason": "the bank lost number 2", "assignee_id": "FI-1"}
    return ReleaseStatement(header=command.header, lines=command.lines, **usual | fields)


def test_two_persons_release_a_statement_with_a_reason():
    world = bank_town()
    act(world, FIRST)
    late = statement(to_book("BL-3", 100), no=3, opening=12_700)
    quarantined(world, late)
    alone = Actor("FI-1", "finance")
    assert code_of(act(world, release(late), actor=alone)) is RefusalCode.SECOND_PERSON_REQUIRED
    booked = events(act(world, release(late)))[0]
    assert (booked.unexplained_minor, booked.reason) == (200, "the bank lost number 2")
    assert world.need(QUARANTINE, late.header.quarantine_key).state == RELEASED
    assert world.need(BANK_ACCOUNTS, "BA-1").closing_minor == 12_800
    assert code_of(act(world, release(late))) is RefusalCode.STATEMENT_NOT_WAITING


def test_a_statement_without_balances_moves_the_account_by_its_lines():
    world = bank_town()
    bare = statement(to_book("BL-1", 100), has_balances=False, closed_on="")
    quarantined(world, bare)
    booked = events(act(world, release(bare)))[0]
    assert (booked.header.closing_minor, booked.unexplained_minor) == (10_100, 0)
    assert world.need(BANK_ACCOUNTS, "BA-1").closed_on == "2026-03-01"


def test_what_cannot_be_passed_over_is_set_aside():
    world = bank_town()
    foreign = statement(to_book("BL-1", 5), bank_account_id="BA-9")
    quarantined(world, foreign)
    assert code_of(act(world, release(foreign))) is RefusalCode.ACCOUNT_UNKNOWN
    assert code_of(act(world, release(foreign, reason=""))) is RefusalCode.REASON_MISSING
    wrong = replace(release(foreign), lines=(to_book("BL-1", 0),))
    assert code_of(act(world, wrong)) is RefusalCode.STATEMENT_FIELD_INVALID
    assert kinds(act(world, release(foreign, sets_aside=True))) == ["bank.statement_set_aside"]
    row = world.need(QUARANTINE, foreign.header.quarantine_key)
    assert (row.state, act(world, foreign)) == (DISCARDED, ())


# Notices ----------------------------------------------------------------------


def test_a_notice_is_provisional_until_a_statement_books_its_line():
    world = bank_town()
    notice = RecordNotice(header=header(9, has_balances=False), lines=(line("BL-1", 2_500),))
    assert kinds(act(world, notice)) == ["bank.notice_recorded"]
    assert BANK_LINES.listed_by(world.need(BANK_LINES, "BL-1")) == PROVISIONAL
    assert act(world, notice) == ()
    events(act(world, FIRST))
    assert world.need(BANK_LINES, "BL-1").state == POSTED
    assert act(world, notice) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bank_account_id": "BA-9"}, RefusalCode.ACCOUNT_UNKNOWN),
        ({"number": "GB00"}, RefusalCode.ACCOUNT_UNKNOWN),
        ({"currency": "CHF"}, RefusalCode.CURRENCY_MISMATCH),
    ],
)
def test_a_notice_of_another_account_or_currency_is_refused(change, code):
    told = replace(header(9), **change)
    outcome = act(bank_town(), RecordNotice(header=told, lines=(line("BL-1", 1),)))
    assert code_of(outcome) is code
