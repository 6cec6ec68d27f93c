"""Error boundaries: what breaks is replaced by a card with a reference, and the rest goes on."""

import inspect
from collections.abc import Awaitable, Callable, Hashable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import flet as ft

from customer_app.api.errors import ApiError, Kind
from customer_app.kit import flet_private
from customer_app.kit.app import App
from customer_app.kit.ids import tid
from customer_app.kit.theme import CARD_RADIUS, FAULT, SPACE_L, SPACE_M, SPACE_S, Size

P = ParamSpec("P")
R = TypeVar("R")


def component(fn: Callable[P, R]) -> Callable[P, R]:
    """Make a component whose faults stay its own; `app` is its first parameter."""
    return _guarded(fn, lambda card: card)


def screen(fn: Callable[P, R]) -> Callable[P, R]:
    """Make the component of a whole screen; when it breaks, app bar and tabs still work."""
    return _guarded(fn, lambda card: ft.Container(ft.Column([card]), padding=SPACE_L))


def root(fn: Callable[P, R]) -> Callable[P, R]:
    """Make the outermost component, which gives views instead of one control."""
    return _guarded(fn, lambda card: [ft.View([ft.SafeArea(card)], route="/", padding=SPACE_L)])


def _guarded(fn: Callable[P, R], frame: Callable[[ft.Control], Any]) -> Callable[P, R]:
    @wraps(fn)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        app = args[0]
        assert isinstance(app, App), f"{fn.__qualname__} takes the app first"
        tries, set_tries = ft.use_state(0)
        told: Any = ft.use_ref(None)  # of the fault that stands here, so that it is told once
        try:
            rendered = fn(*args, **kwargs)
            flet_private.check(rendered)
        except Exception as error:  # noqa: BLE001 - Flet would stop drawing for ever
            fault = (type(error), str(error))
            if told.current is None or told.current[0] != fault:
                told.current = (fault, app.note(error, fn.__qualname__))
            again = handler(app, lambda: set_tries(tries + 1), key=(fn, "again"))
            return frame(fault_card(app, told.current[1], again))
        told.current = None
        return rendered

    made: Callable[P, R] = ft.component(guarded)
    return made


def fault_card(app: App, reference: str, again: Any) -> ft.Control:
    """Draw what stands where a part broke: that the rest works, a try, help, the reference."""
    shown = ApiError(Kind.RENDER, reference=reference).shown_reference
    parts: list[ft.Control] = [
        ft.Row(
            [
                ft.Icon(FAULT.icon, color=FAULT.colour),
                ft.Text(app.t("kind.render.title"), theme_style=Size.CARD, expand=True),
            ],
            spacing=SPACE_M,
        ),
        ft.Text(app.t("kind.render.text"), theme_style=Size.ROW),
        ft.Text(app.t("common.ref", ref=shown), theme_style=Size.SMALL, selectable=True),
        ft.Row(
            [
                ft.FilledTonalButton(app.t("action.retry"), on_click=again),
                ft.TextButton(
                    app.t("action.help"), on_click=handler(app, app.go, f"/help?ref={reference}")
                ),
            ],
            wrap=True,
            spacing=SPACE_S,
        ),
    ]
    card = ft.Container(
        ft.Column(parts, spacing=SPACE_S, tight=True),
        padding=SPACE_L,
        border_radius=CARD_RADIUS,
        border=ft.Border.all(1, ft.Colors.OUTLINE_VARIANT),
    )
    return tid("fault", card, live=True)


def handler(
    app: App,
    work: Callable[..., object],
    *given: Any,
    model: Any = None,
    key: Hashable = None,
    takes_value: bool = False,
    takes_event: bool = False,
) -> Callable[[Any], Awaitable[None]]:
    """Make a handler of any event: async, never raising, never twice at once.

    - `given` goes to the work; with `takes_value` the control's new value comes first, with
      `takes_event` the event itself.
    - What the work raises becomes `model.error`, or a bar at the bottom when there is no model.
    - While it runs, another call of the same work with the same arguments does nothing; `key`
      names the work when a closure cannot be told apart otherwise.
    - A control that is invisible or disabled, itself or by what it stands in, does nothing: a
      browser can fire whatever it likes.
    """
    place = _place_of(work)
    lock = key if key is not None else _identity(work, given)

    async def handle(event: Any) -> None:
        if not _is_usable(event.control):
            app.services.observer.count("unusable_control", place)
            return
        if lock in app.busy:
            return
        app.busy.add(lock)
        try:
            first = (_value_of(event),) if takes_value else (event,) if takes_event else ()
            outcome = work(*first, *given)
            if inspect.isawaitable(outcome):
                await outcome
        except Exception as error:  # noqa: BLE001 - Flet would send our traceback to the browser
            app.show(error, place, model)
        finally:
            app.busy.discard(lock)

    setattr(handle, flet_private.HANDLER_MARK, True)
    return handle


def _is_usable(control: Any) -> bool:
    while control is not None:
        if getattr(control, "visible", True) is False or getattr(control, "disabled", False):
            return False
        control = getattr(control, "parent", None)
    return True


def _value_of(event: Any) -> Any:
    """Give the new text, number or choice: what the event says, else what the control holds."""
    if event.data is not None:
        return event.data
    return getattr(event.control, "value", None)


def _place_of(work: Callable[..., object]) -> str:
    inner = work.func if isinstance(work, partial) else work
    return str(getattr(inner, "__qualname__", type(inner).__name__))


def _identity(work: Any, given: tuple[Any, ...]) -> Hashable:
    """Tell one piece of work from another over redraws, which make every closure anew."""
    if isinstance(work, partial):
        return _identity(work.func, (*work.args, *sorted(work.keywords.items()), *given))
    if inspect.ismethod(work):
        return (id(work.__self__), work.__name__, tuple(map(_hashable, given)))
    cells = tuple(
        _hashable(cell.cell_contents) for cell in getattr(work, "__closure__", None) or ()
    )
    code = getattr(work, "__code__", work)
    return (_hashable(code), cells, tuple(map(_hashable, given)))


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value if isinstance(value, Hashable) else id(value)
