"""Posting templates of what drivers are credited, pay in advance and never pay (money 4).

Every function is pure and gives lines that sum to zero in each currency; amounts are minor units.
"""

from collections.abc import Iterable, Mapping

from ledger.domain.money.accounts import (
    DISCOUNTS,
    OUTPUT_VAT,
    PARTNER_SHARE,
    PARTNERS_ACCRUED,
    PSP,
    RECEIVABLE,
    UNBILLED,
    WALLETS_PAID_IN,
    WALLETS_PROMO,
)
from ledger.kernel.postings import Posting, pair

Dims = dict[str, str]

ROUNDING = "Expenses:Rounding"
DEFERRED = "Liabilities:Deferred-Subscriptions"
SUBSCRIPTIONS = "Income:Subscriptions"
DEPOSITS = "Liabilities:Driver-Deposits"
BAD_DEBT = "Expenses:Bad-Debt"


def credit_note_issued(
    currency: str,
    income: Iterable[tuple[str, int, Dims]],
    taxes: Iterable[tuple[str, int]],
    rounding_minor: int,
    dims: Dims,
) -> tuple[Posting, ...]:
    """Take back income and tax: Dr income, Dr output VAT by tax code, Cr receivable.

    `income` names account, amount and further dimensions. The rounding amount of the invoice goes
    back the way it came.
    """
    lines = [
        Posting(account, currency, amount, {**dims, **more}) for account, amount, more in income
    ]
    lines += [
        Posting(OUTPUT_VAT, currency, amount, {**dims, "tax_code": code}) for code, amount in taxes
    ]
    lines.append(Posting(ROUNDING, currency, rounding_minor, dims))
    owed = sum(line.quantity for line in lines)
    lines.append(Posting(RECEIVABLE, currency, -owed, dims))
    return tuple(line for line in lines if line.quantity)


def share_reduced(currency: str, shares: Mapping[str, int], dims: Dims) -> tuple[Posting, ...]:
    """Owe partners less of a usage that was credited: Dr partners accrued, Cr partner share."""
    lines: tuple[Posting, ...] = ()
    for partner, amount in sorted(shares.items()):
        lines += pair(
            currency,
            amount,
            debit=PARTNERS_ACCRUED,
            credit=PARTNER_SHARE,
            dims={**dims, "partner": partner},
        )
    return lines


def invoice_rounding(
    currency: str, rounding_minor: int, accrued_more_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """Round an invoice whose prices include tax: Dr receivable, Cr rounding.

    What was accrued beyond its net leaves the unbilled too: Cr unbilled, Dr rounding.
    """
    rounded = pair(currency, rounding_minor, debit=RECEIVABLE, credit=ROUNDING, dims=dims)
    return rounded + pair(currency, accrued_more_minor, debit=ROUNDING, credit=UNBILLED, dims=dims)


# Subscriptions ----------------------------------------------------------------


def subscription_invoiced(
    currency: str, net_minor: int, taxes: Iterable[tuple[str, int]], dims: Dims
) -> tuple[Posting, ...]:
    """Invoice a month in advance: Dr receivable, Cr deferred subscriptions, Cr output VAT."""
    owed = tuple((code, amount) for code, amount in taxes if amount)
    gross = net_minor + sum(amount for _, amount in owed)
    lines = [
        Posting(RECEIVABLE, currency, gross, dims),
        Posting(DEFERRED, currency, -net_minor, dims),
        *(Posting(OUTPUT_VAT, currency, -tax, {**dims, "tax_code": code}) for code, tax in owed),
    ]
    return tuple(line for line in lines if line.quantity)


def subscription_earned(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Earn what was used, or what nobody can use any more: Dr deferred, Cr subscriptions."""
    return pair(currency, amount_minor, debit=DEFERRED, credit=SUBSCRIPTIONS, dims=dims)


def receivable_uncollectable(
    currency: str,
    lost_minor: int,
    deferred_minor: int,
    taxes: Iterable[tuple[str, int]],
    dims: Dims,
) -> tuple[Posting, ...]:
    """Give up a receivable: Dr bad debt, Dr deferred, Dr output VAT where allowed, Cr receivable.

    `deferred_minor` was not earned yet; it is no loss.
    """
    lines = [
        Posting(BAD_DEBT, currency, lost_minor, dims),
        Posting(DEFERRED, currency, deferred_minor, dims),
        *(Posting(OUTPUT_VAT, currency, tax, {**dims, "tax_code": code}) for code, tax in taxes),
    ]
    owed = sum(line.quantity for line in lines)
    lines.append(Posting(RECEIVABLE, currency, -owed, dims))
    return tuple(line for line in lines if line.quantity)


# Means of payment -------------------------------------------------------------


def wallet_spent(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Pay an invoice from a wallet: Dr wallets paid-in, Cr receivable."""
    return pair(currency, amount_minor, debit=WALLETS_PAID_IN, credit=RECEIVABLE, dims=dims)


def promo_used(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Pay an invoice by promo: Dr wallets promo, Cr receivable."""
    return pair(currency, amount_minor, debit=WALLETS_PROMO, credit=RECEIVABLE, dims=dims)


def promo_expired(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Take a promo back that nobody used: Dr wallets promo, Cr discounts."""
    return pair(currency, amount_minor, debit=WALLETS_PROMO, credit=DISCOUNTS, dims=dims)


# Deposits ---------------------------------------------------------------------


def deposit_taken(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Take a deposit: Dr PSP, Cr driver deposits."""
    return pair(currency, amount_minor, debit=PSP, credit=DEPOSITS, dims=dims)


def deposit_returned(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Give a deposit back to where it came from: Dr driver deposits, Cr PSP."""
    return pair(currency, amount_minor, debit=DEPOSITS, credit=PSP, dims=dims)


def deposit_applied(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Use a deposit for what a driver owes: Dr driver deposits, Cr receivable."""
    return pair(currency, amount_minor, debit=DEPOSITS, credit=RECEIVABLE, dims=dims)
