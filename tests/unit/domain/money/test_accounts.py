import pytest

from ledger.domain.money.accounts import (
    CHART,
    DIMENSIONS,
    account_info,
    check_chart,
    export_name,
    item_of,
)
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import RefusalCode


def posting(account, commodity="EUR", **dims):
    return Posting(account, commodity, 1, dims)


@pytest.mark.parametrize(
    ("account", "code", "export"),
    [
        ("Assets:Receivables:Drivers", 1100, "Assets:Receivables:Drivers"),
        ("Liabilities:Tax:Output-VAT", 2400, "Liabilities:Tax:Output-VAT"),
        ("Income:Energy", 4000, "Income:Energy"),
        ("Packs:Station:ST-1:Slot:4", 8001, "Assets:Packs:Station"),
        ("Packs:Driver:DR-1", 8003, "Assets:Packs:Driver"),
        ("Packs:Acquired", 8090, "Equity:Units:Packs:Acquired"),
        ("Packs:Ended:Recycled", 8091, "Equity:Units:Packs:Ended"),
        ("Energy:Pack:PK-1", 8500, "Assets:Energy:Pack"),
        ("Energy:Losses:Charging:ST-1", 8593, "Equity:Units:Energy:Losses"),
        ("Energy:Revaluation", 8594, "Equity:Units:Energy:Revaluation"),
        ("Title:Holder:BANK-1", 8700, "Equity:Units:Title:Holder"),
    ],
)
def test_an_account_is_found_with_its_code_and_export_name(account, code, export):
    info = account_info(account)
    assert info is not None
    assert info.code == code
    assert export_name(account) == export


@pytest.mark.parametrize(
    "account", ["", "Packs", "Packs:Nowhere:X", "Assets:Receivables:Drivers:DR-1", "Income"]
)
def test_an_account_outside_the_chart_has_no_export_name(account):
    assert account_info(account) is None
    with pytest.raises(InvariantBroken):
        export_name(account)


def test_the_chart_is_consistent():
    assert len({info.name for info in CHART}) == len(CHART) == 67
    for info in CHART:
        assert set(info.keys) <= DIMENSIONS
        assert info.rule in {"any", "credit_min_0", "debit_min_0", "zero_at_close"}
        assert info.export.split(":")[0] in {
            "Assets",
            "Liabilities",
            "Equity",
            "Income",
            "Expenses",
        }


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (posting("Assets:Receivables:Drivers", driver="D1", invoice="I1"), "D1|I1"),
        (posting("Assets:Receivables:Drivers", driver="D1"), "D1"),
        (posting("Assets:Receivables:Drivers", invoice="I1"), "|I1"),
        (posting("Assets:Receivables:Unbilled", driver="D1", station="S1"), "D1"),
        (posting("Assets:Receivables:Unbilled", partner="P1"), "P1"),
        (posting("Assets:Receivables:Unbilled"), ""),
        (posting("Liabilities:Partners:Accrued", partner="P1"), "P1"),
        (posting("Liabilities:Tax:Output-VAT", tax_code="GB-S-2000"), "GB-S-2000"),
        (posting("Expenses:Partner-Share", partner="P1"), "P1"),
        (posting("Income:Energy", station="S1"), ""),
        (posting("Packs:Driver:D1", "PACK", pack="PK1"), "PK1"),
        (posting("Title:Issued", "PACK", pack="PK1"), "PK1"),
        (posting("Energy:Pack:PK1", "WH"), ""),
        (posting("Nobody:Knows"), ""),
    ],
)
def test_a_balance_is_kept_by_the_key_dimensions_of_its_account(line, item):
    assert item_of(line) == item


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([posting("Income:Energy", "EUR", driver="D1")], None),
        ([posting("Packs:Driver:D1", "PACK", pack="P")], None),
        ([posting("Energy:Pack:P", "WH")], None),
        ([posting("Income:Nothing")], RefusalCode.ACCOUNT_UNKNOWN),
        ([posting("Income:Energy", "XXX")], RefusalCode.COMMODITY_UNKNOWN),
        ([posting("Energy:Pack:P", "KWH")], RefusalCode.COMMODITY_UNKNOWN),
        ([posting("Income:Energy", "WH")], RefusalCode.COMMODITY_NOT_ALLOWED),
        ([posting("Energy:Pack:P", "EUR")], RefusalCode.COMMODITY_NOT_ALLOWED),
        ([posting("Packs:Driver:D1", "WH")], RefusalCode.COMMODITY_NOT_ALLOWED),
        ([posting("Income:Energy", colour="red")], RefusalCode.DIMENSION_INVALID),
        (
            [posting("Income:Energy", colour="red"), posting("Income:Nothing")],
            RefusalCode.ACCOUNT_UNKNOWN,
        ),
        (
            [posting("Income:Nothing"), posting("Income:Energy", colour="red")],
            RefusalCode.ACCOUNT_UNKNOWN,
        ),
        ([], None),
    ],
)
def test_the_first_violation_of_the_chart_in_order_is_given(lines, code):
    assert check_chart(lines) == code
