"""Accounts, amounts and names in the grammar that hledger, Beancount and Ledger share."""

import re
from functools import lru_cache
from hashlib import sha256

from ledger.domain.money.accounts import account_info, export_name
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import PACK, WH
from ledger.kernel.quantities import scaled_text

COMMODITIES: dict[str, tuple[str, int]] = {
    **{code: (code, decimals) for code, decimals in EXPONENTS.items()},
    WH: ("KWH", 3),
    PACK: ("PACK", 0),
}
"""Code and decimals at export by our commodity (money handbook 2.2)."""

_OUTSIDE_GRAMMAR = re.compile(r"[^A-Za-z0-9-]")
_MARK_HEX = 8


def amount(quantity: int, commodity: str) -> str:
    """Write a quantity with the fixed decimals and the code of its commodity.

    Raises `InvariantBroken` for a commodity that is not ours.

    >>> amount(-1501, "EUR"), amount(66_150, "WH"), amount(1, "PACK")
    ('-15.01 EUR', '66.150 KWH', '1 PACK')
    """
    code, decimals = commodity_of(commodity)
    return f"{scaled_text(quantity, decimals)} {code}"


def commodity_of(commodity: str) -> tuple[str, int]:
    """Give code and decimals at export; `InvariantBroken` for a commodity that is not ours."""
    try:
        return COMMODITIES[commodity]
    except KeyError:
        raise InvariantBroken(f"{commodity[:40]} is no commodity of ours") from None


@lru_cache(maxsize=1 << 16)
def leaf_name(account: str) -> str:
    """Name an account with its full path below the family, each segment in the shared grammar.

    >>> leaf_name("Packs:Station:ST-1:Slot:4")
    'Assets:Packs:Station:ST-1:Slot:4'
    """
    info = account_info(account)
    root = export_name(account)
    if info is None or account == info.name:
        return root
    segments = account[len(info.name) + 1 :].split(":")
    return ":".join((root, *map(_segment, segments)))


def _segment(text: str) -> str:
    """Fit one path segment: ``A-Z`` or ``0-9`` first, then letters, digits, ``-``.

    What had to be changed gets a mark made from the original, so that two stay two.
    """
    fitted = _OUTSIDE_GRAMMAR.sub("-", text)
    fitted = fitted[:1].upper() + fitted[1:]
    if not fitted or fitted[0] == "-":
        fitted = "X" + fitted
    if fitted == text:
        return text
    return f"{fitted}-{sha256(text.encode()).hexdigest()[:_MARK_HEX]}"
