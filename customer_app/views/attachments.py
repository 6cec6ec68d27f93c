"""The files that go along with a message: those chosen, and a button for one more."""

import flet as ft

from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import tid
from customer_app.kit.inputs import button
from customer_app.kit.panels import note_card
from customer_app.models.files import FilesModel, media_of
from customer_app.views.files import pick
from customer_app.views.parts import actions, small

KIB = 1024
PDF = "application/pdf"


def file_words(app: App, media_type: str, size_bytes: int) -> str:
    """Say what a file is and how large."""
    kind = "pdf" if media_type == PDF else "image"
    size = app.t("help.file_size", n=max(1, size_bytes // KIB))
    return app.t("help.file", kind=app.t(f"help.file_kind.{kind}"), size=size)


def attachments(app: App, model: FilesModel, name: str) -> list[ft.Control]:
    """Show what waits to be sent along; `name` begins the ids."""
    rows: list[ft.Control] = []
    for place, content in enumerate(model.files):
        leave = button(
            f"{name}-file-{place}-remove",
            app.t("help.file_remove"),
            handler(app, model.remove_file, place),
            look="text",
        )
        words = file_words(app, media_of(content), len(content))
        rows.append(tid(f"{name}-file-{place}", actions([ft.Text(words), leave])))
    if model.file_is_bad:
        bad = note_card(app, app.t("help.file_bad"))
        rows.append(tid(f"{name}-file-bad", bad, live=True))
    if model.can_add_file:
        attach = handler(app, _attach, app, model, model=model)
        rows += [
            button(
                f"{name}-attach",
                app.t("help.attach"),
                attach,
                look="tonal",
                icon=ft.Icons.ATTACH_FILE,
            ),
            small(app.t("help.file_rule")),
        ]
    return rows


async def _attach(app: App, model: FilesModel) -> None:
    content = await pick(app)
    if content is not None:
        model.add_file(content)
