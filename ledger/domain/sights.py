"""What is kept of the observations of packs and slots, and what a new one changes (handbook 10).

Each pack keeps its newest observations and the legs that were posted for them, each slot its newest
looks. Both are bounded. A pack's derivation begins at its **settled point**: the last move that a
person's command made, or where the oldest observation was let go. What a later report says about a
time before it changes nothing any more; it is set aside, with a case.

Everything here is a function of rows and of one new observation: `sighted` gives the rows that it
changes, and the rules that decide and those that fold call the same function.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import class_rules, rules_of
from ledger.domain.custody import PACKS
from ledger.domain.derive import Derived, fold
from ledger.domain.observations import ABSENT, IN, PRESENT, REFUTED, SCAN, Observation
from ledger.domain.ordering import Look, Timed, absences, in_order, in_slot_order, look_of
from ledger.domain.stations import SLOTS
from ledger.domain.transitions import Family, place_of, split_account
from ledger.domain.world import Key, Shelf, World, key_of, touch

# State ------------------------------------------------------------------------

SIGHTS_MAX = 64
"""Observations of one pack that can still be derived anew."""

LOOKS_MAX = 64
"""Looks at one slot that are remembered."""

REPEATED_MAX = 4
"""Looks in a row at the same object, of which all but one before the last are remembered."""


class PostedLeg(msgspec.Struct, frozen=True, omit_defaults=True):
    """A leg as it was posted at `position`.

    The first six fields are its identity; legs are kept in the order in which they were posted.
    `energy_wh` is what it moved between pack and driver.
    """

    kind: str
    place: str
    from_account: str
    to_account: str
    occurred_at: int
    cause: str
    position: int
    energy_wh: int = 0
    soc_bp: int | None = None
    swap_id: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str, int, str]:
        """Give what tells it from other legs."""
        return (
            self.kind,
            self.place,
            self.from_account,
            self.to_account,
            self.occurred_at,
            self.cause,
        )


class PackSights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The observations of a pack since its settled point, and the legs posted for them.

    It stood at `base` since `settled_at`, with `base_wh` inside. It stands at `account` since
    `moved_at` by the newest leg: a pack that moved otherwise since has a new settled point.
    """

    pack_id: str
    base: str
    settled_at: int
    account: str
    moved_at: int
    sights: tuple[Observation, ...] = ()
    legs: tuple[PostedLeg, ...] = ()
    must_prove: bool = False
    base_wh: int = 0
    base_soc_bp: int | None = None

    def derived(self) -> Derived:
        """Fold what is kept; nobody changes what comes back."""
        return _derived(self.pack_id, self.base, self.sights, must_prove=self.must_prove)

    def in_order(self) -> list[Timed]:
        """Give the observations in their canonical order."""
        return in_order(self.sights)


@lru_cache(maxsize=1024)  # one report asks several times: what to load, to decide, to fold
def _derived(
    pack_id: str, base: str, sights: tuple[Observation, ...], *, must_prove: bool
) -> Derived:
    return fold(pack_id, base, in_order(sights), must_prove=must_prove)


class SlotSights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest looks at a slot, in the order of its station's count."""

    looks: tuple[Observation, ...] = ()


PACK_SIGHTS = Shelf("pack_sights", PackSights)
SLOT_SIGHTS = Shelf("slot_sights", SlotSights)  # key: station_id, slot


# Rows to load ---------------------------------------------------------------------


def sight_rows(world: World, observations: Iterable[Observation]) -> list[Key]:
    """Name the rows that observations of packs at slots read, as far as they are known yet."""
    keys: list[Key] = []
    for one in observations:
        named = [one.pack_id] if one.pack_id else []
        found = split_account(one.place)
        if found is not None and found[0] is Family.SLT and one.kind != SCAN:
            slot_key = key_of(*found[1])
            keys += [touch(SLOTS, slot_key), touch(SLOT_SIGHTS, slot_key)]
            if world.is_loaded(SLOTS, slot_key) and world.is_loaded(SLOT_SIGHTS, slot_key):
                slot = world.get(SLOTS, slot_key)
                row = world.get(SLOT_SIGHTS, slot_key) or SlotSights()
                named += _neighbours(_looks((*row.looks, one)), one)
                named += [slot.pack_id] if slot is not None and slot.pack_id else []
        for pack_id in dict.fromkeys(named):
            keys += [touch(PACKS, pack_id), touch(PACK_SIGHTS, pack_id)]
            pack = world.get(PACKS, pack_id) if world.is_loaded(PACKS, pack_id) else None
            keys += [] if pack is None else [class_rules(pack.pack_class)]
    return keys


def _neighbours(looks: list[Look], one: Observation) -> list[str]:
    """Name the packs of which a look at a slot can prove something: its own, those before."""
    index = next(at for at, look in enumerate(looks) if look.observation is one)
    near = looks[max(index - 2, 0) : index + 1]
    return list(dict.fromkeys(x.observation.pack_id for x in near if x.observation.pack_id))


# A new observation ----------------------------------------------------------------


def sights_of(world: World, pack_id: str) -> PackSights | None:
    """Give what is kept of a pack; from its settled point on, None for a pack nobody knows."""
    pack = world.get(PACKS, pack_id)
    if pack is None:
        return None
    row = world.get(PACK_SIGHTS, pack_id)
    rules = rules_of(world, pack.pack_class)
    must_prove = rules is not None and rules.must_prove
    if row is not None and (row.account, row.moved_at) == (pack.account, pack.moved_at):
        return row if row.must_prove == must_prove else replace(row, must_prove=must_prove)
    return PackSights(
        pack_id,
        base=pack.account,
        settled_at=pack.moved_at,
        account=pack.account,
        moved_at=pack.moved_at,
        must_prove=must_prove,
        base_wh=pack.energy_wh,
        base_soc_bp=pack.soc_bp,
    )


class Sighted(msgspec.Struct, frozen=True):
    """What observations change: rows of packs before and after, rows of slots, what is too late."""

    before: dict[str, PackSights]
    after: dict[str, PackSights]
    slots: dict[str, SlotSights]
    late: tuple[Observation, ...] = ()


def sighted(world: World, observations: Iterable[Observation]) -> Sighted:
    """Take in observations of one message; changes nothing but tells what would change."""
    before: dict[str, PackSights] = {}
    after: dict[str, PackSights] = {}
    slots: dict[str, SlotSights] = {}
    late: list[Observation] = []

    def row_of(pack_id: str) -> PackSights | None:
        if pack_id not in after:
            row = sights_of(world, pack_id)
            if row is None:
                return None
            before[pack_id] = after[pack_id] = _bounded(row)
        return after[pack_id]

    for one in observations:
        row = row_of(one.pack_id) if one.pack_id else None
        if row is not None and one.kind != ABSENT:
            if _is_late(row, one):
                late.append(one)
            else:
                after[one.pack_id] = with_sight(row, one)
        if one.kind != SCAN and place_of(one.place)[0] is Family.SLT:
            key = key_of(*place_of(one.place)[1])
            looks = _looks((*(slots.get(key) or _slot_row(world, key, one)).looks, one))
            slots[key] = SlotSights(_remembered(looks, one))
            for pack_id in _neighbours(looks, one):
                row = row_of(pack_id)
                if row is not None:
                    after[pack_id] = _missed(row, looks, one.place)
    changed = {key: row for key, row in after.items() if row != before[key]}
    return Sighted({key: before[key] for key in changed}, changed, slots, tuple(late))


def keep(world: World, observations: Iterable[Observation]) -> None:
    """Remember observations once they are written."""
    changes = sighted(world, observations)
    for pack_id, row in changes.after.items():
        world.put(PACK_SIGHTS, pack_id, row)
    for key, slot in changes.slots.items():
        world.put(SLOT_SIGHTS, key, slot)


def _is_late(row: PackSights, one: Observation) -> bool:
    return one.at < row.settled_at


def with_sight(row: PackSights, one: Observation) -> PackSights:
    """Keep an observation; of one and the same snapshot again and again, the first and the last."""
    sights = row.sights
    if one.kind == PRESENT and len(sights) > 1:
        order = [timed.observation for timed in in_order(sights)][-2:]
        is_last = in_order([order[-1], one])[-1].observation is one
        if is_last and all((x.kind, x.place) == (PRESENT, one.place) for x in order):
            sights = tuple(sight for sight in sights if sight is not order[-1])
    return replace(row, sights=(*sights, one))


def _bounded(row: PackSights) -> PackSights:
    """Let the oldest observations go, and begin where their legs led."""
    while len(row.sights) >= SIGHTS_MAX:
        order = row.in_order()
        first = order[0].observation
        kept = fold(row.pack_id, row.base, order[:1], must_prove=row.must_prove)
        gone = [leg for leg in row.legs if leg.cause == first.key]
        row = replace(
            row,
            base=kept.account,
            settled_at=order[1].at,
            sights=tuple(timed.observation for timed in order[1:]),
            legs=tuple(leg for leg in row.legs if leg.cause != first.key),
            base_wh=gone[-1].energy_wh if gone else row.base_wh,
            base_soc_bp=gone[-1].soc_bp if gone else row.base_soc_bp,
        )
    return row


# Slots ----------------------------------------------------------------------------


def is_stranger(one: Observation) -> bool:
    """Tell whether the object in a slot is certainly not the pack it says it is."""
    return one.kind == IN and one.verdict == REFUTED


def _looks(observations: Sequence[Observation]) -> list[Look]:
    return in_slot_order([look_of(one, is_stranger=is_stranger(one)) for one in observations])


def _slot_row(world: World, key: str, one: Observation) -> SlotSights:
    """Give the looks at a slot; the pack in the books that no look tells of is seen first."""
    row = world.get(SLOT_SIGHTS, key) or SlotSights()
    slot = world.get(SLOTS, key)
    pack = world.get(PACKS, slot.pack_id) if slot is not None and slot.pack_id else None
    if pack is None or any(look.pack_id == pack.pack_id for look in row.looks):
        return row
    first = Observation(
        source=one.source,
        boot="",
        seq=0,
        kind=PRESENT,
        place=one.place,
        pack_id=pack.pack_id,
        at=pack.moved_at,
        received_at=pack.moved_at,
    )
    return SlotSights((first, *row.looks))


def _remembered(looks: Sequence[Look], one: Observation) -> tuple[Observation, ...]:
    """Let go of what is too old; of the same object again and again keep first and last looks."""
    kept = [look.observation for look in looks]
    tail = kept[-REPEATED_MAX:]
    same = all(x.kind in (PRESENT, ABSENT) and x.pack_id == one.pack_id for x in tail)
    if len(tail) == REPEATED_MAX and tail[-1] is one and same:
        del kept[-2]
    return tuple(kept[-LOOKS_MAX:])


def _missed(row: PackSights, looks: Sequence[Look], place: str) -> PackSights:
    """Find anew when the looks at a slot miss a pack that was seen in it before."""
    oldest = looks[0].observation.at
    found = [
        missed
        for missed in absences(looks)
        if missed.pack_id == row.pack_id and missed.at >= row.settled_at
    ]
    kept = tuple(
        one for one in row.sights if one.kind != ABSENT or one.place != place or one.at < oldest
    )
    now = (*kept, *found)
    return row if {*map(_name, now)} == {*map(_name, row.sights)} else replace(row, sights=now)


def _name(one: Observation) -> tuple[str, str, str]:
    return one.key, one.kind, one.place
