"""The first screen: stations near the driver as a list and on a map, and what waits for them."""

import json

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import component, handler, screen
from customer_app.kit.hooks import use_loop, use_model, use_task
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, chip, icon_button
from customer_app.kit.panels import by_state, empty_state, note_card, stale_bar
from customer_app.kit.shell import two_panes
from customer_app.kit.theme import CARD_RADIUS, SPACE_L, SPACE_M, SPACE_S, SPACE_XS, TARGET, Size
from customer_app.models.stations import SORTS, StationsModel
from customer_app.models.waiting import WaitingModel
from customer_app.views import station
from customer_app.views.home_map import stations_map
from customer_app.views.station_parts import name_of, station_row

TYPING_S = 0.35
MAP_HEIGHT = 220
SHEET_WIDTH = 400
KEPT_ROWS, KEPT_CHARACTERS = 24, 60


@screen
def view(app: App, station_id: str = "") -> ft.Control:
    """Show the stations; where there is room, one of them in full beside the list."""
    settings = app.settings
    model = use_model(
        app,
        lambda: StationsModel(
            app.client,
            app.services.now,
            (settings.centre_lat_e7, settings.centre_lon_e7),
            (settings.radius_m, settings.wider_radius_m),
        ),
        keep="stations",
    )

    async def search() -> None:
        if model.is_searched():
            return
        await app.services.pause(TYPING_S)
        await model.load()

    async def look() -> None:
        if model.frame:
            await app.services.pause(TYPING_S)
        await model.fetch_map()

    use_task(app, search, (model.place,), model=model)
    use_task(app, look, (model.view, model.pack_class), model=model)

    kept: ft.MutableRef[str] = ft.use_ref("")

    async def remember() -> None:
        text = _kept(app, model) if model.items else ""
        if text != kept.current:
            kept.current = text
            await app.device.keep("mg.stations", text)

    use_task(app, remember, (model.items, app.look.language))
    use_loop(app, lambda: _refresh(app, model), 0, model=model)
    drawn = stations_map(app, model, station_id)
    if app.look.is_expanded:
        return two_panes(
            ft.Column([*_top(app, model), _list(app, model, station_id)], spacing=0, expand=True),
            _map_with_sheet(app, drawn, station_id),
        )
    if model.shows_map:
        return ft.Column([*_top(app, model), drawn], spacing=0, expand=True)
    above = [] if app.look.is_low else [ft.Container(drawn, height=MAP_HEIGHT)]
    return ft.Column(
        [*_top(app, model), *above, _list(app, model, station_id)], spacing=0, expand=True
    )


def _kept(app: App, model: StationsModel) -> str:
    """Write what the page shows when the connection is gone: names and counts, nothing of whom."""
    rows: list[dict[str, object]] = []
    for each in model.items[:KEPT_ROWS]:
        row: dict[str, object] = {"name": name_of(app, each.name, each.names)[:KEPT_CHARACTERS]}
        if each.state == "OPEN":
            row["ready"] = model.ready_of(each)
        rows.append(row)
    seen = model.seen_at() or app.services.now()
    kept = {"as_of": seen.isoformat(), "items": rows}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


async def _refresh(app: App, model: StationsModel) -> None:
    """Ask again now and then, but not at once: the model has just been loaded."""
    await app.services.pause(app.settings.refresh_s)
    await model.load()


def _map_with_sheet(app: App, drawn: ft.Control, station_id: str) -> ft.Control:
    """Lay the sheet of the chosen station over the map."""
    if not station_id:
        return drawn
    close = ft.Container(
        icon_button(
            "sheet-close", ft.Icons.CLOSE, app.t("common.close"), handler(app, app.go, "/")
        ),
        right=SPACE_S,
        top=SPACE_S,
    )
    inside = ft.Container(
        station.view(app, station_id, key=station_id),  # type: ignore[call-arg]
        left=0,
        right=0,
        top=0,
        bottom=0,
    )
    sheet = ft.Container(
        ft.Stack([inside, close], expand=True),
        width=SHEET_WIDTH,
        right=SPACE_L,
        top=SPACE_L,
        bottom=SPACE_L,
        border_radius=CARD_RADIUS,
        bgcolor=ft.Colors.SURFACE,
        border=ft.Border.all(1, ft.Colors.OUTLINE_VARIANT),
        clip_behavior=ft.ClipBehavior.ANTI_ALIAS,
    )
    return ft.Stack([drawn, sheet], expand=True)


# Above the list -------------------------------------------------------------------------------


def _top(app: App, model: StationsModel) -> list[ft.Control]:
    field = ft.TextField(
        hint_text=app.t("home.search"),
        prefix_icon=ft.Icons.SEARCH,
        value=model.place,
        filled=True,
        fill_color=ft.Colors.SURFACE_CONTAINER_HIGH,
        border=ft.OutlineInputBorder(
            side=ft.BorderSide(0, ft.Colors.TRANSPARENT), border_radius=TARGET
        ),
        content_padding=ft.Padding.symmetric(horizontal=SPACE_L, vertical=SPACE_M),
        expand=True,
        on_change=handler(
            app, lambda text: model.search(str(text)), takes_value=True, key=("search", model.place)
        ),
        on_submit=handler(app, model.load, model=model),
    )
    parts = [
        tid("search", field, app.t("home.search")),
        icon_button(
            "near-me",
            ft.Icons.MY_LOCATION,
            app.t("home.near_me"),
            handler(app, _near_me, app, model, model=model),
        ),
    ]
    if not app.look.is_expanded:
        parts.append(
            icon_button(
                "map-or-list",
                ft.Icons.LIST if model.shows_map else ft.Icons.MAP_OUTLINED,
                app.t("home.list") if model.shows_map else app.t("home.map"),
                handler(app, model.toggle_map),
            )
        )
    bar = ft.Container(
        ft.Row(parts, spacing=SPACE_XS),
        padding=ft.Padding.only(left=SPACE_L, right=SPACE_S, top=SPACE_S),
    )
    return [bar, _chips(app, model)]


def _chips(app: App, model: StationsModel) -> ft.Control:
    chips = [
        chip(
            "filter-ready",
            app.t("filter.ready"),
            handler(app, model.toggle_ready, model=model),
            selected=model.ready_now,
        ),
        chip(
            "filter-open",
            app.t("filter.open"),
            handler(app, model.toggle_open, model=model),
            selected=model.open_now,
        ),
    ]
    chips += [
        chip(
            f"filter-class-{place}",
            name,
            handler(app, model.choose_class, name, model=model),
            selected=name == model.pack_class,
        )
        for place, name in enumerate(model.classes)
    ]
    # in lines below each other where large letters leave no room: none is cut
    rows = ft.Row(chips, spacing=SPACE_S, run_spacing=SPACE_S, wrap=True, expand=True)
    return ft.Container(
        ft.Row(
            [rows, _order(app, model)],
            spacing=SPACE_S,
            vertical_alignment=ft.CrossAxisAlignment.START,
        ),
        padding=ft.Padding.only(left=SPACE_L, right=SPACE_S, top=SPACE_S, bottom=SPACE_S),
    )


def _order(app: App, model: StationsModel) -> ft.Control:
    """Let the driver choose what the list is ordered by."""
    items = [
        ft.PopupMenuItem(
            app.t(f"sort.{sort}"),
            checked=sort == model.sort,
            on_click=handler(app, model.sort_by, sort, model=model),
        )
        for sort in SORTS
    ]
    menu = ft.PopupMenuButton(
        icon=ft.Icon(ft.Icons.SORT, semantics_label=app.t("home.order")),
        items=items,
        tooltip=app.t(f"sort.{model.sort}"),
        width=TARGET,
    )
    return tid("sort", menu)


async def _near_me(app: App, model: StationsModel) -> None:
    await model.be_near(await app.device.position())


# The list -------------------------------------------------------------------------------------


def _list(app: App, model: StationsModel, chosen: str) -> ft.Control:
    body = by_state(
        app,
        model,
        lambda: _rows(app, model, chosen),
        empty=lambda: _none(app, model),
        in_pane=True,
    )
    return ft.Container(body, expand=True, padding=ft.Padding.only(top=SPACE_XS))


def _rows(app: App, model: StationsModel, chosen: str) -> ft.Control:
    parts: list[ft.Control] = []
    if app.is_signed_in:
        parts.append(waiting(app, key="waiting"))  # type: ignore[call-arg]
    parts += _notes(app, model)
    parts += [
        station_row(app, place, each, model.ready_of(each), chosen=each.id == chosen)
        for place, each in enumerate(model.items)
    ]
    if model.next_cursor:
        more = button(
            "more",
            app.t("common.more"),
            handler(app, model.more, model=model),
            look="text",
            enabled=not model.is_adding,
        )
        parts.append(ft.Row([more], alignment=ft.MainAxisAlignment.CENTER))
    parts.append(_as_of(app, model))
    plan = ft.TextButton(app.t("trip.title"), on_click=handler(app, app.go, "/trip"))
    parts.append(tid("trip", plan))
    return ft.ListView(parts, expand=True, padding=ft.Padding.only(bottom=SPACE_L))


def _as_of(app: App, model: StationsModel) -> ft.Control:
    seen = model.seen_at()
    words = "" if seen is None else app.t("home.asof", time=app.texts.time(seen, app.settings.zone))
    text = ft.Text(words, theme_style=Size.SMALL, color=ft.Colors.ON_SURFACE_VARIANT)
    named = tid("as-of", ft.Container(text, padding=ft.Padding.symmetric(horizontal=SPACE_L)))
    named.key = "as-of"
    return named


def _notes(app: App, model: StationsModel) -> list[ft.Control]:
    """Say what a driver should know before reading the list."""
    notes: list[ft.Control] = []
    if model.location_refused:
        notes.append(_padded(note_card(app, app.t("home.no_location"))))
    if model.is_old(app.settings.stale_after_s):
        seen = model.seen_at()
        assert seen is not None, "what is old was seen"
        notes.append(_padded(stale_bar(app, seen, handler(app, model.load, model=model))))
    if model.none_ready():
        notes.append(_padded(_none_ready(app, model)))
    return notes


def _none_ready(app: App, model: StationsModel) -> ft.Control:
    """Say where the next pack will be, or the nearest ready one outside the circle."""
    name = model.pack_class
    coming = model.next_ready()
    if coming is None:
        beyond = model.nearest_ready
        actions = []
        if beyond is not None:
            words = name_of(app, beyond.name, beyond.names)
            if beyond.distance_m is not None:
                words = f"{words}, {app.texts.distance(beyond.distance_m)}"
            actions.append(
                button(
                    "nearest-ready",
                    words,
                    handler(app, app.go, f"/station/{beyond.id}"),
                    look="tonal",
                )
            )
        return note_card(app, app.t("home.none_of_class_plain", **{"class": name}), actions)
    there, at = coming
    time = app.texts.soon(at, app.services.now(), app.settings.zone)
    facts = {"class": name, "time": time, "station": name_of(app, there.name, there.names)}
    reserve = button(
        "reserve-for",
        app.t("home.reserve_for", time=time),
        handler(app, app.go, f"/station/{there.id}"),
        look="tonal",
    )
    return note_card(app, app.t("home.none_of_class", **facts), [reserve])


def _none(app: App, model: StationsModel) -> ft.Control:
    """Say why the list is empty, and how to fill it."""
    notes = [_padded(note_card(app, app.t("home.no_location")))] if model.location_refused else []
    if model.has_filters:
        clear = button(
            "clear-filters",
            app.t("home.clear_filters"),
            handler(app, model.clear, model=model),
            look="tonal",
        )
        found = empty_state(ft.Icons.FILTER_ALT_OFF, app.t("home.filtered_out"), [clear])
        return ft.Column([*notes, found])
    actions = []
    if model.radius_m < app.settings.wider_radius_m:
        words = app.t("home.widen", km2=app.texts.reach(app.settings.wider_radius_m))
        actions.append(button("widen", words, handler(app, model.widen, model=model), look="tonal"))
    words = app.t("home.none_in_range", km=app.texts.reach(model.radius_m))
    return ft.Column([*notes, empty_state(ft.Icons.LOCATION_OFF, words, actions)])


def _padded(control: ft.Control) -> ft.Control:
    return ft.Container(
        control, padding=ft.Padding.only(left=SPACE_L, right=SPACE_L, bottom=SPACE_S)
    )


@component
def waiting(app: App) -> ft.Control:
    """Show the running booking and the offers; nothing at all when nothing waits."""
    model = use_model(app, lambda: WaitingModel(app.client))
    parts: list[ft.Control] = []
    if model.booking is not None:
        booking = model.booking
        until = app.texts.soon(booking.hold_expires_at, app.services.now(), app.settings.zone)
        name = name_of(app, booking.station.name, booking.station.names)
        parts.append(
            tid(
                "booking-banner",
                ft.Container(
                    ft.ListTile(
                        leading=ft.Icons.TIMER_OUTLINED,
                        title=app.t("home.booking_banner", station=name),
                        subtitle=app.t("booking.hold", time=until),
                        trailing=ft.Icons.CHEVRON_RIGHT,
                        icon_color=ft.Colors.ON_PRIMARY_CONTAINER,
                        text_color=ft.Colors.ON_PRIMARY_CONTAINER,
                        on_click=handler(app, app.go, f"/booking/{booking.id}"),
                    ),
                    bgcolor=ft.Colors.PRIMARY_CONTAINER,
                    border_radius=CARD_RADIUS,
                    margin=ft.Margin.symmetric(horizontal=SPACE_L),
                ),
            )
        )
    return ft.Column(parts, spacing=SPACE_M, visible=bool(parts))
