"""Plain ASGI answers: a body with its headers, ranges and "not modified"."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from customer_app.hosting.headers import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_RANGE = re.compile(rb"bytes=(\d*)-(\d*)")


def header(scope: Scope, name: bytes) -> bytes:
    """Give a header of a request, empty when it is absent or given more than once."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else b""


async def answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """Send one whole answer."""
    length = [] if status == HTTPStatus.NO_CONTENT else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def answer_file(scope: Scope, send: Send, body: bytes, headers: Headers) -> None:
    """Answer a GET or HEAD for a file: whole, a range of it, or "not modified".

    `headers` name its `etag`; a request that has it already is told so.
    """
    tag = dict(headers)[b"etag"]
    if tag in [one.strip() for one in header(scope, b"if-none-match").split(b",")]:
        await answer(send, HTTPStatus.NOT_MODIFIED, headers)
        return
    first, end, status = _part(header(scope, b"range"), len(body))
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        more = [(b"content-range", b"bytes */%d" % len(body))]
        await answer(send, status, [*headers, *more])
        return
    more = [(b"accept-ranges", b"bytes")]
    if status == HTTPStatus.PARTIAL_CONTENT:
        more.append((b"content-range", b"bytes %d-%d/%d" % (first, end - 1, len(body))))
    part = body[first:end]
    if scope["method"] == "HEAD":
        more.append((b"content-length", b"%d" % len(part)))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await answer(send, status, [*headers, *more], part)


def _part(asked: bytes, size: int) -> tuple[int, int, HTTPStatus]:
    """Read a range [first, end); one that cannot be read is ignored, as HTTP wants it."""
    found = _RANGE.fullmatch(asked)
    if found is None or found.groups() == (b"", b""):
        return 0, size, HTTPStatus.OK
    first_text, last_text = found.groups()
    if not first_text:
        first, end = max(0, size - int(last_text)), size
    else:
        first, end = int(first_text), min(int(last_text) + 1 if last_text else size, size)
    if first >= end:
        return 0, 0, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    return first, end, HTTPStatus.PARTIAL_CONTENT
