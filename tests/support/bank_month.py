"""A small month of money: invoices paid by bank and by card, the provider's payout, its files.

``BANK`` are three statements of BA-1; ``PSP`` is the list of the payment provider. Everything in
them is booked by `open_month`, so that every leg of a run agrees to the cent.
"""

from collections.abc import Sequence

from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import IssueInvoice, RecordPayment
from ledger.domain.money.payments_books import PostBalanceLine
from ledger.domain.money.psp_records import BalanceTransaction, PspBalance, PspList, PspPayout
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor, Command
from ledger.runtime.ledger import Ledger, accepted
from tests.support.bank_files import OWN_IBAN, camt053, entry, payment, statement
from tests.support.ledgers import asking

FINANCE = Actor("FI-1", "finance", "FI-2")
AT = parse_instant("2026-04-01T08:00:00Z", "at")
INVOICES = ("MG1-INV-2026-000001", "MG1-INV-2026-000002")

TRANSACTIONS = (
    BalanceTransaction(
        "txn_1", "EUR", 4_510, 0, 4_510, "charge", "2026-04-01", source_id="PY-1", payout_id="po_1"
    ),
    BalanceTransaction("txn_2", "EUR", -63, 0, -63, "fee", "2026-04-01", payout_id="po_1"),
    BalanceTransaction("txn_3", "EUR", -4_447, 0, -4_447, "payout", "2026-04-02", source_id="po_1"),
    BalanceTransaction("txn_4", "EUR", 250, 0, 250, "charge", "2026-04-02", source_id="PY-2"),
    BalanceTransaction("txn_5", "EUR", -13, 0, -13, "fee", "2026-04-02"),
)
PSP = PspList(
    TRANSACTIONS,
    (PspPayout("po_1", "EUR", 4_447, "2026-04-02", "TRACE-1"),),
    (PspBalance("EUR", 200, 37),),
)

LINES = (
    [entry("25.00", payment("25.00", remittance=f"invoice {INVOICES[0]}"), reference="B-1")],
    [entry("44.47", payment("44.47", remittance="STRIPE TRACE-1"), reference="B-2")],
    [
        entry("3.50", sign="DBIT", reference="B-3").replace("RCDT", "OTHR").replace("ESCT", "CHRG"),
        entry("77.77", payment("77.77", remittance="thank you"), reference="B-4"),
    ],
)
CLOSINGS = ("100.00", "125.00", "169.47", "243.74")
BANK = tuple(
    camt053(
        statement(
            lines, opening=CLOSINGS[place], closing=CLOSINGS[place + 1], number=str(place + 1)
        )
    )
    for place, lines in enumerate(LINES)
)


def _commands() -> Sequence[Command]:
    account = RegisterBankAccount(
        bank_account_id="BA-1",
        number=OWN_IBAN,
        currency="EUR",
        opened_on="2026-03-01",
        opening_minor=10_000,
    )
    invoices = [
        IssueInvoice(
            driver_id="DR-1",
            period="2026-03",
            currency="EUR",
            from_position=place,
            to_position=place + 1,
            line_count=1,
            bases=(TaxBase("DE", "S", 1900, net),),
            lines_root="00",
            issued_at=AT,
        )
        for place, net in ((0, 2_101), (1, 4_000))
    ]
    paid = [
        RecordPayment(
            payment_id=name,
            driver_id="DR-1",
            invoice_no=invoice,
            currency="EUR",
            amount_minor=amount,
        )
        for name, invoice, amount in (("PY-1", INVOICES[1], 4_510), ("PY-2", INVOICES[1], 250))
    ]
    fees = (TRANSACTIONS[1], TRANSACTIONS[2], TRANSACTIONS[4])
    driver = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
    return [driver, account, *invoices, *paid, *(PostBalanceLine(line=one) for one in fees)]


def open_month(ledger: Ledger) -> None:
    """Live through the month, up to what the bank will tell."""
    for place, command in enumerate(_commands()):
        request = asking(command, f"month {place}", actor=FINANCE, at=AT + place)
        accepted(ledger.execute(request))
