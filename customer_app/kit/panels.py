"""What a screen shows when it has no figures yet, none at all, old ones, or an error."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import flet as ft

from customer_app.api.actions import ROUTES, SECOND, action_of, route_of
from customer_app.api.errors import ApiError, Kind
from customer_app.kit.app import App
from customer_app.kit.boundary import component, handler
from customer_app.kit.hooks import use_task
from customer_app.kit.ids import tid
from customer_app.kit.inputs import Handler, button
from customer_app.kit.shell import margins
from customer_app.kit.theme import (
    CARD_RADIUS,
    FAULT,
    NOTICE,
    SPACE_L,
    SPACE_M,
    SPACE_S,
    SPACE_XL,
    STALE,
    TEXT_COLUMN,
    Size,
    Tone,
)

SKELETON_AFTER_S = 0.15
FIGURE_CHARACTERS = 20  # as long as fits beside its name, even in large text
_ICONS = {
    Kind.OFFLINE: ft.Icons.CLOUD_OFF,
    Kind.TIMEOUT: ft.Icons.HOURGLASS_EMPTY,
    Kind.UNAUTHORISED: ft.Icons.LOCK_OUTLINE,
    Kind.PAYMENT: ft.Icons.CREDIT_CARD,
    Kind.FORBIDDEN: ft.Icons.SEARCH_OFF,
    Kind.NOT_FOUND: ft.Icons.SEARCH_OFF,
    Kind.CONFLICT: ft.Icons.INFO_OUTLINE,
    Kind.INVALID: ft.Icons.INFO_OUTLINE,
    Kind.TOO_MANY: ft.Icons.HOURGLASS_EMPTY,
    Kind.SERVER: ft.Icons.BUILD_OUTLINED,
    Kind.MALFORMED: ft.Icons.REFRESH,
    Kind.RENDER: ft.Icons.ERROR_OUTLINE,
}
_LEADS_TO_HELP = {"help", "not_me"}
_NO_HELP = {Kind.OFFLINE, Kind.TIMEOUT, Kind.UNAUTHORISED}


def by_state(
    app: App,
    model: Any,
    ready: Callable[[], ft.Control],
    *,
    empty: Callable[[], ft.Control] | None = None,
    rows: int = 4,
    in_pane: bool = False,
) -> ft.Control:
    """Draw a model in whatever state it is: skeleton, figures, nothing, old figures, an error.

    An error above a whole screen keeps the margins of that screen, or of the pane that it is in.
    """
    state = str(model.state)
    if state == "loading":
        return skeleton(app, rows)
    if state in {"offline", "error"} and not model.has_loaded:
        return error_panel(app, model.error, retry=handler(app, model.load, model=model))
    if state == "empty" and empty is not None:
        return empty()
    if model.error is not None:
        bar = error_bar(app, model.error, retry=handler(app, model.load, model=model))
        body = ready()
        if body.expand:
            side, above = margins(app, in_pane=in_pane)
            bar = ft.Container(bar, padding=ft.Padding.only(left=side, top=above, right=side))
        return ft.Column([bar, body], spacing=SPACE_S, expand=body.expand)
    return ready()


def skeleton(app: App, rows: int = 4) -> ft.Control:
    """Draw grey rows where figures will stand; not before 150 ms, so that nothing flickers."""
    return _skeleton(app, rows, key="skeleton")  # type: ignore[call-arg]


@component
def _skeleton(app: App, rows: int) -> ft.Control:
    seen, set_seen = ft.use_state(False)  # noqa: FBT003 - Flet's own form

    async def show() -> None:
        await app.services.pause(SKELETON_AFTER_S)
        set_seen(True)

    use_task(app, show)
    grey = ft.Colors.SURFACE_CONTAINER_HIGHEST if seen else ft.Colors.TRANSPARENT
    bars = [
        ft.Container(height=72, border_radius=CARD_RADIUS, bgcolor=grey) for _row in range(rows)
    ]
    column = ft.Column(list(bars), spacing=SPACE_M)
    return tid("loading", column, app.t("common.loading"))


def error_panel(
    app: App,
    error: ApiError,
    *,
    retry: Handler | None = None,
    actions: Sequence[ft.Control] = (),
) -> ft.Control:
    """Fill a screen with an error: icon, title, what it means, what to do, the reference, help."""
    title, text = app.texts.error(error)
    buttons = [*actions] or default_actions(app, error, retry)
    parts: list[ft.Control] = [
        ft.Icon(_ICONS[error.kind], size=48, color=_icon_colour(error)),
        ft.Text(title, theme_style=Size.TITLE, text_align=ft.TextAlign.CENTER),
        ft.Text(text, theme_style=Size.MESSAGE, text_align=ft.TextAlign.CENTER),
        *_reference(app, error),
        ft.Row(buttons, wrap=True, spacing=SPACE_S, alignment=ft.MainAxisAlignment.CENTER),
    ]
    column = ft.Column(
        parts, spacing=SPACE_M, horizontal_alignment=ft.CrossAxisAlignment.CENTER, tight=True
    )
    box = ft.Container(column, padding=SPACE_XL, alignment=ft.Alignment.CENTER, width=TEXT_COLUMN)
    return tid("error", box, live=True)


def error_bar(
    app: App,
    error: ApiError,
    *,
    retry: Handler | None = None,
    actions: Sequence[ft.Control] = (),
) -> ft.Control:
    """Put an error above figures that still stand; a refusal is amber, never red."""
    _title, text = app.texts.error(error)
    buttons = [*actions] or default_actions(app, error, retry)
    return note_card(
        app, text, buttons, tone=_tone(error), icon=_ICONS[error.kind], reference=error
    )


def note_card(
    app: App,
    words: str,
    actions: Sequence[ft.Control] = (),
    *,
    tone: Tone = NOTICE,
    icon: ft.IconData | None = None,
    reference: ApiError | None = None,
) -> ft.Control:
    """Draw a card that says something important, with what can be done about it."""
    below = _reference(app, reference, tone) if reference is not None else []
    said: ft.Control = ft.Text(words, theme_style=Size.ROW, color=tone.on_container, expand=True)
    if below:  # under the words, not under their sign
        said = ft.Column([ft.Row([said]), *below], spacing=0, tight=True, expand=True)
    rows: list[ft.Control] = [
        ft.Row(
            [ft.Icon(icon or tone.icon, color=tone.on_container), said],
            spacing=SPACE_M,
            vertical_alignment=ft.CrossAxisAlignment.START,
        ),
    ]
    if actions:
        rows.append(ft.Row(list(actions), wrap=True, spacing=SPACE_S))
    card = ft.Container(
        ft.Column(rows, spacing=SPACE_S, tight=True),
        padding=SPACE_L,
        border_radius=CARD_RADIUS,
        bgcolor=tone.container,
    )
    return tid("note", card, live=True)


def default_actions(app: App, error: ApiError, retry: Handler | None) -> list[ft.Control]:
    """Give what can be done about an error, and help with its reference."""
    action = action_of(error)
    if action == "retry" and error.kind is Kind.TOO_MANY and error.retry_after_s and retry:
        found = [_later(app, error.retry_after_s, retry, key="later")]  # type: ignore[call-arg]
    else:
        found = _action(app, error, action, retry)
    second = SECOND.get(error.code)
    if second is not None:
        go = handler(app, app.go, ROUTES[second])
        name = f"error-{second.replace('_', '-')}"
        found.append(button(name, app.t(f"action.{second}"), go, look="text"))
    if action not in _LEADS_TO_HELP and error.kind not in _NO_HELP:
        route = f"/help?ref={error.reference}" if error.reference.isalnum() else "/help"
        help_ = handler(app, app.go, route)
        found.append(button("error-help", app.t("action.help"), help_, look="text"))
    return found


def _action(app: App, error: ApiError, action: str, retry: Handler | None) -> list[ft.Control]:
    works: dict[str, Handler | None] = {
        "retry": retry,
        "refresh": retry,
        "sign_in": handler(app, app.sign_in),
        "confirm": handler(app, app.step_up),
        "call": handler(app, app.call),
        "reload": handler(app, app.reload),
    }
    route = route_of(error)
    work = works.get(action) or (handler(app, app.go, route) if route else retry)
    key = action if work is not retry else "retry"
    if work is None:
        return []
    return [button(f"error-{key.replace('_', '-')}", app.t(f"action.{key}"), work, look="tonal")]


@component
def _later(app: App, wait_s: int, retry: Handler) -> ft.Control:
    """Count down what the service asked us to wait; only then can it be tried again."""
    left, set_left = ft.use_state(wait_s)

    async def count() -> None:
        for rest in range(wait_s - 1, -1, -1):
            await app.services.pause(1)
            set_left(rest)

    use_task(app, count, (wait_s,))
    words = app.t("action.retry") + (f" ({left})" if left else "")
    return button("error-retry", words, retry, look="tonal", enabled=left == 0)


def _reference(app: App, error: ApiError | None, tone: Tone | None = None) -> list[ft.Control]:
    """Show the reference and copy the whole of it; a list, because there may be none."""
    if error is None or not error.reference:
        return []
    shown = ft.TextButton(
        app.t("common.ref", ref=error.shown_reference),
        tooltip=app.t("common.copy"),
        on_click=handler(app, _copy, app, error.reference),
        # in a card it begins where the words above it begin
        style=ft.ButtonStyle(color=tone.on_container, padding=0) if tone else None,
    )
    return [tid("error-reference", shown)]


async def _copy(app: App, text: str) -> None:
    await app.device.copy(text)
    app.say("common.copied")


def _tone(error: ApiError) -> Tone:
    """Give the colour of an error: only what is broken on our side is red."""
    if error.kind in {Kind.SERVER, Kind.RENDER, Kind.MALFORMED}:
        return FAULT
    return STALE if error.kind in {Kind.OFFLINE, Kind.TIMEOUT} else NOTICE


def _icon_colour(error: ApiError) -> ft.ColorValue:
    return FAULT.colour if _tone(error) is FAULT else ft.Colors.PRIMARY


def empty_state(icon: ft.IconData, words: str, actions: Sequence[ft.Control] = ()) -> ft.Control:
    """Say what would stand here, and what to do to have something."""
    column = ft.Column(
        [
            ft.Icon(icon, size=48, color=ft.Colors.OUTLINE),
            ft.Text(words, theme_style=Size.MESSAGE, text_align=ft.TextAlign.CENTER),
            ft.Row(list(actions), wrap=True, alignment=ft.MainAxisAlignment.CENTER),
        ],
        spacing=SPACE_M,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        tight=True,
    )
    return tid("empty", ft.Container(column, padding=SPACE_XL, alignment=ft.Alignment.CENTER))


def stale_bar(app: App, seen_at: datetime, refresh: Handler) -> ft.Control:
    """Say how old the figures are and offer to ask again."""
    age = app.texts.age(seen_at, app.services.now())
    return note_card(
        app,
        app.t("common.stale", age=age),
        [button("refresh", app.t("common.refresh"), refresh, look="text")],
        tone=STALE,
    )


def card(*parts: ft.Control, on_click: Handler | None = None) -> ft.Control:
    """Draw an outlined card around parts, as wide as there is room."""
    return ft.Container(
        alignment=ft.Alignment.TOP_LEFT,  # has it fill the width
        content=ft.Column(list(parts), spacing=SPACE_S, tight=True),
        padding=SPACE_L,
        border_radius=CARD_RADIUS,
        border=ft.Border.all(1, ft.Colors.OUTLINE_VARIANT),
        on_click=on_click,
        ink=on_click is not None,
    )


def heading(name: str, words: str) -> ft.Control:
    """Draw a heading that readers of the screen can jump to."""
    return tid(name, ft.Text(words, theme_style=Size.CARD), heading=True)


def figure_row(label: str, value: str, *, icon: ft.IconData | None = None) -> ft.Control:
    """Draw a name and its figure at the other edge; a long one gets lines of its own below."""
    name = ft.Text(label, theme_style=Size.ROW, color=ft.Colors.ON_SURFACE_VARIANT, expand=True)
    sign: list[ft.Control] = [] if icon is None else [ft.Icon(icon, size=20)]
    if len(value) > FIGURE_CHARACTERS:
        below = ft.Text(value, theme_style=Size.ROW)
        return ft.Column([ft.Row([*sign, name], spacing=SPACE_S), below], spacing=0, tight=True)
    shown = ft.Text(value, theme_style=Size.ROW, text_align=ft.TextAlign.END, expand=True)
    return ft.Row([*sign, name, shown], spacing=SPACE_S)


_BADGES = {
    "recorded": ("proof.recorded", ft.Icons.EDIT_NOTE, NOTICE),
    "signed": ("proof.signed", ft.Icons.VERIFIED_OUTLINED, NOTICE),
    "witnessed": ("proof.witnessed", ft.Icons.VERIFIED, None),
    "wrong": ("proof.wrong", ft.Icons.GPP_BAD, FAULT),
}


def proof_badge(app: App, standing: str) -> ft.Control:
    """Say how far a swap is proven: recorded, signed, witnessed, or wrong."""
    key, icon, tone = _BADGES[standing]
    colour = tone.on_container if tone else ft.Colors.ON_PRIMARY_CONTAINER
    row = ft.Row(
        [ft.Icon(icon, size=18, color=colour), ft.Text(app.t(key), color=colour)],
        spacing=SPACE_S,
        tight=True,
    )
    return tid(
        "proof-badge",
        ft.Container(
            row,
            padding=ft.Padding.symmetric(horizontal=SPACE_M, vertical=SPACE_S),
            border_radius=CARD_RADIUS,
            bgcolor=tone.container if tone else ft.Colors.PRIMARY_CONTAINER,
        ),
    )
