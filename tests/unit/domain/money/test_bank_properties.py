"""Invariants 10 and 12 over random desks: the books of an account are what the bank says.

Statements come with lines that pay, overpay, confirm, or mean nothing; persons identify and take
back. After every step the bank account equals its closing, suspense equals its list, and what the
invoice got equals what its lines posted.
"""

import sys
from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.domain.money.accounts import RECEIVABLE, SUSPENSE, item_of
from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    OPERATING,
    PARTNERS_OWE,
    SETTLED_ITEMS,
    SUSPENSE_ITEMS,
    Match,
    item_key,
)
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.suspense_items import IdentifySuspense
from ledger.kernel.messages import Draft
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal
from tests.support.bank_world import INVOICE, bank_town, pays_invoice, statement, to_book
from tests.support.rules import act

PARTNER = {"partner": "OP-1"}
_AMOUNTS = st.integers(-3_000, 3_000).filter(bool)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.lists(st.tuples(_AMOUNTS, st.integers(0, 4)), max_size=4)),
        st.tuples(st.just("identify"), st.integers(0, 9), st.integers(-3_000, 3_000)),
        st.tuples(st.just("unmatch"), st.integers(0, 9)),
    ),
    max_size=12,
)


class Desk:
    """A town whose postings are summed as they come."""

    def __init__(self):
        self.world = bank_town()
        self.sums: Counter[tuple[str, str]] = Counter({(OPERATING, "BA-1"): 10_000})
        self.lines: list[str] = []
        self.statements = 0

    def does(self, command):
        outcome = act(self.world, command)
        if isinstance(outcome, Refusal):
            return
        for draft in outcome:
            assert isinstance(draft, Draft)
            lines = sys.modules[type(draft.event).__module__].postings(draft.event)
            check_zero(lines)
            for line in lines:
                self.sums[line.account, item_of(line)] += line.quantity

    def settled(self, key):
        row = self.world.get(SETTLED_ITEMS, key)
        return 0 if row is None else row.minor

    def match(self, kind, amount):
        """Settle an invoice or a partner's debt, rightly or wrongly."""
        if kind == 1:
            before = self.settled(item_key(RECEIVABLE, {"driver": "DR-1", "invoice": INVOICE}))
            left = self.world.need(INVOICES, INVOICE).open_minor
            return (pays_invoice(min(amount, left), before_minor=before),)
        if kind == 2:
            return (pays_invoice(amount, before_minor=17),)
        if kind in (3, 4):
            before = self.settled(item_key(PARTNERS_OWE, PARTNER))
            return (Match("reference", PARTNERS_OWE, amount, PARTNER, before_minor=before),)
        return ()

    def book(self, told):
        self.statements += 1
        opening = self.world.need(BANK_ACCOUNTS, "BA-1").closing_minor
        lines = []
        for amount, kind in told:
            self.lines.append(f"BL-{len(self.lines)}")
            lines.append(to_book(self.lines[-1], amount, *self.match(kind, amount)))
        self.does(statement(*lines, no=self.statements, opening=opening))

    def identify(self, place, amount):
        if place < len(self.lines):
            matches = self.match(3, amount)
            self.does(IdentifySuspense(line_id=self.lines[place], matches=matches))

    def unmatch(self, place):
        if place < len(self.lines):
            self.does(UnmatchBankLine(line_id=self.lines[place], reason="wrong"))

    def holds(self):
        account = self.world.need(BANK_ACCOUNTS, "BA-1")
        assert self.sums[OPERATING, "BA-1"] == account.closing_minor
        for line_id in self.lines:
            item = self.world.get(SUSPENSE_ITEMS, line_id)
            assert -self.sums[SUSPENSE, line_id] == (0 if item is None else item.left_minor)
            assert self.world.get(BANK_LINES, line_id) is not None
        invoice = self.world.need(INVOICES, INVOICE)
        assert -self.sums[RECEIVABLE, f"DR-1|{INVOICE}"] == invoice.paid_minor
        assert 0 <= invoice.paid_minor <= invoice.gross_minor
        owed = item_key(PARTNERS_OWE, PARTNER)
        assert -self.sums[PARTNERS_OWE, "OP-1"] == self.settled(owed)


@settings(max_examples=150, deadline=None)
@example([("book", [(1, 1)]), ("book", [(-1, 1)]), ("unmatch", 0)])
@given(_STEPS)
def test_the_books_of_an_account_are_what_the_bank_says_whatever_persons_do(steps):
    desk = Desk()
    for name, *given_ in steps:
        getattr(desk, name)(*given_)
        desk.holds()
