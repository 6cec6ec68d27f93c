"""The only place of the app that uses private names of Flet; `tests/customer_app/test_canary.py`.

Flet checks controls while it compares trees, inside the task that draws everything: a control that
does not hold there ends the drawing of the session. So every tree is checked here first.
"""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from typing import Any

import flet as ft
from flet.components.component import Component

HANDLER_MARK = "is_handler_of_the_kit"
_PLAIN = (bool, int, float, str, bytes, Enum, datetime, date, time, ft.Duration)


class NotDrawable(ValueError):
    """A tree that Flet could not draw; the text names the control and the member."""


def check(rendered: object) -> None:
    """Check what a component gave, down to the next components, which check themselves.

    Raises:
        NotDrawable: nothing was given, or a member cannot travel to the browser.
        ValueError: a control does not hold by Flet's own rules.
    """
    roots = rendered if isinstance(rendered, list) else [rendered]
    if not roots or not all(isinstance(root, ft.BaseControl) for root in roots):
        raise NotDrawable(f"a component gave {type(rendered).__name__} instead of controls")
    waiting: list[Any] = list(roots)
    while waiting:
        found = waiting.pop()
        if isinstance(found, Component):
            continue
        waiting += _inside(found)


def _inside(found: Any) -> Iterator[Any]:
    """Check one value and give the values inside it."""
    if isinstance(found, ft.BaseControl):
        found._before_update_safe()  # type: ignore[no-untyped-call]  # noqa: SLF001
        for name, value in _members(found):
            if name.startswith("on_"):
                _check_handler(found, name, value)
            elif not _is_plain(value):
                yield value
    elif isinstance(found, dict):
        yield from (value for value in found.values() if not _is_plain(value))
    elif isinstance(found, list | tuple):
        yield from (value for value in found if not _is_plain(value))
    elif is_dataclass(found) and not isinstance(found, type):
        for member in fields(found):
            value = getattr(found, member.name)
            if not member.name.startswith("_") and not _is_plain(value) and not callable(value):
                yield value
    else:
        raise NotDrawable(f"a {type(found).__name__} cannot travel to the browser")


def _members(found: ft.BaseControl) -> Iterator[tuple[str, Any]]:
    """Give the members that were set, as Flet itself finds them, and the lists."""
    skipped = _skipped(type(found))  # type: ignore[arg-type]
    for name, value in found._values.items():  # noqa: SLF001
        if name not in skipped:
            yield name, value
    for name in type(found)._structural_fields:  # type: ignore[attr-defined]  # noqa: SLF001
        if not name.startswith("_") and name not in skipped:
            yield name, getattr(found, name)


@cache
def _skipped(kind: type[ft.BaseControl]) -> frozenset[str]:
    """Name the members that never travel, and the key, which is no control."""
    return frozenset({m.name for m in fields(kind) if m.metadata.get("skip")} | {"key"})


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, _PLAIN)


def _check_handler(found: ft.BaseControl, name: str, value: object) -> None:
    wrapped = getattr(value, HANDLER_MARK, False) and inspect.iscoroutinefunction(value)
    if value is not None and not wrapped:
        raise NotDrawable(f"{name} of {type(found).__name__} goes past the kit's handler")
