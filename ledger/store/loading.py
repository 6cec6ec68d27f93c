"""Loading: everything a batch touches becomes a `World`, by a fixed number of SELECTs.

Round one reads the rows that the commands name. Further rounds read rows found through rows (a
station's tariff, a session's pack), at most `ROUNDS` in all. Each round is one SELECT per shelf,
whatever the size of the batch, and none for a shelf whose rows the writer has kept.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ledger.domain.catalogue import SHELVES
from ledger.domain.chains import CHAINS
from ledger.domain.custody import PACKS
from ledger.domain.world import Key, Keys, Shelf, World
from ledger.kernel.errors import InvariantBroken, TamperEvidence
from ledger.store.append import Appender

ROUNDS = 10

KEPT_MAX = 65_536
"""Rows that a writer keeps between batches."""

Rows = dict[str, msgspec.Struct | None]

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    shelf.name: msgspec.json.Decoder(shelf.row_type) for shelf in SHELVES
}


def decode_state(shelf_name: str, state: bytes) -> msgspec.Struct:
    """Read one stored row; `TamperEvidence` when somebody changed it to something else."""
    try:
        row: msgspec.Struct = _DECODERS[shelf_name].decode(state)
    except msgspec.MsgspecError as error:
        raise _no_row(shelf_name, error) from error
    return row


def _no_row(shelf_name: str, error: Exception) -> TamperEvidence:
    return TamperEvidence(f"view_{shelf_name} holds a row that is none: {error}")


class Kept:
    """Rows as one writer left them, so that the next batch need not read them again.

    True only while the head is where that writer left it: whoever finds another head, or fails to
    commit, begins with an empty one. Bounded by `KEPT_MAX`: beyond it everything is forgotten,
    and what is in use is read once more.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Rows] = defaultdict(dict)
        self._count = 0

    def of(self, shelf_name: str) -> Rows:
        """Give the rows of a shelf by key, None for keys that have no row."""
        return self._rows[shelf_name]

    def keep(self, world: World) -> None:
        """Take over all rows of a world whose batch was committed."""
        if self._count > KEPT_MAX:
            self._rows.clear()
        for name, rows in world.shelves():
            self._rows[name].update(rows)
        self._count = sum(map(len, self._rows.values()))


def load(
    appender: Appender,
    first: Iterable[Key],
    more: Sequence[Callable[[World], Keys]],
    kept: Kept | None = None,
) -> World:
    """Read the rows named by `first`, then those that `more` finds through them.

    A world holds exactly the rows that were asked for, whether `kept` knew them or not: what a rule
    forgets to ask for fails at once, not only where nothing is kept.
    """
    world = World()
    kept = kept or Kept()
    missing = list(first)
    for _ in range(ROUNDS):
        if not missing:
            return world
        shelves: dict[str, Shelf[Any]] = {}
        wanted: dict[str, set[str]] = defaultdict(set)
        for shelf, key in missing:
            shelves[shelf.name] = shelf
            wanted[shelf.name].add(key)
        if PACKS.name in wanted:
            # an entry that names a pack must be linked to the one before it
            wanted[CHAINS.name] |= wanted[PACKS.name]
            shelves[CHAINS.name] = CHAINS
        unread: dict[str, list[str]] = {}
        for name, keys in wanted.items():
            rows = kept.of(name)
            world.admit(shelves[name], {key: rows[key] for key in keys if key in rows})
            if not keys <= rows.keys():
                unread[name] = sorted(keys - rows.keys())
        if unread:
            _read(appender, world, shelves, unread)
        missing, more = _missing(world, more)
    if missing:
        raise InvariantBroken(f"a batch wants rows after {ROUNDS} rounds of loading")
    return world


def _read(
    appender: Appender, world: World, shelves: dict[str, Shelf[Any]], unread: dict[str, list[str]]
) -> None:
    for name, states in appender.load(unread).items():
        decode = _DECODERS[name].decode
        try:
            rows = {key: decode(states[key]) if key in states else None for key in unread[name]}
        except msgspec.MsgspecError as error:
            raise _no_row(name, error) from error
        world.admit(shelves[name], rows)


def _missing(
    world: World, finders: Sequence[Callable[[World], Keys]]
) -> tuple[list[Key], list[Callable[[World], Keys]]]:
    """List the rows that are still to be read, and who asked for them.

    Who sees all its rows would find the same ones again, so only those who miss some are asked
    once more.
    """
    missing: list[Key] = []
    again: list[Callable[[World], Keys]] = []
    for find in finders:
        some = [key for key in find(world) if not world.is_loaded(*key)]
        if some:
            missing += some
            again.append(find)
    return missing, again
