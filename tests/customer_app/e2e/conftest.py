"""One browser and one open town for a module; each test has people of its own, signed in.

Not for longer: while a browser is open its loop runs in this thread, and others cannot run theirs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browsing import Visitor, browser
from tests.support.open_town import OpenTown, opened_town

ANA, WEI = "ana@example.net", "wei@example.net"
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

Arrive = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenTown]:
    with opened_town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture(scope="module")
def known(chromium: Browser, town: OpenTown) -> dict[str, Any]:
    """Sign both guests in once, as they would: a code, a passkey; give what browsers keep."""
    found = {}
    for address in (ANA, WEI):
        visitor = Visitor(chromium, town.origin)
        add_passkeys(visitor)
        sign_in(visitor, town, address)
        found[address] = visitor.context.storage_state()
        visitor.close()
    return found


@pytest.fixture
def arrive(chromium: Browser, town: OpenTown, known: dict[str, Any]) -> Iterator[Arrive]:
    """Open a tab of somebody who is signed in; nobody where no address is given."""
    opened = []

    def arriving(address: str = "", **more: Any) -> Visitor:
        state = {"storage_state": known[address]} if address else {}
        visitor = Visitor(chromium, town.origin, **state, **more)
        opened.append(visitor)
        return visitor

    yield arriving
    for visitor in opened:
        assert visitor.faults == []
        visitor.close()


def add_passkeys(visitor: Visitor) -> None:
    """Give the browser an authenticator of its own."""
    line = visitor.context.new_cdp_session(visitor.page)
    line.send("WebAuthn.enable")
    line.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})


def sign_in(visitor: Visitor, town: OpenTown, address: str, route: str = "/") -> None:
    """Sign in with a one-time code, making a passkey on the way."""
    page = visitor.page
    page.goto(f"{town.origin}/auth/sign-in?return_to=/app{route}")
    before = town.codes_told(address)
    page.click("#by-code summary")
    page.fill("#address", address)
    page.click("#ask-code button")
    page.fill("#code", town.code_for(address, before))
    page.click("#check-code button")
    page.click("#make-passkey")
    page.wait_for_url("**/app/**")
    visitor.drawn()
