"""The state a batch of commands is decided on: rows on named shelves, fetched beforehand.

A **shelf** is one kind of state (packs, slots, bookings...): rows by key, each a frozen Struct.
The area that owns the rules about it declares it once::

    PACKS = Shelf("packs", Pack, listed_by=lambda pack: pack.account)

A **world** holds the rows of all shelves that a batch may need. Rules read it, `evolve` moves it
on, so the next command of the batch sees what the one before did. Reading a key that was not
loaded raises `NotLoaded`: a rule can never mistake "not fetched" for
"does not exist".
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import InvariantBroken

V = TypeVar("V", bound=msgspec.Struct)


class NotLoaded(InvariantBroken):
    """A rule read a row that was not fetched for it.

    In a batch of several commands that can be one row leading to another that an earlier command of
    the batch has only just made; alone in its batch, a command that raises this is our own bug.
    """


KEY_SEPARATOR = "|"


def _unlisted(_row: msgspec.Struct) -> str:
    return ""


class Shelf(Generic[V]):
    """The handle of one kind of state: its name, the type of its rows, how lists find them."""

    __slots__ = ("listed_by", "name", "row_type")

    def __init__(
        self, name: str, row_type: type[V], *, listed_by: Callable[[V], str] | None = None
    ) -> None:
        """Declare a shelf; `listed_by` gives the text under which lists find a row."""
        self.name = name
        self.row_type = row_type
        self.listed_by: Callable[[V], str] = listed_by or _unlisted


def row_bytes(row: msgspec.Struct) -> bytes:
    """Encode a row: what equals its default is left out, whichever object says it.

    The encoder compares with ``is``. A state that a rule names is the default itself, one that was
    read from an entry is not: rows of a replay would differ from those that were kept.
    """
    kind = type(row)
    defaults = _DEFAULTS.get(kind)
    if defaults is None:
        told = [(each.name, each.default) for each in msgspec.structs.fields(kind)]
        texts = tuple((name, value) for name, value in told if value and isinstance(value, str))
        defaults = _DEFAULTS[kind] = texts if kind.__struct_config__.omit_defaults else ()
    same = {
        name: value
        for name, value in defaults
        if (own := getattr(row, name)) is not value and own == value
    }
    return canonical(replace(row, **same) if same else row)


_DEFAULTS: dict[type[msgspec.Struct], tuple[tuple[str, Any], ...]] = {}
"""Members of rows with a text as their default, by type; found once."""


Key = tuple[Shelf[msgspec.Struct], str]
"""One row by shelf and key; `touch` makes it."""

Keys = Iterable[Key]


def touch(shelf: Shelf[V], *parts: str) -> Key:
    """Name one row that a command needs; several parts are joined to one key."""
    return shelf, key_of(*parts)  # type: ignore[return-value]


def key_of(*parts: str) -> str:
    """Join parts to a key. Ids cannot hold the separator, so the key is unambiguous."""
    return parts[0] if len(parts) == 1 else KEY_SEPARATOR.join(parts)


class Stamp(msgspec.Struct, frozen=True):
    """Where an event stands in the log: its position and its two times in us."""

    position: int
    occurred_at: int
    recorded_at: int


Change = tuple[Shelf[msgspec.Struct], int]


class World:
    """The rows of a batch; `complete` worlds (replay, tests) know that a missing key is no row."""

    __slots__ = ("_changed", "_complete", "_rows", "_undo", "position")

    def __init__(self, *, complete: bool = False) -> None:
        """Start empty."""
        self._rows: dict[str, dict[str, msgspec.Struct | None]] = {}
        self._changed: dict[tuple[str, str], Change] = {}
        self._undo: list[tuple[str, str, msgspec.Struct | None, Change | None]] = []
        self._complete = complete
        self.position = 0
        """Position of the entry being folded: what `put` stamps rows with."""

    def get(self, shelf: Shelf[V], key: str) -> V | None:
        """Read a row; None when there is none. `NotLoaded` when nobody asked for it."""
        try:
            return self._rows[shelf.name][key]  # type: ignore[return-value]
        except KeyError:
            if self._complete:
                return None
        raise NotLoaded(f"{shelf.name}: {key!r} was not loaded for this batch")

    def need(self, shelf: Shelf[V], key: str) -> V:
        """Read a row that must exist by now."""
        row = self.get(shelf, key)
        if row is None:
            raise InvariantBroken(f"{shelf.name}: {key!r} does not exist")
        return row

    def put(self, shelf: Shelf[V], key: str, row: V) -> None:
        """Replace a row; remembered for saving, and for `undo` within the command."""
        name = shelf.name
        rows = self._rows.get(name)
        if rows is None:
            rows = self._rows[name] = {}
        mark = (name, key)
        self._undo.append((name, key, rows.get(key), self._changed.get(mark)))
        rows[key] = row
        self._changed[mark] = (shelf, self.position)  # type: ignore[assignment]

    def is_loaded(self, shelf: Shelf[V], key: str) -> bool:
        """Tell whether the row, or its absence, is known."""
        return self._complete or key in self._rows.get(shelf.name, ())

    def admit(self, shelf: Shelf[V], rows: dict[str, V | None]) -> None:
        """Take in rows read from the store, None for keys that have no row."""
        self._rows.setdefault(shelf.name, {}).update(rows)

    def shelves(self) -> Iterable[tuple[str, dict[str, msgspec.Struct | None]]]:
        """List all rows by shelf name and key, None for keys known to have no row."""
        return self._rows.items()

    def begin(self) -> None:
        """Start a command: from here on `undo` gives back what it changed."""
        self._undo.clear()

    def undo(self) -> None:
        """Take back everything since `begin`."""
        for name, key, row, change in reversed(self._undo):
            self._rows[name][key] = row
            if change is None:
                del self._changed[(name, key)]
            else:
                self._changed[(name, key)] = change
        self._undo.clear()

    def changed(self) -> Iterator[tuple[Shelf[msgspec.Struct], str, msgspec.Struct, int]]:
        """List the rows to be saved, each with the position that changed it last."""
        for (name, key), (shelf, position) in self._changed.items():
            row = self._rows[name][key]
            assert row is not None, "nothing is ever put as no row"
            yield shelf, key, row, position

    def rows(self, shelf: Shelf[V]) -> Iterator[tuple[str, V]]:
        """List all rows of a shelf that this world holds, in no order."""
        for key, row in self._rows.get(shelf.name, {}).items():
            if row is not None:
                yield key, row  # type: ignore[misc]
