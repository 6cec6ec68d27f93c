"""The page of signing in, in a real browser with an authenticator of its own."""

import threading
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from ledger.kernel.instants import HOUR
from mobilegrid.wiring import CLOCK
from tests.support.browsing import Visitor, browser
from tests.support.driving import UNBOUND, DriverDoors, open_driver_doors
from tests.support.serving import free_port, until
from tests.support.town import new_town

pytestmark = pytest.mark.slow
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Served(NamedTuple):
    """The doors as a browser reaches them."""

    doors: DriverDoors
    url: str


@pytest.fixture
def served(tmp_path) -> Iterator[Served]:
    port = free_port()
    url = f"http://localhost:{port}"
    here = replace(UNBOUND, public_url=url)
    with (
        new_town(f"sqlite:///{tmp_path / 'town.db'}") as town,
        open_driver_doors(town, CLOCK, settings=here) as doors,
    ):
        config = uvicorn.Config(doors.app, port=port, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until(lambda: server.started, bool)
        try:
            yield Served(doors, url)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


def visitor(chromium: Browser, served: Served, **more: object) -> Visitor:
    """A browser on a device that can make passkeys."""
    made = Visitor(chromium, served.url, **more)
    session = made.context.new_cdp_session(made.page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return made


def arrived(page: Page) -> str:
    """Wait until the app has the browser back; the place there."""
    page.wait_for_url(lambda url: urlsplit(url).path.startswith("/app"))
    return urlsplit(page.url).path


def test_a_driver_is_invited_signs_in_again_and_steps_up(chromium, served):
    person = visitor(chromium, served)
    page = person.page
    secret = served.doors.flow.invite("DR-1", HOUR)
    page.goto(f"{served.url}/auth/sign-in?return_to=/app/wallet#invitation={secret}")
    assert secret not in page.url  # it is gone from the history
    page.click("#make-passkey")
    assert arrived(page) == "/app/wallet"
    page.goto(f"{served.url}/auth/bye?return_to=/app/")
    assert person.context.cookies() == []
    page.goto(f"{served.url}/auth/sign-in?return_to=/app/stations/ST-1")
    page.click("#use-passkey")
    assert arrived(page) == "/app/stations/ST-1"
    page.goto(f"{served.url}/auth/step-up?return_to=/app/settings/data")
    page.click("#use-passkey")
    assert arrived(page) == "/app/settings/data"
    cookies = {each["name"]: each for each in person.context.cookies()}
    assert cookies["mg_session"]["httpOnly"]
    assert person.faults == []
    assert person.abroad == []


def test_a_code_leads_to_a_passkey_in_chinese_by_keyboard(chromium, served):
    served.doors.codes.know("DR-2", "email", "zoe@example.net")
    person = visitor(chromium, served, locale="zh-CN", color_scheme="dark")
    page = person.page
    page.goto(f"{served.url}/auth/sign-in")
    assert page.title() == "登录"
    page.focus("summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("zoe@example.net")
    page.keyboard.press("Enter")
    page.wait_for_selector("#check-code:not([hidden])")
    code = served.doors.sent.newest.code
    page.keyboard.type(f"{(int(code) + 1) % 10**6:06}")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("验证码不正确，还可尝试 4 次。")  # noqa: RUF001
    page.fill("#code", code)
    page.keyboard.press("Enter")
    page.wait_for_selector("#by-ticket:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "make-passkey"
    page.keyboard.press("Enter")
    assert arrived(page) == "/app/"
    page.goto(f"{served.url}/auth/finish?code=x")
    assert page.inner_text("#said") == "本次登录已失效，请重新开始。"  # noqa: RUF001
    assert person.faults == []


def test_without_a_passkey_the_page_says_what_to_do(chromium, served):
    person = Visitor(chromium, served.url)
    session = person.context.new_cdp_session(person.page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator", {"options": DEVICE | {"isUserVerified": False}}
    )
    person.page.goto(f"{served.url}/auth/sign-in")
    person.page.click("#use-passkey")
    said = person.page.locator("#said")
    expect(said).to_have_text("Sign-in was cancelled. Nothing has changed.")
    expect(person.page.locator("#use-passkey")).to_be_enabled()
