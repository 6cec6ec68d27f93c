"""What a payment provider tells of our money there, as plain lines that no provider's types reach.

Whoever reads a provider (an adapter, a file) makes these; whoever compares the provider with our
books or with our bank reads them. Amounts are minor units as the provider's balance sees them: what
comes in is positive, a fee is positive and lowers the net.

How the books name them: a posting on the account of the provider carries the dimension ``psp_txn``
with the id of its balance transaction, or ``payment``, ``payout`` with the id that stands here as
`source_id`. A payout to our bank is posted with the dimension ``payout``.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ledger.kernel.money import EXPONENTS


class BalanceTransaction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One movement of the provider's balance; ``net = amount - fee`` holds on every line.

    `category` is the provider's reporting category (``charge``, ``refund``, ``dispute``, ``fee``,
    ``transfer``, ``payout``...). `source_id` is the payment, transfer or payout it belongs to,
    `payout_id` the payout to our bank that carried it, empty while none did. `available_on` and
    `created_on` are days (``YYYY-MM-DD``).
    """

    transaction_id: str
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    category: str
    created_on: str
    available_on: str = ""
    source_id: str = ""
    payout_id: str = ""

    @property
    def reference(self) -> str:
        """The name under which our books may know it: its source, else its own id."""
        return self.source_id or self.transaction_id


class PspPayout(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payout of the provider to our bank: when it shall arrive, and how the bank will name it.

    `trace_id` is the reference that the bank's line carries, empty until the provider tells it;
    `fee_minor` is what the provider says it keeps of the payout itself.
    """

    payout_id: str
    currency: str
    amount_minor: int
    arrival_on: str
    trace_id: str = ""
    fee_minor: int = 0


class PspBalance(msgspec.Struct, frozen=True):
    """What the provider says it holds of ours in one currency."""

    currency: str
    available_minor: int
    pending_minor: int

    @property
    def total_minor(self) -> int:
        """Available and pending together."""
        return self.available_minor + self.pending_minor


class PspList(msgspec.Struct, frozen=True):
    """Everything a provider told for one reconciliation: movements, payouts, balances at the end.

    `opening` are the balances before the first movement, empty where the list begins at nothing.
    """

    transactions: tuple[BalanceTransaction, ...]
    payouts: tuple[PspPayout, ...]
    balances: tuple[PspBalance, ...]
    opening: tuple[PspBalance, ...] = ()


class ListFault(msgspec.Struct, frozen=True):
    """What contradicts itself in a provider's list: a stable code, what it is about, the fact."""

    code: str
    about: str
    fact: str


def faults_of_list(told: PspList) -> tuple[ListFault, ...]:
    """Say what contradicts itself: nets, currencies, repeated ids, payouts, balances.

    The identities are those of the money handbook 6.6: the movements of a payout sum to it, and
    all movements since the opening sum to what the provider holds.
    """
    return (
        *_line_faults(told.transactions),
        *_repeated((one.transaction_id for one in told.transactions), "TRANSACTION_REPEATED"),
        *_repeated((one.payout_id for one in told.payouts), "PAYOUT_REPEATED"),
        *_payout_faults(told),
        *_balance_faults(told),
    )


def _line_faults(lines: Sequence[BalanceTransaction]) -> Iterable[ListFault]:
    for one in lines:
        if one.amount_minor - one.fee_minor != one.net_minor:
            fact = f"{one.amount_minor} - {one.fee_minor} is not {one.net_minor}"
            yield ListFault("NET_MISMATCH", one.transaction_id, fact)
        if one.currency not in EXPONENTS:
            yield ListFault("CURRENCY_UNKNOWN", one.transaction_id, one.currency[:8])


def _repeated(ids: Iterable[str], code: str) -> Iterable[ListFault]:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            yield ListFault(code, one, "stands twice")
        seen.add(one)


def _payout_faults(told: PspList) -> Iterable[ListFault]:
    carried: dict[str, int] = {}
    left: dict[str, int] = {}
    for one in told.transactions:
        if one.category == "payout":
            left[one.reference] = left.get(one.reference, 0) - one.net_minor
        elif one.payout_id:
            carried[one.payout_id] = carried.get(one.payout_id, 0) + one.net_minor
    for payout in told.payouts:
        amount = payout.amount_minor
        for sums, code in ((carried, "PAYOUT_MISMATCH"), (left, "PAYOUT_NOT_SENT")):
            found = sums.get(payout.payout_id, 0)
            if found != amount:
                yield ListFault(code, payout.payout_id, f"pays {amount}, movements say {found}")


def _balance_faults(told: PspList) -> Iterable[ListFault]:
    sums = {one.currency: one.total_minor for one in told.opening}
    for one in told.transactions:
        sums[one.currency] = sums.get(one.currency, 0) + one.net_minor
    held = {one.currency: one.total_minor for one in told.balances}
    for currency in sorted(sums.keys() | held.keys()):
        said, moved = held.get(currency, 0), sums.get(currency, 0)
        if said != moved:
            fact = f"holds {said}, opening and movements are {moved}"
            yield ListFault("BALANCE_MISMATCH", currency, fact)
