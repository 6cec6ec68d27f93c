"""The table of routes, and the component that turns a route into a stack of views."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import root, screen
from customer_app.kit.ids import tid
from customer_app.kit.shell import Place, frame, sign_in_card
from customer_app.views import (
    booking,
    code,
    data,
    home,
    inbox,
    invoice,
    not_found,
    pack,
    passport,
    pay,
    plans,
    receipt,
    receipts,
    reserve,
    settings,
    slot,
    station,
    swap,
    ticket,
    trip,
    verify,
    wallet,
)
from customer_app.views import help as help_screen

_PARAMETER = r"(?P<\1>[A-Za-z0-9_.~-]{1,80})"


@dataclass(frozen=True, slots=True)
class Route:
    """One screen: its path, its name in `SCREENS`, the key of its title, its tab.

    `below` is the route one step back, with the same parameters. A `pane` is shown inside the
    screen below it where there is room for two.
    """

    path: str
    screen: str
    title: str
    tab: str = "map"
    below: str = "/"
    is_private: bool = False
    is_pane: bool = False

    @property
    def is_tab(self) -> bool:
        """Whether this is one of the places of the bar."""
        return self.path == self.below


ROUTES = (
    Route("/", "home", "home.title"),
    Route("/station/:station_id", "station", "station.title", is_pane=True),
    Route(
        "/station/:station_id/reserve",
        "reserve",
        "reserve.title",
        below="/station/:station_id",
        is_private=True,
    ),
    Route("/trip", "trip", "trip.title", is_private=True),
    Route("/booking/:booking_id", "booking", "booking.title", is_private=True),
    Route(
        "/booking/:booking_id/code",
        "code",
        "code.title",
        below="/booking/:booking_id",
        is_private=True,
    ),
    Route("/swap/:swap_id", "swap", "swap.title", is_private=True),
    Route("/slot/:station_id/:slot", "slot", "slot.title", is_private=True),
    Route("/wallet", "wallet", "wallet.title", "wallet", "/wallet", is_private=True),
    Route("/plans", "plans", "plans.title", "wallet", "/wallet", is_private=True),
    Route("/pay", "pay", "pay.title", "wallet", "/wallet", is_private=True),
    Route("/receipts", "receipts", "receipts.title", "wallet", "/wallet", is_private=True),
    Route("/receipts/:swap_id", "receipt", "receipt.title", "wallet", "/receipts", is_private=True),
    Route(
        "/invoices/:invoice_id", "invoice", "invoice.name", "wallet", "/receipts", is_private=True
    ),
    Route("/pack", "pack", "pack.title", "pack", "/pack", is_private=True),
    Route("/pack/:pack_id/passport", "passport", "passport.title", "pack", "/pack"),
    Route(
        "/verify/:swap_id",
        "verify",
        "verify.title",
        "wallet",
        "/receipts/:swap_id",
        is_private=True,
    ),
    Route("/inbox", "inbox", "inbox.title", "inbox", "/inbox", is_private=True),
    Route("/help", "help", "help.title", "help", "/help"),
    Route("/help/:ticket_id", "ticket", "ticket.title", "help", "/help", is_private=True),
    Route("/settings", "settings", "settings.title"),
    Route("/settings/data", "data", "data.title", below="/settings", is_private=True),
)
SCREENS: dict[str, Callable[..., Any]] = {
    "booking": booking.view,
    "code": code.view,
    "data": data.view,
    "help": help_screen.view,
    "home": home.view,
    "inbox": inbox.view,
    "invoice": invoice.view,
    "not_found": not_found.view,
    "pack": pack.view,
    "passport": passport.view,
    "pay": pay.view,
    "plans": plans.view,
    "receipt": receipt.view,
    "receipts": receipts.view,
    "reserve": reserve.view,
    "settings": settings.view,
    "slot": slot.view,
    "station": station.view,
    "swap": swap.view,
    "ticket": ticket.view,
    "trip": trip.view,
    "verify": verify.view,
    "wallet": wallet.view,
}
NOT_FOUND = Route("", "not_found", "not_found.title")


@dataclass(frozen=True, slots=True)
class Found:
    """A route and the parameters that a path gave it."""

    route: Route
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The path itself, which names the view for the browser's navigator."""
        return _filled(self.route.path, dict(self.parameters))


def find(path: str) -> Found:
    """Find the screen of a path; an unknown one gives `NOT_FOUND`.

    >>> find("/station/st_7").parameters
    (('station_id', 'st_7'),)
    >>> find("/station/..%2f").route.screen
    'not_found'
    """
    for route in ROUTES:
        fit = _pattern(route.path).fullmatch(path)
        if fit is not None:
            return Found(route, tuple(fit.groupdict().items()))
    return Found(NOT_FOUND)


def is_route(path: str) -> bool:
    """Tell whether a path leads to a screen; only then may a sign-in page lead back to it."""
    return find(path).route is not NOT_FOUND


def parent_of(path: str) -> str:
    """Give the path one step back.

    >>> parent_of("/booking/bk_1/code")
    '/booking/bk_1'
    """
    found = find(path)
    return _filled(found.route.below, dict(found.parameters))


def stack_of(path: str, *, is_wide: bool) -> list[Found]:
    """Give the screens from the lowest to the one that is seen.

    Where there is room for two, a pane is part of the screen below and no view of its own.
    """
    stack = [find(path)]
    while not stack[0].route.is_tab:
        stack.insert(0, find(_filled(stack[0].route.below, dict(stack[0].parameters))))
    if is_wide:
        panes = [place for place, found in enumerate(stack) if found.route.is_pane]
        for place in panes:
            pane = stack[place]
            stack[place - 1] = Found(stack[place - 1].route, pane.parameters)
        stack = [found for found in stack if not found.route.is_pane]
    return stack


@root
def Root(app: App) -> list[ft.View]:  # noqa: N802 - components are named like types
    """Draw the stack of views for the route, anew when route, language, width or sign-in change."""
    for seen in (app.look, app.nav, app.standing):
        ft.use_state(seen)
    stack = stack_of(app.nav.path, is_wide=app.look.is_expanded)
    return [_view(app, found) for found in stack]


def _view(app: App, found: Found) -> ft.View:
    route = found.route
    if not app.settings.is_production and app.nav.query.get("break") == route.screen:
        body = broken(app)
    elif route.is_private and not app.is_signed_in:
        body = sign_in_card(app)
    else:
        show = _screen(route.screen)
        body = show(app, **dict(found.parameters), key=found.path)
    # tabs share one route, so that changing between them does not slide
    place = Place(
        route="/" if route.is_tab else found.path or "/not-found",
        title=app.t(route.title, **dict(found.parameters)),
        tab=route.tab,
        is_tab=route.is_tab,
    )
    named = tid(f"screen-{route.screen.replace('_', '-')}", body)
    named.expand = True
    named.key = found.path  # a changed id alone would not reach readers of the screen
    return frame(app, place, named)


@screen
def broken(_app: App) -> ft.Control:
    """Break on purpose, for whoever wants to see what a driver would; never in production."""
    raise RuntimeError("broken on purpose")


def _screen(name: str) -> Callable[..., Any]:
    return SCREENS[name]


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r":(\w+)", _PARAMETER, path))


def _filled(path: str, parameters: dict[str, str]) -> str:
    return re.sub(r":(\w+)", lambda name: parameters.get(name[1], ""), path)
