"""Tax tables of invoices: net prices, prices that include tax, and both on one document."""

from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.domain.money.accounts import account_info
from ledger.domain.money.invoice_taxes import TaxBase, TaxRow, line_nets, tax_table
from ledger.domain.money.invoices import INVOICES, InvoiceIssued, postings
from ledger.kernel.money import vat_inside, vat_of
from ledger.kernel.postings import check_zero
from tests.support.owing import INVOICE, invoice_order, owing
from tests.support.rules import act, events
from tests.support.usage import made


def included(gross: int, rate_bp: int, accrued: int | None = None) -> TaxBase:
    """Make the base of lines that cost so much with tax, accrued at their own nets."""
    net = vat_inside(gross, rate_bp).net if accrued is None else accrued
    return TaxBase("DE", "S", rate_bp, net, gross, net)


@pytest.mark.parametrize(
    ("gross", "rate_bp", "net", "tax", "rounding"),
    [
        (1018, 1900, 855, 162, 1),
        (1005, 1900, 845, 161, -1),
        (1004, 1300, 888, 115, 1),
        (1021, 1300, 904, 118, -1),
        (2500, 1900, 2101, 399, 0),
    ],
)
def test_prices_with_tax_are_taken_apart_once_for_the_document(gross, rate_bp, net, tax, rounding):
    table = tax_table([included(gross, rate_bp)])
    assert table.rows == (TaxRow("DE", "S", rate_bp, net, tax),)
    assert (table.rounding_minor, table.accrued_more_minor) == (rounding, 0)


def books(event: InvoiceIssued) -> dict[int, int]:
    lines = postings(event)
    check_zero(lines)
    found: dict[int, int] = {}
    for line in lines:
        info = account_info(line.account)
        assert info is not None
        found[info.code] = found.get(info.code, 0) + line.quantity
    return found


def test_the_rounding_of_an_invoice_goes_to_its_own_account():
    world = owing(bases=(included(1018, 1900),))
    row = world.need(INVOICES, INVOICE)
    assert (row.gross_minor, row.rounding_minor, row.open_minor) == (1017, 1, 1018)
    again = invoice_order(bases=(included(1018, 1900),), from_position=100, to_position=200)
    (issued,) = made(act(world, again))
    assert books(issued) == {1100: 1018, 1120: -855, 2400: -162, 5090: -1}


def test_usages_accrued_one_by_one_leave_their_difference_in_the_rounding():
    # three usages of 0.03 with tax: 0.03 net each, but 0.09 with tax is 0.08 net
    world = owing(bases=(included(9, 1900, accrued=9),))
    again = invoice_order(bases=(included(9, 1900, accrued=9),), from_position=100, to_position=200)
    (issued,) = events(act(world, again))
    assert (issued.net_minor, issued.gross_minor, issued.accrued_more_minor) == (8, 10, 1)
    assert issued.rounding_minor == -1
    assert books(issued) == {1100: 9, 1120: -9, 2400: -2, 5090: 2}


def test_prices_with_and_without_tax_stand_on_one_document():
    base = TaxBase("DE", "S", 1900, 855 + 2101, 1018, 855)
    table = tax_table([base])
    assert table.rows == (TaxRow("DE", "S", 1900, 2956, 562),)
    assert 855 + 2101 + 562 + table.rounding_minor == 1018 + 2101 + vat_of(2101, 1900)


def test_what_a_driver_pays_is_always_the_sum_of_the_prices_he_saw():
    random = Random(7)
    for _ in range(5_000):
        rate_bp = random.choice((600, 700, 1300, 1900, 2000, 2500))
        gross = random.randrange(1, 50_000)
        accrued = vat_inside(gross, rate_bp).net + random.randrange(-3, 4)
        table = tax_table([included(gross, rate_bp, accrued)])
        (row,) = table.rows
        assert row.tax_minor == vat_of(row.net_minor, rate_bp)
        assert row.net_minor + row.tax_minor + table.rounding_minor == gross
        assert abs(table.rounding_minor) <= 1
        assert row.net_minor + table.accrued_more_minor == accrued


def test_lines_are_fitted_to_the_table_by_one_minor_unit_each():
    key, other = ("DE", "S", 1900), ("DE", "S", 700)
    lines = [(key, 10), (other, 5), (key, 30), (key, 20)]
    rows = [TaxRow(*key, 62, 12), TaxRow(*other, 5, 0)]
    assert line_nets(lines, rows) == [10, 5, 31, 21]
    assert line_nets(lines, [TaxRow(*key, 56, 11)]) == [9, 5, 28, 19]
    assert line_nets([(key, 10)], [TaxRow(*other, 5, 0)]) == [10]
