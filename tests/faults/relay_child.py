"""Runs the relay once and dies at a named point; the exit code says that it did.

Points: `planned` before anything is written, `asked` after SENT is written and before the call
leaves, `answered` after the call was made and before its answer is written, `lost` after the lost
answer is written, `told` after the answer is written and before the queue is marked.
"""

import os
import sys
from typing import Any

from typing_extensions import override

from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.domain.money.payments_rows import CallBody
from ledger.kernel.messages import Command, Receipt
from ledger.runtime.ledger import Ledger
from ledger.runtime.relay import Relay
from ledger.runtime.relay_gateway import CallAnswer
from mobilegrid.wiring import RandomIds
from tests.support.stripe_town import TestClock

DIED = 9


class DyingGateway(StripeGateway):
    """Dies before or after a call."""

    point = ""

    @override
    def perform(self, call_key: str, body: CallBody) -> CallAnswer:
        die(self.point, "asked")
        answer = super().perform(call_key, body)
        die(self.point, "answered")
        return answer


class DyingRelay(Relay):
    """Dies beside what it writes."""

    point = ""

    @override
    def _ask(self, command: Command) -> Receipt:
        die(self.point, "planned")
        receipt = super()._ask(command)
        if type(command).__name__ == "LoseCall":
            die(self.point, "lost")
        return receipt

    @override
    def _mark(self, *given: Any) -> None:
        die(self.point, "told")
        super()._mark(*given)


def die(point: str, here: str) -> None:
    if point == here:
        os._exit(DIED)  # as kill -9: nothing is closed, nothing is said


def main(url: str, address: str, point: str) -> None:
    clock = TestClock()
    DyingGateway.point = DyingRelay.point = point
    client = make_client("sk_test_x", base_url=address, retries=0)
    with Ledger(url) as ledger:
        gateway = DyingGateway(client, "https://x.example")
        DyingRelay(ledger, gateway, clock, RandomIds(clock)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
