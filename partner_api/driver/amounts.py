"""How quantities and prices of bills are written for drivers: whole numbers, decimal strings."""

from ledger.domain.money.rating_facts import Line
from ledger.domain.money.rating_parts import FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH
from ledger.kernel.money import EXPONENTS
from ledger.runtime.receipts import BilledLine
from partner_api.driver.bodies_bills import InvoiceLineOut, ReceiptLineOut, TaxOut

UNITS = {
    "WH": "wh",
    "SWAP": "swap",
    "ITEM": "item",
    "MINUTE": "minute",
    "DAY": "day",
    "MONTH": "month",
    "SOH_BP": "soh_bp",
}
FEES = frozenset({"BOOKING", "NO_SHOW", "LATE", "IDLE", "CLASS_UPGRADE", "EXTRA_PACK", "DAMAGE"})
WORDS = {
    "ENERGY": "Energy",
    "SERVICE": "Service",
    "SWAP": "Swap",
    "BOOKING": "Booking fee",
    "NO_SHOW": "No-show fee",
    "LATE": "Late return",
    "IDLE": "Time after charging",
    "CLASS_UPGRADE": "Larger pack than agreed",
    "EXTRA_PACK": "Pack not returned",
    "DAMAGE": "Compensation for damage",
    "SUBSCRIPTION": "Subscription",
    "V2G": "Energy given back",
    "DISCOUNT": "Discount",
}
_FREE = frozenset({FORMULA_ALLOWANCE, FORMULA_ALLOWANCE_WH})
_MICRO, _WH_OF_KWH = 6, 1_000
_BP_OF_PERCENT = 100


def price_text(rate_micro: int, currency: str) -> str:
    """Write a price of one unit (micro units of the currency's major unit) as a decimal.

    >>> price_text(700_000, "EUR"), price_text(1_234_500, "EUR"), price_text(-5, "EUR")
    ('0.70', '1.2345', '-0.000005')
    """
    sign, digits = "-" if rate_micro < 0 else "", f"{abs(rate_micro):07d}"
    whole, part = digits[:-_MICRO], digits[-_MICRO:].rstrip("0")
    least = EXPONENTS.get(currency, 2)
    part = part.ljust(least, "0")
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def kwh_text(energy_wh: int) -> str:
    """Write an energy in kWh with three places.

    >>> kwh_text(12_000), kwh_text(-1)
    ('12.000', '-0.001')
    """
    sign, amount = "-" if energy_wh < 0 else "", abs(energy_wh)
    return f"{sign}{amount // _WH_OF_KWH}.{amount % _WH_OF_KWH:03d}"


def rate_text(rate_bp: int) -> str:
    """Write a rate of tax in percent.

    >>> rate_text(2000), rate_text(550)
    ('20', '5.50')
    """
    whole, part = divmod(rate_bp, _BP_OF_PERCENT)
    return f"{whole}.{part:02d}" if part else str(whole)


def billed_of(line: Line) -> int:
    """Give the quantity that a line bills."""
    return line.quantity if line.billed_quantity is None else line.billed_quantity


def is_minimum(line: Line) -> bool:
    """Tell whether a line bills more than was delivered: the least quantity of the tariff."""
    return line.billed_quantity is not None and line.billed_quantity > line.quantity


def line_text(line: Line) -> str:
    """Say a line in English, as it stands on the bill.

    A service whose least quantity counts reads "Service 20.000 kWh (minimum; delivered 12.000)".
    """
    name = WORDS.get(line.component, line.component.replace("_", " ").capitalize())
    billed = billed_of(line)
    if line.unit == "WH":
        quantity = f"{kwh_text(billed)} kWh"
        if is_minimum(line):
            quantity += f" (minimum; delivered {kwh_text(line.quantity)})"
    else:
        unit = UNITS.get(line.unit, line.unit.lower())
        quantity = f"{billed} {unit}" + ("s" if billed != 1 and unit != "soh_bp" else "")
        if is_minimum(line):
            quantity += f" (minimum; delivered {line.quantity})"
    more = ", within the allowance" if line.formula in _FREE else ""
    return f"{name} {quantity}{more}"


def receipt_line(
    one: BilledLine, currency: str, *, times: tuple[str, str], disputed: bool
) -> ReceiptLineOut:
    """Show a line of a bill to its driver."""
    line = one.line
    return ReceiptLineOut(
        line_id=one.name,
        kind=line.component.lower(),
        text=line_text(line),
        quantity=line.quantity,
        billed_quantity=billed_of(line),
        unit=UNITS.get(line.unit, line.unit.lower()),
        unit_price=price_text(line.rate_micro, currency),
        net_minor=one.net_minor,
        tax_category=one.rule.category,
        tax_rate=rate_text(one.rule.rate_bp),
        tariff_version=line.tariff_version,
        formula=line.formula,
        begin_at=times[0],
        end_at=times[1],
        is_minimum=is_minimum(line),
        is_allowance=line.formula in _FREE,
        is_fee=line.component in FEES,
        gross_minor=line.gross_minor,
        promo=line.promo,
        time_band=line.element_id,
        disputed=disputed,
    )


def invoice_line(
    one: BilledLine, currency: str, *, usage: tuple[str, str], days: tuple[str, str]
) -> InvoiceLineOut:
    """Show a line of an invoice to its driver; `usage` is the kind and id of what it bills."""
    line = one.line
    kind, usage_id = usage
    return InvoiceLineOut(
        line_id=one.name,
        kind=line.component.lower(),
        text=line_text(line),
        quantity=billed_of(line),
        unit=UNITS.get(line.unit, line.unit.lower()),
        unit_price=price_text(line.rate_micro, currency),
        net_minor=one.net_minor,
        tax_category=one.rule.category,
        tax_rate=rate_text(one.rule.rate_bp),
        service_period=list(days),
        quantity_wh=billed_of(line) if line.unit == "WH" else None,
        swap_id=usage_id if kind == "swap" else "",
        tariff_version=line.tariff_version,
    )


def tax_out(category: str, rate_bp: int, net_minor: int, tax_minor: int) -> TaxOut:
    """Show a row of the tax table."""
    return TaxOut(category, rate_text(rate_bp), net_minor, tax_minor)
