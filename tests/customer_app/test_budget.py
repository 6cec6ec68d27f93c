"""How much a session sends and holds: counted, not timed (customer_app/kit, rooms of lists)."""

import asyncio

import flet as ft
import flet_map as ftm
import pytest

from customer_app.api.fake_town import TownDoor
from tests.customer_app.harness import DESK, PHONE, Browser
from tests.customer_app.test_views_home import open_town, rows_of, town

ROWS = 24
CONTROLS_MOST = 250
MARKERS_MOST = 60
OPENING_BYTES = 24_000
PATCH_BYTES = 40_000


def crowded(pins_count: int = 300, clusters_count: int = 40) -> TownDoor:
    """Fill a page of the list, and a frame of the map as the door would at most."""
    door = town()
    rows = [
        door.station_row(f"st_{n}", f"Station with a long name {n}", n % 9, distance_m=100 * n)
        for n in range(ROWS)
    ]
    pins = [door.station_row(f"st_{n}", f"Station {n}", n % 9) for n in range(pins_count)]
    rows_of(door)[:] = rows
    door.things["/stations"]["next_cursor"] = "c"
    door.things["/stations/map"] = {
        "clusters": [
            {"lat_e7": 525_000_000 + n, "lon_e7": 134_000_000, "count": 9, "ready_count": 3}
            for n in range(clusters_count)
        ],
        "stations": pins,
        "as_of": {"position": 1},
    }
    return door


def drawn(browser: Browser) -> list[ft.BaseControl]:
    return [control for control in browser.controls() if isinstance(control, ft.BaseControl)]


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_a_full_first_screen_keeps_its_budget(size: tuple[int, int]) -> None:
    async def run() -> None:
        browser = await open_town(crowded(), size=size)
        controls = drawn(browser)
        markers = [control for control in controls if isinstance(control, ftm.Marker)]
        assert browser.has(f"station-row-{ROWS - 1}")
        assert len(markers) <= MARKERS_MOST
        assert len(controls) <= CONTROLS_MOST
        sizes = [len(frame) for frame in browser.connection.frames]
        assert max(sizes) <= PATCH_BYTES, sizes

    asyncio.run(run())


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_opening_a_session_sends_little(size: tuple[int, int]) -> None:
    async def run() -> None:
        browser = await open_town(crowded(ROWS, 4), size=size)
        assert browser.connection.byte_count <= OPENING_BYTES

    asyncio.run(run())


def test_a_renewed_list_sends_only_what_changed() -> None:
    async def run() -> None:
        door = crowded()
        browser = await open_town(door)
        before = browser.connection.byte_count
        rows_of(door)[3]["ready"][0]["ready_count"] = 77
        await browser.tap("filter-ready")
        assert browser.connection.byte_count - before <= 3_000

    asyncio.run(run())
