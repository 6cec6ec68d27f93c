"""A browser without a browser: a real Flet session on a connection that keeps what is sent.

`Browser` opens the app as a browser does, answers what the app asks of it (routes, storage, the
clipboard), finds controls by their ids, and taps and types like a person: what is invisible or
disabled cannot be touched. Any frame that says "crashed" fails the test at once.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import flet as ft
import msgpack
from flet.components.component import Component
from flet.controls.context import _context_page
from flet.controls.services.semantics_service import AccessibilityFeatures
from flet.messaging.connection import Connection
from flet.messaging.protocol import MessageAction, configure_encode_object_for_msgpack
from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub
from typing_extensions import override

from customer_app.main import make_main
from customer_app.services import Services
from customer_app.session import HANDSHAKE, Handshake
from customer_app.settings import AppSettings

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SETTLE_S = 2.0
PHONE = (390, 844)
DESK = (1280, 800)
FEATURES = [field.name for field in dataclasses.fields(AccessibilityFeatures)]
_encode = configure_encode_object_for_msgpack(ft.BaseControl)


class Faults:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, str]] = []
        self.faults: list[tuple[BaseException, str, str]] = []

    def count(self, name: str, place: str) -> None:
        self.counts.append((name, place))

    def fault(self, error: BaseException, place: str, reference: str) -> None:
        self.faults.append((error, place, reference))


class RecordingConnection(Connection):
    """Keeps every frame as bytes, as they would go over the socket."""

    def __init__(self, browser: "Browser") -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.pubsubhub = PubSubHub()
        self.page_url = "http://127.0.0.1/app"
        self.frames: list[bytes] = []
        self.crashes: list[str] = []
        self._browser = browser

    @override
    def send_message(self, message: Any) -> None:
        frame = b"\x00" + msgpack.packb([message.action, message.body], default=_encode)
        self.frames.append(frame)
        if message.action == MessageAction.SESSION_CRASHED:
            self.crashes.append(message.body.message)
        if message.action == MessageAction.INVOKE_METHOD:
            self._browser.asked(message.body)

    @override
    def dispose(self) -> None:
        """Nothing to let go of."""

    @property
    def byte_count(self) -> int:
        return sum(map(len, self.frames))

    def holds(self, text: str) -> bool:
        """Tell whether a text was ever sent."""
        return any(text.encode() in frame for frame in self.frames)


def services_for(client: Any, **more: Any) -> Services:
    """Make services with a fixed clock around a client, or around what makes one."""
    makes = isinstance(client, type) or (callable(client) and not hasattr(client, "profile"))
    make = client if makes else lambda _handshake: client
    numbers = iter(range(10**6))
    standard: dict[str, Any] = {
        "client_factory": make,
        "now": lambda: NOW,
        "qr_png": lambda text: b"\x89PNG\r\n\x1a\n" + text.encode(),
        "verifier": lambda bundle, policy: (bundle, policy),
        "observer": Faults(),
        "new_id": lambda: f"{next(numbers):010x}{'0' * 22}",
        "pause": patient,
    }
    return Services(**{**standard, **more})


async def patient(_seconds: float) -> None:
    """Wait for ever: with this pause a loop does its work once, as if no time went by."""
    await asyncio.Event().wait()


class Browser:
    """One tab. Make it with `await Browser.open(services)`."""

    has_reader = False  # a reader of the screen is running

    def __init__(self, main: Callable[[ft.Page], Any], handshake: Handshake) -> None:
        self._main = main
        self._handshake = handshake
        self.stored: dict[str, Any] = {}
        self.invoked: list[tuple[str, Any]] = []
        self.history: list[str] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.connection = RecordingConnection(self)
        self.session = Session(self.connection)
        self.page = self.session.page
        self._services: Services | None = None
        self._pending: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls,
        services: Services,
        route: str = "/",
        *,
        size: tuple[int, int] = PHONE,
        handshake: Handshake = Handshake(),  # noqa: B008 - frozen
        settings: AppSettings | None = None,
        stored: dict[str, Any] | None = None,
    ) -> "Browser":
        main = make_main(services, settings) if settings else make_main(services)
        browser = cls(main, handshake)
        browser._services = services
        browser.stored.update(stored or {})
        await browser.begin(route, size)
        return browser

    async def begin(self, route: str, size: tuple[int, int]) -> None:
        width, height = size
        patch = {"route": route, "width": width, "height": height, "web": True}
        self.history.append(route)
        self.session.apply_page_patch({**patch, "platform_brightness": "light"})
        msgpack.packb(self.session.get_page_patch(), default=_encode)  # else views never appear

        async def run() -> None:
            HANDSHAKE.set(self._handshake)
            _context_page.set(self.page)
            await self._main(self.page)
            await self.session.after_event(self.page)

        await asyncio.create_task(run())
        await self.settle()

    # What the app asks of the browser ---------------------------------------------------------

    def asked(self, body: Any) -> None:
        task = asyncio.create_task(self._answer(body))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _answer(self, body: Any) -> None:
        self.invoked.append((body.name, body.args))
        answer = None
        if body.name in self.answers:
            answer = self.answers[body.name](body.args)
        elif body.name == "push_route":
            await self.visit(body.args["route"], settle=False)
        elif body.name == "get_accessibility_features":
            answer = {**dict.fromkeys(FEATURES, False), "accessible_navigation": self.has_reader}
        elif body.name in {"get", "set", "remove", "get_keys"}:
            answer = self._store(body.name, body.args or {})
        self.session.handle_invoke_method_results(body.control_id, body.call_id, answer, None)

    def _store(self, name: str, args: dict[str, Any]) -> Any:
        if name == "set" and "key" in args:
            self.stored[args["key"]] = args["value"]
            return True
        if name == "remove":
            return self.stored.pop(args["key"], None) is not None
        if name == "get_keys":
            return [key for key in self.stored if key.startswith(args["key_prefix"])]
        return self.stored.get(args.get("key", ""))

    # What a person does -----------------------------------------------------------------------

    async def visit(self, route: str, *, settle: bool = True) -> None:
        """Go to a route, as by the address bar or the back button."""
        self.history.append(route)
        self.session.apply_page_patch({"route": route})
        await self._dispatch(self.page._i, "route_change", {"route": route})
        if settle:
            await self.settle()

    async def tap(self, name: str) -> None:
        """Tap what has this id; refuses what a person could not tap."""
        target = self._target(name, ("on_click", "on_select", "on_tap"))
        event = next(
            n for n in ("click", "select", "tap") if getattr(target, f"on_{n}", None) is not None
        )
        if isinstance(target, ft.Chip):
            await self._dispatch(target._i, event, not target.selected)
        else:
            await self._dispatch(target._i, event, None)
        await self.settle()

    async def type(self, name: str, text: str) -> None:
        """Put a text into the field with this id."""
        target = self._target(name, ("on_change",))
        self.session.apply_patch(target._i, {"value": text})
        await self._dispatch(target._i, "change", text)
        await self.settle()

    async def choose(self, name: str, value: Any) -> None:
        """Choose a value in the input with this id."""
        target = self._target(name, ("on_select", "on_change", "on_change_end"))
        for event in ("select", "change", "change_end"):
            if getattr(target, f"on_{event}", None) is not None:
                await self._dispatch(target._i, event, value)
                break
        await self.settle()

    async def fire(self, control: Any, event: str, data: Any = None) -> None:
        """Send an event that no person could cause, as a hostile browser might."""
        await self._dispatch(control._i, event, data)
        await self.settle()

    async def resize(self, width: int, height: int = 800) -> None:
        self.session.apply_page_patch({"width": width, "height": height})
        await self._dispatch(self.page._i, "resize", {"width": width, "height": height})
        await self.settle()

    async def reconnect(self, handshake: Handshake | None = None) -> None:
        """Lose the socket and come back, perhaps as somebody else."""
        await self.session.disconnect(300)
        self.connection = RecordingConnection(self)

        async def back() -> None:
            HANDSHAKE.set(handshake or self._handshake)
            await self.session.connect(self.connection)

        await asyncio.create_task(back())
        await self.settle()

    async def close(self) -> None:
        """Close the tab for good, as when the session expires."""
        self.session.close()
        await asyncio.sleep(0)
        await self.settle()

    # What a person sees -----------------------------------------------------------------------

    def controls(self) -> Iterator[Any]:
        """Walk what is drawn, from the page down, dialogs included."""
        yield from _walk(self.page.views, set())
        yield from _walk([d for d in self.page._dialogs.controls if d.open], set())

    def find(self, name: str) -> Any:
        """Find the one control with this id in the topmost view that has it."""
        found = [c for c in self.controls() if getattr(c, "identifier", None) == name]
        assert found, f"nothing is called {name!r}; there are {self.names()}; {self.told()}"
        return found[-1]

    def told(self) -> list[str]:
        """List the faults that the app wrote down, for the message of a test that fails."""
        faults = getattr(self._services.observer, "faults", []) if self._services else []
        return [f"{place}: {error!r}" for error, place, _reference in faults]

    def has(self, name: str) -> bool:
        return any(getattr(c, "identifier", None) == name for c in self.controls())

    def names(self) -> list[str]:
        """List the ids on screen in order."""
        return [c.identifier for c in self.controls() if getattr(c, "identifier", None)]

    def texts(self, name: str = "") -> list[str]:
        """List the words on screen, or inside what has an id."""
        where = _walk(self.find(name), set()) if name else self.controls()
        found = []
        for control in where:
            for member in ("value", "label", "content", "text", "tooltip", "title", "error"):
                words = getattr(control, member, None)
                if isinstance(words, str) and words:
                    found.append(words)
        return found

    def says(self, words: str, name: str = "") -> bool:
        return any(words in text for text in self.texts(name))

    async def settle(self) -> None:
        """Wait until the app has nothing more to do, then fail if it crashed."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + SETTLE_S
        quiet = 0
        before = len(self.connection.frames)
        while quiet < 12 and loop.time() < ends:
            await asyncio.sleep(0)
            now = len(self.connection.frames)
            quiet = quiet + 1 if now == before and not self._pending else 0
            before = now
        assert not self.connection.crashes, self.connection.crashes

    async def _dispatch(self, control_id: int, event: str, data: Any) -> None:
        # as the host does: each event in a task of its own
        await asyncio.create_task(self.session.dispatch_event(control_id, event, data))

    def _target(self, name: str, members: tuple[str, ...]) -> Any:
        for control in _walk(self.find(name), set()):
            if any(getattr(control, member, None) is not None for member in members):
                around: Any = control
                while around is not None:
                    assert getattr(around, "visible", True) is not False, f"{name} cannot be seen"
                    assert not getattr(around, "disabled", False), f"{name} is disabled"
                    around = around.parent
                return control
        raise AssertionError(f"{name} cannot be touched")


def _walk(found: Any, seen: set[int]) -> Iterator[Any]:
    """Give the controls inside a value in the order in which they are drawn."""
    if isinstance(found, list | tuple):
        for part in found:
            yield from _walk(part, seen)
    elif isinstance(found, dict):
        yield from _walk(list(found.values()), seen)
    elif isinstance(found, Component):
        yield from _walk(found._b, seen)
    elif dataclasses.is_dataclass(found) and not isinstance(found, type) and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, ft.BaseControl):
            yield found
        for field in dataclasses.fields(found):
            if field.name.startswith("_") or field.metadata.get("skip") or field.name == "data":
                continue
            value = getattr(found, field.name, None)
            if isinstance(value, list | tuple | dict) or dataclasses.is_dataclass(value):
                yield from _walk(value, seen)
