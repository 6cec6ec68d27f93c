"""Our gateway against stand-ins of Stripe that others wrote: stripe-stateful-mock, emulate.

The first knows charges and no PaymentIntents, so the gateway's charge is sent there as one; what is
tested is what the library and our adapter make of its answers under our keys. The second shows a
hosted page and sends signed messages.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from ledger.adapters.stripe.client import keyed, make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.adapters.stripe.webhook import verify_event
from ledger.domain.money.payments_rows import CallBody, Told
from ledger.kernel.errors import Malformed
from ledger.runtime.relay_gateway import Answered, KeyMismatch, TurnedDown
from mobilegrid.clock import CLOCK
from tests.support.npm import installed
from tests.support.serving import free_port, until
from tests.support.tools import need_tool

HERE = Path(__file__).parent / "stripe"
CHARGE = CallBody(operation="charge", currency="USD", amount_minor=2_500, card="tok_visa")

pytestmark = [pytest.mark.slow, pytest.mark.tool, pytest.mark.e2e]


@pytest.fixture(scope="module")
def modules() -> Path:
    return installed(HERE, "stripe-peers")


@contextmanager
def running(words: list[str], port: int, env: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | env
    )
    try:
        for _ in range(400):
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.05)  # it tells nobody when it listens
            finally:
                connection.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


class ChargingGateway(StripeGateway):
    """Sends a charge as what it was before PaymentIntents."""

    def __init__(self, address: str) -> None:
        client = make_client("sk_test_x", base_url=address, retries=0)
        super().__init__(client, "https://x.example")
        self._calls |= {"charge": self._old_charge, "refund": self._old_refund}

    def _old_charge(self, call_key: str, body: CallBody) -> Told:
        made = self._v1.charges.create(
            {
                "amount": body.amount_minor,
                "currency": body.currency.lower(),
                "source": body.card,
                "metadata": body.metadata,
            },
            keyed(call_key),
        )
        return Told(made.id, "captured", made.amount, made.amount, made.currency.upper())

    def _old_refund(self, call_key: str, body: CallBody) -> Told:
        made = self._v1.refunds.create(
            {"charge": body.target, "amount": body.amount_minor}, keyed(call_key)
        )
        return Told(made.id, "done", made.amount)


@pytest.fixture(scope="module")
def gateway(modules):
    port = free_port()
    words = [need_tool("node"), str(modules / "stripe-stateful-mock" / "dist" / "cli.js")]
    env = {"PORT": str(port), "LOG_LEVEL": "silent"}
    with running(words, port, env) as address:
        yield ChargingGateway(address)


def test_the_same_key_and_body_have_one_effect(gateway):
    first = gateway.perform("inv:1:charge:1", CHARGE)
    assert isinstance(first, Answered)
    assert gateway.perform("inv:1:charge:1", CHARGE) == first
    other = gateway.perform("inv:1:charge:2", CHARGE)
    assert isinstance(other, Answered)
    assert other.told.ref != first.told.ref


def test_the_same_key_with_another_body_is_a_mismatch(gateway):
    gateway.perform("inv:2:charge:1", CHARGE)
    more = CallBody(operation="charge", currency="USD", amount_minor=2_501, card="tok_visa")
    assert isinstance(gateway.perform("inv:2:charge:1", more), KeyMismatch)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("tok_chargeDeclined", "generic_decline"),
        ("tok_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("tok_chargeDeclinedExpiredCard", "expired_card"),
        ("tok_chargeDeclinedProcessingError", "processing_error"),
    ],
)
def test_a_declined_card_is_turned_down_with_its_reason(gateway, card, reason):
    body = CallBody(operation="charge", currency="USD", amount_minor=2_500, card=card)
    answer = gateway.perform(f"inv:{card}:charge:1", body)
    assert isinstance(answer, TurnedDown)
    assert answer.reason == reason


def test_more_than_was_charged_is_not_given_back(gateway):
    paid = gateway.perform("inv:3:charge:1", CHARGE)
    body = CallBody(operation="refund", amount_minor=2_501, target=paid.told.ref)
    assert isinstance(gateway.perform("cn:3:refund:1", body), TurnedDown)
    fits = CallBody(operation="refund", amount_minor=2_500, target=paid.told.ref)
    assert isinstance(gateway.perform("cn:3:refund:2", fits), Answered)
    again = CallBody(operation="refund", amount_minor=1, target=paid.told.ref)
    assert isinstance(gateway.perform("cn:3:refund:3", again), TurnedDown)


# Hosted pages ---------------------------------------------------------------------------------

SECRET = "whsec_of_the_page"
SETUP = CallBody(operation="setup", metadata={"driver_id": "DR-1"})


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """Take messages: where they shall be sent, and what came (bytes and signature)."""
    came: list[tuple[bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((body, self.headers.get("Stripe-Signature", "")))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="listener")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhooks/stripe", came
        finally:
            server.shutdown()
            thread.join()


def ask(address: str, method: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body="email=x%40example.net", headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_a_card_is_saved_on_a_hosted_page_that_tells_us_by_a_signed_message(modules, tmp_path):
    port = free_port()
    seed = tmp_path / "seed.json"
    node = modules / "node" / "bin" / "node"
    words = [str(node), str(modules / "emulate" / "dist" / "index.js"), "--service", "stripe"]
    words += ["--port", str(port), "--seed", str(seed)]
    with listening() as (url, came):
        hook = {"url": url, "events": ["*"], "secret": SECRET}
        seed.write_bytes(msgspec.json.encode({"stripe": {"webhooks": [hook]}}))
        with running(words, port, {}) as address:
            client = make_client("sk_test_x", base_url=address, retries=0)
            gateway = StripeGateway(client, "https://x.example/back")
            answer = gateway.perform("setup:DR-1:1", SETUP)
            assert isinstance(answer, Answered)
            path = f"/checkout/{answer.told.ref}"
            assert answer.told.url.endswith(path)
            status, page = ask(address, "GET", path)
            assert (status, "<form" in page) == (200, True)
            status, _ = ask(address, "POST", f"{path}/complete")
            assert status in (302, 303)
            until(lambda: len(came), lambda count: count >= 1)
            body, signature = came[-1]
    said = msgspec.json.decode(body)
    assert (said["type"], said["data"]["object"]["id"]) == (
        "checkout.session.completed",
        answer.told.ref,
    )
    # its signature is good; but its messages bear no id, as Stripe's do, so they are not kept
    with pytest.raises(Malformed, match="no message of the provider"):
        verify_event(body, signature, (SECRET,), CLOCK.now())
    with pytest.raises(Malformed, match="not signed by the provider"):
        verify_event(body, signature, ("whsec_other",), CLOCK.now())
