"""A business document is held to its own sums before a byte of it is written."""

from typing import Any

import msgspec
import pytest

from ledger.exports.einvoice import BusinessDocument, Line, Tax, check
from ledger.exports.einvoice_cii import write_cii
from ledger.exports.einvoice_ubl import write_ubl
from ledger.kernel.errors import Malformed
from tests.support.einvoices import CREDIT, SELLER, SWAP


def changed(**fields: Any) -> BusinessDocument:
    return msgspec.structs.replace(SWAP, **fields)


def with_line(**fields: Any) -> BusinessDocument:
    return changed(lines=(msgspec.structs.replace(SWAP.lines[0], **fields), *SWAP.lines[1:]))


def test_the_golden_bill_sums_to_twenty_five() -> None:
    check(SWAP)
    assert (SWAP.net_minor, SWAP.tax_minor, SWAP.gross_minor) == (2101, 399, 2500)
    assert SWAP.payable_minor == 2500
    assert changed(paid_minor=1000, rounding_minor=1).payable_minor == 1501


@pytest.mark.parametrize(
    ("document", "field", "rule"),
    [
        (changed(number=""), "BT-1 number", "is missing"),
        (changed(issued_on=""), "BT-2 issue date", "is missing"),
        (changed(delivered_on=""), "BT-72 delivery date", "is missing"),
        (
            changed(seller=msgspec.structs.replace(SELLER, vat_id="")),
            "BT-31 seller's tax number",
            "is missing",
        ),
        (changed(currency="XXX"), "BT-5 currency", "not a currency"),
        (changed(lines=()), "BG-25 lines", "1 to 10000"),
        (changed(preceding_no="MG1-INV-2026-000001"), "BT-25 preceding", "a credit note"),
        (msgspec.structs.replace(CREDIT, preceding_no=""), "BT-25 preceding", "a credit note"),
        (changed(due_on=""), "BT-9 due date", "has a day"),
        (with_line(category="X"), "line 1 BT-151", "not a category"),
        (with_line(price_micro=-1), "line 1 BT-146 price", "not negative"),
        (with_line(net_minor=1504), "line 1 BT-131 net", "gives 1501"),
        (changed(taxes=()), "BG-23 taxes", "one row for each"),
        (changed(taxes=SWAP.taxes * 2), "BG-23 taxes", "one row for each"),
        (changed(taxes=(Tax("S", 1900, 2100, 399),)), "BT-116 base", "the lines sum to 2101"),
        (changed(taxes=(Tax("S", 1900, 2101, 400),)), "BT-117 tax", "the rate gives 399"),
        (changed(rounding_minor=2), "BT-114 rounding", "at most one minor unit"),
    ],
)
def test_what_does_not_add_up_is_named_by_its_term(
    document: BusinessDocument, field: str, rule: str
) -> None:
    for write in (check, write_ubl, write_cii):
        with pytest.raises(Malformed) as caught:
            write(document)
        assert caught.value.field == field
        assert rule in caught.value.rule


def test_a_category_without_tax_says_why() -> None:
    lines = (Line("1", "Energy", "KWH", 1_000, 360_000, 36, "AE", 0),)
    for reason, is_right in (("", False), ("Reverse charge", True)):
        document = changed(lines=lines, taxes=(Tax("AE", 0, 36, 0, reason),))
        if is_right:
            check(document)
        else:
            with pytest.raises(Malformed) as caught:
                check(document)
            assert caught.value.field == "BT-120 reason"


def test_a_last_credit_note_takes_what_is_left_of_the_tax() -> None:
    check(msgspec.structs.replace(CREDIT, taxes=(Tax("S", 1900, 500, 94),)))


def test_absent_terms_leave_no_empty_element() -> None:
    bare = changed(note="", period_from="", period_to="", payee_iban="", buyer_reference="")
    for write in (write_ubl, write_cii):
        content = write(bare)
        assert b"/>" not in content
        assert content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
