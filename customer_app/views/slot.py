"""Where the sticker on a slot leads: to the driver's booking here, or a swap right now."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, wide_button
from customer_app.kit.panels import by_state, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.swap import SlotModel
from customer_app.views.parts import counted, figure, means, named

EVERY_S = 10


@screen
def view(app: App, station_id: str, slot: str) -> ft.Control:
    """Land from a sticker."""
    model = use_model(app, lambda: SlotModel(app.client, means(app), station_id, slot))

    async def again() -> None:
        if await model.try_again():
            await _follow(app, model)

    use_loop(app, again, EVERY_S, model=model)
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: SlotModel) -> ft.Control:
    if model.is_unknown or model.station is None:
        return page_body(app, [tid("slot-unknown", _unknown(app, model))])
    station = model.station
    name = station.names.get(app.look.language, station.name)
    parts: list[ft.Control] = [
        tid("slot-station", ft.Text(name, theme_style=Size.TITLE), heading=True),
        figure("slot-number", model.slot, app.t("swap.slot")),
    ]
    if model.checking:
        parts.append(note_card(app, app.t("common.checking"), icon=ft.Icons.SYNC))
    return page_body(app, [*parts, *_booking(app, model)], bottom=_button(app, model))


def _unknown(app: App, model: SlotModel) -> ft.Control:
    found: list[ft.Control] = []
    if model.booking is not None:
        go = handler(app, app.go, f"/booking/{model.booking.id}/code")
        found.append(button("slot-show-code", app.t("slot.show_code"), go))
    found.append(button("slot-home", app.t("action.home"), handler(app, app.go, "/"), look="text"))
    return note_card(app, app.t("slot.unknown"), found)


def _booking(app: App, model: SlotModel) -> list[ft.Control]:
    booking = model.booking
    if model.is_owed_a_pack and model.ready_count:
        return [tid("slot-owed", note_card(app, app.t("swap.collect_hint")))]
    if booking is None:
        if not model.ready_count:
            home = button(
                "slot-next-best", app.t("action.next_best"), handler(app, app.go, "/"), look="tonal"
            )
            return [tid("slot-none", note_card(app, app.t("slot.none_ready"), [home]))]
        words = counted(app, "slot.no_booking", model.ready_count)
        return [tid("slot-free", ft.Text(words, theme_style=Size.MESSAGE))]
    if model.is_here:
        return [tid("slot-yours", ft.Text(app.t("slot.yours"), theme_style=Size.MESSAGE))]
    other = note_card(
        app,
        app.t("slot.other_station", station=named(app, booking.station)),
        [
            button(
                "slot-route",
                app.t("booking.route"),
                handler(app, app.go, f"/booking/{booking.id}"),
                look="tonal",
            ),
            button(
                "slot-book-here",
                app.t("slot.book_here"),
                handler(app, app.go, f"/station/{model.station_id}"),
                look="text",
            ),
        ],
    )
    return [tid("slot-elsewhere", other)]


def _button(app: App, model: SlotModel) -> ft.Control | None:
    if model.booking is not None and not model.is_here and not model.is_owed_a_pack:
        return None
    if model.booking is None and not model.ready_count:
        return None
    words = "slot.start" if model.booking is not None else "slot.now"
    if model.is_owed_a_pack:
        words = "slot.collect"
    start = handler(app, _start, app, model, model=model)
    return wide_button("slot-start", app.t(words), start, enabled=not model.checking)


async def _start(app: App, model: SlotModel) -> None:
    if await model.start():
        await _follow(app, model)


async def _follow(app: App, model: SlotModel) -> None:
    if model.swap is not None:
        await app.go(f"/swap/{model.swap.id}")
