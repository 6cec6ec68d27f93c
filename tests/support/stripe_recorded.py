"""A recording client of Stripe: what the library would send, answered from a script.

Objects have the members that Stripe's published fixtures have, as far as the adapter reads them.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import stripe
from typing_extensions import override

from ledger.adapters.stripe.client import make_client
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.domain.money.payments_rows import CallBody

CREATED = 1_772_000_000


SAID = {"payment_id": "PY-1", "driver_id": "DR-1"}
CHARGE = CallBody(
    operation="charge",
    currency="EUR",
    amount_minor=2_500,
    payer="cus_1",
    card="pm_1",
    group="INV-1",
    metadata=SAID,
)
SESSION = {"id": "cs_1", "object": "checkout.session", "url": "https://stripe.example/cs_1"}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 595,
    "currency": "eur",
    "status": "succeeded",
    "metadata": {"credit_note_no": "CN-1"},
}
TRANSFER = {"id": "tr_1", "object": "transfer", "amount": 8_449, "metadata": {"payout_id": "PO-1"}}
DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "amount": 1_905,
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
    "evidence_details": {"due_by": CREATED},
}


class Sent(NamedTuple):
    """One request as it leaves: method, path, form or query, and the headers that matter."""

    method: str
    path: str
    form: dict[str, str]
    key: str
    version: str


Reply = tuple[int, Any] | Exception


class Recorder(stripe.HTTPClient):
    """Keeps every request; answers with the replies of a script, the last one again and again."""

    name = "recorder"

    def __init__(self, *replies: Reply) -> None:
        """Take the script."""
        super().__init__()
        self.sent: list[Sent] = []
        self._replies = list(replies)

    @override
    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any
    ) -> tuple[str, int, dict[str, str]]:
        parts = urlsplit(url)
        form = dict(parse_qsl(post_data or parts.query, keep_blank_values=True))
        key = headers.get("Idempotency-Key", "")
        self.sent.append(Sent(method, parts.path, form, key, headers["Stripe-Version"]))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        status, body = reply
        return body if isinstance(body, str) else json.dumps(body), status, {}

    @override
    def _sleep_time_seconds(self, *_: Any, **__: Any) -> float:
        return 0.0  # the test does not wait between retries

    @override
    def close(self) -> None:
        """Nothing is open."""


def intent(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Give a PaymentIntent over 25.00 EUR."""
    usual = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 2_500,
        "amount_received": 2_500 if status == "succeeded" else 0,
        "currency": "eur",
        "status": status,
        "created": CREATED,
        "customer": "cus_1",
        "metadata": SAID,
    }
    return usual | more


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    """Give a page of a list that has no other."""
    return {"object": "list", "data": list(items), "has_more": False, "url": "/v1/x"}


def failure(kind: str, code: str = "", **more: Any) -> dict[str, Any]:
    """Give the body of an error."""
    return {"error": {"type": kind, "message": "No.", **({"code": code} if code else {}), **more}}


def gateway_of(recorder: Recorder) -> StripeGateway:
    """Make a gateway whose calls go to a recorder."""
    client = make_client("sk_test_x", http_client=recorder)
    return StripeGateway(client, "https://pay.example.net/back")
