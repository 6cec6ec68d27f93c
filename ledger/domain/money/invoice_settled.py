"""Which payment paid which line of an invoice.

Payments pay lines in the order of the document, one after the other, each line with its tax. What
a line takes below zero (a discount, a usage that was taken back) pays the first lines before any
payment does, so that the parts of all payments sum to what was paid.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.domain.money.invoice_taxes import TaxRow
from ledger.kernel.money import round_half_up


class LinePart(NamedTuple):
    """What a payment paid of one line: its number from 1, the amount in minor units."""

    line_no: int
    amount_minor: int


def gross_lines(lines: Sequence[tuple[tuple[str, int], int]], taxes: Sequence[TaxRow]) -> list[int]:
    """Give each line its part of the tax: gross amounts that sum to the invoice.

    A line is its (category, rate) and its net amount.

    >>> row = TaxRow("DE", "S", 1900, 2101, 399)
    >>> gross_lines([(("S", 1900), 1501), (("S", 1900), 500), (("S", 1900), 100)], [row])
    [1786, 595, 119]
    """
    rows = {(row.category, row.rate_bp): row for row in taxes}
    net_so_far: dict[tuple[str, int], int] = {}
    tax_so_far: dict[tuple[str, int], int] = {}
    found = []
    for key, net in lines:
        row = rows[key]
        whole = net_so_far.get(key, 0) + net
        tax = round_half_up(row.tax_minor * whole, row.net_minor) if row.net_minor > 0 else 0
        found.append(net + tax - tax_so_far.get(key, 0))
        net_so_far[key], tax_so_far[key] = whole, tax
    return found


def paid_lines(gross: Sequence[int], payments: Sequence[int]) -> list[list[LinePart]]:
    """Tell for each payment which lines it paid, in order (minor units).

    What is paid beyond all lines, such as a rounding amount, stays without a line.

    >>> paid_lines([1786, 595, 119], [2000, 500])
    [[LinePart(line_no=1, amount_minor=1786), LinePart(line_no=2, amount_minor=214)], \
[LinePart(line_no=2, amount_minor=381), LinePart(line_no=3, amount_minor=119)]]
    """
    left = [max(amount, 0) for amount in gross]
    _take(left, -sum(amount for amount in gross if amount < 0))
    return [_take(left, amount) for amount in payments]


def _take(left: list[int], amount: int) -> list[LinePart]:
    """Take an amount off what is left of the lines, first ones first."""
    parts = []
    for at, open_minor in enumerate(left):
        part = min(amount, open_minor)
        if part > 0:
            parts.append(LinePart(at + 1, part))
            left[at] -= part
            amount -= part
    return parts
