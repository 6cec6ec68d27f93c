"""Options of commands that take money in: a currency, amounts with and without tax."""

from typing import Any

from ledger.kernel.money import parse_amount
from mobilegrid.cli.acting import text

CURRENCY = text("--currency", "currency", "Its currency.", required=True, metavar="CODE")
TAX = text("--tax", "tax", "Tax on it.", default="0", metavar="AMOUNT")
TAX_CODE = text("--tax-code", "tax_code", "Treatment of the tax.", metavar="CODE")


def without_tax(option: str) -> Any:
    """Make the option for an amount without tax, such as ``--cost``; needed."""
    name = option.lstrip("-")
    return text(option, name, "Amount without tax.", required=True, metavar="AMOUNT")


def amounts(given: dict[str, Any], name: str) -> dict[str, int]:
    """Read an amount and the tax on it as minor units: ``<name>_minor`` and ``tax_minor``."""
    currency = given["currency"]
    return {f"{each}_minor": parse_amount(given[each], currency, each) for each in (name, "tax")}
