"""Payouts to partners through the provider of payments: the call that a released payout needs.

The payout itself (`payouts`) is planned, approved by two persons and released like every other;
here only its call is written down. Nothing but the provider's own transaction confirms it.
"""

from typing import Any, ClassVar

from ledger.domain.access import refused
from ledger.domain.money import payouts
from ledger.domain.money.payees import PAYEES
from ledger.domain.money.payments_calls import plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    REVERSE,
    TRANSFER,
    CallBody,
    PaymentCall,
)
from ledger.domain.money.payout_rows import CONFIRMED, PAYOUTS, RELEASED, Payout
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

ROUTE = "stripe"

# Commands ---------------------------------------------------------------------


class PlanTransfer(Command):
    """Send a released payout to the account that its partner has at the provider."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    payout_id: str


class PlanReversal(Command):
    """Claw a confirmed payout back; `transfer_ref` is the provider's name of its transfer."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    payout_id: str
    transfer_ref: str


TransfersCommand = PlanTransfer | PlanReversal

# touches ----------------------------------------------------------------------


def touches(command: TransfersCommand) -> Keys:
    """Read the payout."""
    return (touch(PAYOUTS, command.payout_id),)


def follows(world: World, command: TransfersCommand) -> Keys:
    """Read who is paid, and what attempts share."""
    row = world.get(PAYOUTS, command.payout_id)
    if row is None:
        return ()
    return touch(PAYEES, row.payee_id), touch(CALL_STEMS, _stem(row, command))


def _stem(row: Payout, command: TransfersCommand) -> str:
    if isinstance(command, PlanReversal):
        return f"payout:{row.payout_id}:reverse"
    return f"stl:{row.payout_id}-{row.attempt}:payout"


# decide -----------------------------------------------------------------------


def decide(world: World, command: TransfersCommand, _request: Request) -> Outcome:
    """Plan the call of a payout that may leave, or that shall come back."""
    row = world.get(PAYOUTS, command.payout_id)
    if row is None:
        return Refusal(RefusalCode.PAYOUT_UNKNOWN, {"payout": command.payout_id[:40]})
    is_reversal = isinstance(command, PlanReversal)
    tests = (
        (row.state != (CONFIRMED if is_reversal else RELEASED), RefusalCode.PAYOUT_STATE),
        (row.route != ROUTE, RefusalCode.PAYOUT_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"payout": row.payout_id, "state": row.state, "route": row.route})
    payee = world.need(PAYEES, row.payee_id).at(row.payee_version)
    body = CallBody(
        operation=REVERSE if is_reversal else TRANSFER,
        currency="" if is_reversal else row.currency,
        amount_minor=row.amount_minor,
        destination="" if is_reversal else payee.paid_to.stripe_account,
        target=command.transfer_ref if isinstance(command, PlanReversal) else "",
        group=row.statements[0],
        metadata={"payout_id": row.payout_id, "attempt": str(row.attempt)},
    )
    call = plan(world, _stem(row, command), body)
    return call if isinstance(call, Refusal) else (Draft(call),)


def told_rows(world: World, call: PaymentCall) -> Keys:
    """Name what the answer to a transfer moves: its payout."""
    command = _marked(call)
    return (*payouts.touches(command), *_loaded(world, command))


def _loaded(world: World, command: payouts.MarkPayoutAccepted) -> Keys:
    known = world.is_loaded(PAYOUTS, command.payout_id)
    return payouts.follows(world, command) if known else ()


def answered(world: World, call: PaymentCall, request: Request) -> tuple[Draft, ...]:
    """Give what it means for a payout that the provider took its transfer."""
    return _or_nothing(payouts.decide(world, _marked(call), request))


def refused_by_provider(
    world: World, call: PaymentCall, reason: str, request: Request
) -> tuple[Draft, ...]:
    """Give what it means for a payout that the provider turned its transfer down."""
    rejected = payouts.RejectPayout(**_named(call), reason=reason)
    return _or_nothing(payouts.decide(world, rejected, request))


def _marked(call: PaymentCall) -> payouts.MarkPayoutAccepted:
    return payouts.MarkPayoutAccepted(**_named(call))


def _named(call: PaymentCall) -> dict[str, Any]:
    said = call.body.metadata
    return {"payout_id": said["payout_id"], "attempt": int(said["attempt"])}


def _or_nothing(outcome: Outcome) -> tuple[Draft, ...]:
    # what a bank or the provider's own balance said meanwhile wins
    return () if isinstance(outcome, Refusal) else outcome


def evolve(_world: World, _event: Event, _stamp: Stamp) -> None:
    """The call is kept by the area of calls."""


def postings(_event: Event) -> tuple[Posting, ...]:
    """Nothing moves before the provider's transaction says so."""
    return ()
