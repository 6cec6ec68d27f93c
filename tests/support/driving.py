"""Drivers at their door: signed in for real on devices of their own, calling over ASGI."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random  # noqa: TID251  seeded below
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
from typing_extensions import override

from ledger.kernel.instants import Clock
from ledger.runtime.ledger import Ledger
from mobilegrid.wiring import RandomIds
from partner_api.code_sending import CodeSender, Message
from partner_api.driver_sessions import COOKIE, DriverSessions
from partner_api.one_time_codes import OneTimeCodes
from partner_api.passkeys import Passkeys
from partner_api.sign_in_flow import SignInFlow
from tests.support.authenticator import ES256, Authenticator
from tests.support.doors import LOOSE, URL, Doors, open_doors

DRIVER_DOORS = ("auth", "driver")
UNBOUND = msgspec.structs.replace(
    LOOSE,
    driver_reads_per_minute=10**6,
    driver_writes_per_minute=10**6,
    auth_per_minute=10**6,
)


class Sent(CodeSender):
    """Codes that were sent, the newest last; None for an address that is nobody's."""

    def __init__(self) -> None:
        self.messages: list[Message | None] = []

    @override
    def send(self, message: Message | None) -> None:
        self.messages.append(message)

    @property
    def newest(self) -> Message:
        message = self.messages[-1]
        assert message is not None
        return message


class Browser:
    """A driver's browser: keeps cookies and follows no redirect by itself."""

    def __init__(self, doors: "DriverDoors") -> None:
        self.doors = doors
        self.cookies: dict[str, str] = {}

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = ({"Cookie": cookie} if cookie else {}) | more.pop("headers", {})
        answer = self.doors.call(method, path, headers=headers, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if not self.cookies[name]:
                del self.cookies[name]
        return answer

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.call("POST", path, json=body, **more)

    def options(self, path: str = "assertion-options", body: Any = None) -> dict[str, Any]:
        answer = self.post(f"/auth/passkeys/{path}", body or {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def enrol(self, invitation: str, passkey: Authenticator) -> httpx.Response:
        """Open the page with an invitation, make a passkey, and be signed in by it."""
        assert self.get("/auth/sign-in").status_code == 200
        options = self.options("registration-options", {"invitation": invitation})
        made = self.post("/auth/passkeys/registration", passkey.make(options))
        assert made.status_code == 201, made.text
        return self.get(made.json()["location"])

    def sign_in(self, passkey: Authenticator, page: str = "/auth/sign-in") -> httpx.Response:
        """Open the page, sign by a passkey, and finish; the answer sends back to the app."""
        assert self.get(page).status_code == 200
        proven = self.post("/auth/passkeys/assertion", passkey.sign(self.options()))
        assert proven.status_code == 200, proven.text
        return self.get(proven.json()["location"])

    @property
    def session(self) -> str:
        """The cookie of the session, "" without one."""
        return self.cookies.get(f"__Host-{COOKIE}", "")


class DriverDoors(Doors):
    """The doors as drivers use them: `who` is a driver's id, and the first call signs him in."""

    sent: Sent

    @override
    def headers(self, who: str) -> dict[str, str]:
        if not who.startswith("DR-"):
            return super().headers(who)
        if who not in self.bearers:
            self.bearers[who] = self.signed_in(who)
        return {"Authorization": f"Bearer {self.bearers[who]}"}

    def signed_in(self, driver_id: str, label: str = "Phone") -> str:
        """Sign a driver in on a new device; his credential for access, which has stepped up."""
        opened = self.sessions.open(driver_id, label, with_cookie=False)
        return self.sessions.hand_out(opened.session, with_refresh=True).access_token

    @property
    def sessions(self) -> DriverSessions:
        assert self.parts.drivers is not None
        return self.parts.drivers

    @property
    def flow(self) -> SignInFlow:
        assert self.parts.sign_in is not None
        return self.parts.sign_in

    @property
    def codes(self) -> OneTimeCodes:
        assert self.parts.one_time_codes is not None
        return self.parts.one_time_codes

    def passkey(self, name: str, algorithm: int = ES256) -> Authenticator:
        """An authenticator that knows this place."""
        return Authenticator(name, URL, algorithm)

    def enrolled(self, driver_id: str, name: str = "") -> tuple[Browser, Authenticator]:
        """A browser in which a driver has just made his passkey, and signed in by it."""
        browser, passkey = Browser(self), self.passkey(name or driver_id)
        browser.enrol(self.flow.invite(driver_id, 10**12), passkey)
        assert browser.session
        return browser, passkey

    def exchanged(self, **fields: str) -> httpx.Response:
        """Exchange a form at the place where credentials are handed out."""
        return self.call("POST", "/auth/token", data=fields)

    def as_driver(
        self, method: str, path: str, *, who: str = "DR-1", key: str = "", **more: Any
    ) -> httpx.Response:
        """Call a path below ``/driver/v1`` as a driver; `key` is the Idempotency-Key."""
        headers = self.headers(who) | more.pop("headers", {})
        headers |= {"Idempotency-Key": key} if key else {}
        return self.call(method, f"/driver/v1{path}", headers=headers, **more)


def code_in(location: str) -> str:
    """The code in the place where a sign-in ends."""
    return parse_qs(urlsplit(location).query)["code"][0]


@contextmanager
def open_driver_doors(
    ledger: Ledger, clock: Clock, *, sends_codes: bool = True, **more: Any
) -> Iterator[DriverDoors]:
    """Open the door of drivers of a ledger; `more` as for `open_doors`, or further parts by name.

    The clock should stand near the ledger's own time: sessions live 30 days of it.
    """
    given = {"settings": UNBOUND, "doors": DRIVER_DOORS, **more}
    chance = Random(11).randbytes
    sessions = DriverSessions(ledger, clock, RandomIds(clock), chance)
    passkeys = Passkeys(given["settings"].public_url)
    flow = SignInFlow(ledger, sessions, passkeys, clock, RandomIds(clock), chance)
    sent = Sent()
    given["drivers"], given["sign_in"] = sessions, flow
    if sends_codes:
        given["one_time_codes"] = OneTimeCodes(ledger, flow, clock, chance, bytes(range(32)), sent)
    with open_doors(ledger, clock, **given) as plain:
        doors = DriverDoors(plain.parts, given["doors"], plain.evidence)
        doors.sent = sent
        yield doors
