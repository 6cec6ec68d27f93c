"""What is printed of a document, on paper or as a page: the same words and sums for both."""

import msgspec

from ledger.exports._einvoice_texts import rate_text
from ledger.exports.einvoice import CREDIT_NOTE, BusinessDocument, Line
from ledger.kernel.money import amount_text

_UNIT_WORDS = {"KWH": "kWh", "PIECE": "pc", "MINUTE": "min", "DAY": "d", "MONTH": "mo"}


class Paid(msgspec.Struct, frozen=True):
    """One payment of an invoice: the day, by what, and which lines it paid."""

    paid_on: str
    means: str
    amount_minor: int
    lines: str = ""


class Sheet(msgspec.Struct, frozen=True):
    """What is printed: the document, facts of the swaps behind it, and where to check them.

    `facts` are pairs of label and text (station, packs, states of charge, position of the entry);
    `proof` is the text of the square code: an address, or the entry's leaf hash.
    """

    document: BusinessDocument
    facts: tuple[tuple[str, str], ...] = ()
    proof: str = ""
    contact: str = ""
    payments: tuple[Paid, ...] = ()


def title_of(document: BusinessDocument) -> str:
    """Name the document."""
    return "Credit note" if document.kind == CREDIT_NOTE else "Invoice"


def unit_words(line: Line) -> str:
    """Name the unit of a line in short."""
    return _UNIT_WORDS[line.unit]


def date_rows(document: BusinessDocument) -> list[tuple[str, str]]:
    """List what stands beside the address: labels and texts, "" for what there is none of."""
    period = days_words(document.period_from, document.period_to)
    return [
        ("Number", document.number),
        ("Date", document.issued_on),
        ("Service", period or document.delivered_on),
        ("Takes back invoice", document.preceding_no),
        ("Due", document.due_on),
        ("Your tax number", document.buyer.vat_id),
    ]


def days_words(first: str, last: str) -> str:
    """Write a span of days; one day where both are the same."""
    return " to ".join(dict.fromkeys(filter(None, (first, last))))


def sum_rows(document: BusinessDocument) -> list[tuple[str, int, bool]]:
    """List what stands below the lines: words, minor units, whether it is a total."""
    rows = [("Net", document.net_minor, False)]
    for row in document.taxes:
        base = amount_text(row.base_minor, document.currency)
        reason = f" ({row.reason})" if row.reason else ""
        label = f"Tax {rate_text(row.rate_bp)} % of {base}{reason}"
        rows.append((label, row.tax_minor, False))
    rows.append(("Total", document.gross_minor, True))
    if document.rounding_minor:
        rows.append(("Rounding", document.rounding_minor, False))
    if document.paid_minor:
        rows.append(("Paid", -document.paid_minor, False))
    word = "Credited to you" if document.kind == CREDIT_NOTE else "To be paid"
    rows.append((word, document.payable_minor, True))
    return rows


def payment_words(document: BusinessDocument) -> list[str]:
    """Say how to pay, or that nothing is left to pay, and what else is to be said."""
    words = []
    if document.payee_iban and document.payable_minor > 0 and document.kind != CREDIT_NOTE:
        iban = " ".join(
            document.payee_iban[at : at + 4] for at in range(0, len(document.payee_iban), 4)
        )
        words.append(f"Please pay to {iban} by {document.due_on}, reference {document.number}.")
    elif document.paid_minor and not document.payable_minor:
        words.append("This invoice is paid. Thank you.")
    return [*words, *([document.note] if document.note else [])]
