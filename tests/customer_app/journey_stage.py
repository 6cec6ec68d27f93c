"""A stage for the tables of the journeys: one browser per journey and language, a new town a row.

Opening a session costs several times what a visit costs, so the rows of a journey share one; each
gets a town of its own behind the same door.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from customer_app.api.client import ApiClient
from customer_app.api.fake import Failure
from customer_app.api.fake_town import TownDoor
from customer_app.api.http import Transport
from customer_app.session import Handshake
from customer_app.settings import AppSettings
from customer_app.trust.bundle import Verdict
from tests.customer_app.harness import Browser, Faults, services_for
from tests.customer_app.touring import GOOD, POLICY, Tour, pause, town, until

Change = Callable[[TownDoor], object]
Doing = Callable[["Stage"], Any]
READ_OUT = {"swap-says", "swap-alarm", "verify-verdict", "reserve-checking", "pay-waiting", "note"}
BETWEEN = "/nowhere"  # lets go of the models of the row before
DAYTIME = AppSettings(support_from="11:00", support_until="18:00")  # it is ten o'clock there


def nothing(_anything: Any) -> None:
    """Change nothing."""


def fails(asks: str, failure: Failure, times: int = 1) -> Change:
    """Have the door fail when it is asked something."""
    return lambda door: door.fail(asks, failure, times)


@dataclass(frozen=True)
class Row:
    """A state of a table: how to come to it, what it says in both languages, what can be done.

    `place` is the id of what says it, `action` that of the control to tap ("" where the app goes
    on by itself). `taps` follow the visit; `then` changes the town before the last of them.
    """

    journey: str
    state: str
    en: str
    zh: str
    place: str
    action: str = ""
    route: str = ""
    given: Change = nothing
    taps: tuple[str, ...] = ()
    then: Change = nothing
    stored: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    verdict: Verdict = GOOD
    waits: str = ""  # why the last tap is not over: the "door" or the "answer" stays away
    times: int = 1  # how often the last control is tapped
    also: tuple[str, ...] = ()  # more words on the screen, the same in both languages
    absent: str = ""  # the id of what is not offered here


class Stage:
    """A browser whose town changes from row to row."""

    def __init__(self) -> None:
        self.door: TownDoor = town()
        self.verdict = GOOD
        self.faults = Faults()
        self.holds = False
        self.language = ""
        self.browser: Browser

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.holds and request.method == "POST":
            await asyncio.Event().wait()
        return await self.door.answer(request)

    def _client(self, _handshake: Handshake) -> ApiClient:
        transport = httpx.MockTransport(self._answer)
        http = httpx.AsyncClient(transport=transport, base_url="http://door")

        async def at_once(_seconds: float) -> None: ...

        return ApiClient(Transport(http, pause=at_once, share=lambda: 0.5))

    async def open(self, language: str, given: Change = nothing) -> None:
        """Open the browser in a language, before a town that has been changed."""
        self.door = town(given)
        self.language = language
        services = services_for(
            self._client,
            pause=pause,
            observer=self.faults,
            verifier=lambda _bundle, _policy: self.verdict,
            policy=POLICY,
        )
        shaken = Handshake(session_cookie="x", accept_language=language)
        self.browser = await Browser.open(
            services, BETWEEN, handshake=shaken, settings=DAYTIME, stored={}
        )

    async def play(self, row: Row) -> str:
        """Come to the state of a row; gives what is wrong with what is there, "" when all is well.

        Raises:
            AssertionError: a step on the way cannot be taken.
        """
        browser = self.browser
        self.door, self.verdict, self.holds = town(row.given), row.verdict, False
        await browser.visit(BETWEEN)
        browser.answers.clear()
        browser.answers.update(row.answers)
        browser.stored.clear()
        browser.stored.update(row.stored)
        await browser.visit(row.route)
        waiting = await self._tap(row)
        there = Tour(browser, self.faults, self.door)
        await until(there, row.place)
        return await self._judge(row, waiting)

    async def _tap(self, row: Row) -> "asyncio.Task[None] | None":
        browser = self.browser
        there = Tour(browser, self.faults, self.door)
        if row.taps:
            await until(there, row.taps[0])
        for name in row.taps[:-1]:
            await browser.tap(name)
        for name, text in row.typed.items():
            await browser.type(name, text)
        row.then(self.door)
        for _ in range(row.times if row.taps else 0):
            if row.waits:
                self.holds = row.waits == "door"
                task = asyncio.create_task(browser.tap(row.taps[-1]))
                await browser.settle()
                return task
            await browser.tap(row.taps[-1])
        return None

    async def _judge(self, row: Row, waiting: "asyncio.Task[None] | None") -> str:
        browser = self.browser
        wanted = row.zh if self.language == "zh" else row.en
        wrong = "" if browser.says(wanted, row.place) else f"says {browser.texts(row.place)}"
        if row.action and not browser.has(row.action):
            wrong += f" no {row.action} among {browser.names()}"
        if row.place in READ_OUT and not browser.find(row.place).live_region:
            wrong += " is not read out"
        wrong += "".join(f" no {words}" for words in row.also if not browser.says(words))
        if row.absent and browser.has(row.absent):
            wrong += f" {row.absent} is offered"
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return wrong
