"""Contrast, targets, names, headings, large text and readers of the screen, on every screen."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flet as ft
import flet_map as ftm
import pytest

import customer_app
from customer_app.kit.theme import FAULT, FEW, NONE, NOTICE, READY, SEED, STALE, TARGET, make_theme
from tests.customer_app.harness import Browser
from tests.customer_app.test_views_states import SCREENS
from tests.customer_app.test_words import luminance
from tests.customer_app.touring import Tour, arrive, run, town

APP = Path(customer_app.__file__).parent
# Material 3 makes every role of a scheme from its seed by a tone, which is the lightness L* of CIE:
# contrast hangs on the tone alone, whatever the hue. (role: tone in light, tone in dark)
TONES = {
    "PRIMARY": (40, 80),
    "ON_PRIMARY": (100, 20),
    "PRIMARY_CONTAINER": (90, 30),
    "ON_PRIMARY_CONTAINER": (30, 90),
    "SECONDARY": (40, 80),
    "ON_SECONDARY": (100, 20),
    "SECONDARY_CONTAINER": (90, 30),
    "ON_SECONDARY_CONTAINER": (30, 90),
    "TERTIARY": (40, 80),
    "ON_TERTIARY": (100, 20),
    "ERROR": (40, 80),
    "ON_ERROR": (100, 20),
    "ERROR_CONTAINER": (90, 30),
    "ON_ERROR_CONTAINER": (30, 90),
    "SURFACE": (98, 6),
    "SURFACE_CONTAINER": (94, 12),
    "SURFACE_CONTAINER_HIGH": (92, 17),
    "SURFACE_CONTAINER_HIGHEST": (90, 22),
    "ON_SURFACE": (10, 90),
    "ON_SURFACE_VARIANT": (30, 80),
    "OUTLINE": (50, 60),
    "OUTLINE_VARIANT": (80, 30),  # lines between things, never words or signs
    "WHITE": (100, 100),
}
TEXT, SIGN = 4.5, 3.0
GROUNDS = ("SURFACE", "SURFACE_CONTAINER", "SURFACE_CONTAINER_HIGH")
PAIRS = [
    *((role, ground, TEXT) for role in ("ON_SURFACE", "ON_SURFACE_VARIANT") for ground in GROUNDS),
    ("PRIMARY", "SURFACE", TEXT),
    ("ERROR", "SURFACE", TEXT),
    ("PRIMARY", "SURFACE_CONTAINER_HIGHEST", SIGN),  # the ring of a hold
    ("OUTLINE", "SURFACE", SIGN),
    ("SECONDARY_CONTAINER", "ON_SECONDARY_CONTAINER", TEXT),
    ("SECONDARY", "ON_SECONDARY", TEXT),
    ("TERTIARY", "ON_TERTIARY", TEXT),
    ("TERTIARY", "SURFACE", SIGN),
]


def shine(colour: Any, theme: int) -> float:
    """Give the relative luminance of a role in a theme (0 light, 1 dark), or of `#RRGGBB`."""
    if isinstance(colour, str) and colour.startswith("#"):
        return luminance(colour)
    tone = TONES[colour if isinstance(colour, str) and colour in TONES else colour.name][theme]
    return float(((tone + 16) / 116) ** 3 if tone > 8 else tone / 903.3)


def contrast(one: Any, other: Any, theme: int) -> float:
    light, dark = sorted((shine(one, theme), shine(other, theme)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_and_signs_stand_out_in_both_themes(theme: int) -> None:
    made = make_theme()
    assert (made.color_scheme_seed, made.use_material3) == (SEED, True)
    weak = [(one, other) for one, other, least in PAIRS if contrast(one, other, theme) < least]
    tones = [
        (each.container, each.on_container) for each in (READY, FEW, NONE, FAULT, STALE, NOTICE)
    ]
    weak += [pair for pair in tones if contrast(*pair, theme) < TEXT]
    assert weak == []


def test_no_screen_uses_a_colour_that_nobody_judged() -> None:
    used = set()
    for path in [*(APP / "views").glob("*.py"), *(APP / "kit").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ft.Colors":
                used.add(node.attr)
    assert used - TONES.keys() - {"TRANSPARENT", "with_opacity"} == set()


# Screens ----------------------------------------------------------------------------------------

BUTTONS = (ft.FilledButton, ft.FilledTonalButton, ft.OutlinedButton, ft.TextButton)
ROOMY = (ft.ListTile, ft.PopupMenuItem, ft.PopupMenuButton, ft.NavigationBar, ft.NavigationRail)
LINE = 20  # of the smallest words that can be tapped


def small(control: Any) -> bool:
    """Whether a control can be tapped and is smaller than a finger needs."""
    if isinstance(control, ftm.Marker):
        tapped = isinstance(control.content, BUTTONS)
        return tapped and min(control.width, control.height) < TARGET
    if getattr(control, "on_click", None) is None or isinstance(control, ROOMY):
        return False
    if isinstance(control, ft.Container):
        edge = control.padding
        vertical = edge.top + edge.bottom if isinstance(edge, ft.Padding) else 2 * (edge or 0)
        return (control.height or LINE + vertical) < TARGET
    if isinstance(control, ft.IconButton):
        return min(control.width or TARGET, control.height or TARGET) < TARGET
    # Material gives a button without a height of its own 48 px to be hit
    return isinstance(control, BUTTONS) and (control.height or TARGET) < TARGET


def unnamed(control: Any) -> bool:
    """Whether a picture or a button without words says nothing to a reader."""
    if isinstance(control, ft.Image):
        return not control.semantics_label
    return isinstance(control, ft.IconButton) and not control.tooltip


CHARTS = ("BarChart", "LineChart")


def clipped(control: Any) -> bool:
    """Whether words stand in something whose height was set without them."""
    height = getattr(control, "height", None)
    if not isinstance(height, int | float) or type(control).__name__ in CHARTS:
        return False
    if isinstance(control, BUTTONS):
        return True
    texts = [each for each in _inside(control) if isinstance(each, ft.Text)]
    return sum(2 * LINE for _ in texts) > height


def _inside(control: Any) -> Iterator[Any]:
    yield control
    for member in ("content", "controls"):
        found = getattr(control, member, None)
        for each in found if isinstance(found, list) else [found]:
            if isinstance(each, ft.BaseControl):
                yield from _inside(each)


async def tour(size: str) -> list[str]:
    """Look at every screen; gives what is wrong with it."""
    there = await arrive(town(), "/", stored={"mg.scale": size})
    theme = there.browser.page.theme
    assert theme.text_theme.body_medium.size == LINE * 0.7 * int(size) / 100
    wrong: list[str] = []
    for screen, route, _asks in SCREENS:
        await there.browser.visit(route)
        wrong += [f"{screen}: {each}" for each in faults_of(there, screen)]
    await there.browser.close()
    assert not there.faults.faults
    return wrong


def faults_of(there: Tour, screen: str) -> Iterator[str]:
    browser = there.browser
    for control in browser.controls():
        kind = type(control).__name__
        for rule in (small, unnamed, clipped):
            if rule(control):
                yield f"{rule.__name__} {kind} {getattr(control, 'content', '')!r:.80}"
        if isinstance(control, ft.Row) and not control.wrap and not control.scroll:
            loose = [each for each in control.controls if isinstance(each, ft.Text)]
            if sum(not each.expand and not each.no_wrap for each in loose) > 1:
                yield f"words that cannot break side by side: {[each.value for each in loose]}"
    named = [each for each in browser.controls() if getattr(each, "heading_level", None)]
    if not named:
        yield "no heading"
    assert browser.has(f"screen-{screen}")


def test_every_screen_can_be_touched_heard_and_read_at_twice_the_size() -> None:
    assert asyncio.run(tour("200")) == []


@pytest.mark.parametrize(
    ("rule", "control"),
    [
        (small, ft.Container(ft.Text("a"), on_click=print)),
        (small, ft.IconButton(ft.Icons.ADD, width=40, on_click=print)),
        (small, ftm.Marker(ft.FilledButton("3"), None, width=40, height=48)),
        (unnamed, ft.Image(src="a")),
        (unnamed, ft.IconButton(ft.Icons.ADD)),
        (clipped, ft.FilledButton("a", height=48)),
        (clipped, ft.Container(ft.Column([ft.Text("a"), ft.Text("b")]), height=72)),
    ],
)
def test_the_rules_find_what_they_are_made_for(rule: Any, control: Any) -> None:
    assert rule(control)


def test_the_last_minutes_of_a_hold_are_said_aloud_at_ten_five_and_one() -> None:
    async def hear() -> None:
        for minutes, said in (
            (10, "10 minutes left"),
            (5, "5 minutes left"),
            (1, "One minute left"),
        ):
            door = town()
            door.put_booking(arrive_until=door.at(minutes))
            there = await arrive(door, "/booking/bk_1")
            spoken = [args["message"] for name, args in there.browser.invoked if "announce" in name]
            assert spoken == [said]
            await there.browser.close()

    run(hear())


@pytest.mark.parametrize("reads", [False, True])
def test_what_is_said_below_stays_for_whoever_reads_by_ear(
    monkeypatch: pytest.MonkeyPatch, *, reads: bool
) -> None:
    monkeypatch.setattr(Browser, "has_reader", reads)

    async def look() -> None:
        there = await arrive(town(), "/booking/bk_1")
        await there.browser.tap("booking-extend")
        bar = next(c for c in there.browser.controls() if isinstance(c, ft.SnackBar))
        assert bar.persist is reads
        assert bar.show_close_icon
        await there.browser.close()

    run(look())
