"""What stands between a browser's socket and Flet: whom it lets in, and what it lets out.

Flet itself asks no origin, waits for ever for a first frame, and sends the text of a failed
handler, paths and all, to the browser. Frames are a zero byte and msgpack of [action, body];
action 6 tells the browser that the app has failed.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable

from customer_app.hosting.answers import Message, Receive, Scope, Send, header

_log = logging.getLogger(__name__)

REGISTER_SECONDS = 10.0
GRACE_SECONDS = 5.0
FRAME_BYTES_MAX = 256 * 1024
EVENTS_PER_SECOND, EVENTS_BURST = 200, 1_000
"""A map that is dragged sends an event for each picture that a fast screen draws."""

NOT_REGISTERED, TOO_MANY, TOO_LARGE = 4408, 4429, 1009
CRASHED = b"\x00\x92\x06"
REFERENCE_BYTES = 4

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Wraps what serves a socket; counts what it turned away, by reason.

    `ended_at` is when the last socket ended, in the seconds of `now`.
    """

    def __init__(self, serve: Serve, origins: frozenset[str], now: Callable[[], float]) -> None:
        """Let pages of `origins` in; `now` gives seconds that only grow."""
        self._serve = serve
        self._origins = {one.encode() for one in origins}
        self._now = now
        self.turned_away: Counter[str] = Counter()
        self.ended_at = -1e9

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket, from the handshake to its end."""
        if header(scope, b"origin") not in self._origins:
            self.turned_away["origin"] += 1
            await receive()
            await send({"type": "websocket.close", "code": 403})  # before "accept": HTTP 403
            return
        watch = _Watch(self, receive, send)
        serving = asyncio.ensure_future(self._serve(scope, watch.receive, watch.send))
        ended = asyncio.ensure_future(watch.ended.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done() and watch.is_registered:  # else there is nothing to tidy up
                await asyncio.wait({serving}, timeout=GRACE_SECONDS)
        finally:
            self.ended_at = self._now()
            ended.cancel()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        if not serving.cancelled() and serving.exception() is not None:
            self.turned_away["failed"] += 1
            _log.warning("a socket ended with a fault", exc_info=serving.exception())

    def now(self) -> float:
        """Give the present second."""
        return self._now()


class _Watch:
    """Watches one socket both ways."""

    def __init__(self, guard: Guard, receive: Receive, send: Send) -> None:
        self._guard = guard
        self._receive = receive
        self._send = send
        self.is_registered = False
        self._left = float(EVENTS_BURST)
        self._seen_at = guard.now()
        self.ended = asyncio.Event()

    async def receive(self) -> Message:
        """Give the next frame; a socket that breaks a rule is closed, and looks gone to Flet."""
        if self.ended.is_set():
            await asyncio.Event().wait()  # told once; who reads on waits for the grace to end
        try:
            async with asyncio.timeout(None if self.is_registered else REGISTER_SECONDS):
                message = await self._receive()
        except TimeoutError:
            return await self._close("not_registered", NOT_REGISTERED)
        if message["type"] == "websocket.disconnect":
            self.ended.set()
        elif message["type"] == "websocket.receive":
            data = message.get("bytes") or b""
            if len(data) > FRAME_BYTES_MAX or message.get("text"):
                return await self._close("frame", TOO_LARGE)
            if not self._has_room():
                return await self._close("too_many", TOO_MANY)
            self.is_registered = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a frame on; what tells of a failure says no more than a reference."""
        if self.ended.is_set():
            return
        data = message.get("bytes")
        if data and data.startswith(CRASHED):
            message = {**message, "bytes": self._without_trace(data)}
        await self._send(message)

    def _has_room(self) -> bool:
        """Take one event from those a browser may send: so many a second, and some at once."""
        now = self._guard.now()
        grown = self._left + (now - self._seen_at) * EVENTS_PER_SECOND
        self._left = min(float(EVENTS_BURST), grown) - 1
        self._seen_at = now
        return self._left >= 0

    def _without_trace(self, data: bytes) -> bytes:
        reference = secrets.token_hex(REFERENCE_BYTES)
        self._guard.turned_away["trace"] += 1
        _log.error("the app failed, ref %s: %r", reference, data[:4096])
        said = f"Something went wrong on our side. Ref {reference}"
        # [6, {"message": said}]: a map of one pair, and a text of less than 256 bytes
        return CRASHED + b"\x81\xa7message\xd9" + bytes([len(said)]) + said.encode()

    async def _close(self, reason: str, code: int) -> Message:
        self._guard.turned_away[reason] += 1
        await self._send({"type": "websocket.close", "code": code})
        self.ended.set()
        return {"type": "websocket.disconnect", "code": code}
