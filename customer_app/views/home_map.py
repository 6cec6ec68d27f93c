"""The map of the first screen: pins with counts, clusters, the driver's own place."""

from typing import Any

import flet as ft
import flet_map as ftm

from customer_app.api.wire_stations import Cluster, Station
from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import tid
from customer_app.kit.theme import SPACE_S, TARGET, Size
from customer_app.models.stations import ZOOM_LEAST, ZOOM_MOST, StationsModel
from customer_app.views.station_parts import name_of, ready_words, tone_for

_E7 = 10**7
_ENDS = {
    ftm.MapEventType.MOVE_END,
    ftm.MapEventType.FLING_ANIMATION_END,
    ftm.MapEventType.SCROLL_WHEEL_ZOOM,
    ftm.MapEventType.DOUBLE_TAP_ZOOM_END,
}
_GROUND = {"light": "#F3F1EC", "dark": "#1D2024"}  # as the tiles, so that a missing one is no hole
_PIN = ft.ButtonStyle(padding=0, shape=ft.CircleBorder())


def stations_map(app: App, model: StationsModel, chosen: str) -> ft.Control:
    """Draw the map; without tiles it stays plain, and the pins still work."""
    theme = "dark" if app.look.is_dark else "light"
    pins = [_pin(app, model, station, chosen) for station in model.pins]
    clusters = [_cluster(app, model, cluster) for cluster in model.clusters]
    here = [_here(model)] if model.is_here else []
    latitude, longitude, zoom = model.start
    drawn = ftm.Map(
        layers=[
            ftm.TileLayer(
                url_template=f"{app.settings.mount}/_tiles/{theme}/{{z}}/{{x}}/{{y}}.png",
                max_native_zoom=ZOOM_MOST,
                key=theme,
            ),
            ftm.MarkerLayer(markers=[*here, *clusters, *pins]),
        ],
        initial_center=ftm.MapLatitudeLongitude(latitude, longitude),
        initial_zoom=zoom,
        min_zoom=ZOOM_LEAST,
        max_zoom=ZOOM_MOST,
        bgcolor=_GROUND[theme],
        interaction_configuration=ftm.InteractionConfiguration(
            flags=ftm.InteractionFlag.ALL & ~ftm.InteractionFlag.ROTATE
        ),
        on_event=handler(app, _moved, model, takes_event=True, key="map-moved"),
        expand=True,
        key=f"map-{latitude}-{longitude}-{zoom}",  # going elsewhere begins a map of its own
    )
    note = ft.Container(
        ft.Text(
            app.t("home.map_schematic"),
            theme_style=Size.PIN,
            color=ft.Colors.ON_SURFACE_VARIANT,
        ),
        left=SPACE_S,
        bottom=SPACE_S,
        padding=ft.Padding.symmetric(horizontal=6, vertical=2),
        border_radius=6,
        bgcolor=ft.Colors.with_opacity(0.8, ft.Colors.SURFACE),
    )
    return tid("map", ft.Stack([drawn, note], expand=True), app.t("home.map"))


def _moved(event: Any, model: StationsModel) -> None:
    """Take where a gesture ended; what comes in between is not worth a request."""
    if event.event_type in _ENDS:
        centre = event.camera.center
        model.look_at(float(centre.latitude), float(centre.longitude), float(event.camera.zoom))


def _point(lat_e7: int, lon_e7: int) -> ftm.MapLatitudeLongitude:
    return ftm.MapLatitudeLongitude(lat_e7 / _E7, lon_e7 / _E7)


def _pin(app: App, model: StationsModel, station: Station, chosen: str) -> ftm.Marker:
    """Draw a station as a button with its count; the name and the state are its tooltip."""
    count = model.ready_of(station)
    tone = tone_for(station, count)
    is_chosen = station.id == chosen
    words = f"{name_of(app, station.name, station.names)}, {ready_words(app, station, count)}"
    shown = ft.FilledButton(
        str(count) if station.state == "OPEN" else None,
        icon=None if station.state == "OPEN" else tone.icon,
        tooltip=words,
        bgcolor=ft.Colors.TERTIARY if is_chosen else tone.colour,
        color=ft.Colors.ON_TERTIARY if is_chosen else tone.on_colour,
        style=_PIN,
        elevation=2,
        on_click=handler(app, app.go, f"/station/{station.id}"),
    )
    side = TARGET + 8 if is_chosen else TARGET
    return ftm.Marker(shown, _point(station.lat_e7, station.lon_e7), width=side, height=side)


def _cluster(app: App, model: StationsModel, cluster: Cluster) -> ftm.Marker:
    """Draw stations that are too near to each other as one sign; a tap takes them apart."""
    shown = ft.FilledTonalButton(
        str(cluster.count),
        tooltip=app.t("home.cluster", n=cluster.count),
        style=_PIN,
        bgcolor=ft.Colors.SECONDARY,
        color=ft.Colors.ON_SECONDARY,
        on_click=handler(app, model.look_closer, cluster.lat_e7, cluster.lon_e7),
    )
    return ftm.Marker(shown, _point(cluster.lat_e7, cluster.lon_e7), width=TARGET, height=TARGET)


def _here(model: StationsModel) -> ftm.Marker:
    dot = ft.Container(
        bgcolor=ft.Colors.TERTIARY, border_radius=10, border=ft.Border.all(3, ft.Colors.SURFACE)
    )
    return ftm.Marker(dot, _point(*model.near), width=20, height=20)
