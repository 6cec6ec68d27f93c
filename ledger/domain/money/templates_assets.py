"""Posting templates of energy at cost, of packs as assets, and of other currencies (money 4).

Every function is pure and gives lines that sum to zero in each currency; amounts are minor units.
"""

from ledger.domain.money.accounts import (
    BANK,
    CONVERSION,
    DEPRECIATION,
    ENERGY_COST,
    ENERGY_INVENTORY,
    FX_DIFFERENCES,
    INCOME_V2G,
    INPUT_VAT,
    OUTPUT_VAT,
    PACKS_COST,
    PACKS_DEPRECIATION,
    PARTNERS_ACCRUED,
    PARTNERS_OWE,
    SUPPLIERS,
    WRITE_OFF,
)
from ledger.kernel.postings import Posting, pair

Dims = dict[str, str]
Tax = tuple[str, int]
"""The code of a tax treatment, and the amount."""


def _lines(*lines: Posting) -> tuple[Posting, ...]:
    return tuple(line for line in lines if line.quantity)


# Energy ---------------------------------------------------------------------------


def energy_bought(currency: str, net_minor: int, tax: Tax, dims: Dims) -> tuple[Posting, ...]:
    """Owe a supplier for energy: Dr energy inventory, Dr input VAT, Cr partners accrued."""
    return energy_corrected(currency, (net_minor, 0), tax, dims)


def energy_corrected(
    currency: str, nets: tuple[int, int], tax: Tax, dims: Dims
) -> tuple[Posting, ...]:
    """Owe a supplier more, or less: `nets` are what the inventory takes, and what is cost at once.

    `dims` names the partner.
    """
    inventory_minor, cost_minor = nets
    code, tax_minor = tax
    owed = inventory_minor + cost_minor + tax_minor
    return _lines(
        Posting(ENERGY_INVENTORY, currency, inventory_minor),
        Posting(ENERGY_COST, currency, cost_minor),
        Posting(INPUT_VAT, currency, tax_minor, {"tax_code": code}),
        Posting(PARTNERS_ACCRUED, currency, -owed, dims),
    )


def energy_cost(currency: str, cost_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Use energy at its cost: Dr energy cost, Cr energy inventory; of a swap or of an export."""
    return pair(currency, cost_minor, debit=ENERGY_COST, credit=ENERGY_INVENTORY, dims=dims)


def v2g_sold(currency: str, net_minor: int, tax: Tax, dims: Dims) -> tuple[Posting, ...]:
    """Sell energy to the grid: Dr partner receivable, Cr income of V2G, Cr output VAT."""
    code, tax_minor = tax
    return _lines(
        Posting(PARTNERS_OWE, currency, net_minor + tax_minor, dims),
        Posting(INCOME_V2G, currency, -net_minor, dims),
        Posting(OUTPUT_VAT, currency, -tax_minor, {"tax_code": code}),
    )


# Packs ----------------------------------------------------------------------------


def packs_capitalised(currency: str, cost_minor: int, tax: Tax, dims: Dims) -> tuple[Posting, ...]:
    """Take a pack into the assets: Dr cost, Dr input VAT, Cr suppliers; `dims`: partner, pack."""
    code, tax_minor = tax
    return _lines(
        Posting(PACKS_COST, currency, cost_minor, {"pack": dims["pack"]}),
        Posting(INPUT_VAT, currency, tax_minor, {"tax_code": code}),
        Posting(SUPPLIERS, currency, -cost_minor - tax_minor, dims),
    )


def depreciation_soh(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Depreciate a pack: Dr depreciation, Cr accumulated depreciation."""
    return pair(currency, amount_minor, debit=DEPRECIATION, credit=PACKS_DEPRECIATION, dims=dims)


def packs_written_off(
    currency: str, cost_minor: int, accumulated_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """Take a pack out of the assets: Dr accumulated depreciation, Dr write-off, Cr cost."""
    return _lines(
        Posting(PACKS_DEPRECIATION, currency, accumulated_minor, dims),
        Posting(WRITE_OFF, currency, cost_minor - accumulated_minor, dims),
        Posting(PACKS_COST, currency, -cost_minor, dims),
    )


def packs_recovered(currency: str, value_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Take a pack back into the assets at an approved value: Dr cost, Cr write-off."""
    return pair(currency, value_minor, debit=PACKS_COST, credit=WRITE_OFF, dims=dims)


# Currencies -----------------------------------------------------------------------


def fx_bought(bought: tuple[str, int], sold: tuple[str, int], dims: Dims) -> tuple[Posting, ...]:
    """Exchange money in the bank, each currency through conversion; (currency, amount) each.

    `dims` names the bank account and the pair of currencies.
    """
    account = {"bank_account": dims["bank_account"]}
    through = {"currency_pair": dims["currency_pair"]}
    lines: list[Posting] = []
    for currency, amount in (bought, (sold[0], -sold[1])):
        lines.append(Posting(BANK, currency, amount, account))
        lines.append(Posting(CONVERSION, currency, -amount, through))
    return tuple(lines)


def fx_revalued(currency: str, gained_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Book what foreign money gained by the rate of the day: Dr conversion, Cr differences."""
    return pair(currency, gained_minor, debit=CONVERSION, credit=FX_DIFFERENCES, dims=dims)
