"""What breaks stays where it is: the rest reacts, a reference is shown, no traceback travels."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import flet as ft
import pytest
from typing_extensions import override

from customer_app import root
from customer_app.kit.app import App
from customer_app.kit.boundary import component, handler, screen
from customer_app.kit.flet_private import NotDrawable, check
from customer_app.kit.hooks import use_loop, use_model, use_task
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button
from customer_app.models.base import Model
from tests.customer_app.harness import Browser, Faults, services_for

SECRET = "a secret of the server"
Run = Callable[[Awaitable[None]], None]


class Broken(Exception):
    """What the test breaks things with."""


def broken() -> None:
    raise Broken(SECRET)


@ft.observable
class Count(Model):
    def __init__(self) -> None:
        Model.__init__(self)
        self.n = 0
        self.loads = 0

    @override
    async def fetch(self) -> None:
        self.loads += 1

    async def add(self) -> None:
        self.n += 1

    async def break_down(self) -> None:
        broken()


@component
def part(app: App, way: str) -> ft.Control:
    if way == "child":
        broken()
    if way == "None":
        return None  # type: ignore[return-value]
    if way == "text":
        return "no control"  # type: ignore[return-value]
    if way == "invalid control":
        return ft.NavigationBar([ft.NavigationBarDestination(icon=ft.Icons.MAP, label="one")])
    if way == "wrong index":
        two = [ft.NavigationBarDestination(icon=ft.Icons.MAP, label=n) for n in "ab"]
        return ft.NavigationBar(two, selected_index=7)
    if way == "untravelled value":
        return ft.Text(object())  # type: ignore[arg-type]
    if way == "naked handler":
        return ft.Button("x", on_click=lambda _e: broken())
    if way == "effect":
        use_task(app, breaking)
    if way == "loop":
        use_loop(app, breaking, 1)
    return ft.Text("part")


async def breaking() -> None:
    broken()


@component
def row(_app: App, number: int, way: str) -> ft.Control:
    if way == "list row" and number == 3:
        broken()
    return tid(f"row-{number}", ft.Text(f"row {number}"))


def make_screen(way: str) -> Callable[..., Any]:
    @screen
    def view(app: App) -> ft.Control:
        if way == "screen":
            broken()
        model = use_model(app, Count)
        work = model.break_down if way == "handler" else model.add
        return ft.Column(
            [
                tid("shown", ft.Text(f"n = {model.n}")),
                button("tap", "tap", handler(app, work)),
                button("add", "add", handler(app, model.add)),
                part(app, way),
                *[row(app, number, way, key=number) for number in range(5)],  # type: ignore[call-arg]
            ]
        )

    return view


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def open_with(monkeypatch: pytest.MonkeyPatch, way: str) -> tuple[Awaitable[Browser], Faults]:
    view = make_screen(way)
    monkeypatch.setattr(root, "_screen", lambda _name: view)
    faults = Faults()
    pause = at_once if way == "loop" else None
    services = services_for(object(), observer=faults, **({"pause": pause} if pause else {}))
    return Browser.open(services), faults


def assert_nothing_leaked(browser: Browser) -> None:
    for leak in (SECRET, "Traceback", "customer_app/", "Broken"):
        assert not browser.connection.holds(leak), leak


@pytest.mark.parametrize(
    "way",
    [
        "child",
        "list row",
        "None",
        "text",
        "invalid control",
        "wrong index",
        "untravelled value",
        "naked handler",
    ],
)
def test_a_part_that_cannot_be_drawn_is_a_card_and_the_rest_reacts(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async def run() -> None:
        opening, faults = open_with(monkeypatch, way)
        browser = await opening
        (fault,) = faults.faults
        assert browser.says(f"Ref {fault[2][-8:]}", "fault")
        await browser.tap("add")
        await browser.tap("add")
        assert browser.texts("shown") == ["n = 2"]
        if way == "list row":
            assert [name for name in browser.names() if name.startswith("row-")] == [
                "row-0",
                "row-1",
                "row-2",
                "row-4",
            ]
        assert_nothing_leaked(browser)

    asyncio.run(run())


def test_a_screen_that_breaks_leaves_the_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        opening, faults = open_with(monkeypatch, "screen")
        browser = await opening
        assert browser.has("fault")
        assert browser.has("settings")
        await browser.visit("/wallet")
        assert browser.has("sign-in-card")
        assert isinstance(faults.faults[0][0], Broken)
        assert_nothing_leaked(browser)

    asyncio.run(run())


def test_a_root_that_breaks_says_so_and_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        is_broken = True
        stack_of = root.stack_of

        def stack(path: str, *, is_wide: bool) -> Any:
            if is_broken:
                broken()
            return stack_of(path, is_wide=is_wide)

        view = make_screen("")
        monkeypatch.setattr(root, "_screen", lambda _name: view)
        monkeypatch.setattr(root, "stack_of", stack)
        browser = await Browser.open(services_for(object()))
        assert browser.has("fault")
        assert_nothing_leaked(browser)
        is_broken = False
        await browser.fire(retry_button(browser), "click")
        assert not browser.has("fault")
        assert browser.has("title")

    asyncio.run(run())


def retry_button(browser: Browser) -> Any:
    return next(c for c in browser.controls() if isinstance(c, ft.FilledTonalButton) and c.on_click)


@pytest.mark.parametrize("way", ["handler", "effect"])
def test_a_handler_or_an_effect_that_raises_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async def run() -> None:
        opening, faults = open_with(monkeypatch, way)
        browser = await opening
        if way == "handler":
            await browser.tap("tap")
        assert browser.says("The rest of the app works.")
        assert [type(error) for error, *_rest in faults.faults] == [Broken]
        await browser.tap("add")
        assert browser.texts("shown") == ["n = 1"]
        assert_nothing_leaked(browser)

    asyncio.run(run())


def test_a_loop_that_keeps_failing_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        opening, faults = open_with(monkeypatch, "loop")
        browser = await opening
        tries = [place for error, place, _ref in faults.faults if isinstance(error, Broken)]
        assert tries.count("breaking") == 5  # once, three times again, and once to be shown
        assert browser.says("The rest of the app works.")
        await browser.tap("add")
        assert browser.texts("shown") == ["n = 1"]
        assert_nothing_leaked(browser)

    asyncio.run(run())


def test_a_hidden_or_disabled_control_can_be_fired_without_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        done: list[str] = []

        @screen
        def view(app: App) -> ft.Control:
            return ft.Column(
                [
                    button("off", "off", handler(app, done.append, "off"), enabled=False),
                    ft.Container(
                        ft.Button("in", on_click=handler(app, done.append, "in")), visible=False
                    ),
                    ft.Button("dis", disabled=True, on_click=handler(app, done.append, "dis")),
                ]
            )

        monkeypatch.setattr(root, "_screen", lambda _name: view)
        browser = await Browser.open(services_for(object()))
        buttons = [c for c in browser.controls() if isinstance(c, ft.Button)]
        assert len(buttons) == 3
        for control in buttons:
            await browser.fire(control, "click")
        browser.session.apply_patch(buttons[0]._i, {"disabled": False})
        await browser.fire(buttons[0], "click")
        assert done == []

    asyncio.run(run())


def test_a_double_tap_is_one_tap_even_when_the_screen_is_drawn_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        go = asyncio.Event()
        done: list[int] = []

        @screen
        def view(app: App) -> ft.Control:
            n, set_n = ft.use_state(0)

            async def work() -> None:
                set_n(n + 1)
                await go.wait()
                done.append(1)

            return button("tap", f"tap {n}", handler(app, work, key="work"))

        monkeypatch.setattr(root, "_screen", lambda _name: view)
        browser = await Browser.open(services_for(object()))
        taps = [asyncio.create_task(browser.tap("tap")) for _ in range(2)]
        await asyncio.sleep(0.01)
        third = asyncio.create_task(browser.tap("tap"))
        await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(*taps, third)
        assert done == [1]

    asyncio.run(run())


def test_the_check_names_what_it_found() -> None:
    with pytest.raises(NotDrawable, match="NoneType"):
        check(None)
    with pytest.raises(NotDrawable, match="on_click of Container"):
        check(ft.Column([ft.Container(on_click=broken)]))
    with pytest.raises(NotDrawable, match="a set cannot travel"):
        check(ft.Text("x", tooltip=ft.Tooltip(message={"a"})))  # type: ignore[arg-type]
