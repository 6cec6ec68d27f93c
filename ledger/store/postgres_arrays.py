"""Arrays for PostgreSQL in its binary form, made a column at a time.

The driver's own list dumper looks at every element several times, which costs as much as the rules
of the batch. The form (PostgreSQL, `array_recv`): number of dimensions, null flag, type of the
elements, length, lower bound; then each element as its length and its bytes, all big-endian.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from struct import pack
from typing import Any

from psycopg import Connection, adapt
from psycopg.pq import Format
from typing_extensions import override

_ELEMENT_OIDS = {"bigint": 20, "int": 23, "bytea": 17, "text": 25}
_NUMBERS = {"bigint": (8, "iq"), "int": (4, "ii")}


class _Array:
    """One array, ready to be sent; a class for each kind, as the driver chooses by class."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _Dumper(adapt.Dumper):
    format = Format.BINARY

    @override
    def dump(self, obj: _Array) -> bytes:
        return obj.data


def _declare(kind: str, array_oid: int) -> tuple[type[_Array], type[_Dumper]]:
    name = kind.capitalize()
    return (
        type(f"{name}Array", (_Array,), {"__slots__": ()}),
        type(f"{name}Dumper", (_Dumper,), {"oid": array_oid}),
    )


_ARRAYS = {
    "bigint": _declare("bigint", 1016),
    "int": _declare("int", 1007),
    "bytea": _declare("bytea", 1001),
    "text": _declare("text", 1009),
}


def register(connection: Connection[Any], _entry: object = None) -> None:
    """Teach a new connection to send what `array` makes."""
    for kind, dumper in _ARRAYS.values():
        connection.adapters.register_dumper(kind, dumper)


def array(kind: str, values: Sequence[Any]) -> object:
    """Make an array of a kind (bigint, int, bytea, text) from values without None."""
    head = pack(">5i", 1, 0, _ELEMENT_OIDS[kind], len(values), 1)
    if kind in _NUMBERS:
        size, form = _NUMBERS[kind]
        body = pack(f">{form * len(values)}", *chain.from_iterable(zip(repeat(size), values)))
    else:
        body = _packed(map(str.encode, values) if kind == "text" else values)
    return _ARRAYS[kind][0](head + body)


def _packed(values: Iterable[bytes]) -> bytes:
    return b"".join([part for value in values for part in (len(value).to_bytes(4), value)])
