"""Bank files against a ledger that owes and is owed: payouts leave, come back, and are found again.

The ledger is that of a settled month: OP-1 is owed 9.00 for its swaps of May.
"""

import msgspec
import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import order_bytes, releasing
from ledger.domain.cases import CASES
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    PARTNERS_OWE,
    SUSPENSE_ITEMS,
    Match,
)
from ledger.domain.money.breaks import BREAKS
from ledger.domain.money.payout_rows import PAYOUT_BATCHES, PAYOUTS
from ledger.domain.money.reconciling_policy import Policy
from ledger.domain.money.settlement_ends import ReconcileStatement
from ledger.domain.money.suspense_items import IdentifySuspense
from ledger.kernel.errors import Refused
from ledger.kernel.messages import Actor
from ledger.runtime.reconciliation_import import Importing, import_statements
from ledger.runtime.reconciliation_matching import Target, target_of, waiting_lines
from ledger.runtime.reconciliation_run import Running, reconcile
from ledger.runtime.verify import verify
from tests.support.bank_files import camt053, entry, payment, statement
from tests.support.bank_month import AT, BANK, PSP, open_month
from tests.support.cli import error, run
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.partners import IBAN
from tests.support.settled_ledger import PAY_AT, settled_desk
from tests.support.settling import HOLDER, STM, approve, issue, ordered, released
from tests.support.stores import BOTH, new_database

FINANCE = Actor("FI-1", "finance")
PAID = payment(
    "9.00",
    reference="MGE-PO-1-1",
    sign="DBIT",
    name="Example Swaps GmbH",
    remittance="STM-OP-1-2026-05",
)
BACK = payment("9.00", reference="MGE-PO-1-1", name="Example Swaps GmbH", returned="AC04")
DEBIT = entry("9.00", PAID, sign="DBIT", reference="B-1")
MONEY_IN = entry("50.00", payment("50.00", remittance="start"), reference="B-0")


class Bank:
    """Imports statements of BA-1 one after the other, each opening with the last closing."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.files = {}
        self.closing = self.number = 0

    def book(self, *entries, moved):
        opening, self.closing, self.number = self.closing, self.closing + moved, self.number + 1
        content = camt053(
            statement(
                entries,
                opening=f"{opening / 100:.2f}",
                closing=f"{self.closing / 100:.2f}",
                number=str(self.number),
            )
        )
        told = read_statements(content)[1]
        self.files[told[0].file_sha256] = told
        how = Importing(FINANCE, PAY_AT, "FI-9", self.files.__getitem__, payouts=PSP.payouts)
        (done,) = import_statements(self.ledger, told, how)
        assert done.verdict == "booked", done
        return done

    def run(self, day="2026-03-05"):
        return reconcile(self.ledger, Running(day, FINANCE, PAY_AT, self.files.__getitem__))

    def row(self, shelf, key):
        with self.ledger.reading() as reads:
            return reads.row(shelf, key)

    def waiting(self):
        with self.ledger.reading() as reads:
            return list(waiting_lines(reads, self.files.__getitem__, Policy()))


@pytest.fixture
def desk(tmp_path):
    made = settled_desk(tmp_path)
    issue(made)
    approve(made)
    yield made
    made.ledger.close()


@pytest.fixture
def bank(desk):
    return Bank(desk.ledger)


def test_a_booked_debit_confirms_a_payout_and_its_statement_reconciles(desk, bank):
    released(desk)
    assert bank.book(MONEY_IN, DEBIT, moved=4_100).rules == {"reference": 1}
    payout = bank.row(PAYOUTS, "PO-1")
    assert (payout.state, payout.bank_account) == ("CONFIRMED", "BA-1")
    with pytest.raises(Refused, match="not_reconciled"):
        desk.do(ReconcileStatement(statement_id=STM), at=PAY_AT)
    view = bank.run()
    assert view.verdict == "reconciled"
    desk.do(ReconcileStatement(statement_id=STM), at=PAY_AT)
    assert view.legs[0].residual_minor == 0
    assert bank.row(BANK_ACCOUNTS, "BA-1").closing_minor == 4_100


def test_a_return_with_its_reason_opens_the_payable_and_a_case(desk, bank):
    released(desk)
    bank.book(MONEY_IN, DEBIT, entry("9.00", BACK, reference="B-2"), moved=5_000)
    payout = bank.row(PAYOUTS, "PO-1")
    assert (payout.state, payout.reason) == ("RETURNED", "AC04")
    with desk.ledger.reading() as reads:
        cases = [row.case_type for _, row in reads.rows(CASES, listed="open")]
    assert cases == ["PAYOUT_RETURNED"]
    assert bank.run().verdict == "reconciled"


def test_a_return_in_a_later_statement_is_known_by_the_payout_that_left(desk, bank):
    released(desk)
    bank.book(MONEY_IN, DEBIT, moved=4_100)
    assert bank.book(entry("9.00", BACK, reference="B-2"), moved=900).waiting == 0
    assert bank.row(PAYOUTS, "PO-1").state == "RETURNED"


def test_a_debit_seen_twice_goes_to_suspense_with_an_alarm(desk, bank):
    released(desk)
    bank.book(MONEY_IN, DEBIT, moved=4_100)
    bank.book(entry("9.00", PAID, sign="DBIT", reference="B-2"), moved=-900)
    with desk.ledger.reading() as reads:
        ((_, alarm),) = reads.rows(BREAKS, listed="ledger_bank")
    assert (alarm.told.kind, alarm.told.priority) == ("duplicate", 1)
    (waiting,) = [one for one in bank.waiting() if one.item.amount_minor < 0]
    assert waiting.item.reason == "SECOND_DEBIT"


def test_a_batch_that_the_bank_books_as_one_debit_confirms_its_payouts(desk, bank):
    released(desk)
    inner = "<TxDtls><Refs><PmtInfId>MGP-PB-1-1</PmtInfId></Refs></TxDtls>"
    bank.book(MONEY_IN, entry("9.00", inner, sign="DBIT", reference="B-1"), moved=4_100)
    assert bank.row(PAYOUTS, "PO-1").state == "CONFIRMED"


def test_a_debit_before_its_release_waits_and_is_matched_by_a_person(desk, bank):
    ordered(desk)
    bank.book(MONEY_IN, DEBIT, moved=4_100)
    (waiting,) = [one for one in bank.waiting() if one.item.amount_minor < 0]
    assert (waiting.item.reason, waiting.references) == ("UNKNOWN_DEBIT", ("MGE-PO-1-1", STM))
    assert waiting.name == "Example Swaps GmbH"
    line_id = waiting.item.line_id
    desk_releases(desk)
    with desk.ledger.reading() as reads:
        found = target_of(reads, line_id, Target(payout_id="PO-1"))
    desk.do(IdentifySuspense(line_id=line_id, matches=(found,)), FINANCE, at=PAY_AT)
    assert bank.row(PAYOUTS, "PO-1").state == "CONFIRMED"
    assert bank.row(SUSPENSE_ITEMS, line_id).left_minor == 0
    assert bank.run().verdict == "reconciled"


def desk_releases(desk):
    with desk.ledger.reading() as reads:
        batch = reads.row(PAYOUT_BATCHES, "PB-1")
        command = releasing(reads, "PB-1", order_bytes(reads, batch, HOLDER), HOLDER)
    desk.do(command, at=PAY_AT)


def test_a_payee_is_known_by_his_account_and_what_he_owes_is_only_proposed(desk, bank):
    bank.book(MONEY_IN, moved=5_000)
    owing(desk, bank, {"STM-A": 500, "STM-B": 700, "STM-C": 1_100})
    from_payee = payment("18.00", name="Example Swaps GmbH", remittance="our debts").replace(
        "FR1420041010050500013M02606", IBAN
    )
    bank.book(entry("18.00", from_payee, reference="B-1"), moved=1_800)
    waiting = bank.waiting()[-1]
    assert [one.dims["statement"] for one in waiting.proposed] == ["STM-B", "STM-C"]
    desk.do(IdentifySuspense(line_id=waiting.item.line_id, matches=waiting.proposed), FINANCE)
    assert len(bank.waiting()) == 1
    named = payment("5.00", remittance="STM-A")
    assert bank.book(entry("5.00", named, reference="B-2"), moved=500).rules == {"reference": 1}
    with desk.ledger.reading() as reads:
        assert reads.balances(PARTNERS_OWE) == []


def owing(desk, bank, amounts):
    """Have OP-1 owe us amounts by statement: money that left for him, known by a person."""
    for name, amount in amounts.items():
        text = payment(f"{amount / 100:.2f}", sign="DBIT", remittance="lent")
        bank.book(entry(f"{amount / 100:.2f}", text, sign="DBIT", reference=name), moved=-amount)
        (waits,) = [one for one in bank.waiting() if one.item.left_minor < 0]
        match = Match("person", PARTNERS_OWE, -amount, {"partner": "OP-1", "statement": name})
        desk.do(IdentifySuspense(line_id=waits.item.line_id, matches=(match,)), FINANCE)


# A partner's file ---------------------------------------------------------------


def partner_file(folder, total="1.80"):
    head = (
        "external_id,our_reference,service_time,energy_kwh,"
        "energy_amount,service_amount,total,currency"
    )
    rows = [
        f"X-{number},SW-{number},2026-05-01T0{number}:00:00Z,41.700,15.01,5.00,{amount},EUR"
        for number, amount in ((1, total), (2, "1.80"), (3, "1.80"), (4, "1.80"), (5, "1.80"))
    ]
    path = folder / "partner.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("total", "verdict", "code"), [("1.80", "RECONCILED", 0), ("1.81", "BREAKS", 1)]
)
def test_a_partners_file_is_compared_with_the_statement_that_was_issued(
    desk, tmp_path, total, verdict, code
):
    desk.ledger.close()
    words = ("--partner", "OP-1", "--period", "2026-05", "--file", partner_file(tmp_path, total))
    done = run("reconcile", "run", *words, "--on", "2026-07-01", ledger=sqlite_url(tmp_path))
    assert done.exit_code == code, done.output
    assert f"Statement and partner: {STM} EUR - {verdict.lower()}" in done.stdout
    assert "5 lines of the partner's file" in done.stdout
    assert ("TOTAL_DIFFERS" in done.stdout) == bool(code)


def test_a_partner_without_a_statement_or_in_another_currency_is_not_found(desk, tmp_path):
    desk.ledger.close()
    path = partner_file(tmp_path)
    for more in (("--period", "2026-04"), ("--period", "2026-05", "--currency", "CNY")):
        words = ("--partner", "OP-1", *more, "--file", path)
        found = error("reconcile", "run", *words, ledger=sqlite_url(tmp_path))
        assert found["kind"] == "NotFound"
    path.write_text("nothing", encoding="utf-8")
    words = ("--partner", "OP-1", "--period", "2026-05", "--file", path)
    found = error("reconcile", "run", *words, ledger=sqlite_url(tmp_path))
    assert (found["kind"], found["place"]) == ("Malformed", str(path))


# Both databases -----------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
def test_a_month_is_imported_reconciled_and_replayed_on_both_databases(kind, request, tmp_path):
    with new_ledger(new_database(kind, request, tmp_path)) as ledger:
        open_month(ledger)
        kept = {told[0].file_sha256: told for told in (read_statements(one)[1] for one in BANK)}
        how = Importing(FINANCE, AT, "FI-9", kept.__getitem__, payouts=PSP.payouts)
        first, second, third = kept.values()
        done = import_statements(ledger, [*third, *first, *second], how)
        assert [one.verdict for one in done] == ["quarantined", "booked", "booked", "booked"]
        view = reconcile(ledger, Running("2026-03-04", FINANCE, AT, kept.__getitem__, psp=PSP))
        assert (view.verdict, {leg.residual_minor for leg in view.legs}) == ("reconciled", {0})
        assert msgspec.json.encode(view)
        with ledger.reading() as reads:
            verify(reads, deep=True)
