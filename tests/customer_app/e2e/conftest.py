"""One browser for a module and one open town for all; those who sign in do so once.

A browser is not open for longer: meanwhile its loop runs in this thread, and others cannot run
theirs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browsing import Visitor, browser
from tests.support.open_town import OpenTown, opened_town
from tests.support.walking import ANA, STATION, WEI, prove, sign_in

Arrive = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenTown]:
    with opened_town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture(scope="module")
def known(chromium: Browser, town: OpenTown) -> dict[str, Any]:
    """Sign both guests in once, as they would; give what their browsers keep.

    Ana is nobody yet when she wants to reserve: she signs in on the way, and is back at the station
    that she chose.
    """
    if town.known:
        return town.known
    town.start()
    for address in (ANA, WEI):
        visitor = Visitor(chromium, town.origin)
        passkeys = prove(visitor)
        if address is ANA:
            visitor.open(f"/station/{STATION}")
            visitor.tap("reserve")
            visitor.tap("sign-in")
        else:
            visitor.page.goto(f"{town.origin}/auth/sign-in?return_to=/app/wallet")
        sign_in(visitor, town, address)
        wanted = f"/station/{STATION}" if address is ANA else "/app/wallet"
        assert wanted in visitor.page.url
        town.known[address] = visitor.context.storage_state()
        town.passkeys[address] = passkeys()
        visitor.close()
    return town.known


@pytest.fixture
def arrive(chromium: Browser, town: OpenTown, known: dict[str, Any]) -> Iterator[Arrive]:
    """Open a tab of somebody who is signed in; nobody where no address is given."""
    opened = []
    town.start()

    def arriving(address: str = "", **more: Any) -> Visitor:
        state = {"storage_state": known[address]} if address else {}
        visitor = Visitor(chromium, town.origin, **state, **more)
        opened.append(visitor)
        return visitor

    yield arriving
    for visitor in opened:
        visitor.close()
    assert [fault for visitor in opened for fault in visitor.faults] == []
