"""What a provider of payments can be asked for, whoever he is (money handbook 6.1).

Adapters: `ledger.adapters.stripe` and `ledger.adapters.payments_manual`. No type of a provider
comes through here. An answer to a call is a value; what stops the whole gateway is an error.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import BalanceTransaction, PspBalance, PspPayout


class Answered(msgspec.Struct, frozen=True):
    """The provider did it, now or when the same key came before."""

    told: Told


class TurnedDown(msgspec.Struct, frozen=True):
    """The provider definitely did not do it; `ref` is the object that shows it, if any."""

    reason: str
    ref: str = ""


class Lost(msgspec.Struct, frozen=True):
    """It may have happened or not: time-out, connection lost, his failure, too many requests."""

    reason: str


class KeyMismatch(msgspec.Struct, frozen=True):
    """The key stands for another body there, or is in use: nothing may be sent again."""

    reason: str


CallAnswer = Answered | TurnedDown | Lost | KeyMismatch


class PaymentNow(msgspec.Struct, frozen=True):
    """A payment as the provider has it; `payment_id` is ours, "" when we did not make it."""

    payment_id: str
    told: Told


class CardNow(msgspec.Struct, frozen=True):
    """A card that a driver saved, by the provider's names."""

    driver_id: str
    payer: str
    card: str


class DisputeNow(msgspec.Struct, frozen=True):
    """A dispute as the provider has it; `payment_ref` is his name of the payment."""

    ref: str
    payment_ref: str
    amount_minor: int
    state: str
    reason: str
    due_at: int


class BalanceMoved(msgspec.Struct, frozen=True):
    """Something that shows in the provider's balance: his list is to be read."""


ObjectNow = PaymentNow | CardNow | DisputeNow | BalanceMoved


class NewsItem(msgspec.Struct, frozen=True):
    """One message of the provider: its name, type, object, bytes and time (us)."""

    ref: str
    type: str
    object_ref: str
    body: bytes
    said_at: int


class SourcedLine(msgspec.Struct, frozen=True):
    """A balance transaction, and what its source is to us: our ids, or the provider's payment."""

    line: BalanceTransaction
    payment_ref: str = ""
    payment_id: str = ""
    payout_id: str = ""
    attempt: int = 0


class CardFace(msgspec.Struct, frozen=True):
    """What a driver knows his card by; `expires` is ``YYYY-MM``, "" what the provider hides."""

    kind: str
    brand: str = ""
    last4: str = ""
    expires: str = ""


class PaymentGateway(Protocol):
    """A provider of payments.

    Every method may raise `Misconfigured` (he does not know us, or we may not do that: nothing is
    sent until a person has looked). All but `perform` may raise `Unavailable`.
    """

    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        """Ask for something under a key; the same key and body have one effect."""
        ...

    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        """Look for what a call made between two times (us), by what we wrote on it."""
        ...

    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        """Read an object as it is now; None when it is none of ours."""
        ...

    def read_payment(self, ref: str) -> PaymentNow:
        """Read a payment as it is now."""
        ...

    def read_card(self, card: str) -> CardFace:
        """Read what a saved card looks like to its driver."""
        ...

    def undelivered(self, since: int) -> Iterator[NewsItem]:
        """List the messages since a time (us) that did not reach us."""
        ...

    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        """List balance transactions that were made since a time (us), oldest first."""
        ...

    def payouts(self, since: int) -> Iterator[PspPayout]:
        """List his payouts to our bank since a time (us)."""
        ...

    def balances(self) -> tuple[PspBalance, ...]:
        """Say what he holds of ours, by currency."""
        ...
