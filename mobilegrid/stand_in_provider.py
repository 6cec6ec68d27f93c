"""A stand-in of the provider of payments, for the demo alone: no money moves.

It is the port that the relay and the inbox use, with hosted pages like the real one's: a driver
pays, is declined, or leaves; then the provider's message, signed as Stripe signs, is posted to our
own door for it. Keys are honoured: the same call twice has one effect. What it knows is kept in one
file, so that a demo that is started again goes on.

Whoever builds one in another mode than ``demo`` is refused.
"""

import hmac
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from ledger.domain.money import payments_rows as ops
from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import BalanceTransaction, PspBalance, PspPayout
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.instants import DAY, SECOND, Clock, as_text
from ledger.runtime.relay_gateway import (
    Answered,
    BalanceMoved,
    CallAnswer,
    CardFace,
    CardNow,
    KeyMismatch,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
    TurnedDown,
)

HOLD_US = 7 * DAY
GOOD, DECLINED, CONFIRMS = "good", "declined", "confirms"
"""How a card behaves: it pays, its bank says no, or its bank wants to see the driver."""

LAST4 = {GOOD: "4242", DECLINED: "0341", CONFIRMS: "3184"}
Choice = Literal["pay", "decline", "good", "declined", "confirms", "leave", "none"]
Deliver = Callable[[bytes, str], None]
"""`deliver(body, signature)`: bring a message to our own door."""


class Thing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object here: a page (``cs_``), a payment (``pi_``) or what is no payment (``ob_``)."""

    told: Told
    body: CallBody
    payment_ref: str = ""
    is_open: bool = False


class _Known(msgspec.Struct):
    """Everything that is known here, as it lies in the file."""

    count: int = 0
    answers: dict[str, tuple[str, str]] = {}
    refused: dict[str, str] = {}
    things: dict[str, Thing] = {}
    cards: dict[str, tuple[str, str]] = {}
    lines: list[BalanceTransaction] = []
    line_payments: dict[str, str] = {}
    unsent: list[tuple[str, str, str, int]] = []


class StandIn(PaymentGateway):
    """The stand-in of one demo; safe for many threads."""

    def __init__(self, mode: str, pages_url: str, clock: Clock, file: Path | None = None) -> None:
        """Begin, or go on with what the file says.

        Args:
            mode: the settings' mode.
            pages_url: where its hosted pages are reached.
            clock: the time.
            file: what it knows is kept here; None keeps nothing.

        Raises:
            Misconfigured: this is no demo, or the file holds something else.
        """
        if mode != "demo":
            raise Misconfigured("stripe: the stand-in of the provider is for the demo alone")
        self._pages_url = pages_url.rstrip("/")
        self._clock = clock
        self._file = file
        self._lock = threading.RLock()
        self._known = _Known()
        if file is not None and file.exists():
            try:
                self._known = msgspec.json.decode(file.read_bytes(), type=_Known)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Misconfigured(f"{file.name} is no file of the stand-in") from error

    def _save(self) -> None:
        if self._file is not None:
            fresh = self._file.with_name(f"{self._file.name}.new")
            fresh.write_bytes(msgspec.json.encode(self._known))
            fresh.replace(self._file)

    def _new(self, prefix: str) -> str:
        self._known.count += 1
        seed = f"{prefix} {self._known.count}".encode()
        return f"{prefix}_{sha256(seed).hexdigest()[:24]}"

    # Calls ------------------------------------------------------------------------

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        with self._lock:
            known = self._known.answers.get(call_key)
            if known is not None:
                if known[0] != body.digest:
                    return KeyMismatch("the key came with another body")
                return self._again(call_key, known[1])
            answer = self._do(body)
            ref = answer.told.ref if isinstance(answer, Answered) else ""
            self._known.answers[call_key] = (body.digest, ref)
            if isinstance(answer, TurnedDown):
                self._known.refused[call_key] = answer.reason
            self._save()
            return answer

    def _again(self, call_key: str, ref: str) -> CallAnswer:
        if call_key in self._known.refused:
            return TurnedDown(self._known.refused[call_key])
        return Answered(self._known.things[ref].told)

    def _do(self, body: CallBody) -> CallAnswer:
        match body.operation:
            case ops.CHECKOUT | ops.SETUP:
                return Answered(self._page(body))
            case ops.PAY | ops.AUTHORISE:
                return self._from_card(body)
            case ops.CAPTURE | ops.CANCEL:
                return self._end(body)
            case ops.REFUND:
                return self._refund(body)
            case _:
                return Answered(self._keep("ob", body, Told("", "done", body.amount_minor)).told)

    def _keep(self, prefix: str, body: CallBody, told: Told) -> Thing:
        ref = self._new(prefix)
        thing = Thing(replace(told, ref=ref), body)
        self._known.things[ref] = thing
        return thing

    def _page(self, body: CallBody) -> Told:
        made = self._keep("cs", body, Told("", "open", currency=body.currency))
        told = replace(made.told, url=f"{self._pages_url}/pages/{made.told.ref}")
        self._known.things[told.ref] = replace(made, told=told, is_open=True)
        return told

    def _from_card(self, body: CallBody) -> CallAnswer:
        kind = self._known.cards.get(body.card, ("", GOOD))[1]
        if kind == DECLINED:
            return TurnedDown("card_declined")
        if kind == CONFIRMS:
            told = Told("", "needs_action", body.amount_minor, currency=body.currency)
            made = self._keep("pi", body, replace(told, reason="authentication_required"))
            url = f"{self._pages_url}/pages/{made.told.ref}"
            thing = replace(made, told=replace(made.told, url=url), is_open=True)
            self._known.things[made.told.ref] = thing
            return Answered(thing.told)
        return Answered(self._taken(body).told)

    def _taken(self, body: CallBody) -> Thing:
        """Take or hold an amount, as the operation says; gives the payment."""
        made = self._keep("pi", body, Told("", "open", body.amount_minor, currency=body.currency))
        return self._succeeded(made)

    def _succeeded(self, thing: Thing) -> Thing:
        body, told = thing.body, thing.told
        if body.operation == ops.AUTHORISE:
            until = self._clock.now() + HOLD_US
            told = replace(told, status="authorised", authorised_until=until, url="", reason="")
        else:
            told = replace(
                told, status="captured", captured_minor=body.amount_minor, url="", reason=""
            )
            self._line("charge", body.amount_minor, body, told.ref)
        done = replace(thing, told=told, is_open=False)
        self._known.things[told.ref] = done
        return done

    def _end(self, body: CallBody) -> CallAnswer:
        thing = self._known.things.get(body.target)
        is_taken = body.operation == ops.CAPTURE
        if thing is None or (is_taken and thing.told.status != "authorised"):
            return TurnedDown("unexpected_state")
        if not is_taken and thing.told.status not in ("open", "authorised", "needs_action"):
            return TurnedDown("unexpected_state")
        if is_taken:
            told = replace(thing.told, status="captured", captured_minor=body.amount_minor)
            self._line("charge", body.amount_minor, thing.body, told.ref)
        else:
            told = replace(thing.told, status="cancelled", url="")
        self._known.things[told.ref] = replace(thing, told=told, is_open=False)
        return Answered(told)

    def _refund(self, body: CallBody) -> CallAnswer:
        paid = self._known.things.get(body.target)
        if paid is None or paid.told.captured_minor < body.amount_minor:
            return TurnedDown("charge_already_refunded")
        told = Told("", "done", body.amount_minor, currency=body.currency)
        made = self._keep("re", body, told)
        self._line("refund", -body.amount_minor, paid.body, body.target)
        return Answered(made.told)

    def _line(self, category: str, amount_minor: int, body: CallBody, ref: str) -> None:
        day = as_text(self._clock.now())[:10]
        name = self._new("txn")
        line = BalanceTransaction(
            name, body.currency, amount_minor, 0, amount_minor, category, day, day, ref
        )
        self._known.lines.append(line)
        self._known.line_payments[name] = body.metadata.get("payment_id", "")

    # Pages ------------------------------------------------------------------------

    def page(self, ref: str) -> Thing | None:
        """Give what a page is for while it is open; None for any other."""
        with self._lock:
            thing = self._known.things.get(ref)
        return thing if thing is not None and thing.is_open else None

    def choose(self, ref: str, choice: Choice) -> tuple[Thing, bool]:
        """Do what a driver chose on a page; gives the page, and whether he is done with it.

        `Malformed` for a page that is not open, or a choice that it has not.
        """
        with self._lock:
            thing = self.page(ref)
            if thing is None or choice not in choices_of(thing):
                raise Malformed("no such page, or it is over", field="page")
            if choice == "leave":
                return thing, True
            if choice == "decline":
                return thing, False
            if thing.body.operation == ops.SETUP:
                self._save_card(thing, choice)
            elif thing.told.ref.startswith("pi"):
                self._succeeded(thing)
                self._tell("payment_intent.succeeded", ref)
            else:
                paid = self._taken(thing.body)
                done = replace(thing, payment_ref=paid.told.ref, is_open=False)
                self._known.things[ref] = replace(done, told=replace(thing.told, status="done"))
                self._tell("checkout.session.completed", ref)
            self._save()
            return thing, True

    def _save_card(self, thing: Thing, kind: str) -> None:
        ref = thing.told.ref
        payer = thing.body.payer or self._new("cus")
        card = self._new("pm")
        self._known.cards[card] = (payer, kind)
        told = replace(thing.told, status="done", payer=payer, card=card)
        self._known.things[ref] = replace(thing, told=told, is_open=False)
        self._tell("checkout.session.completed", ref)

    # Messages ---------------------------------------------------------------------

    def _tell(self, news_type: str, ref: str) -> None:
        at_s = self._clock.now() // SECOND
        self._known.unsent.append((self._new("evt"), news_type, ref, at_s))

    def send(self, secret: str, deliver: Deliver) -> int:
        """Bring the messages that wait to our own door; give how many came through.

        One that the door does not take stays and is sent again.
        """
        with self._lock:
            waiting = list(self._known.unsent)
        sent = 0
        for one in waiting:
            body, now_s = _message(*one), self._clock.now() // SECOND
            signature = hmac.new(secret.encode(), f"{now_s}.".encode() + body, sha256).hexdigest()
            deliver(body, f"t={now_s},v1={signature}")
            with self._lock:
                if one in self._known.unsent:  # a page and the clock may bring the same message
                    self._known.unsent.remove(one)
                    self._save()
            sent += 1
        return sent

    # Reading ----------------------------------------------------------------------

    @override
    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        with self._lock:
            things = list(self._known.things.values())
        return next((one.told for one in things if one.body == body), None)

    @override
    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        with self._lock:
            thing = self._known.things.get(object_ref)
            if thing is None:
                return BalanceMoved()
            driver_id = thing.body.metadata.get("driver_id", "")
            if thing.body.operation == ops.SETUP:
                told = thing.told
                return CardNow(driver_id, told.payer, told.card) if told.card else None
            paid = self._known.things.get(thing.payment_ref, thing)
            return PaymentNow(thing.body.metadata.get("payment_id", ""), paid.told)

    @override
    def read_payment(self, ref: str) -> PaymentNow:
        with self._lock:
            thing = self._known.things.get(ref)
        if thing is None:
            raise Malformed("no such payment", field="object", place="the stand-in")
        return PaymentNow(thing.body.metadata.get("payment_id", ""), thing.told)

    @override
    def read_card(self, card: str) -> CardFace:
        with self._lock:
            kind = self._known.cards.get(card, ("", GOOD))[1]
        return CardFace("card", "visa", LAST4[kind], "2030-12")

    @override
    def undelivered(self, since: int) -> Iterator[NewsItem]:
        with self._lock:
            waiting = list(self._known.unsent)
        for ref, news_type, object_ref, at_s in waiting:
            body = _message(ref, news_type, object_ref, at_s)
            yield NewsItem(ref, news_type, object_ref, body, at_s * SECOND)

    @override
    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        first = as_text(max(since, 0))[:10]
        with self._lock:
            lines, payments = list(self._known.lines), dict(self._known.line_payments)
        for line in lines:
            if line.created_on >= first:
                yield SourcedLine(line, line.source_id, payments.get(line.transaction_id, ""))

    @override
    def payouts(self, since: int) -> Iterator[PspPayout]:
        yield from ()

    @override
    def balances(self) -> tuple[PspBalance, ...]:
        held: dict[str, int] = {}
        with self._lock:
            for line in self._known.lines:
                held[line.currency] = held.get(line.currency, 0) + line.net_minor
        return tuple(PspBalance(name, amount, 0) for name, amount in sorted(held.items()))


def choices_of(thing: Thing) -> tuple[Choice, ...]:
    """List what can be chosen on a page."""
    if thing.body.operation == ops.SETUP:
        return GOOD, DECLINED, CONFIRMS, "leave"  # type: ignore[return-value]
    return "pay", "decline", "leave"


def _message(ref: str, news_type: str, object_ref: str, at_s: int) -> bytes:
    said = {
        "id": ref,
        "object": "event",
        "type": news_type,
        "created": at_s,
        "data": {"object": {"id": object_ref}},
    }
    return msgspec.json.encode(said)
