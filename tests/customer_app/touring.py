"""What the tests of screens share: a signed-in browser in the town, at any screen."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from customer_app.api.fake_town import TownDoor
from customer_app.session import Handshake
from customer_app.trust.bundle import Verdict
from tests.customer_app.harness import NOW, PHONE, Browser, Faults, _walk, services_for

SHORT_S = 0.5  # what waits no longer than this is a pause in a drawing, and passes at once
GOOD = Verdict(
    ok=True,
    position=102,
    tree_size=140,
    signed_at=int(NOW.timestamp()) - 30,
    witnesses_ok=2,
    witnesses_needed=2,
)
POLICY = "log log.example+abc+AAAA\nwitness bank bank.example+def+BBBB\nquorum bank\n"


async def pause(seconds: float) -> None:
    if seconds > SHORT_S:
        await asyncio.Event().wait()
    await asyncio.sleep(0)


class Town(TownDoor):
    """The town, and what its verifier says of every proof."""

    verdict = GOOD


def town(*changes: Callable[[TownDoor], object]) -> Town:
    """Make a town in which the driver has a booking, a swap and a case."""
    door = Town(lambda: NOW)
    door.put_booking()
    door.put_swap()
    written = {"subject": "Stuck", "topic": "incident", "text": "Help", "references": []}
    door.works["POST /cases"](written, "")
    for change in changes:
        change(door)
    return door


class Tour:
    """A browser with the observer that heard its faults."""

    def __init__(self, browser: Browser, faults: Faults, door: TownDoor) -> None:
        self.browser = browser
        self.faults = faults
        self.door = door

    def is_sound(self) -> bool:
        """Whether nothing broke that the driver did not cause."""
        return not self.faults.faults and not self.browser.has("fault")


def names_in(browser: Browser, screen: str) -> list[str]:
    """List the ids of one screen; those of the screens below it in the stack are not seen."""
    found = _walk(browser.find(f"screen-{screen}"), set())
    return [each.identifier for each in found if getattr(each, "identifier", None)]


async def arrive(
    door: TownDoor,
    route: str,
    *,
    language: str = "en",
    signed_in: bool = True,
    size: tuple[int, int] = PHONE,
    stored: dict[str, Any] | None = None,
) -> Tour:
    faults = Faults()
    services = services_for(
        lambda _handshake: door.client(),
        pause=pause,
        observer=faults,
        verifier=lambda _bundle, _policy: getattr(door, "verdict", GOOD),
        policy=POLICY,
        drop=getattr(door, "drop", None),
    )
    handshake = Handshake(session_cookie="x" if signed_in else "", accept_language=language)
    opened = await Browser.open(services, route, handshake=handshake, size=size, stored=stored)
    return Tour(opened, faults, door)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def until(there: Tour, name: str) -> None:
    """Wait for a control that needs the device or a thread first."""
    for _ in range(500):
        if there.browser.has(name):
            return
        await there.browser.settle()
    raise AssertionError(f"{name} never came; there are {there.browser.names()}")


def launched(there: Tour) -> list[str]:
    """List the addresses that the browser was sent to."""
    return [str(args["url"]) for name, args in there.browser.invoked if name == "launch_url"]
