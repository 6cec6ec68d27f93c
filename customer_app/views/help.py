"""Help: a person to call, a message with everything attached, and what was written before."""

import flet as ft

from customer_app.api.wire_support import CaseRow
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_model, use_task
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, dropdown, text_field
from customer_app.kit.panels import by_state, card, empty_state, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import SPACE_S, Size
from customer_app.models.help import TOPICS, HelpModel
from customer_app.views.attachments import attachments
from customer_app.views.parts import SEPARATOR, actions, counted, means, small, when

COMMA = ", "


@screen
def view(app: App) -> ft.Control:
    """Offer help; a reference that a fault gave comes along in the query."""
    signed_in = app.is_signed_in
    given = app.nav.query.get("ref", "")
    references = tuple(dict.fromkeys([*([given] if given.isalnum() else []), *app.references]))
    model = use_model(
        app,
        lambda: HelpModel(app.client, means(app), app.device, references, is_signed_in=signed_in),
    )
    use_task(app, model.keep_typed, (model.has_loaded, model.typed), model=model)
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: HelpModel) -> ft.Control:
    parts = [_people(app, model), *_standing(app, model), *_form(app, model)]
    if app.is_signed_in:
        parts += _cases(app, model)
    return page_body(app, parts)


def _people(app: App, model: HelpModel) -> ft.Control:
    phone = app.settings.support_phone
    found = [
        button(
            "help-call", app.t("help.call"), handler(app, app.call), icon=ft.Icons.PHONE_OUTLINED
        )
    ]
    if app.is_signed_in:
        if not model.is_writing:
            found.append(
                button(
                    "help-write",
                    app.t("help.write"),
                    handler(app, model.begin),
                    look="tonal",
                    icon=ft.Icons.EDIT_OUTLINED,
                )
            )
    else:
        found.append(
            button("help-sign-in", app.t("sign_in.button"), handler(app, app.sign_in), look="tonal")
        )
    rows: list[ft.Control] = [
        # what can be selected is a field to readers of the screen: this one says what is in it
        tid(
            "help-phone",
            ft.Text(phone, theme_style=Size.TITLE, selectable=True),
            phone,
            is_all=True,
        ),
        actions(found),
    ]
    if not app.is_signed_in:
        rows.append(small(app.t("help.sign_in")))
    if not is_answered(app):
        words = app.t("help.hours", time=app.settings.support_from, phone=phone)
        rows.append(tid("help-hours", note_card(app, words, icon=ft.Icons.SCHEDULE)))
    return card(*rows)


def is_answered(app: App) -> bool:
    """Tell whether somebody answers messages now, by the clock of the service's own zone."""
    begin, end = app.settings.support_from, app.settings.support_until
    if not begin or not end:
        return True
    now = app.texts.time(app.services.now(), app.settings.zone)
    return begin <= now < end if begin < end else now >= begin or now < end


def _standing(app: App, model: HelpModel) -> list[ft.Control]:
    if model.is_kept:
        return [
            tid(
                "help-kept",
                note_card(app, app.t("help.saved"), icon=ft.Icons.SAVE_OUTLINED),
                live=True,
            )
        ]
    if model.sent is not None:
        words = app.t("help.sent", time=when(app, model.sent.answer_by))
        go = button(
            "help-sent-case",
            app.t("action.cases"),
            handler(app, app.go, f"/help/{model.sent.case_id}"),
            look="text",
        )
        return [tid("help-sent", note_card(app, words, [go], icon=ft.Icons.CHECK), live=True)]
    return []


def _attached(app: App, model: HelpModel) -> list[ft.Control]:
    names = [
        counted(app, "help.attached.references", len(model.references))
        if each == "references"
        else app.t(f"help.attached.{each}")
        for each in model.attached()
    ]
    if not names:
        return []
    return [tid("help-attached", small(app.t("help.attached", names=COMMA.join(names))))]


def _form(app: App, model: HelpModel) -> list[ft.Control]:
    if not model.is_writing:
        return []
    topics = [(topic, app.t(f"help.topic.{topic}")) for topic in TOPICS]
    rows: list[ft.Control] = [
        heading("help-form-title", app.t("help.write")),
        dropdown(app, "help-topic", app.t("help.topic"), model.topic, topics, model.choose_topic),
        text_field(
            app,
            "help-subject",
            app.t("help.subject"),
            model.subject,
            model.type_subject,
            error=app.t("help.need_subject") if model.needs_subject else None,
        ),
        text_field(
            app,
            "help-text",
            app.t("help.text"),
            model.text,
            model.type_text,
            multiline=True,
            min_lines=4,
            error=app.t("help.need_text") if model.needs_text else None,
        ),
        *_attached(app, model),
        *attachments(app, model, "help"),
        actions(
            [
                button("help-send", app.t("help.send"), handler(app, model.send, model=model)),
                button(
                    "help-close", app.t("common.cancel"), handler(app, model.give_up), look="text"
                ),
            ]
        ),
    ]
    return [tid("help-form", card(*rows))]


def _cases(app: App, model: HelpModel) -> list[ft.Control]:
    if not model.cases:
        return [empty_state(ft.Icons.FORUM_OUTLINED, app.t("help.empty"))]
    return [
        heading("help-cases-title", app.t("help.cases")),
        *(_case(app, each) for each in model.cases),
    ]


def _case(app: App, row: CaseRow) -> ft.Control:
    topic = f"help.topic.{row.topic}"
    title = row.subject or (app.t(topic) if topic in app.texts else row.topic)
    state = app.t(f"help.state.{row.state.lower()}")
    below = SEPARATOR.join([state, when(app, row.changed_at)])
    tile = ft.ListTile(
        title=title,
        subtitle=below,
        trailing=ft.Icons.CHEVRON_RIGHT,
        on_click=handler(app, app.go, f"/help/{row.case_id}"),
        content_padding=ft.Padding.symmetric(horizontal=SPACE_S),
    )
    return tid(f"case-{slug(row.case_id)}", tile, f"{title}. {below}")
