"""A booking: the ring of its hold, the code, extend, cancel, and what became of it."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_dialog, use_loop, use_model
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button, wide_button
from customer_app.kit.panels import by_state, card, figure_row, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import PLAIN_SCALE, SPACE_S, STALE, Size
from customer_app.models.booking import BookingModel
from customer_app.views.parts import Question, actions, ask, counted, line, means, named, when

RING, RING_MOST = 200, 320
FOLLOW_S = 3
RING_WIDTH = 10
_E7 = 10**7


@screen
def view(app: App, booking_id: str) -> ft.Control:
    """Show a booking while it lasts, and how it ended."""
    model = use_model(app, lambda: BookingModel(app.client, means(app), booking_id))

    async def tick() -> None:
        minutes = model.tick()
        if minutes is not None:
            await app.device.announce(counted(app, "booking.minutes_left", minutes))

    use_loop(app, tick, 1, (model.has_loaded,), model=model)
    use_loop(app, model.follow, FOLLOW_S, model=model)
    use_dialog(app, _dialog(app, model) if model.asks_to_cancel else None)
    return by_state(app, model, lambda: _body(app, model))


def _dialog(app: App, model: BookingModel) -> ft.AlertDialog:
    booking = model.booking
    assert booking is not None, "asked only about a booking"
    if model.is_free_to_cancel and booking.cancel_until is not None:
        text = app.t("booking.cancel_free", time=when(app, booking.cancel_until))
    else:
        fee = app.texts.money(booking.cancel_minor or 0, booking.currency)
        text = app.t("booking.cancel_fee", amount=fee)
    question = Question("booking.cancel_ask", text, "booking.cancel", "booking.keep")
    yes = handler(app, _cancel, app, model, model=model)
    return ask(app, "cancel", question, yes, handler(app, model.keep_booking))


async def _cancel(app: App, model: BookingModel) -> None:
    if await model.cancel():
        await app.device.forget("mg.code")
        app.say("booking.canceled")


def _body(app: App, model: BookingModel) -> ft.Control:
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    place: list[ft.Control] = [
        tid(
            "booking-station",
            ft.Text(named(app, booking.station), theme_style=Size.TITLE),
            heading=True,
        ),
        tid("booking-state", ft.Text(app.t(f"booking.state.{booking.state.lower()}"))),
    ]
    parts: list[ft.Control] = [ft.Column(place, spacing=0), *_news(app, model)]
    if model.checking:
        parts.append(note_card(app, app.t("common.checking"), icon=ft.Icons.SYNC))
    if model.is_over:
        return page_body(app, parts, bottom=_after(app, model))
    parts += [_ring(app, model), _facts(app, model), _steps(app, model)]
    code: ft.Control | None = _after(app, model)
    if model.waits_for_bank:
        code = None  # there is no code before the bank has answered
    elif not model.has_run_out:
        code = wide_button(
            "booking-code",
            app.t("booking.code"),
            handler(app, app.go, f"/booking/{booking.id}/code"),
            icon=ft.Icons.QR_CODE,
        )
    return page_body(app, parts, bottom=code)


def _ring(app: App, model: BookingModel) -> ft.Control:
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    left = app.texts.countdown(model.left)
    side = min(RING_MOST, RING * app.look.scale // PLAIN_SCALE)
    inside = ft.Column(
        [
            ft.Text(left, theme_style=Size.FIGURE),
            ft.Text(app.t("booking.left"), color=ft.Colors.ON_SURFACE_VARIANT),
        ],
        spacing=0,
        tight=True,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        alignment=ft.MainAxisAlignment.CENTER,
    )
    ring = ft.Stack(
        [
            ft.ProgressRing(
                value=model.share_left,
                width=side,
                height=side,
                stroke_width=RING_WIDTH,
                bgcolor=ft.Colors.SURFACE_CONTAINER_HIGHEST,
            ),
            ft.Container(inside, width=side, height=side, alignment=ft.Alignment.CENTER),
        ],
        width=side,
        height=side,
    )
    until = app.t("booking.hold", time=when(app, booking.hold_expires_at))
    return ft.Column(
        [tid("booking-ring", ring, until), ft.Text(until, theme_style=Size.MESSAGE)],
        spacing=SPACE_S,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
    )


def _facts(app: App, model: BookingModel) -> ft.Control:
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    rows: list[ft.Control] = [figure_row(app.t("reserve.class"), booking.pack_class)]
    slots = [each.slot for each in booking.allocation if each.slot]
    if slots:
        rows.append(figure_row(app.t("booking.pack"), app.t("booking.slot", slot=slots[0])))
    if booking.price_locked:
        rows.append(line(ft.Icons.LOCK_OUTLINE, app.t("price.locked"), name="price-locked"))
    if booking.no_show_minor is not None and booking.currency:
        fee = app.texts.money(booking.no_show_minor, booking.currency)
        rows.append(line(ft.Icons.INFO_OUTLINE, app.t("fee.noshow", amount=fee)))
    return card(*rows)


def _steps(app: App, model: BookingModel) -> ft.Control:
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    found: list[ft.Control] = []
    if model.has_run_out and not booking.swap_id:
        return ft.Column()  # nothing is held any more: what is left is below
    if booking.swap_id:
        swap = handler(app, app.go, f"/swap/{booking.swap_id}")
        found.append(button("booking-swap", app.t("booking.to_swap"), swap))
    if booking.station.lat_e7 is not None and booking.station.lon_e7 is not None:
        place = f"{booking.station.lat_e7 / _E7:.6f},{booking.station.lon_e7 / _E7:.6f}"
        route = handler(app, app.open_url, f"geo:{place}?q={place}")
        found.append(
            button(
                "booking-route",
                app.t("booking.route"),
                route,
                look="tonal",
                icon=ft.Icons.DIRECTIONS_OUTLINED,
            )
        )
    if model.can_extend:
        extend = handler(app, _extend, app, model, model=model)
        found.append(
            button(
                "booking-extend",
                app.t("booking.extend"),
                extend,
                look="tonal",
                icon=ft.Icons.MORE_TIME,
                enabled=not model.checking,
            )
        )
    cancel = handler(app, model.ask_to_cancel)
    found.append(button("booking-cancel", app.t("booking.cancel"), cancel, look="outlined"))
    return actions(found)


async def _extend(app: App, model: BookingModel) -> None:
    if await model.extend() and model.booking is not None:
        app.say("booking.extended", time=when(app, model.booking.hold_expires_at))


def _news(app: App, model: BookingModel) -> list[ft.Control]:
    """Say what a driver on the way must know."""
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    notes: list[ft.Control] = []
    ended = _ending(app, model)
    if ended:
        notes.append(tid("booking-ended", note_card(app, ended)))
    if model.waits_for_bank:
        words = app.t("pay.waiting")
        notes.append(
            tid("booking-waiting", note_card(app, words, icon=ft.Icons.HOURGLASS_TOP), live=True)
        )
    if model.is_soon:
        notes.append(
            tid("booking-soon", note_card(app, app.t("booking.soon"), icon=ft.Icons.TIMER_OUTLINED))
        )
    if booking.replaced and not model.is_over and not model.is_news_read:
        read = button(
            "booking-replaced-ok", app.t("common.ok"), handler(app, model.read_news), look="text"
        )
        card_ = note_card(app, app.t("booking.replaced"), [read], icon=ft.Icons.SWAP_HORIZ)
        notes.append(tid("booking-replaced", card_))
    if model.is_station_down and not model.stays:
        name = named(app, booking.station)
        age = booking.station.as_of and app.texts.age(booking.station.as_of, app.services.now())
        words = (
            app.t("booking.station_offline", station=name, age=age)
            if age
            else app.t("booking.station_offline_plain", station=name)
        )
        move = button("booking-move", app.t("booking.move"), handler(app, app.go, "/"), look="text")
        keep = button("booking-stay", app.t("booking.keep"), handler(app, model.stay), look="text")
        notes.append(tid("booking-station-down", note_card(app, words, [keep, move], tone=STALE)))
    return notes


def _ending(app: App, model: BookingModel) -> str:
    """Say how a booking ended and what that cost; nothing while it goes on."""
    booking = model.booking
    assert booking is not None, "drawn only once it is there"

    def told(key: str, name: str, minor: int | None) -> str:
        if not minor or not booking.currency:
            return app.t(f"{key}_plain")
        return app.t(key, **{name: app.texts.money(minor, booking.currency)})

    if model.has_run_out:
        return told("booking.expired", "amount", booking.no_show_minor)
    if booking.state == "FAILED":
        return told("booking.failed", "credit", booking.credit_minor)
    if booking.state == "REJECTED":
        return app.t("refused.authorisation_declined.plain")
    if booking.state == "NO_SHOW":
        return told("booking.no_show", "amount", booking.fee_minor)
    if booking.state == "CANCELED" and booking.fee_minor:
        return app.t(
            "booking.cancel_fee", amount=app.texts.money(booking.fee_minor, booking.currency)
        )
    return app.t("booking.canceled") if booking.state == "CANCELED" else ""


def _after(app: App, model: BookingModel) -> ft.Control:
    """Offer what comes next: the receipt, a dispute, another booking."""
    booking = model.booking
    assert booking is not None, "drawn only once it is there"
    if booking.state == "FULFILLED" and booking.swap_id:
        go = handler(app, app.go, f"/receipts/{booking.swap_id}")
        return wide_button("booking-receipt", app.t("swap.receipt"), go)
    words = "booking.next_best" if booking.state == "FAILED" else "booking.again"
    route = "/" if booking.state == "FAILED" else f"/station/{booking.station.id}"
    found = [wide_button("booking-again", app.t(words), handler(app, app.go, route))]
    if booking.state == "NO_SHOW":
        go = handler(app, app.go, f"/help?booking={booking.id}")
        found.append(button("booking-dispute", app.t("booking.dispute"), go, look="text"))
    return ft.Column(found, spacing=SPACE_S, tight=True)
