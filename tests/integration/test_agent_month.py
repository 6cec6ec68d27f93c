"""A month of a partner who sells in his own name: sold, invoiced, credited, settled."""

from functools import partial

import msgspec
import pytest

from ledger.domain.money.accounts import PARTNERS_ACCRUED, UNBILLED
from ledger.domain.money.agency import Seller
from ledger.domain.money.billing import BILLED
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.templates_partners import COMMISSION
from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead, sheet_of, written
from ledger.exports.proven import prove_bill
from ledger.exports.statement_papers import paper_of
from ledger.exports.statement_pdf import write_statement_pdf
from ledger.kernel.instants import DAY
from ledger.runtime.crediting import credit_order
from ledger.runtime.invariants import check_invariants
from ledger.runtime.receipts import history, receipt_of
from ledger.runtime.settling import close_period
from ledger.runtime.verify import verify
from tests.support.bundles import holds_for_strangers
from tests.support.einvoices import schema_faults
from tests.support.ledgers import sqlite_url
from tests.support.partners import PAYER
from tests.support.settled_ledger import JUNE_2026, settled_desk
from tests.support.told_anew import AT, lose_a_leg, swapped_town
from tests.support.usage import agreement

SELLER = Seller("OP-1", "Example Swaps GmbH", "Hauptstr. 1", "10115", "Berlin", "DE", "DE123456789")
US = Trader("Mobile Grid GmbH", Address("Ring 2", "Berlin", "10115", "DE"), vat_id="DE999999999")
HEAD = Letterhead(US)
JULY_2026 = JUNE_2026 + 30 * DAY
INVOICE = "OP-1-INV-2026-000001"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Five swaps of 25.00 in May, closed; in June one of them is credited; June is closed."""
    folder = tmp_path_factory.mktemp("agent")
    made = settled_desk(
        folder, model="agent", weights={}, order=(), commission_bp=1_000, seller=SELLER
    )
    close_period(made.ledger, "2026-05", actor=PAYER, at=JUNE_2026)
    with made.ledger.reading() as reads:
        order = credit_order(
            reads, INVOICE, {}, reason="service_failed", issued_at=JUNE_2026, usage_id="SW-2"
        )
    made.do(order)
    close_period(made.ledger, "2026-06", actor=PAYER, at=JULY_2026)
    yield made
    made.ledger.close()


def test_the_driver_owes_the_partners_invoice_and_the_partner_is_owed_the_rest(desk):
    with desk.ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        assert row is not None
        assert row.seller == SELLER
        # 5 x 21.01 net, 19 % of 105.05 are 19.96
        assert (row.gross_minor, row.credited_minor) == (12_501, 2_500)
        said = [one.calculation for _, one in reads.rows(STATEMENTS, listed="OP-1")]
        assert [(one.line_count, one.amounts[0].share_minor) for one in said] == [
            (5, 5 * 1_803),
            (3, 1_996 - 2_500 + 298),
        ]
        owed = sum(-one.quantity for one in reads.balances(PARTNERS_ACCRUED, item="OP-1"))
        assert owed == sum(one.amounts[0].share_minor for one in said)
        assert [one for one in reads.balances(UNBILLED) if one.quantity] == []
        billed = reads.row(BILLED, "SW-1")
        assert billed is not None
        told = receipt_of(reads, "DR-1", "SW-1", history(reads, "DR-1"))
        assert (told.seller, told.total_minor) == ("Example Swaps GmbH", 2_500)


def test_every_line_and_document_is_what_the_entries_say(desk):
    with desk.ledger.reading() as reads:
        verify(reads, deep=True)
        assert all(one.holds for one in check_invariants(reads, deep=True))


def test_papers_name_who_sells(desk):
    with desk.ledger.reading() as reads:
        sheet = sheet_of(reads, INVOICE, HEAD)
        note = sheet_of(reads, "OP-1-CRN-2026-000001", HEAD)
        ours = paper_of(reads, "STM-OP-1-2026-06", HEAD)
        assert write_statement_pdf(ours).startswith(b"%PDF")
    assert sheet.document.seller.name == note.document.seller.name == "Example Swaps GmbH"
    assert sheet.document.seller.vat_id == "DE123456789"
    assert "by Mobile Grid GmbH" in sheet.document.note
    for wanted in ("ubl", "cii", "html"):
        assert b"Example Swaps GmbH" in written(sheet, wanted)
    for paper in (sheet, note):
        assert schema_faults(written(paper, "ubl")) == []


def test_a_bill_made_anew_takes_the_sale_back_and_leaves_nothing_unbilled(tmp_path):
    terms = agreement(
        model="agent",
        weights={},
        order=(),
        commission_bp=1_000,
        seller=msgspec.structs.replace(SELLER, country="FR", vat_id="FR123456789"),
    )
    agreed = AgreeContract(contract_id="CT-2", partner_id="OP-1", terms=terms)
    make = partial(prove_bill, driver_id="DR-1", period="2024-03")
    with swapped_town(sqlite_url(tmp_path), [agreed]) as ledger:
        bundle, remarks = holds_for_strangers(ledger, make, tmp_path / "bill.zip")
        assert sold_by(bundle) == {"", "OP-1"}
        assert not [one for one in remarks if "word" in one]
        with ledger.reading() as reads:
            before = -sum(one.quantity for one in reads.balances(COMMISSION))
        changed = lose_a_leg(ledger, AT + 5 * DAY)
        with ledger.reading() as reads:
            after = [one for one in reads.balances(COMMISSION) if one.quantity]
            unbilled = {one.item for one in reads.balances(UNBILLED) if one.quantity}
            verify(reads, deep=True)
        holds_for_strangers(ledger, make, tmp_path / "bill.zip")
    assert before > 0
    assert after == []
    assert "OP-1" not in unbilled
    kinds = [one.envelope.kind for one in changed]
    assert kinds.index("share.reversed") < kinds.index("usage.reversed")


def sold_by(bundle):
    """List who sold the usages on a bill; "" for us."""
    entries = [msgspec.json.decode(one) for one in bundle.entries]
    said = [one["body"] for one in entries if one["kind"] == "usage.accrued"]
    return {one.get("seller_id", "") for one in said}
