"""Files to and from the driver's device."""

from typing import Any

import flet as ft

from customer_app.kit.app import App

PICKER = "file-picker"
ENDINGS = ["jpg", "jpeg", "png", "pdf"]


def _picker(app: App) -> Any:
    """Give the session's picker; it is made by the first handler that needs it."""
    if PICKER not in app.kept:
        app.kept[PICKER] = ft.FilePicker()
    return app.kept[PICKER]


async def save(app: App, name: str, content: bytes) -> bool:
    """Have the browser save a file; says so when it is there."""
    if not content:
        return False
    saved = await _picker(app).save_file(file_name=name, src_bytes=content)
    if saved is None and not app.page.web:
        return False  # closed without saving
    app.say("verify.saved", file=name)
    return True


async def pick(app: App) -> bytes | None:
    """Let the driver choose one file; nothing when he does not."""
    files = await _picker(app).pick_files(
        file_type=ft.FilePickerFileType.CUSTOM,
        allowed_extensions=ENDINGS,
        allow_multiple=False,
        with_data=True,
    )
    return files[0].bytes if files else None
