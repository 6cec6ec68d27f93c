"""What every route shares: the parts it works with, the guard before it, parameters and bodies."""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from typing_extensions import override

from ledger.exports.invoice_papers import Letterhead
from ledger.exports.issued import IsFinal, SignDocument, always
from ledger.kernel.errors import Malformed, Misconfigured, Unavailable
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import Clock
from ledger.kernel.sealing import Chance
from ledger.runtime.auditing import AccessLog
from ledger.runtime.closing import Programs, no_programs
from ledger.runtime.ledger import Ledger
from ledger.runtime.payment_desk import PaymentDesk
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.published import PublishedLog
from ledger.runtime.witnessing import WitnessDesk
from ledger.signer.schema import Signing
from ledger.store.access_log import AccessRow
from partner_api.auth import DRIVERS, Action, Gate, Principal, authorise
from partner_api.driver_sessions import (
    CSRF_HEADER,
    STEP_UP,
    DriverSessions,
    check_csrf,
    cookie_in,
    is_of_driver,
)
from partner_api.frame import CORRELATION_ID
from partner_api.jobs import Jobs
from partner_api.journey import Journey
from partner_api.one_time_codes import OneTimeCodes
from partner_api.paging import Cursors
from partner_api.problems import DoorProblem
from partner_api.rate import Heavy, Rates
from partner_api.settings import Settings
from partner_api.sign_in_flow import SignInFlow
from partner_api.signed_requests import SignedRequests

BODY_BYTES_MAX = 256 * 1024
PARAMETERS_MAX = 20
PARAMETER_CHARACTERS_MAX = 1_024
KEY_BYTES = 16

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_JSON_MEDIA = re.compile(r'application/json(?:\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)

T = TypeVar("T")


class People(Protocol):
    """Who can be read in the clear: the vault."""

    def read(self, subject: str, purpose: str) -> dict[str, object]:
        """Give what is known about a person for a purpose; `NotFound` for nobody."""
        ...


class News(Protocol):
    """Who takes messages of the provider of payments."""

    def take(self, body: bytes, signature: str) -> bool:
        """Keep a message, durably; tell whether it is new. `Malformed` when it is not his."""
        ...


class Signings(Protocol):
    """Where signatures were written down: by the signer, and by its devices."""

    def journal(self, after: int, limit: int) -> list[tuple[int, Signing]]:
        """Read the signer's journal from behind a number; raises as the reader of its file."""
        ...

    def logs(self) -> Iterable[tuple[str, bytes]]:
        """Give the log of each device that there is one of, by the device's name."""
        ...


class NoSignings(Signings):
    """A process that knows no signer."""

    @override
    def journal(self, after: int, limit: int) -> list[tuple[int, Signing]]:
        raise Unavailable("the signer's journal is not kept here")

    @override
    def logs(self) -> Iterable[tuple[str, bytes]]:
        return ()


class EvidenceStore(Protocol):
    """Where evidence is kept, by its digest."""

    def put(self, data: bytes) -> str:
        """Keep bytes, durable when it returns; gives their SHA-256 in hexadecimal."""
        ...

    def get(self, digest: str) -> bytes:
        """Give bytes back; `NotFound` where nothing was kept."""
        ...


def no_facts(_pack_class: str) -> bytes:
    """Know nothing of a class of packs beside what the ledger tells."""
    return b""


class Documents(msgspec.Struct, frozen=True):
    """Who signs documents with the key for them, and which checkpoints they may name."""

    sign: SignDocument
    is_final: IsFinal = always


class Parts(msgspec.Struct, frozen=True):
    """All that the doors are given; the composition root makes it."""

    ledger: Ledger
    published: PublishedLog
    access_log: AccessLog
    jobs: Jobs
    gate: Gate
    rates: Rates
    cursors: Cursors
    clock: Clock
    ids: IdSource
    settings: Settings
    witness: WitnessDesk | None = None
    people: People | None = None
    news: News | None = None
    signings: Signings = NoSignings()
    passport_facts: Callable[[str], bytes] = no_facts
    signed_requests: SignedRequests | None = None
    evidence: EvidenceStore | None = None
    payer: str = ""
    documents: Documents | None = None
    letterhead: Letterhead | None = None
    texts: PersonalTexts | None = None
    payment_desk: PaymentDesk | None = None
    random_bytes: Chance = token_bytes
    programs: Programs = no_programs
    drivers: DriverSessions | None = None
    sign_in: SignInFlow | None = None
    one_time_codes: OneTimeCodes | None = None
    journey: Journey = msgspec.field(default_factory=Journey.in_memory)
    heavy: Heavy = msgspec.field(default_factory=Heavy.with_places)


class Asked(msgspec.Struct, frozen=True):
    """What the guard found: who asks, and the parameters behind the question mark."""

    principal: Principal | None
    query: Mapping[str, str]


def parts_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Parts:
    """Give the parts of the app that serves this connection."""
    parts = connection.app.state.parts
    assert isinstance(parts, Parts), "create_app puts them there"
    return parts


def asked(connection: ASGIConnection[Any, Any, Any, Any]) -> Asked:
    """Give what the guard found."""
    found = connection.scope["state"]["asked"]
    assert isinstance(found, Asked), "the guard of the app puts it there"
    return found


def asks(
    action: Action,
    *query: str,
    body: type[Any] | None = None,
    form: tuple[str, ...] = (),
    file: tuple[str, ...] = (),
    step_up: bool = False,
) -> dict[str, Any]:
    """Declare a route: what it is for, its parameters, and its body, form or kinds of file.

    With `step_up` a driver must have proven himself by a passkey in the last five minutes.
    """
    return {
        "action": action,
        "query": query,
        "body": body,
        "form": form,
        "file": file,
        "step_up": step_up,
    }


def answers(*media: str) -> dict[str, Any]:
    """Declare, beside `asks`, the media types of a route that answers with files."""
    return {"media": tuple(dict.fromkeys(one.partition(";")[0] for one in media))}


def makes(*commands: str) -> dict[str, Any]:
    """Declare, beside `asks`, which commands of the rules a route leads to, by name."""
    return {"commands": commands}


def check_declared(handlers: Mapping[str, BaseRouteHandler]) -> None:
    """See that every route says what it is for; `Misconfigured` names the first that does not."""
    for path, handler in handlers.items():
        if not isinstance(handler.opt.get("action"), Action):
            raise Misconfigured(f"the route {path} has no declared action")


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request pass to its route: credential, action, rate, parameters, in this order."""
    if connection.scope.get("method") == "OPTIONS":
        return
    action = handler.opt["action"]
    parts = parts_of(connection)
    header = connection.headers.getall("authorization", [])
    if len(header) > 1:
        raise DoorProblem("not_authenticated")
    client = connection.client
    address = client.host if client else "unknown"
    try:
        principal = await _principal(connection, header[0] if header else None, action)
    except DoorProblem:
        # a guess counts too, else it would be free
        parts.rates.take("address", address, parts.settings.log_per_minute)
        raise
    _take_rate(connection, principal, action, address)
    authorise(principal, action)
    if handler.opt["step_up"]:
        check_stepped_up(parts, principal)
    query = read_query(connection.scope["query_string"], handler.opt["query"])
    connection.scope["state"]["asked"] = Asked(principal, query)


_SAFE = frozenset({"GET", "HEAD"})


async def _principal(
    connection: ASGIConnection[Any, Any, Any, Any], header: str | None, action: Action
) -> Principal | None:
    """Find who asks: a client or driver by his header, a driver by the cookie of his browser."""
    parts = parts_of(connection)
    drivers = parts.drivers
    if drivers is not None and header is not None and is_of_driver(header):
        return await sync_to_thread(drivers.principal, header)
    if header is not None or drivers is None or action not in DRIVERS:
        return parts.gate.principal(header)
    cookie = cookie_in(connection.cookies, parts.settings.public_url)
    if not cookie:
        return None
    if connection.scope.get("method") not in _SAFE:
        check_csrf(cookie, connection.headers.getall(CSRF_HEADER, []))
    return await sync_to_thread(drivers.principal_of_cookie, cookie)


def _take_rate(
    connection: ASGIConnection[Any, Any, Any, Any],
    principal: Principal | None,
    action: Action,
    address: str,
) -> None:
    """Count a request against the limit of who asks."""
    parts = parts_of(connection)
    rates, settings = parts.rates, parts.settings
    if action is Action.PROVE_DRIVER:
        rates.take("auth", address, settings.auth_per_minute)
    elif principal is None:
        rates.take("address", address, settings.log_per_minute)
    elif principal.role != "driver":
        rates.take("principal", principal.id, settings.client_per_minute)
    elif connection.scope.get("method") in _SAFE:
        rates.take("reads", principal.id, settings.driver_reads_per_minute)
    else:
        rates.take("writes", principal.id, settings.driver_writes_per_minute)


def check_stepped_up(parts: Parts, principal: Principal | None) -> None:
    """See that a driver has just proven himself by his passkey; else `step_up_needed`."""
    if principal is None or principal.step_up_until <= parts.clock.now():
        raise DoorProblem("step_up_needed", headers=STEP_UP)


def read_query(raw: bytes, known: tuple[str, ...]) -> dict[str, str]:
    """Read what stands behind the question mark: known names, each once, with a value."""
    if not raw:
        return {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise Malformed("not parameters of a URL", field="query") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise Malformed("no such parameter here", field=name[:40])
        if name in found:
            raise Malformed("given more than once", field=name)
        if not value or len(value) > PARAMETER_CHARACTERS_MAX or _CONTROL.search(value):
            raise Malformed("empty, too long, or with control characters", field=name)
        found[name] = value
    return found


async def read_body(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read a JSON body strictly; the one place where bytes of strangers are decoded.

    Raises:
        DoorProblem: `media_type` when it is not plain JSON in UTF-8.
        Malformed: the bytes are not of that kind; the field is the path.
    """
    encoding = request.headers.get("content-encoding", "identity")
    media = request.headers.get("content-type", "")
    if encoding != "identity" or not _JSON_MEDIA.fullmatch(media):
        raise DoorProblem("media_type")
    return decode_json(await request.body(), kind)


def decode_json(data: bytes, kind: type[T]) -> T:
    """Decode JSON of a stranger; every failure is `Malformed`."""
    try:
        value = msgspec.json.decode(data, type=kind)
        text = msgspec.json.encode(value).decode()
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        raise Malformed(what, field=place.rstrip("`") or "body") from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed("not JSON in UTF-8", field="body") from error
    _check_text(msgspec.json.decode(text), "body")
    return value


def _check_text(value: object, path: str) -> None:
    match value:
        case str() if _CONTROL.search(value):
            raise Malformed("holds control characters", field=path)
        case list():
            for number, each in enumerate(value):
                _check_text(each, f"{path}[{number}]")
        case dict():
            for name, each in value.items():
                _check_text(each, name)
        case _:
            pass


def idempotency_key(request: Request[Any, Any, Any]) -> str:
    """Read the key that makes a command repeatable; a command without one is refused."""
    found = request.headers.getall("idempotency-key", [])
    if not found:
        raise DoorProblem("idempotency_key_missing")
    if len(found) > 1 or not _KEY.fullmatch(found[0]):
        raise Malformed("1 to 64 of A-Z a-z 0-9 . _ : -", field="Idempotency-Key")
    return found[0]


def correlation_id(request: Request[Any, Any, Any]) -> str:
    """Give the id that ties this request to others."""
    return str(request.scope.get(CORRELATION_ID, ""))


def leave_trace(request: Request[Any, Any, Any], route: str, rows: int) -> None:
    """Write down that somebody read, the parameters only as a digest; durable when it returns."""
    begin_trace(request, route, rows).result()


def begin_trace(
    request: Request[Any, Any, Any], route: str, rows: int, reason: str = ""
) -> Future[int]:
    """Begin to write down that somebody read; durable when the future is done."""
    found = asked(request)
    assert found.principal is not None, "such routes are for those who signed in"
    said = f"{request.scope['path']}?{urlencode(sorted(found.query.items()))}"
    parts = parts_of(request)
    row = AccessRow(
        at=parts.clock.now(),
        actor=found.principal.id,
        route=route,
        parameters_digest=sha256(said.encode()).digest(),
        rows=rows,
        reason=reason,
    )
    return parts.access_log.begin(row)
