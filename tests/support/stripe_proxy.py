"""The proxy in front of localstripe: what Stripe does and the stand-in lacks, and every bad day.

Ours are: the memory of idempotency keys (replay, another body, in use); refunds within the charge;
402 `authentication_required` off session; what the balance sums to; fields that the stand-in does
not take (`transfer_group`, `description`, `reason`, filters of lists); `amount_received`; answers
that are lost; failures on order; messages that come twice, late and in another order; transfers to
connected accounts. A test whose name says `proxy` rests on one of them.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from typing_extensions import override

NOT_TAKEN = ("transfer_group", "description", "reason", "expand", "types", "created", "delivery")
REFUNDS = "/v1/refunds"
TRANSFERS = "/v1/transfers"
INTENTS = "/v1/payment_intents"
HELD = "/held"
"""Where the stand-in shall send its messages."""


class Answer(NamedTuple):
    """A status and a JSON body."""

    status: int
    body: dict[str, Any]


class Proxy:
    """The state of the proxy; `address` is where Stripe's client shall be sent to."""

    def __init__(self, fake_port: int) -> None:
        """Stand in front of the stand-in at a port."""
        self._fake_port = fake_port
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, Answer]] = {}
        self._in_use: set[str] = set()
        self._captured: dict[str, int] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.lose_answers = 0
        """So many of the next changes are made, and their answers lost."""
        self.lose_requests = 0
        """So many of the next changes never arrive."""
        self.fail_with: list[Answer] = []
        """What the next changes are answered with, before anything is made."""
        self.messages: list[tuple[bytes, str]] = []
        """Messages of the stand-in with their signatures, held until `deliver`."""
        self.foreign_minor = 0
        """So much is held there that is in no list."""
        self.address = ""
        self.transfers: list[dict[str, Any]] = []
        """What was sent to connected accounts."""
        self.reached: list[str] = []
        """Keys that reached the stand-in itself."""

    def reset(self) -> None:
        """Forget all keys, as a provider does after a day."""
        with self._lock:
            self._known.clear()

    def deliver(self, port: int, *, times: int = 2) -> list[int]:
        """Bring the held messages to a door of ours, newest first; gives its statuses."""
        statuses = []
        for body, signature in [*reversed(self.messages)] * times:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
            connection.request("POST", "/webhooks/stripe", body, headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            connection.close()
        return statuses

    def serve(self, method: str, target: str, body: bytes, key: str) -> Answer | None:
        """Answer one request; None means that the connection breaks instead."""
        self.calls.append((method, urlsplit(target).path, key))
        if method == "GET":
            return self._read(target)
        if self.lose_requests:
            self.lose_requests -= 1
            return None
        if self.fail_with:
            return self.fail_with.pop(0)
        digest = sha256(target.encode() + body).hexdigest()
        with self._lock:
            if key in self._in_use:
                return _error(409, "invalid_request_error", "idempotency_key_in_use")
            known = self._known.get(key)
            self._in_use.add(key)
        try:
            if known is not None and known[0] != digest:
                return _error(400, "idempotency_error", "")
            answer = known[1] if known is not None else self._change(target, body, key)
            with self._lock:
                if key and answer.status < 500:
                    self._known[key] = (digest, answer)
                is_lost = self.lose_answers > 0
                self.lose_answers -= is_lost
            return None if is_lost else answer
        finally:
            self._in_use.discard(key)

    def _read(self, target: str) -> Answer:
        parts = urlsplit(target)
        if parts.path == "/v1/balance":
            return Answer(200, self._balance())
        query = dict(parse_qsl(parts.query))
        if parts.path == TRANSFERS:
            group = query["transfer_group"]
            sent = [one for one in self.transfers if one["transfer_group"] == group]
            page = {"object": "list", "data": sent, "has_more": False, "url": TRANSFERS}
            return Answer(200, page)
        payer = query.pop("customer", "") if parts.path == INTENTS else ""
        taken = {name: value for name, value in query.items() if _is_taken(name)}
        answer = self._forward("GET", f"{parts.path}?{urlencode(taken)}", b"")
        found = self._completed(answer.body)
        if payer:
            found["data"] = [one for one in found["data"] if one["customer"] == payer]
        return Answer(answer.status, found)

    def _balance(self) -> dict[str, Any]:
        moved = self._forward("GET", "/v1/balance_transactions?limit=100", b"").body["data"]
        total = sum(one["net"] for one in moved) + self.foreign_minor
        held = {"currency": "eur", "amount": total}
        return {"object": "balance", "available": [held], "pending": []}

    def _change(self, target: str, body: bytes, key: str) -> Answer:
        form = parse_qsl(body.decode(), keep_blank_values=True)
        said = dict(form)
        if target == REFUNDS:
            refusal = self._refund_fault(said)
            if refusal is not None:
                return refusal
        if "amount_to_capture" in said:
            self._captured[target.split("/")[3]] = int(said["amount_to_capture"])
        self.reached.append(key)
        if target == TRANSFERS:
            return Answer(200, self._transfer(said))
        taken = urlencode([(name, value) for name, value in form if _is_taken(name)])
        answer = self._forward("POST", target, taken.encode())
        made = self._completed(answer.body)
        if (
            target == INTENTS
            and said.get("off_session") == "true"
            and made.get("status") == "requires_action"
        ):
            made["status"] = "requires_payment_method"
            return _error(402, "card_error", "authentication_required", payment_intent=made)
        return Answer(answer.status, made)

    def _transfer(self, said: dict[str, str]) -> dict[str, Any]:
        metadata = {
            name[len("metadata[") : -1]: text
            for name, text in said.items()
            if name.startswith("metadata[")
        }
        made = {
            "id": f"tr_{len(self.transfers) + 1}",
            "object": "transfer",
            "amount": int(said["amount"]),
            "currency": said["currency"],
            "destination": said["destination"],
            "transfer_group": said["transfer_group"],
            "metadata": metadata,
        }
        self.transfers.append(made)
        return made

    def _refund_fault(self, said: dict[str, str]) -> Answer | None:
        intent = self._forward("GET", f"{INTENTS}/{said['payment_intent']}", b"").body
        latest = intent.get("latest_charge") or {"amount": 0, "amount_refunded": 0}
        left = latest["amount"] - latest["amount_refunded"]
        if int(said.get("amount", 0)) <= left:
            return None
        return _error(400, "invalid_request_error", "charge_already_refunded")

    def _completed(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("object") == "list":
            return body | {"data": [self._completed(one) for one in body["data"]]}
        if body.get("object") == "payment_intent":
            latest = body.get("latest_charge")
            body["amount_received"] = 0
            if isinstance(latest, dict) and latest["captured"] and latest["paid"]:
                body["amount_received"] = self._captured.get(body["id"], latest["amount"])
        if body.get("object") == "balance_transaction":
            body["source"] = self._source(body["source"])
        return body

    def _source(self, ref: str) -> dict[str, Any]:
        room = "charges" if ref.startswith("ch_") else "refunds"
        found = self._forward("GET", f"/v1/{room}/{ref}", b"").body
        if room == "charges" and found.get("payment_intent"):
            path = f"{INTENTS}/{found['payment_intent']}"
            found["metadata"] = self._forward("GET", path, b"").body["metadata"]
        return found

    def _forward(self, method: str, target: str, body: bytes) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._fake_port, timeout=10)
        headers = {
            "Authorization": "Bearer sk_test_x",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        try:
            found = json.loads(text)
        except ValueError:
            found = {"error": {"type": "invalid_request_error", "message": text.decode()}}
        return Answer(response.status, found)


def _is_taken(name: str) -> bool:
    return name.partition("[")[0].partition("_success")[0] not in NOT_TAKEN


def _error(status: int, kind: str, code: str, **more: Any) -> Answer:
    error = {"type": kind, "code": code or None, "message": f"proxy: {code or kind}", **more}
    return Answer(status, {"error": error})


def _handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(size)
            key = self.headers.get("Idempotency-Key", "")
            if self.path == HELD:
                proxy.messages.append((body, self.headers["Stripe-Signature"]))
                answer: Answer | None = Answer(200, {})
            else:
                answer = proxy.serve(method, self.path, body, key)
            if answer is None:
                self.close_connection = True
                self.connection.shutdown(2)
                return
            data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def running_proxy(fake_port: int) -> Iterator[Proxy]:
    """Run the proxy in front of a stand-in."""
    proxy = Proxy(fake_port)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(proxy)) as server:
        proxy.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, name="proxy")
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
