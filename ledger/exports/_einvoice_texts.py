"""How both syntaxes of an invoice write numbers: plain decimals, no exponent, no needless zeros."""

from ledger.exports.einvoice import BusinessDocument, Line
from ledger.kernel.money import amount_text
from ledger.kernel.quantities import scaled_text

CUSTOMIZATION = "urn:cen.eu:en16931:2017"
"""BT-24: the core rules, without an extension."""


def quantity_text(line: Line) -> str:
    """Write a quantity, with the decimals that it needs.

    >>> quantity_text(Line("1", "Energy", "KWH", 41_700, 360_000, 1501, "S", 1900))
    '41.7'
    """
    return _short(scaled_text(line.quantity_milli, 3))


def price_text(line: Line) -> str:
    """Write a price, with two decimals at least.

    >>> price_text(Line("1", "Energy", "KWH", 41_700, 360_000, 1501, "S", 1900))
    '0.36'
    """
    text = _short(scaled_text(line.price_micro, 6))
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def rate_text(rate_bp: int) -> str:
    """Write a tax rate in per cent.

    >>> rate_text(1900), rate_text(550)
    ('19', '5.5')
    """
    return _short(scaled_text(rate_bp, 2))


def money_text(document: BusinessDocument, minor: int) -> str:
    """Write an amount with the decimals of the document's currency."""
    return amount_text(minor, document.currency)


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
