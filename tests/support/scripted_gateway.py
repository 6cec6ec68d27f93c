"""A provider of payments that says what a test tells him to; the same port as Stripe's gateway."""

from collections.abc import Iterator

from typing_extensions import override

from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import PspBalance, PspPayout
from ledger.kernel.errors import MobileGridError
from ledger.runtime.relay_gateway import (
    Answered,
    CallAnswer,
    CardFace,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
)


class ScriptedGateway(PaymentGateway):
    """Keeps what it was asked; members say what it answers."""

    def __init__(self) -> None:
        """Take every call as done."""
        self.asked: list[str] = []
        self.answers: dict[str, CallAnswer] = {}
        self.made: dict[str, Told | MobileGridError] = {}
        self.objects: dict[str, ObjectNow | MobileGridError | None] = {}
        self.intents: dict[str, Told] = {}
        self.missed: list[NewsItem] = []
        self.lines: list[SourcedLine] = []
        self.paid_out: list[PspPayout] = []
        self.held: tuple[PspBalance, ...] = ()

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        self.asked.append(call_key)
        done = Told(f"x_{len(self.asked)}", "done", body.amount_minor)
        return self.answers.get(call_key, Answered(done))

    @override
    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        found = self.made.get(body.operation)
        if isinstance(found, MobileGridError):
            raise found
        return found

    @override
    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        found = self.objects[object_ref]
        if isinstance(found, MobileGridError):
            raise found
        return found

    @override
    def read_payment(self, ref: str) -> PaymentNow:
        return PaymentNow("", self.intents[ref])

    @override
    def read_card(self, card: str) -> CardFace:
        return CardFace("card", "visa", "4242", "2030-12")

    @override
    def undelivered(self, since: int) -> Iterator[NewsItem]:
        yield from self.missed

    @override
    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        yield from self.lines

    @override
    def payouts(self, since: int) -> Iterator[PspPayout]:
        yield from self.paid_out

    @override
    def balances(self) -> tuple[PspBalance, ...]:
        return self.held
