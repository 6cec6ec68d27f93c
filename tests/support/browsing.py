"""A real browser in the hands of a test: Debian's Chromium, driven by what a screen reader sees.

The app draws on a canvas, so there is no text to look for until its tree for screen readers is
switched on. Controls are found by the identifiers they carry there, whatever the language.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    TimeoutError,  # noqa: A004 - Playwright's own
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 60_000
BAR = 16
"""Pixels at the lower edge in which nothing is tapped."""

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
_ARGUMENTS = [
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--no-first-run",
]
_SEMANTICS = """
window.addEventListener("flutter-first-frame", () => {
  const timer = setInterval(() => {
    const button = document.querySelector("flt-semantics-placeholder");
    if (button) button.click(); else clearInterval(timer);
  }, 50);
});
"""

_GO = """
address => {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate", {state: null}));
}
"""

_LARGE = """
document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.style.fontSize = "200%";
});
"""
_HEARS = """
([words, wanted]) => wanted === [...document.querySelectorAll("flt-semantics-host *")].some(one =>
  (one.getAttribute("aria-label") || "").includes(words) ||
  (!one.children.length && (one.textContent || "").includes(words)))
"""


def chromium() -> str:
    """Find the browser; without one the tests are skipped, and fail where CI is set."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CI"):
        pytest.fail("no Chromium on PATH")
    pytest.skip("no Chromium on PATH")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser, and end it."""
    arguments = list(_ARGUMENTS)
    if os.name == "posix" and os.geteuid() == 0:
        arguments.append("--no-sandbox")  # the sandbox wants another user than root
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            started.close()


class Visitor:
    """One person before one tab; what leaves the origin and what breaks is written down."""

    def __init__(self, started: Browser, origin: str, **more: Any) -> None:
        """Open a fresh profile; `more` are Playwright's options of a context.

        With `is_large` the person reads letters of twice the size.
        """
        is_large = more.pop("is_large", False)
        options = {**PHONE, "locale": "en-GB", "reduced_motion": "reduce", **more}
        self.origin = origin
        self.context: BrowserContext = started.new_context(**options)
        self.context.add_init_script(_SEMANTICS)
        if is_large:
            self.context.add_init_script(_LARGE)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)

    @property
    def abroad(self) -> list[str]:
        """Requests that reached for another origin; the page's own policy stops each of them."""
        mine = (self.origin, "blob:" + self.origin, "data:", "ws" + self.origin[4:])
        return [url for url in self.asked if not url.startswith(mine)]

    def open(self, route: str = "/") -> None:
        """Go to a route of the app, and wait until it is drawn."""
        self.page.goto(f"{self.origin}/app{route}")
        self.drawn()

    def go(self, route: str) -> None:
        """Go to a route of the app that is open, as the address bar would without loading anew."""
        self.page.evaluate(_GO, f"/app{route}")

    def drawn(self) -> None:
        """Wait until the app is drawn, and its tree for screen readers stands."""
        self.page.wait_for_selector("flt-semantics-host flt-semantics", state="attached")

    def one(self, identifier: str) -> Locator:
        """Find a control by its identifier."""
        return self.page.locator(f'[flt-semantics-identifier="{identifier}"]').first

    def see(self, identifier: str) -> Locator:
        """Wait until a control is there."""
        found = self.one(identifier)
        with self._telling(f"{identifier} never came"):
            found.wait_for(state="attached")
        return found

    def miss(self, identifier: str) -> None:
        """Wait until a control is gone."""
        with self._telling(f"{identifier} stayed"):
            self.one(identifier).wait_for(state="detached")

    def tap(self, identifier: str) -> None:
        """Tap the middle of a control: of what takes the tap, where it lies below.

        What lies below the edge of the screen is scrolled to first, as a person would.
        """
        found = self.see(identifier)
        inner = found.locator("[flt-tappable], [role=button], input").first
        target = inner if inner.count() else found
        x, y = self._middle(target, identifier)
        self.page.mouse.click(x, y)

    def _middle(self, target: Locator, name: str) -> tuple[float, float]:
        size = self.page.viewport_size
        assert size is not None, "a context has a size"
        for _ in range(20):
            box = target.bounding_box()
            assert box is not None, f"{name} is not drawn"
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            if y < size["height"] - BAR:
                break
            self.page.mouse.move(size["width"] / 2, size["height"] / 2)
            self.page.mouse.wheel(0, 300)
            self.page.wait_for_timeout(100)
        return x, y

    def press(self, words: str) -> None:
        """Press the button that begins with some words, such as a row of a menu.

        Where a control gives way to another in its place, its identifier may stay: words do not.
        """
        found = self.page.get_by_role("button", name=words).last
        with self._telling(f"no button {words!r}"):
            found.wait_for(state="attached")
        x, y = self._middle(found, words)
        self.page.mouse.click(x, y)

    def type(self, identifier: str, text: str) -> None:
        """Type into a field; what a redraw takes away meanwhile is typed again."""
        field = self.see(identifier).locator("input, textarea").first

        def is_typed() -> bool:
            field.fill(text)
            self.page.wait_for_timeout(300)
            return bool(field.input_value() == text)

        self.waits(is_typed)

    def text(self) -> str:
        """Give all that a screen reader could say of the screen."""
        said = self.page.locator("flt-semantics-host").aria_snapshot()
        return str(said)

    def hears(self, words: str) -> None:
        """Wait until some words are on the screen."""
        with self._telling(f"{words!r} was never said"):
            self.page.wait_for_function(_HEARS, arg=[words, True])

    def misses(self, words: str) -> None:
        """Wait until some words are no longer on the screen."""
        with self._telling(f"{words!r} stayed"):
            self.page.wait_for_function(_HEARS, arg=[words, False])

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Say what was on the screen instead of what was waited for in vain."""
        try:
            yield
        except TimeoutError as error:
            raise AssertionError(f"{what}; at {self.page.url}:\n{self.text()}") from error

    def waits(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + WAIT_MS / 1_000
        while not is_so():
            assert time.monotonic() < end, "it never became so"
            self.page.wait_for_timeout(50)

    def picture(self, path: Path | None = None) -> Image.Image:
        """Take a picture, when two in a row are alike."""
        before = b""
        for _ in range(20):
            now = self.page.screenshot()
            if now == before:
                break
            before = now
            self.page.wait_for_timeout(150)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(before)
        return Image.open(BytesIO(before)).convert("RGB")

    def shot(self) -> Image.Image:
        """Take a picture of this moment, whether or not all is drawn."""
        return Image.open(BytesIO(self.page.screenshot())).convert("RGB")

    def codes(self) -> list[str]:
        """Read the codes off the picture of the screen, as a camera would."""
        found = zxingcpp.read_barcodes(self.picture())
        return [one.text for one in found if one.format == zxingcpp.BarcodeFormat.QRCode]

    def close(self) -> None:
        """Go away."""
        self.context.close()
