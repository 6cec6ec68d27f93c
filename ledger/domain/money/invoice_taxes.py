"""The tax table of an invoice: net prices add up, and prices that include tax are taken apart.

Tax is computed on the sums of a document, one for each country, category and rate. Where prices
include tax, the sum of the gross prices is what the driver pays: the net is taken out of it, tax is
computed on that net, and what one minor unit is missing or too much is the rounding amount of the
invoice. Tax is never adjusted. Usages were accrued one by one at their own nets; what these differ
from the net of the document is a rounding difference of ours.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from ledger.kernel.money import vat_inside, vat_of

Treatment = tuple[str, str, int]
"""Country, category of EN 16931, rate in basis points."""


class TaxBase(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Net sum of the lines of a document under one tax treatment, in minor units.

    `included_minor` of it belongs to lines whose prices include tax; `gross_minor` is their sum
    with tax.
    """

    country: str
    category: str
    rate_bp: int
    net_minor: int
    gross_minor: int = 0
    included_minor: int = 0


class TaxRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the tax table of a document: a base and its tax, in minor units."""

    country: str
    category: str
    rate_bp: int
    net_minor: int
    tax_minor: int

    @property
    def tax_code(self) -> str:
        """The treatment as a dimension, ``GB-S-2000``."""
        return f"{self.country}-{self.category}-{self.rate_bp}"

    @property
    def treatment(self) -> Treatment:
        """Country, category and rate."""
        return self.country, self.category, self.rate_bp


class TaxTable(NamedTuple):
    """The rows, the rounding amount (BT-114), and what was accrued more than the nets say."""

    rows: tuple[TaxRow, ...]
    rounding_minor: int
    accrued_more_minor: int


def tax_table(bases: Iterable[TaxBase]) -> TaxTable:
    """Compute the tax table over the bases of a document.

    >>> tax_table([TaxBase("DE", "S", 1900, 855, gross_minor=1018, included_minor=855)])[1:]
    (1, 0)
    """
    rows = []
    rounding = more = 0
    for base in bases:
        plain = base.net_minor - base.included_minor
        net = plain + vat_inside(base.gross_minor, base.rate_bp).net
        tax = vat_of(net, base.rate_bp)
        if base.gross_minor:
            rounding += base.gross_minor - (net - plain) - (tax - vat_of(plain, base.rate_bp))
        more += base.net_minor - net
        rows.append(TaxRow(base.country, base.category, base.rate_bp, net, tax))
    return TaxTable(tuple(rows), rounding, more)


def line_nets(lines: Sequence[tuple[Treatment, int]], rows: Iterable[TaxRow]) -> list[int]:
    """Give the nets that lines have on the document, so that they sum to its tax table.

    A line is its treatment and the net it was accrued at. Where the sums differ, the largest lines
    differ by one minor unit each.

    >>> line_nets(
    ...     [(("DE", "S", 1900), 500), (("DE", "S", 1900), 355)],
    ...     [TaxRow("DE", "S", 1900, 854, 162)],
    ... )
    [499, 355]
    """
    nets = [net for _, net in lines]
    for row in rows:
        own = [at for at, (treatment, _) in enumerate(lines) if treatment == row.treatment]
        missing = row.net_minor - sum(nets[at] for at in own)
        step = 1 if missing > 0 else -1
        own.sort(key=lambda at: -abs(nets[at]))
        for number in range(abs(missing) if own else 0):
            nets[own[number % len(own)]] += step
    return nets
