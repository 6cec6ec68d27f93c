"""The check-in code, as large as the screen allows, black on white in every theme."""

import base64
import binascii

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model, use_task
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import by_state, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import STALE, Size
from customer_app.models.code import CodeModel
from customer_app.views.parts import code_side, counted, figure, means, picture, small, when

EVERY_S = 1


@screen
def view(app: App, booking_id: str) -> ft.Control:
    """Show the code of a booking and keep it fresh."""
    phone = app.settings.support_phone
    model = use_model(app, lambda: CodeModel(app.client, means(app), app.device, booking_id, phone))
    use_loop(app, model.renew, EVERY_S, model=model)

    async def follow() -> None:
        if model.swap_id:
            await app.go(f"/swap/{model.swap_id}")

    use_task(app, follow, (model.swap_id,), model=model)
    if model.has_no_way:
        return _nothing(app, model)
    return by_state(app, model, lambda: _body(app, model))


def _nothing(app: App, model: CodeModel) -> ft.Control:
    """Without a network and without a code there is still the station and a person."""
    call = button("code-call", app.t("action.call"), handler(app, app.call), icon=ft.Icons.PHONE)
    again = button(
        "code-retry", app.t("common.retry"), handler(app, model.load, model=model), look="tonal"
    )
    card = note_card(app, app.t("code.no_code"), [call, again], tone=STALE)
    return page_body(app, [tid("code-none", card)])


def _body(app: App, model: CodeModel) -> ft.Control:
    shown = model.shown
    if shown is None:
        return page_body(app, [note_card(app, app.t("code.after_hold"))])
    until = when(app, shown.valid_until)
    if model.has_ended:
        new = button("code-new", app.t("code.new"), handler(app, model.load, model=model))
        return page_body(app, [tid("code-ended", note_card(app, app.t("code.expired"), [new]))])
    label = app.t("code.label", time=until)
    parts: list[ft.Control] = []
    if model.is_offline:
        parts.append(tid("code-offline", _offline(app, model, until)))
    parts += [
        picture("code-picture", _bytes(shown.png_base64), label, side=code_side(app)),
        tid(
            "code-valid",
            ft.Text(
                app.t("code.valid", time=until),
                theme_style=Size.MESSAGE,
                text_align=ft.TextAlign.CENTER,
            ),
        ),
    ]
    if model.slot_hint:
        parts.append(figure("code-slot", model.slot_hint, app.t("swap.slot")))
    parts += [
        ft.Text(model.station_name, theme_style=Size.CARD, text_align=ft.TextAlign.CENTER),
        small(app.t("code.hint"), centred=True),
        small(app.t("code.bright"), centred=True),
    ]
    if not model.is_offline:
        parts.append(small(app.t("code.renews"), centred=True))
        if model.spare:
            parts.append(small(counted(app, "code.offline_ready", len(model.spare)), centred=True))
    not_me = button(
        "code-help",
        app.t("action.help"),
        handler(app, app.go, f"/help?booking={model.booking_id}"),
        look="text",
    )
    # no bar for one button: nothing of what is to be read lies under it, however large the letters
    return page_body(app, [*parts, ft.Row([not_me], alignment=ft.MainAxisAlignment.CENTER)])


def _offline(app: App, model: CodeModel, until: str) -> ft.Control:
    following = button(
        "code-next",
        app.t("code.next"),
        handler(app, model.next_code),
        look="tonal",
        enabled=bool(model.spare),
    )
    return note_card(app, app.t("code.offline", time=until), [following], tone=STALE)


def _bytes(text: str) -> bytes:
    """Give the picture of a code; one that cannot be read is drawn as none."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
