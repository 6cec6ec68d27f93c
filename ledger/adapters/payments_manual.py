"""Payments without an interface: a person does what a call asks, and writes down what came of it.

The answers stand in one JSON file, by the key of the call::

    {
        "inv:MG1-INV-2026-000042:charge:1": {
            "status": "captured",
            "ref": "T-17",
            "amount_minor": 2500,
            "captured_minor": 2500,
            "currency": "EUR",
        },
        "cn:MG1-CN-2026-000007:refund:1": {
            "status": "refused",
            "ref": "",
            "reason": "account closed",
        },
    }

Until a call stands there its answer counts as lost, so nobody is asked twice under another key.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from typing_extensions import override

from ledger.domain.money.payments_rows import CallBody, Told
from ledger.domain.money.psp_records import PspBalance, PspPayout
from ledger.kernel.errors import Misconfigured, NotFound
from ledger.runtime.relay_gateway import (
    Answered,
    CallAnswer,
    CardFace,
    Lost,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
    TurnedDown,
)

REFUSED = "refused"
_answers = msgspec.json.Decoder(dict[str, Told])


class ManualGateway(PaymentGateway):
    """A person at the provider's desk; `path` is the file of his answers."""

    def __init__(self, path: Path) -> None:
        """Use a file that need not exist yet."""
        self._path = path

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        told = self._answers().get(call_key)
        if told is None:
            return Lost("nobody has answered yet")
        return TurnedDown(told.reason, told.ref) if told.status == REFUSED else Answered(told)

    def _answers(self) -> dict[str, Told]:
        try:
            return _answers.decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Misconfigured(f"stripe.manual_file cannot be read: {error}") from error

    @override
    def find(self, body: CallBody, since: int, until: int) -> Told | None:
        return None

    @override
    def read(self, news_type: str, object_ref: str) -> ObjectNow | None:
        return None

    @override
    def read_payment(self, ref: str) -> PaymentNow:
        for told in self._answers().values():
            if told.ref == ref:
                return PaymentNow("", told)
        raise NotFound(f"no answer names {ref[:60]}")

    @override
    def read_card(self, card: str) -> CardFace:
        return CardFace("card")

    @override
    def undelivered(self, since: int) -> Iterator[NewsItem]:
        yield from ()

    @override
    def balance_lines(self, since: int) -> Iterator[SourcedLine]:
        yield from ()

    @override
    def payouts(self, since: int) -> Iterator[PspPayout]:
        yield from ()

    @override
    def balances(self) -> tuple[PspBalance, ...]:
        return ()
