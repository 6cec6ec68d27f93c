"""localstripe, a stand-in of Stripe, in an environment and a process of its own.

It is GPL: never imported, never shipped. The environment is made from the lock
`requirements/stripe_fake.txt`, once for each machine and lock, below the folder of caches; without
a package registry the tests that need it are skipped (with CI=true they fail).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from tests.support.serving import free_port
from tests.support.tools import absent

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "stripe_fake.txt"
_PROGRAM = (
    "import sys; from aiohttp import web; from localstripe.server import app; "
    "web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), access_log=None, print=None)"
)


def fake_python() -> Path:
    """Give the interpreter of the stand-in's environment, made at first use."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "mobilegrid" / f"localstripe-{digest}"
    if not (folder / "ready").exists():
        _make(folder)
    return folder / "bin" / "python"


def _make(folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
    for command in (
        [sys.executable, "-m", "venv", str(part)],
        [str(part / "bin" / "python"), *install],
    ):
        done = subprocess.run(command, check=False, capture_output=True, timeout=240)
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            absent("localstripe cannot be installed: no package registry, or no venv")
    (part / "ready").touch()
    try:
        part.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def running_fake() -> Iterator[int]:
    """Run the stand-in; gives its port on this machine."""
    port = free_port()
    process = subprocess.Popen(
        [str(fake_python()), "-c", _PROGRAM, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": "/nonexistent"},
    )
    try:
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def empty_fake(port: int) -> None:
    """Have the stand-in forget everything."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("DELETE", "/_config/data")
    assert connection.getresponse().status == HTTPStatus.OK
    connection.close()


def send_messages_to(port: int, url: str, secret: str) -> None:
    """Have the stand-in send its messages somewhere, signed with a secret."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"url": url, "secret": secret})
    connection.request("POST", "/_config/webhooks/mg", body, headers)
    assert connection.getresponse().status == HTTPStatus.OK
    connection.close()


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, "localstripe ended at once"
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request(
                "GET", "/v1/customers", headers={"Authorization": "Bearer sk_test_x"}
            )
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)  # it tells nobody when it listens
        else:
            return
        finally:
            connection.close()
    raise AssertionError("localstripe does not listen")
