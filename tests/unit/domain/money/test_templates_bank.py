"""The bank's rows of the money handbook 4: balanced, in the chart, with the handbook's numbers."""

import pytest

from ledger.domain.money import templates_bank as templates
from ledger.domain.money.accounts import account_info, check_chart, item_of
from ledger.domain.money.bank_rows import BANK_CHARGES, IN_TRANSIT, OPERATING, PARTNERS_OWE, Match
from ledger.kernel.postings import check_zero

AT = templates.AtBank(OPERATING, "BA-1", "BL-1")
PARTNER = {"partner": "OP-1", "statement": "S-1"}
ROWS = {
    "psp.payout_arrived": (
        templates.bank_line(
            "EUR", 1_842, (Match("reference", IN_TRANSIT, 1_842, {"payout": "po_1"}),), AT
        ),
        {1010: 1_842, 1030: -1_842},
    ),
    "bank.charge": (
        templates.bank_line("EUR", -350, (Match("code", BANK_CHARGES, -350, {}),), AT),
        {1010: -350, 5085: 350},
    ),
    "suspense.received": (
        templates.bank_line("EUR", 7_777, (), AT),
        {1010: 7_777, 2900: -7_777},
    ),
    "suspense.identified": (
        templates.suspense_identified(
            "EUR", (Match("person", PARTNERS_OWE, 2_975, PARTNER),), "BL-1"
        ),
        {2900: 2_975, 1110: -2_975},
    ),
    "rounding.accepted": (
        templates.rounding_accepted("EUR", 1, PARTNERS_OWE, PARTNER),
        {5090: 1, 1110: -1},
    ),
    "bank.account_registered": (
        templates.account_opened("EUR", 10_000, OPERATING, "BA-1"),
        {1010: 10_000, 3000: -10_000},
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


def test_the_bank_is_kept_by_account_and_suspense_by_line():
    first, second = ROWS["suspense.received"][0]
    assert (item_of(first), first.dims["bank_line"]) == ("BA-1", "BL-1")
    assert item_of(second) == "BL-1"


def test_what_was_posted_is_taken_back_line_by_line():
    lines = ROWS["psp.payout_arrived"][0]
    back = templates.taken_back(lines)
    assert [(one.account, -one.quantity, one.dims) for one in back] == [
        (one.account, one.quantity, one.dims) for one in lines
    ]
