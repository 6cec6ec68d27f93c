"""How requests travel: time limits, tries, keys, positions and sizes; no knowledge of routes.

One `Transport` serves one session. Commands carry the key of their intention, so that sending one
again is safe; reads that follow a write ask for at least its position.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from customer_app.api.errors import ApiError, Kind, malformed, read_problem, retry_after

CONNECT_S = 3.0
READ_S = 10.0
LIMITS = httpx.Timeout(READ_S, connect=CONNECT_S)
WAITS_S = (0.3, 0.9, 2.7)
PATIENCE_S = 5  # a longer Retry-After is shown to the driver instead
ANSWER_BYTES = 256 * 1024
_AGAIN = {502, 503, 504}
_TOO_MANY = 429
_CONFLICT = 409
_NOT_MODIFIED = 304

Query = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def etag(self) -> str:
        """The version of what was read, for `If-Match`; empty when the door gave none."""
        return self.headers.get("etag", "")

    @property
    def is_unchanged(self) -> bool:
        """Whether the door said that what we have is still right."""
        return self.status == _NOT_MODIFIED

    def json(self) -> dict[str, Any]:
        """Read the body as one JSON object.

        Raises:
            ApiError: `malformed`, when it is anything else; the app then asks to be reloaded.
        """
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            raise malformed("the answer is no JSON", self._reference) from None
        if not isinstance(read, dict):
            raise malformed("the answer is no object", self._reference)
        return read

    @property
    def _reference(self) -> str:
        return self.headers.get("correlation-id", "")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, before it is sent."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: object = None  # becomes JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True
    answer_bytes: int = ANSWER_BYTES
    raw: bytes | None = field(default=None, repr=False)  # a file instead of JSON


def jitter() -> float:
    """Give a random share between 0 and 1, so that a thousand phones do not come back at once."""
    return secrets.randbelow(1000) / 1000


class Transport:
    """Sends requests of one session and gives answers, or raises `ApiError`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        headers: Mapping[str, str] | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        share: Callable[[], float] = jitter,
    ) -> None:
        """Send through a client; `headers` hold the credential and are never shown or logged."""
        self._http = http
        self._headers = dict(headers or {})
        self._pause = pause
        self._share = share
        self.position = -1  # of the last write of this session

    async def get(self, path: str, query: Query | None = None, *, etag: str = "") -> Answer:
        """Read; an `etag` of what we have may be answered with "unchanged"."""
        headers = {"If-None-Match": etag} if etag else {}
        return await self.send(Ask("GET", path, query or {}, headers=headers))

    async def file(self, path: str, query: Query | None = None, *, most_bytes: int) -> Answer:
        """Read a file that may be larger than an ordinary answer."""
        return await self.send(Ask("GET", path, query or {}, answer_bytes=most_bytes))

    async def command(self, path: str, body: object, key: str) -> Answer:
        """Carry out one intention; `key` is made once for it and sent again with every try."""
        if not key:
            raise ValueError("a command needs the key of its intention")
        return await self.send(Ask("POST", path, body=body, headers={"Idempotency-Key": key}))

    async def change(self, path: str, body: object, etag: str) -> Answer:
        """Change a setting that is still as it was when it was read."""
        return await self.send(Ask("PATCH", path, body=body, headers={"If-Match": etag}))

    async def delete(self, path: str) -> Answer:
        """Remove something; removing it twice is the same."""
        return await self.send(Ask("DELETE", path))

    async def close(self) -> None:
        """Let go of the connections; part of the end of a session."""
        await self._http.aclose()

    async def send(self, ask: Ask) -> Answer:
        """Send a request, again where that is safe, and give its answer.

        Raises:
            ApiError: whatever else came; see its kinds.
        """
        waits = list(WAITS_S) if ask.is_repeatable else []
        while True:
            try:
                return await self._once(ask)
            except ApiError as error:
                wait = self._wait_before_next(error, waits)
                if wait is None:
                    raise
                await self._pause(wait)

    def _wait_before_next(self, error: ApiError, waits: list[float]) -> float | None:
        in_flight = error.status == _CONFLICT and error.code == "command_in_flight"
        unheard = error.kind is Kind.OFFLINE and not error.code
        asked = error.status in _AGAIN or error.status == _TOO_MANY or in_flight
        if not waits or not (unheard or asked):
            return None
        pause = waits.pop(0)
        if error.retry_after_s is not None:
            return float(error.retry_after_s) if error.retry_after_s <= PATIENCE_S else None
        if error.status == _TOO_MANY:
            return None
        return pause * (0.5 + self._share())

    async def _once(self, ask: Ask) -> Answer:
        try:
            async with self._http.stream(
                ask.method,
                ask.path,
                params=dict(ask.query),
                content=self._content(ask),
                headers=self._headers_of(ask),
                timeout=LIMITS,
            ) as response:
                body = await self._read(response, ask.answer_bytes)
        except httpx.ConnectTimeout:
            raise ApiError(Kind.OFFLINE) from None
        except httpx.TimeoutException:
            raise ApiError(Kind.TIMEOUT) from None
        except httpx.ConnectError:
            raise ApiError(Kind.OFFLINE) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError):
            # sent, perhaps heard: only the caller knows whether another try is safe
            raise ApiError(Kind.OFFLINE, code="connection_lost") from None
        headers = response.headers
        if response.is_success or response.status_code == _NOT_MODIFIED:
            if ask.method != "GET":
                self._note_position(headers.get("ledger-position", ""))
            return Answer(response.status_code, body, headers)
        error = read_problem(response.status_code, body, headers)
        error.retry_after_s = retry_after(headers)
        raise error

    def _headers_of(self, ask: Ask) -> dict[str, str]:
        headers = {"Accept": "application/json, application/problem+json", **self._headers}
        if ask.method == "GET" and self.position >= 0:
            headers["Ledger-Min-Position"] = str(self.position)
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
        return {**headers, **ask.headers}

    @staticmethod
    def _content(ask: Ask) -> bytes | None:
        if ask.raw is not None:
            return ask.raw
        if ask.body is None:
            return None
        return json.dumps(ask.body, ensure_ascii=False, separators=(",", ":")).encode()

    @staticmethod
    async def _read(response: httpx.Response, most: int) -> bytes:
        read = bytearray()
        async for part in response.aiter_bytes():
            read += part
            if len(read) > most:
                raise malformed(f"the answer is longer than {most} bytes")
        return bytes(read)

    def _note_position(self, text: str) -> None:
        if text.isascii() and text.isdigit():
            self.position = max(self.position, int(text))
