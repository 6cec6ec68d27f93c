"""From the door's JSON to frozen dataclasses: one decoder for every answer.

The dataclasses of the `wire_*` modules are the specification: a field without a default must be
there, a field with one may be missing, and what we do not know is passed over, so that the door
may grow. Integers stay integers: money is `*_minor` with its currency, energy `energy_wh`, health
and charge basis points. Whatever does not fit raises `NotUnderstood`, which names the field.
"""

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

DEPTH_MAX = 12
_WHAT = {str: "text", int: "a whole number", bool: "true or false"}


class NotUnderstood(ValueError):
    """An answer that is not what the door promises; `field` says where."""

    def __init__(self, field: str, rule: str) -> None:
        """Name the field by its path, and what it should have been."""
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def read(kind: type[T], body: bytes) -> T:
    """Read an answer from its bytes; raises `NotUnderstood`."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("body", "must be JSON") from error
    return decode(kind, found)


def decode(kind: type[T], found: object, field: str = "body") -> T:
    """Make a value of a kind from what JSON gave; raises `NotUnderstood` naming the field.

    >>> decode(tuple[int, ...], [1, 2])
    (1, 2)
    """
    return _decode(kind, found, field)  # type: ignore[no-any-return]


def instant(text: str, field: str = "time") -> datetime:
    """Read a time of the door, which is always UTC; raises `NotUnderstood`.

    >>> instant("2026-11-24T14:05:00Z").hour
    14
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotUnderstood(field, "must be a time as in RFC 3339") from error
    if found.tzinfo is None:
        raise NotUnderstood(field, "must be a time with its zone")
    return found.astimezone(UTC)


def _decode(kind: Any, found: object, field: str) -> Any:
    if field.count(".") > DEPTH_MAX:
        raise NotUnderstood(field, "is nested too deep")
    origin = get_origin(kind)
    if kind is Any:
        return found
    if kind is datetime:
        if not isinstance(found, str):
            raise NotUnderstood(field, "must be a time as in RFC 3339")
        return instant(found, field)
    if kind in _WHAT:
        if type(found) is not kind:  # true is no whole number, whatever Python thinks
            raise NotUnderstood(field, f"must be {_WHAT[kind]}")
        return found
    if origin in {Union, UnionType}:
        (inner,) = (part for part in get_args(kind) if part is not NoneType)
        return None if found is None else _decode(inner, found, field)
    if origin is tuple:
        if not isinstance(found, list):
            raise NotUnderstood(field, "must be a list")
        inner = get_args(kind)[0]
        return tuple(_decode(inner, each, f"{field}.{i}") for i, each in enumerate(found))
    if not isinstance(found, dict):
        raise NotUnderstood(field, "must be an object")
    if origin is dict:
        inner = get_args(kind)[1]
        return {str(name): _decode(inner, each, f"{field}.{name}") for name, each in found.items()}
    assert is_dataclass(kind), f"no kind of answer: {kind}"
    return _object(kind, found, field)


def _object(kind: Any, found: dict[str, object], field: str) -> Any:
    given = {}
    for name, (inner, needed) in _shape(kind).items():
        if name in found:
            given[name] = _decode(inner, found[name], f"{field}.{name}")
        elif needed:
            raise NotUnderstood(f"{field}.{name}", "is missing")
    return kind(**given)


@cache
def _shape(kind: Any) -> dict[str, tuple[Any, bool]]:
    kinds = get_type_hints(kind)
    return {
        each.name: (
            kinds[each.name],
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(kind)
    }
