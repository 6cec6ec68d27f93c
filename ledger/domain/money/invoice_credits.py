"""What a credit note takes back of an invoice, in numbers: lines, tax, and parts of partners.

Every credited line names a line of the invoice by the position of its usage entry and its number
there. Tax is computed on the bases of the note alone; the note that takes the last part of a base
takes the tax that is left, so that an invoice and all its credit notes sum to zero exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ledger.domain.money.accounts import DIMENSIONS, account_info
from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.kernel.money import split_refund, vat_of
from ledger.kernel.refusal import RefusalCode

LINES_MAX = 200
"""Lines that one credit note can name; an entry has no room for more. Write several notes."""

SUBSCRIPTION_KIND = "contract"
"""The kind of usage of a subscription: its id is that of the contract.

What is credited of it comes off its income; what was paid in advance is earned as before.
"""


class CreditedLine(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A line of an invoice, and how much of its net amount is credited (minor units).

    `position` is that of the usage entry, `line_no` counts its lines from 1. Both amounts have
    the same sign: a discount is credited below zero. `dims` are those of its usage, where the kind
    is none.
    """

    position: int
    line_no: int
    usage_id: str
    usage_kind: str
    component: str
    country: str
    category: str
    rate_bp: int
    revenue_account: str
    invoiced_minor: int
    credited_minor: int
    tariff_version: str = ""
    dims: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Name the line inside its invoice."""
        return f"{self.position}/{self.line_no}"

    @property
    def treatment(self) -> tuple[str, str, int]:
        """The tax treatment: country, category and rate."""
        return self.country, self.category, self.rate_bp


class ShareCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What partners give back of a share: `amount_minor` of its base, all parties together.

    `position` and `original` are the entry of the share as it stands in the log; `order` settles
    ties of the last minor unit, as in the contract.
    """

    position: int
    original: ShareAccrued
    order: tuple[str, ...]
    amount_minor: int


class Taken(NamedTuple):
    """What a note takes: its tax rows, and the rounding amount (minor units)."""

    taxes: tuple[TaxRow, ...]
    rounding_minor: int

    @property
    def net_minor(self) -> int:
        """Sum of the bases."""
        return sum(row.net_minor for row in self.taxes)

    @property
    def gross_minor(self) -> int:
        """Sum of bases and tax, without the rounding amount."""
        return self.net_minor + sum(row.tax_minor for row in self.taxes)


def key_of_tax(row: TaxRow) -> tuple[str, str, int]:
    """Give the treatment of a tax row."""
    return row.country, row.category, row.rate_bp


def line_faults(lines: Sequence[CreditedLine], invoiced: Sequence[TaxRow]) -> list[RefusalCode]:
    """Tell what of the lines cannot stand on a credit note of an invoice with these tax rows."""
    names = {line.name for line in lines}
    treatments = {key_of_tax(row) for row in invoiced}
    is_strange = any(line.treatment not in treatments for line in lines)
    tests = (
        (not 1 <= len(lines) <= LINES_MAX, RefusalCode.CREDIT_FIELD_INVALID),
        (len(names) != len(lines) or is_strange, RefusalCode.CREDIT_FIELD_INVALID),
        (not all(map(_is_income, lines)), RefusalCode.ACCOUNT_UNKNOWN),
        (
            not all(DIMENSIONS.issuperset(line.dims or (line.usage_kind,)) for line in lines),
            RefusalCode.DIMENSION_INVALID,
        ),
    )
    return [code for failed, code in tests if failed]


def _is_income(line: CreditedLine) -> bool:
    """Tell whether a line can be taken back from an account that invoices earn on."""
    info = account_info(line.revenue_account)
    return info is not None and info.code in _INCOME


_INCOME = range(4000, 5000)


def taken(
    invoiced: Sequence[TaxRow],
    before: Sequence[TaxRow],
    lines: Iterable[CreditedLine],
    rounding_minor: int,
) -> Taken:
    """Compute the tax of a credit note.

    `invoiced` are the tax rows of the invoice, `before` those of all its credit notes so far,
    `rounding_minor` its rounding amount; the last note takes it back.
    """
    nets: dict[tuple[str, str, int], int] = {}
    for line in lines:
        nets[line.treatment] = nets.get(line.treatment, 0) + line.credited_minor
    past = {key_of_tax(row): row for row in before}
    rows: list[TaxRow] = []
    is_whole = True
    for row in invoiced:
        key = key_of_tax(row)
        gone = past.get(key, TaxRow(*key, 0, 0))
        net = nets.get(key, 0)
        is_whole = is_whole and gone.net_minor + net == row.net_minor
        if key in nets:
            rows.append(TaxRow(*key, net, _tax(row, gone, net)))
    return Taken(tuple(rows), rounding_minor if is_whole else 0)


def _tax(invoiced: TaxRow, gone: TaxRow, net_minor: int) -> int:
    """Give the tax on a base, never more than is left; all that is left with the last part."""
    left = invoiced.tax_minor - gone.tax_minor
    if gone.net_minor + net_minor == invoiced.net_minor:
        return left
    tax = vat_of(net_minor, invoiced.rate_bp)
    return min(max(tax, 0), left) if left >= 0 else max(min(tax, 0), left)


def added(before: Sequence[TaxRow], more: Sequence[TaxRow]) -> tuple[TaxRow, ...]:
    """Add tax rows of the same treatment."""
    rows = {key_of_tax(row): row for row in before}
    for row in more:
        key = key_of_tax(row)
        old = rows.get(key, TaxRow(*key, 0, 0))
        rows[key] = TaxRow(*key, old.net_minor + row.net_minor, old.tax_minor + row.tax_minor)
    return tuple(rows.values())


def remaining_shares(credit: ShareCredit, gone: Mapping[str, int]) -> dict[str, int]:
    """Give what is left of each party's part, our own included."""
    return {party: part - gone.get(party, 0) for party, part in credit.original.shares.items()}


def reduced_shares(credit: ShareCredit, gone: Mapping[str, int]) -> dict[str, int] | None:
    """Divide what is given back by what is left of each part; None when it is more than that.

    A share below zero is given back below zero.
    """
    left = remaining_shares(credit, gone)
    sign = -1 if sum(left.values()) < 0 else 1
    parts = {party: sign * part for party, part in left.items()}
    if min(parts.values(), default=0) < 0 or set(credit.order) != set(parts):
        return None
    if not 0 <= sign * credit.amount_minor <= sum(parts.values()):
        return None
    given = split_refund(sign * credit.amount_minor, parts, credit.order)
    return {party: sign * part for party, part in given.items()}


def commission_back(
    original: ShareAccrued, gone: Mapping[str, int], more: Mapping[str, int]
) -> int:
    """Give how much of what we give back of a partner's own sale is commission; the rest is VAT.

    `gone` is what parties gave back before, `more` what they do now; 0 for any other share.
    """
    agency, ours = original.agency, original.ours
    if agency is None:
        return 0
    before = gone.get(ours, 0)
    return agency.commission_in(before + more[ours]) - agency.commission_in(before)


def income_of(lines: Iterable[CreditedLine]) -> list[tuple[str, int, dict[str, str]]]:
    """Sum credited lines by account, usage and version of the tariff."""
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for line in lines:
        about = line.dims or {line.usage_kind: line.usage_id}
        if line.tariff_version:
            about = {**about, "tariff_version": line.tariff_version}
        key = line.revenue_account, tuple(about.items())
        sums[key] = sums.get(key, 0) + line.credited_minor
    return [(account, amount, dict(about)) for (account, about), amount in sums.items()]
