"""The app over a door in memory, as a process: for pictures of every screen at one fixed moment.

Run as `python -m tests.support.app_service PORT CACHE [STATIONS]`.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from flet_web import fastapi as flet_server

from customer_app.api.client import ApiClient
from customer_app.api.fake_town import TownDoor
from customer_app.hosting.asgi import AppHost, HostSettings
from customer_app.main import make_main
from customer_app.services import Services
from customer_app.session import Handshake
from customer_app.settings import AppSettings
from mobilegrid.app_wiring import check_offline, qr_png
from mobilegrid.mounting import Mounted
from mobilegrid.serving import serve

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


def town_of(stations: int) -> TownDoor:
    """Make a town; with a number of stations, a list of so many that are alike."""
    door = TownDoor(lambda: NOW, qr_png)
    door.put_booking()
    door.put_swap()
    if stations:
        rows = [
            door.station_row(f"st_{each}", f"Station {each}", each % 7, distance_m=400 + 150 * each)
            for each in range(stations)
        ]
        door.things["/stations"]["items"] = rows
        door.things["/stations/map"]["stations"] = rows
    return door


async def no_door(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer as a door that is not there."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def app_service(
    cache: Path, stations: int = 0, *, plain: bool = False, expire_s: int = 0
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the service; give its origin, and the process that can be killed on purpose.

    `plain` is flet-web as it comes, to be compared with; sessions expire after `expire_s`.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kind = ["plain"] if plain else []
    words = [sys.executable, "-m", __name__, str(port), str(cache), str(stations), *kind]
    more = {"FLET_SESSION_TIMEOUT": str(expire_s)} if expire_s else {}
    with subprocess.Popen(words, env={**os.environ, **more}) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/app/{'' if plain else '_health'}")
            yield f"http://localhost:{port}", process
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main(port: int, cache: str, stations: int = 0, *, plain: bool = False) -> None:
    """Serve until told to end."""

    shared = town_of(stations)

    def client_of(_handshake: Handshake) -> ApiClient:
        return shared.client() if stations else town_of(stations).client()

    origin = f"http://localhost:{port}"
    services = Services(
        client_factory=client_of,
        now=lambda: NOW,
        qr_png=qr_png,
        verifier=lambda bundle, policy: check_offline(bundle, policy, int(NOW.timestamp())),
    )
    app = make_main(services, AppSettings(is_production=False))
    if plain:
        bare = flet_server.FastAPI()
        bare.mount("/app", flet_server.app(app, no_cdn=True))
        uvicorn.run(bare, host="127.0.0.1", port=port, log_level="warning")
        return
    host = AppHost(app, HostSettings(origin, Path(cache), collect_s=5 if stations else 60))
    serve(Mounted(no_door, host), "127.0.0.1", port, has_sockets=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), plain=sys.argv[4:] == ["plain"])
