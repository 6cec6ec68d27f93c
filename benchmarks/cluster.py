"""A PostgreSQL server of our own: a temporary cluster behind a socket, durable as a real one."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_LIMIT_S = 60
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "120",
    "timezone": "UTC",
}


def programs() -> Path | None:
    """Find the folder of initdb, postgres and pgbench, the newest version first; None if absent."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def running() -> Iterator[str]:
    """Run a cluster; the URL of its maintenance database, "" when PostgreSQL is not installed."""
    found = programs()
    if found is None:
        yield ""
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    try:
        _initialise(found, folder)
        server = _start(found, folder)
        try:
            _wait(found, server, folder)
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres() -> dict[str, Any]:
    """The server refuses root; as root it is started as user postgres."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _initialise(found: Path, folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    command = [str(found / "initdb"), f"--pgdata={folder / 'data'}", "--username=postgres"]
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [*command, *options], cwd=folder, stdout=subprocess.DEVNULL, check=True, **_as_postgres()
    )


def _start(found: Path, folder: Path) -> subprocess.Popen[bytes]:
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [str(found / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *settings],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_as_postgres(),
        )


def _wait(found: Path, server: subprocess.Popen[bytes], folder: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    ready = [str(found / "pg_isready"), "-q", "-h", str(folder)]
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > limit:
            raise SystemExit((folder / "log").read_text())
        time.sleep(0.05)
