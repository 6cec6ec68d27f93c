"""Many drivers at once in one process of the app, each as the bytes that his browser would send.

The clients speak the frames of the app's socket from this process, so the server's processor time
and memory are its own: a frame is a zero byte and msgpack of [action, body].
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgpack
from flet.controls.services.semantics_service import AccessibilityFeatures
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.measure import Row, Scale, note
from tests.support.app_service import app_service

SESSIONS, SECONDS, EVERY_S = 300, 120, 10.0
TAP_P95_MS, SESSION_MB, SESSION_CPU_MS, SESSION_BYTES = 50.0, 0.6, 45.0, 24_000
ROUNDS, PER_ROUND, ROUND_MB = 5, 60, 4.0
EXPIRE_S = 5
WORDS = "Ready now"
FEATURES = {field.name: False for field in dataclasses.fields(AccessibilityFeatures)}
REGISTER, PATCH, EVENT, INVOKE = 1, 2, 3, 5
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Driver:
    """One open session: it answers what the app asks, and taps a filter when told to."""

    def __init__(self, socket: ClientConnection) -> None:
        """Speak over an open socket."""
        self._socket = socket
        self._target = 0
        self._seen = asyncio.Event()
        self.received = 0
        self.is_ready = asyncio.Event()

    async def run(self) -> None:
        """Register, then read until the socket closes."""
        page = {"route": "/", "width": 390, "height": 844, "web": True, "platform": "linux"}
        await self._say(REGISTER, {"session_id": "", "page_name": "app", "page": page})
        async for data in self._socket:
            assert isinstance(data, bytes), "frames are bytes"
            self.received += len(data)
            action, body = msgpack.unpackb(data[1:], strict_map_key=False, ext_hook=_ext)
            self._look(body)
            if action == INVOKE:
                said = {"control_id": body["control_id"], "call_id": body["call_id"]}
                result = FEATURES if body["name"] == "get_accessibility_features" else None
                await self._say(INVOKE, {**said, "result": result, "error": None})
            elif action == PATCH:
                self._seen.set()

    async def tap(self) -> float:
        """Tap the filter; milliseconds until the change comes."""
        self._seen.clear()
        began = time.perf_counter()
        await self._say(EVENT, {"target": self._target, "name": "click", "data": None})
        await asyncio.wait_for(self._seen.wait(), 30)
        return (time.perf_counter() - began) * 1_000

    async def _say(self, action: int, body: dict[str, Any]) -> None:
        await self._socket.send(b"\0" + msgpack.packb([action, body]))

    def _look(self, value: Any) -> None:
        """Remember the newest control that carries the words of the filter."""
        if isinstance(value, dict):
            if WORDS in value.values() and "_i" in value:
                self._target = value["_i"]
                self.is_ready.set()
            for each in value.values():
                self._look(each)
        elif isinstance(value, list):
            for each in value:
                self._look(each)


def _ext(_code: int, data: bytes) -> bytes:
    return data


def load_rows(cache: Path, scale: Scale) -> Iterator[Row]:
    """Measure 300 sessions that act, what one costs, and what is left when many have gone."""
    sessions = scale.of(SESSIONS, least=60)
    seconds = scale.of(SECONDS, least=30)
    note(f"app: {sessions} sessions for {seconds} s")
    with app_service(cache, 24) as (origin, process):
        found = asyncio.run(_act(origin, process.pid, sessions, seconds))
    taps, cpu_ms, megabytes, size = found
    p95 = quantiles(taps, n=20)[-1]
    yield Row(
        f"app, {sessions} sessions, a tap each {EVERY_S:.0f} s: p50 {median(taps):.0f} ms",
        f"p95 {p95:.0f} ms",
        f"{TAP_P95_MS:.0f} ms",
        TAP_P95_MS / p95,
        1.0,
        1.0,
    )
    yield _limit("app, memory of a session", megabytes, SESSION_MB, "MB")
    yield _limit("app, processor time to open a session", cpu_ms, SESSION_CPU_MS, "ms")
    yield _limit("app, bytes to open a session", size / 1_000, SESSION_BYTES / 1_000, "kB")
    yield from _churn_rows(cache, scale)


def _limit(what: str, found: float, most: float, unit: str) -> Row:
    return Row(what, f"{found:.2f} {unit}", f"{most:g} {unit}", most / found, 1.0, 1.0)


async def _act(
    origin: str, pid: int, sessions: int, seconds: int
) -> tuple[list[float], float, float, float]:
    async with asyncio.TaskGroup() as group:
        first = await _open(origin, 5, group)  # what is loaded once belongs to nobody
        base, began = _memory(pid), _processor(pid)
        drivers = await _open(origin, sessions, group)
        await asyncio.sleep(2)
        cpu_ms = (_processor(pid) - began) * 1_000 / sessions
        megabytes = (_memory(pid) - base) / sessions
        size = median(each.received for each in drivers)
        taps: list[float] = []
        await asyncio.gather(
            *(_live(each, place, sessions, seconds, taps) for place, each in enumerate(drivers))
        )
        for each in (*first, *drivers):
            await each._socket.close()  # noqa: SLF001 - the end of its own socket
    return taps, cpu_ms, megabytes, size


async def _open(origin: str, count: int, group: asyncio.TaskGroup) -> list[Driver]:
    drivers = []
    for _ in range(count):
        where = origin.replace("http", "ws") + "/app/ws"
        socket = await connect(where, origin=origin, max_size=None)  # type: ignore[arg-type]
        driver = Driver(socket)
        group.create_task(driver.run())
        await asyncio.wait_for(driver.is_ready.wait(), 30)
        drivers.append(driver)
    return drivers


async def _live(driver: Driver, place: int, sessions: int, seconds: int, taps: list[float]) -> None:
    await asyncio.sleep(EVERY_S * place / sessions)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        taps.append(await driver.tap())
        await asyncio.sleep(EVERY_S)


def _churn_rows(cache: Path, scale: Scale) -> Iterator[Row]:
    """Open and close sessions, round after round, and look what memory stays."""
    rounds = scale.of(ROUNDS, least=3)
    note(f"app: {rounds} rounds of {PER_ROUND} sessions that expire")
    with app_service(cache, 24, expire_s=EXPIRE_S) as (origin, process):
        sizes = [asyncio.run(_round(origin, process.pid)) for _ in range(rounds)]
    said = ", ".join(f"{each:.0f}" for each in sizes)
    grown = max(sizes[-1] - sizes[-2], 0.01)
    yield _limit(f"app, growth of the last round ({said} MB)", grown, ROUND_MB, "MB")


async def _round(origin: str, pid: int) -> float:
    async with asyncio.TaskGroup() as group:
        for driver in await _open(origin, PER_ROUND, group):
            await driver._socket.close()  # noqa: SLF001
    await asyncio.sleep(EXPIRE_S + 17)  # expired sessions are looked for every ten seconds
    return _memory(pid)


def _memory(pid: int) -> float:
    """Give what a process holds, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def _processor(pid: int) -> float:
    """Give the seconds of processor time that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
