"""Which classes of packs there are, so that a rule finds everything one driver holds.

What a driver holds is kept by class. One row lists the classes; the two events that bring a pack
into the books keep it up.
"""

import msgspec

from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.refusal import RefusalCode


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


class ClassRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was registered of a class of packs, as far as rules read it, in its newest version.

    `nominal_wh` and `rated_mv` of one pack, limits in hundredths of a percent; `efficiency_bp` are
    the least and the greatest share of metered energy that may arrive in a pack. With `must_prove`
    a pack that did not prove its identity is a stranger. `positions` are the entries of all
    versions, the oldest first. Where a pack of one of the classes `stands_in_for` is wanted, a pack
    of this class does as well: it fits the vehicle and is as good or better.
    """

    pack_class: str
    facts_version: int
    facts_sha256: str
    nominal_wh: int
    rated_mv: int
    min_soh_bp: int
    transport_soc_bp: int
    efficiency_bp: tuple[int, int]
    positions: tuple[int, ...] = ()
    must_prove: bool = False
    stands_in_for: tuple[str, ...] = ()


CLASS_RULES = Shelf("class_rules", ClassRules)


def class_rules(pack_class: str) -> Key:
    """Name the row of a class, for `touches`."""
    return touch(CLASS_RULES, pack_class)


def rules_of(world: World, pack_class: str) -> ClassRules | None:
    """Give what is registered of a class; None where nothing is, and policy holds."""
    return world.get(CLASS_RULES, pack_class)


class StandIn(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A pack that a driver has instead of one of the class that is his, since `since_at` (us).

    `is_charged` where he asked for the better class, and was not given it for want of his own.
    """

    pack_id: str
    own_class: str
    since_at: int
    is_charged: bool = False


def stands_in(world: World, pack_class: str, wanted: str) -> bool:
    """Tell whether a pack of a class does where another one is wanted: the same, or a better one.

    The row of `pack_class` is read only where the two differ (`stand_in_row`).
    """
    if pack_class == wanted:
        return True
    rules = rules_of(world, pack_class)
    return rules is not None and wanted in rules.stands_in_for


def stand_in_row(pack_class: str, wanted: str) -> tuple[Key, ...]:
    """Name what `stands_in` reads, for `touches`: nothing where the classes are the same."""
    return () if pack_class == wanted else (class_rules(pack_class),)


def class_faults(world: World, pack_class: str, nominal_wh: int) -> list[RefusalCode]:
    """Tell what keeps a pack from being of a class; nothing where the class is not registered."""
    rules = rules_of(world, pack_class)
    fits = rules is None or nominal_wh == rules.nominal_wh
    return [] if fits else [RefusalCode.CLASS_MISMATCH]


def least_soh(world: World, pack_class: str, least_bp: int) -> int:
    """Give the state of health below which a pack serves nobody: never less than its class says."""
    rules = rules_of(world, pack_class)
    return least_bp if rules is None else max(least_bp, rules.min_soh_bp)
