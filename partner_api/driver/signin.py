"""What the page of signing in asks step by step, and what apps exchange for credentials.

Every step wants the cookie of a sign-in that this browser began. No answer tells whether an address
or a passkey is known.
"""

from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.instants import SECOND, as_text
from partner_api.auth import Action
from partner_api.code_sending import Message
from partner_api.deps import asks, parts_of, read_body
from partner_api.driver.sign_in_page import language_of
from partner_api.driver.signin_pages import (
    START_COOKIE,
    device_label,
    flow_of,
    made_cookie,
    session_cookie,
    start_cookie,
)
from partner_api.driver_sessions import COOKIE, HandedOut
from partner_api.one_time_codes import Channel, OneTimeCodes, Purpose
from partner_api.passkeys import AssertionIn, AttestationIn
from partner_api.problems import DoorProblem
from partner_api.sign_in_flow import TICKET_US

OF_ACCOUNT = 5
"""Tries of one account or address in a minute."""

HttpRequest = Request[Any, Any, Any]
Secret = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{43}$")]


class CodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a one-time code shall go, and for what."""

    channel: Channel
    address: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    purpose: Purpose


class CodeAskedOut(msgspec.Struct, frozen=True):
    """The id of a code that was sent, if the address is known."""

    code_id: str


class CodeCheckIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code as a driver typed it."""

    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]


class TicketOut(msgspec.Struct, frozen=True):
    """What lets a passkey be made; `expires_in` in seconds, and the tries that were left."""

    ticket: str
    expires_in: int


class OptionsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By what a driver may make a passkey: a ticket, an invitation, or having stepped up."""

    ticket: Secret | None = None
    invitation: Secret | None = None


class PasskeyMadeOut(msgspec.Struct, frozen=True):
    """A passkey that is kept, and where the browser goes."""

    passkey_id: str
    location: str


class ProvenOut(msgspec.Struct, frozen=True):
    """Where the browser goes after a driver has proven himself."""

    location: str


class SteppedUpOut(msgspec.Struct, frozen=True):
    """Until when a driver counts as having just proven himself, and where the browser goes."""

    step_up_until: str
    location: str


def check_origin(request: HttpRequest) -> None:
    """See that a page of ours asks; browsers say so by themselves."""
    said = request.headers.getall("origin", [])
    if said and said != [flow_of(request).passkeys.origin]:
        raise DoorProblem("not_allowed", "this is asked from a page of ours only")


# Passkeys ---------------------------------------------------------------------


@post(
    "/passkeys/assertion-options",
    operation_id="ask_assertion",
    opt=asks(Action.SIGN_IN),
    status_code=200,
)
async def ask_assertion(request: HttpRequest) -> Response[dict[str, Any]]:
    """Say what a passkey shall sign; the same for everybody who is not signed in."""
    check_origin(request)
    flow = flow_of(request)
    return Response(await sync_to_thread(flow.assertion_options, start_cookie(request)))


@post(
    "/passkeys/assertion",
    operation_id="take_assertion",
    opt=asks(Action.PROVE_DRIVER, body=AssertionIn),
    status_code=200,
)
async def take_assertion(request: HttpRequest) -> Response[ProvenOut]:
    """Take what a passkey signed, and say where the browser goes on."""
    proven = await _asserted(request)
    return Response(ProvenOut(proven.location))


@post(
    "/step-up",
    operation_id="step_up",
    opt=asks(Action.PROVE_DRIVER, body=AssertionIn),
    status_code=200,
)
async def step_up(request: HttpRequest) -> Response[SteppedUpOut]:
    """Take the passkey of a driver who is signed in; for five minutes he may do what needs it."""
    proven = await _asserted(request)
    if not proven.step_up_until:
        raise DoorProblem("sign_in_ended")
    return Response(SteppedUpOut(as_text(proven.step_up_until), proven.location))


async def _asserted(request: HttpRequest) -> Any:
    check_origin(request)
    flow, parts = flow_of(request), parts_of(request)
    said = await read_body(request, AssertionIn)
    cookie = start_cookie(request)
    row = await sync_to_thread(flow.passkey, said)
    parts.rates.take("account", row.driver_id, OF_ACCOUNT)
    return await sync_to_thread(flow.asserted, cookie, said)


@post(
    "/passkeys/registration-options",
    operation_id="ask_registration",
    opt=asks(Action.PROVE_DRIVER, body=OptionsIn),
    status_code=200,
)
async def ask_registration(request: HttpRequest) -> Response[dict[str, Any]]:
    """Say what passkey shall be made, to whoever holds a ticket, an invitation, or stepped up."""
    check_origin(request)
    body = await read_body(request, OptionsIn)
    flow = flow_of(request)

    def options() -> dict[str, Any]:
        return flow.registration_options(
            start_cookie(request),
            ticket=body.ticket or "",
            invitation=body.invitation or "",
        )

    return Response(await sync_to_thread(options))


@post(
    "/passkeys/registration",
    operation_id="take_registration",
    opt=asks(Action.PROVE_DRIVER, body=AttestationIn),
    status_code=201,
)
async def take_registration(request: HttpRequest) -> Response[PasskeyMadeOut]:
    """Keep a passkey that was made; who made it is signed in by it."""
    check_origin(request)
    body = await read_body(request, AttestationIn)
    label = device_label(request.headers.get("user-agent", ""))
    flow = flow_of(request)
    proven = await sync_to_thread(flow.registered, start_cookie(request), body, label)
    return Response(PasskeyMadeOut(proven.passkey_id, proven.location), status_code=201)


# One-time codes ---------------------------------------------------------------


def _codes(request: HttpRequest) -> OneTimeCodes:
    codes = parts_of(request).one_time_codes
    if codes is None:
        raise Unavailable("no codes are sent from here")
    return codes


@post(
    "/one-time-codes",
    operation_id="ask_code",
    opt=asks(Action.PROVE_DRIVER, body=CodeIn),
    status_code=202,
)
async def ask_code(request: HttpRequest) -> Response[CodeAskedOut]:
    """Have a code sent; the answer is the same whether the address is known or not."""
    check_origin(request)
    body = await read_body(request, CodeIn)
    codes = _codes(request)
    digest = codes.digest(body.channel, body.address)
    parts_of(request).rates.take("account", digest.hex(), OF_ACCOUNT)
    language = language_of(request.headers.get("accept-language", ""))
    message = Message(body.channel, body.address.strip(), body.purpose, language)
    code_id = await sync_to_thread(codes.ask, start_cookie(request), message)
    return Response(CodeAskedOut(code_id), status_code=202)


@post(
    "/one-time-codes/{code_id:str}/check",
    operation_id="check_code",
    opt=asks(Action.PROVE_DRIVER, body=CodeCheckIn),
    status_code=200,
)
async def check_code(request: HttpRequest, code_id: FromPath[str]) -> Response[TicketOut]:
    """Check a code; a right one lets a passkey be made in this browser."""
    check_origin(request)
    body = await read_body(request, CodeCheckIn)
    found = await sync_to_thread(_codes(request).check, start_cookie(request), code_id, body.code)
    return Response(TicketOut(found, TICKET_US // SECOND))


# Credentials ------------------------------------------------------------------

GRANTS = frozenset({"authorization_code", "refresh_token", "session_cookie"})
"""What drivers' apps exchange, beside the assertions of clients."""


async def hand_out(request: HttpRequest, fields: dict[str, str]) -> HandedOut:
    """Exchange a form of one of `GRANTS`; `not_authenticated` says no more.

    Raises:
        Malformed: a field that the grant needs is absent.
    """
    flow = flow_of(request)
    match fields["grant_type"]:
        case "authorization_code":
            code, verifier = _needed(fields, "code"), _needed(fields, "code_verifier")
            label = device_label(request.headers.get("user-agent", ""))
            return await sync_to_thread(flow.exchange, code, verifier, label)
        case "refresh_token":
            given = _needed(fields, "refresh_token")
            return await sync_to_thread(flow.sessions.refresh, given)
        case _:
            given = _needed(fields, "session_cookie")
            return await sync_to_thread(flow.sessions.exchange_cookie, given)


def _needed(fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise Malformed("is needed", field=name)
    return fields[name]


@post(
    "/revoke",
    operation_id="revoke",
    opt=asks(Action.SIGN_IN, form=("token",)),
    status_code=204,
)
async def revoke(request: HttpRequest) -> Response[None]:
    """End the session of a credential (RFC 7009) or of this browser; 204 whatever was sent."""
    check_origin(request)
    flow = flow_of(request)
    form = dict(parse_qsl((await request.body()).decode("ascii", "replace"), max_num_fields=8))
    given = form.get("token", "")
    for find, secret in (
        (flow.sessions.session_of_credential, given),
        (flow.sessions.session_of_cookie, given),
        (flow.sessions.session_of_cookie, session_cookie(request)),
    ):
        session = await sync_to_thread(find, secret) if secret else None
        if session is not None:
            await sync_to_thread(flow.sessions.end, session.session_id)
    gone = [made_cookie(request, name, "", 0) for name in (COOKIE, START_COOKIE)]
    return Response(None, status_code=204, cookies=gone, media_type="text/plain")


ROUTES = (
    ask_assertion,
    take_assertion,
    step_up,
    ask_registration,
    take_registration,
    ask_code,
    check_code,
    revoke,
)
