"""The guard of the app's socket: whom it lets in, when it closes, what it never lets out."""

import asyncio
import re

import pytest

from customer_app.hosting.guard import (
    CRASHED,
    EVENTS_BURST,
    EVENTS_PER_SECOND,
    FRAME_BYTES_MAX,
    NOT_REGISTERED,
    TOO_LARGE,
    TOO_MANY,
    Guard,
)

ORIGIN = "http://127.0.0.1:8000"


class Socket:
    """A browser's end of a socket, and a clock that a test moves."""

    def __init__(self, *frames, origin=ORIGIN):
        self.scope = {"type": "websocket", "headers": [(b"origin", origin.encode())]}
        self.frames = [{"type": "websocket.connect"}, *frames]
        self.sent = []
        self.at = 0.0

    async def receive(self):
        if self.frames:
            return self.frames.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(self, message):
        self.sent.append(message)

    @property
    def code(self):
        return self.sent[-1].get("code")


def frame(data):
    return {"type": "websocket.receive", "bytes": data}


GONE = {"type": "websocket.disconnect", "code": 1001}


async def listen(_scope, receive, send):
    """Read until the other side is gone."""
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def run(socket, serve=listen):
    guard = Guard(serve, frozenset({ORIGIN}), lambda: socket.at)
    await asyncio.wait_for(guard(socket.scope, socket.receive, socket.send), 5)
    return guard


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", ORIGIN + "0"])
def test_pages_of_others_are_turned_away(origin):
    socket = Socket(origin=origin)
    guard = asyncio.run(run(socket))
    assert socket.sent == [{"type": "websocket.close", "code": 403}]
    assert guard.turned_away == {"origin": 1}


def test_a_socket_that_never_registers_is_closed(monkeypatch):
    monkeypatch.setattr("customer_app.hosting.guard.REGISTER_SECONDS", 0.05)
    socket = Socket()
    guard = asyncio.run(run(socket))
    assert socket.code == NOT_REGISTERED
    assert guard.turned_away == {"not_registered": 1}


def test_a_frame_that_is_too_large_ends_the_socket():
    socket = Socket(frame(b"\0" + b"x" * FRAME_BYTES_MAX))
    asyncio.run(run(socket))
    assert socket.code == TOO_LARGE


def test_text_is_no_frame_of_ours():
    socket = Socket({"type": "websocket.receive", "text": "hello"})
    asyncio.run(run(socket))
    assert socket.code == TOO_LARGE


def test_a_flood_of_events_ends_the_socket():
    socket = Socket(*[frame(b"\0x")] * (EVENTS_BURST + 5))
    guard = asyncio.run(run(socket))
    assert socket.code == TOO_MANY
    assert guard.turned_away == {"too_many": 1}
    assert len(socket.frames) == 5 - 1


def test_events_at_a_human_pace_never_end_it():
    class Ticking(Socket):
        async def receive(self):
            self.at += 1 / EVENTS_PER_SECOND
            return await super().receive()

    socket = Ticking(*[frame(b"\0x")] * (3 * EVENTS_BURST), GONE)
    guard = asyncio.run(run(socket))
    assert [one["type"] for one in socket.sent] == ["websocket.accept"]
    assert not guard.turned_away


def test_a_traceback_never_reaches_the_browser():
    secret = b'\x00\x92\x06\x81\xa7message\xd9\x40Traceback File "/srv/app.py" password'

    async def fail(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": secret})
        await listen(scope, receive, send)

    socket = Socket(GONE)
    guard = asyncio.run(run(socket, fail))
    data = socket.sent[1]["bytes"]
    assert data.startswith(CRASHED)
    assert b"Ref " in data
    assert not re.search(rb"Traceback|srv|password", data)
    assert guard.turned_away == {"trace": 1}


def test_a_session_that_hangs_after_its_browser_left_is_ended(monkeypatch):
    monkeypatch.setattr("customer_app.hosting.guard.GRACE_SECONDS", 0.05)
    ended = []

    async def hang(_scope, receive, _send):
        try:
            while True:
                await receive()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    asyncio.run(run(Socket(GONE), hang))
    assert ended == [True]


def test_a_fault_of_the_session_ends_only_that_session():
    async def fail(_scope, _receive, _send):
        raise RuntimeError("broken")

    guard = asyncio.run(run(Socket(), fail))
    assert guard.turned_away == {"failed": 1}


def test_nothing_is_sent_after_the_end():
    async def late(_scope, receive, send):
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await send({"type": "websocket.send", "bytes": b"late"})

    socket = Socket(GONE)
    asyncio.run(run(socket, late))
    assert socket.sent == []
