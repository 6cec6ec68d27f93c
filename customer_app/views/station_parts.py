"""What the list, the map and the sheet share: how a station looks in one line, in one sign."""

from collections.abc import Mapping

import flet as ft

from customer_app.api.wire_stations import Station, StationSheet
from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import tid
from customer_app.kit.panels import note_card
from customer_app.kit.theme import NONE, STALE, Tone, tone_of

SEPARATOR = " · "
SIGN_RADIUS = 22
_WORDS_FIRST = ("MAINTENANCE", "OFFLINE", "CLOSED")


def name_of(app: App, name: str, names: Mapping[str, str]) -> str:
    """Give a station's name in the driver's language."""
    return names.get(app.look.language, name)


def tone_for(station: Station | StationSheet, ready_count: int) -> Tone:
    """Give the tone of a station: what does not report promises nothing."""
    if station.state == "OFFLINE":
        return STALE
    return NONE if station.state != "OPEN" else tone_of(ready_count)


def ready_words(app: App, station: Station | StationSheet, ready_count: int) -> str:
    """Say how many packs are ready, or why none can be promised."""
    if station.state in _WORDS_FIRST:
        return app.t(f"station.state.{station.state.lower()}")
    return app.t("home.ready", n=ready_count) if ready_count else app.t("home.ready_none")


def about(app: App, station: Station, ready_count: int) -> str:
    """Say in one line what decides whether to go there."""
    parts = [ready_words(app, station, ready_count)]
    if station.distance_m is not None:
        parts.append(app.texts.distance(station.distance_m))
    if station.price_from_minor is not None and station.currency:
        amount = app.texts.money(station.price_from_minor, station.currency)
        parts.append(app.t("station.price_from", amount=amount))
    return SEPARATOR.join(parts)


def sign(station: Station | StationSheet, ready_count: int) -> ft.Control:
    """Draw the round sign with the count; the words beside it say the same."""
    tone = tone_for(station, ready_count)
    known = station.state not in {"OFFLINE", "MAINTENANCE"}
    return ft.CircleAvatar(
        str(ready_count) if known else ft.Icon(tone.icon, size=20),
        radius=SIGN_RADIUS,
        bgcolor=tone.container,
        color=tone.on_container,
    )


def station_row(
    app: App, place: int, station: Station, ready_count: int, *, chosen: bool
) -> ft.Control:
    """Draw a station in the list; three controls, so that a page of them stays quick."""
    row = ft.ListTile(
        leading=sign(station, ready_count),
        title=name_of(app, station.name, station.names),
        subtitle=about(app, station, ready_count),
        trailing=ft.Icons.CHEVRON_RIGHT,
        selected=chosen,
        selected_tile_color=ft.Colors.SECONDARY_CONTAINER if chosen else None,
        selected_color=ft.Colors.ON_SECONDARY_CONTAINER if chosen else None,
        on_click=handler(app, app.go, f"/station/{station.id}"),
    )
    named = tid(f"station-row-{place}", row)
    named.key = f"row-{station.id}"  # what follows the list is not taken for one of its rows
    return named


def state_note(app: App, sheet: StationSheet, nearest: ft.Control | None) -> list[ft.Control]:
    """Say what is the matter with a station that cannot promise a pack; none when all is well."""
    actions = [nearest] if nearest is not None else []
    until = (
        ""
        if sheet.opens_at is None
        else app.texts.soon(sheet.opens_at, app.services.now(), sheet.zone)
    )
    if sheet.state == "OFFLINE":
        return [note_card(app, app.t("station.offline"), actions, tone=STALE)]
    if sheet.state in {"MAINTENANCE", "CLOSED"}:
        key = f"station.{sheet.state.lower()}"
        words = app.t(key, time=until) if until else app.t(f"{key}_plain")
        return [note_card(app, words, actions)]
    return []
