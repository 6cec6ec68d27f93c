"""The app of the doors: routes, guard, one handler for every failure."""

from collections.abc import Sequence
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp

from ledger.kernel.errors import Misconfigured, MobileGridError, NotFound, Unavailable
from ledger.store import guards
from partner_api.auditor import (
    books,
    checks,
    entries,
    exceptions,
    exports,
    findings,
    history,
    keys,
    meters,
    packs,
    reveals,
    signings,
    sources,
    statements,
    titles,
)
from partner_api.auth import FORM_FIELDS, SIGN_IN_PATH, Action, Answer, read_form
from partner_api.deps import BODY_BYTES_MAX, Parts, asks, check_declared, guard, parts_of
from partner_api.driver import desk as driver_desk
from partner_api.driver import signin
from partner_api.driver_sessions import HandedOut
from partner_api.finance import desk
from partner_api.frame import Frame
from partner_api.log import tiles, witness
from partner_api.openapi import document, openapi_config
from partner_api.problems import CODES, DoorProblem, answer_failure
from partner_api.webhooks import stripe

NO_STORE = {"Cache-Control": "no-store"}
_FORM = "application/x-www-form-urlencoded"


@post(
    SIGN_IN_PATH,
    operation_id="sign_in",
    opt=asks(Action.SIGN_IN, form=FORM_FIELDS),
    status_code=200,
)
async def sign_in(request: Request[Any, Any, Any]) -> Response[Answer | HandedOut]:
    """Exchange a signed assertion (RFC 7523), or what a driver's app has, for a credential."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _FORM or request.headers.get("content-encoding", "identity") != "identity":
        raise DoorProblem("media_type", f"send {_FORM}")
    form = await request.body()
    fields = read_form(form)
    if fields.get("grant_type") in signin.GRANTS:
        return Response(await signin.hand_out(request, fields), headers=NO_STORE)
    return Response(parts_of(request).gate.sign_in(form), headers=NO_STORE)


class Health(msgspec.Struct, frozen=True):
    """Whether the process answers, and whether it can serve."""

    status: str


@get("/health/live", operation_id="read_live", opt=asks(Action.READ_HEALTH))
async def read_live() -> Response[Health]:
    """Say that the process answers."""
    return Response(Health("live"), headers=NO_STORE)


@get(
    "/health/ready",
    operation_id="read_ready",
    opt=asks(Action.READ_HEALTH),
    sync_to_thread=True,
)
def read_ready(request: Request[Any, Any, Any]) -> Response[Health]:
    """Say whether the head can be read and the guards of the log stand."""
    try:
        with parts_of(request).ledger.reading() as reads:
            guards.check(reads.tx)
    except MobileGridError as error:
        raise Unavailable("not ready") from error
    return Response(Health("ready"), headers=NO_STORE)


@get(
    "/problems/{code:str}",
    operation_id="read_problem",
    opt=asks(Action.READ_DOCUMENTS),
    media_type="text/plain",
)
async def read_problem(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[str]:
    """Say in words what the code of a failure means."""
    words = request.app.state.meanings.get(code) or (code in CODES and CODES[code][1])
    if not words:
        raise NotFound("no such code")
    return Response(f"{code}: {words}\n", media_type="text/plain")


@get("/openapi.json", operation_id="read_openapi", opt=asks(Action.READ_DOCUMENTS))
async def read_openapi(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give the OpenAPI document of the doors that are open here."""
    data = await sync_to_thread(request.app.state.describe)
    return Response(data, media_type="application/json")


SHARED: tuple[HTTPRouteHandler, ...] = (
    sign_in,
    read_live,
    read_ready,
    read_problem,
    read_openapi,
)
DOORS: dict[str, tuple[str, tuple[HTTPRouteHandler, ...]]] = {
    "log": ("/", (*tiles.ROUTES, *witness.ROUTES)),
    "auditor": (
        "/auditor/v1",
        (
            *history.ROUTES,
            *packs.ROUTES,
            *titles.ROUTES,
            *entries.ROUTES,
            *keys.ROUTES,
            *signings.ROUTES,
            *books.ROUTES,
            *exceptions.ROUTES,
            *statements.ROUTES,
            *meters.ROUTES,
            *sources.ROUTES,
            *exports.ROUTES,
            *findings.ROUTES,
            *reveals.ROUTES,
            *checks.ROUTES,
        ),
    ),
    "webhooks": ("/", stripe.ROUTES),
    "auth": ("/auth", driver_desk.AUTH_ROUTES),
    "driver": ("/driver/v1", driver_desk.ROUTES),
    "finance": (
        "/finance/v1",
        desk.ROUTES,
    ),
}
"""Every door by name: where it is, and its routes."""


def create_app(
    doors: Sequence[str], parts: Parts, meanings: dict[str, str] | None = None
) -> ASGIApp:
    """Make the app of some doors.

    Args:
        doors: names of `DOORS`.
        parts: all they work with; the caller starts and stops what has threads.
        meanings: what each refusal code means, in words.

    Raises:
        Misconfigured: no such door, or a route that does not say what it is for.
    """
    app = bare_app(doors)
    app.state.parts = parts
    app.state.meanings = meanings or {}
    app.state.describe = partial(_described, tuple(doors))
    return Frame(app, lambda: parts.ids.new("RQ"))


def bare_app(
    doors: Sequence[str], more: Sequence[HTTPRouteHandler] = (), *, is_described: bool = False
) -> Litestar:
    """Make the routes of some doors, and of `more`, without anything to work with.

    `is_described` is for writing the document: such an app also has the generator's own routes, so
    it is never served.
    """
    unknown = sorted(set(doors) - set(DOORS))
    if unknown or not doors:
        raise Misconfigured(f"--doors: choose of {', '.join(DOORS)}, not {', '.join(unknown)}")
    routers = []
    for name in dict.fromkeys(doors):
        path, handlers = DOORS[name]
        headers = None if name == "log" else NO_STORE
        routers.append(Router(path, route_handlers=handlers, response_headers=headers))
    app = Litestar(
        route_handlers=[*SHARED, *routers, *more],
        guards=[guard],
        exception_handlers={
            Exception: answer_failure,
            HTTPStatus.INTERNAL_SERVER_ERROR: answer_failure,
        },
        openapi_config=openapi_config() if is_described else None,
        request_max_body_size=BODY_BYTES_MAX,
        state=State(),
        logging_config=None,
        debug=False,
    )
    if not is_described:
        check_declared(_handlers(app))
    return app


@cache
def _described(doors: tuple[str, ...]) -> bytes:
    """Write the document of some doors when somebody first asks; it takes a moment."""
    return document(bare_app(doors, is_described=True))


def _handlers(app: Litestar) -> dict[str, HTTPRouteHandler]:
    """List every route of ours by method and path."""
    return {
        f"{method} {route.path}": handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"  # Litestar answers it by itself, with the methods of the path
    }
