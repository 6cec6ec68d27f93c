"""Effects that end: every task lives in the session's scope and is cancelled with its component."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import flet as ft

from customer_app.kit import flet_private
from customer_app.kit.app import App
from customer_app.session import Running


class Loads(Protocol):
    """What a model must have to be followed."""

    error: Any

    async def load(self) -> None:
        """Fetch, and keep the state."""
        ...

    def notify(self) -> None:
        """Have everything that shows this model drawn again."""
        ...


M = TypeVar("M")


def use_model(app: App, make: Callable[[], M], *, keep: str = "") -> M:
    """Give this place its model: made once, loaded now and on resume, redrawn when it changes.

    With `keep` the session holds the model under that name, so that coming back shows what was
    there at once; it is loaded again all the same.
    """

    def first() -> M:
        if not keep:
            return make()
        if keep not in app.kept:
            app.kept[keep] = make()
        kept: M = app.kept[keep]
        return kept

    held: tuple[Any, Any] = ft.use_state(first)
    model: Any = held[0]

    async def load() -> None:
        try:
            await model.load()
        except Exception as error:  # noqa: BLE001 - shown where the model is shown
            app.show(error, type(model).__name__, model)

    def begin() -> Running:
        app.follow(model)
        return app.scope.spawn(load(), f"load.{type(model).__name__}")

    _use_ended(app, begin, lambda: app.unfollow(model), ())
    given: M = model
    return given


def use_loop(
    app: App,
    work: Callable[[], Awaitable[None]],
    every_s: float,
    deps: Sequence[Any] = (),
    *,
    model: Any = None,
) -> None:
    """Do work now and every so many seconds while this component is on screen.

    A loop that fails again and again ends and says so at the model, or in the bar.
    """
    place = getattr(work, "__qualname__", "loop")

    def begin() -> Running:
        return app.scope.loop(work, every_s, place, lambda error: app.show(error, place, model))

    _use_ended(app, begin, None, (every_s, *deps))


def use_task(
    app: App, work: Callable[[], Awaitable[None]], deps: Sequence[Any] = (), *, model: Any = None
) -> None:
    """Do work once now, and again whenever a dependency changes; it ends with the component."""
    place = getattr(work, "__qualname__", "task")

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - shown, not raised into Flet
            app.show(error, place, model)

    _use_ended(app, lambda: app.scope.spawn(guarded(), place), None, tuple(deps))


def use_dialog(app: App, dialog: ft.DialogControl | None) -> None:
    """Show a dialog while one is given; one that cannot be drawn is told and left away."""
    if dialog is not None:
        try:
            flet_private.check(dialog)
        except Exception as error:  # noqa: BLE001 - the screen below must stay as it is
            app.show(error, "dialog")
            dialog = None
    ft.use_dialog(dialog)


def _use_ended(
    app: App,
    begin: Callable[[], Running],
    ended: Callable[[], object] | None,
    deps: tuple[Any, ...],
) -> None:
    """Run a task from mount to unmount; Flet itself would never cancel it.

    The task is kept in a reference and not in the closure: by the time a clean-up runs, Flet has
    replaced its function by the one of the latest render.
    """
    running: ft.MutableRef[Running | None] = ft.use_ref(None)

    def setup() -> None:
        try:
            running.current = begin()
        except Exception as error:  # noqa: BLE001 - Flet would send the traceback
            app.note(error, "effect")

    def cleanup() -> None:
        task, running.current = running.current, None
        if task is not None:
            task.cancel()
        if ended is not None:
            ended()

    ft.use_effect(setup, list(deps), cleanup)
