"""Credit notes over a real invoice: lines read from the log, partners give back, books at zero."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import PARTNERS_ACCRUED, RECEIVABLE
from ledger.domain.money.credit_notes import CREDIT_NOTES, CreditNoteIssued, IssueCreditNote
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import INVOICES, IssueInvoice, RecordPayment
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command
from ledger.runtime import settling
from ledger.runtime.crediting import credit_order, issuing_entry, open_lines
from ledger.runtime.invoice_view import credit_note_entry, invoice_view
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from ledger.runtime.settling import close_period
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, sqlite_url
from tests.support.told_anew import SWAP, lose_a_leg, swapped_town
from tests.support.town import MARCH, new_town

FINANCE = Actor("FI-1", "finance", "FI-2")
APRIL, MAY = MARCH + 31 * DAY, MARCH + 61 * DAY
INVOICE = "MG1-INV-2024-000001"


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    """Build a town whose drivers were invoiced for March."""
    with new_town(sqlite_url(tmp_path)) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        yield town


def do(ledger: Ledger, command: Command, at: int = APRIL + DAY) -> list[Entry]:
    receipt = ledger.execute_all([asking(command, repr(command), actor=FINANCE, at=at)])[0]
    assert receipt.refusal is None, receipt.refusal
    with ledger.reading() as reads:
        return list(reads.entries(receipt.first, receipt.first + receipt.count))


def order(ledger: Ledger, wanted: dict[str, int] | None = None, **more: str) -> IssueCreditNote:
    with ledger.reading() as reads:
        return credit_order(
            reads,
            INVOICE,
            wanted or {},
            reason="billing_error",
            issued_at=APRIL + DAY,
            **more,
        )


def owed(ledger: Ledger) -> dict[str, int]:
    """Give what stands on receivables of DR-1's invoice and what the operator has earned."""
    with ledger.reading() as reads:
        verify(reads, deep=True)
        found = {one.item: one.quantity for one in reads.balances(RECEIVABLE)}
        shares = {one.item: one.quantity for one in reads.balances(PARTNERS_ACCRUED)}
    return {"invoice": found.get(f"DR-1|{INVOICE}", 0), "OP-1": shares.get("OP-1", 0)}


def test_the_lines_of_an_invoice_are_those_of_the_log(ledger):
    with ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        assert row is not None
        assert issuing_entry(reads, row).envelope.kind == "invoice.issued"
        lines = [one.left for one in open_lines(reads, INVOICE)]
    assert [(one.component, one.invoiced_minor) for one in lines] == [
        ("ENERGY", 280),
        ("SERVICE", 200),
        ("ENERGY", 173),
        ("SERVICE", 123),
    ]
    assert sum(one.invoiced_minor for one in lines) == 776 == row.taxes[0].net_minor


def test_after_a_full_credit_the_invoice_and_the_shares_behind_it_are_zero(ledger):
    before = owed(ledger)
    assert before["invoice"] == 931
    issued, *reduced = do(ledger, order(ledger))
    assert [one.envelope.kind for one in reduced] == ["share.reduced"] * 2
    assert isinstance(issued.event, CreditNoteIssued)
    assert (issued.event.gross_minor, issued.event.applied_minor) == (931, 931)
    after = owed(ledger)
    assert after["invoice"] == 0
    # 70 % of 2.00 and of 1.23 service came back from the operator
    assert after["OP-1"] - before["OP-1"] == 140 + 86
    with pytest.raises(Malformed, match="nothing is left"):
        order(ledger)


def test_parts_of_a_line_are_credited_until_nothing_is_left(ledger):
    with ledger.reading() as reads:
        service = open_lines(reads, INVOICE)[1].name
    for amount, back in ((50, 35), (149, 104), (1, 1)):
        before = owed(ledger)["OP-1"]
        do(ledger, order(ledger, {service: amount}))
        assert owed(ledger)["OP-1"] - before == back
    with pytest.raises(Malformed, match="nothing is left"):
        order(ledger, {service: 0})
    with ledger.reading() as reads:
        assert open_lines(reads, INVOICE)[1].left.credited_minor == 0
        numbers = [name for name, _ in reads.rows(CREDIT_NOTES)]
    assert numbers == [f"MG1-CRN-2024-00000{n}" for n in (1, 2, 3)]


def test_energy_alone_is_no_part_of_a_share_of_the_service(ledger):
    with ledger.reading() as reads:
        energy = open_lines(reads, INVOICE)[0].name
    assert [one.envelope.kind for one in do(ledger, order(ledger, {energy: 280}))] == [
        "credit_note.issued"
    ]


def test_one_usage_is_credited_as_a_whole(ledger):
    with ledger.reading() as reads:
        usage = open_lines(reads, INVOICE)[0].left.usage_id
    issued = do(ledger, order(ledger, usage_id=usage))[0].event
    assert isinstance(issued, CreditNoteIssued)
    assert issued.net_minor == 480


def test_what_partners_gave_back_is_a_correction_in_their_next_statement(ledger):
    do(ledger, order(ledger))
    close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
    with ledger.reading() as reads:
        old = settling.statement(reads, "OP-1", "2024-03")
        view = settling.statement(reads, "OP-1", "2024-04")
    assert view.agrees
    assert [(one.kind, one.share_minor, one.service_net_minor) for one in view.lines] == [
        ("correction", -140, -200),
        ("correction", -86, -123),
    ]
    named = {(one.position, one.posting_index) for one in old.lines}
    assert {one.corrects for one in view.lines} <= named


def test_what_was_paid_before_can_be_refunded(ledger):
    payment = RecordPayment(
        payment_id="PAY-1",
        driver_id="DR-1",
        invoice_no=INVOICE,
        currency="EUR",
        amount_minor=931,
    )
    do(ledger, payment)
    do(ledger, order(ledger))
    assert owed(ledger)["invoice"] == -931
    with ledger.reading() as reads:
        note = reads.row(CREDIT_NOTES, "MG1-CRN-2024-000001")
    assert note is not None
    assert note.refundable_minor == 931


def test_shares_of_a_bill_that_was_taken_back_are_not_given_back_again(tmp_path):
    with swapped_town(sqlite_url(tmp_path)) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        assert len(order(town).shares) == 3
        lose_a_leg(town, APRIL + DAY)  # its bill and its share are taken back
        left = order(town)
        assert [one.original.usage_id != SWAP for one in left.shares] == [True, True]
        assert {one.usage_id for one in left.lines} > {SWAP}


def test_an_invoice_of_nothing_is_found_though_it_posts_nothing(ledger):
    empty = IssueInvoice(
        driver_id="DR-1",
        period="2024-03",
        currency="GBP",
        from_position=0,
        to_position=5,
        line_count=1,
        bases=(TaxBase("FR", "S", 2000, 0),),
        lines_root="root",
        issued_at=APRIL,
    )
    do(ledger, empty)
    with ledger.reading() as reads:
        view = invoice_view(reads, "MG1-INV-2024-000003")
        assert (view.state, view.settled, view.open_minor) == ("paid", [], 0)
        with pytest.raises(NotFound, match="no credit note X-1"):
            credit_note_entry(reads, "X-1")


def test_lines_that_are_not_of_the_invoice_are_named(ledger):
    with pytest.raises(Malformed, match="has no line 1/9"):
        order(ledger, {"1/9": 5})
    with pytest.raises(NotFound, match="has no usage SW-9"):
        order(ledger, usage_id="SW-9")
    with ledger.reading() as reads, pytest.raises(NotFound, match="no invoice X-1"):
        open_lines(reads, "X-1")


def test_ties_of_a_share_go_by_the_contract_and_by_name_where_it_is_not_known(ledger):
    share = order(ledger).shares[0]
    assert share.order == ("OP-1", "MG")
    assert replace(share, order=()).original.shares == {"MG": 60, "OP-1": 140}
