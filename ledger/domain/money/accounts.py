"""The chart of accounts as data: what each account may hold, and under which key it is kept.

Money accounts have one name inside and outside, their detail is in dimensions. Packs, energy and
title are trees of the custody rules with ids as path segments; the books see them by family.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from ledger.kernel.errors import InvariantBroken
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import PACK, WH, Posting
from ledger.kernel.refusal import RefusalCode

PSP = "Assets:PSP:Stripe"
RECEIVABLE = "Assets:Receivables:Drivers"
UNBILLED = "Assets:Receivables:Unbilled"
PARTNERS_ACCRUED = "Liabilities:Partners:Accrued"
OUTPUT_VAT = "Liabilities:Tax:Output-VAT"
SUSPENSE = "Liabilities:Suspense"
INCOME_ENERGY = "Income:Energy"
INCOME_SERVICE = "Income:Swap-Service"
INCOME_BOOKING = "Income:Booking-Fees"
PARTNER_SHARE = "Expenses:Partner-Share"
DISCOUNTS = "Income:Discounts"
LATE_FEES = "Income:Damage-Late-Fees"
WALLETS_PROMO = "Liabilities:Wallets:Promo"
WALLETS_PAID_IN = "Liabilities:Wallets:Paid-In"
BANK = "Assets:Bank:Operating"
PARTNERS_OWE = "Assets:Receivables:Partners"
INPUT_VAT = "Assets:Tax:Input-VAT"
PACKS_COST = "Assets:Fixed:Packs-Cost"
PACKS_DEPRECIATION = "Assets:Fixed:Packs-Depreciation"
ENERGY_INVENTORY = "Assets:Inventory:Energy"
SUPPLIERS = "Liabilities:Suppliers"
PAYOUTS_IN_FLIGHT = "Liabilities:Partners:Payout-In-Flight"
CONVERSION = "Equity:Conversion"
INCOME_V2G = "Income:V2G"
ENERGY_COST = "Expenses:Energy-Cost"
DEPRECIATION = "Expenses:Depreciation-Packs"
WRITE_OFF = "Expenses:Pack-Write-Off"
FX_DIFFERENCES = "Expenses:FX-Differences"

DIMENSIONS = frozenset(
    {
        *("driver", "partner", "contract", "station", "slot", "pack", "swap", "charging_session"),
        *("booking", "invoice", "credit_note", "payment", "statement", "payout", "bank_account"),
        *("tariff_version", "share_rule_version", "service_period", "tax_code", "bank_line"),
        *("psp_txn", "currency_pair", "promo"),
    }
)
"""The only names a dimension may have; values are opaque ids."""


class AccountInfo(msgspec.Struct, frozen=True):
    """One account, or one family of leaves that the books show as one account.

    `holds` is ``money``, ``packs`` or ``energy``. `keys` are the dimensions that tell its balances
    apart; with `either`, the first one present. `rule` is ``any``, ``credit_min_0``,
    ``debit_min_0`` or ``zero_at_close``.
    """

    code: int
    name: str
    export: str
    holds: str
    rule: str = "any"
    keys: tuple[str, ...] = ()
    either: bool = False


# code  account  rule  key dimensions ("/": the first one present)
_MONEY = """
1010 Assets:Bank:Operating              any           bank_account
1015 Assets:Bank:Client-Money           debit_min_0   bank_account
1020 Assets:PSP:Stripe                  any
1030 Assets:PSP:In-Transit              zero_at_close payout
1100 Assets:Receivables:Drivers         any           driver,invoice
1110 Assets:Receivables:Partners        any           partner,statement
1120 Assets:Receivables:Unbilled        any           driver/partner
1150 Assets:Receivables:Disputed        any           payment
1190 Assets:Receivables:Allowance       any
1200 Assets:Tax:Input-VAT               any           tax_code
1300 Assets:Fixed:Packs-Cost            any           pack
1390 Assets:Fixed:Packs-Depreciation    any           pack
1400 Assets:Inventory:Energy            debit_min_0
2000 Liabilities:Suppliers              any           partner
2100 Liabilities:Partners:Accrued       any           partner,statement
2110 Liabilities:Partners:Approved      credit_min_0  partner,statement
2120 Liabilities:Partners:Payout-In-Flight credit_min_0 payout
2200 Liabilities:Wallets:Paid-In        credit_min_0  driver
2210 Liabilities:Wallets:Promo          credit_min_0  driver,promo
2220 Liabilities:Deferred-Subscriptions credit_min_0  contract
2300 Liabilities:Driver-Deposits        credit_min_0  driver
2400 Liabilities:Tax:Output-VAT         any           tax_code
2900 Liabilities:Suspense               zero_at_close bank_line
3000 Equity:Capital                     any
3100 Equity:Retained-Earnings           any
3900 Equity:Conversion                  any           currency_pair
4000 Income:Energy                      any
4010 Income:Swap-Service                any
4020 Income:Booking-Fees                any
4030 Income:Subscriptions               any
4040 Income:Damage-Late-Fees            any
4050 Income:V2G                         any
4060 Income:Commission                  any
4090 Income:Discounts                   any
5000 Expenses:Energy-Cost               any
5010 Expenses:Partner-Share             any           partner
5020 Expenses:PSP-Fees                  any
5040 Expenses:Depreciation-Packs        any           pack
5050 Expenses:Pack-Write-Off            any           pack
5060 Expenses:Bad-Debt                  any
5070 Expenses:Chargebacks               any
5080 Expenses:FX-Differences            any
5085 Expenses:Bank-Charges              any
5090 Expenses:Rounding                  any
"""

# code  family  root at export; Packs and Title hold PACK by pack, Energy holds WH by leaf
_FAMILIES = """
8000 Packs:Depot        Assets
8001 Packs:Station      Assets
8002 Packs:Carrier      Assets
8003 Packs:Driver       Assets
8004 Packs:Workshop     Assets
8005 Packs:SecondLife   Assets
8006 Packs:Recycler     Assets
8007 Packs:Suspense     Assets
8008 Packs:Missing      Assets
8009 Packs:Supplier     Assets
8090 Packs:Acquired     Equity:Units
8091 Packs:Ended        Equity:Units
8092 Packs:Bailment     Equity:Units
8500 Energy:Pack        Assets
8590 Energy:Grid        Equity:Units
8591 Energy:Driver      Equity:Units
8592 Energy:Export      Equity:Units
8593 Energy:Losses      Equity:Units
8594 Energy:Revaluation Equity:Units
8595 Energy:Quarantine  Equity:Units
8700 Title:Issued       Equity:Units
8700 Title:Holder       Equity:Units
8700 Title:Ended        Equity:Units
"""


def _money_account(row: str) -> AccountInfo:
    code, name, rule, *keys = row.split()
    named = keys[0] if keys else ""
    either = "/" in named
    dims = tuple(named.split("/" if either else ",")) if named else ()
    return AccountInfo(int(code), name, name, "money", rule, dims, either)


def _family(row: str) -> AccountInfo:
    code, name, root = row.split()
    energy = name.startswith("Energy:")
    return AccountInfo(
        int(code),
        name,
        f"{root}:{name}",
        "energy" if energy else "packs",
        keys=() if energy else ("pack",),
    )


_ACCOUNTS = {info.name: info for info in map(_money_account, _MONEY.strip().splitlines())}
_TREES = {info.name: info for info in map(_family, _FAMILIES.strip().splitlines())}

CHART: tuple[AccountInfo, ...] = (*_ACCOUNTS.values(), *_TREES.values())
"""Every account and family, by code."""

_COMMODITY = {"packs": PACK, "energy": WH}


@lru_cache(maxsize=65_536)
def account_info(account: str) -> AccountInfo | None:
    """Find the account, or the family that a leaf such as ``Packs:Driver:DR-1`` belongs to."""
    info = _ACCOUNTS.get(account)
    if info is None:
        # families are the first two segments; leaves may have any number more
        info = _TREES.get(":".join(account.split(":", 2)[:2]))
    return info


def item_of(posting: Posting) -> str:
    """Name the balance inside its account that a posting belongs to, "" where there is only one.

    The value of the account's key dimension: the pack for packs, a driver, partner, tax code for
    money. Two key dimensions are joined by "|"; an absent second one leaves the first alone.
    """
    info = account_info(posting.account)
    if info is None or not info.keys:
        return ""
    dims = posting.dims
    if len(info.keys) == 1:
        return dims.get(info.keys[0], "")
    if info.either:
        return next((dims[key] for key in info.keys if key in dims), "")
    return "|".join(dims.get(key, "") for key in info.keys).rstrip("|")


def export_name(account: str) -> str:
    """Name an account as accounting programs see it; `InvariantBroken` when it is not ours."""
    info = account_info(account)
    if info is None:
        raise InvariantBroken(f"{account} is not in the chart of accounts")
    return info.export


def check_chart(postings: Iterable[Posting]) -> RefusalCode | None:
    """Give the first violation of the chart in the order of the codes; None when all is well."""
    worst: RefusalCode | None = None
    for posting in postings:
        code = _violation(posting)
        if code is not None and (worst is None or code < worst):
            worst = code
    return worst


def _violation(posting: Posting) -> RefusalCode | None:
    info = account_info(posting.account)
    commodity = posting.commodity
    if info is None:
        return RefusalCode.ACCOUNT_UNKNOWN
    if info.holds == "money":
        allowed = commodity in EXPONENTS
    else:
        allowed = commodity == _COMMODITY[info.holds]
    if not allowed:
        known = commodity in EXPONENTS or commodity in _COMMODITY.values()
        return RefusalCode.COMMODITY_NOT_ALLOWED if known else RefusalCode.COMMODITY_UNKNOWN
    if not DIMENSIONS.issuperset(posting.dims):
        return RefusalCode.DIMENSION_INVALID
    return None
