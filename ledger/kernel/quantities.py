"""Physical quantities as integers with the unit in the name: Wh, basis points, deci-degrees.

Names end in their unit: `energy_wh`, `soc_bp` and `soh_bp` (1 bp = 0.01 %), `temperature_dc`
(0.1 degree C), `power_w`. Text from outside is converted exactly or refused, never through float.
"""

import re

from ledger.kernel.errors import Malformed

BP_FULL = 10_000
"""100 % in basis points."""

_DECIMAL = re.compile(r"^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9})?$")


def parse_scaled(text: str, decimals: int, field: str) -> int:
    """Read a decimal text exactly as an integer of 10^-decimals units.

    Raises `Malformed` for anything but a plain decimal, or one with more decimals than fit.

    >>> parse_scaled("20.53", 3, "energy_kwh")
    20530
    """
    if not _DECIMAL.match(text):
        raise Malformed(f"not a plain decimal number: {text[:40]!r}", field=field)
    whole, _, fraction = text.lstrip("-").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise Malformed(f"more than {decimals} decimals: {text[:40]!r}", field=field)
    value = int(whole + fraction.ljust(decimals, "0"))
    return -value if text.startswith("-") else value


def round_half_even(numerator: int, denominator: int) -> int:
    """Divide by a positive denominator, a tie going to the even neighbour.

    >>> [round_half_even(n, 2) for n in (1, 3, 5, -1, -3)]
    [0, 2, 2, 0, -2]
    """
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def stored_wh(nominal_wh: int, soc_bp: int, soh_bp: int) -> int:
    """Energy inside a pack: nominal x state of charge x state of health (custody handbook 8.2).

    The only half-even rounding of the product.

    >>> stored_wh(75_000, 9_000, 9_800)
    66150
    """
    return round_half_even(nominal_wh * soc_bp * soh_bp, BP_FULL * BP_FULL)


def kwh_text(energy_wh: int) -> str:
    """Write Wh as kWh with exactly three decimals.

    >>> kwh_text(-1234)
    '-1.234'
    """
    return scaled_text(energy_wh, 3)


def scaled_text(value: int, decimals: int) -> str:
    """Write an integer of 10^-decimals units as a decimal text with that many decimals.

    >>> scaled_text(5, 2), scaled_text(-1234, 0)
    ('0.05', '-1234')
    """
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
