"""Matching: what a line of the bank settles, in the order of the money handbook 10.2.

1. a reference of ours and the exact amount; 2. a reference, and the amount off by a fee that the
bank or the provider declares; 3. amount and currency exact, one candidate, in its days, the same
party; 4. several items whose references the line names completely; 5. nothing. A known reference
with another amount is a part payment, or pays too much; a known reference in another currency, and
items that merely add up, are only proposed. Nothing is guessed.

Everything here is a pure function over the open items, so that the same files and the same books
give the same matches.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_booking import OTHER_CURRENCY, SECOND_DEBIT, UNKNOWN, UNKNOWN_DEBIT
from ledger.domain.money.bank_rows import (
    BANK_CHARGES,
    IN_TRANSIT,
    PARTNERS_OWE,
    PAYOUTS_IN_FLIGHT,
    PSP_FEES,
    BankLine,
    Match,
    item_key,
)
from ledger.domain.money.reconciling_policy import Policy, bank_days_after

CHARGE_FAMILIES = frozenset({"CHRG", "COMM", "FEES"})
"""Sub-families of ISO 20022 under which a bank books what it takes for itself."""

PAYOUT_NAMES = ("MGE-", "MGB-", "MGP-")
"""How the references of our payouts begin. A payout's line names its statement too: they count."""

AMOUNT_DIFFERS, SEVERAL = "AMOUNT_DIFFERS", "SEVERAL"


class OpenItem(msgspec.Struct, frozen=True):
    """Something that a bank line may settle, signed as the line would show it (minor units).

    `before_minor` is what lines settled of it so far. `references` are the names under which a bank
    may tell of it; `party` who pays or is paid, empty where nobody knows. It is expected between
    two days. `fee_minor` is what the provider says it keeps of it. `is_over` marks a payout that
    left already: it can only come back.
    """

    account: str
    dims: dict[str, str]
    currency: str
    open_minor: int
    references: frozenset[str]
    before_minor: int = 0
    party: str = ""
    from_on: str = ""
    to_on: str = ""
    fee_minor: int = 0
    attempt: int = 0
    is_over: bool = False

    @property
    def key(self) -> str:
        """The account and the item inside it."""
        return item_key(self.account, self.dims)


class Seen(msgspec.Struct, frozen=True):
    """A line, its currency, and who is on the other side, where that is known."""

    line: BankLine
    currency: str
    party: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What a line settles; or why it waits, with what a person may look at first."""

    matches: tuple[Match, ...] = ()
    reason: str = ""
    proposed: tuple[Match, ...] = ()


def decide_line(seen: Seen, items: Sequence[OpenItem], policy: Policy) -> Decision:
    """Say what a line settles, among the items that are open."""
    named = [item for item in items if item.references.intersection(seen.line.references)]
    paying = [item for item in named if item.account == PAYOUTS_IN_FLIGHT]
    if named:
        return _by_reference(seen, paying or named)
    if _is_bank_charge(seen.line):
        amount = seen.line.amount_minor
        return Decision((Match(rule="code", account=BANK_CHARGES, amount_minor=amount, dims={}),))
    fitting = [item for item in items if _fits(seen, item, policy)]
    if len(fitting) == 1:
        return Decision((_match("amount", fitting[0], fitting[0].open_minor),))
    reason = UNKNOWN if seen.line.amount_minor > 0 else UNKNOWN_DEBIT
    if fitting:
        return Decision(reason=SEVERAL if seen.line.amount_minor > 0 else UNKNOWN_DEBIT)
    return Decision(reason=reason, proposed=_subset(seen, items, policy))


def _match(rule: str, item: OpenItem, amount_minor: int, **more: Any) -> Match:
    return Match(
        rule=rule,
        account=item.account,
        amount_minor=amount_minor,
        dims=item.dims,
        before_minor=item.before_minor,
        attempt=item.attempt,
        **more,
    )


# References -------------------------------------------------------------------


def _by_reference(seen: Seen, named: list[OpenItem]) -> Decision:
    if any(item.currency != seen.currency for item in named):
        return Decision(reason=OTHER_CURRENCY)
    if len(named) > 1:
        return _group(seen, named)
    (item,) = named
    amount = seen.line.amount_minor
    if item.is_over:
        return _came_back(seen.line, item)
    if amount == item.open_minor:
        return Decision((_match("reference", item, amount),))
    for fee, account in ((seen.line.charge_minor, BANK_CHARGES), (item.fee_minor, PSP_FEES)):
        if fee > 0 and amount > 0 and amount + fee == item.open_minor:
            kept: dict[str, Any] = {"fee_minor": fee, "fee_account": account}
            return Decision((_match("fee", item, item.open_minor, **kept),))
    if item.account not in (RECEIVABLE, PARTNERS_OWE) or amount * item.open_minor <= 0:
        waits = AMOUNT_DIFFERS if amount > 0 else UNKNOWN_DEBIT
        return Decision(reason=waits, proposed=(_match("reference", item, item.open_minor),))
    if amount < item.open_minor:
        left = item.open_minor - amount
        return Decision((_match("part", item, amount, left_minor=left),))
    return Decision((_match("overpaid", item, item.open_minor),))


def _came_back(line: BankLine, item: OpenItem) -> Decision:
    """Take a payout back that had left, less what the bank declares to have kept."""
    if line.amount_minor < 0:
        return Decision(reason=SECOND_DEBIT)
    if line.amount_minor == item.open_minor:
        return Decision((_match("reference", item, item.open_minor),))
    if line.charge_minor > 0 and line.amount_minor + line.charge_minor == item.open_minor:
        kept: dict[str, Any] = {"fee_minor": line.charge_minor, "fee_account": BANK_CHARGES}
        return Decision((_match("fee", item, item.open_minor, **kept),))
    return Decision(reason=AMOUNT_DIFFERS)


def _group(seen: Seen, named: list[OpenItem]) -> Decision:
    """Settle several items at once: all that the line names, and nothing but them."""
    found = tuple(_match("group", item, item.open_minor) for item in named)
    known = frozenset().union(*(item.references for item in named))
    is_payout = named[0].account == PAYOUTS_IN_FLIGHT
    is_complete = known.issuperset(
        name for name in seen.line.references if not is_payout or name.startswith(PAYOUT_NAMES)
    )
    adds_up = sum(item.open_minor for item in named) == seen.line.amount_minor
    if is_complete and adds_up and not any(item.is_over for item in named):
        return Decision(found)
    reason = SEVERAL if seen.line.amount_minor > 0 else UNKNOWN_DEBIT
    return Decision(reason=reason, proposed=found if adds_up else ())


# No reference -----------------------------------------------------------------


def _is_bank_charge(line: BankLine) -> bool:
    return line.amount_minor < 0 and line.code.rpartition("-")[2] in CHARGE_FAMILIES


def _fits(seen: Seen, item: OpenItem, policy: Policy) -> bool:
    """Tell whether amount, currency, days and party say that the line settles an item.

    A payout of the provider has no party on the line: the provider tells amount and day itself.
    """
    same_party = bool(seen.party) and seen.party == item.party
    if item.is_over or item.currency != seen.currency:
        return False
    if item.open_minor != seen.line.amount_minor or not (same_party or item.account == IN_TRANSIT):
        return False
    if not item.from_on or not item.to_on or item.account == PAYOUTS_IN_FLIGHT:
        return False
    days = policy.match_bank_days
    first = bank_days_after(item.from_on, -days, policy.holidays)
    last = bank_days_after(item.to_on, days, policy.holidays)
    return first <= seen.line.booked_on <= last


def _subset(seen: Seen, items: Iterable[OpenItem], policy: Policy) -> tuple[Match, ...]:
    """Propose the one set of a party's items that adds up to the line, if there is but one."""
    pool = [
        item
        for item in items
        if seen.party
        and item.party == seen.party
        and item.currency == seen.currency
        and not item.is_over
        and item.account != PAYOUTS_IN_FLIGHT
    ]
    amounts = [item.open_minor for item in pool]
    chosen = unique_subset(amounts, seen.line.amount_minor, policy.subset_pool_max)
    return tuple(_match("subset", pool[place], amounts[place]) for place in chosen)


def unique_subset(amounts: Sequence[int], total: int, pool_max: int) -> tuple[int, ...]:
    """Find the places of the only two or more amounts that add up; none where it is not one.

    >>> unique_subset([500, 700, 1100], 1800, 12), unique_subset([500, 500, 700], 1200, 12)
    ((1, 2), ())
    """
    if len(amounts) > pool_max:
        return ()
    found: list[int] = []
    for chosen in range(1, 1 << len(amounts)):
        parts = [amount for place, amount in enumerate(amounts) if chosen >> place & 1]
        if len(parts) > 1 and sum(parts) == total:
            found.append(chosen)
    if len(found) != 1:
        return ()
    return tuple(place for place in range(len(amounts)) if found[0] >> place & 1)
