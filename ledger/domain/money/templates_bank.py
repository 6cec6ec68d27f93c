"""Posting templates of the bank: what its lines settle, charges, suspense, rounding (money 4).

Every function is pure and gives lines that sum to zero in each currency. Amounts are minor units
with the sign of the bank line: what comes in is positive and debits the bank.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.domain.money.accounts import SUSPENSE
from ledger.domain.money.bank_rows import CAPITAL, Match
from ledger.kernel.postings import Posting, negate, pair

ROUNDING = "Expenses:Rounding"


class AtBank(NamedTuple):
    """Where a line stands: the account of the books, our account at the bank, the line."""

    account: str
    bank_account_id: str
    line_id: str

    @property
    def dims(self) -> dict[str, str]:
        """The dimensions of its posting on the bank."""
        return {"bank_account": self.bank_account_id, "bank_line": self.line_id}


def bank_line(
    currency: str, amount_minor: int, matches: Iterable[Match], where: AtBank
) -> tuple[Posting, ...]:
    """Post a line: Dr bank, Cr what it settles, Dr fees the bank kept; the rest Cr suspense.

    By what it settles this is ``psp.payout_arrived`` (Cr in transit), ``bank.charge`` (Dr bank
    charges, Cr bank), or with no match at all ``suspense.received``. What ends a payout is left
    out: the payout's own entry moves it.
    """
    lines: list[Posting] = []
    rest = amount_minor
    on_bank = 0
    for match in matches:
        rest -= match.on_line_minor
        if match.payout_id:
            continue
        on_bank += match.on_line_minor
        lines += _settles(currency, match, where)
    lines.insert(0, Posting(where.account, currency, on_bank + rest, where.dims))
    lines.append(Posting(SUSPENSE, currency, -rest, {"bank_line": where.line_id}))
    return tuple(line for line in lines if line.quantity)


def _settles(currency: str, match: Match, where: AtBank) -> tuple[Posting, ...]:
    dims = {**match.dims, "bank_line": where.line_id}
    return (
        Posting(match.account, currency, -match.amount_minor, dims),
        Posting(match.fee_account, currency, match.fee_minor, {"bank_line": where.line_id}),
    )


def suspense_identified(
    currency: str, matches: Iterable[Match], line_id: str
) -> tuple[Posting, ...]:
    """Know what a part of it was: Dr suspense, Cr what it settles."""
    lines: list[Posting] = []
    for match in matches:
        dims = {"bank_line": line_id}
        lines.append(Posting(SUSPENSE, currency, match.on_line_minor, dims))
        lines += _settles(currency, match, AtBank("", "", line_id))
    return tuple(line for line in lines if line.quantity)


def rounding_accepted(
    currency: str, amount_minor: int, account: str, dims: dict[str, str]
) -> tuple[Posting, ...]:
    """Accept a difference below the limit: Dr rounding, Cr the item; the other way below zero."""
    return (
        Posting(ROUNDING, currency, amount_minor),
        Posting(account, currency, -amount_minor, dims),
    )


def account_opened(
    currency: str, amount_minor: int, account: str, bank_account_id: str
) -> tuple[Posting, ...]:
    """Take over what an account holds when its books begin: Dr bank, Cr capital."""
    dims = {"bank_account": bank_account_id}
    return pair(currency, amount_minor, debit=account, credit=CAPITAL, dims=dims)


def taken_back(lines: Iterable[Posting]) -> tuple[Posting, ...]:
    """Give the exact reversal of an entry of the bank."""
    return negate(lines)
