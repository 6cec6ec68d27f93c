"""What the screens of a journey share: questions before a step, figures, and what a session has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import flet as ft

from customer_app.api.wire_journey import StationRef
from customer_app.kit.app import App
from customer_app.kit.ids import tid
from customer_app.kit.inputs import Handler, button
from customer_app.kit.theme import QR_SIDE, SPACE_M, SPACE_S, SPACE_XXL, Size, Tone
from customer_app.models.commands import Means, PendingCommands

SEPARATOR = " · "
QR_WIDEST = 360
TOUCH_EDGE = 14  # above and below a line of 20 px: 48 together


def means(app: App) -> Means:
    """Give models of commands what they need from the session."""
    return Means(app.services.now, app.services.new_id, app.services.pause)


def pending(app: App) -> PendingCommands:
    """Give the place on the device where unanswered commands wait."""
    return PendingCommands(app.device, app.services.now)


def when(app: App, at: datetime) -> str:
    """Say a time that belongs to no single station: the hour today, else with its date."""
    return app.texts.soon(at, app.services.now(), app.settings.zone)


def from_seconds(seconds: int) -> datetime:
    """Make a time of seconds since 1970, as signatures carry it."""
    return datetime.fromtimestamp(seconds, UTC)


def day(app: App, at: datetime) -> str:
    """Say a day."""
    return app.texts.date(at, app.settings.zone)


def named(app: App, station: StationRef) -> str:
    """Give a station's name in the driver's language."""
    return station.names.get(app.look.language, station.name)


def counted(app: App, key: str, count: int, **facts: str | int) -> str:
    """Say a number of things, in the singular where the language has one."""
    exact = f"{key}_one"
    return app.t(exact if count == 1 and exact in app.texts else key, n=count, **facts)


def told(app: App, key: str, facts: Mapping[str, str], otherwise: str) -> str:
    """Say a text of the service in our own words; one that we do not know, as it came."""
    if key not in app.texts:
        return otherwise
    plain = {name: fact for name, fact in facts.items() if name not in {"key", "self"}}
    return app.t(key, **plain)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before a step that cannot be taken back: keys of its words."""

    title: str
    text: str
    yes: str
    no: str = "common.cancel"


def ask(app: App, name: str, question: Question, yes: Handler, no: Handler) -> ft.AlertDialog:
    """Make the dialog of a question; its text comes ready, because it may hold figures."""
    return ft.AlertDialog(
        modal=True,
        title=ft.Text(app.t(question.title)),
        content=tid(f"{name}-text", ft.Text(question.text, theme_style=Size.MESSAGE)),
        actions=[
            button(f"{name}-no", app.t(question.no), no, look="text"),
            button(f"{name}-yes", app.t(question.yes), yes),
        ],
        scrollable=True,
    )


def figure(name: str, value: str, below: str = "", *, live: bool = False) -> ft.Control:
    """Draw a large figure with what it is below it."""
    parts: list[ft.Control] = [
        ft.Text(value, theme_style=Size.FIGURE, text_align=ft.TextAlign.CENTER)
    ]
    if below:
        parts.append(
            ft.Text(
                below,
                theme_style=Size.ROW,
                color=ft.Colors.ON_SURFACE_VARIANT,
                text_align=ft.TextAlign.CENTER,
            )
        )
    column = ft.Column(
        parts, spacing=0, tight=True, horizontal_alignment=ft.CrossAxisAlignment.CENTER
    )
    said = f"{value} {below}".strip()
    box = ft.Container(column, alignment=ft.Alignment.CENTER)
    return tid(name, box, said, live=live, is_all=True)


def line(icon: ft.IconData, words: str, *, name: str = "", tone: Tone | None = None) -> ft.Control:
    """Draw a line with its picture; the words say all of it."""
    colour = tone.colour if tone else ft.Colors.ON_SURFACE_VARIANT
    row = ft.Row(
        [ft.Icon(icon, size=20, color=colour), ft.Text(words, theme_style=Size.ROW, expand=True)],
        spacing=SPACE_M,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
    return tid(name, row) if name else row


def amount_row(label: str, amount: str, *, strong: bool = False, name: str = "") -> ft.Control:
    """Draw a name at the left and its amount at the right; the name breaks when space ends."""
    style = Size.CARD if strong else Size.ROW
    row = ft.Row(
        [
            ft.Text(label, theme_style=style, expand=True),
            ft.Text(amount, theme_style=style, no_wrap=True),
        ],
        spacing=SPACE_M,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
    return tid(name, row) if name else row


def touchable(row: ft.Control, on_click: Handler) -> ft.Control:
    """Let a line be tapped: with its margin it is as high as a finger needs."""
    edge = ft.Padding.symmetric(vertical=TOUCH_EDGE)
    return ft.Container(row, on_click=on_click, ink=True, padding=edge)


def code_side(app: App) -> int:
    """Say how wide a code is drawn: as wide as a phone allows, never below what cameras need."""
    return max(QR_SIDE, min(QR_WIDEST, int(app.page.width or 0) - 2 * SPACE_XXL))


def small(words: str, *, centred: bool = False) -> ft.Control:
    """Draw what explains, smaller and paler."""
    align = ft.TextAlign.CENTER if centred else ft.TextAlign.START
    colour = ft.Colors.ON_SURFACE_VARIANT
    return ft.Text(words, theme_style=Size.SMALL, color=colour, text_align=align)


def actions(buttons: Sequence[ft.Control]) -> ft.Control:
    """Lay buttons out in a line that breaks."""
    return ft.Row(list(buttons), wrap=True, spacing=SPACE_S, run_spacing=SPACE_S)


def bar(buttons: Sequence[ft.Control]) -> ft.Control:
    """Lay buttons out along the lower edge, over its whole width."""
    return ft.Row([ft.Container(actions(buttons), expand=True)])


def picture(name: str, png: bytes | str, label: str, *, side: int) -> ft.Control:
    """Draw a code for a camera: black on white in every theme, with a quiet edge."""
    image = ft.Image(
        src=png,
        width=side,
        height=side,
        fit=ft.BoxFit.CONTAIN,
        filter_quality=ft.FilterQuality.NONE,
        gapless_playback=True,
        semantics_label=label,
    )
    # the quiet edge is part of the picture; the frame only rounds the sheet's corners
    sheet = ft.Container(image, bgcolor=ft.Colors.WHITE, padding=SPACE_S, border_radius=SPACE_S)
    return tid(name, ft.Row([sheet], alignment=ft.MainAxisAlignment.CENTER), label, is_all=True)
