"""Posting templates: which accounts an event of money moves, one function for each (money 4).

Every function is pure and gives lines that sum to zero in each currency; amounts are minor units.
"""

from collections.abc import Iterable, Mapping

from ledger.domain.money.accounts import (
    DISCOUNTS,
    LATE_FEES,
    OUTPUT_VAT,
    PARTNER_SHARE,
    PARTNERS_ACCRUED,
    PSP,
    RECEIVABLE,
    SUSPENSE,
    UNBILLED,
    WALLETS_PAID_IN,
    WALLETS_PROMO,
)
from ledger.kernel.postings import Posting, pair

Dims = dict[str, str]


def usage_accrued(
    currency: str, income: Mapping[tuple[str, str], int], dims: Dims
) -> tuple[Posting, ...]:
    """Earn a usage that is invoiced later: Dr unbilled, Cr income by (account, tariff version)."""
    total = sum(income.values())
    earned = tuple(
        Posting(account, currency, -amount, {**dims, "tariff_version": version})
        for (account, version), amount in income.items()
        if amount
    )
    return (Posting(UNBILLED, currency, total, dims), *earned) if total else earned


def share_accrued(
    currency: str, shares: Iterable[tuple[str, int]], dims: Dims
) -> tuple[Posting, ...]:
    """Owe each partner its part: Dr partner share, Cr partners accrued, by partner."""
    lines: tuple[Posting, ...] = ()
    for partner, amount in shares:
        lines += pair(
            currency,
            amount,
            debit=PARTNER_SHARE,
            credit=PARTNERS_ACCRUED,
            dims={**dims, "partner": partner},
        )
    return lines


def invoice_issued(
    currency: str, net_minor: int, taxes: Iterable[tuple[str, int]], dims: Dims
) -> tuple[Posting, ...]:
    """Invoice what was unbilled: Dr receivable, Cr unbilled, Cr output VAT by tax code."""
    owed = tuple((code, amount) for code, amount in taxes if amount)
    gross = net_minor + sum(amount for _, amount in owed)
    lines = [
        Posting(RECEIVABLE, currency, gross, dims),
        Posting(UNBILLED, currency, -net_minor, dims),
        *(Posting(OUTPUT_VAT, currency, -tax, {**dims, "tax_code": code}) for code, tax in owed),
    ]
    return tuple(line for line in lines if line.quantity)


def payment_captured(
    currency: str, amount_minor: int, applied_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """Take in a payment: Dr PSP, Cr receivable; what no invoice asks for goes to suspense."""
    spare = {"bank_line": dims["payment"], "payment": dims["payment"]}
    return (
        *pair(currency, applied_minor, debit=PSP, credit=RECEIVABLE, dims=dims),
        *pair(currency, amount_minor - applied_minor, debit=PSP, credit=SUSPENSE, dims=spare),
    )


def wallet_topped_up(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Take money into a wallet: Dr PSP, Cr wallets paid-in, by driver."""
    return pair(currency, amount_minor, debit=PSP, credit=WALLETS_PAID_IN, dims=dims)


def promo_granted(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Give a driver credit for an inconvenience: Dr discounts, Cr wallets promo."""
    return pair(currency, amount_minor, debit=DISCOUNTS, credit=WALLETS_PROMO, dims=dims)


def fee_late(
    currency: str, net_minor: int, tax: tuple[str, int], dims: Dims
) -> tuple[Posting, ...]:
    """Owe a fee for coming late or not at all: Dr receivable, Cr late fees, Cr output VAT.

    `tax` is the code of its treatment and the amount.
    """
    code, tax_minor = tax
    lines = [
        Posting(RECEIVABLE, currency, net_minor + tax_minor, dims),
        Posting(LATE_FEES, currency, -net_minor, dims),
        Posting(OUTPUT_VAT, currency, -tax_minor, {**dims, "tax_code": code}),
    ]
    return tuple(line for line in lines if line.quantity)
