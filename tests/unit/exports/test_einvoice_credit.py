"""Credit notes and months of subscriptions as documents, and as pages of HTML."""

import msgspec
import pytest
from msgspec.structs import replace

from ledger.domain.money.credit_notes import CreditNoteIssued
from ledger.domain.money.invoice_credits import CreditedLine
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.exports.einvoice import Trader, check
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_credit import credit_note_document, subscription_document
from ledger.exports.einvoice_html import write_invoice_html
from ledger.exports.einvoice_sheet import Paid, Sheet
from ledger.exports.einvoice_ubl import write_ubl
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import parse_instant
from tests.support.einvoices import CREDIT, SELLER, SWAP, rule_faults, schema_faults

TAX = TaxRow("DE", "S", 1900, 400, 76)
LINE = CreditedLine(
    position=7,
    line_no=2,
    usage_id="SW-1",
    usage_kind="swap",
    component="SERVICE",
    country="DE",
    category="S",
    rate_bp=1900,
    revenue_account="Income:Swap-Service",
    invoiced_minor=500,
    credited_minor=500,
    tariff_version="T1/1",
)
NOTE = CreditNoteIssued(
    credit_note_no="MG1-CRN-2026-000001",
    invoice_no="MG1-INV-2026-000042",
    driver_id="DR-1",
    currency="EUR",
    lines=(LINE, replace(LINE, line_no=3, component="DISCOUNT", credited_minor=-100)),
    net_minor=400,
    taxes=(TAX,),
    gross_minor=476,
    reason="service_failed",
    issued_on="2026-04-02",
    invoice_issued_on="2026-03-31",
    series="MG1|CRN|2026",
    number=1,
)
MONTH = SubscriptionInvoiced(
    invoice_no="MG1-INV-2026-000043",
    driver_id="DR-1",
    contract_id="SUB-1",
    plan_id="PL-1",
    plan_version=2,
    period="2026-03",
    currency="EUR",
    unit="SWAP",
    quantity=10,
    net_minor=5900,
    taxes=(TaxRow("DE", "S", 1900, 5900, 1121),),
    gross_minor=7021,
    issued_on="2026-03-01",
    due_on="2026-03-15",
    begin_at=parse_instant("2026-02-28T23:00:00Z", "at"),
    end_at=parse_instant("2026-03-31T22:00:00Z", "at"),
    usable_until_at=parse_instant("2026-03-31T22:00:00Z", "at"),
    series="MG1|INV|2026",
    number=43,
    days=31,
    days_of_month=31,
)


@pytest.mark.parametrize("syntax", ["ubl", "cii"])
def test_a_credit_note_names_its_invoice_and_passes_the_rules(syntax):
    document = credit_note_document(NOTE, seller=SELLER)
    assert (document.kind, document.preceding_no, document.preceding_on) == (
        "381",
        "MG1-INV-2026-000042",
        "2026-03-31",
    )
    assert (document.net_minor, document.payable_minor) == (400, 476)
    assert [line.quantity_milli for line in document.lines] == [1000, -1000]
    content = {"ubl": write_ubl, "cii": write_cii}[syntax](document)
    assert schema_faults(content) == []
    assert rule_faults(content, syntax) == []


def test_a_driver_is_named_by_his_id_until_the_vault_says_who_he_is():
    assert credit_note_document(NOTE, seller=SELLER).buyer.name == "Driver DR-1"
    ana = Trader("Ana", SELLER.address)
    assert credit_note_document(NOTE, seller=SELLER, buyer=ana).buyer is ana
    month = subscription_document(MONTH, seller=SELLER, zone="Europe/Berlin", buyer=ana)
    assert month.buyer is ana


def test_a_credit_note_of_two_countries_is_no_document():
    both = replace(NOTE, taxes=(TAX, TaxRow("FR", "S", 2000, 0, 0)))
    with pytest.raises(Malformed, match="one country"):
        credit_note_document(both, seller=SELLER)


def test_a_month_says_what_it_gives_and_how_many_days_are_priced():
    document = subscription_document(MONTH, seller=SELLER, zone="Europe/Berlin", paid_minor=7021)
    check(document)
    (line,) = document.lines
    assert line.description == "PL-1 version 2: 10 swaps"
    assert (line.from_on, line.to_on) == ("2026-03-01", "2026-03-31")
    assert document.payable_minor == 0
    part = replace(MONTH, days=16, unit="KWH", quantity=120_500)
    (line,) = subscription_document(part, seller=SELLER, zone="Europe/Berlin").lines
    assert line.description == "PL-1 version 2: 120.500 kWh, 16 of 31 days"
    content = write_ubl(subscription_document(MONTH, seller=SELLER, zone="Europe/Berlin"))
    assert rule_faults(content, "ubl") == []


def test_a_page_says_what_the_document_says_and_nothing_runs_in_it():
    paid = msgspec.structs.replace(SWAP, paid_minor=2500, rounding_minor=0)
    sheet = Sheet(
        paid,
        (("Ledger entry", "town, position 7"),),
        "https://log.example.net/proof/7",
        "help@example.net",
        (Paid("2026-03-12", "Wallet <me>", 2500, "line 1, 2"),),
    )
    page = write_invoice_html(sheet).decode()
    for words in (
        "Invoice MG1-INV-2026-000042",
        "15.01",
        "Tax 19 % of 21.01",
        "Wallet &lt;me&gt;",
        "This invoice is paid. Thank you.",
        "https://log.example.net/proof/7",
        "help@example.net",
    ):
        assert words in page
    assert "<script" not in page
    assert write_invoice_html(sheet) == write_invoice_html(sheet)
    plain = write_invoice_html(Sheet(CREDIT)).decode()
    assert "Credited to you" in plain
    assert "How this was measured" not in plain
    rounded = msgspec.structs.replace(SWAP, rounding_minor=1)
    assert "Rounding" in write_invoice_html(Sheet(rounded, proof="x")).decode()
    with pytest.raises(Malformed):
        write_invoice_html(Sheet(msgspec.structs.replace(SWAP, number="")))


def test_a_page_heads_lines_that_belong_together_once() -> None:
    group = "Swap at <ST-1>, 2026-03-31 10:15 · SW-1"
    lines = tuple(msgspec.structs.replace(line, group=group) for line in SWAP.lines)
    page = write_invoice_html(Sheet(msgspec.structs.replace(SWAP, lines=lines))).decode()
    assert page.count("<b>Swap at &lt;ST-1&gt;, 2026-03-31 10:15</b><small>SW-1</small>") == 1
    assert all(line.name in page for line in lines)
