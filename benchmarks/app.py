"""The drivers' app in a real browser, beside flet-web as it comes out of its box.

Both serve the same list of 24 stations from the same door in memory. Cold loads begin with an empty
profile over a line of 20 Mbit/s and 60 ms; the throttle does not slow the frames of the socket, on
neither side. Baseline: `flet_web.fastapi.app` behind uvicorn, no packing, Python's own collector.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from playwright.sync_api import Browser

from benchmarks.app_load import load_rows
from benchmarks.measure import Row, Scale, note, number
from customer_app.hosting.runtime import Runtime
from tests.support.app_service import app_service
from tests.support.browsing import Visitor, browser

STATIONS = 24
READY = "station-row-0"
BITS_PER_S, LATENCY_MS = 20_000_000, 60
COLD_BYTES_MAX, COLD_S_MAX, AGAIN_BYTES_MAX = 4_000_000, 4.5, 50_000
TAP_P50_MS, TAP_P95_MS = 50.0, 120.0
TAPS = 50
PACKED = ("main.dart.wasm", "canvaskit/skwasm.wasm", "assets/fonts/MaterialIcons-Regular.otf")
_TAP = """
async (id) => {
  const node = document.querySelector(`[flt-semantics-identifier="${id}"]`);
  const host = document.querySelector("flt-semantics-host");
  return new Promise((resolve) => {
    const began = performance.now();
    const watch = new MutationObserver(() => {
      watch.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - began));
    });
    watch.observe(host, {subtree: true, childList: true, attributes: true, characterData: true});
    const target = node.querySelector("[flt-tappable], [role=button]") || node;
    const box = target.getBoundingClientRect();
    const at = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2,
      bubbles: true, pointerId: 1, isPrimary: true, button: 0, buttons: 1, pointerType: "mouse"};
    target.dispatchEvent(new PointerEvent("pointerdown", at));
    target.dispatchEvent(new PointerEvent("pointerup", {...at, buttons: 0}));
    target.click();
    setTimeout(() => { watch.disconnect(); resolve(-1); }, 2000);
  });
}
"""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure the app: what is loaded, how soon it stands and answers, how many it bears."""
    cache = Path(tempfile.mkdtemp(prefix="app-"))
    note("app: packing the client with brotli (half a minute)")
    Runtime(cache).pack(lambda _name: None, PACKED)
    with browser() as started:
        with app_service(cache, STATIONS) as (ours, _):
            mine = [_cold(started, ours) for _ in range(scale.of(5, least=2))]
            again = _again(started, ours)
            taps = {each: _taps(started, ours, scale.of(TAPS, least=20), each) for each in (1, 2)}
        with app_service(cache, STATIONS, plain=True) as (stock, _):
            theirs = [_cold(started, stock) for _ in range(scale.of(3, least=1))]
    yield from _load_table(mine, theirs, again)
    for density, found in taps.items():
        yield from _tap_rows(found, density)
    yield from load_rows(cache, scale)


def _tap_rows(taps: list[float], density: int) -> Iterator[Row]:
    """Hold what was seen against the limits; drawn by the processor, as there is no other here."""
    found = {"p50": (median(taps), TAP_P50_MS), "p95": (quantiles(taps, n=20)[-1], TAP_P95_MS)}
    for name, (ms, most) in found.items():
        what = f"app, tap to change, {len(taps)} taps at {density} pixel a point, {name}"
        yield Row(what, f"{ms:.0f} ms", f"{most:.0f} ms", most / ms, 1.0, 1.0)


def _load_table(
    mine: list[tuple[int, float]], theirs: list[tuple[int, float]], again: int
) -> Iterator[Row]:
    size, seconds = (median(each[which] for each in mine) for which in (0, 1))
    stock_size, stock_seconds = (median(each[which] for each in theirs) for which in (0, 1))
    yield Row(
        f"app, first visit, bytes on the wire (at most {number(COLD_BYTES_MAX)})",
        number(size),
        f"{number(stock_size)} stock",
        COLD_BYTES_MAX / size,
        1.0,
        1.0,
    )
    yield Row(
        f"app, first visit at 20 Mbit/s and 60 ms (at most {COLD_S_MAX} s)",
        f"{seconds:.2f} s",
        f"{stock_seconds:.2f} s stock",
        COLD_S_MAX / seconds,
        1.0,
        1.0,
    )
    yield Row(
        f"app, second visit, bytes (at most {number(AGAIN_BYTES_MAX)})",
        number(again),
        "",
        AGAIN_BYTES_MAX / max(again, 1),
        1.0,
        1.0,
    )


def _cold(started: Browser, origin: str) -> tuple[int, float]:
    """Load with an empty profile: bytes on the wire, and seconds until the list stands."""
    visitor = Visitor(started, origin)
    line = visitor.context.new_cdp_session(visitor.page)
    sizes: list[int] = []
    line.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": BITS_PER_S / 8,
            "uploadThroughput": BITS_PER_S / 8,
        },
    )
    began = perf_counter()
    visitor.open("/")
    visitor.see(READY)
    seconds = perf_counter() - began
    visitor.page.wait_for_timeout(500)
    visitor.close()
    return int(sum(sizes)), seconds


def _again(started: Browser, origin: str) -> int:
    """Load a second time with the same profile: bytes on the wire."""
    visitor = Visitor(started, origin)
    visitor.open("/")
    visitor.see(READY)
    page = visitor.context.new_page()
    line = visitor.context.new_cdp_session(page)
    sizes: list[int] = []
    line.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    line.send("Network.enable")
    page.goto(f"{origin}/app/")
    page.locator(f'[flt-semantics-identifier="{READY}"]').first.wait_for(state="attached")
    page.wait_for_timeout(500)
    visitor.close()
    return int(sum(sizes))


def _taps(started: Browser, origin: str, count: int, density: int) -> list[float]:
    """Switch a filter on and off: milliseconds from the tap to the change that is drawn."""
    visitor = Visitor(started, origin, device_scale_factor=density)
    visitor.open("/")
    visitor.see("filter-ready")
    found = []
    for _ in range(count + 5):
        found.append(float(visitor.page.evaluate(_TAP, "filter-ready")))
        visitor.page.wait_for_timeout(150)
    visitor.close()
    return [each for each in found[5:] if each >= 0]
