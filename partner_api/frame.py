"""The frame around all doors: what is turned away before any route, and headers on every answer.

A plain ASGI wrapper, outside of Litestar, because it must see requests that no route will.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from partner_api.problems import PROBLEM, REFERENCE_CHARACTERS, DoorProblem, Problem

HEADERS_MAX = 100
HEADER_BYTES_MAX = 16 * 1024
PATH_BYTES_MAX = 512
CORRELATION = re.compile(rb"[\x21-\x7e]{1,64}")
BODY_GRACE_S = 10
BODY_BYTES_PER_S = 1024

REQUEST_ID = "mobilegrid.request_id"
CORRELATION_ID = "mobilegrid.correlation_id"

# ids and names of ours never need an escape, so one spelling of each path is enough
_PATH = re.compile(rb"/|(?:/[A-Za-z0-9._:@-]+)+")
_DOTS = re.compile(rb"(?:^|/)\.\.?(?:/|$)")


class Frame:
    """Wraps an ASGI app; `new_id` makes the id of each request."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        """Wrap `app`."""
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or turn it away."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = self._new_id()
        headers = scope["headers"]
        correlation_id = _correlation(headers) or request_id
        frame: dict[str, Any] = dict(scope)
        frame[REQUEST_ID], frame[CORRELATION_ID] = request_id, correlation_id
        more = [
            (b"request-id", request_id.encode()),
            (b"correlation-id", correlation_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *more]
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await _turn_away(refusal, scope, request_id, answering)
            return
        # our scope is theirs with two members of our own, which the specification allows
        await self._app(frame, _watched(receive), answering)  # type: ignore[arg-type]


def _correlation(headers: Any) -> str:
    found = [value for name, value in headers if name == b"correlation-id"]
    good = len(found) == 1 and CORRELATION.fullmatch(found[0])
    return found[0].decode() if good else ""


def _refusal(scope: Any) -> str | None:
    """Name the reason to turn a request away, None when it may go on."""
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        return "headers_too_large"
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    if len(path) > PATH_BYTES_MAX or not _PATH.fullmatch(path) or _DOTS.search(path):
        return "not_found"
    return None


async def _turn_away(code: str, scope: Any, request_id: str, send: Send) -> None:
    problem = DoorProblem(code)
    body = msgspec.json.encode(
        Problem(
            type=f"/problems/{code}",
            title=problem.detail,
            status=problem.status_code,
            detail=problem.detail,
            instance=scope["path"],
            code=code,
            reference=request_id[-REFERENCE_CHARACTERS:],
        )
    )
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": problem.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _watched(receive: Receive) -> Receive:
    """Give up on a body that takes longer than ten seconds and a second for each KiB of it."""
    began = time.monotonic()
    size = 0
    is_whole = False

    async def watching() -> Any:
        nonlocal size, is_whole
        if is_whole:
            return await receive()
        left = began + BODY_GRACE_S + size / BODY_BYTES_PER_S - time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError as error:
            raise DoorProblem("slow_body") from error
        if message["type"] == "http.request":
            size += len(message["body"])
            is_whole = not message["more_body"]
        return message

    return watching
