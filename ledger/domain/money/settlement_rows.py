"""Rows of the settlement cycle: statements with what they say, and where each of them stands."""

import msgspec

from ledger.domain.money.periods import Ranges
from ledger.domain.world import Shelf
from ledger.kernel.ids import derived_id, is_id

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "open": ("cut", "issued", "cancelled"),
    "cut": ("calculated", "cancelled"),
    "calculated": ("under_review", "cancelled"),
    "under_review": ("issued", "cancelled"),
    "issued": ("accepted", "partly_disputed", "disputed", "deemed_accepted"),
    "accepted": ("approved",),
    "partly_disputed": ("approved",),
    "disputed": ("approved",),
    "deemed_accepted": ("approved",),
    "approved": ("instructed", "reconciled"),
    "instructed": ("confirmed", "rejected", "returned", "approved"),
    "confirmed": ("reconciled", "returned", "approved"),
    "rejected": ("instructed", "approved", "reconciled"),
    "returned": ("instructed", "approved", "reconciled"),
    "reconciled": ("closed", "returned", "approved"),
    "closed": ("returned",),
    "cancelled": (),
}
"""The settlement cycle (money handbook 9.1).

Besides the handbook's steps: one command of two persons takes a cycle from open to issued (the cut
and the two calculations are its fields, the review is its second person); where nothing is to be
paid, approved is followed by reconciled; a payment can come back, and a line can be released from
its dispute, after any later step.
"""

CUT, CALCULATED, UNDER_REVIEW, ISSUED = "cut", "calculated", "under_review", "issued"
ACCEPTED, DEEMED = "accepted", "deemed_accepted"
PARTLY_DISPUTED, DISPUTED = "partly_disputed", "disputed"
APPROVED, RECONCILED, CLOSED, CANCELLED = "approved", "reconciled", "closed", "cancelled"

ANSWERED = (ACCEPTED, PARTLY_DISPUTED, DISPUTED, DEEMED)
"""States after an answer, and before two persons approve what was accepted."""


class Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Sums of the lines of a statement in one currency, in minor units, net of tax.

    `share_minor` is what we owe by them, of it `other_minor` by lines that are no shares of a
    usage; `receivable_minor` is what the partner owes us.
    """

    currency: str
    share_minor: int
    energy_net_minor: int
    service_net_minor: int
    fee_net_minor: int
    receivable_minor: int = 0
    other_minor: int = 0


class Calculation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a calculation of a statement gives; `lines_root` is base64 of the Merkle root."""

    line_count: int
    energy_wh: int
    amounts: tuple[Amounts, ...]
    lines_root: str


class Carried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A balance of an earlier statement that was below the minimum payout, shown as a line."""

    statement_id: str
    currency: str
    amount_minor: int


class Owing(msgspec.Struct, frozen=True):
    """What the partner owes us by a statement in one currency (minor units)."""

    currency: str
    amount_minor: int


class Paid(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payout that left for a statement, by the entry at `position`: of our bank or processor.

    `bank_line` on `bank_account`, or `psp_txn`, is what said so.
    """

    payout_id: str
    currency: str
    position: int
    bank_account: str = ""
    bank_line: str = ""
    psp_txn: str = ""


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One statement, where it stands, and what it says.

    `maker` handed it in for review. `respond_by_at` (us) is when clause `clause` makes silence an
    acceptance, 0 where it never does. `is_contested` means that the partner has another root of
    the lines: nothing goes on until he agrees to ours. `owing` is what the partner owes by it;
    `paid` are the payouts that left for it and did not come back.
    """

    statement_id: str
    partner_id: str
    period: str
    from_position: int
    to_position: int
    calculation: Calculation
    state: str = ISSUED
    contract_id: str = ""
    contract_version: int = 0
    maker: str = ""
    carried: tuple[Carried, ...] = ()
    respond_by_at: int = 0
    clause: str = ""
    is_contested: bool = False
    owing: tuple[Owing, ...] = ()
    paid: tuple[Paid, ...] = ()

    def owing_in(self, currency: str) -> int:
        """Give what the partner owes by it in a currency."""
        return sum(one.amount_minor for one in self.owing if one.currency == currency)


def may_become(state: str, then: str) -> bool:
    """Tell whether the cycle goes from one state to another."""
    return then in TRANSITIONS[state]


STATEMENTS = Shelf("statements", Statement, listed_by=lambda row: row.partner_id)
SETTLED = Shelf("settled", Ranges)  # key: partner


def statement_id(partner_id: str, period: str, to_position: int = 0) -> str:
    """Name the statement of a period; a second one of the period is told apart by its end.

    >>> statement_id("OP-1", "2018-03"), statement_id("OP-1", "2018-03", 900)
    ('STM-OP-1-2018-03', 'STM-OP-1-2018-03-900')
    """
    parts = ("STM", partner_id, period, *([str(to_position)] if to_position else ()))
    name = "-".join(parts)
    return name if is_id(name) else derived_id("STM", *parts[1:])
