"""A driver door in memory, for view models, screens and demonstrations without a ledger.

It speaks HTTP through `httpx.MockTransport`, so that the real transport and the real decoder work
on every answer. Commands with a key that came before get their first answer again; failures of any
kind can be planned for the next call of a route; everything that was asked is kept in `asked`.
"""

import base64
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from customer_app.api.calls import PREFIX
from customer_app.api.client import ApiClient
from customer_app.api.http import Transport

Json = dict[str, Any]
Work = Callable[[Json, str], Json]
Teller = Callable[[Json, dict[str, str]], Json]
"""Carries out a command: takes its body and the id in its path, gives the answer."""

# one white pixel: enough where no camera looks
PNG = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that reached the door."""

    method: str
    path: str
    body: Json
    key: str
    query: dict[str, str]


@dataclass
class Failure:
    """What the door answers instead: a problem, or (status 0) silence of some kind."""

    status: int = 0
    code: str = ""
    facts: dict[str, str | int] = field(default_factory=dict)
    silence: str = "offline"  # offline, timeout, or lost: carried out, but the answer is lost
    body: bytes | None = None
    retry_after_s: int | None = None
    reference: str = "REF4567890"


class FakeDoor:
    """Answers what was put into it.

    `things` are the answers of GETs by path below the door, `works` the commands by a pattern of
    their path with one group for the id, `tellers` what a query makes of the answer of a path.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.things: dict[str, Any] = {}
        self.works: dict[str, Work] = {}
        self.tellers: dict[str, Teller] = {}
        self.asked: list[Asked] = []
        self.is_signed_in = True
        self._failures: dict[str, deque[Failure]] = defaultdict(deque)
        self._answers: dict[str, tuple[int, bytes]] = {}
        self.versions: dict[str, int] = defaultdict(int)
        self.position = 100

    # What a test says --------------------------------------------------------------------------

    def fail(self, route: str, failure: Failure, times: int = 1) -> None:
        """Plan failures of a route such as `POST /bookings`."""
        self._failures[route].extend([failure] * times)

    def count(self, route: str) -> int:
        """Say how often a route was asked."""
        return sum(f"{each.method} {each.path}" == route for each in self.asked)

    def keys(self, route: str) -> list[str]:
        """Give the keys with which a route was asked, in order."""
        return [each.key for each in self.asked if f"{each.method} {each.path}" == route]

    def client(self) -> ApiClient:
        """Make a client of this door that never waits."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer), base_url="http://door")
        return ApiClient(Transport(http, pause=_at_once, share=lambda: 0.5))

    # HTTP ----------------------------------------------------------------------------------------

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.raw_path.decode().split("?")[0].removeprefix(PREFIX)
        body: Json = {}
        if request.headers.get("content-type", "").startswith("application/json"):
            body = json.loads(request.content)
        key = request.headers.get("idempotency-key", "")
        query = dict(request.url.params)
        self.asked.append(Asked(request.method, path, body, key, query))
        failing = self._failures[f"{request.method} {path}"]
        failure = failing.popleft() if failing else None
        if failure is not None and failure.status:
            return self._problem(failure)
        if failure is not None and failure.body is not None:
            return httpx.Response(200, content=failure.body)
        if failure is not None and failure.silence == "offline":
            raise httpx.ConnectError("no connection", request=request)
        if failure is not None and failure.silence == "timeout":
            raise httpx.ReadTimeout("no answer", request=request)
        response = self._done(request, path, body, key)
        if failure is not None:  # lost on its way back
            raise httpx.ReadError("connection reset", request=request)
        return response

    def _done(self, request: httpx.Request, path: str, body: Json, key: str) -> httpx.Response:
        if request.method == "GET":
            return self._read(path)
        seen = f"{path} {key}"
        if key and seen in self._answers:
            status, content = self._answers[seen]
            return httpx.Response(status, content=content, headers=self._headers(path))
        for pattern, work in self.works.items():
            method, _, where = pattern.partition(" ")
            found = re.fullmatch(where, path)
            if method == request.method and found:
                self.position += 1
                self.versions[path] += 1
                try:
                    done = work(body, found.group(1) if found.groups() else "")
                except Turned as turned:
                    response = self._problem(turned.failure)
                    self._answers[seen] = (response.status_code, response.content)
                    return response
                content = json.dumps(done).encode()
                status = 204 if request.method == "DELETE" else 200
                self._answers[seen] = (status, content)
                content = b"" if status == 204 else content  # noqa: PLR2004
                return httpx.Response(status, content=content, headers=self._headers(path))
        return self._problem(Failure(404, "not_found"))

    def _read(self, path: str) -> httpx.Response:
        found = self.things.get(path)
        if callable(found):
            found = found()
        if found is None:
            return self._problem(Failure(404, "not_found"))
        if path in self.tellers:
            found = self.tellers[path](found, self.asked[-1].query)
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        return httpx.Response(200, content=content, headers=self._headers(path))

    def _headers(self, path: str) -> dict[str, str]:
        return {
            "Ledger-Position": str(self.position),
            "ETag": f'"{self.versions[path]}"',
            "Request-Id": "request-of-the-fake",
        }

    @staticmethod
    def _problem(failure: Failure) -> httpx.Response:
        problem = {
            "type": f"/problems/{failure.code}",
            "title": "The rules say no",
            "status": failure.status,
            "detail": "",
            "instance": "/driver/v1",
            "code": failure.code,
            "reference": failure.reference,
            "facts": failure.facts,
        }
        headers = {"Content-Type": "application/problem+json"}
        if failure.retry_after_s is not None:
            headers["Retry-After"] = str(failure.retry_after_s)
        return httpx.Response(failure.status, content=json.dumps(problem), headers=headers)


class Turned(Exception):
    """A command that the rules of the fake turn down; stored like an answer."""

    def __init__(self, status: int, code: str, **facts: str | int) -> None:
        """Say the status, the code and the facts."""
        super().__init__(code)
        self.failure = Failure(status, code, facts)


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""
