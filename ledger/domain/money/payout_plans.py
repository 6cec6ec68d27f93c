"""Planning payouts: what approved statements, or a supplier's documents, still owe.

A plan moves nothing: it takes what is owed, so that no two payouts pay the same. Below the minimum
of the contract nothing is planned; what is owed waits, and goes out together with a later
statement. A payout that failed is planned anew under its id, with the next attempt.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money.contracts import CONTRACTS, PartnerContracts
from ledger.domain.money.payees import PAYEES, ROUTES
from ledger.domain.money.payout_rows import (
    ATTEMPTS_MAX,
    CANCELLED,
    FAILED,
    PAYABLES,
    PAYOUT_BATCHES,
    PAYOUT_ID_MAX,
    PAYOUTS,
    PLANNED,
    Payable,
    Payables,
    Payout,
    PayoutPart,
    change_payable,
    payout_keys,
)
from ledger.domain.money.templates_partners import PARTNERS_APPROVED
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

__all__ = ["SHELVES"]

PARTS_MAX = 100
"""Statements of one payout."""

AMOUNT_MAX = 99_999_999_999
"""Minor units of one payout: what banks take of one."""

SHELVES: tuple[Shelf[Any], ...] = (PAYOUTS, PAYOUT_BATCHES, PAYABLES)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class InstructPayout(Command):
    """Plan a payout of all that statements (or a supplier's documents) owe in a currency."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    payout_id: str
    partner_id: str
    statements: tuple[str, ...]
    currency: str
    payee_id: str
    route: str


class CancelPayout(Command):
    """Give up a planned payout; what it would pay is free again."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})

    payout_id: str


PayoutPlansCommand = InstructPayout | CancelPayout

# Events -----------------------------------------------------------------------


class PayoutPlanned(Event):
    """A payout is planned; nothing moves yet."""

    kind: ClassVar[str] = "payout.planned"

    payout_id: str
    partner_id: str
    currency: str
    parts: tuple[PayoutPart, ...]
    payee_id: str
    payee_version: int
    route: str
    attempt: int = 1
    owed_on: str = PARTNERS_APPROVED


class PayoutCancelled(Event):
    """A planned payout was given up."""

    kind: ClassVar[str] = "payout.cancelled"

    payout_id: str
    partner_id: str


PayoutPlansEvent = PayoutPlanned | PayoutCancelled

# touches ----------------------------------------------------------------------


def touches(command: PayoutPlansCommand) -> Keys:
    """Read the payout, and for a plan the payee, what is owed, and the contract."""
    payout = touch(PAYOUTS, command.payout_id)
    if isinstance(command, CancelPayout):
        return (payout,)
    return (
        payout,
        touch(PAYEES, command.payee_id),
        touch(PAYABLES, command.partner_id),
        touch(CONTRACTS, command.partner_id),
    )


def follows(world: World, command: PayoutPlansCommand) -> Keys:
    """Read what a known payout pays."""
    return payout_keys(world, command.payout_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: PayoutPlansCommand, request: Request) -> Outcome:
    """Plan all that is free of what was named; cancel what is only planned."""
    row = world.get(PAYOUTS, command.payout_id)
    match command:
        case InstructPayout():
            return _plan(world, command, row, request.at)
        case CancelPayout():
            if row is None:
                return Refusal(RefusalCode.PAYOUT_UNKNOWN, {"payout": command.payout_id[:40]})
            if row.state == CANCELLED:
                return ()
            if row.state != PLANNED:
                return Refusal(RefusalCode.PAYOUT_STATE, {"state": row.state})
            event = PayoutCancelled(payout_id=row.payout_id, partner_id=row.partner_id)
            return (Draft(event),)
        case _ as unknown:
            assert_never(unknown)


def _plan(world: World, command: InstructPayout, row: Payout | None, at: int) -> Outcome:
    if row is not None and row.state not in FAILED:
        is_same = row.state == PLANNED and _is_same(row, command)
        return () if is_same else Refusal(RefusalCode.PAYOUT_EXISTS, {"state": row.state})
    payables = world.get(PAYABLES, command.partner_id) or Payables(command.partner_id)
    owed = [payables.of(name, command.currency) for name in command.statements]
    total = sum(one.free_minor for one in owed)
    faults, field = _payee_faults(world, command)
    field = _field(command, row, owed) or field
    faults += [RefusalCode.PAYOUT_FIELD_INVALID] if field else []
    if any(one.free_minor <= 0 for one in owed):
        faults.append(RefusalCode.CYCLE_STATE)
    faults += _limits(world.get(CONTRACTS, command.partner_id), command, total, at)
    if faults:
        facts: dict[str, Fact] = {"payout": command.payout_id[:40], "amount": total}
        return refused(faults, facts | ({"field": field} if field else {}))
    event = PayoutPlanned(
        payout_id=command.payout_id,
        partner_id=command.partner_id,
        currency=command.currency,
        parts=tuple(PayoutPart(one.statement_id, one.free_minor) for one in owed),
        payee_id=command.payee_id,
        payee_version=world.need(PAYEES, command.payee_id).versions[-1].version,
        route=command.route,
        attempt=row.attempt + 1 if row else 1,
        owed_on=owed[0].owed_on,
    )
    return (Draft(event),)


def _is_same(row: Payout, command: InstructPayout) -> bool:
    asked = (command.partner_id, command.statements, command.currency, command.payee_id)
    return (row.partner_id, row.statements, row.currency, row.payee_id) == asked


def _payee_faults(world: World, command: InstructPayout) -> tuple[list[RefusalCode], str]:
    payee = world.get(PAYEES, command.payee_id)
    if payee is None or payee.partner_id != command.partner_id:
        return [RefusalCode.PAYEE_UNKNOWN], ""
    serves = command.route in ROUTES and payee.versions[-1].paid_to.serves(command.route)
    return [], "" if serves else "route"


def _field(command: InstructPayout, row: Payout | None, owed: list[Payable]) -> str:
    """Name the first faulty field, "" when there is none."""
    names = command.statements
    checks = (
        (is_id(command.payout_id) and len(command.payout_id) <= PAYOUT_ID_MAX, "payout_id"),
        (row is None or row.attempt < ATTEMPTS_MAX, "attempt"),
        (row is None or row.partner_id == command.partner_id, "partner_id"),
        (0 < len(names) <= PARTS_MAX and len(set(names)) == len(names), "statements"),
        (len({one.owed_on for one in owed}) <= 1, "statements"),
    )
    return next((field for good, field in checks if not good), "")


def _limits(
    held: PartnerContracts | None, command: InstructPayout, total: int, at: int
) -> list[RefusalCode]:
    """Hold an amount against what the contract says of payouts; without one there is no minimum."""
    contract = held.settling(at, command.currency) if held else None
    least = contract.terms.min_payout_minor if contract else 0
    most = contract.terms.max_payout_minor if contract else 0
    tests = (
        (total > min(most or AMOUNT_MAX, AMOUNT_MAX), RefusalCode.AMOUNT_OVER_LIMIT),
        (total < least, RefusalCode.BELOW_MIN_PAYOUT),
    )
    return [code for failed, code in tests if failed]


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PayoutPlansEvent, _stamp: Stamp) -> None:
    """Keep the plan, and take what it pays out of what is free."""
    match event:
        case PayoutPlanned():
            told = {name: getattr(event, name) for name in event.__struct_fields__}
            row = Payout(**told)
            _plan_in(world, row, 1)
        case PayoutCancelled():
            row = replace(world.need(PAYOUTS, event.payout_id), state=CANCELLED)
            _plan_in(world, row, -1)
        case _ as unknown:
            assert_never(unknown)


def _plan_in(world: World, row: Payout, sign: int) -> None:
    world.put(PAYOUTS, row.payout_id, row)
    for name, amount in row.amounts():
        change = Payable(name, row.currency, planned_minor=sign * amount, owed_on=row.owed_on)
        change_payable(world, row.partner_id, change)


def postings(_event: PayoutPlansEvent) -> tuple[Posting, ...]:
    """A plan moves nothing."""
    return ()
