"""Loading: everything a batch touches becomes a `World`, by a fixed number of SELECTs.

Round one reads the rows that the commands name. Further rounds read rows found through rows (a
station's tariff, a session's pack), at most `ROUNDS` in all. Each round is one SELECT per shelf,
whatever the size of the batch.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ledger.domain.catalogue import SHELVES
from ledger.domain.chains import CHAINS
from ledger.domain.custody import PACKS
from ledger.domain.world import Key, Keys, World
from ledger.kernel.errors import InvariantBroken, TamperEvidence
from ledger.store.append import Appender

ROUNDS = 4

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


def load(
    appender: Appender, first: Iterable[Key], more: Sequence[Callable[[World], Keys]]
) -> World:
    """Read the rows named by `first`, then those that `more` finds through them."""
    world = World()
    missing = list(first)
    for _ in range(ROUNDS):
        wanted: dict[str, set[str]] = defaultdict(set)
        shelves = {}
        for shelf, key in missing:
            wanted[shelf.name].add(key)
            shelves[shelf.name] = shelf
        if not wanted:
            return world
        if PACKS.name in wanted:
            # an entry that names a pack must be linked to the one before it
            wanted[CHAINS.name] |= wanted[PACKS.name]
            shelves[CHAINS.name] = CHAINS  # type: ignore[assignment]
        found = appender.load({name: sorted(some) for name, some in wanted.items()})
        for name, states in found.items():
            decode = _DECODERS[name].decode
            try:
                rows = {key: decode(states[key]) if key in states else None for key in wanted[name]}
            except msgspec.MsgspecError as error:
                raise _no_row(name, error) from error
            world.admit(shelves[name], rows)
        missing, more = _missing(world, more)
    if missing:
        raise InvariantBroken(f"a batch wants rows after {ROUNDS} rounds of loading")
    return world


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
