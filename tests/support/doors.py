"""The doors over a ledger, called in this process over ASGI; auditors who can sign in."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from random import Random  # noqa: TID251  seeded below
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import anyio
import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from ledger.kernel.instants import SECOND, Clock, Instant
from ledger.runtime import proving
from ledger.runtime.auditing import AccessLog
from ledger.runtime.ledger import Ledger
from ledger.runtime.published import PublishedLog
from ledger.runtime.witnessing import WitnessDesk
from ledger.tlog.note import Ed25519Signer
from mobilegrid.wiring import RandomIds
from partner_api.app import create_app
from partner_api.auth import Answer, Auditor, Gate, key_id
from partner_api.deps import Parts
from partner_api.jobs import Jobs
from partner_api.paging import Cursors
from partner_api.rate import Rates
from partner_api.settings import Settings

URL = "https://grid.example.net"
BOTH_DOORS = ("log", "auditor")
FORM = {
    "grant_type": "client_credentials",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}
LOOSE = Settings(public_url=URL, auditor_per_minute=10**6, log_per_minute=10**6)


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
KEYS = {name: Key(name) for name in AUDITORS}
REGISTERED = tuple(Auditor(name, (key.public,)) for name, key in KEYS.items())


class Doors:
    """A client of the doors; every call runs the app to its answer."""

    def __init__(self, parts: Parts, doors: tuple[str, ...] = BOTH_DOORS) -> None:
        self.parts = parts
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
    auditors: tuple[Auditor, ...] = REGISTERED,
    witness: WitnessDesk | None = None,
    **more: Any,
) -> Iterator[Doors]:
    """Open the doors of a ledger, with chance from a seed; `more` are further parts by name."""
    chance = Random(7)
    parts = Parts(
        **more,
        ledger=ledger,
        published=PublishedLog(ledger, (log_signer(ledger).key,)),
        access_log=AccessLog(ledger),
        jobs=Jobs(ledger, clock),
        gate=Gate(auditors, settings.public_url, clock, chance.randbytes),
        rates=Rates(clock),
        cursors=Cursors(chance.randbytes(32), clock),
        clock=clock,
        ids=RandomIds(clock),
        settings=settings,
        witness=witness,
    )
    parts.access_log.start()
    parts.jobs.start()
    try:
        yield Doors(parts)
    finally:
        parts.jobs.stop()
        parts.access_log.stop()
