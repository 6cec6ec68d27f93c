import pytest

from ledger.domain.money import templates
from ledger.domain.money.accounts import account_info, check_chart
from ledger.kernel.postings import check_zero

ROWS = {
    "usage.accrued": (
        templates.usage_accrued(
            "EUR",
            {
                ("Income:Energy", "T1/1"): 1501,
                ("Income:Swap-Service", "T1/1"): 500,
                ("Income:Booking-Fees", "T1/1"): 100,
            },
            {"driver": "D"},
        ),
        {1120: 2101, 4000: -1501, 4010: -500, 4020: -100},
    ),
    "invoice.issued": (
        templates.invoice_issued("EUR", 2101, [("DE-S-1900", 399)], {"driver": "D"}),
        {1100: 2500, 1120: -2101, 2400: -399},
    ),
    "payment.captured": (
        templates.payment_captured("EUR", 2500, 2500, {"driver": "D", "payment": "P"}),
        {1020: 2500, 1100: -2500},
    ),
    "payment.captured, too much": (
        templates.payment_captured("EUR", 2600, 2500, {"driver": "D", "payment": "P"}),
        {1020: 2600, 1100: -2500, 2900: -100},
    ),
    "share.accrued": (
        templates.share_accrued("EUR", [("OP", 180), ("CAR", 60), ("NONE", 0)], {"station": "S"}),
        {5010: 240, 2100: -240},
    ),
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
