"""What every test gets: no network, a steady hypothesis, the data folder, a PostgreSQL server."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.measuring import is_long, unmeasured
from tests.support.postgres import postgres_url

__all__ = ["postgres_url"]

# programs that run as processes of their own are not read for doctests
collect_ignore_glob = ["faults/[!t]*.py", "peers/[!t]*.py"]

REPOSITORY = Path(__file__).resolve().parent.parent
_HERE = ("127.0.0.1", "::1", "localhost")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: one that began last would keep the other workers waiting."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Leave the long tests out of the measuring, their fixtures and processes too."""
    with unmeasured() if is_long(item) else nullcontext():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every address but this machine's own and Unix sockets."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


def _guarded(real: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family != getattr(socket, "AF_UNIX", None):
            _refuse_stranger(address[0])
        return real(self, address)

    return connect


def _guarded_lookup(real: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        _refuse_stranger(host)
        return real(host, *args, **options)

    return getaddrinfo


def _refuse_stranger(host: Any) -> None:
    if host not in (*_HERE, None, ""):
        pytest.fail(f"a test tried to reach {host}")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Find the real data: MOBILEGRID_DATA, or shared/data beside the repository."""
    named = os.environ.get("MOBILEGRID_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data is not here (set MOBILEGRID_DATA to its folder)")
    return folder
