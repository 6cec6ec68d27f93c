"""Files to and from the driver's device."""

from typing import Any

import flet as ft

from customer_app.kit.app import App
from customer_app.models.files import FILE_BYTES

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
    """Let the driver choose one file; nothing when he does not.

    One that is too large or does not come counts as empty, which no place of ours takes.
    """
    drop = app.services.drop
    files = await _picker(app).pick_files(
        file_type=ft.FilePickerFileType.CUSTOM,
        allowed_extensions=ENDINGS,
        allow_multiple=False,
        with_data=drop is None,
    )
    if not files:
        return None
    if drop is None:
        return files[0].bytes or b""
    if files[0].size > FILE_BYTES:
        return b""
    place = drop(FILE_BYTES)
    left = ft.FilePickerUploadFile(upload_url=place.url, id=files[0].id, name=files[0].name)
    await _picker(app).upload([left])
    return await place.content() or b""
