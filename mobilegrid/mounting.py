"""The driver's app and the doors behind one port: `/app` is the app's, everything else the doors'.

They are put side by side, not one into the other: each keeps its own rules for paths, packing and
failures, and the life span of the server reaches both.
"""

from typing import Any

from litestar.types import ASGIApp

from customer_app.hosting.answers import Receive, Scope, Send
from customer_app.hosting.asgi import PREFIX, AppHost

TEMPORARY_REDIRECT = 307


class Mounted:
    """Serves the app beside the doors; a visitor of `/` is sent to the app."""

    def __init__(self, doors: ASGIApp, host: AppHost) -> None:
        """Put them together."""
        self._doors = doors
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket, or the life span of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            await self._host(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 404, "reason": ""})
        elif path == "/" and scope["method"] in ("GET", "HEAD"):
            await _redirect(send, f"{PREFIX}/")
        else:
            doors: Any = self._doors  # the same protocol, which both sides spell in their own types
            await doors(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start the app with the server, and end it with the server."""
        await receive()
        await self._host.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._host.shutdown()
        await send({"type": "lifespan.shutdown.complete"})


async def _redirect(send: Send, place: str) -> None:
    headers = [(b"location", place.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": TEMPORARY_REDIRECT, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
