"""A provider of card payments for the town, inside this process: it charges and pays out.

It answers through the same port as a real one (`PaymentGateway`), so relay and inbox do here what
they do elsewhere: calls leave by their keys, news are read again from the object, and its balance
is posted line by line. Nothing leaves the machine.
"""

from collections.abc import Iterator

import msgspec
from typing_extensions import override

from ledger.domain.money.payments_rows import EVIDENCE, PAY, REFUND, CallBody, Told
from ledger.domain.money.psp_records import BalanceTransaction, PspBalance, PspPayout
from ledger.kernel.errors import Malformed
from ledger.kernel.ids import IdSource, derived_id, key_at
from ledger.kernel.instants import DAY, Clock, Instant, utc_day
from ledger.runtime.relay_gateway import (
    Answered,
    CallAnswer,
    CardFace,
    DisputeNow,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
    TurnedDown,
)
from mobilegrid.demo.agreements import CURRENCY

FEE_BP, FEE_MINOR, DISPUTE_FEE_MINOR = 140, 25, 1_500
ARRIVES_AFTER = 2 * DAY


def card_of(driver_id: str) -> str:
    """Name the card of a driver as the provider does."""
    return f"pm_{driver_id}"


class TownClock(Clock):
    """The time of the town, moved by what happens in it."""

    def __init__(self, at: int) -> None:
        """Begin at a time (us)."""
        self.at = at

    @override
    def now(self) -> Instant:
        return Instant(self.at)


class CountedIds(IdSource):
    """Ids and keys that count, so that the same town has the same ones."""

    def __init__(self, clock: TownClock, name: str) -> None:
        """Begin to count; `name` keeps two sources apart."""
        self._clock = clock
        self._name = name
        self._count = 0

    @override
    def key(self) -> bytes:
        self._count += 1
        return key_at(self._clock.at, self._name, str(self._count))

    @override
    def new(self, prefix: str) -> str:
        self._count += 1
        return derived_id(prefix, self._name, str(self._count))


class CardProvider(PaymentGateway):
    """Keeps cards, payments, disputes and its balance; the same calls give the same objects."""

    def __init__(self, clock: TownClock) -> None:
        """Open for business; it knows nobody yet."""
        self._clock = clock
        self._declines: set[str] = set()
        self._answers: dict[str, CallAnswer] = {}
        self._payments: dict[str, PaymentNow] = {}
        self._disputes: dict[str, DisputeNow] = {}
        self._lines: list[tuple[int, SourcedLine]] = []
        self._payouts: list[PspPayout] = []
        self._news: list[NewsItem] = []

    # What it is asked for

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        if call_key not in self._answers:
            self._answers[call_key] = self._do(body)
        return self._answers[call_key]

    def _do(self, body: CallBody) -> CallAnswer:
        if body.operation == PAY:
            return self._charge(body)
        if body.operation == REFUND:
            return self._refund(body)
        if body.operation == EVIDENCE:
            return Answered(Told(body.target, "done"))
        return TurnedDown(f"no {body.operation} here")

    def _charge(self, body: CallBody) -> CallAnswer:
        if body.card in self._declines:
            return TurnedDown("insufficient_funds")
        ref = f"pi_{len(self._payments) + 1:04}"
        amount = body.amount_minor
        told = Told(ref, "captured", amount, amount, body.currency, card=body.card)
        payment_id = body.metadata["payment_id"]
        self._payments[ref] = PaymentNow(payment_id, told)
        fee = FEE_MINOR + (amount * FEE_BP + 5_000) // 10_000
        self._book("charge", amount, fee, ref=ref, payment_id=payment_id)
        return Answered(told)

    def _refund(self, body: CallBody) -> CallAnswer:
        paid = self._payments[body.target]
        ref = f"re_{len(self._lines) + 1:04}"
        line = {"ref": body.target, "payment_id": paid.payment_id, "source_id": ref}
        self._book("refund", -body.amount_minor, 0, **line)
        return Answered(Told(ref, "done", body.amount_minor, currency=body.currency))

    def _book(
        self,
        category: str,
        amount: int,
        fee: int,
        *,
        ref: str = "",
        payment_id: str = "",
        source_id: str = "",
    ) -> None:
        line = BalanceTransaction(
            transaction_id=f"txn_{len(self._lines) + 1:04}",
            currency=CURRENCY,
            amount_minor=amount,
            fee_minor=fee,
            net_minor=amount - fee,
            category=category,
            created_on=utc_day(self._clock.at),
            available_on=utc_day(self._clock.at),
            source_id=source_id or ref,
        )
        self._lines.append((self._clock.at, SourcedLine(line, ref, payment_id)))

    # What happens there by itself

    def without_cover(self, driver_id: str) -> None:
        """Let the card of a driver have no cover any more."""
        self._declines.add(card_of(driver_id))

    def dispute(self, ref: str, *, reason: str) -> None:
        """Have the driver's bank take a payment back, and tell of it."""
        told = self._payments[ref].told
        name = f"dp_{len(self._disputes) + 1:04}"
        due_at = self._clock.at + 10 * DAY
        self._disputes[name] = DisputeNow(name, ref, told.captured_minor, "open", reason, due_at)
        amount = -told.captured_minor
        self._book("dispute", amount, DISPUTE_FEE_MINOR, ref=ref, source_id=name)
        self._tell("charge.dispute.created", name)

    def decide_for_us(self, dispute_ref: str) -> None:
        """Let our answer hold: the money comes back, the fee does not."""
        open_one = self._disputes[dispute_ref]
        self._disputes[dispute_ref] = msgspec.structs.replace(open_one, state="won")
        ref = open_one.payment_ref
        self._book("dispute_reversal", open_one.amount_minor, 0, ref=ref, source_id=dispute_ref)
        self._tell("charge.dispute.closed", dispute_ref)

    def _tell(self, type_: str, object_ref: str) -> None:
        name = f"evt_{len(self._news) + 1:04}"
        body = f'{{"id":"{name}","type":"{type_}","object":"{object_ref}"}}'.encode()
        self._news.append(NewsItem(name, type_, object_ref, body, self._clock.at))

    def pay_out(self) -> PspPayout | None:
        """Send what is held to our bank; None where there is nothing to send."""
        held = sum(one.line.net_minor for _, one in self._lines)
        if held <= 0:
            return None
        number = len(self._payouts) + 1
        payout = PspPayout(
            payout_id=f"po_{number:04}",
            currency=CURRENCY,
            amount_minor=held,
            arrival_on=utc_day(self._clock.at + ARRIVES_AFTER),
            trace_id=f"TRACE-{number:04}",
        )
        for place, (at, one) in enumerate(self._lines):
            if not one.line.payout_id and one.line.category != "payout":
                carried = msgspec.structs.replace(one.line, payout_id=payout.payout_id)
                self._lines[place] = at, msgspec.structs.replace(one, line=carried)
        self._payouts.append(payout)
        self._book("payout", -held, 0, source_id=payout.payout_id)
        return payout

    # What can be read

    @override
    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        return None  # no answer of this provider is ever lost

    @override
    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        return self._disputes.get(object_ref)

    @override
    def read_payment(self, ref: str) -> PaymentNow:
        found = self._payments.get(ref)
        if found is None:
            raise Malformed(f"no payment {ref[:40]}", field="ref", place="the provider")
        return found

    @override
    def read_card(self, card: str) -> CardFace:
        return CardFace("card", "Town Card", last4=f"{int(card[-2:]):04}", expires="2029-12")

    @override
    def undelivered(self, since: int) -> Iterator[NewsItem]:
        yield from (one for one in self._news if one.said_at >= since)

    @override
    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        yield from (one for at, one in self._lines if at >= since)

    @override
    def payouts(self, since: int) -> Iterator[PspPayout]:
        yield from self._payouts

    @override
    def balances(self) -> tuple[PspBalance, ...]:
        return (PspBalance(CURRENCY, sum(one.line.net_minor for _, one in self._lines), 0),)
