"""Payments by card: what is known of each, and of each call to the provider that moves money.

A payment is what a driver shall pay by card; a **call** is one request to the provider. Its intent
is written in the commit that decides it, with the key under which the provider knows it, so that
asking again after a lost answer can never ask for more::

    PLANNED -> SENT -> ANSWERED | REFUSED | UNKNOWN        UNKNOWN -> ANSWERED | REFUSED

The key is made of ids of ours and an attempt number, ``inv:MG1-INV-2026-000042:charge:1``; the next
number is taken only when the attempt before has definitely come to nothing.
"""

from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.envelope import canonical
from ledger.kernel.refusal import Refusal, RefusalCode

AUTHORISE, CAPTURE, CANCEL = "authorise", "capture", "cancel"
PAY, CHECKOUT, SETUP = "charge", "checkout", "setup"
REFUND, TRANSFER, REVERSE = "refund", "transfer", "reverse"
EVIDENCE, DETACH = "evidence", "detach"
OPERATIONS = (
    *(AUTHORISE, CAPTURE, CANCEL, PAY, CHECKOUT, SETUP, REFUND, TRANSFER, REVERSE),
    *(EVIDENCE, DETACH),
)

PLANNED, SENT, ANSWERED, REFUSED, UNKNOWN = "PLANNED", "SENT", "ANSWERED", "REFUSED", "UNKNOWN"
OPEN_CALLS = frozenset({PLANNED, SENT, UNKNOWN})

INVOICE, TOP_UP, RESERVE = "invoice", "topup", "reserve"
"""What a payment is for."""


class CallBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the provider is asked for, in our words (minor units); the same for every attempt.

    `payer`, `card`, `target` and `destination` are the provider's names of the driver, his card,
    the object that is acted on, and the partner who is paid. `group` ties what belongs together.
    `return_to` is the route of ours that a page of the provider leads back to.
    """

    operation: str
    currency: str = ""
    amount_minor: int = 0
    payer: str = ""
    card: str = ""
    target: str = ""
    destination: str = ""
    group: str = ""
    text: str = ""
    return_to: str = ""
    metadata: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of the body, in hexadecimal."""
        return sha256(canonical(self)).hexdigest()


class Told(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the provider says of one object, read from the object itself (minor units, us).

    `status` is ``open``, ``needs_action``, ``authorised``, ``captured``, ``failed``, ``cancelled``
    or ``done`` (for what is no payment); `url` leads a driver to a page of the provider.
    """

    ref: str
    status: str
    amount_minor: int = 0
    captured_minor: int = 0
    currency: str = ""
    authorised_until: int = 0
    reason: str = ""
    url: str = ""
    payer: str = ""
    card: str = ""


class CardPayment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One payment by card in minor units; `subject` is the invoice, the top-up or the booking.

    `refunding_minor` is promised to refunds that are not answered yet; `differs` tells that the
    provider took another amount than we asked for.
    """

    payment_id: str
    driver_id: str
    purpose: str
    subject: str
    currency: str
    amount_minor: int
    stem: str
    invoice_no: str = ""
    state: str = "CREATED"
    ref: str = ""
    url: str = ""
    reason: str = ""
    authorised_until: int = 0
    captured_minor: int = 0
    refunding_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    has_dispute: bool = False
    differs: bool = False

    @property
    def refundable_minor(self) -> int:
        """What can still be given back: captured, not refunded, promised or disputed."""
        taken = self.refunded_minor + self.refunding_minor + self.disputed_minor
        return self.captured_minor - taken


class PaymentCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call: its key, what it asks for, how far it came; first sent, last heard of (us)."""

    call_key: str
    payment_id: str
    driver_id: str
    stem: str
    body: CallBody
    body_sha256: str
    planned_at: int
    state: str = PLANNED
    sends: int = 0
    sent_at: int = 0
    last_at: int = 0
    ref: str = ""
    url: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether its end is not known."""
        return self.state in OPEN_CALLS


class CallStem(msgspec.Struct, frozen=True):
    """What all attempts at one thing share: the last number, and whether a next one may be."""

    last: int
    is_free: bool


class SavedCard(msgspec.Struct, frozen=True):
    """The provider's names of a driver and of the card that is charged; `card` is "" for none."""

    driver_id: str
    payer: str
    card: str


CARD_PAYMENTS = Shelf("card_payments", CardPayment, listed_by=lambda row: row.driver_id)
PAYMENT_CALLS = Shelf(
    "payment_calls", PaymentCall, listed_by=lambda row: "open" if row.is_open else "over"
)
CALL_STEMS = Shelf("call_stems", CallStem)
SAVED_CARDS = Shelf("saved_cards", SavedCard)


class SavedMethod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card by the provider's names, since when it is saved (us); `method_id` is ours."""

    method_id: str
    payer: str
    card: str
    saved_at: int


class SavedMethods(msgspec.Struct, frozen=True, omit_defaults=True):
    """All cards that a driver saved, oldest first; the one that is charged is his `SavedCard`."""

    driver_id: str
    methods: tuple[SavedMethod, ...] = ()

    def method(self, method_id: str) -> SavedMethod | None:
        """Find a card by our name of it."""
        return next((one for one in self.methods if one.method_id == method_id), None)


SAVED_METHODS = Shelf("saved_methods", SavedMethods)


def card_of(world: World, driver_id: str, method_id: str = "") -> SavedCard | None:
    """Give the card of a driver that is charged, or the one that is named; None for none.

    His rows of `SAVED_CARDS` and `SAVED_METHODS` must be loaded.
    """
    if not method_id:
        saved = world.get(SAVED_CARDS, driver_id)
        return saved if saved is not None and saved.card else None
    methods = world.get(SAVED_METHODS, driver_id)
    one = methods.method(method_id) if methods else None
    return SavedCard(driver_id, one.payer, one.card) if one else None


class PaymentRef(msgspec.Struct, frozen=True):
    """Which of our payments an object of the provider is."""

    payment_id: str


PAYMENT_REFS = Shelf("payment_refs", PaymentRef)  # key: the provider's name of it


def call_rows(world: World, call_key: str) -> tuple[Key, ...]:
    """Name a call, and once it is loaded its payment and its stem."""
    key = touch(PAYMENT_CALLS, call_key)
    row = world.get(PAYMENT_CALLS, call_key) if world.is_loaded(PAYMENT_CALLS, call_key) else None
    if row is None:
        return (key,)
    return (key, touch(CALL_STEMS, row.stem), *payment_rows(world, row.payment_id))


def payment_rows(world: World, payment_id: str) -> tuple[Key, ...]:
    """Name a payment, and once it is loaded the stem of its call."""
    if not payment_id:
        return ()
    key = touch(CARD_PAYMENTS, payment_id)
    row = (
        world.get(CARD_PAYMENTS, payment_id) if world.is_loaded(CARD_PAYMENTS, payment_id) else None
    )
    return (key,) if row is None else (key, touch(CALL_STEMS, row.stem))


def next_attempt(world: World, stem: str) -> int | Refusal:
    """Give the number of the next attempt; refuse while the last one may still come to something.

    >>> world = World(complete=True)
    >>> next_attempt(world, "inv:I-1:charge")
    1
    """
    row = world.get(CALL_STEMS, stem)
    if row is None:
        return 1
    if not row.is_free:
        return Refusal(RefusalCode.CALL_NOT_OVER, {"call": f"{stem}:{row.last}"})
    return row.last + 1


def change(world: World, payment_id: str, **fields: Any) -> None:
    """Replace fields of a payment that must exist by now."""
    row = world.need(CARD_PAYMENTS, payment_id)
    world.put(CARD_PAYMENTS, payment_id, replace(row, **fields))
