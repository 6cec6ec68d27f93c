"""The sheet of a station: what is ready, what will be when the driver arrives, prices, hours."""

from collections.abc import Iterable

import flet as ft
import flet_charts as fch

from customer_app.api.wire_stations import HourPrice, Hours, Opening, Ready, StationSheet
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, chip, wide_button
from customer_app.kit.panels import by_state, card, figure_row, heading, stale_bar
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SPACE_M, SPACE_S, Size
from customer_app.models.station import StationModel
from customer_app.views.station_parts import (
    SEPARATOR,
    name_of,
    ready_words,
    sign,
    state_note,
    tone_for,
)

_E7 = 10**7
CHART_HEIGHT = 140
KWH = "kwh"
SLASH, DASH = " / ", "\N{EN DASH}"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BARS_EVERY_H = 2
PRICES_MOST = 8


@screen
def view(app: App, station_id: str) -> ft.Control:
    """Show a station and offer to reserve there."""
    listed = app.kept.get("stations")
    wished = listed.pack_class if listed is not None else ""
    model = use_model(app, lambda: StationModel(app.client, station_id, app.services.now, wished))

    async def refresh() -> None:
        await app.services.pause(app.settings.refresh_s)
        await model.load()

    use_loop(app, refresh, 0, model=model)
    return by_state(app, model, lambda: _sheet(app, model), in_pane=app.look.is_expanded)


def _sheet(app: App, model: StationModel) -> ft.Control:
    sheet = model.sheet
    assert sheet is not None, "drawn only once it is there"
    ready = next((each for each in sheet.ready if each.pack_class == model.pack_class), None)
    parts = [
        _head(app, sheet, ready),
        *_old(app, model, sheet),
        *state_note(app, sheet, _nearest(app)),
        *_classes(app, model, sheet),
        *_at_arrival(app, model, sheet, ready),
        *_busy(app, model.hours),
        *_prices(app, sheet),
        _facts(app, sheet),
        _places(app, sheet),
    ]
    reserve = _reserve(app, model, sheet)
    return page_body(app, parts, bottom=reserve, in_pane=app.look.is_expanded)


def _reserve(app: App, model: StationModel, sheet: StationSheet) -> ft.Control | None:
    """Offer to reserve: now, or for when it opens; never where nobody could keep the promise."""
    if sheet.state in {"OFFLINE", "MAINTENANCE"} or not sheet.ready:
        return None
    words = app.t("station.reserve")
    if sheet.state == "CLOSED" and sheet.opens_at is not None:
        time = app.texts.soon(sheet.opens_at, app.services.now(), sheet.zone)
        words = app.t("home.reserve_for", time=time)
    route = f"/station/{sheet.id}/reserve?class={model.pack_class}"
    return wide_button("reserve", words, handler(app, app.go, route))


def _head(app: App, sheet: StationSheet, ready: Ready | None) -> ft.Control:
    count = ready.ready_count if ready is not None else 0
    line = [ready_words(app, sheet, count), app.t(f"station.tier.{sheet.tier}")]
    if sheet.distance_m is not None:
        line.append(app.texts.distance(sheet.distance_m))
    words = ft.Column(
        [
            ft.Text(name_of(app, sheet.name, sheet.names), theme_style=Size.TITLE),
            ft.Text(SEPARATOR.join(line), color=ft.Colors.ON_SURFACE_VARIANT),
        ],
        spacing=0,
        expand=True,
    )
    return tid("station-head", ft.Row([sign(sheet, count), words], spacing=SPACE_M), heading=True)


def _old(app: App, model: StationModel, sheet: StationSheet) -> list[ft.Control]:
    age = (app.services.now() - sheet.as_of).total_seconds()
    if sheet.state == "OFFLINE" or age <= app.settings.stale_after_s:
        return []
    return [stale_bar(app, sheet.as_of, handler(app, model.load, model=model))]


def _nearest(app: App) -> ft.Control:
    return button(
        "nearest-other", app.t("station.nearest_other"), handler(app, app.go, "/"), look="text"
    )


def _classes(app: App, model: StationModel, sheet: StationSheet) -> list[ft.Control]:
    """Let the driver choose among the classes of the station, each with its count."""
    if not sheet.ready or sheet.state == "OFFLINE":
        return []
    chips = [
        chip(
            f"class-{place}",
            f"{each.pack_class} {SEPARATOR.strip()} {ready_words(app, sheet, each.ready_count)}",
            handler(app, model.choose_class, each.pack_class, model=model),
            selected=each.pack_class == model.pack_class,
        )
        for place, each in enumerate(sheet.ready)
    ]
    return [ft.Row(chips, wrap=True, spacing=SPACE_S)]


def _at_arrival(
    app: App, model: StationModel, sheet: StationSheet, ready: Ready | None
) -> list[ft.Control]:
    """Say honestly what will be there: the middle guess, and the careful one."""
    if sheet.state != "OPEN":
        return []
    lines: list[ft.Control] = []
    if ready is not None and not ready.ready_count and ready.next_ready_at is not None:
        time = app.texts.soon(ready.next_ready_at, app.services.now(), sheet.zone)
        lines.append(ft.Text(app.t("station.next_ready", time=time), theme_style=Size.MESSAGE))
    arrival = model.arrival(sheet.distance_m)
    step = model.at_arrival(arrival)
    if step is not None:
        time = app.texts.time(arrival, sheet.zone)
        words = app.t("station.predicted", n=step.ready_p50, time=time)
        lines.append(ft.Text(words, theme_style=Size.MESSAGE))
        if step.ready_p10 < step.ready_p50:
            careful = app.t("station.predicted_low", n=step.ready_p10)
            lines.append(ft.Text(careful, color=ft.Colors.ON_SURFACE_VARIANT))
    if ready is not None and ready.charging_count:
        lines.append(
            ft.Text(
                app.t("station.charging", n=ready.charging_count),
                color=ft.Colors.ON_SURFACE_VARIANT,
            )
        )
    return [tid("arrival", card(*lines))] if lines else []


def _busy(app: App, hours: Hours | None) -> list[ft.Control]:
    """Draw what is typically ready through the day of today, at the station's own clock."""
    if hours is None or not hours.days_seen or not hours.ready:
        return []
    now = app.texts.local(app.services.now(), hours.zone)
    today = hours.ready[now.weekday() % len(hours.ready)]
    most = max(today, default=0)
    if not most:
        return []
    shown = range(0, len(today), BARS_EVERY_H)
    bars = [
        fch.BarChartGroup(
            x=hour,
            rods=[
                fch.BarChartRod(
                    from_y=0,
                    to_y=today[hour],
                    width=10,
                    border_radius=3,
                    color=ft.Colors.PRIMARY
                    if hour <= now.hour < hour + BARS_EVERY_H
                    else ft.Colors.SECONDARY_CONTAINER,
                )
            ],
        )
        for hour in shown
    ]
    labels = [
        fch.ChartAxisLabel(value=hour, label=ft.Text(f"{hour:02}", theme_style=Size.PIN))
        for hour in range(0, len(today), 6)
    ]
    chart = fch.BarChart(
        groups=bars,
        max_y=most + 1,
        height=CHART_HEIGHT,
        interactive=False,
        bottom_axis=fch.ChartAxis(labels=labels, label_size=24),
        horizontal_grid_lines=None,
    )
    said = f"{app.t('station.busy_hint')}: " + ", ".join(
        f"{hour:02}:00 {today[hour]}" for hour in shown
    )
    head = f"{app.t('station.busy')}, {app.t(f'day.{now.weekday()}')}"
    hint = ft.Text(app.t("station.busy_hint"), color=ft.Colors.ON_SURFACE_VARIANT)
    return [card(heading("busy-title", head), hint, tid("busy", chart, said))]


def _prices(app: App, sheet: StationSheet) -> list[ft.Control]:
    tariff = sheet.tariff
    if tariff is None:
        return []
    now = app.services.now()
    hours = [each for each in tariff.hours if each.from_at >= now][:PRICES_MOST]
    current = [each for each in tariff.hours if each.from_at < now][-1:]
    rows = [
        figure_row(
            app.texts.time(each.from_at, sheet.zone),
            _price(app, each.unit_price, tariff.currency, KWH),
            icon=ft.Icons.SCHEDULE,
        )
        for each in _changes([*current, *hours])
    ]
    rows += [
        figure_row(
            app.t(f"line.{line.kind}"),
            _price(app, line.unit_price, tariff.currency, line.per),
        )
        for line in tariff.lines
        if line.kind != "energy" and f"line.{line.kind}" in app.texts
    ]
    version = ft.Text(
        app.t("price.version", version=tariff.version), color=ft.Colors.ON_SURFACE_VARIANT
    )
    return [tid("prices", card(heading("prices-title", app.t("station.price")), *rows, version))]


def _price(app: App, unit_price: str, currency: str, per: str) -> str:
    """Say a price and what for; a unit that the app does not know keeps the door's name."""
    amount = app.texts.rate(unit_price, currency)
    if per.lower() == KWH:
        return app.t("station.price_kwh", amount=amount)
    key = f"unit.{per.lower()}"
    return SLASH.join([amount, app.t(key) if key in app.texts else per.lower()])


def _changes(hours: Iterable[HourPrice]) -> list[HourPrice]:
    """Leave out an hour whose price is that of the hour before."""
    kept: list[HourPrice] = []
    for each in hours:
        if not kept or each.unit_price != kept[-1].unit_price:
            kept.append(each)
    return kept


def _facts(app: App, sheet: StationSheet) -> ft.Control:
    rows: list[ft.Control] = []
    if sheet.kept_promise_bp is not None:
        kept = app.t("station.score", p=app.texts.percent_figure(sheet.kept_promise_bp))
        rows.append(_line(ft.Icons.HANDSHAKE_OUTLINED, kept))
    if sheet.last_swap_at is not None:
        age = app.texts.age(sheet.last_swap_at, app.services.now())
        rows.append(_line(ft.Icons.SWAP_HORIZ, app.t("station.last_swap", age=age)))
    rows.append(_line(ft.Icons.SCHEDULE, _opening(app, sheet.opening)))
    figures = [app.t("station.slots", n=sheet.slots_total), app.t("station.lanes", n=sheet.lanes)]
    rows.append(_line(ft.Icons.GRID_VIEW, SEPARATOR.join(figures)))
    tone = tone_for(sheet, 1)
    seen = app.t("home.asof", time=app.texts.time(sheet.as_of, sheet.zone))
    rows.append(_line(tone.icon if sheet.state == "OFFLINE" else ft.Icons.UPDATE, seen))
    return tid("facts", card(*rows))


def _places(app: App, sheet: StationSheet) -> ft.Control:
    """Say where it is and who answers there."""
    place = f"{sheet.lat_e7 / _E7:.6f},{sheet.lon_e7 / _E7:.6f}"
    actions: list[ft.Control] = [
        button(
            "route",
            app.t("station.route"),
            handler(app, app.open_url, f"geo:{place}?q={place}"),
            look="tonal",
            icon=ft.Icons.DIRECTIONS_OUTLINED,
        )
    ]
    if sheet.phone:
        actions.append(
            button(
                "station-call",
                app.t("help.call"),
                handler(app, app.call, sheet.phone),
                look="outlined",
                icon=ft.Icons.PHONE_OUTLINED,
            )
        )
    return card(
        _line(ft.Icons.PLACE_OUTLINED, sheet.address), ft.Row(actions, wrap=True, spacing=SPACE_S)
    )


def _line(icon: ft.IconData, words: str) -> ft.Control:
    return ft.Row(
        [ft.Icon(icon, size=20, color=ft.Colors.ON_SURFACE_VARIANT), ft.Text(words, expand=True)],
        spacing=SPACE_M,
    )


def _opening(app: App, opening: tuple[Opening, ...]) -> str:
    """Say the opening hours in as few lines as they allow."""
    always = {(span.day, span.from_local, span.to_local) for span in opening}
    if all((day, "00:00", "24:00") in always for day in DAYS):
        return app.t("station.open_always")
    lines: list[str] = []
    for number, day in enumerate(DAYS):
        spans = [f"{s.from_local}{DASH}{s.to_local}" for s in opening if s.day == day]
        if spans:
            lines.append(f"{app.t(f'day.{number}')} {', '.join(spans)}")
    return "\n".join(lines)
