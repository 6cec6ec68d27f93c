"""Bank lines stand on the day on which the bank booked them, whenever a file tells of them."""

import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import SUSPENSE_ITEMS
from ledger.domain.money.period_close import BeginClosing, OpenBooks
from ledger.domain.money.posting_dates import local_day, posting_date
from ledger.domain.money.suspense_items import IdentifySuspense
from ledger.domain.opening import OpenLedger
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import parse_instant
from ledger.runtime.ledger import create_ledger
from ledger.runtime.reads import Moment
from ledger.runtime.reconciliation_day import bank_days
from ledger.runtime.reconciliation_import import Importing, import_statements
from ledger.runtime.reconciliation_matching import Target, target_of
from ledger.runtime.replay import replay
from ledger.runtime.verify import compare
from tests.support.bank_files import OWN_IBAN, camt053, entry, payment, statement
from tests.support.book_month import FINANCE, ZONE, by_hand, do
from tests.support.books import at
from tests.support.ledgers import SYSTEM, asking, sqlite_url

FEBRUARY = at("2026-02-03T08:00")
DAYS = ("2026-01-30", "2026-01-31", "2026-01-31", "2026-02-01")
ACCOUNT = RegisterBankAccount(
    bank_account_id="BA-1",
    number=OWN_IBAN,
    currency="EUR",
    opened_on="2026-01-01",
    opening_minor=10_000,
)


def told(number, opening, closing, *lines):
    """Write a statement of lines (day, amount, direction, reference), read it."""
    entries = [
        entry(amount, payment(amount, sign=sign, remittance="x"), sign=sign, reference=name)
        .replace("2026-03-02", day)
        .replace("2026-03-03", day)
        for day, amount, sign, name in lines
    ]
    text = statement(entries, opening=opening, closing=closing, number=str(number))
    return read_statements(camt053(text.replace("2026-03-02", lines[-1][0])))[1]


JANUARY = told(
    1,
    "100.00",
    "165.00",
    ("2026-01-30", "40.00", "CRDT", "B-1"),
    ("2026-01-31", "25.00", "CRDT", "B-2"),
)
ACROSS = told(
    2,
    "165.00",
    "158.00",
    ("2026-01-31", "5.00", "DBIT", "B-3"),
    ("2026-02-01", "2.00", "DBIT", "B-4"),
)


class Bank:
    """A ledger whose books are kept in Berlin from January on, and files of its bank."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.files = {one[0].file_sha256: one for one in (JANUARY, ACROSS)}
        do(ledger, OpenBooks(period="2026-01", zone=ZONE), "2026-01-01T08:00")
        do(ledger, ACCOUNT, "2026-01-05T09:00")

    def book(self, *files, at_=FEBRUARY):
        how = Importing(FINANCE, at_, "FI-9", self.files.__getitem__)
        return [one.verdict for file in files for one in import_statements(self.ledger, file, how)]

    def days(self, kind="bank.line_booked"):
        """Give the days in the books of bank lines, and the days on which they happened."""
        with self.ledger.reading() as reads:
            found = [one.envelope for one in reads.entries(kinds=(kind,))]
        return [(posting_date(one, ZONE), local_day(one.valid_at, ZONE)) for one in found]

    def held(self, day, account="Assets:Bank:Operating"):
        """Give what the books say that an account held when a day ended in Berlin."""
        ends = parse_instant(f"{day}T23:59:59.999999+01:00", "at")
        with self.ledger.reading() as reads:
            rows = reads.balances(account, at=Moment(ends, reads.size))
        return sum(one.quantity for one in rows)

    def compared(self, day):
        with self.ledger.reading() as reads:
            return bank_days(reads, day, self.files.__getitem__)


@pytest.fixture
def bank(tmp_path):
    command = OpenLedger(ledger="days", origin="log.example.net/log/days", zone=ZONE)
    opened = asking(command, "open", actor=SYSTEM, at=at("2026-01-01T07:00"))
    with create_ledger(sqlite_url(tmp_path), opened) as ledger:
        yield Bank(ledger)


def test_a_statement_that_comes_in_the_next_month_stands_in_the_month_of_its_lines(bank):
    assert bank.book(JANUARY, ACROSS) == ["booked", "booked"]
    assert bank.days() == [(day, day) for day in DAYS]
    assert bank.days("bank.account_registered") == [("2026-01-01", "2026-01-01")]
    held = [bank.held(day) for day in ("2025-12-31", "2026-01-01", *DAYS)]
    assert held == [0, 10_000, 14_000, 16_000, 16_000, 15_800]


def test_in_a_closed_month_it_stands_in_the_open_one_and_happened_on_its_day(bank):
    do(bank.ledger, BeginClosing(period="2026-01"), "2026-02-02T08:00")
    bank.book(JANUARY, ACROSS)
    assert bank.days() == [("2026-02-03", day) for day in DAYS[:3]] + [(DAYS[3], DAYS[3])]
    assert bank.held("2026-01-31") == 16_000
    with bank.ledger.reading() as reads:
        compare(reads, replay(reads))


def test_the_order_in_which_files_come_changes_no_day(bank):
    assert bank.book(ACROSS, JANUARY) == ["quarantined", "booked", "booked"]
    assert bank.days() == [(day, day) for day in DAYS]
    assert bank.book(JANUARY, ACROSS) == ["duplicate", "duplicate"]


def test_a_line_of_a_day_that_still_lasts_happens_when_it_is_told(bank):
    early = at("2026-01-31T12:00")
    bank.book(JANUARY, at_=early)
    with bank.ledger.reading() as reads:
        last = [one.envelope for one in reads.entries(kinds=("bank.line_booked",))][-1]
    assert (last.occurred_at, last.valid_at >= early) == (None, True)
    assert bank.days() == [(day, day) for day in DAYS[:2]]


def test_a_line_that_is_taken_back_stands_on_no_day_twice(bank):
    bank.book(JANUARY)
    with bank.ledger.reading() as reads:
        ((line_id, _), _) = sorted(reads.rows(SUSPENSE_ITEMS, listed="open"))
        match = target_of(reads, line_id, Target(is_capital=True))
    do(bank.ledger, IdentifySuspense(line_id=line_id, matches=(match,)), "2026-02-04T08:00")
    do(bank.ledger, UnmatchBankLine(line_id=line_id, reason="wrong"), "2026-02-05T08:00")
    for day in ("2026-01-31", "2026-02-04", "2026-02-06"):
        assert bank.held(day) == 16_500
    assert bank.held("2026-02-06", "Liabilities:Suspense") == -6_500


def test_books_and_bank_are_compared_at_the_end_of_a_day_whenever_both_were_told(bank):
    assert bank.compared("2025-12-31") == []
    bank.book(JANUARY, ACROSS)
    for day, closing, matched in (
        ("2026-01-01", 10_000, 1),
        ("2026-01-30", 14_000, 2),
        ("2026-01-31", 16_000, 4),
        ("2026-02-01", 15_800, 5),
    ):
        (leg,) = bank.compared(day)
        assert (leg.external_closing, leg.ledger_closing, leg.residual_minor) == (
            closing,
            closing,
            0,
        )
        assert (leg.matched, leg.differences, leg.faults) == (matched, (), ())
    with pytest.raises(Malformed):
        bank.compared("2026-02-30")


def test_what_the_bank_did_not_book_and_a_file_that_is_gone_are_named(bank):
    bank.book(JANUARY)
    do(bank.ledger, by_hand(1, -300), "2026-02-03T09:00")
    (leg,) = bank.compared("2026-02-03")
    (missing,) = leg.differences
    assert (missing.kind, missing.amount_minor, leg.residual_minor) == ("missing_external", 300, 0)

    def gone(digest):
        raise NotFound(digest)

    with bank.ledger.reading() as reads:
        (leg,) = bank_days(reads, "2026-01-31", gone)
    assert "is not kept" in leg.faults[0]
