"""The doors over a ledger, called in this process over ASGI; auditors who can sign in."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from random import Random  # noqa: TID251  seeded below
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlencode

import anyio
import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms
from typing_extensions import override

from ledger.kernel.errors import NotFound
from ledger.kernel.instants import SECOND, Clock, Instant
from ledger.runtime import proving
from ledger.runtime.auditing import AccessLog
from ledger.runtime.ledger import Ledger
from ledger.runtime.published import PublishedLog
from ledger.runtime.witnessing import WitnessDesk
from ledger.tlog.note import Ed25519Signer
from mobilegrid.wiring import RandomIds
from partner_api.app import create_app
from partner_api.auth import Answer, Gate
from partner_api.clients import Client, key_id
from partner_api.deps import EvidenceStore, Parts
from partner_api.jobs import Jobs
from partner_api.paging import Cursors
from partner_api.rate import Rates
from partner_api.settings import Settings
from partner_api.signed_requests import COVERED, TAG, SignedRequests

URL = "https://grid.example.net"
BOTH_DOORS = ("log", "auditor")
FORM = {
    "grant_type": "client_credentials",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}
LOOSE = Settings(public_url=URL, client_per_minute=10**6, log_per_minute=10**6)


class HandClock(Clock):
    """A clock that only the test moves."""

    def __init__(self, now: int) -> None:
        self.at = now

    @override
    def now(self) -> Instant:
        return Instant(self.at)


def fold(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """An auditor's private key, always the same for the same name."""

    def __init__(self, name: str) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
        self.public = fold(self.private.public_key().public_bytes_raw())

    def assertion(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        head = {"alg": "EdDSA", "typ": "JWT", "kid": key_id(self.public), **(header or {})}
        text = f"{fold(msgspec.json.encode(head))}.{fold(msgspec.json.encode(claims))}"
        return f"{text}.{fold(self.private.sign(text.encode()))}"


def claims(auditor_id: str, now: int, number: int = 0) -> dict[str, Any]:
    """Claims that are taken, once for each number."""
    seconds = now // SECOND
    return {
        "iss": auditor_id,
        "sub": auditor_id,
        "aud": f"{URL}/auth/token",
        "iat": seconds,
        "exp": seconds + 60,
        "jti": f"J-{number}",
    }


def form_of(assertion: str) -> bytes:
    """The form a client sends with its assertion."""
    return urlencode({**FORM, "client_assertion": assertion}).encode()


def bearer_of(answer: Answer) -> str:
    return answer.access_token


def bearer_in(answer: httpx.Response) -> str:
    return str(answer.json()["access_token"])


AUDITORS = ("AU-1", "AU-2")
STAFF = {"FI-R": "reader", "FI-M": "maker", "FI-C": "checker", "FI-T": "treasurer"}
PARTNERS = ("OP-1", "OP-2")
KEYS = {name: Key(name) for name in (*AUDITORS, *STAFF, *PARTNERS)}


def _client(name: str, role: str, *duties: str) -> Client:
    return Client(id=name, keys=(KEYS[name].public,), role=role, duties=duties)


REGISTERED = (
    *(_client(name, "auditor") for name in AUDITORS),
    *(_client(name, "finance", duty) for name, duty in STAFF.items()),
    *(_client(name, "partner") for name in PARTNERS),
)


class Signing(NamedTuple):
    """A request as the signing library wants it; it adds its header lines."""

    method: str
    url: str
    headers: httpx.Headers


class _Private(HTTPSignatureKeyResolver):
    """Signs with one key, whatever it is called."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.private = private

    @override
    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return self.private


class Shelved(EvidenceStore):
    """Evidence kept in memory, by its digest."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    @override
    def put(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        self.kept[digest] = data
        return digest

    @override
    def get(self, digest: str) -> bytes:
        if digest not in self.kept:
            raise NotFound("no such evidence")
        return self.kept[digest]


class Doors:
    """A client of the doors; every call runs the app to its answer."""

    def __init__(
        self, parts: Parts, doors: tuple[str, ...] = BOTH_DOORS, evidence: "Shelved | None" = None
    ) -> None:
        self.parts = parts
        self.evidence = evidence or Shelved()
        self.app: Any = create_app(doors, parts)
        self.numbers = iter(range(10**6))
        self.bearers: dict[str, str] = {}
        self.statement_id = ""  # of the town's statement, where it has one
        self.subject = ""  # of the person in the vault, where there is one

    def call(self, method: str, path: str, *, raw_path: bytes = b"", **more: Any) -> httpx.Response:
        """Call a path, or exactly these bytes, which a client of HTTP would tidy up first."""

        async def spelt(scope: Any, receive: Any, send: Any) -> None:
            if raw_path:
                scope["raw_path"] = raw_path
                scope["path"] = unquote_to_bytes(raw_path).decode("utf-8", "replace")
            await self.app(scope, receive, send)

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(spelt, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
                return await client.request(method, path, **more)

        return anyio.run(run)

    def get(self, path: str, *, who: str = "AU-1", **more: Any) -> httpx.Response:
        return self.call("GET", path, headers=self.headers(who) | more.pop("headers", {}), **more)

    def post(self, path: str, body: Any, *, key: str = "", who: str = "AU-1") -> httpx.Response:
        headers = self.headers(who) | ({"Idempotency-Key": key} if key else {})
        return self.call("POST", path, headers=headers, json=body)

    def signed(self, path: str, body: Any, *, key: str, who: str, **changed: Any) -> httpx.Response:
        """Post a body as the partner who signs it (RFC 9421); `changed` are parts of his signature.

        `changed` may name `private`, `nonce`, `created_s`, `lasts_s`, `tag`, `covered`, `sent`.
        """
        now_s = self.parts.clock.now() // SECOND
        created_s = changed.get("created_s", now_s)
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        media = changed.get("media", "application/json")
        headers = self.headers(who) | {"Content-Type": media, "Idempotency-Key": key}
        request = httpx.Request("POST", URL + path, headers=headers, content=data)
        private = changed.get("private", KEYS[who].private)
        HTTPMessageSigner(
            signature_algorithm=algorithms.ED25519, key_resolver=_Private(private)
        ).sign(
            Signing(request.method, str(request.url), request.headers),
            key_id=changed.get("key_id", key_id(KEYS[who].public)),
            created=datetime.fromtimestamp(created_s, UTC),
            expires=datetime.fromtimestamp(created_s + changed.get("lasts_s", 60), UTC),
            nonce=changed.get("nonce", f"N-{next(self.numbers)}"),
            tag=changed.get("tag", TAG),
            covered_component_ids=changed.get("covered", COVERED),
            body=data,
        )
        sent = changed.get("sent", data)
        return self.call("POST", path, headers=dict(request.headers), content=sent)

    def headers(self, who: str) -> dict[str, str]:
        """Sign in once for each auditor; nobody is ""."""
        if not who:
            return {}
        if who not in self.bearers:
            answer = self.sign_in(who)
            assert answer.status_code == 200, answer.text
            self.bearers[who] = bearer_in(answer)
        return {"Authorization": f"Bearer {self.bearers[who]}"}

    def sign_in(self, who: str, **changed: Any) -> httpx.Response:
        said = claims(who, self.parts.clock.now(), next(self.numbers)) | changed
        return self.call(
            "POST", "/auth/token", data=FORM | {"client_assertion": KEYS[who].assertion(said)}
        )

    def said(self, path: str, *, who: str = "AU-1", **parameters: Any) -> Any:
        """Give the answer to a read that must succeed."""
        answer = self.get(path, who=who, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def problem(self, path: str, status: int, code: str, **more: Any) -> Any:
        """Give the problem of a read that must fail so."""
        answer = self.get(path, **more)
        return check_problem(answer, status, code)


def until(read: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
    """Read again and again until it is done, which must be soon."""
    for _ in range(10_000):
        said = read()
        if done(said):
            return said
    raise AssertionError(said)


def check_problem(answer: httpx.Response, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["code"], said["type"]) == (status, code, f"/problems/{code}")
    assert len(said["reference"]) == 10
    assert answer.headers["request-id"].endswith(said["reference"])
    return said


def log_signer(ledger: Ledger) -> Ed25519Signer:
    return Ed25519Signer(ledger.name.origin, sha256(b"key of a log with doors").digest())


def sign(ledger: Ledger, now: int) -> bytes:
    return proving.sign_checkpoint(ledger, log_signer(ledger), now)


@contextmanager
def open_doors(
    ledger: Ledger,
    clock: Clock,
    *,
    settings: Settings = LOOSE,
    clients: tuple[Client, ...] = REGISTERED,
    doors: tuple[str, ...] = BOTH_DOORS,
    witness: WitnessDesk | None = None,
    **more: Any,
) -> Iterator[Doors]:
    """Open the doors of a ledger, with chance from a seed; `more` are further parts by name."""
    chance = Random(7)
    gate = Gate(clients, settings.public_url, clock, chance.randbytes)
    evidence = Shelved()
    parts = Parts(
        **more,
        ledger=ledger,
        published=PublishedLog(ledger, (log_signer(ledger).key,)),
        access_log=AccessLog(ledger),
        jobs=Jobs(ledger, clock),
        gate=gate,
        rates=Rates(clock),
        cursors=Cursors(chance.randbytes(32), clock),
        clock=clock,
        ids=RandomIds(clock),
        settings=settings,
        witness=witness,
        signed_requests=SignedRequests(gate, settings.public_url, clock),
        evidence=evidence,
    )
    parts.access_log.start()
    parts.jobs.start()
    try:
        yield Doors(parts, doors, evidence)
    finally:
        parts.jobs.stop()
        parts.access_log.stop()
