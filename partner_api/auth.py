"""Who is asking, and may he: assertions, credentials, and the one `authorise`.

Auditors, finance staff and partners sign in as OAuth clients with a private key (RFC 7523 section
2.2): the client signs a short assertion with a key that is registered here, and gets an opaque
access token for 15 minutes. We keep its SHA-256 only. Nothing is remembered over a restart: clients
sign in again.
"""

import hmac
import threading
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import MINUTE, SECOND, Clock, parse_instant
from partner_api.clients import Client, key_id, public_key, unfold
from partner_api.problems import DoorProblem

SIGN_IN_PATH = "/auth/token"
TOKEN_US = 15 * MINUTE
TOKEN_BYTES = 32
TOKENS_MAX = 1_000
TOKENS_OF_ONE_MAX = 16
ASSERTION_US_MAX = 5 * MINUTE
ASSERTION_CHARACTERS_MAX = 4_096
CLOCK_SLACK_US = 30 * SECOND
ID_CHARACTERS_MAX = 100
SEEN_MAX = 10_000

_GRANT = "client_credentials"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_FIELDS = ("grant_type", "client_assertion_type", "client_assertion")
"""What the form of a client must hold."""


class Action(StrEnum):
    """Everything a route can be for; a route without one does not start."""

    SIGN_IN = "sign_in"
    READ_HEALTH = "read_health"
    READ_DOCUMENTS = "read_documents"
    READ_LOG = "read_log"
    WITNESS = "witness"
    TAKE_NEWS = "take_news"
    READ_BUNDLES = "read_bundles"
    READ_AUDIT = "read_audit"
    WRITE_AUDIT = "write_audit"
    READ_FINANCE = "read_finance"
    MAKE_FINANCE = "make_finance"
    CHECK_FINANCE = "check_finance"
    READ_SETTLEMENT = "read_settlement"
    ANSWER_SETTLEMENT = "answer_settlement"
    SEND_SETTLEMENT = "send_settlement"
    PROVE_DRIVER = "prove_driver"
    READ_STATIONS = "read_stations"
    READ_DRIVER = "read_driver"
    WRITE_DRIVER = "write_driver"


PUBLIC = frozenset(
    {
        Action.SIGN_IN,
        Action.READ_HEALTH,
        Action.READ_DOCUMENTS,
        Action.READ_LOG,
        Action.WITNESS,
        Action.TAKE_NEWS,
        Action.PROVE_DRIVER,
        Action.READ_STATIONS,
    }
)
DRIVERS = frozenset({Action.READ_STATIONS, Action.READ_DRIVER, Action.WRITE_DRIVER})
"""What the door of drivers is for: there the cookie of a browser counts as a credential."""

_ROLES: dict[Action, frozenset[str]] = {
    Action.READ_BUNDLES: frozenset({"auditor"}),
    Action.READ_AUDIT: frozenset({"auditor"}),
    Action.WRITE_AUDIT: frozenset({"auditor"}),
    Action.READ_FINANCE: frozenset({"finance"}),
    Action.MAKE_FINANCE: frozenset({"finance"}),
    Action.CHECK_FINANCE: frozenset({"finance"}),
    Action.READ_SETTLEMENT: frozenset({"finance", "partner"}),
    Action.ANSWER_SETTLEMENT: frozenset({"partner"}),
    Action.SEND_SETTLEMENT: frozenset({"finance", "partner"}),
    Action.READ_DRIVER: frozenset({"driver"}),
    Action.WRITE_DRIVER: frozenset({"driver"}),
}
_DUTIES: dict[Action, frozenset[str]] = {
    Action.MAKE_FINANCE: frozenset({"maker", "treasurer"}),
    Action.CHECK_FINANCE: frozenset({"checker", "treasurer"}),
}
_SEE_ALL = frozenset({"finance"})
"""Roles to which the objects of every partner are open."""


class Principal(msgspec.Struct, frozen=True):
    """Who was proven to be asking: an opaque id, the role he acts in, and his duties in it.

    The id of a partner or driver is that of his party. A driver also has the device he signed in
    on, and the time (us) until which he has just proven himself by a passkey.
    """

    id: str
    role: str
    duties: frozenset[str] = frozenset()
    device_id: str = ""
    step_up_until: int = 0


def authorise(principal: Principal | None, action: Action, holder_id: str = "") -> None:
    """Let an action pass, or say why not; `holder_id` is whose object it is, "" for everybody's.

    Raises:
        DoorProblem: nobody signed in (401), or the role may not (403).
        NotFound: the object is another principal's; the same as for one that never was.
    """
    if action in PUBLIC:
        return
    if principal is None:
        raise DoorProblem("not_authenticated")
    if principal.role not in _ROLES.get(action, frozenset()):
        raise DoorProblem("not_allowed")
    if action in _DUTIES and not _DUTIES[action] & principal.duties:
        raise DoorProblem("not_allowed")
    if principal.role not in _SEE_ALL and holder_id not in ("", principal.id):
        raise NotFound("of another principal")


# Assertions -------------------------------------------------------------------


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["EdDSA", "Ed25519"]
    kid: str
    typ: Literal["JWT"] = "JWT"


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str
    exp: int
    jti: str
    iat: int = 0
    nbf: int = 0
    request_sha256: str = ""


class _Issued(msgspec.Struct, frozen=True):
    principal: Principal
    expires_at: int


class Answer(msgspec.Struct, frozen=True):
    """What the client gets (RFC 6749 section 5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word of the standard


class Gate:
    """Keeps who is registered and who is signed in; one per process, safe for many threads."""

    def __init__(
        self,
        clients: Sequence[Client],
        public_url: str,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Register clients; assertions must name `public_url` and the path of this gate."""
        self.audience = public_url.rstrip("/") + SIGN_IN_PATH
        self._clock = clock
        self._random_bytes = random_bytes
        self._clients = {each.id: each for each in clients}
        self._keys = {key_id(key): (each.id, key) for each in clients for key in each.keys}
        self._issued: OrderedDict[bytes, _Issued] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def sign_in(self, form: bytes) -> Answer:
        """Exchange the form of a client for an access token; `not_authenticated` says no more."""
        fields = read_form(form)
        _check_form(fields)
        principal = self._assertion(fields.get("client_assertion", ""))
        if fields.get("client_id", principal.id) != principal.id:
            raise DoorProblem("not_authenticated")
        token = urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).decode().rstrip("=")
        expires_at = self._clock.now() + TOKEN_US
        with self._lock:
            self._make_room(principal)
            self._issued[sha256(token.encode()).digest()] = _Issued(principal, expires_at)
        return Answer(token, TOKEN_US // SECOND)

    def principal(self, authorization: str | None) -> Principal | None:
        """Find who sent this header; None without one, `not_authenticated` for a wrong one."""
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        digest = sha256(token.encode("utf-8", "replace")).digest()
        with self._lock:
            issued = self._issued.get(digest)
        if scheme.lower() != "bearer" or issued is None or issued.expires_at <= self._clock.now():
            raise DoorProblem("not_authenticated", headers=_INVALID)
        self._check_registered(issued.principal.id)
        return issued.principal

    def key_of(self, client_id: str, named: str) -> bytes | None:
        """Give a public key of a client by its `kid`; None when it is not one of his."""
        holder, key = self._keys.get(named, ("", ""))
        return public_key(key) if holder == client_id else None

    def _make_room(self, principal: Principal) -> None:
        now = self._clock.now()
        for digest in [key for key, each in self._issued.items() if each.expires_at <= now]:
            del self._issued[digest]
        own = [key for key, each in self._issued.items() if each.principal == principal]
        if len(own) >= TOKENS_OF_ONE_MAX:
            del self._issued[own[0]]
        while len(self._issued) >= TOKENS_MAX:
            self._issued.popitem(last=False)

    def _check_registered(self, client_id: str) -> Client:
        client = self._clients.get(client_id)
        until = client.valid_until if client else ""
        if client is None or (until and parse_instant(until, "until") <= self._clock.now()):
            raise DoorProblem("not_authenticated", headers=_INVALID)
        return client

    def confirmed(self, text: str, path: str, request_sha256: bytes) -> Principal:
        """Find who confirms a request of somebody else: the second person.

        His assertion names the path as its audience, and the digest of the request as
        `request_sha256` in base64url. It may come again: it is good for this request alone.
        """
        audience = self.audience.removesuffix(SIGN_IN_PATH) + path
        principal, claims = self._checked(text, audience)
        wanted = urlsafe_b64encode(request_sha256).rstrip(b"=")
        if not hmac.compare_digest(claims.request_sha256.encode(), wanted):
            raise DoorProblem("not_confirmed")
        return principal

    def _assertion(self, text: str) -> Principal:
        """Check an assertion whole: key, signature, names, times, and that it is new."""
        principal, claims = self._checked(text, self.audience)
        self._check_new(principal.id, claims, self._clock.now())
        return principal

    def _checked(self, text: str, audience: str) -> tuple[Principal, _Claims]:
        """Check key, signature, names and times of an assertion."""
        try:
            header, claims = self._opened(text)
        except (Malformed, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DoorProblem("not_authenticated") from error
        now = self._clock.now()
        client_id = self._keys[header.kid][0]
        good = (
            claims.iss == claims.sub == client_id
            and hmac.compare_digest(claims.aud.encode(), audience.encode())
            and now < claims.exp * SECOND <= now + ASSERTION_US_MAX + CLOCK_SLACK_US
            and claims.iat * SECOND <= now + CLOCK_SLACK_US
            and claims.nbf * SECOND <= now + CLOCK_SLACK_US
            and 0 < len(claims.jti) <= ID_CHARACTERS_MAX
        )
        if not good:
            raise DoorProblem("not_authenticated")
        client = self._check_registered(client_id)
        return Principal(client.id, client.role, frozenset(client.duties)), claims

    def _opened(self, text: str) -> tuple[_Header, _Claims]:
        parts = text.split(".")
        if len(text) > ASSERTION_CHARACTERS_MAX or len(parts) != 3:  # noqa: PLR2004 - a JWS has 3
            raise Malformed("not a signed assertion", field="client_assertion")
        head, body, signature = (unfold(part, "client_assertion") for part in parts)
        header = msgspec.json.decode(head, type=_Header)
        if header.kid not in self._keys:
            raise Malformed("signed by an unknown key", field="client_assertion")
        key = Ed25519PublicKey.from_public_bytes(public_key(self._keys[header.kid][1]))
        try:
            key.verify(signature, text.rpartition(".")[0].encode())
        except InvalidSignature as error:
            raise Malformed("the signature is wrong", field="client_assertion") from error
        return header, msgspec.json.decode(body, type=_Claims)

    def _check_new(self, client_id: str, claims: _Claims, now: int) -> None:
        """Take each assertion once; one that could still be good is never forgotten unseen."""
        name = (client_id, claims.jti)
        with self._lock:
            for each in [key for key, until in self._seen.items() if until <= now]:
                del self._seen[each]
            if name in self._seen or len(self._seen) >= SEEN_MAX:
                raise DoorProblem("not_authenticated")
            self._seen[name] = claims.exp * SECOND


_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def read_form(data: bytes) -> dict[str, str]:
    """Read a form strictly: ASCII, no member twice; `Malformed` says what is wrong."""
    try:
        pairs: list[Any] = parse_qsl(
            data.decode("ascii"), strict_parsing=True, max_num_fields=8, errors="strict"
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise Malformed("not a form", field="body") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("a field stands there twice", field="body")
    return fields


def _check_form(fields: dict[str, str]) -> None:
    if fields.get("grant_type") != _GRANT:
        raise Malformed(f"must be {_GRANT}", field="grant_type")
    if fields.get("client_assertion_type") != _ASSERTION:
        raise Malformed(f"must be {_ASSERTION}", field="client_assertion_type")
