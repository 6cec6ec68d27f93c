"""My data: the archive, what the driver agreed to, and being erased."""

from collections.abc import Sequence

import flet as ft

from customer_app.api.actions import ROUTES, action_of
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_account import Consent, Erasure
from customer_app.kit.app import App
from customer_app.kit.boundary import handler, screen
from customer_app.kit.hooks import use_loop, use_model
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, switch, text_field
from customer_app.kit.panels import by_state, card, heading, note_card
from customer_app.kit.shell import page_body
from customer_app.kit.theme import Size
from customer_app.models.account import OPEN_BALANCE, DataModel
from customer_app.views.parts import actions, day, line, means, small

EVERY_S = 10
GOES = ("contact", "vehicles", "messages", "backups")
STAYS = ("invoices", "ledger")


@screen
def view(app: App) -> ft.Control:
    """Show the driver what we hold, and let him take it or have it erased."""
    word = app.t("data.confirm_word")
    model = use_model(app, lambda: DataModel(app.client, means(app), word))
    use_loop(app, model.follow, EVERY_S, model=model)
    return by_state(app, model, lambda: _body(app, model))


def _body(app: App, model: DataModel) -> ft.Control:
    parts = [_export(app, model), _consents(app, model), _erasure(app, model)]
    return page_body(app, parts)


def _export(app: App, model: DataModel) -> ft.Control:
    rows: list[ft.Control] = [
        heading("data-export-title", app.t("data.export")),
        small(app.t("data.export_text")),
    ]
    export = model.export
    if export is not None and export.state == "READY" and export.file_url:
        words = app.t("data.export_ready", date=day(app, export.expires_at))
        rows += [
            tid("data-export-ready", ft.Text(words, theme_style=Size.ROW), live=True),
            button(
                "data-export-get",
                app.t("data.export_get"),
                handler(app, app.open_url, export.file_url),
                icon=ft.Icons.DOWNLOAD,
            ),
        ]
    elif export is not None and export.state == "WAITING":
        rows.append(tid("data-export-pending", small(app.t("data.export_pending")), live=True))
    else:
        rows.append(
            button(
                "data-export",
                app.t("data.export"),
                handler(app, model.ask_export, model=model),
                look="tonal",
            )
        )
    return card(*rows)


def _consents(app: App, model: DataModel) -> ft.Control:
    rows = [_consent(app, model, each) for each in model.consents]
    return card(heading("data-consents-title", app.t("data.consents")), *rows)


def _consent(app: App, model: DataModel, consent: Consent) -> ft.Control:
    key = f"data.consent.{consent.purpose}"
    label = app.t(key) if key in app.texts else consent.purpose

    async def change(wanted: bool) -> None:  # noqa: FBT001 - called by the kit's switch
        await model.set_consent(consent.purpose, granted=wanted)

    made = switch(
        app, f"consent-{slug(consent.purpose)}", label, value=consent.granted, change=change
    )
    said = app.t("data.consent_off")
    if consent.granted and consent.at is not None:
        said = app.t("data.consent_at", date=day(app, consent.at))
    return ft.Column([made, small(said)], spacing=0)


def _erasure(app: App, model: DataModel) -> ft.Control:
    erasure = model.erasure
    rows: list[ft.Control] = [heading("data-erase-title", app.t("data.erase"))]
    if erasure is not None and model.is_ordered and erasure.due_at is not None:
        words = app.t("data.accepted", date=day(app, erasure.due_at))
        withdraw = button(
            "data-withdraw", app.t("data.withdraw"), handler(app, model.withdraw, model=model)
        )
        rows.append(tid("data-ordered", note_card(app, words, [withdraw]), live=True))
        if erasure.certificate_code:
            code = app.t("data.certificate", code=erasure.certificate_code)
            rows.append(tid("data-certificate", ft.Text(code, selectable=True)))
        return card(*rows)
    if erasure is not None and erasure.state == "WITHDRAWN":
        rows.append(tid("data-withdrawn", small(app.t("data.withdrawn")), live=True))
    if erasure is not None and erasure.state == "ORDERED":
        rows.append(tid("data-done", note_card(app, _done(app, erasure), icon=ft.Icons.CHECK)))
        return card(*rows)
    if model.is_unconfirmed:
        rows.append(tid("data-unconfirmed", note_card(app, app.t("data.step_up_failed"))))
    if not model.asks_to_erase:
        rows.append(
            button(
                "data-erase",
                app.t("data.erase"),
                handler(app, model.begin_erasing),
                look="outlined",
            )
        )
        return card(*rows)
    return card(*rows, *_question(app, model))


def _done(app: App, erasure: Erasure) -> str:
    """Say what is gone, what the law makes us keep until when, and where that is proven."""
    dates = [each.until for each in erasure.kept if each.until is not None]
    if not dates:
        return app.t("data.done_plain", n=erasure.position)
    return app.t("data.done", date=day(app, max(dates)), n=erasure.position)


def _question(app: App, model: DataModel) -> list[ft.Control]:
    """Show what goes, what stays, what stands against it, and ask for the word."""
    rows: list[ft.Control] = [ft.Text(app.t("data.erase_text"), theme_style=Size.MESSAGE)]
    rows.append(ft.Text(app.t("data.goes"), theme_style=Size.CARD))
    rows += [line(ft.Icons.DELETE_OUTLINE, app.t(f"data.goes.{each}")) for each in GOES]
    rows.append(ft.Text(app.t("data.stays"), theme_style=Size.CARD))
    rows += [line(ft.Icons.LOCK_OUTLINE, app.t(f"data.stays.{each}")) for each in STAYS]
    rows.append(small(app.t("data.erase_days")))
    obstacles = model.erasure.obstacles if model.erasure else ()
    if obstacles:
        said = [_obstacle(app, model, each) for each in obstacles]
        words = f"{app.t('data.obstacles')} {' '.join(said)}"
        rows.append(tid("data-obstacles", note_card(app, words, _ways_out(app, obstacles))))
    word = app.t("data.confirm", word=model.word)
    rows += [
        text_field(
            app,
            "data-word",
            word,
            model.typed,
            model.type_word,
            error=app.t("data.confirm_wrong") if model.typed_is_wrong else None,
        ),
        actions(
            [
                button(
                    "data-erase-now",
                    app.t("data.erase"),
                    handler(app, model.erase, model=model),
                    enabled=not obstacles,
                ),
                button(
                    "data-erase-no",
                    app.t("common.cancel"),
                    handler(app, model.give_up),
                    look="text",
                ),
            ]
        ),
    ]
    return rows


def _ways_out(app: App, obstacles: Sequence[str]) -> list[ft.Control]:
    """Lead to what ends each obstacle."""
    found: list[ft.Control] = []
    for code in obstacles:
        action = action_of(ApiError(Kind.CONFLICT, 409, code))
        if action in ROUTES:
            go = handler(app, app.go, ROUTES[action])
            name = f"data-obstacle-{slug(code)}"
            found.append(button(name, app.t(f"action.{action}"), go, look="text"))
    return found


def _obstacle(app: App, model: DataModel, code: str) -> str:
    owed = model.owed
    if code == OPEN_BALANCE and owed is not None and owed.owed_minor:
        amount = app.texts.money(owed.owed_minor, owed.currency)
        return app.t(f"refused.{code}", amount=amount)
    for key in (f"refused.{code}.plain", f"refused.{code}"):
        if key in app.texts:
            return app.t(key)
    return app.t("refused.refused")
