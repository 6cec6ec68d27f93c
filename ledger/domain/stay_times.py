"""Stay times: when slots and packs had stays, so that one told late still finds its place.

Networks send sessions in the order in which they come to know them, not in that of their ends. The
times of accepted stays are kept week by week, for each slot and for each pack; a new one is held
against those of the weeks that it touches, so that the same stays are accepted in every order.

What did not come as a stay is not in these rows: where a metered session ended, or a pack was moved
otherwise, slot and pack are **settled**, and no stay before that is taken in any more.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PACKS, Pack
from ledger.domain.metering import overlaps
from ledger.domain.stations import SLOTS, Slot
from ledger.domain.world import Key, Shelf, World, key_of, touch
from ledger.kernel.instants import DAY

WEEK_US = 7 * DAY

WEEKS_MAX = 60
"""Weeks that one stay may touch; a longer one settles its slot and its pack."""

TIMES_MAX = 1_024
"""Stays of one week that are remembered; the week after so many is settled."""


class StayWeek(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stays that touch one week, by begin and end (us), in order; equal ones once."""

    times: tuple[tuple[int, int], ...] = ()


STAY_WEEKS = Shelf("stay_weeks", StayWeek)
"""Key: ``slot``, station, slot, week; or ``pack``, pack, week."""

Subject = tuple[Literal["slot"], str, str] | tuple[Literal["pack"], str]
"""Whose times these are."""


def weeks(begin_at: int, end_at: int) -> range:
    """Number the weeks that a stay touches; none where it ends before it begins, or is too long.

    >>> weeks(0, WEEK_US), weeks(WEEK_US, 0), weeks(0, 60 * WEEK_US)
    (range(0, 2), range(0, 0), range(0, 0))
    """
    first, last = begin_at // WEEK_US, end_at // WEEK_US
    return range(first, last + 1) if 0 <= last - first < WEEKS_MAX else range(0)


def week_rows(about: Subject, begin_at: int, end_at: int) -> list[Key]:
    """Name the rows that a stay of a slot or a pack is held against."""
    return [touch(STAY_WEEKS, *about, str(week)) for week in weeks(begin_at, end_at)]


def _times(world: World, about: Subject, begin_at: int, end_at: int) -> Iterator[tuple[int, int]]:
    for week in weeks(begin_at, end_at):
        row = world.get(STAY_WEEKS, key_of(*about, str(week)))
        if row is not None:
            yield from row.times


# Whether a stay is accepted ---------------------------------------------------------


def contradiction(world: World, slot: Slot, pack: Pack | None, begin_at: int, end_at: int) -> str:
    """Name what a stay contradicts of what is known; "" for nothing.

    A pack that nobody has seen yet is None.
    """
    place: Subject = ("slot", slot.station_id, slot.slot)
    if begin_at < slot.settled_at or _meets(world, place, slot, begin_at, end_at):
        return "SLOT_OVERLAP"
    if pack is None:
        return ""
    if begin_at < _settled(pack) or _meets(world, ("pack", pack.pack_id), pack, begin_at, end_at):
        return "PACK_IN_TWO_PLACES"
    return ""


def _meets(world: World, about: Subject, busy: Slot | Pack, begin_at: int, end_at: int) -> bool:
    """Tell whether each of two stays begins before the other one ends."""
    if not weeks(begin_at, end_at):
        return overlaps(busy, begin_at, end_at)
    known = _times(world, about, begin_at, end_at)
    return any(begin < end_at and begin_at < end for begin, end in known)


def _settled(pack: Pack) -> int:
    """Give since when a pack has moved by stays only: such a move ends with its session."""
    return pack.settled_at if pack.moved_at == pack.busy_to else pack.moved_at


# Which stay is the newest -----------------------------------------------------------


def is_past(
    world: World, pack: Pack, begin_at: int, end_at: int, left: tuple[int, int | None]
) -> bool:
    """Tell whether an accepted stay comes before another one of its pack.

    Of stays without length at one instant nobody knows the order: the one that left less in the
    pack (`left`: Wh, state of charge) counts as the last.
    """
    if end_at != pack.busy_to or pack.moved_at != end_at:
        return end_at < pack.busy_to
    point = (end_at, end_at)
    if point not in _times(world, ("pack", pack.pack_id), begin_at, end_at):
        return False
    return begin_at < end_at or _known(*left) > _known(pack.energy_wh, pack.soc_bp)


def _known(energy_wh: int, soc_bp: int | None) -> tuple[int, int]:
    return energy_wh, -1 if soc_bp is None else soc_bp


# What is remembered -----------------------------------------------------------------


def take_in(world: World, event: ChargeSessionEnded) -> None:
    """Remember the time of a session; one that is no stay settles its slot and its pack."""
    begin_at, end_at = event.started_at, event.ended_at
    is_stay = event.register_import_end_wh is None and not event.substitute_method
    span = weeks(begin_at, end_at) if is_stay else range(0)
    slot_key = key_of(event.station_id, event.slot)
    if not _all_kept(world, ("slot", event.station_id, event.slot), span, (begin_at, end_at)):
        slot = world.need(SLOTS, slot_key)
        world.put(SLOTS, slot_key, replace(slot, settled_at=slot.busy_to))
    if not _all_kept(world, ("pack", event.pack_id), span, (begin_at, end_at)):
        pack = world.need(PACKS, event.pack_id)
        world.put(PACKS, pack.pack_id, replace(pack, settled_at=pack.busy_to))


def _all_kept(world: World, about: Subject, span: range, time: tuple[int, int]) -> bool:
    """Remember a time in every week that it touches; False where that cannot be done."""
    is_kept = bool(span)
    for week in span:
        key = key_of(*about, str(week))
        row = world.get(STAY_WEEKS, key) or StayWeek()
        if len(row.times) < TIMES_MAX:
            world.put(STAY_WEEKS, key, StayWeek(tuple(sorted({*row.times, time}))))
        else:
            is_kept = False
    return is_kept
