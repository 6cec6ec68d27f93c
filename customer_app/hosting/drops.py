"""Places where a browser may leave one file: each for one session, once, for some minutes.

A file does not go over the socket, whose frames are small on purpose: the session opens a place,
has the browser send the file there, and waits for it. The name of a place is all that is needed to
use it, so it is long, random, told to one browser only, and good for one file.
"""

import asyncio
import secrets
from collections.abc import Callable
from http import HTTPStatus

from customer_app.hosting.answers import Receive, Scope, Send, answer, header
from customer_app.hosting.headers import EVERYWHERE

PATH = "/app/_files/"
OPEN_MOST = 64
LIFE_S = 300.0
WAIT_S = 120.0


class Drop:
    """One place: `url` for the browser, `content` for the session that opened it."""

    def __init__(self, name: str, most_bytes: int, until: float) -> None:
        """Take one file of at most so many bytes, until a time of the clock."""
        self.url = f"{PATH}{name}"
        self.most_bytes = most_bytes
        self.until = until
        self._arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def arrive(self, content: bytes) -> None:
        """Hand the file over to whoever waits."""
        if not self._arrived.done():
            self._arrived.set_result(content)

    async def content(self) -> bytes | None:
        """Wait for the file; nothing when none came in time."""
        try:
            return await asyncio.wait_for(self._arrived, WAIT_S)
        except TimeoutError:
            return None


class Drops:
    """The places of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Open none yet; `clock` gives seconds that only go forward."""
        self._clock = clock
        self._open: dict[str, Drop] = {}

    def open(self, most_bytes: int) -> Drop:
        """Open a place; when there are too many, the oldest is closed."""
        now = self._clock()
        self._open = {name: drop for name, drop in self._open.items() if drop.until > now}
        while len(self._open) >= OPEN_MOST:
            self._open.pop(next(iter(self._open)))
        name = secrets.token_urlsafe(32)
        self._open[name] = drop = Drop(name, most_bytes, now + LIFE_S)
        return drop

    async def take(
        self, name: str, scope: Scope, receive: Receive, send: Send, origins: frozenset[str]
    ) -> None:
        """Take a file that a browser leaves: 200, or 403, 404, 413 and nothing is kept."""
        headers = [*EVERYWHERE, (b"cache-control", b"no-store")]
        origin = header(scope, b"origin").decode("latin-1")
        if origin not in origins:
            await answer(send, HTTPStatus.FORBIDDEN, headers)
            return
        drop = self._open.pop(name, None)
        if drop is None or drop.until <= self._clock():
            await answer(send, HTTPStatus.NOT_FOUND, headers)
            return
        content = await _read(receive, drop.most_bytes)
        drop.arrive(b"" if content is None else content)
        status = HTTPStatus.OK if content is not None else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        await answer(send, status, headers)


async def _read(receive: Receive, most_bytes: int) -> bytes | None:
    """Read a body; nothing when it is longer than it may be, or breaks off."""
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        found += message.get("body", b"")
        if len(found) > most_bytes:
            return None
        if not message.get("more_body", False):
            return bytes(found)
