"""The parts of every screen: errors, waiting, inputs that a hostile browser fills."""

import asyncio
from collections.abc import Callable
from typing import Any

import flet as ft
import pytest
from flet.components.observable import observable
from typing_extensions import override

from customer_app import root
from customer_app.api.errors import ApiError, Kind
from customer_app.kit import inputs
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_dialog, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.panels import by_state, empty_state, error_panel, figure_row, proof_badge
from customer_app.models.base import Model, State
from tests.customer_app.harness import Browser, services_for

Draw = Callable[[App], ft.Control]


class Pauses:
    """Passes every pause when told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def __call__(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((seconds, future))
        await future

    def let_go(self, seconds: float) -> None:
        for waited, future in self.waiting:
            if waited == seconds and not future.done():
                future.set_result(None)


def open_drawn(monkeypatch: pytest.MonkeyPatch, draw: Draw, route: str = "/", **more: Any) -> Any:
    @screen
    def view(app: App, **_parameters: str) -> ft.Control:
        return draw(app)

    monkeypatch.setattr(root, "_screen", lambda _name: view)
    return Browser.open(services_for(object(), **more), route)


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.TOO_MANY])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_of_error_says_what_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, language: str
) -> None:
    async def run() -> None:
        error = ApiError(kind, reference="K3R7TQ2M9A")

        def draw(app: App) -> ft.Control:
            app.use_language(language)
            return error_panel(app, error, retry=handler(app, app.reload))

        browser = await open_drawn(monkeypatch, draw)
        title = browser.texts("error")[0]
        assert title
        assert "kind." not in title
        assert browser.says("R7TQ2M9A", "error-reference")
        assert any(name.startswith("error-") for name in browser.names())
        await browser.tap("error-reference")
        assert ("set", {"data": "K3R7TQ2M9A"}) in browser.invoked

    asyncio.run(run())


def test_too_many_counts_down_before_it_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        pauses = Pauses()
        tried: list[str] = []
        error = ApiError(Kind.TOO_MANY, 429, retry_after_s=2)

        def draw(app: App) -> ft.Control:
            return error_panel(app, error, retry=handler(app, tried.append, "again"))

        browser = await open_drawn(monkeypatch, draw, pause=pauses)
        assert browser.says("Try again (2)", "error-retry")
        with pytest.raises(AssertionError, match="cannot be touched"):
            await browser.tap("error-retry")
        for left in ("Try again (1)", "Try again"):
            pauses.let_go(1)
            await browser.settle()
            assert browser.texts("error-retry") == [left]
        await browser.tap("error-retry")
        assert tried == ["again"]

    asyncio.run(run())


def test_a_step_up_is_no_sign_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        error = ApiError(Kind.UNAUTHORISED, 401, "step_up_needed")

        def draw(app: App) -> ft.Control:
            return error_panel(app, app.as_api_error(error, "test"))

        browser = await open_drawn(monkeypatch, draw, "/settings")
        await browser.tap("error-confirm")
        assert browser.invoked[-1][1]["url"].url == ("/auth/step-up?return_to=%2Fapp%2Fsettings")

    asyncio.run(run())


# States ---------------------------------------------------------------------------------------


@observable
class Thing(Model):
    def __init__(self, outcomes: list[object]) -> None:
        Model.__init__(self)
        self.outcomes = tuple(outcomes)
        self.figure = 0

    @override
    async def fetch(self) -> None:
        outcome, self.outcomes = self.outcomes[0], self.outcomes[1:]
        if isinstance(outcome, Exception):
            raise outcome
        self.figure = int(str(outcome))

    @override
    def is_empty(self) -> bool:
        return bool(self.figure == 0)


@pytest.mark.parametrize(
    ("outcomes", "state", "seen", "unseen"),
    [
        ([5], State.READY, "figure", "note"),
        ([0], State.EMPTY, "empty", "figure"),
        ([ApiError(Kind.OFFLINE)], State.OFFLINE, "error", "figure"),
        ([ApiError(Kind.SERVER)], State.ERROR, "error", "figure"),
        ([5, ApiError(Kind.SERVER)], State.STALE, "note", "error"),
        ([5, ApiError(Kind.CONFLICT)], State.ERROR, "figure", "error"),
        ([ApiError(Kind.TIMEOUT), 7], State.READY, "figure", "error"),
    ],
)
def test_a_model_is_drawn_in_the_state_that_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
    outcomes: list[object],
    state: State,
    seen: str,
    unseen: str,
) -> None:
    async def run() -> None:
        models: list[Thing] = []

        def make() -> Thing:
            models.append(Thing(outcomes))
            return models[0]

        def draw(app: App) -> ft.Control:
            model = use_model(app, make)
            words = app.t("home.empty")
            return by_state(
                app,
                model,
                lambda: tid("figure", ft.Text(str(model.figure))),
                empty=lambda: empty_state(ft.Icons.MAP, words),
            )

        browser = await open_drawn(monkeypatch, draw)
        for _again in outcomes[1:]:
            await browser.reconnect()
        assert (models[0].state, len(models)) == (state, 1)
        assert browser.has(seen)
        assert not browser.has(unseen)

    asyncio.run(run())


def test_a_skeleton_waits_a_moment_before_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        pauses = Pauses()

        def draw(app: App) -> ft.Control:
            return by_state(app, Thing([]), lambda: ft.Text("1"))

        browser = await open_drawn(monkeypatch, draw, pause=pauses)

        def shades() -> set[object]:
            return {c.bgcolor for c in browser.controls() if isinstance(c, ft.Container)}

        assert browser.has("loading")
        assert ft.Colors.TRANSPARENT in shades()
        pauses.let_go(0.15)
        await browser.settle()
        assert ft.Colors.TRANSPARENT not in shades()

    asyncio.run(run())


@pytest.mark.parametrize("standing", ["recorded", "signed", "witnessed", "wrong"])
def test_a_proof_has_a_badge_with_a_word(monkeypatch: pytest.MonkeyPatch, standing: str) -> None:
    async def run() -> None:
        browser = await open_drawn(monkeypatch, lambda app: proof_badge(app, standing))
        (words,) = browser.texts("proof-badge")
        assert words
        assert not words.startswith("proof.")

    asyncio.run(run())


def test_a_long_figure_gets_a_line_of_its_own() -> None:
    assert isinstance(figure_row("Energy", "12.000 kWh"), ft.Row)
    assert isinstance(figure_row("Time", "24 Nov 2026, 14:05 (Europe/Berlin)"), ft.Column)


def test_a_dialog_that_cannot_be_drawn_is_told_and_left_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        def draw(app: App) -> ft.Control:
            wrong = ft.AlertDialog(title=ft.Text("x"), actions=[ft.TextButton("y", on_click=print)])
            shown, show = ft.use_state(False)  # noqa: FBT003
            use_dialog(app, wrong if shown else None)
            open_it = handler(app, lambda: show(True))  # noqa: FBT003
            return inputs.button("open", "open", open_it)

        browser = await open_drawn(monkeypatch, draw)
        await browser.tap("open")
        assert browser.says("The rest of the app works.")
        assert not any(isinstance(c, ft.AlertDialog) for c in browser.controls())

    asyncio.run(run())


# Inputs ---------------------------------------------------------------------------------------


def test_inputs_take_only_what_they_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        taken: list[tuple[str, object]] = []

        def take(name: str) -> Callable[[object], None]:
            return lambda value: taken.append((name, value))

        def draw(app: App) -> ft.Control:
            return ft.Column(
                [
                    inputs.text_field(app, "text", "a", "", take("text")),
                    inputs.switch(app, "switch", "a", value=False, change=take("switch")),
                    inputs.checkbox(app, "box", "a", value=True, change=take("box")),
                    inputs.dropdown(app, "drop", "a", "x", [("x", "X"), ("y", "Y")], take("drop")),
                    inputs.slider(app, "slide", "5 km", 5, (1, 9), take("slide")),
                ]
            )

        browser = await open_drawn(monkeypatch, draw)
        await browser.type("text", "n" * 5000)
        for value in (True, "true", "no", None):
            await browser.choose("switch", value)
        await browser.choose("box", value=False)
        choices: list[Any] = ["y", "z", "", 7]
        for choice in choices:
            await browser.choose("drop", choice)
        numbers: list[Any] = [3, "4.5", 99, -1, "x", "nan", [1]]
        for number in numbers:
            await browser.choose("slide", number)
        assert taken == [
            ("text", "n" * 2000),
            ("switch", True),
            ("switch", True),
            ("switch", False),
            ("switch", False),
            ("box", False),
            ("drop", "y"),
            ("slide", 3.0),
            ("slide", 4.5),
            ("slide", 9),
            ("slide", 1),
        ]

    asyncio.run(run())


def test_a_chip_says_whether_it_is_on_and_what_is_off_has_no_handler() -> None:
    async def click(_event: object) -> None: ...

    on, off = (inputs.chip("c", "c", click, selected=each) for each in (True, False))
    assert isinstance(on, ft.Semantics)
    assert isinstance(off, ft.Semantics)
    assert (on.selected, off.selected) == (True, False)
    dead = inputs.wide_button("b", "b", click, enabled=False)
    assert isinstance(dead, ft.Semantics)
    assert isinstance(dead.content, ft.Row)
    (button,) = dead.content.controls
    assert isinstance(button, ft.FilledButton)
    assert (button.disabled, button.on_click) == (True, None)


@pytest.mark.parametrize("name", ["", "A", "a_b", "a--b", "a b", "-a"])
def test_an_id_is_lower_case_words_joined_by_dashes(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case words"):
        tid(name, ft.Text("x"))


@pytest.mark.parametrize(("text", "part"), [("st_7/F", "st-7-f"), ("", "x"), ("换电", "x")])
def test_any_id_of_the_door_can_be_part_of_ours(text: str, part: str) -> None:
    assert slug(text) == part
