"""Posting templates of the payment provider: refunds, fees, payouts to us, disputes (money 4).

Every function is pure and gives lines that sum to zero in each currency; amounts are minor units.
A line on the provider's account carries the id of its balance transaction (`psp_txn`) where that
posts it; payments and refunds are posted when they happen, and their transaction confirms them.
"""

import msgspec

from ledger.domain.money.accounts import PSP, RECEIVABLE, SUSPENSE, WALLETS_PAID_IN
from ledger.kernel.postings import Posting, pair

PSP_IN_TRANSIT = "Assets:PSP:In-Transit"
DISPUTED = "Assets:Receivables:Disputed"
PSP_FEES = "Expenses:PSP-Fees"
CHARGEBACKS = "Expenses:Chargebacks"

Dims = dict[str, str]


class DisputeParts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who bears a disputed amount (minor units): nobody yet, the wallet, its driver, no one known.

    `open_minor` waits for the outcome; `wallet_minor` was still in the wallet that was topped up,
    `owed_minor` was spent from it already; `excess_minor` is more than the payment ever took.
    """

    open_minor: int = 0
    wallet_minor: int = 0
    owed_minor: int = 0
    excess_minor: int = 0

    @property
    def total_minor(self) -> int:
        """All of it."""
        return self.open_minor + self.wallet_minor + self.owed_minor + self.excess_minor


def refund_paid(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Give back what a credit note took off a paid invoice: Dr receivable, Cr PSP."""
    return pair(currency, amount_minor, debit=RECEIVABLE, credit=PSP, dims=dims)


def psp_fee(currency: str, fee_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Pay the provider: Dr PSP fees, Cr PSP; below zero a fee comes back."""
    return pair(currency, fee_minor, debit=PSP_FEES, credit=PSP, dims=dims)


def psp_payout_sent(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """See the provider pay out to our bank: Dr in transit, Cr PSP; below zero it came back."""
    return pair(currency, amount_minor, debit=PSP_IN_TRANSIT, credit=PSP, dims=dims)


def psp_unknown(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Keep what nobody knows: Dr PSP, Cr suspense; the other way below zero."""
    return pair(
        currency,
        amount_minor,
        debit=PSP,
        credit=SUSPENSE,
        dims={**dims, "bank_line": dims["psp_txn"]},
    )


def chargeback_opened(
    currency: str, parts: DisputeParts, fee_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """See a disputed amount and its fee leave: Dr disputed, wallet, receivable and fees, Cr PSP."""
    lines = [
        *_borne(currency, parts, 1, dims),
        Posting(PSP, currency, -parts.total_minor, dims),
        *psp_fee(currency, fee_minor, dims),
    ]
    return tuple(line for line in lines if line.quantity)


def chargeback_won(
    currency: str, parts: DisputeParts, fee_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """See it come back: Dr PSP, Cr what had borne it."""
    lines = [
        Posting(PSP, currency, parts.total_minor, dims),
        *_borne(currency, parts, -1, dims),
        *psp_fee(currency, fee_minor, dims),
    ]
    return tuple(line for line in lines if line.quantity)


def chargeback_lost(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Give up what was waiting: Dr chargebacks, Cr disputed."""
    return pair(currency, amount_minor, debit=CHARGEBACKS, credit=DISPUTED, dims=dims)


def _borne(currency: str, parts: DisputeParts, sign: int, dims: Dims) -> tuple[Posting, ...]:
    by_payment = {**dims, "bank_line": dims["payment"]}  # the same when it comes back
    return (
        Posting(DISPUTED, currency, sign * parts.open_minor, dims),
        Posting(WALLETS_PAID_IN, currency, sign * parts.wallet_minor, dims),
        Posting(RECEIVABLE, currency, sign * parts.owed_minor, dims),
        Posting(SUSPENSE, currency, sign * parts.excess_minor, by_payment),
    )
