"""The frame around every screen: app bar, tabs or rail, margins, the sign-in card."""

from collections.abc import Sequence
from dataclasses import dataclass

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, icon_button
from customer_app.kit.theme import LIST_PANE, PLAIN_SCALE, SPACE_L, SPACE_M, SPACE_XL, Size

TOOLBAR = 56


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the five places of the bar."""

    name: str
    route: str
    icon: ft.IconData
    chosen_icon: ft.IconData


TABS = (
    Tab("map", "/", ft.Icons.MAP_OUTLINED, ft.Icons.MAP),
    Tab(
        "wallet",
        "/wallet",
        ft.Icons.ACCOUNT_BALANCE_WALLET_OUTLINED,
        ft.Icons.ACCOUNT_BALANCE_WALLET,
    ),
    Tab("pack", "/pack", ft.Icons.BATTERY_CHARGING_FULL_OUTLINED, ft.Icons.BATTERY_CHARGING_FULL),
    Tab("inbox", "/inbox", ft.Icons.MAIL_OUTLINE, ft.Icons.MAIL),
    Tab("help", "/help", ft.Icons.HELP_OUTLINE, ft.Icons.HELP),
)
_NAMES = tuple(tab.name for tab in TABS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a view stands: its route for the navigator, its title, its tab, what lies below it."""

    route: str
    title: str
    tab: str
    is_tab: bool


def frame(app: App, place: Place, body: ft.Control) -> ft.View:
    """Put a screen's contents between app bar and tabs, or beside the rail."""
    wide = app.look.is_expanded
    inside: ft.Control = ft.SafeArea(body, expand=True, avoid_intrusions_bottom=False)
    if wide:
        inside = ft.Row(
            [_rail(app, place.tab), ft.VerticalDivider(width=1), inside],
            expand=True,
            spacing=0,
            vertical_alignment=ft.CrossAxisAlignment.STRETCH,
        )
    return ft.View(
        [inside],
        route=place.route,
        appbar=_app_bar(app, place),
        navigation_bar=None if wide or not place.is_tab else _bar(app, place.tab),
        padding=0,
        spacing=0,
    )


def _app_bar(app: App, place: Place) -> ft.AppBar:
    actions: list[ft.Control] = []
    scale = app.look.scale
    if place.is_tab:
        settings = handler(app, app.go, "/settings")
        actions.append(
            icon_button("settings", ft.Icons.SETTINGS_OUTLINED, app.t("tab.settings"), settings)
        )
    return ft.AppBar(
        title=tid("title", ft.Text(place.title, max_lines=2), heading=True),
        toolbar_height=None if scale == PLAIN_SCALE else TOOLBAR * scale // PLAIN_SCALE,
        actions=actions,
        actions_padding=ft.Padding.only(right=SPACE_M),
        automatically_imply_leading=not place.is_tab,
        leading=None
        if place.is_tab
        else icon_button("back", ft.Icons.ARROW_BACK, app.t("common.back"), handler(app, app.back)),
    )


def _choose(app: App, index: object) -> object:
    """Go to a tab by its place in the bar; a browser may send any number."""
    text = str(index)
    if text.isdigit() and int(text) < len(TABS):
        return app.go(TABS[int(text)].route)
    return None


def _icon(app: App, tab: Tab, icon: ft.IconData) -> ft.Control:
    unread = app.standing.unread_count if tab.name == "inbox" else 0
    badge = ft.Badge(label=str(min(unread, 99))) if unread else None
    return ft.Icon(icon, badge=badge)


def _bar(app: App, chosen: str) -> ft.NavigationBar:
    return ft.NavigationBar(
        destinations=[
            ft.NavigationBarDestination(
                icon=_icon(app, tab, tab.icon),
                selected_icon=_icon(app, tab, tab.chosen_icon),
                label=app.t(f"tab.{tab.name}"),
            )
            for tab in TABS
        ],
        selected_index=_NAMES.index(chosen),
        on_change=handler(app, lambda index: _choose(app, index), takes_value=True, key="tabs"),
    )


def _rail(app: App, chosen: str) -> ft.Control:
    return ft.NavigationRail(
        destinations=[
            ft.NavigationRailDestination(
                icon=_icon(app, tab, tab.icon),
                selected_icon=_icon(app, tab, tab.chosen_icon),
                label=ft.Text(app.t(f"tab.{tab.name}")),
            )
            for tab in TABS
        ],
        selected_index=_NAMES.index(chosen),
        label_type=ft.NavigationRailLabelType.ALL,
        on_change=handler(app, lambda index: _choose(app, index), takes_value=True, key="tabs"),
    )


def margins(app: App, *, in_pane: bool = False) -> tuple[int, int]:
    """Give the margin in pixels beside the contents of a screen, and above and below them."""
    margin = SPACE_L if app.look.is_compact or in_pane else SPACE_XL
    return (margin if in_pane else max(margin, app.look.side)), margin


def page_body(
    app: App,
    parts: Sequence[ft.Control],
    *,
    bottom: ft.Control | None = None,
    in_pane: bool = False,
) -> ft.Control:
    """Lay out the contents of a screen in one column that scrolls; `bottom` stays in sight.

    Lines of text stay readable: the column is at most `TEXT_COLUMN` wide, in the middle of the
    window, unless it stands in a pane that is narrow anyway.
    """
    side, margin = margins(app, in_pane=in_pane)
    column = ft.Column(
        list(parts), spacing=SPACE_M, horizontal_alignment=ft.CrossAxisAlignment.STRETCH
    )
    scrolled = ft.ListView(
        [column], padding=ft.Padding.symmetric(horizontal=side, vertical=margin), expand=True
    )
    if bottom is None:
        return scrolled
    edge = ft.Container(
        bottom,
        padding=ft.Padding.symmetric(horizontal=side, vertical=SPACE_M),
        bgcolor=ft.Colors.SURFACE_CONTAINER,
    )
    return ft.Column([scrolled, edge], spacing=0, expand=True)


def two_panes(list_pane: ft.Control, detail: ft.Control) -> ft.Control:
    """Put a list of fixed width beside its detail."""
    return ft.Row(
        [
            ft.Container(list_pane, width=LIST_PANE),
            ft.VerticalDivider(width=1),
            ft.Container(detail, expand=True),
        ],
        spacing=0,
        expand=True,
        vertical_alignment=ft.CrossAxisAlignment.STRETCH,
    )


def sign_in_card(app: App) -> ft.Control:
    """Ask a driver to sign in before what is theirs; says when the service signed them out."""
    words = "sign_in.signed_out" if app.standing.was_signed_out else "sign_in.text"
    column = ft.Column(
        [
            ft.Icon(ft.Icons.LOCK_OUTLINE, size=48, color=ft.Colors.PRIMARY),
            ft.Text(app.t("sign_in.title"), theme_style=Size.TITLE),
            ft.Text(app.t(words), theme_style=Size.MESSAGE, text_align=ft.TextAlign.CENTER),
            button("sign-in", app.t("sign_in.button"), handler(app, app.sign_in)),
        ],
        spacing=SPACE_M,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        tight=True,
    )
    return tid(
        "sign-in-card", ft.Container(column, padding=SPACE_XL, alignment=ft.Alignment.CENTER)
    )
