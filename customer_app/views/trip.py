"""Planning a trip: two places, how far one gets, the stops with their prices, reserving all."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, dropdown, text_field, wide_button
from customer_app.kit.panels import by_state, card, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.trip import RANGES_KM, Stop, TripModel
from customer_app.views.parts import SEPARATOR, amount_row, means, small, when
from customer_app.views.station_parts import name_of, ready_words

KM = 1000


@screen
def view(app: App) -> ft.Control:
    """Plan a trip and reserve its stops."""
    listed = app.kept.get("stations")
    centre = (app.settings.centre_lat_e7, app.settings.centre_lon_e7)
    near = centre if listed is None else listed.near
    model = use_model(app, lambda: TripModel(app.client, means(app), near))
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: TripModel) -> ft.Control:
    parts = [_form(app, model), *_found(app, model), *_refused(app, model)]
    return page_body(app, parts, bottom=_next(app, model))


def _form(app: App, model: TripModel) -> ft.Control:
    ranges = [(str(each), app.texts.reach(each * KM)) for each in RANGES_KM]
    classes = [(each, each) for each in model.classes]
    unknown = app.t("trip.unknown") if model.is_unknown_place else None
    begin = text_field(
        app,
        "trip-from",
        app.t("trip.from"),
        model.begin,
        model.type_begin,
        helper=app.t("trip.here"),
    )
    end = text_field(app, "trip-to", app.t("trip.to"), model.end, model.type_end, error=unknown)
    reach = dropdown(
        app, "trip-range", app.t("trip.range"), str(model.range_km), ranges, model.choose_range
    )
    kind = dropdown(
        app, "trip-class", app.t("reserve.class"), model.pack_class, classes, model.choose_class
    )
    find = button(
        "trip-find",
        app.t("trip.find"),
        handler(app, model.find, model=model),
        look="tonal",
        enabled=bool(model.pack_class),
    )
    return card(begin, end, reach, kind, find)


def _found(app: App, model: TripModel) -> list[ft.Control]:
    plan = model.plan
    if plan is None:
        return [small(app.t("trip.empty"))]
    if not plan.is_covered:
        return [tid("trip-uncovered", note_card(app, app.t("trip.uncovered")))]
    if not model.stops:
        return [tid("trip-direct", note_card(app, app.t("trip.direct")))]
    title = heading("trip-stops-title", app.t("trip.stops"))
    rows = [_stop(app, place, each) for place, each in enumerate(model.stops)]
    return [tid("trip-stops", card(title, *rows))]


def _stop(app: App, place: int, stop: Stop) -> ft.Control:
    station = stop.on_way.station
    ready = sum(each.ready_count for each in station.ready)
    words = [
        app.t("trip.after", distance=app.texts.distance(stop.on_way.along_m)),
        ready_words(app, station, ready),
    ]
    rows: list[ft.Control] = [
        ft.Text(name_of(app, station.name, station.names), theme_style=Size.CARD)
    ]
    if stop.quote is not None:
        total = app.texts.money(stop.quote.total_estimate_minor, stop.quote.currency)
        rows.append(amount_row(app.t("reserve.total"), total))
        words.append(app.t("reserve.arrive", time=when(app, stop.quote.arrive_at)))
        fee = app.texts.money(stop.quote.no_show_minor, stop.quote.currency)
        words.append(app.t("fee.noshow", amount=fee))
    rows.append(small(SEPARATOR.join(words)))
    if stop.booking is not None:
        go = handler(app, app.go, f"/booking/{stop.booking.id}")
        rows.append(
            button(f"trip-booking-{place}", app.t("booking.state.reserved"), go, look="tonal")
        )
    return tid(f"trip-stop-{place}", ft.Column(rows, spacing=0))


def _refused(app: App, model: TripModel) -> list[ft.Control]:
    """Say which stop could not be reserved, and ask what shall become of the others."""
    failed = model.failed
    if failed is None or failed.error is None:
        return []
    station = failed.on_way.station
    _title, text = app.texts.error(failed.error)
    words = app.t("trip.refused", station=name_of(app, station.name, station.names), why=text)
    keep = button("trip-keep", app.t("trip.keep"), handler(app, model.keep_others), look="tonal")
    cancel = button(
        "trip-cancel",
        app.t("trip.cancel"),
        handler(app, model.cancel_others, model=model),
        look="text",
    )
    note = note_card(app, words, [keep, cancel], reference=failed.error)
    return [tid("trip-refused", note, live=True)]


def _next(app: App, model: TripModel) -> ft.Control | None:
    if not model.stops or model.failed is not None or len(model.booked) == len(model.stops):
        return None
    if not model.are_priced:
        ask = handler(app, model.ask_prices, model=model)
        return wide_button("trip-prices", app.t("reserve.quote"), ask)
    reserve = handler(app, model.reserve_all, model=model)
    return wide_button(
        "trip-reserve", app.t("trip.reserve_all"), reserve, enabled=not model.is_busy
    )
