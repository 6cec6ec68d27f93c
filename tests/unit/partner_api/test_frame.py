"""The frame around the doors: ids on every answer, and bodies that never end."""

from typing import Any

import anyio
import httpx
import pytest
from litestar import Litestar, Request, post

from partner_api import frame
from partner_api.frame import Frame
from partner_api.problems import answer_failure


@post("/body", status_code=200)
async def read_body(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


def call(chunks, headers=None):
    """Send a body in chunks; None among them is a wait without end."""
    inner = Litestar(
        [read_body],
        exception_handlers={Exception: answer_failure},
        openapi_config=None,
        logging_config=None,
    )
    app: Any = Frame(inner, lambda: "RQ-0123456789ABCDEF")

    async def body():
        for chunk in chunks:
            if chunk is None:
                await anyio.sleep_forever()
            yield chunk

    async def run():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://grid"
        ) as client:
            return await client.post("/body", content=body(), headers=headers or {})

    return anyio.run(run)


def test_every_answer_bears_its_ids():
    answer = call([b"abc"])
    assert answer.text == "3"
    assert answer.headers["request-id"] == "RQ-0123456789ABCDEF"
    assert answer.headers["correlation-id"] == "RQ-0123456789ABCDEF"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("sent", "kept"), [("swap-7", True), ("x" * 65, False), ("a b", False)])
def test_a_correlation_id_is_passed_on_when_it_is_one(sent, kept):
    answer = call([b""], {"Correlation-Id": sent})
    assert (answer.headers["correlation-id"] == sent) == kept


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(frame, "BODY_GRACE_S", 0.05)
    answer = call([b"abc", None])
    assert answer.status_code == 408
    said = answer.json()
    assert (said["code"], said["reference"]) == ("slow_body", "6789ABCDEF")


def test_a_long_body_that_comes_fast_enough_is_read(monkeypatch):
    monkeypatch.setattr(frame, "BODY_GRACE_S", 5)
    assert call([b"x" * 60_000] * 10).text == "600000"
