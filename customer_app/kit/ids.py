"""Names of controls, for tests and for readers of the screen."""

import re

import flet as ft

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def tid(
    name: str,
    control: ft.Control,
    label: str | None = None,
    *,
    live: bool = False,
    heading: bool = False,
    is_all: bool = False,
) -> ft.Semantics:
    """Name a control, the same in every language; a label is what a screen reader says.

    `live` has changes read out as they come; `heading` lets a reader jump to it. With `is_all` the
    label is all that is heard: what is drawn says the same, and is not read out a second time.

    Raises:
        ValueError: the name is not lower-case words joined by dashes.
    """
    if not _ID.fullmatch(name):
        raise ValueError(f"the id {name!r} is not lower-case words joined by dashes")
    return ft.Semantics(
        identifier=name,
        label=label,
        content=control,
        container=True,
        live_region=True if live else None,
        heading_level=2 if heading else None,
        exclude_semantics=is_all,
        expand=getattr(control, "expand", None),
    )


def slug(text: str) -> str:
    """Make a part of an id from an id of the API.

    >>> slug("stn_7F3K/a")
    'stn-7f3k-a'
    """
    return "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "x"
