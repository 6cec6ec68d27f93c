"""Rows of payouts: what partners are owed by statement, payouts, and the batches that order them.

Payouts follow one machine, whatever the route (money handbook 9.4)::

    PLANNED -> APPROVED -> RELEASED -> SENT -> (ACCEPTED) -> CONFIRMED | REJECTED | RETURNED
    RELEASED, SENT, ACCEPTED -> UNKNOWN -> CONFIRMED | REJECTED

Only a booked line of the bank or the processor's own transaction confirms one. Nothing is sent
again by itself: a payout that failed is planned anew, with another number of its attempt.
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.money.payees import PAYEES
from ledger.domain.money.settlement_rows import STATEMENTS, Paid
from ledger.domain.money.templates_partners import PARTNERS_APPROVED
from ledger.domain.world import Key, Shelf, World, touch

PLANNED, APPROVED, RELEASED, SENT = "PLANNED", "APPROVED", "RELEASED", "SENT"
ACCEPTED, UNKNOWN = "ACCEPTED", "UNKNOWN"
CONFIRMED, REJECTED, RETURNED, CANCELLED = "CONFIRMED", "REJECTED", "RETURNED", "CANCELLED"

IN_FLIGHT = (RELEASED, SENT, ACCEPTED, UNKNOWN)
"""States in which the money is on its way: it stands on 2120 by payout."""

FAILED = (REJECTED, RETURNED, CANCELLED)
"""States from which a payout may be planned anew."""

ATTEMPTS_MAX = 9
PAYOUT_ID_MAX = 29
"""So long that a reference still fits into the 35 characters that banks carry."""


class PayoutPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a payout pays one statement; a supplier's names his document."""

    statement_id: str
    amount_minor: int


class Payout(msgspec.Struct, frozen=True, omit_defaults=True):
    """One payment to a partner or supplier, and where it stands.

    `owed_on` is the account of what is owed. `bank_account` and `bank_line`, or `psp_txn`, are of
    the line that confirmed it; `reason` is of the refusal or return.
    """

    payout_id: str
    partner_id: str
    currency: str
    parts: tuple[PayoutPart, ...]
    payee_id: str
    payee_version: int
    route: str
    attempt: int = 1
    owed_on: str = PARTNERS_APPROVED
    state: str = PLANNED
    batch_id: str = ""
    bank_account: str = ""
    bank_line: str = ""
    psp_txn: str = ""
    reason: str = ""

    @property
    def amount_minor(self) -> int:
        """The amount in minor units."""
        return sum(part.amount_minor for part in self.parts)

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements that it pays."""
        return tuple(part.statement_id for part in self.parts)

    @property
    def end_to_end_id(self) -> str:
        """The reference that every bank on the way passes on."""
        return end_to_end_id(self.payout_id, self.attempt)

    def amounts(self) -> list[tuple[str, int]]:
        """List the amounts by statement."""
        return [(part.statement_id, part.amount_minor) for part in self.parts]


def end_to_end_id(payout_id: str, attempt: int) -> str:
    """Make the reference of an attempt.

    >>> end_to_end_id("PO-1", 2)
    'MGE-PO-1-2'
    """
    return f"MGE-{payout_id}-{attempt}"


def payout_named(reference: str) -> tuple[str, int]:
    """Give payout and attempt of a reference that came back; ("", 0) when it is not ours.

    >>> payout_named("MGE-PO-1-2"), payout_named("NOTPROVIDED")
    (('PO-1', 2), ('', 0))
    """
    head, _, attempt = reference.rpartition("-")
    if not head.startswith("MGE-") or not (attempt.isascii() and attempt.isdigit()):
        return "", 0
    return head.removeprefix("MGE-"), int(attempt)


def _listing(row: Payout) -> str:
    if row.state in IN_FLIGHT:
        return "in_flight"
    return "planned" if row.state in (PLANNED, APPROVED) else row.state.lower()


PAYOUTS = Shelf("payouts", Payout, listed_by=_listing)
"""Key: payout_id. Lists: ``planned``, ``in_flight``, ``confirmed``, ``rejected``, ``returned``,
``cancelled``."""


class PayoutBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one order to a bank (or processor) holds, bound to the digest of its file.

    `approved_at` (us) stands in the file, so that the file is a function of the batch alone.
    """

    batch_id: str
    payouts: tuple[str, ...]
    currency: str
    route: str
    bank_account: str
    pay_on: str
    approved_at: int
    file_sha256: str
    total_minor: int
    state: str = APPROVED


PAYOUT_BATCHES = Shelf("payout_batches", PayoutBatch, listed_by=lambda row: row.state.lower())


# What is owed -----------------------------------------------------------------


class Payable(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a statement, or a supplier's document, owes in a currency (minor units).

    `owed_minor` stands on the account `owed_on`, of it `planned_minor` in planned payouts;
    `in_flight_minor` has left it and is on its way.
    """

    statement_id: str
    currency: str
    owed_minor: int = 0
    planned_minor: int = 0
    in_flight_minor: int = 0
    owed_on: str = PARTNERS_APPROVED

    @property
    def free_minor(self) -> int:
        """What no payout has taken yet."""
        return self.owed_minor - self.planned_minor

    @property
    def is_of_statement(self) -> bool:
        """Tell whether a partner is owed it by a statement, not a supplier by his document."""
        return self.owed_on == PARTNERS_APPROVED

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is owed and nothing on its way."""
        return not (self.owed_minor or self.in_flight_minor)


class HeldLine(msgspec.Struct, frozen=True):
    """A line whose dispute was upheld at `upheld_at` (position): approved with its correction."""

    dispute_id: str
    currency: str
    amount_minor: int
    upheld_at: int
    is_share: bool = True


class Payables(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a partner is still owed, by statement and currency, oldest first.

    `held` are lines that wait for the statement which has their correction.
    """

    partner_id: str
    open: tuple[Payable, ...] = ()
    held: tuple[HeldLine, ...] = ()

    def released(self, to_position: int) -> dict[str, tuple[int, int]]:
        """Sum by currency the lines whose correction is in a statement up to a position.

        Two sums: of all of them, and of those that are shares.
        """
        sums: dict[str, tuple[int, int]] = {}
        for line in self.held:
            if line.upheld_at <= to_position:
                total, shares = sums.get(line.currency, (0, 0))
                share = line.amount_minor if line.is_share else 0
                sums[line.currency] = total + line.amount_minor, shares + share
        return sums

    def after(self, to_position: int) -> "Payables":
        """Give the row once a statement up to a position is approved: its lines wait no more."""
        waiting = tuple(line for line in self.held if line.upheld_at > to_position)
        return replace(self, held=waiting)

    def of(self, statement_id: str, currency: str) -> Payable:
        """Give one payable; nothing owed where there is none."""
        for one in self.open:
            if (one.statement_id, one.currency) == (statement_id, currency):
                return one
        return Payable(statement_id, currency)

    def is_paid(self, statement_id: str) -> bool:
        """Tell whether a statement owes nothing in any currency."""
        return all(one.statement_id != statement_id for one in self.open)

    def in_flight(self, statement_id: str) -> bool:
        """Tell whether money of a statement is on its way."""
        return any(one.in_flight_minor for one in self.open if one.statement_id == statement_id)


PAYABLES = Shelf("payables", Payables)  # key: partner_id


def change_payable(world: World, partner_id: str, change: Payable) -> None:
    """Add to what is owed to a partner, part by part; one that owes nothing more is left out.

    `change` names statement (or a supplier's document), currency and account; its amounts, which
    may be below zero, are added.
    """
    row = world.get(PAYABLES, partner_id) or Payables(partner_id)
    before = row.of(change.statement_id, change.currency)
    after = replace(
        change,
        owed_minor=before.owed_minor + change.owed_minor,
        planned_minor=before.planned_minor + change.planned_minor,
        in_flight_minor=before.in_flight_minor + change.in_flight_minor,
    )
    place = row.open.index(before) if before in row.open else len(row.open)
    here = () if after.is_over else (after,)
    world.put(
        PAYABLES, partner_id, replace(row, open=row.open[:place] + here + row.open[place + 1 :])
    )


def payout_keys(world: World, payout_id: str) -> list[Key]:
    """Name what a step of a known payout reads: its payee, what is owed, its statements."""
    row = world.get(PAYOUTS, payout_id) if world.is_loaded(PAYOUTS, payout_id) else None
    if row is None:
        return []
    found = [touch(PAYEES, row.payee_id), touch(PAYABLES, row.partner_id)]
    if row.owed_on == PARTNERS_APPROVED:
        found += [touch(STATEMENTS, name) for name in row.statements]
    return found


def progress(world: World, payout: Payout, otherwise: str, paid_at: int = -1) -> None:
    """Move the statements of a payout on: on the way, paid in full, or `otherwise`.

    `paid_at` is the position of the entry by which it left; without one it has not, or is back.
    """
    if payout.owed_on != PARTNERS_APPROVED:
        return
    payables = world.need(PAYABLES, payout.partner_id)
    for name in dict.fromkeys(payout.statements):
        state = "confirmed" if payables.is_paid(name) else otherwise
        if payables.in_flight(name):
            state = "instructed"
        row = world.need(STATEMENTS, name)
        paid = tuple(one for one in row.paid if one.payout_id != payout.payout_id)
        if paid_at >= 0:
            line = payout.bank_account, payout.bank_line, payout.psp_txn
            paid = (*paid, Paid(payout.payout_id, payout.currency, paid_at, *line))
        world.put(STATEMENTS, name, replace(row, state=state, paid=paid))
