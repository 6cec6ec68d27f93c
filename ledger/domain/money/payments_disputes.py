"""Disputes: a driver's bank takes a payment back, and we answer with what packs and meters told.

The state is that of the provider's object. The money is moved by the provider's balance alone
(`payments_books`): a withdrawal opens the chargeback, its return wins it. A dispute that is lost
costs what still waits. While one is open nothing of its payment is refunded.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_payments as templates
from ledger.domain.money.payments_calls import plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CARD_PAYMENTS,
    EVIDENCE,
    CallBody,
    CardPayment,
    change,
)
from ledger.domain.money.templates_payments import DisputeParts
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

OPEN, WON, LOST = "open", "won", "lost"
EVIDENCE_CHARACTERS = 20_000
"""More text the provider does not take in one field."""


class Dispute(msgspec.Struct, frozen=True, omit_defaults=True):
    """One dispute in minor units; `parts` is who bears it since it was withdrawn."""

    dispute_ref: str
    payment_id: str
    driver_id: str
    amount_minor: int = 0
    state: str = OPEN
    reason: str = ""
    due_at: int = 0
    parts: DisputeParts = DisputeParts()
    is_returned: bool = False
    evidence_sha256: str = ""

    @property
    def is_over(self) -> bool:
        """Tell whether it is decided."""
        return self.state != OPEN


DISPUTES = Shelf("disputes", Dispute, listed_by=lambda row: row.state)
SHELVES: tuple[Shelf[Any], ...] = (DISPUTES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class TellDispute(Command):
    """What the provider says now of a dispute: `state` is open, won or lost."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    dispute_ref: str
    payment_id: str
    amount_minor: int
    state: str
    reason: str = ""
    due_at: int = 0


class SubmitEvidence(Command):
    """Answer a dispute with a text (`disputes` in the runtime writes it) of this digest."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "system"})

    dispute_ref: str
    text: str
    sha256: str


DisputesCommand = TellDispute | SubmitEvidence

# Events -----------------------------------------------------------------------


class DisputeTold(Event):
    """The provider told of a dispute, or another state of it."""

    kind: ClassVar[str] = "dispute.told"

    dispute_ref: str
    payment_id: str
    driver_id: str
    amount_minor: int
    state: str
    reason: str = ""
    due_at: int = 0


class EvidencePlanned(Event):
    """We answer a dispute."""

    kind: ClassVar[str] = "dispute.evidence_planned"

    dispute_ref: str
    payment_id: str
    driver_id: str
    sha256: str


class ChargebackLost(Event):
    """A disputed payment is lost; what waited is an expense."""

    kind: ClassVar[str] = "chargeback.lost"

    dispute_ref: str
    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int


DisputesEvent = DisputeTold | EvidencePlanned | ChargebackLost

# touches ----------------------------------------------------------------------


def touches(command: DisputesCommand) -> Keys:
    """Read the dispute, its payment, and what attempts to answer it share."""
    if isinstance(command, TellDispute):
        key = touch(DISPUTES, command.dispute_ref)
        return key, touch(CARD_PAYMENTS, command.payment_id)
    return touch(DISPUTES, command.dispute_ref), touch(CALL_STEMS, _stem(command.dispute_ref))


def follows(world: World, command: DisputesCommand) -> Keys:
    """Read the payment of a dispute."""
    if isinstance(command, TellDispute):
        return ()
    row = world.get(DISPUTES, command.dispute_ref)
    return () if row is None else (touch(CARD_PAYMENTS, row.payment_id),)


def _stem(dispute_ref: str) -> str:
    return f"dispute:{dispute_ref}:evidence"


# decide -----------------------------------------------------------------------


def decide(world: World, command: DisputesCommand, _request: Request) -> Outcome:
    """Keep what is new of a dispute; answer it while it is open."""
    match command:
        case TellDispute():
            return _tell(world, command)
        case SubmitEvidence():
            return _submit(world, command)
        case _ as unknown:
            assert_never(unknown)


def _tell(world: World, command: TellDispute) -> Outcome:
    payment = world.get(CARD_PAYMENTS, command.payment_id)
    if payment is None:
        return Refusal(RefusalCode.PAYMENT_UNKNOWN, {"payment": command.payment_id[:40]})
    known = world.get(DISPUTES, command.dispute_ref)
    if known is not None and (known.is_over or _is_same(known, command)):
        return ()
    told = DisputeTold(
        dispute_ref=command.dispute_ref,
        payment_id=payment.payment_id,
        driver_id=payment.driver_id,
        amount_minor=command.amount_minor,
        state=command.state,
        reason=command.reason,
        due_at=command.due_at,
    )
    row = known or of_payment(command.dispute_ref, payment)
    if command.state != LOST or not row.parts.open_minor:
        return (Draft(told),)
    return Draft(told), Draft(lost(row, payment.currency), after=(0,))


def _is_same(known: Dispute, command: TellDispute) -> bool:
    said = (command.amount_minor, command.state, command.reason, command.due_at)
    return (known.amount_minor, known.state, known.reason, known.due_at) == said


def of_payment(dispute_ref: str, payment: CardPayment) -> Dispute:
    """Make the row of a dispute that nothing was told of yet."""
    return Dispute(dispute_ref, payment.payment_id, payment.driver_id)


def lost(row: Dispute, currency: str) -> ChargebackLost:
    """Make the event that gives up what waits of a dispute."""
    return ChargebackLost(
        dispute_ref=row.dispute_ref,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        currency=currency,
        amount_minor=row.parts.open_minor,
    )


def _submit(world: World, command: SubmitEvidence) -> Outcome:
    row = world.get(DISPUTES, command.dispute_ref)
    if row is None:
        return Refusal(RefusalCode.CHARGEBACK_UNKNOWN, {"dispute": command.dispute_ref[:60]})
    body = CallBody(
        operation=EVIDENCE,
        target=row.dispute_ref,
        text=command.text,
        metadata={"payment_id": row.payment_id, "sha256": command.sha256},
    )
    tests = (
        (row.is_over, RefusalCode.CHARGEBACK_OVER),
        (not 0 < len(command.text) <= EVIDENCE_CHARACTERS, RefusalCode.PAYMENT_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"dispute": row.dispute_ref, "state": row.state})
    call = plan(
        world,
        _stem(row.dispute_ref),
        body,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
    )
    if isinstance(call, Refusal):
        return call
    planned = EvidencePlanned(
        dispute_ref=row.dispute_ref,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        sha256=command.sha256,
    )
    return Draft(planned), Draft(call, after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: DisputesEvent, _stamp: Stamp) -> None:
    """Keep the dispute, and that its payment has one."""
    payment = world.need(CARD_PAYMENTS, event.payment_id)
    row = world.get(DISPUTES, event.dispute_ref) or of_payment(event.dispute_ref, payment)
    match event:
        case DisputeTold():
            row = replace(
                row,
                amount_minor=event.amount_minor,
                state=event.state,
                reason=event.reason,
                due_at=event.due_at,
            )
            state = "DISPUTED" if event.state == OPEN else event.state.upper()
            change(world, event.payment_id, state=state, has_dispute=event.state == OPEN)
        case EvidencePlanned():
            row = replace(row, evidence_sha256=event.sha256)
        case ChargebackLost():
            row = replace(row, parts=replace(row.parts, open_minor=0))
        case _ as unknown:
            assert_never(unknown)
    world.put(DISPUTES, event.dispute_ref, row)


# postings ---------------------------------------------------------------------


def postings(event: DisputesEvent) -> tuple[Posting, ...]:
    """Move what is lost; what a dispute takes is moved by the provider's balance."""
    if not isinstance(event, ChargebackLost):
        return ()
    dims = {"driver": event.driver_id, "payment": event.payment_id}
    return templates.chargeback_lost(event.currency, event.amount_minor, dims)
