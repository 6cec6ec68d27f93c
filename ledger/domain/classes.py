"""Which classes of packs there are, so that a rule finds everything one driver holds.

What a driver holds is kept by class. One row lists the classes; the two events that bring a pack
into the books keep it up.
"""

import msgspec

from ledger.domain.world import Key, Shelf, World, touch


class PackClasses(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every class of pack that ever came into the books, sorted."""

    classes: tuple[str, ...] = ()


PACK_CLASSES = Shelf("pack_classes", PackClasses)
ALL = "all"
"""The key of the one row."""


def all_classes() -> Key:
    """Name the row, for `touches`."""
    return touch(PACK_CLASSES, ALL)


def known_classes(world: World) -> tuple[str, ...]:
    """List every class of pack in the books."""
    row = world.get(PACK_CLASSES, ALL)
    return () if row is None else row.classes


def know_class(world: World, pack_class: str) -> None:
    """Remember the class of a pack that comes into the books."""
    known = known_classes(world)
    if pack_class not in known:
        world.put(PACK_CLASSES, ALL, PackClasses(tuple(sorted((*known, pack_class)))))
