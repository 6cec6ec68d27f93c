"""Deposits: money of a driver that we keep for a pack, give back, or use for what he owes.

There is no tax on a deposit. It goes back to the payment it came from, as far as nothing of it was
used. Amounts are those of the contract, by class of pack; the rules only never let a deposit fall
below zero.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_credit as templates
from ledger.domain.money.invoice_means import count_paid
from ledger.domain.money.invoice_policy import approval_faults, policy_row
from ledger.domain.money.invoices import INVOICES
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Deposit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deposit in minor units, and what was given back or used of it."""

    deposit_id: str
    driver_id: str
    payment_id: str
    currency: str
    amount_minor: int
    pack_class: str = ""
    returned_minor: int = 0
    applied_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What we still keep."""
        return self.amount_minor - self.returned_minor - self.applied_minor


DEPOSITS = Shelf("deposits", Deposit, listed_by=lambda row: row.driver_id)
SHELVES: tuple[Shelf[Any], ...] = (DEPOSITS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class TakeDeposit(Command):
    """A driver paid a deposit; the same deposit counts once."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    deposit_id: str
    driver_id: str
    payment_id: str
    currency: str
    amount_minor: int
    pack_class: str = ""


class ReturnDeposit(Command):
    """Give a deposit back, or a part; above the limit of the policy a second person agrees."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    deposit_id: str
    amount_minor: int


class ApplyDeposit(Command):
    """Use a deposit, or a part, for an invoice of its driver that is open."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    deposit_id: str
    invoice_no: str
    amount_minor: int


DepositsCommand = TakeDeposit | ReturnDeposit | ApplyDeposit

# Events -----------------------------------------------------------------------


class DepositStep(Event):
    """What every step of a deposit tells (minor units)."""

    deposit_id: str
    driver_id: str
    payment_id: str
    currency: str
    amount_minor: int


class DepositTaken(DepositStep, kw_only=True):
    """We keep money of a driver."""

    kind: ClassVar[str] = "deposit.taken"

    pack_class: str = ""


class DepositReturned(DepositStep):
    """A driver got money back."""

    kind: ClassVar[str] = "deposit.returned"


class DepositApplied(DepositStep, kw_only=True):
    """A deposit paid some of an invoice, or all."""

    kind: ClassVar[str] = "deposit.applied"

    invoice_no: str


DepositsEvent = DepositTaken | DepositReturned | DepositApplied

# touches ----------------------------------------------------------------------


def touches(command: DepositsCommand) -> Keys:
    """Read the deposit, and what else the command names."""
    own = touch(DEPOSITS, command.deposit_id)
    match command:
        case TakeDeposit():
            return own, touch(PARTIES, command.driver_id)
        case ReturnDeposit():
            return own, policy_row()
        case ApplyDeposit():
            return own, touch(INVOICES, command.invoice_no)
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: DepositsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: DepositsCommand, request: Request) -> Outcome:
    """Take once; give back and use no more than is left."""
    row = world.get(DEPOSITS, command.deposit_id)
    if isinstance(command, TakeDeposit):
        return _take(world, command, row)
    facts: dict[str, str | int] = {"deposit": command.deposit_id[:40]}
    if row is None:
        return Refusal(RefusalCode.DEPOSIT_UNKNOWN, facts)
    facts["left"] = row.left_minor
    faults = [] if command.amount_minor > 0 else [RefusalCode.QUANTITY_OUT_OF_RANGE]
    if command.amount_minor > row.left_minor:
        faults.append(RefusalCode.DEPOSIT_EXCEEDED)
    told = _told(row, command.amount_minor)
    event: DepositsEvent
    if isinstance(command, ReturnDeposit):
        faults += approval_faults(world, request.actor, command.amount_minor)
        event = DepositReturned(**told)
    else:
        faults += _invoice_faults(world, row, command)
        event = DepositApplied(**told, invoice_no=command.invoice_no)
    return refused(faults, facts) if faults else (Draft(event),)


def _take(world: World, command: TakeDeposit, row: Deposit | None) -> Outcome:
    is_other = row is not None and (
        (row.driver_id, row.currency, row.amount_minor)
        != (command.driver_id, command.currency, command.amount_minor)
    )
    is_named = is_id(command.deposit_id) and is_id(command.payment_id)
    tests = (
        (command.currency not in EXPONENTS, RefusalCode.COMMODITY_UNKNOWN),
        (not 0 < command.amount_minor <= QUANTITY_MAX, RefusalCode.QUANTITY_OUT_OF_RANGE),
        (not is_named, RefusalCode.DEPOSIT_FIELD_INVALID),
        (is_other, RefusalCode.KEY_REUSED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"deposit": command.deposit_id[:40]})
    if row is not None:
        return ()
    taken = DepositTaken(
        deposit_id=command.deposit_id,
        driver_id=command.driver_id,
        payment_id=command.payment_id,
        currency=command.currency,
        amount_minor=command.amount_minor,
        pack_class=command.pack_class,
    )
    return (Draft(taken),)


def _invoice_faults(world: World, row: Deposit, command: ApplyDeposit) -> list[RefusalCode]:
    invoice = world.get(INVOICES, command.invoice_no)
    if invoice is None or invoice.driver_id != row.driver_id:
        return [RefusalCode.INVOICE_UNKNOWN]
    if invoice.currency != row.currency:
        return [RefusalCode.CURRENCY_MISMATCH]
    return [RefusalCode.INVOICE_STATE] if command.amount_minor > invoice.open_minor else []


def _told(row: Deposit, amount_minor: int) -> dict[str, Any]:
    return {
        "deposit_id": row.deposit_id,
        "driver_id": row.driver_id,
        "payment_id": row.payment_id,
        "currency": row.currency,
        "amount_minor": amount_minor,
    }


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: DepositsEvent, _stamp: Stamp) -> None:
    """Keep what is left, and what an invoice was paid."""
    if isinstance(event, DepositTaken):
        told = _told_of(event)
        world.put(DEPOSITS, event.deposit_id, Deposit(**told, pack_class=event.pack_class))
        return
    row = world.need(DEPOSITS, event.deposit_id)
    match event:
        case DepositReturned():
            row = replace(row, returned_minor=row.returned_minor + event.amount_minor)
        case DepositApplied():
            row = replace(row, applied_minor=row.applied_minor + event.amount_minor)
            count_paid(world, event.invoice_no, event.amount_minor)
        case _ as unknown:
            assert_never(unknown)
    world.put(DEPOSITS, event.deposit_id, row)


def _told_of(event: DepositStep) -> dict[str, Any]:
    return {name: getattr(event, name) for name in DepositStep.__struct_fields__}


# postings ---------------------------------------------------------------------


def postings(event: DepositsEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    dims = {"driver": event.driver_id, "payment": event.payment_id}
    match event:
        case DepositTaken():
            return templates.deposit_taken(event.currency, event.amount_minor, dims)
        case DepositReturned():
            return templates.deposit_returned(event.currency, event.amount_minor, dims)
        case DepositApplied():
            paid = {"driver": event.driver_id, "invoice": event.invoice_no}
            return templates.deposit_applied(event.currency, event.amount_minor, paid)
        case _ as unknown:
            assert_never(unknown)
