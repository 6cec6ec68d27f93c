"""Every screen as a picture, held against the one that somebody looked at.

At most one pixel of two hundred may differ by more than 16 levels: other releases of Chromium draw
letters a little differently. `MOBILEGRID_WRITE_PICTURES=1` writes the pictures anew, with few
colours; look at them before they are kept.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Response

from tests.support.app_service import app_service
from tests.support.browsing import DESKTOP, Visitor

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GOLDEN = Path(__file__).parent / "golden"
SHARE_MAX, LEVELS_MAX = 0.005, 16
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
ON_A_DESK = ("home", "station", "booking", "wallet", "receipt")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with app_service(tmp_path_factory.mktemp("packed")) as (place, _):
        yield place


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_is_what_was_looked_at(chromium: Browser, origin: str, look: str) -> None:
    visitor = Visitor(chromium, origin, **LOOKS[look])
    visitor.context.add_cookies([{"name": "mg_session", "value": "somebody", "url": origin}])
    visitor.context.route("**/_tiles/**", lambda route: route.abort())  # they come in any order
    differing = []
    for name in ON_A_DESK if look == "desk" else SCREENS:
        visitor.open(SCREENS[name])
        is_pane = look == "desk" and name == "station"  # beside the list
        visitor.see("station-head" if is_pane else f"screen-{name}")
        visitor.page.wait_for_load_state("networkidle")  # letters too
        visitor.page.wait_for_timeout(500)
        if not _is_the_same(visitor.picture(), GOLDEN / look / f"{name}.png"):
            differing.append(name)
    assert visitor.faults == []
    visitor.close()
    assert differing == []


def test_chinese_has_letters(chromium: Browser, origin: str) -> None:
    visitor = Visitor(chromium, origin, locale="zh-CN")
    statuses: list[int] = []

    def answered(answer: Response) -> None:
        if "/fallback/" in answer.url:
            statuses.append(answer.status)

    visitor.page.on("response", answered)
    visitor.open("/")
    visitor.hears("查找换电站")
    visitor.page.wait_for_timeout(1_000)
    visitor.close()
    assert statuses
    assert set(statuses) <= {200}


def _is_the_same(picture: Image.Image, path: Path) -> bool:
    if os.environ.get("MOBILEGRID_WRITE_PICTURES"):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.quantize(128).save(path, optimize=True)
        return True
    kept = np.asarray(Image.open(path).convert("RGB"), dtype=np.int16)
    drawn = np.asarray(picture, dtype=np.int16)
    if kept.shape != drawn.shape:
        return False
    differs = (np.abs(kept - drawn) > LEVELS_MAX).any(axis=2)
    if differs.mean() <= SHARE_MAX:
        return True
    beside = Image.new("RGB", (picture.width * 2, picture.height))
    beside.paste(Image.open(path).convert("RGB"), (0, 0))
    beside.paste(picture, (picture.width, 0))
    beside.save(path.with_suffix(".failed.png"))
    return False
