"""The app as plain ASGI under its own prefix: pages, runtime, tiles, and the guarded socket.

Flet serves nothing but the socket: every file comes from here, so that each has the headers, the
packing and the life that suit it. Sessions live in the memory of this process.
"""

import asyncio
import gc
import logging
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import flet as ft
from flet.controls.types import RouteUrlStrategy
from flet_web import fastapi as flet_server

from customer_app.hosting import fonts, tiles
from customer_app.hosting.answers import Receive, Scope, Send, answer, answer_file, header
from customer_app.hosting.drops import Drops
from customer_app.hosting.guard import Guard
from customer_app.hosting.headers import DAY, EVERYWHERE, FOREVER, Headers, page_headers
from customer_app.hosting.runtime import WEB, Runtime, media_type
from customer_app.session import HANDSHAKE, Handshake

_log = logging.getLogger(__name__)

PREFIX = "/app"
DROPPED = "_files/"
COOKIES = ("__Host-mg_session", "mg_session")
SESSION_SECONDS = 300
_TILE = re.compile(r"(light|dark)/(\d{1,2})/(\d{1,6})/(\d{1,6})\.png")
_GC = (1_000, 20, 1_000)
"""Short looks of the collector: what a tap leaves is found by the first, while it is little.

With Python's own numbers, or with few looks at 50,000 objects, one takes 0.4 s at 300 sessions.
"""
COLLECT_SECONDS = 60.0
"""How often what ended sessions left is collected, while there are any: half a megabyte each."""

OFFLINE = "offline.html"
OWN_FILES = {
    "link.js": "text/javascript",
    "sw.js": "text/javascript",
    "manifest.json": "application/manifest+json",
    "icons/icon.svg": "image/svg+xml",
    "icons/icon-192.png": "image/png",
    "icons/icon-512.png": "image/png",
}


@dataclass(frozen=True)
class HostSettings:
    """How the app is served.

    `origin` is where browsers reach it, such as `https://app.example`; `origins` are more that may
    open its socket; `cache` is a folder for packed files; `collect_s` are the seconds between two
    collections of what ended sessions left.
    """

    origin: str
    cache: Path
    origins: frozenset[str] = frozenset()
    collect_s: float = COLLECT_SECONDS


class AppHost:
    """The app, ready to be mounted at `/app`; `startup` before the first request, `shutdown` last.

    Raises `OSError` when the folder for packed files cannot be made.
    """

    def __init__(
        self,
        main: Callable[[ft.Page], Awaitable[None]],
        settings: HostSettings,
        drops: Drops | None = None,
    ) -> None:
        """Serve sessions of `main`, whose browsers leave their files in `drops`."""
        self._settings = settings
        self.runtime = Runtime(settings.cache)
        self.drops = Drops(time.monotonic) if drops is None else drops
        self._own = {name: _read(WEB / name) for name in OWN_FILES}
        self._own["sw.js"] = self._own["sw.js"].replace(b"{version}", self._offline_version())
        flet_app = flet_server.app(
            main,
            no_cdn=True,
            route_url_strategy=RouteUrlStrategy.PATH,
            session_timeout_seconds=SESSION_SECONDS,
        )
        self.guard = Guard(
            _with_handshake(flet_app), settings.origins | {settings.origin}, time.monotonic
        )
        self._pages = {name: self._make_page(name) for name in ("index.html", OFFLINE)}
        self._collecting: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Begin to let expired sessions go."""
        await flet_server.app_manager.start()
        if not self.runtime.is_small:
            _log.info("the client is not packed for the air: see mobilegrid app-runtime")
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC)
        self._collecting = asyncio.create_task(self._collect())

    async def shutdown(self) -> None:
        """Let everything go."""
        if self._collecting is not None:
            self._collecting.cancel()
        with suppress(asyncio.CancelledError):
            await flet_server.app_manager.shutdown()

    async def _collect(self) -> None:
        """Collect what sessions leave when they expire, some minutes after their sockets ended."""
        while True:
            await asyncio.sleep(self._settings.collect_s)
            if time.monotonic() - self.guard.ended_at < SESSION_SECONDS + 2 * COLLECT_SECONDS:
                gc.collect()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket; its path begins with `/app`."""
        path = unquote(scope.get("raw_path", scope["path"].encode()).partition(b"?")[0].decode())
        name = path.removeprefix(PREFIX).lstrip("/")
        if scope["type"] == "websocket":
            if name == "ws":
                await self.guard({**scope, "path": path, "root_path": PREFIX}, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 404})
            return
        if scope["method"] in ("PUT", "POST") and name.startswith(DROPPED):
            origins = self._settings.origins | {self._settings.origin}
            await self.drops.take(name.removeprefix(DROPPED), scope, receive, send, origins)
            return
        if scope["method"] not in ("GET", "HEAD"):
            allow = [*EVERYWHERE, (b"allow", b"GET, HEAD")]
            await answer(send, HTTPStatus.METHOD_NOT_ALLOWED, allow)
            return
        await self._file(name, scope, send)

    async def _file(self, name: str, scope: Scope, send: Send) -> None:
        runtime = f"_rt/{self.runtime.version}/"
        if name == "_health":
            headers = [*EVERYWHERE, (b"cache-control", b"no-store")]
            await answer(send, HTTPStatus.NO_CONTENT, headers)
        elif name.startswith(runtime):
            await self._runtime_file(name.removeprefix(runtime), scope, send)
        elif name.startswith("_tiles/"):
            await _tile(name.removeprefix("_tiles/"), scope, send)
        elif name == OFFLINE:
            await self._shown(name, scope, send)
        elif name in OWN_FILES:
            headers = _file_headers(OWN_FILES[name].encode(), self._own[name], b"no-cache")
            await answer_file(scope, send, self._own[name], headers)
        elif name.startswith("_") or re.search(r"\.\w{1,8}$", name):
            await _not_found(send)  # a file that is none; the client's routes have no such endings
        else:
            await self._shown("index.html", scope, send)

    async def _shown(self, name: str, scope: Scope, send: Send) -> None:
        page = self._pages[name]
        own = _file_headers(b"text/html; charset=utf-8", page, b"no-cache")
        headers = [*own, *page_headers(self._settings.origin)]
        await answer_file(scope, send, page, _once(headers))

    async def _runtime_file(self, name: str, scope: Scope, send: Send) -> None:
        if name.startswith("fallback/"):
            found = fonts.font_slice(name.removeprefix("fallback/"))
            if found is None:
                await _not_found(send)
                return
            headers = _file_headers(b"font/woff2", found, FOREVER)
            await answer_file(scope, send, found, headers)
            return
        if name not in self.runtime.names:
            await _not_found(send)
            return
        accepted = header(scope, b"accept-encoding").decode("latin-1")
        data, packing = await asyncio.to_thread(self.runtime.get, name, accepted)
        headers = _file_headers(media_type(name), data, FOREVER)
        headers.append((b"vary", b"accept-encoding"))
        if packing:
            headers.append((b"content-encoding", packing.encode()))
        await answer_file(scope, send, data, headers)

    def _offline_version(self) -> bytes:
        """Name what the service worker keeps, so that browsers take what has changed."""
        kept = self._own["link.js"] + _read(WEB / OFFLINE)
        return sha256(kept).hexdigest()[:8].encode()

    def _make_page(self, name: str) -> bytes:
        text = (WEB / name).read_text(encoding="utf-8")
        values = {
            "{base}": f"{PREFIX}/",
            "{runtime}": f"{PREFIX}/_rt/{self.runtime.version}/",
            "{socket}": f"{PREFIX}/ws",
        }
        for mark, value in values.items():
            text = text.replace(mark, value)
        return text.encode()


def _with_handshake(flet_app: Any) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Tell the session who opens the socket, which Flet does not."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        shaken = handshake_of(scope)
        HANDSHAKE.set(shaken)
        await flet_app(_as_somebody(scope, shaken), receive, send)

    return serve


def _as_somebody(scope: Scope, shaken: Handshake) -> Scope:
    """Let Flet tell drivers apart: it takes a session up again by address and user agent alone.

    It sends the old page before it asks whose socket this is, so a tab in which somebody else has
    signed in would see that page once.
    """
    mark = sha256(shaken.session_cookie.encode()).hexdigest()[:16].encode()
    agent = header(scope, b"user-agent") + b" " + mark
    others = [(name, value) for name, value in scope["headers"] if name != b"user-agent"]
    return {**scope, "headers": [*others, (b"user-agent", agent)]}


def handshake_of(scope: Scope) -> Handshake:
    """Read from a socket's handshake what a session needs to know."""
    client = scope.get("client")
    return Handshake(
        session_cookie=_session_cookie(header(scope, b"cookie").decode("latin-1")),
        accept_language=header(scope, b"accept-language").decode("latin-1"),
        address=client[0] if client else "",
        origin=header(scope, b"origin").decode("latin-1"),
    )


def _session_cookie(text: str) -> str:
    """Give our cookie as the browser sent it, `name=value`; "" when there is none."""
    try:
        found = SimpleCookie(text)
    except CookieError:
        return ""
    for name in COOKIES:
        if name in found:
            return f"{name}={found[name].value}"
    return ""


async def _tile(name: str, scope: Scope, send: Send) -> None:
    found = _TILE.fullmatch(name)
    if found is None or not tiles.has_tile(found[1], *map(int, found.groups()[1:])):
        await _not_found(send)
        return
    zoom, x, y = map(int, found.groups()[1:])
    data = await asyncio.to_thread(tiles.tile, found[1], zoom, x, y)
    await answer_file(scope, send, data, _file_headers(b"image/png", data, DAY))


def _file_headers(kind: bytes, data: bytes, life: bytes) -> Headers:
    tag = b'"' + sha256(data).hexdigest()[:32].encode() + b'"'
    return [*EVERYWHERE, (b"content-type", kind), (b"etag", tag), (b"cache-control", life)]


def _once(headers: Headers) -> Headers:
    """Leave each header once, as it was given last."""
    return list(dict(headers).items())


async def _not_found(send: Send) -> None:
    headers = [*EVERYWHERE, (b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    await answer(send, HTTPStatus.NOT_FOUND, headers, b"not found\n")


def _read(path: Path) -> bytes:
    return path.read_bytes()
