"""A case: what was said, a reply, a picture or a PDF."""

import flet as ft

from customer_app.api.wire_support import CaseThread, File, Message
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, text_field
from customer_app.kit.panels import by_state, card, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import CARD_RADIUS, SPACE_L, SPACE_M, Size
from customer_app.models.help import CaseModel
from customer_app.views.attachments import file_words
from customer_app.views.files import pick
from customer_app.views.parts import SEPARATOR, actions, line, means, small, when


@screen
def view(app: App, ticket_id: str) -> ft.Control:
    """Show a thread."""
    model = use_model(app, lambda: CaseModel(app.client, means(app), ticket_id))
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: CaseModel) -> ft.Control:
    case = model.case
    assert case is not None, "drawn only once it is there"
    parts = [
        _head(app, case),
        *(_message(app, each) for each in case.messages),
        *(_file(app, each) for each in case.files),
    ]
    if model.is_closed:
        words = app.t("help.closed_plain")
        if case.resolution:
            words = app.t("help.closed", resolution=case.resolution)
        parts.append(tid("case-closed", note_card(app, words)))
    else:
        parts.append(_reply(app, model))
    return page_body(app, parts)


def _head(app: App, case: CaseThread) -> ft.Control:
    topic = f"help.topic.{case.topic}"
    title = case.subject or (app.t(topic) if topic in app.texts else case.topic)
    rows: list[ft.Control] = [
        tid("case-title", ft.Text(title, theme_style=Size.TITLE), heading=True),
        tid("case-state", ft.Text(app.t(f"help.state.{case.state.lower()}"))),
    ]
    if case.state != "CLOSED" and case.answer_by is not None:
        rows.append(small(app.t("help.answer_by", time=when(app, case.answer_by))))
    about = [
        button(f"case-{name}", app.t(key), handler(app, app.go, route), look="text")
        for name, key, route in (
            ("swap", "help.attached.swap", f"/receipts/{case.swap_id}" if case.swap_id else ""),
            (
                "booking",
                "help.attached.booking",
                f"/booking/{case.booking_id}" if case.booking_id else "",
            ),
            (
                "invoice",
                "help.attached.invoice",
                f"/invoices/{case.invoice_id}" if case.invoice_id else "",
            ),
        )
        if route
    ]
    phone = case.phone or app.settings.support_phone
    about.append(
        button(
            "case-call",
            app.t("help.call"),
            handler(app, app.call, phone),
            look="text",
            icon=ft.Icons.PHONE_OUTLINED,
        )
    )
    return card(*rows, actions(about))


def _message(app: App, message: Message) -> ft.Control:
    mine = message.sender == "driver"
    who = app.t("help.you" if mine else "help.us")
    bubble = ft.Container(
        ft.Column(
            [
                small(SEPARATOR.join([who, when(app, message.at)])),
                ft.Text(
                    message.text or app.t("help.erased"), theme_style=Size.MESSAGE, selectable=True
                ),
            ],
            spacing=0,
            tight=True,
        ),
        bgcolor=ft.Colors.PRIMARY_CONTAINER if mine else ft.Colors.SURFACE_CONTAINER_HIGH,
        border_radius=CARD_RADIUS,
        padding=SPACE_M,
        margin=ft.Margin.only(left=SPACE_L if mine else 0, right=0 if mine else SPACE_L),
    )
    return tid(f"message-{slug(message.message_id)}", bubble)


def _file(app: App, file: File) -> ft.Control:
    words = file_words(app, file.media_type, file.size_bytes)
    return line(ft.Icons.ATTACH_FILE, words, name=f"file-{slug(file.file_id)}")


def _reply(app: App, model: CaseModel) -> ft.Control:
    rows: list[ft.Control] = [
        text_field(
            app,
            "case-reply",
            app.t("help.reply"),
            model.text,
            model.type_text,
            multiline=True,
            min_lines=2,
            error=app.t("help.need_text") if model.needs_text else None,
        ),
        actions(
            [
                button("case-send", app.t("help.send"), handler(app, model.reply, model=model)),
                button(
                    "case-attach",
                    app.t("help.attach"),
                    handler(app, _attach, app, model, model=model),
                    look="tonal",
                    icon=ft.Icons.ATTACH_FILE,
                    enabled=not model.is_sending_file,
                ),
            ]
        ),
    ]
    if model.file_is_bad:
        rows.append(tid("case-file-bad", note_card(app, app.t("help.file_bad")), live=True))
    if model.is_sending_file:
        rows.append(small(app.t("help.file_sending")))
    return card(*rows)


async def _attach(app: App, model: CaseModel) -> None:
    content = await pick(app)
    if content is not None and await model.attach(content):
        app.say("help.file_sent")
