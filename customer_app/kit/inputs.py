"""Buttons and inputs: named, large enough for a finger, bound to their value.

What may not be used has no handler.
"""

from collections.abc import Awaitable, Callable, Sequence
from math import isfinite
from typing import Any

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import tid
from customer_app.kit.theme import CARD_RADIUS, SPACE_L, SPACE_M, SPACE_S, TARGET

Handler = Callable[[Any], Awaitable[None]]
TEXT_CHARACTERS = 2000

_ROOMY = ft.ButtonStyle(
    padding=ft.Padding.symmetric(horizontal=SPACE_L, vertical=SPACE_S),
    shape=ft.StadiumBorder(),
)
_TALL = ft.ButtonStyle(  # 56 px with one line of words, and higher with more
    padding=ft.Padding.symmetric(horizontal=SPACE_L, vertical=18),
    shape=ft.StadiumBorder(),
)
_CHIP = ft.ButtonStyle(
    padding=ft.Padding.symmetric(horizontal=SPACE_M),
    shape=ft.RoundedRectangleBorder(radius=SPACE_S),
    side={
        ft.ControlState.SELECTED: ft.BorderSide(0, ft.Colors.TRANSPARENT),
        ft.ControlState.DEFAULT: ft.BorderSide(1, ft.Colors.OUTLINE_VARIANT),
    },
)
_BUTTONS: dict[str, Any] = {
    "filled": ft.FilledButton,
    "tonal": ft.FilledTonalButton,
    "outlined": ft.OutlinedButton,
    "text": ft.TextButton,
}


def button(
    name: str,
    words: str,
    on_click: Handler | None,
    *,
    look: str = "filled",
    icon: ft.IconData | None = None,
    enabled: bool = True,
) -> ft.Control:
    """Make a button: `look` is filled, tonal, outlined or text. Disabled, it has no handler."""
    usable = enabled and on_click is not None
    made = _BUTTONS[look](
        words,
        icon=icon,
        on_click=on_click if usable else None,
        disabled=not usable,
        style=_ROOMY,
        height=None,
    )
    return tid(name, ft.Container(made, height=None, padding=0))


def wide_button(
    name: str,
    words: str,
    on_click: Handler | None,
    *,
    icon: ft.IconData | None = None,
    enabled: bool = True,
) -> ft.Control:
    """Make the one main action of a screen, as wide as its column."""
    usable = enabled and on_click is not None
    made = ft.FilledButton(
        words,
        icon=icon,
        on_click=on_click if usable else None,
        disabled=not usable,
        style=_TALL,
        expand=True,
    )
    named = tid(name, ft.Row([made]))
    named.key = name  # one button gives way to another: readers of the screen take it for a new one
    return named


def icon_button(
    name: str, icon: ft.IconData, label: str, on_click: Handler | None, *, enabled: bool = True
) -> ft.Control:
    """Make a button that is only a picture; the label is its tooltip and is read out."""
    usable = enabled and on_click is not None
    made = ft.IconButton(
        ft.Icon(icon, semantics_label=label),
        tooltip=label,
        on_click=on_click if usable else None,
        disabled=not usable,
        width=TARGET,
        height=TARGET,
    )
    return tid(name, made)


def chip(name: str, words: str, on_click: Handler | None, *, selected: bool) -> ft.Control:
    """Make a choice that is on or off, such as a filter.

    A button in a chip's clothes: Flet's own chip keeps the width that its words had before the
    Chinese glyphs came, and cuts them off.
    """
    kind = ft.FilledTonalButton if selected else ft.OutlinedButton
    made = kind(
        words,
        icon=ft.Icons.CHECK if selected else None,
        on_click=on_click,
        disabled=on_click is None,
        style=_CHIP,
    )
    named = tid(name, made)
    named.selected = selected
    return named


def text_field(
    app: App,
    name: str,
    label: str,
    value: str,
    change: Callable[[str], object],
    **more: Any,
) -> ft.Control:
    """Make a text input that mirrors exactly what is typed; tidy it up when it is left, not before.

    `more` goes to Flet's own field: `multiline`, `error`, `on_blur`, `password` and the like.
    """
    more.setdefault("max_length", None)
    made = ft.TextField(
        label=label,
        value=value,
        on_change=handler(app, _cut(change), takes_value=True, key=(name, "change", value)),
        border=ft.OutlineInputBorder(border_radius=CARD_RADIUS),
        expand=True,  # across its row, so as wide as there is room
        **more,
    )
    return tid(name, ft.Row([made]))


def _cut(change: Callable[[str], object]) -> Callable[[Any], object]:
    return lambda value: change(str(value)[:TEXT_CHARACTERS])


def switch(
    app: App, name: str, label: str, *, value: bool, change: Callable[[bool], object]
) -> ft.Control:
    """Make a switch with its words beside it."""
    made = ft.Switch(
        label=label,
        value=value,
        on_change=handler(
            app, lambda new: change(_as_bool(new)), takes_value=True, key=(name, "switch")
        ),
    )
    return tid(name, made)


def checkbox(
    app: App, name: str, label: str, *, value: bool, change: Callable[[bool], object]
) -> ft.Control:
    """Make a box to tick with its words beside it."""
    made = ft.Checkbox(
        label=label,
        value=value,
        on_change=handler(
            app, lambda new: change(_as_bool(new)), takes_value=True, key=(name, "check")
        ),
    )
    return tid(name, made)


def dropdown(
    app: App,
    name: str,
    label: str,
    value: str,
    choices: Sequence[tuple[str, str]],
    choose: Callable[[str], object],
) -> ft.Control:
    """Make a choice of one among several, given as (value, words); others are not taken."""
    known = {choice for choice, _words in choices}

    def take(new: Any) -> object:
        return choose(str(new)) if str(new) in known else None

    made = ft.Dropdown(
        label=label,
        value=value,
        options=[ft.DropdownOption(key=choice, text=words) for choice, words in choices],
        on_select=handler(app, take, takes_value=True, key=(name, "choose")),
        border=ft.OutlineInputBorder(border_radius=CARD_RADIUS),
        expand=True,
    )
    chosen = next((words for choice, words in choices if choice == value), "")
    # the button that opens it says nothing of its own: merged, it says name and choice
    said = ft.Semantics(label=f"{label}: {chosen}", content=ft.Row([made]))
    return tid(name, ft.MergeSemantics(said))


def slider(
    app: App,
    name: str,
    words: str,
    value: float,
    bounds: tuple[float, float],
    change: Callable[[float], object],
) -> ft.Control:
    """Make a slider with its value beside it; Flet's own label would cover the page for readers."""
    least, most = bounds

    def take(new: Any) -> object:
        try:
            number = float(new)
        except (TypeError, ValueError):
            return None
        return change(min(max(number, least), most)) if isfinite(number) else None

    made = ft.Slider(
        value=value,
        min=least,
        max=most,
        expand=True,
        on_change_end=handler(app, take, takes_value=True, key=(name, "slide")),
    )
    return tid(name, ft.Row([made, ft.Text(words)]), label=words)


def _as_bool(value: Any) -> bool:
    return value is True or str(value).lower() == "true"
