"""Invoices and credit notes as EN 16931 wants them: one document, two syntaxes, exact sums.

`BusinessDocument` holds the terms of the standard (BT numbers beside each field) as integers: minor
units, thousandths of a kilowatt-hour or of a piece, millionths of a price. `check` holds the sums
to the cent before a byte is written, because the public rules let a tax base pass that is wrong by
one cent. `einvoice_ubl` and `einvoice_cii` write it, the same bytes at every run.

Two directions are one shape: a credit note has type 381, positive amounts, and names the invoice
that it takes back.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.money import check_currency, nano_to_minor, vat_of

INVOICE, CREDIT_NOTE = "380", "381"
CATEGORIES = frozenset({"S", "Z", "E", "AE", "O"})
"""Tax categories that our tax rules give (UNCL 5305)."""
UNITS: dict[str, str] = {
    "KWH": "KWH",
    "PIECE": "C62",
    "MINUTE": "MIN",
    "DAY": "DAY",
    "MONTH": "MON",
}
"""Units of UN/ECE Recommendation 20 by our names; a quantity counts thousandths of the unit."""

Unit = Literal["KWH", "PIECE", "MINUTE", "DAY", "MONTH"]
LINES_MAX = 10_000
PRICE_SLACK_MINOR = 2
"""How far a line may lie from quantity x price: a price with tax inside is a rounded one."""


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a party is; `country` in two letters (ISO 3166-1)."""

    street: str
    city: str
    post_code: str
    country: str


class Trader(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seller or buyer: name (BT-27, BT-44), address, tax number (BT-31, BT-48), own number.

    `iban` is the account that the seller is paid to (BT-84).
    """

    name: str
    address: Address
    vat_id: str = ""
    register_id: str = ""
    electronic_address: str = ""
    electronic_scheme: str = ""
    iban: str = ""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: name (BT-153), quantity in thousandths of `unit` (BT-129), price, net, tax.

    `price_micro` is millionths of the major unit for one unit (BT-146); `net_minor` (BT-131) was
    rounded once when the line was rated. Dates are days, empty where the line has no period.
    `group` heads lines that belong together on paper: what it was, and after a middle dot its id.
    """

    line_id: str
    name: str
    unit: Unit
    quantity_milli: int
    price_micro: int
    net_minor: int
    category: str
    rate_bp: int
    description: str = ""
    from_on: str = ""
    to_on: str = ""
    group: str = ""


class Tax(msgspec.Struct, frozen=True):
    """One row of the tax table (BG-23): base (BT-116), tax (BT-117), why there is none (BT-120)."""

    category: str
    rate_bp: int
    base_minor: int
    tax_minor: int
    reason: str = ""


class BusinessDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invoice or a credit note; amounts in minor units of `currency`, days ``YYYY-MM-DD``.

    `delivered_on` (BT-72) is the day of the last usage; `preceding_no` and `preceding_on` (BT-25,
    BT-26) name the invoice that a credit note takes back.
    `rounding_minor` (BT-114) is what a price with tax inside leaves over, -1, 0 or 1 a tax row.
    """

    number: str
    kind: Literal["380", "381"]
    issued_on: str
    delivered_on: str
    currency: str
    seller: Trader
    buyer: Trader
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    due_on: str = ""
    tax_point_on: str = ""
    period_from: str = ""
    period_to: str = ""
    preceding_no: str = ""
    preceding_on: str = ""
    paid_minor: int = 0
    rounding_minor: int = 0
    note: str = ""
    payee_iban: str = ""
    buyer_reference: str = ""

    @property
    def net_minor(self) -> int:
        """Sum of the lines (BT-106); there are no charges of the whole document (BT-109)."""
        return sum(line.net_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """Sum of the tax table (BT-110)."""
        return sum(row.tax_minor for row in self.taxes)

    @property
    def gross_minor(self) -> int:
        """Total with tax (BT-112)."""
        return self.net_minor + self.tax_minor

    @property
    def payable_minor(self) -> int:
        """What is due (BT-115)."""
        return self.gross_minor - self.paid_minor + self.rounding_minor


def check(document: BusinessDocument) -> None:
    """Hold a document to its own sums; `Malformed` names the term and the rule it breaks."""
    check_currency(document.currency, "BT-5 currency")
    _check_words(document)
    bases: dict[tuple[str, int], int] = {}
    for number, line in enumerate(document.lines, start=1):
        _check_line(line, document.currency, f"line {number}")
        key = (line.category, line.rate_bp)
        bases[key] = bases.get(key, 0) + line.net_minor
    _check_taxes(document, bases)
    if abs(document.rounding_minor) > len(document.taxes):
        raise Malformed("at most one minor unit for each tax rate", field="BT-114 rounding")


def _check_words(document: BusinessDocument) -> None:
    required = {
        "BT-1 number": document.number,
        "BT-2 issue date": document.issued_on,
        "BT-72 delivery date": document.delivered_on,
        "BT-27 seller": document.seller.name,
        "BT-31 seller's tax number": document.seller.vat_id,
        "BT-40 seller's country": document.seller.address.country,
        "BT-44 buyer": document.buyer.name,
        "BT-55 buyer's country": document.buyer.address.country,
    }
    for field, text in required.items():
        if not text:
            raise Malformed("is missing", field=field)
    if not 0 < len(document.lines) <= LINES_MAX:
        raise Malformed(f"a document has 1 to {LINES_MAX} lines", field="BG-25 lines")
    if (document.kind == CREDIT_NOTE) != bool(document.preceding_no):
        raise Malformed("a credit note, and only one, names its invoice", field="BT-25 preceding")
    if document.payable_minor > 0 and document.kind == INVOICE and not document.due_on:
        raise Malformed("an amount to be paid has a day", field="BT-9 due date")


def _check_line(line: Line, currency: str, place: str) -> None:
    if line.category not in CATEGORIES:
        raise Malformed(f"not a category of ours: {line.category[:4]!r}", field=f"{place} BT-151")
    if line.price_micro < 0:
        raise Malformed("a price is not negative; the quantity is", field=f"{place} BT-146 price")
    exact = nano_to_minor(line.quantity_milli * line.price_micro, currency)
    if abs(exact - line.net_minor) > PRICE_SLACK_MINOR:
        raise Malformed(
            f"{line.net_minor}, quantity x price gives {exact}", field=f"{place} BT-131 net"
        )


def _check_taxes(document: BusinessDocument, bases: Mapping[tuple[str, int], int]) -> None:
    stated = {(row.category, row.rate_bp): row for row in document.taxes}
    if len(stated) != len(document.taxes) or stated.keys() != bases.keys():
        raise Malformed("one row for each category and rate of the lines", field="BG-23 taxes")
    for key, base in bases.items():
        row = stated[key]
        if row.base_minor != base:
            raise Malformed(f"{row.base_minor}, the lines sum to {base}", field="BT-116 base")
        due = vat_of(base, row.rate_bp)
        if document.kind == INVOICE and row.tax_minor != due:
            raise Malformed(f"{row.tax_minor}, the rate gives {due}", field="BT-117 tax")
        if row.category in {"E", "AE", "O"} and not row.reason:
            raise Malformed(f"category {row.category} says why", field="BT-120 reason")
