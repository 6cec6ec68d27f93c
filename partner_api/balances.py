"""Balances and the trial balance, as the doors of auditors and of finance both show them."""

from collections import defaultdict

import msgspec

from ledger.domain.money.accounts import account_info
from ledger.store.queries.balances import Balance
from partner_api.look import AsOf, Look
from partner_api.problems import DoorProblem

BALANCES_MAX = 10_000


class BalancesOut(msgspec.Struct, frozen=True):
    """What accounts hold: minor units of a currency, Wh, or packs."""

    items: list[Balance]
    as_of: AsOf


class TrialLine(msgspec.Struct, frozen=True):
    """One account of the chart: what it holds of a commodity."""

    code: int
    account: str
    commodity: str
    quantity: int


class Total(msgspec.Struct, frozen=True):
    """The sum over all accounts of one commodity; anything but 0 is a broken book."""

    commodity: str
    quantity: int


class TrialBalanceOut(msgspec.Struct, frozen=True):
    """Every account of the chart, and that each commodity sums to zero."""

    items: list[TrialLine]
    totals: list[Total]
    is_balanced: bool
    as_of: AsOf


def balances_of(look: Look, account: str, item: str) -> BalancesOut:
    """List what is held at and below an account at the moment; `bounds_needed` when too many."""
    found = look.reads.balances(account, item=item, at=look.moment)
    if len(found) > BALANCES_MAX:
        rule = f"more than {BALANCES_MAX} balances; name a deeper account or an item"
        raise DoorProblem("bounds_needed", rule, field="account")
    return BalancesOut(found, look.as_of())


def trial_balance_of(look: Look) -> TrialBalanceOut:
    """Sum every account of the chart at the moment: money, energy, packs and titles."""
    at = None if look.is_now else look.moment
    sums: defaultdict[tuple[int, str, str], int] = defaultdict(int)
    totals: defaultdict[str, int] = defaultdict(int)
    for each in look.reads.totals(at=at):
        code, name = chart_name(each.account)
        sums[code, name, each.commodity] += each.quantity
        totals[each.commodity] += each.quantity
    return TrialBalanceOut(
        [TrialLine(*key, quantity) for key, quantity in sorted(sums.items())],
        [Total(*total) for total in sorted(totals.items())],
        not any(totals.values()),
        look.as_of(),
    )


def chart_name(account: str) -> tuple[int, str]:
    """Give the code and name under which the chart of accounts shows an account."""
    info = account_info(account)
    return (0, account) if info is None else (info.code, info.name)
