"""How requests travel: tries, keys, positions, sizes, and what becomes of every failure."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from customer_app.api.errors import ApiError, Kind, kind_of, read_problem, retry_after, text_keys
from customer_app.api.http import Answer, Ask, Transport

Step = httpx.Response | Exception
PROBLEM = {
    "type": "/problems/no_pack_ready",
    "title": "No pack",
    "status": 409,
    "detail": "taken",
    "instance": "/x",
    "code": "no_pack_ready",
    "reference": "K3R7TQ2M9A",
    "fields": [{"path": "arrive_at", "reason": "is past"}, "nonsense"],
    "facts": {"station": "Park", "n": 2, "odd": [1]},
}


class Door:
    """Answers what was planned, in order, and keeps what was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def transport(self) -> Transport:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer), base_url="http://d")
        return Transport(http, {"Cookie": "c=secret"}, pause=self.pause, share=lambda: 0.5)


def ok(body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, json=body or {}, headers=named)


def problem(status: int, code: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"code": code}, headers=named)


def get(door: Door) -> Answer:
    return asyncio.run(door.transport().get("/x"))


def failure(door: Door, work: Callable[[Transport], Any] | None = None) -> ApiError:
    transport = door.transport()
    with pytest.raises(ApiError) as caught:
        asyncio.run((work or (lambda t: t.get("/x")))(transport))
    return caught.value


@pytest.mark.parametrize(
    ("step", "tries", "kind"),
    [
        (httpx.ConnectError("no"), 4, Kind.OFFLINE),
        (httpx.ConnectTimeout("no"), 4, Kind.OFFLINE),
        (httpx.ReadTimeout("slow"), 1, Kind.TIMEOUT),
        (httpx.ReadError("reset"), 1, Kind.OFFLINE),
        (httpx.RemoteProtocolError("garbage"), 1, Kind.OFFLINE),
        (problem(400), 1, Kind.INVALID),
        (problem(401), 1, Kind.UNAUTHORISED),
        (problem(402), 1, Kind.PAYMENT),
        (problem(403), 1, Kind.FORBIDDEN),
        (problem(404), 1, Kind.NOT_FOUND),
        (problem(409), 1, Kind.CONFLICT),
        (problem(412), 1, Kind.CONFLICT),
        (problem(418), 1, Kind.INVALID),
        (problem(422), 1, Kind.INVALID),
        (problem(429), 1, Kind.TOO_MANY),
        (problem(500), 1, Kind.SERVER),
        (problem(502), 4, Kind.SERVER),
        (problem(503), 4, Kind.SERVER),
        (problem(504), 4, Kind.SERVER),
    ],
)
def test_what_is_tried_again_and_what_becomes_of_it(step: Step, tries: int, kind: Kind) -> None:
    door = Door(*[step] * 4)
    error = failure(door)
    assert (len(door.asked), error.kind) == (tries, kind)
    assert door.pauses == [0.3, 0.9, 2.7][: tries - 1]


def test_a_second_try_may_succeed() -> None:
    door = Door(problem(503), ok({"a": 1}))
    assert get(door).json() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "wait", "pauses"),
    [(429, "2", [2.0]), (503, "0", [0.0]), (429, "60", []), (503, "60", []), (429, "soon", [])],
)
def test_what_the_door_asks_us_to_wait_is_waited_unless_it_is_long(
    status: int, wait: str, pauses: list[float]
) -> None:
    door = Door(problem(status, Retry_After=wait), ok())
    if pauses:
        get(door)
    else:
        error = failure(door)
        assert error.retry_after_s == (60 if wait == "60" else None)
    assert door.pauses == pauses


def test_a_command_still_in_flight_is_waited_for_with_the_same_key_and_body() -> None:
    door = Door(problem(409, "command_in_flight", Retry_After="1"), ok({"id": "b"}))
    asyncio.run(door.transport().command("/bookings", {"a": "b"}, "key-1"))
    assert door.pauses == [1.0]
    assert [r.headers["idempotency-key"] for r in door.asked] == ["key-1"] * 2
    assert [r.content for r in door.asked] == [b'{"a":"b"}'] * 2


def test_a_command_without_a_key_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="key of its intention"):
        asyncio.run(Door().transport().command("/bookings", {}, ""))


def test_reads_after_a_write_ask_for_its_position() -> None:
    door = Door(
        ok(),
        ok(Ledger_Position="7"),
        ok(Ledger_Position="5"),
        ok(Ledger_Position="x"),
        ok(Ledger_Position="99"),
        ok(),
    )

    async def run() -> None:
        transport = door.transport()
        await transport.get("/x")
        for _ in range(3):
            await transport.command("/y", {}, "k")
        await transport.get("/x")
        await transport.get("/x")

    asyncio.run(run())
    asked = [request.headers.get("ledger-min-position") for request in door.asked]
    assert asked == [None, None, None, None, "7", "7"]


def test_versions_travel_as_etags() -> None:
    door = Door(ok(ETag='"3"'), httpx.Response(304), ok())

    async def run() -> tuple[Answer, Answer]:
        transport = door.transport()
        first = await transport.get("/x")
        second = await transport.get("/x", etag=first.etag)
        await transport.change("/x", {"a": 1}, first.etag)
        return first, second

    first, second = asyncio.run(run())
    assert (first.is_unchanged, second.is_unchanged) == (False, True)
    assert door.asked[1].headers["if-none-match"] == '"3"'
    assert door.asked[2].headers["if-match"] == '"3"'


def test_a_file_travels_as_it_is_and_a_removal_needs_no_body() -> None:
    door = Door(ok(), ok())

    async def run() -> None:
        transport = door.transport()
        await transport.send(Ask("POST", "/f", raw=b"\x00", headers={"Content-Type": "image/png"}))
        await transport.delete("/d")

    asyncio.run(run())
    assert door.asked[0].content == b"\x00"
    assert door.asked[0].headers["content-type"] == "image/png"
    assert (door.asked[1].method, door.asked[1].content) == ("DELETE", b"")


@pytest.mark.parametrize("extra", [0, 1])
def test_an_answer_may_be_as_long_as_the_limit_and_no_longer(extra: int) -> None:
    body = b'"' + b"x" * (256 * 1024 - 2 + extra) + b'"'
    door = Door(httpx.Response(200, content=body))
    if extra:
        assert failure(door).kind is Kind.MALFORMED
    else:
        assert len(get(door).body) == len(body)
    door = Door(httpx.Response(200, content=body))
    asyncio.run(door.transport().file("/f", most_bytes=2**20))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_object_is_malformed(body: bytes) -> None:
    answer = get(Door(httpx.Response(200, content=body, headers={"correlation-id": "c-1"})))
    with pytest.raises(ApiError) as caught:
        answer.json()
    assert (caught.value.kind, caught.value.reference) == (Kind.MALFORMED, "c-1")


def test_a_problem_is_read_with_its_reference_facts_and_fields() -> None:
    error = read_problem(409, json.dumps(PROBLEM).encode(), {})
    assert (error.kind, error.code, error.reference) == (
        Kind.CONFLICT,
        "no_pack_ready",
        "K3R7TQ2M9A",
    )
    assert error.shown_reference == "R7TQ2M9A"
    assert error.facts == {"station": "Park", "n": 2}
    assert error.fields == (("arrive_at", "is past"),)
    assert text_keys(error) == ("refused.no_pack_ready", "kind.conflict.text")
    assert (error.is_refusal, error.is_unanswered) == (True, False)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": 7, "facts": 1, "fields": 2}'])
def test_a_failure_that_is_no_problem_document_still_has_its_kind(body: bytes) -> None:
    error = read_problem(503, body, {"correlation-id": "c-2", "retry-after": "9999999"})
    assert (error.kind, error.code, error.reference) == (Kind.SERVER, "", "c-2")
    assert error.retry_after_s == 3600
    assert error.is_unanswered
    assert text_keys(error) == ("kind.server.text",)


def test_the_credential_is_in_no_repr_and_no_error() -> None:
    door = Door(problem(500), ok())
    assert "secret" not in repr(failure(door))
    assert "secret" not in repr(get(door))


def test_small_readers() -> None:
    assert retry_after({}) is None
    assert retry_after({"retry-after": "٣"}) is None
    assert kind_of(599) is Kind.SERVER
