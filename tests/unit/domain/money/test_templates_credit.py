"""Posting templates of credit, subscriptions, means of payment and deposits (money handbook 4)."""

import pytest

from ledger.domain.money import templates_credit as templates
from ledger.domain.money.accounts import account_info, check_chart
from ledger.kernel.postings import check_zero

D = {"driver": "D", "invoice": "I"}
VAT = "DE-S-1900"
SERVICE = "Income:Swap-Service"

ROWS = {
    "credit_note.issued": (
        templates.credit_note_issued("EUR", [(SERVICE, 500, {"swap": "S"})], [(VAT, 95)], 0, D),
        {4010: 500, 2400: 95, 1100: -595},
    ),
    "credit_note.issued, the last one with its rounding": (
        templates.credit_note_issued("EUR", [(SERVICE, 855, {})], [(VAT, 162)], 1, D),
        {4010: 855, 2400: 162, 5090: 1, 1100: -1018},
    ),
    "share.reduced": (
        templates.share_reduced("EUR", {"OP": 150, "CAR": 50, "NONE": 0}, {"station": "S"}),
        {2100: 200, 5010: -200},
    ),
    "invoice.rounding": (
        templates.invoice_rounding("EUR", 1, 0, D),
        {1100: 1, 5090: -1},
    ),
    "invoice.rounding, accrued one by one": (
        templates.invoice_rounding("EUR", -1, 1, D),
        {1100: -1, 5090: 2, 1120: -1},
    ),
    "invoice.rounding, none": (templates.invoice_rounding("EUR", 0, 0, D), {}),
    "subscription.invoiced": (
        templates.subscription_invoiced("EUR", 5900, [(VAT, 1121)], D | {"contract": "C"}),
        {1100: 7021, 2220: -5900, 2400: -1121},
    ),
    "subscription.invoiced, for nothing": (
        templates.subscription_invoiced("EUR", 0, [(VAT, 0)], D),
        {},
    ),
    "subscription.used": (
        templates.subscription_earned("EUR", 1770, {"contract": "C"}),
        {2220: 1770, 4030: -1770},
    ),
    "subscription.breakage": (
        templates.subscription_earned("EUR", 4130, {"contract": "C"}),
        {2220: 4130, 4030: -4130},
    ),
    "receivable.uncollectable": (
        templates.receivable_uncollectable("EUR", 1770, 4130, [(VAT, 1121)], D | {"contract": "C"}),
        {5060: 1770, 2220: 4130, 2400: 1121, 1100: -7021},
    ),
    "wallet.spent": (templates.wallet_spent("EUR", 2500, D), {2200: 2500, 1100: -2500}),
    "promo.used": (
        templates.promo_used("EUR", 500, D | {"promo": "P"}),
        {2210: 500, 1100: -500},
    ),
    "promo.expired": (
        templates.promo_expired("EUR", 500, {"driver": "D", "promo": "P"}),
        {2210: 500, 4090: -500},
    ),
    "deposit.taken": (
        templates.deposit_taken("EUR", 20000, {"driver": "D", "payment": "P"}),
        {1020: 20000, 2300: -20000},
    ),
    "deposit.returned": (
        templates.deposit_returned("EUR", 5000, {"driver": "D", "payment": "P"}),
        {2300: 5000, 1020: -5000},
    ),
    "deposit.applied": (templates.deposit_applied("EUR", 15000, D), {2300: 15000, 1100: -15000}),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_template_posts_the_row_of_the_handbook(name):
    lines, expected = ROWS[name]
    check_zero(lines)
    assert check_chart(lines) is None
    found: dict[int, int] = {}
    for line in lines:
        info = account_info(line.account)
        assert info is not None
        found[info.code] = found.get(info.code, 0) + line.quantity
    assert found == expected
