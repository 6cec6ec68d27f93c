"""What the provider says of payments: answers to calls, and objects that were read again.

Reserved money is mirrored as a pending posting (`pending.card`); captured money pays an invoice or
goes into the driver's wallet, by the rules of those areas. What was told before, or cannot follow,
changes nothing, so the same news may come twice, late and in any order.
"""

from typing import Any, ClassVar, assert_never

from ledger.domain.money import payments_moves as moves
from ledger.domain.money import payments_refunds as refunds
from ledger.domain.money import payments_rows
from ledger.domain.money import payments_transfers as transfers
from ledger.domain.money.payments_calls import CallAnswered, CallRefused
from ledger.domain.money.payments_calls import told as told_of
from ledger.domain.money.payments_rows import (
    AUTHORISE,
    CALL_STEMS,
    CANCEL,
    CAPTURE,
    CARD_PAYMENTS,
    CHECKOUT,
    PAY,
    PAYMENT_CALLS,
    PAYMENT_REFS,
    REFUND,
    SAVED_CARDS,
    SAVED_METHODS,
    TRANSFER,
    CallStem,
    CardPayment,
    PaymentCall,
    PaymentRef,
    SavedCard,
    SavedMethod,
    SavedMethods,
    Told,
    call_rows,
    change,
    payment_rows,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.waiting import set_timer
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (PAYMENT_REFS, SAVED_CARDS, SAVED_METHODS)
FOLDS: tuple[type[Event], ...] = ()

_SYSTEM = frozenset({"system"})
_BEGINNINGS = frozenset({AUTHORISE, PAY, CHECKOUT})
_OF_PAYMENTS = _BEGINNINGS | {CAPTURE, CANCEL}
REASON_CHARACTERS = 200

CONFIRM_WITHIN_US = DAY
"""Policy: so long a driver may take to confirm a payment; then it is given up."""

# Commands ---------------------------------------------------------------------


class TellAnswer(Command):
    """The provider did what a call asked for."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    call_key: str
    told: Told


class TellRefusal(Command):
    """The provider definitely did not do what a call asked for; `ref` is the object, if any."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    call_key: str
    reason: str
    ref: str = ""


class TellPayment(Command):
    """What the provider says now of the object of a payment, read again from him."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    payment_id: str
    told: Told


class TellCard(Command):
    """A driver saved a card: the provider's names of both."""

    roles: ClassVar[frozenset[str]] = _SYSTEM

    driver_id: str
    payer: str
    card: str


_End = TellAnswer | TellRefusal
ToldCommand = TellAnswer | TellRefusal | TellPayment | TellCard

# Events -----------------------------------------------------------------------


class PaymentMoved(Event):
    """The provider told another state of a payment; `captured_minor` is what he took."""

    kind: ClassVar[str] = "payment.moved"

    payment_id: str
    driver_id: str
    state: str
    ref: str
    url: str = ""
    reason: str = ""
    authorised_until: int = 0
    captured_minor: int = 0
    differs: bool = False


class CardSaved(Event):
    """A driver has a card that may be charged while he is away."""

    kind: ClassVar[str] = "payment.card_saved"

    driver_id: str
    payer: str
    card: str


ToldEvent = PaymentMoved | CardSaved

# touches ----------------------------------------------------------------------


def touches(command: ToldCommand) -> Keys:
    """Read the call, the payment, or the driver."""
    match command:
        case TellAnswer() | TellRefusal():
            return (touch(PAYMENT_CALLS, command.call_key),)
        case TellPayment():
            return (touch(CARD_PAYMENTS, command.payment_id),)
        case TellCard():
            driver_id = command.driver_id
            rows = touch(SAVED_CARDS, driver_id), touch(SAVED_METHODS, driver_id)
            return touch(PARTIES, driver_id), *rows
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: ToldCommand) -> Keys:
    """Read what the money of the payment moves, and what its attempts share."""
    match command:
        case TellPayment():
            return _money_rows(world, command.payment_id)
        case TellAnswer() | TellRefusal():
            call = world.get(PAYMENT_CALLS, command.call_key)
            if call is None:
                return ()
            keys = (*call_rows(world, command.call_key), *_money_rows(world, call.payment_id))
            match call.body.operation:
                case payments_rows.REFUND:
                    return (*keys, *refunds.answer_rows(call))
                case payments_rows.TRANSFER:
                    return (*keys, *transfers.told_rows(world, call))
                case _:
                    return keys
        case TellCard():
            return ()
        case _ as unknown:
            assert_never(unknown)


def _money_rows(world: World, payment_id: str) -> tuple[Key, ...]:
    keys = payment_rows(world, payment_id)
    if not payment_id or not world.is_loaded(CARD_PAYMENTS, payment_id):
        return keys
    row = world.get(CARD_PAYMENTS, payment_id)
    return keys if row is None else (*keys, *moves.money_rows(row))


# decide -----------------------------------------------------------------------


def decide(world: World, command: ToldCommand, request: Request) -> Outcome:
    """Take in what the provider says, as far as it is new and can follow."""
    match command:
        case TellAnswer() | TellRefusal():
            call = world.get(PAYMENT_CALLS, command.call_key)
            if call is None:
                return Refusal(RefusalCode.CALL_UNKNOWN, {"call": command.call_key[:60]})
            if not call.is_open:
                return ()
            if isinstance(command, TellAnswer):
                return _answered(world, call, command.told, request)
            return _refused(world, call, command, request)
        case TellPayment():
            row = world.get(CARD_PAYMENTS, command.payment_id)
            if row is None:
                return Refusal(RefusalCode.PAYMENT_UNKNOWN, {"payment": command.payment_id[:40]})
            return _moved(world, row, command.told, request)
        case TellCard():
            return _card(world, command)
        case _ as unknown:
            assert_never(unknown)


def _answered(world: World, call: PaymentCall, told: Told, request: Request) -> Outcome:
    answered = CallAnswered(**told_of(call), ref=told.ref, url=told.url)
    more: tuple[Draft, ...] = ()
    if call.body.operation in _OF_PAYMENTS:
        row = world.need(CARD_PAYMENTS, call.payment_id)
        more = _moved(world, row, told, request)
    elif call.body.operation == REFUND:
        more = refunds.answered(call, told)
    elif call.body.operation == TRANSFER:
        more = transfers.answered(world, call, request)
    return (Draft(answered), *more)


def _refused(world: World, call: PaymentCall, command: TellRefusal, request: Request) -> Outcome:
    reason = command.reason[:REASON_CHARACTERS]
    drafts = (Draft(CallRefused(**told_of(call), reason=reason)),)
    if call.body.operation == REFUND:
        return (*drafts, Draft(refunds.failed(call, reason), after=(0,)))
    if call.body.operation == TRANSFER:
        return (*drafts, *transfers.refused_by_provider(world, call, reason, request))
    row = world.get(CARD_PAYMENTS, call.payment_id) if call.payment_id else None
    if call.body.operation not in _BEGINNINGS or row is None or row.state != "CREATED":
        return drafts
    failed = PaymentMoved(
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        state="FAILED",
        ref=command.ref,
        reason=reason,
    )
    return (*drafts, Draft(failed, after=(0,)))


def _moved(world: World, row: CardPayment, told: Told, request: Request) -> tuple[Draft, ...]:
    state = moves.state_of(row, told, request.at)
    is_new = told.ref not in ("", row.ref) or told.url not in ("", row.url)
    if not state and (row.state != "CREATED" or not is_new):
        return ()
    differs = moves.differs(row, told)
    moved = PaymentMoved(
        payment_id=row.payment_id,
        driver_id=row.driver_id,
        state=state or row.state,
        ref=told.ref or row.ref,
        url=told.url,
        reason=told.reason[:REASON_CHARACTERS],
        authorised_until=told.authorised_until if state == "AUTHORISED" else 0,
        captured_minor=told.captured_minor if state == "CAPTURED" else 0,
        differs=differs,
    )
    drafts = (Draft(moved), *moves.money_of(world, row, state, told, request))
    return (*drafts, Draft(moves.case_of(row, told))) if differs and not row.differs else drafts


def _card(world: World, command: TellCard) -> Outcome:
    faults = party_faults(world, command.driver_id, "driver")
    if faults:
        return Refusal(faults[0], {"driver": command.driver_id[:40]})
    saved = SavedCard(command.driver_id, command.payer, command.card)
    if world.get(SAVED_CARDS, command.driver_id) == saved:
        return ()
    event = CardSaved(driver_id=saved.driver_id, payer=saved.payer, card=saved.card)
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ToldEvent, stamp: Stamp) -> None:
    """Keep the state of the payment and whose the object is; make room where nothing came of it."""
    match event:
        case PaymentMoved():
            row = world.need(CARD_PAYMENTS, event.payment_id)
            change(
                world,
                event.payment_id,
                state=event.state,
                ref=event.ref,
                url=event.url or row.url,
                reason=event.reason,
                authorised_until=event.authorised_until or row.authorised_until,
                captured_minor=row.captured_minor + event.captured_minor,
                differs=row.differs or event.differs,
            )
            if "NEEDS_ACTION" in (event.state, row.state):
                waits = event.state == "NEEDS_ACTION"
                at = stamp.recorded_at + CONFIRM_WITHIN_US if waits else 0
                set_timer(world, "payment", event.payment_id, at)
            if event.ref:
                world.put(PAYMENT_REFS, event.ref, PaymentRef(event.payment_id))
            if event.state in moves.CAME_TO_NOTHING:
                stem = world.need(CALL_STEMS, row.stem)
                world.put(CALL_STEMS, row.stem, CallStem(stem.last, is_free=True))
        case CardSaved():
            saved = SavedCard(event.driver_id, event.payer, event.card)
            world.put(SAVED_CARDS, event.driver_id, saved)
            _keep_method(world, event, stamp)
        case _ as unknown:
            assert_never(unknown)


def _keep_method(world: World, event: CardSaved, stamp: Stamp) -> None:
    """Keep the card with the driver's others; the same one is kept once, as the newest."""
    row = world.get(SAVED_METHODS, event.driver_id) or SavedMethods(event.driver_id)
    others = tuple(one for one in row.methods if one.card != event.card)
    method_id = derived_id("PM", event.driver_id, event.card)
    newest = SavedMethod(method_id, event.payer, event.card, stamp.recorded_at)
    world.put(SAVED_METHODS, event.driver_id, SavedMethods(event.driver_id, (*others, newest)))


def postings(_event: ToldEvent) -> tuple[Posting, ...]:
    """The money of a payment is moved by the entries of what it is for."""
    return ()
