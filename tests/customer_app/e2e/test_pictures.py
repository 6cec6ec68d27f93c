"""Every screen as a picture and as a screen reader hears it, held against what was looked at.

At most one pixel of two hundred may differ by more than 16 levels: other releases of Chromium draw
letters a little differently. What is heard must be the same to the letter.
`MOBILEGRID_WRITE_PICTURES=1` writes both anew, the pictures with few colours; look at them before
they are kept.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.support.app_service import app_service
from tests.support.browsing import DESKTOP, Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GOLDEN = Path(__file__).parent / "golden"
IS_WRITING = bool(os.environ.get("MOBILEGRID_WRITE_PICTURES"))
SHARE_MAX, LEVELS_MAX = 0.005, 16
PATIENCE_S = 10
"""How long a screen may take until it is what was looked at."""

SCREENS = {
    "home": "/",
    "station": "/station/st_mitte",
    "reserve": "/station/st_mitte/reserve",
    "booking": "/booking/bk_1",
    "code": "/booking/bk_1/code",
    "swap": "/swap/sw_1",
    "wallet": "/wallet",
    "receipts": "/receipts",
    "receipt": "/receipts/sw_low",
    "invoice": "/invoices/in_1",
    "pack": "/pack",
    "passport": "/pack/pk_new/passport",
    "verify": "/verify/sw_low",
    "inbox": "/inbox",
    "help": "/help",
    "settings": "/settings",
    "data": "/settings/data",
    "not-found": "/nowhere",
}
LOOKS: dict[str, dict[str, Any]] = {
    "en-light": {"device_scale_factor": 1},
    "zh-dark": {"device_scale_factor": 1, "locale": "zh-CN", "color_scheme": "dark"},
    "desk": DESKTOP,
}
LARGE = ("home", "station", "reserve", "booking", "code", "swap", "wallet", "passport")
WITH_CODES = ("code",)
STEPS_MOST = 60
"""How often the key to go on is pressed; a screen has fewer controls."""
_FOCUSED = """() => {
  const at = document.activeElement;
  return at.getAttribute("aria-label") || at.textContent;
}"""
ON_A_DESK = ("home", "station", "booking", "wallet", "receipt")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with app_service(tmp_path_factory.mktemp("packed")) as (place, _):
        yield place


def somebody(chromium: Browser, origin: str, **more: Any) -> Visitor:
    """Open a tab of a driver; the squares of the map come in any order, so none come.

    What a service worker passes on cannot be held back here.
    """
    visitor = Visitor(chromium, origin, service_workers="block", **more)
    visitor.context.add_cookies([{"name": "mg_session", "value": "somebody", "url": origin}])
    visitor.context.route("**/_tiles/**", lambda route: route.abort())
    return visitor


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_is_what_was_looked_at(chromium: Browser, origin: str, look: str) -> None:
    visitor = somebody(chromium, origin, **LOOKS[look])
    letters: list[int] = []
    visitor.page.on("response", lambda told: _note_letters(told, letters))
    visitor.open("/")
    differing = []
    for name in ON_A_DESK if look == "desk" else SCREENS:
        visitor.go(SCREENS[name])
        is_pane = look == "desk" and name == "station"  # beside the list
        visitor.see("station-head" if is_pane else f"screen-{name}")
        if IS_WRITING:
            visitor.page.wait_for_load_state("networkidle")  # letters too
            visitor.page.wait_for_timeout(1_000)
        if not _looks_right(visitor, GOLDEN / look / f"{name}.png"):
            differing.append(name)
        if look != "desk" and not _sounds_right(visitor, GOLDEN / look / f"{name}.yaml"):
            differing.append(f"{name}, as it is heard")
    assert visitor.faults == []
    visitor.close()
    assert differing == []
    assert set(letters) == ({200} if look == "zh-dark" else set())  # Chinese has letters


def test_letters_of_twice_the_size_and_the_keyboard_alone(chromium: Browser, origin: str) -> None:
    visitor = somebody(chromium, origin, is_large=True, device_scale_factor=1)
    visitor.open("/")
    differing = []
    for name in LARGE:
        visitor.go(SCREENS[name])
        visitor.see(f"screen-{name}")
        if IS_WRITING:
            visitor.page.wait_for_load_state("networkidle")
            visitor.page.wait_for_timeout(1_000)
        if not _looks_right(visitor, GOLDEN / "large" / f"{name}.png"):
            differing.append(name)
        if name in WITH_CODES:
            assert visitor.codes()
    assert differing == []
    visitor.go("/station/st_mitte")
    visitor.see("screen-station")
    _reach(visitor, "Reserve")
    visitor.page.keyboard.press("Enter")
    visitor.see("screen-reserve")
    assert visitor.faults == []
    visitor.close()


def _reach(visitor: Visitor, words: str) -> None:
    """Go from control to control until the one with these words has the focus."""
    for _ in range(STEPS_MOST):
        visitor.page.keyboard.press("Tab")
        visitor.page.wait_for_timeout(50)
        if visitor.page.evaluate(_FOCUSED) == words:
            return
    pytest.fail(f"{words} was not reached")


def _note_letters(told: Any, letters: list[int]) -> None:
    if "/fallback/" in told.url:
        letters.append(told.status)


def _looks_right(visitor: Visitor, path: Path) -> bool:
    if IS_WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        visitor.picture().quantize(128).save(path, optimize=True)
        return True
    kept = Image.open(path).convert("RGB")
    drawn = _in_time(visitor.shot, lambda now: _is_alike(kept, now))
    if drawn is None:
        return True
    beside = Image.new("RGB", (drawn.width * 2, drawn.height))
    beside.paste(kept, (0, 0))
    beside.paste(drawn, (drawn.width, 0))
    beside.save(path.with_suffix(".failed.png"))
    return False


def _is_alike(kept: Image.Image, drawn: Image.Image) -> bool:
    if kept.size != drawn.size:
        return False
    one, other = (np.asarray(each, dtype=np.int16) for each in (kept, drawn))
    differs = (np.abs(one - other) > LEVELS_MAX).any(axis=2)
    return bool(differs.mean() <= SHARE_MAX)


def _sounds_right(visitor: Visitor, path: Path) -> bool:
    if IS_WRITING:
        path.write_text(visitor.text() + "\n")
        return True
    heard = _in_time(visitor.text, lambda now: f"{now}\n" == path.read_text())
    if heard is not None:
        path.with_suffix(".failed.yaml").write_text(heard)
    return heard is None


def _in_time(look: Callable[[], Any], is_right: Callable[[Any], bool]) -> Any:
    """Look until it is right; gives None then, and what was seen last when it never was."""
    end = time.monotonic() + PATIENCE_S
    while not is_right(found := look()):
        if time.monotonic() > end:
            return found
        time.sleep(0.1)
    return None
