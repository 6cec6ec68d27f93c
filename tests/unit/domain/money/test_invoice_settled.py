"""Which payment paid which line of an invoice."""

from ledger.domain.money.invoice_settled import LinePart, gross_lines, paid_lines
from ledger.domain.money.invoice_taxes import TaxRow

S19, S7 = ("S", 1900), ("S", 700)


def test_lines_with_their_tax_sum_to_the_invoice():
    rows = [TaxRow("DE", "S", 1900, 2001, 380), TaxRow("DE", "S", 700, 100, 7)]
    gross = gross_lines([(S19, 1501), (S7, 100), (S19, 600), (S19, -100)], rows)
    assert gross == [1786, 107, 714, -119]
    assert sum(gross) == 2001 + 380 + 107


def test_a_base_of_nothing_has_no_tax():
    rows = [TaxRow("DE", "S", 1900, 0, 0)]
    assert gross_lines([(S19, 50), (S19, -50)], rows) == [50, -50]


def test_payments_pay_lines_in_order_and_discounts_pay_the_first_ones():
    gross = [1786, 107, 714, -119]
    promo, wallet, card = paid_lines(gross, [500, 1200, 788])
    assert promo == [LinePart(1, 500)]
    assert wallet == [LinePart(1, 1167), LinePart(2, 33)]
    assert card == [LinePart(2, 74), LinePart(3, 714)]
    assert sum(part.amount_minor for one in (promo, wallet, card) for part in one) == sum(gross)


def test_what_is_paid_beyond_the_lines_stays_without_one():
    assert paid_lines([100], [60, 60, 60]) == [[LinePart(1, 60)], [LinePart(1, 40)], []]
    assert paid_lines([], [5]) == [[]]
