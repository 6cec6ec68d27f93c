"""An invoice as PDF says what the document says, the same bytes at every run."""

from io import BytesIO

import msgspec
import pytest
from pypdf import PdfReader

from ledger.exports.einvoice_sheet import Sheet
from ledger.exports.invoice_pdf import write_invoice_pdf
from ledger.kernel.errors import Malformed
from tests.support.einvoices import CREDIT, SWAP

FACTS = (("Pack given", "PK-1: 90.00 % of 73.500 kWh"), ("Ledger entry", "position 223003"))
SHEET = Sheet(SWAP, FACTS, "https://log.example.org/log/town/proof/223003", "support@example.org")


def pages(sheet: Sheet) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(write_invoice_pdf(sheet))).pages]


def test_the_page_carries_every_line_sum_and_fact() -> None:
    (page,) = pages(SHEET)
    for words in (
        "Invoice",
        SWAP.number,
        "2026-04-14",
        "Driver DR-76832F",
        "20095 Hamburg",
        "41.7 kWh",
        "0.36",
        "15.01",
        "at least 20 kWh",
        "Tax 19 % of 21.01",
        "3.99",
        "25.00 EUR",
        "DE89 3704 0044 0532 0130 00",
        "position 223003",
        "DE123456789",
        "page 1",
    ):
        assert words in page, words


def test_a_second_run_gives_the_same_bytes() -> None:
    assert write_invoice_pdf(SHEET) == write_invoice_pdf(msgspec.structs.replace(SHEET))


def test_a_credit_note_names_its_invoice_and_asks_for_nothing() -> None:
    (page,) = pages(Sheet(CREDIT))
    assert "Credit note" in page
    assert SWAP.number in page
    assert "Credited to you" in page
    assert "Please pay" not in page
    assert "How this was measured" not in page


def test_a_paid_invoice_says_thank_you_and_shows_the_rounding() -> None:
    paid = msgspec.structs.replace(
        SWAP, paid_minor=2501, rounding_minor=1, payee_iban="", note="", buyer=SWAP.seller
    )
    (page,) = pages(Sheet(paid))
    for words in ("This invoice is paid", "Rounding", "0.01 EUR", "-25.01 EUR", "0.00 EUR"):
        assert words in page, words


def test_many_lines_go_on_to_the_next_page_with_the_same_head() -> None:
    first = SWAP.lines[0]
    lines = tuple(msgspec.structs.replace(first, line_id=str(n)) for n in range(1, 61))
    taxes = (msgspec.structs.replace(SWAP.taxes[0], base_minor=90060, tax_minor=17111),)
    many = pages(Sheet(msgspec.structs.replace(SWAP, lines=lines, taxes=taxes)))
    assert len(many) > 1
    assert all(SWAP.number in page for page in many)
    with_lines = [page for page in many if "41.7 kWh" in page]
    assert len(with_lines) > 1
    assert all("Quantity" in page for page in with_lines)
    assert "1071.71 EUR" in many[-1]


def test_chinese_names_and_markup_are_set_as_they_are() -> None:
    buyer = msgspec.structs.replace(SWAP.buyer, name="\u674e\u96f7 <b>&amp;</b>")
    content = write_invoice_pdf(Sheet(msgspec.structs.replace(SWAP, buyer=buyer)))
    assert b"STSong-Light" in content
    (page,) = pages(Sheet(msgspec.structs.replace(SWAP, buyer=buyer)))
    assert "\u674e\u96f7" in page.replace(" ", "")


def test_what_does_not_add_up_is_not_set() -> None:
    with pytest.raises(Malformed):
        write_invoice_pdf(Sheet(msgspec.structs.replace(SWAP, taxes=())))


def test_lines_of_one_swap_stand_below_what_it_was() -> None:
    group = "Swap at ST-1, 2026-03-31 10:15 \u00b7 SW-1, tariff TF-1"
    lines = tuple(msgspec.structs.replace(line, group=group) for line in SWAP.lines)
    (page,) = pages(Sheet(msgspec.structs.replace(SWAP, lines=lines)))
    assert page.count("Swap at ST-1, 2026-03-31 10:15") == 1
    assert page.count("SW-1, tariff TF-1") == 1
    assert all(line.name in page for line in lines)


def test_the_country_stands_in_an_address_only_where_it_is_another() -> None:
    address = msgspec.structs.replace(SWAP.buyer.address, country="FR")
    abroad = msgspec.structs.replace(
        SWAP, buyer=msgspec.structs.replace(SWAP.buyer, address=address)
    )
    assert "\nFR\n" in pages(Sheet(abroad))[0]
    assert "\nDE\n" not in pages(Sheet(SWAP))[0]
