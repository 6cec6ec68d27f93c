"""A PostgreSQL server of our own for the tests: a temporary cluster behind a Unix socket.

The server syncs to disk as a real one does; its only listener is a socket in its own folder. Run as
root it is started as user `postgres`, because the server refuses root. Every worker of a parallel
run has its own cluster.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.tools import absent

_START_LIMIT_S = 60
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "40",
    "timezone": "UTC",
}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Run a cluster for the session; the URL of its maintenance database."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="mg-pg-"))
    try:
        _initialise(programs, folder)
        server = _start(programs, folder)
        try:
            url = sa.URL.create(
                "postgresql+psycopg",
                username="postgres",
                database="postgres",
                query={"host": str(folder)},
            )
            _wait_until_ready(server, folder)
            yield url.render_as_string(hide_password=False)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(url: str) -> str:
    """Make an empty database in the cluster of `url`; its URL."""
    target = sa.make_url(url)
    name = f"test_{next(_numbers)}"
    with psycopg.connect(_conninfo(target), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return target.set(database=name).render_as_string(hide_password=False)


def _programs() -> Path:
    """Find the folder that holds initdb and postgres, the newest version first."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    complete = [f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()]
    if not complete:
        absent("PostgreSQL is not installed")
    return complete[0]


def _as_postgres() -> dict[str, Any]:
    """Give the process options that leave root behind; none when we are not root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _initialise(programs: Path, folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    command = [str(programs / "initdb"), f"--pgdata={folder / 'data'}", "--username=postgres"]
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **_as_postgres(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _start(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    settings = itertools.chain.from_iterable(("-c", f"{k}={v}") for k, v in _SETTINGS.items())
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*command, *settings],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_as_postgres(),
        )


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    limit = time.monotonic() + _START_LIMIT_S
    conninfo = f"host={folder} user=postgres dbname=postgres"
    while True:
        try:
            psycopg.connect(conninfo).close()
        except psycopg.OperationalError:
            ended = server.poll() is not None or time.monotonic() > limit
            assert not ended, (folder / "log").read_text()
            time.sleep(0.02)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Shut the server down at once: its folder goes too, so nothing needs to reach the disk."""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _conninfo(url: sa.URL) -> str:
    return f"host={url.query['host']} user={url.username} dbname={url.database}"
