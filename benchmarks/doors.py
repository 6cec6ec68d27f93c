"""The doors over loopback: one server process, one client on keep-alive connections.

Goals: an auditor's history of a pack with about 200 entries, p99 under 10 ms with its trace
durable; 2,000 tiles a second from one core. Tiles are read in two ways: the same few again and
again, as proofs do, which the process remembers, and each one once, as a mirror does.

The machine's other work disturbs rates by the clock, so tiles are also counted by the processor
time that the server took.
"""

import os
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.fleet import build, check, fresh_url, moves
from benchmarks.measure import Row, Scale, note, number, settle
from ledger.kernel.instants import SECOND
from ledger.runtime import proving
from ledger.runtime.ledger import Ledger
from ledger.tlog.note import Ed25519Signer, format_vkey
from ledger.tlog.tiles import Tile, tiles_of
from mobilegrid import serving, wiring
from mobilegrid.settings import LedgerSettings, Settings
from partner_api.auth import SIGN_IN_PATH
from partner_api.clients import key_id
from partner_api.settings import Settings as DoorSettings

ENTRIES = 100_000
ENTRIES_OF_A_PACK = 200
HISTORIES = 400
WARM_UP = 20
TILES = 6_000
CONNECTIONS = 8
P99_MS_MAX = 10.0
TILES_MIN = 2_000
SEED = bytes(32)
ORIGIN = "log.example.net/log/bench"


def rows(server: str, scale: Scale, entries: int = ENTRIES) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    note(f"doors: {name}, {entries:,} entries")
    url = fresh_url(server)
    packs = max(entries // ENTRIES_OF_A_PACK, 1)
    with build(url, packs) as ledger:
        stream = moves(packs)
        for _ in range(entries // 256):
            check(ledger.execute_all(list(islice(stream, 256))))
        size = _signed(ledger)
    settle()
    with served(url) as port:
        yield from _history_rows(f"{name}, {number(size)} entries", port, scale, packs)
        yield from _tile_rows(name, port, scale, size)


def _signed(ledger: Ledger) -> int:
    proving.sign_checkpoint(ledger, Ed25519Signer(ORIGIN, SEED), wiring.CLOCK.now())
    with ledger.reading() as reads:
        return reads.size


# Measuring --------------------------------------------------------------------


def _history_rows(name: str, port: int, scale: Scale, packs: int) -> Iterator[Row]:
    bearer = sign_in(port)
    times, busy = [], 0.0
    with Client(port, 1, f"Authorization: Bearer {bearer}\r\n") as client:
        for step in range(WARM_UP + scale.of(HISTORIES, least=100)):
            if step == WARM_UP:
                busy = _processor_s(port)
            path = f"/auditor/v1/packs/PK-{step * 7_919 % packs}/history?limit=200"
            start = perf_counter()
            client.together([path])
            times.append((perf_counter() - start) * 1e3)
        busy = (_processor_s(port) - busy) * 1e3 / (len(times) - WARM_UP)
    times = times[WARM_UP:]
    p99 = quantiles(times, n=100)[98]
    what = f"{name}: history of a pack over HTTP, p99"
    yield Row(f"{name}: the same, median", f"{median(times):.1f} ms")
    yield Row(f"{name}: the same, the server's processor time", f"{busy:.1f} ms")
    yield Row(what, f"{p99:.1f} ms", f"{P99_MS_MAX:.0f} ms", P99_MS_MAX / p99, 1.0)


def _tile_rows(name: str, port: int, scale: Scale, size: int) -> Iterator[Row]:
    full = [tile for tile in tiles_of(size) if tile.width == 256]  # noqa: PLR2004 - a full tile
    again = full[-64:]
    for what, tiles in (("the same few", again), ("each once", full)):
        rate, per_cpu = _tiles(port, tiles, scale.of(TILES) if tiles is again else len(tiles))
        said = f"{name}: tiles over HTTP, {what}"
        yield Row(f"{said}, by the clock", f"{number(rate)}/s")
        goal = f"{number(TILES_MIN)}/s"
        ratio = per_cpu / TILES_MIN
        yield Row(f"{said}, by the server's processor", f"{number(per_cpu)}/s", goal, ratio, 1.0)


def _tiles(port: int, tiles: list[Tile], count: int) -> tuple[float, float]:
    """Give tiles in a second, and in a second of the server's processor time."""
    paths = [f"/log/bench/{tiles[at % len(tiles)].path}" for at in range(count)]
    with Client(port, CONNECTIONS) as client:
        client.together(paths[:CONNECTIONS])
        began, busy = perf_counter(), _processor_s(port)
        for first in range(0, count, CONNECTIONS):
            client.together(paths[first : first + CONNECTIONS])
        taken, busy = perf_counter() - began, _processor_s(port) - busy
    return count / taken, count / max(busy, 1e-3)


_PROCESSES: dict[int, int] = {}


def _processor_s(port: int) -> float:
    """Read how much processor time the server has taken, where the system tells."""
    stat = Path(f"/proc/{_PROCESSES[port]}/stat")
    if not stat.is_file():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# The client -------------------------------------------------------------------


class Client:
    """Keep-alive connections that each send one request at a time."""

    def __init__(self, port: int, connections: int, headers: str = "") -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._files = [each.makefile("rb") for each in self._sockets]
        self._headers = headers

    def together(self, paths: list[str]) -> list[bytes]:
        """Ask for a path on each connection, then read all answers; each must be 200."""
        for connection, path in zip(self._sockets, paths, strict=False):
            head = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{self._headers}\r\n"
            connection.sendall(head.encode())
        return [_answer(file) for file, _ in zip(self._files, paths, strict=False)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._files, *self._sockets):
            each.close()


def _answer(file: object) -> bytes:
    status = file.readline()  # type: ignore[attr-defined]  # a socket's file
    length = 0
    while (line := file.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]  # as above
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body: bytes = file.read(length)  # type: ignore[attr-defined]  # as above
    if b" 200 " not in status:
        raise SystemExit(f"{status!r} {body[:300]!r}")
    return body


# The server -------------------------------------------------------------------


def _fold(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = _fold(PRIVATE.public_key().public_bytes_raw())


def sign_in(port: int) -> str:
    now_s = wiring.CLOCK.now() // SECOND
    head = {"alg": "EdDSA", "typ": "JWT", "kid": key_id(PUBLIC)}
    audience = f"http://127.0.0.1:{port}{SIGN_IN_PATH}"
    said = {"iss": "AU-1", "sub": "AU-1", "aud": audience, "exp": now_s + 60, "jti": str(now_s)}
    text = f"{_fold(msgspec.json.encode(head))}.{_fold(msgspec.json.encode(said))}"
    form = (
        "grant_type=client_credentials&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        f"&client_assertion={text}.{_fold(PRIVATE.sign(text.encode()))}"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head_text = (
            f"POST {SIGN_IN_PATH} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(form)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        connection.sendall(head_text.encode() + form.encode())
        with connection.makefile("rb") as file:
            return str(msgspec.json.decode(_answer(file))["access_token"])


@contextmanager
def served(url: str) -> Iterator[int]:
    """Run the doors of a ledger in a process of their own: the port they listen at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.doors", url, str(port)])
    _PROCESSES[port] = child.pid
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        child.wait(30)


def main(url: str, port: int) -> None:
    with Ledger(url) as ledger:
        registered = f'[[auditor]]\nid = "AU-1"\nkeys = ["{PUBLIC}"]\n'
        file = Path(fresh_url().removeprefix("sqlite:///")).with_name("auditors.toml")
        file.write_text(registered)
        file.chmod(0o600)
        keys = file.with_name("keys")
        keys.write_text(format_vkey(Ed25519Signer(ORIGIN, SEED).key) + "\n")
        doors = DoorSettings(
            public_url=f"http://127.0.0.1:{port}",
            clients_file=str(file),
            keys_file=str(keys),
            client_per_minute=10**9,
            log_per_minute=10**9,
        )
        settings = Settings(ledger=LedgerSettings(url=url), doors=doors)
        with serving.open_parts(ledger, settings) as parts:
            serving.serve(serving.make_doors(parts, ["log", "auditor"]), "127.0.0.1", port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
