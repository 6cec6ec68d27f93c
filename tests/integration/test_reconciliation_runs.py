"""Runs over a month: what they say although the sums agree, and what keeps a leg incomplete."""

import msgspec
import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.domain.money.bank_rows import (
    PARTNERS_OWE,
    QUARANTINE,
    SUSPENSE_ITEMS,
)
from ledger.domain.money.invoices import RecordPayment
from ledger.domain.money.psp_records import PspBalance, PspPayout
from ledger.domain.money.reconciling_policy import Policy
from ledger.domain.money.suspense_items import NoteSuspense
from ledger.kernel.errors import Conflict, NotFound
from ledger.kernel.messages import Actor
from ledger.runtime.reconciliation_import import Importing, import_statements, release
from ledger.runtime.reconciliation_matching import Target, target_of, waiting_lines
from ledger.runtime.reconciliation_run import Running, gather, reconcile
from tests.support.bank_files import document, entry, payment
from tests.support.bank_month import AT, BANK, INVOICES, PSP, open_month
from tests.support.ledgers import asking, new_ledger, sqlite_url
from tests.support.stores import behind_its_back

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


@pytest.fixture
def month(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        open_month(ledger)
        yield ledger


def imported(ledger, *contents):
    kept = {told[0].file_sha256: told for told in (read_statements(one)[1] for one in contents)}
    how = Importing(FINANCE, AT, "FI-9", kept.__getitem__, payouts=PSP.payouts)
    for told in kept.values():
        import_statements(ledger, told, how)
    return kept


def test_money_on_suspense_that_is_no_bank_line_is_named(month):
    kept = imported(month, *BANK)
    extra = RecordPayment(
        payment_id="PY-9", driver_id="DR-1", invoice_no="", currency="EUR", amount_minor=1
    )
    month.execute(asking(extra, "extra", actor=FINANCE, at=AT))
    view = reconcile(month, Running("2026-03-04", FINANCE, AT, kept.__getitem__, psp=PSP))
    told = next(leg for leg in view.legs if leg.leg == "ledger_psp")
    assert told.warnings == ("PY-9 holds 1 EUR on suspense, and nobody looks after it",)
    assert view.verdict == "reconciled_with_warnings"


def test_a_notice_that_is_never_booked_and_a_late_line_are_warned_of(month):
    body = (
        "<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N</MsgId></GrpHdr><Ntfctn><Id>N-1</Id><Acct><Id>"
        "<IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{entry('1.00', reference='B-9')}</Ntfctn></BkToCstmrDbtCdtNtfctn>"
    )
    kept = imported(month, *BANK, document("camt.054.001.08", body))
    view = reconcile(month, Running("2026-03-31", FINANCE, AT, kept.__getitem__))
    assert view.verdict == "reconciled_with_warnings"
    late, noticed = view.legs[0].warnings
    assert "is on suspense since 2026-03-02: UNKNOWN" in late
    assert "was noticed on 2026-03-02 and never booked" in noticed


def test_what_suspense_holds_and_its_list_must_agree(month, tmp_path):
    kept = imported(month, *BANK)
    with behind_its_back(sqlite_url(tmp_path)) as tx:
        sums = "UPDATE balance SET quantity = quantity + 1 WHERE account = 'Liabilities:Suspense'"
        assert tx.exec_driver_sql(sums).rowcount == 1
    view = reconcile(month, Running("2026-03-04", FINANCE, AT, kept.__getitem__))
    assert view.verdict == "incomplete"
    assert "holds 7776 on suspense, the list says 7777" in view.legs[0].faults[0]


def test_a_line_whose_file_is_gone_still_waits_and_one_without_words_too(month):
    imported(month, *BANK)

    def nothing_kept(digest):
        raise NotFound(digest)

    with month.reading() as reads:
        (waiting,) = waiting_lines(reads, nothing_kept, Policy())
        (other,) = waiting_lines(reads, lambda _: [], Policy())
    assert (waiting.name, waiting.texts, waiting.item.left_minor) == ("", (), 7_777)
    assert other == waiting


@pytest.mark.parametrize(
    ("target", "account", "dims"),
    [
        (Target(invoice_no=INVOICES[1]), "Assets:Receivables:Drivers", ("driver", "invoice")),
        (Target(partner_id="OP-1", statement="S"), PARTNERS_OWE, ("partner", "statement")),
        (Target(psp_payout="po_1"), "Assets:PSP:In-Transit", ("payout",)),
        (Target(other_line="BL-9"), "Liabilities:Suspense", ("bank_line",)),
        (Target(is_charge=True), "Expenses:Bank-Charges", ()),
        (Target(is_capital=True), "Equity:Capital", ()),
    ],
)
def test_a_person_names_what_a_line_was(month, target, account, dims):
    imported(month, *BANK)
    with month.reading() as reads:
        ((line_id, _),) = reads.rows(SUSPENSE_ITEMS, listed="open")
        found = target_of(reads, line_id, target, 77)
    assert (found.account, tuple(found.dims)) == (account, dims)
    assert found.amount_minor == (0 if target.invoice_no else 77)  # that one is paid already


def test_a_person_names_something(month):
    imported(month, *BANK)
    with month.reading() as reads:
        ((line_id, _),) = reads.rows(SUSPENSE_ITEMS, listed="open")
        for target in (Target(), Target(payout_id="PO-9"), Target(invoice_no="I-9")):
            with pytest.raises(NotFound):
                target_of(reads, line_id, target)
        with pytest.raises(NotFound):
            target_of(reads, "BL-9", Target(is_charge=True))


def test_what_waits_in_quarantine_makes_its_leg_incomplete(month):
    kept = imported(month, BANK[0], BANK[2])
    view = reconcile(month, Running("2026-03-04", FINANCE, AT, kept.__getitem__))
    assert view.verdict == "incomplete"
    assert "ST-3 waits in quarantine: statement_gap, opening_mismatch" in view.legs[0].faults[0]


def test_a_kept_file_that_reads_otherwise_now_stays_in_quarantine(month):
    first, second, third = (read_statements(one)[1] for one in BANK)
    kept = {told[0].file_sha256: told for told in (first, second, third)}
    how = Importing(FINANCE, AT, "FI-9", kept.__getitem__)
    import_statements(month, [*first, *third], how)
    kept[third[0].file_sha256] = second
    done = import_statements(month, second, how)
    assert [one.verdict for one in done] == ["booked"]
    with month.reading() as reads:
        ((key, _),) = reads.rows(QUARANTINE, listed="waiting")
    two = msgspec.structs.replace(how, actor=Actor("FI-1", "finance", "FI-2"))
    with pytest.raises(Conflict):
        release(month, key, two, reason="lost", sets_aside=False)


def test_a_list_that_does_not_follow_or_names_other_currencies_is_told(month):
    kept = imported(month, *BANK)
    swiss = msgspec.structs.replace(
        PSP.transactions[0], transaction_id="txn_9", currency="CHF", payout_id=""
    )
    told = msgspec.structs.replace(
        PSP,
        transactions=(*PSP.transactions, swiss),
        balances=(*PSP.balances, PspBalance("CHF", swiss.net_minor, 0)),
        payouts=(*PSP.payouts, PspPayout("po_2", "CHF", 5, "2026-04-02")),
        opening=(PspBalance("EUR", 1, 0),),
    )
    how = Running("2026-04-30", FINANCE, AT, kept.__getitem__, psp=told)
    with month.reading() as reads:
        legs = {(one.result.leg, one.result.scope): one.result for one in gather(reads, how)}
    books = legs["ledger_psp", "psp-EUR"]
    assert "the list begins with 1, the run before ended with 0" in books.faults
    assert legs["ledger_psp", "psp-CHF"].differences[0].kind == "missing_ledger"
    assert legs["psp_bank", "psp-CHF"].external_closing == 0
    assert legs["psp_bank", "psp-EUR"].differences == ()


def test_a_line_that_is_held_is_not_late_until_its_day(month):
    kept = imported(month, *BANK)
    with month.reading() as reads:
        ((line_id, _),) = reads.rows(SUSPENSE_ITEMS, listed="open")
    note = NoteSuspense(line_id=line_id, hold_until="2026-03-20")
    month.execute(asking(note, "hold", actor=FINANCE, at=AT))
    for day, verdict in (("2026-03-19", "reconciled"), ("2026-03-21", "reconciled_with_warnings")):
        view = reconcile(month, Running(day, FINANCE, AT, kept.__getitem__))
        assert view.verdict == verdict
