"""Rows of closed periods: the checklist they were closed on, and the balances they keep."""

from hashlib import sha256

import msgspec

from ledger.domain.world import Shelf
from ledger.kernel.envelope import canonical

ITEMS = 14
"""Items of the checklist of money handbook 11.3; the last one is that two persons sign."""

PART_BYTES = 48_000
"""So much of the balances at most in one entry."""

ACCEPTABLE = frozenset({1, 7, 8, 9, 13})
"""Items that two persons may accept with a reason; the others are sums, and hold or do not."""


class KeptBalance(msgspec.Struct, frozen=True):
    """What an account held of a commodity at the end of a period, under one key."""

    account: str
    item: str
    commodity: str
    quantity: int


class KeptBalances(msgspec.Struct, frozen=True):
    """One part of the closing balances of a revision."""

    balances: tuple[KeptBalance, ...]


class CheckItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item of the checklist: its number and name, whether it holds, and what was found.

    `accepted` is the reason for which two persons let it pass although it does not hold.
    """

    no: int
    name: str
    holds: bool
    found: str
    accepted: str = ""


CLOSING_BALANCES = Shelf("closing_balances", KeptBalances)  # key: period, revision, part


def is_complete(checklist: tuple[CheckItem, ...]) -> bool:
    """Tell whether every item but the signatures is there, in order, and holds or is accepted."""
    if [one.no for one in checklist] != list(range(1, ITEMS)):
        return False
    return all(one.holds or (one.no in ACCEPTABLE and one.accepted) for one in checklist)


def balances_digest(balances: tuple[KeptBalance, ...]) -> str:
    """Hash closing balances, in hex."""
    return sha256(canonical(balances)).hexdigest()


def balance_parts(balances: tuple[KeptBalance, ...]) -> list[tuple[KeptBalance, ...]]:
    """Cut balances into parts that an entry can hold."""
    parts: list[tuple[KeptBalance, ...]] = []
    part: list[KeptBalance] = []
    size = 0
    for one in balances:
        length = len(canonical(one)) + 1
        if size + length > PART_BYTES:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(one)
        size += length
    return [*parts, tuple(part)] if part else parts
