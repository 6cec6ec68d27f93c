"""Ways to pay that a driver saved: which card is charged, and cards that he takes away.

The last card stays while an invoice is open. What is taken away here is taken away at the provider
too, by a call like any other.
"""

from typing import Any, ClassVar, assert_never

from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments_calls import CallPlanned, plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    DETACH,
    SAVED_CARDS,
    SAVED_METHODS,
    CallBody,
    SavedCard,
    SavedMethod,
    SavedMethods,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_OWN = frozenset({"driver", "support", "system"})

# Commands ---------------------------------------------------------------------


class ChooseMethod(Command):
    """From here on this card is charged."""

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    driver_id: str
    method_id: str


class RemoveMethod(Command):
    """This card is not to be charged any more.

    `invoices` are those that whoever asks read as open; each is looked at again. One that is
    issued in the same instant may be missed: it is asked for by other means then.
    """

    roles: ClassVar[frozenset[str]] = _OWN
    is_personal: ClassVar[bool] = True

    driver_id: str
    method_id: str
    invoices: tuple[str, ...] = ()


PaymentMethodsCommand = ChooseMethod | RemoveMethod

# Events -----------------------------------------------------------------------


class MethodChosen(Event):
    """Another of a driver's cards is charged."""

    kind: ClassVar[str] = "payment.method_chosen"

    driver_id: str
    method_id: str


class MethodRemoved(Event):
    """A card of a driver is not charged any more; `next_method_id` is, "" for none."""

    kind: ClassVar[str] = "payment.method_removed"

    driver_id: str
    method_id: str
    next_method_id: str = ""


PaymentMethodsEvent = MethodChosen | MethodRemoved

# touches ----------------------------------------------------------------------


def touches(command: PaymentMethodsCommand) -> Keys:
    """The driver's cards; what is open where one goes."""
    own = touch(SAVED_METHODS, command.driver_id), touch(SAVED_CARDS, command.driver_id)
    if isinstance(command, ChooseMethod):
        return own
    invoices = (touch(INVOICES, one) for one in command.invoices)
    return (*own, touch(CALL_STEMS, _stem(command.method_id)), *invoices)


def follows(_world: World, _command: PaymentMethodsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def _stem(method_id: str) -> str:
    return f"method:{method_id}:detach"


# decide -----------------------------------------------------------------------


def decide(world: World, command: PaymentMethodsCommand, _request: Request) -> Outcome:
    """Charge another card, or take one away."""
    facts: dict[str, Fact] = {"method": command.method_id[:40]}
    row = world.get(SAVED_METHODS, command.driver_id)
    method = row.method(command.method_id) if row else None
    if row is None or method is None:
        return Refusal(RefusalCode.METHOD_UNKNOWN, facts)
    is_charged = world.need(SAVED_CARDS, command.driver_id).card == method.card
    match command:
        case ChooseMethod():
            chosen = MethodChosen(driver_id=command.driver_id, method_id=method.method_id)
            return () if is_charged else (Draft(chosen),)
        case RemoveMethod():
            unpaid = _open_invoice(world, command)
            if unpaid and len(row.methods) == 1:
                return Refusal(RefusalCode.METHOD_NEEDED, {**facts, "invoice": unpaid})
            return _removed(world, row, method, is_charged=is_charged)
        case _ as unknown:
            assert_never(unknown)


def _open_invoice(world: World, command: RemoveMethod) -> str:
    rows = [world.get(INVOICES, one) for one in command.invoices]
    return next(
        (
            row.invoice_no
            for row in rows
            if row is not None and row.driver_id == command.driver_id and row.open_minor
        ),
        "",
    )


def _removed(world: World, row: SavedMethods, gone: SavedMethod, *, is_charged: bool) -> Outcome:
    left = [one for one in row.methods if one.method_id != gone.method_id]
    following = left[-1].method_id if left and is_charged else ""
    body = CallBody(
        operation=DETACH,
        payer=gone.payer,
        target=gone.card,
        metadata={"driver_id": row.driver_id},
    )
    call = plan(world, _stem(gone.method_id), body, driver_id=row.driver_id)
    removed = MethodRemoved(
        driver_id=row.driver_id, method_id=gone.method_id, next_method_id=following
    )
    assert isinstance(call, CallPlanned), "a card is taken away once, then it is unknown"
    return Draft(removed), Draft(call, after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PaymentMethodsEvent, _stamp: Stamp) -> None:
    """Keep which card is charged, and which there are."""
    row = world.need(SAVED_METHODS, event.driver_id)
    match event:
        case MethodChosen():
            chosen = row.method(event.method_id)
            assert chosen is not None, "the rule looked for it"
            _charge(world, row.driver_id, chosen)
        case MethodRemoved():
            gone = row.method(event.method_id)
            left = tuple(one for one in row.methods if one.method_id != event.method_id)
            world.put(SAVED_METHODS, row.driver_id, SavedMethods(row.driver_id, left))
            following = row.method(event.next_method_id)
            if following is not None:
                _charge(world, row.driver_id, following)
            elif not left and gone is not None:
                world.put(SAVED_CARDS, row.driver_id, SavedCard(row.driver_id, gone.payer, ""))
        case _ as unknown:
            assert_never(unknown)


def _charge(world: World, driver_id: str, method: SavedMethod) -> None:
    world.put(SAVED_CARDS, driver_id, SavedCard(driver_id, method.payer, method.card))


def postings(_event: PaymentMethodsEvent) -> tuple[Posting, ...]:
    """A way to pay moves nothing."""
    return ()
