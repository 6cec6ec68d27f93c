"""What is kept of the observations of packs and slots, and what a new one changes (handbook 10).

Each pack keeps its newest observations and the legs that were posted for them, each slot its newest
looks. Both are bounded. A pack's derivation begins at its **settled point**: the last move that a
person's command made, or where the oldest observation was let go. What a later report says about a
time before it changes nothing any more; it is set aside, with a case.

Everything here is a function of rows and of one new observation: `sighted` gives the rows that it
changes, and the rules that decide and those that fold call the same function. Nearly always an
observation comes after all that were kept: then it is folded alone, on top of where they stand.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import class_rules, rules_of
from ledger.domain.custody import PACKS
from ledger.domain.derive import fold_next
from ledger.domain.observations import (
    ABSENT,
    IN,
    OUT,
    PRESENT,
    REFUTED,
    SCAN,
    UNKNOWN_TIME,
    Observation,
)
from ledger.domain.ordering import Look, contradiction, in_order, look_of
from ledger.domain.pack_sights import (
    OLDER_SIGHTS,
    PACK_SIGHTS,
    PackSights,
    Retold,
    bounded,
    comes_last,
    is_seen_again,
    read_row,
    with_sight,
    write_row,
)
from ledger.domain.standing import Derived, DerivedLeg, Standing
from ledger.domain.stations import SLOTS
from ledger.domain.transitions import Family, place_of, split_account
from ledger.domain.world import Key, Shelf, World, key_of, touch

# State ------------------------------------------------------------------------

LOOKS_MAX = 64
"""Looks at one slot that are remembered."""

REPEATED_MAX = 4
"""Looks in a row at the same object, of which all but one before the last are remembered."""


class SlotSights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest looks at a slot, in the order of its station's count."""

    looks: tuple[Observation, ...] = ()


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
                named += _neighbours(_looks(row.looks, one), one)
                named += [slot.pack_id] if slot is not None and slot.pack_id else []
        for pack_id in dict.fromkeys(named):
            keys += [touch(PACKS, pack_id), touch(PACK_SIGHTS, pack_id)]
            keys.append(touch(OLDER_SIGHTS, pack_id))
            pack = world.get(PACKS, pack_id) if world.is_loaded(PACKS, pack_id) else None
            keys += [] if pack is None else [class_rules(pack.pack_class)]
    return keys


def _neighbours(looks: Sequence[Observation], one: Observation) -> list[str]:
    """Name the packs of which a look at a slot can prove something: its own, those before."""
    index = next(at for at in reversed(range(len(looks))) if looks[at] is one)
    near = looks[max(index - 2, 0) : index + 1]
    return list(dict.fromkeys(seen.pack_id for seen in near if seen.pack_id))


# A new observation ----------------------------------------------------------------


def sights_of(world: World, pack_id: str) -> PackSights | None:
    """Give what is kept of a pack; from its settled point on, None for a pack nobody knows."""
    pack = world.get(PACKS, pack_id)
    if pack is None:
        return None
    row = read_row(world, pack_id)
    rules = rules_of(world, pack.pack_class)
    must_prove = rules is not None and rules.must_prove
    if row is not None and (row.account, row.moved_at) == (pack.account, pack.moved_at):
        if row.must_prove == must_prove:
            return row
        return replace(row, must_prove=must_prove, standing=None)
    return PackSights(
        pack_id,
        base=pack.account,
        settled_at=pack.moved_at,
        account=pack.account,
        moved_at=pack.moved_at,
        must_prove=must_prove,
        base_wh=pack.energy_wh,
        base_soc_bp=pack.soc_bp,
        standing=Standing(pack.account),
    )


class Sighted(msgspec.Struct, frozen=True):
    """What observations change: rows of packs after them, rows of slots, what is too late."""

    after: dict[str, PackSights]
    retold: dict[str, Retold]
    slots: dict[str, SlotSights]
    late: tuple[Observation, ...] = ()


def sighted(world: World, observations: Iterable[Observation]) -> Sighted:
    """Take in observations of one message; changes nothing but tells what would change."""
    packs: dict[str, _Change] = {}
    slots: dict[str, SlotSights] = {}
    late: list[Observation] = []

    def change_of(pack_id: str) -> _Change | None:
        if pack_id not in packs:
            row = sights_of(world, pack_id)
            if row is None:
                return None
            packs[pack_id] = _Change(row)
        return packs[pack_id]

    for one in observations:
        change = change_of(one.pack_id) if one.pack_id else None
        if change is not None and one.kind != ABSENT:
            if _is_late(change.row, one):
                late.append(one)
            else:
                change.add(one)
        if one.kind != SCAN and place_of(one.place)[0] is Family.SLT:
            key = key_of(*place_of(one.place)[1])
            looks = _looks((slots.get(key) or _slot_row(world, key, one)).looks, one)
            slots[key] = SlotSights(_remembered(looks, one))
            for pack_id in _neighbours(looks, one):
                change = change_of(pack_id)
                if change is not None:
                    change.replace(_missed(change.row, looks, one.place))
    changed = {key: change for key, change in packs.items() if change.row is not change.before}
    retold = {key: change.retold() for key, change in changed.items()}
    after = {key: change.settled() for key, change in changed.items()}
    return Sighted(after, retold, slots, tuple(late))


class _Change:
    """One pack, while the observations of a message are taken in."""

    __slots__ = ("before", "legs", "row")

    def __init__(self, row: PackSights) -> None:
        self.before = self.row = row
        self.legs: list[DerivedLeg] = []
        """What the new observations made, as long as each of them comes last."""

    def add(self, one: Observation) -> None:
        """Keep an observation; where it comes last it is folded at once."""
        row, since = self.row, self.row.standing
        if since is None or is_seen_again(row, one) or not comes_last(row.sights, since, one):
            self.replace(with_sight(row, one))
            return
        now = fold_next(row.pack_id, since, one, must_prove=row.must_prove)
        self.legs += now.legs
        self.row = replace(row, sights=(*row.sights, one), standing=now.standing)

    def replace(self, row: PackSights) -> None:
        """Keep other observations; where they differ all of them will be folded anew."""
        if row is not self.row:
            self.row = replace(row, standing=None, older=0)

    def retold(self) -> Retold:
        """Give what follows now, and what followed before."""
        since, now = self.before.standing, self.row.standing
        if since is None or now is None:
            return Retold(self.before.derived(), self.row.derived(), self.before.legs)
        return Retold(Derived([], since), Derived(self.legs, now), ())

    def settled(self) -> PackSights:
        """Give the row with its observations in order, and where they lead."""
        if self.row.standing is not None:
            return self.row
        return replace(
            self.row,
            sights=tuple(timed.observation for timed in self.row.in_order()),
            standing=self.row.derived().standing,
        )


def keep(world: World, observations: Iterable[Observation]) -> None:
    """Remember observations once they are written."""
    changes = sighted(world, observations)
    for pack_id, row in changes.after.items():
        write_row(world, bounded(row, changes.retold[pack_id]))
    for key, slot in changes.slots.items():
        world.put(SLOT_SIGHTS, key, slot)


def _is_late(row: PackSights, one: Observation) -> bool:
    return one.at < row.settled_at


# Slots ----------------------------------------------------------------------------


def is_stranger(one: Observation) -> bool:
    """Tell whether the object in a slot is certainly not the pack it says it is."""
    return one.kind == IN and one.verdict == REFUTED


def _looks(known: Sequence[Observation], one: Observation) -> list[Observation]:
    """Put one look more at a slot among those that are in the order of its station's count."""
    if not known or _counts_on(known, one):
        return [*known, one]
    return [timed.observation for timed in in_order([*known, one])]


def _counts_on(known: Sequence[Observation], one: Observation) -> bool:
    """Tell whether a look is the next one of the only source, so that the others stay in order."""
    last = known[-1]
    return (
        (last.source, last.boot) == (one.source, one.boot)
        and last.seq < one.seq
        and last.quality != UNKNOWN_TIME
        and all(seen.source == one.source for seen in known)
    )


def _look(one: Observation) -> Look:
    return look_of(one, is_stranger=is_stranger(one))


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


def _remembered(looks: Sequence[Observation], one: Observation) -> tuple[Observation, ...]:
    """Let go of what is too old; of the same object again and again keep first and last looks."""
    kept = list(looks)
    tail = kept[-REPEATED_MAX:]
    same = all(x.kind in (PRESENT, ABSENT) and x.pack_id == one.pack_id for x in tail)
    if len(tail) == REPEATED_MAX and tail[-1] is one and same:
        del kept[-2]
    return tuple(kept[-LOOKS_MAX:])


def _missed(row: PackSights, looks: Sequence[Observation], place: str) -> PackSights:
    """Find anew when the looks at a slot miss a pack that was seen in it before."""
    oldest = looks[0].at
    absent = (_absence(looks, at) for at, seen in enumerate(looks) if seen.pack_id == row.pack_id)
    found = [one for one in absent if one is not None and one.at >= row.settled_at]
    if not found and not any(one.kind == ABSENT for one in row.sights):
        return row
    kept = tuple(
        one for one in row.sights if one.kind != ABSENT or one.place != place or one.at < oldest
    )
    now = (*kept, *found)
    return row if {*map(_name, now)} == {*map(_name, row.sights)} else replace(row, sights=now)


def _absence(looks: Sequence[Observation], index: int) -> Observation | None:
    """Tell what the look after one proves of the pack that was seen in it."""
    seen, *after = looks[index : index + 3]
    if not after or seen.kind in (OUT, ABSENT):
        return None
    if (after[0].kind, after[0].pack_id) == (OUT, seen.pack_id):
        return None  # it went out itself, as nearly always
    return contradiction(_look(seen), *map(_look, after))


def _name(one: Observation) -> tuple[str, str, str]:
    return one.key, one.kind, one.place
