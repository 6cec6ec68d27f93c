"""International bank account numbers: the check digits and the length of each country (ISO 13616).

A number is kept without blanks, in upper case. What passes here can exist; whether it does, only
the bank knows.
"""

import re

from ledger.kernel.errors import Malformed

_SHAPE = re.compile(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")
_BIC = re.compile(r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$")

# Lengths of the register of ISO 13616, by the number of characters.
_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH CR HR LI LV",
    22: "BG BH DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ DZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
LENGTHS: dict[str, int] = {
    country: length for length, countries in _BY_LENGTH.items() for country in countries.split()
}
"""Characters of an account number by country code."""

_CHECK_MODULUS = 97


def check_iban(text: str, field: str) -> str:
    """Return the number without blanks; `Malformed` names `field` and the rule that it breaks.

    >>> check_iban("DE89 3704 0044 0532 0130 00", "iban")
    'DE89370400440532013000'
    """
    iban = text.replace(" ", "")
    if not _SHAPE.match(iban):
        raise Malformed("an IBAN is a country, two check digits and the account", field=field)
    length = LENGTHS.get(iban[:2])
    if length is None:
        raise Malformed(f"no country with IBANs: {iban[:2]}", field=field)
    if len(iban) != length:
        raise Malformed(
            f"an IBAN of {iban[:2]} has {length} characters, not {len(iban)}", field=field
        )
    if _remainder(iban) != 1:
        raise Malformed("the check digits of the IBAN do not fit", field=field)
    return iban


def check_bic(text: str, field: str) -> str:
    """Return a bank's identifier of 8 or 11 characters (ISO 9362); `Malformed` for another shape.

    >>> check_bic("COBADEFFXXX", "bic")
    'COBADEFFXXX'
    """
    if not _BIC.match(text):
        raise Malformed("a BIC is 8 or 11 characters: bank, country, place, branch", field=field)
    return text


def _remainder(iban: str) -> int:
    """Give the number, country and check digits moved to its end, modulo 97 (A is 10, Z is 35)."""
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % _CHECK_MODULUS
