"""Requests that partners sign (RFC 9421): what moves money is asked for under a key, provably.

A signature covers method, target URI, content type, content digest and idempotency key. It is
fresh (`created` and `expires` at most five minutes apart), bears a nonce that is taken once, the
key id of a key registered for the client, and the tag below. Every failure is `signature_invalid`,
in the same words; the cause stands in our own log alone.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    VerifyResult,
    algorithms,
)
from litestar import Request
from typing_extensions import override

from ledger.kernel.instants import MINUTE, SECOND, Clock
from partner_api.auth import Gate, Principal
from partner_api.problems import DoorProblem

TAG = "mobilegrid-partner-v1"
COVERED = ("@method", "@target-uri", "content-type", "content-digest", "idempotency-key")
LASTS_S_MAX = 300
NONCES_MAX = 10_000
NONCE_US = 10 * MINUTE
NONCE_CHARACTERS_MAX = 100
SLACK_S = 30

_log = logging.getLogger("mobilegrid.doors")


class Signed(NamedTuple):
    """A signature that holds: the key that made it, what exactly it covers, and its header."""

    key_id: str
    base: bytes
    header: str

    @property
    def evidence(self) -> bytes:
        """Everything that anybody needs to check it again with the key, in one piece."""
        return self.base + b"\n\n" + self.header.encode()


class _Message(NamedTuple):
    method: str
    url: str
    headers: "_Headers"


class _Headers:
    """Header lines as they came, in the shape the verifier asks for."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._lines = list(lines)

    def items(self) -> list[tuple[str, str]]:
        return self._lines


class _Keys(HTTPSignatureKeyResolver):
    """The keys of one client."""

    def __init__(self, gate: Gate, client_id: str) -> None:
        self._gate = gate
        self._client_id = client_id

    @override
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        raw = self._gate.key_of(self._client_id, key_id)
        return None if raw is None else Ed25519PublicKey.from_public_bytes(raw)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier by our own clock: `created` and `expires` are both needed."""

    now_s = 0

    @override
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        created, expires = sig_input.params.get("created"), sig_input.params.get("expires")
        if not isinstance(created, int) or not isinstance(expires, int):
            raise InvalidSignature("created and expires are needed")
        if not created - SLACK_S <= self.now_s < expires or expires - created > LASTS_S_MAX:
            raise InvalidSignature("not fresh")


class SignedRequests:
    """Checks signatures and takes each nonce once; one per process, safe for many threads."""

    def __init__(self, gate: Gate, public_url: str, clock: Clock) -> None:
        """Find keys at `gate`; requests are for `public_url`."""
        self._gate = gate
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._nonces: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, request: Request[Any, Any, Any], principal: Principal, body: bytes) -> Signed:
        """Check that a client signed this very request; `signature_invalid` otherwise."""
        try:
            found = self._verified(request, principal, body)
            self._take_nonce(principal.id, found)
        except HTTPMessageSignaturesException as error:
            reason = str(error)[:200]
            _log.info("signature of %s refused: %s", principal.id, reason)
            raise DoorProblem("signature_invalid") from error
        base = "\n".join(f"{name}: {value}" for name, value in found.covered_components.items())
        header = ", ".join(request.headers.getall("signature"))
        return Signed(str(found.parameters["keyid"]), base.encode(), header)

    def _verified(
        self, request: Request[Any, Any, Any], principal: Principal, body: bytes
    ) -> VerifyResult:
        query = request.scope["query_string"].decode("ascii")
        path = request.scope["raw_path"].decode("ascii")
        url = f"{self._public_url}{path}{'?' if query else ''}{query}"
        message = _Message(request.method, url, _Headers(request.headers.multi_items()))
        verifier = _Verifier(
            signature_algorithm=algorithms.ED25519,
            key_resolver=_Keys(self._gate, principal.id),
        )
        verifier.now_s = self._clock.now() // SECOND
        (found,) = verifier.verify(
            message, max_age=None, expect_tag=TAG, require_components=COVERED, body=body
        )[:1]
        return found

    def _take_nonce(self, client_id: str, found: VerifyResult) -> None:
        nonce = found.nonce or ""
        now = self._clock.now()
        with self._lock:
            while self._nonces and next(iter(self._nonces.values())) <= now:
                self._nonces.popitem(last=False)
            if not 0 < len(nonce) <= NONCE_CHARACTERS_MAX:
                raise InvalidSignature("a nonce is needed")
            if (client_id, nonce) in self._nonces:
                raise InvalidSignature("the nonce came before")
            if len(self._nonces) >= NONCES_MAX:
                raise DoorProblem("unavailable")
            self._nonces[client_id, nonce] = now + NONCE_US
