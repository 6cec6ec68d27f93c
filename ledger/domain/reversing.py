"""Reversing: a posting that no longer holds is taken back by its exact opposite (handbook 10.3).

The entry that was wrong stays where it is. Its reversal names it, carries its time, and moves every
line back; nothing may keep it from being written, and nothing is reversed twice. What follows from
the observations instead is posted as if it were new, with its own time.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.carrying import count_drivers, leave_and_stand
from ledger.domain.custody import PACKS, Pack, PackReturned, PackSwappedOut
from ledger.domain.moves import LegConfirmed, LegInferred, PackDocked, SlotFoundEmpty
from ledger.domain.pack_sights import OLDER_SIGHTS, PACK_SIGHTS, PackSights, PostedLeg
from ledger.domain.saga import IN, OUT, SWAPS, leg_of
from ledger.domain.sources import Sent
from ledger.domain.transitions import STANDING_LOSSES, Family, energy_account, place_of
from ledger.domain.world import Shelf, Stamp, World
from ledger.kernel.messages import Event
from ledger.kernel.postings import WH, Posting, pair

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()

LEGS = (PackReturned, PackSwappedOut, PackDocked, LegInferred, LegConfirmed, SlotFoundEmpty)
"""What is derived from observations, and can be reversed when they say otherwise."""

FOLDS: tuple[type[Event], ...] = LEGS

# Events -----------------------------------------------------------------------


class PostingReversed(Event):
    """An entry no longer holds: `reversed_lines` are its postings with the other sign.

    `reversed_position` is where it stands, `reversed_kind` what it is. For a leg of a pack the pack
    goes back from `from_account` to `to_account`, with what was inside (`energy_wh`, `soc_bp`) and
    since when (`moved_at`); `past` when a later leg stands, so that the pack itself has gone on.
    """

    kind: ClassVar[str] = "posting_reversed"

    reversed_position: int
    reversed_kind: str
    reversed_lines: tuple[Posting, ...]
    reason: str
    pack_id: str = ""
    pack_class: str = ""
    from_account: str = ""
    to_account: str = ""
    energy_wh: int = 0
    soc_bp: int | None = None
    moved_at: int = 0
    past: bool = False
    swap_id: str = ""


class EnergyRestated(Event):
    """The account of a pack's energy is set right after a leg was told anew (Wh).

    `past` when that leg is an earlier one: what is inside was read since and stays.
    """

    kind: ClassVar[str] = "energy_restated"

    pack_id: str
    delta_wh: int
    past: bool = False


class ObservationSetAside(Event):
    """An observation that changes nothing: why, and what it told (`told`, of a pack at `place`)."""

    kind: ClassVar[str] = "observation_set_aside"

    reason: str
    told: str
    pack_id: str = ""
    place: str = ""
    driver_id: str = ""
    sent: Sent | None = None


ReversingEvent = PostingReversed | EnergyRestated | ObservationSetAside

# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Any, stamp: Stamp) -> None:
    """Bring a pack back to where it was; keep which legs of it stand."""
    match event:
        case (
            PackDocked()
            | PackReturned()
            | PackSwappedOut()
            | LegInferred()
            | LegConfirmed()
            | SlotFoundEmpty()
        ):
            if event.cause:
                _remember(world, event, stamp)
                _give_to_swap(world, event, stamp)
        case PostingReversed():
            if event.pack_id:
                _bring_back(world, event)
                _forget(world, event)
            if event.swap_id:
                _take_from_swap(world, event)
        case ObservationSetAside():
            pass
        case EnergyRestated():
            pack = world.need(PACKS, event.pack_id)
            if not event.past and place_of(pack.account)[0] is not Family.DRV:
                row = replace(pack, energy_wh=pack.energy_wh + event.delta_wh)
                world.put(PACKS, event.pack_id, row)
        case _ as unknown:
            assert_never(unknown)


def _bring_back(world: World, event: PostingReversed) -> None:
    pack = world.need(PACKS, event.pack_id)
    if event.past:
        count_drivers(world, event.from_account, event.to_account, pack.pack_class)
        return
    leave_and_stand(world, event.from_account, event.to_account, pack)
    row = replace(
        world.need(PACKS, event.pack_id),
        account=event.to_account,
        energy_wh=event.energy_wh,
        soc_bp=event.soc_bp,
        moved_at=event.moved_at,
    )
    world.put(PACKS, event.pack_id, row)


def _forget(world: World, event: PostingReversed) -> None:
    gone = event.reversed_position
    older = world.get(OLDER_SIGHTS, event.pack_id)
    if older is not None and any(leg.position == gone for leg in older.legs):
        kept = tuple(leg for leg in older.legs if leg.position != gone)
        world.put(OLDER_SIGHTS, event.pack_id, replace(older, legs=kept))
    row = world.need(PACK_SIGHTS, event.pack_id)
    _keep(world, row, tuple(leg for leg in row.legs if leg.position != gone))


def _remember(world: World, event: Any, stamp: Stamp) -> None:
    row = world.need(PACK_SIGHTS, event.pack_id)
    is_swap = isinstance(event, PackReturned | PackSwappedOut)
    leg = PostedLeg(
        kind=event.kind,
        place=_word(event),
        from_account=event.from_account,
        to_account=event.to_account,
        occurred_at=stamp.occurred_at,
        cause=event.cause,
        position=stamp.position,
        energy_wh=event.stored_wh if is_swap else event.energy_wh,
        soc_bp=event.soc_bp,
        swap_id=event.swap_id if is_swap else "",
    )
    _keep(world, row, (*row.legs, leg))


def _take_from_swap(world: World, event: PostingReversed) -> None:
    """A leg that did not happen is no leg of its swap; one that has ended stays ended."""
    swap = world.get(SWAPS, event.swap_id)
    if swap is None:
        return
    gone = event.reversed_position
    legs_in = tuple(leg for leg in swap.legs_in if leg.position != gone)
    legs_out = tuple(leg for leg in swap.legs_out if leg.position != gone)
    stage = swap.stage
    if stage in ("HALF_IN", "HALF_OUT"):
        stage = "HALF_IN" if legs_in else "HALF_OUT" if legs_out else "ACCEPTED"
    row = replace(swap, legs_in=legs_in, legs_out=legs_out, stage=stage)
    world.put(SWAPS, event.swap_id, row)


def _give_to_swap(world: World, event: Any, stamp: Stamp) -> None:
    """Let a swap that has ended have the leg that was told anew; before that it takes its own."""
    if not isinstance(event, PackReturned | PackSwappedOut) or not event.swap_id:
        return
    swap = world.get(SWAPS, event.swap_id)
    way = IN if isinstance(event, PackReturned) else OUT
    if swap is None or swap.stage not in ("COMPLETED", "CLOSED_INCOMPLETE"):
        return
    legs = swap.legs_in if way == IN else swap.legs_out
    if len(legs) >= swap.expects(way):
        return
    leg = leg_of(event, world.need(PACKS, event.pack_id), stamp.occurred_at, stamp.position)
    row = replace(swap, **{"legs_in" if way == IN else "legs_out": (*legs, leg)})
    world.put(SWAPS, event.swap_id, row)


def _word(event: Any) -> str:
    if isinstance(event, PackReturned):
        return "" if event.slot else "staged"
    return "" if isinstance(event, PackSwappedOut) else str(event.place)


def _keep(world: World, row: PackSights, legs: tuple[PostedLeg, ...]) -> None:
    pack: Pack = world.need(PACKS, row.pack_id)
    row = replace(row, legs=legs, account=pack.account, moved_at=pack.moved_at)
    world.put(PACK_SIGHTS, row.pack_id, row)


def postings(event: ReversingEvent) -> tuple[Posting, ...]:
    """Move every line of the reversed entry back; set the energy of a pack to its reading."""
    match event:
        case PostingReversed():
            return event.reversed_lines
        case ObservationSetAside():
            return ()
        case EnergyRestated():
            debit, credit = energy_account(event.pack_id), STANDING_LOSSES
            return pair(WH, event.delta_wh, debit=debit, credit=credit)
        case _ as unknown:
            assert_never(unknown)


def energy_lines(leg: PostedLeg, pack_id: str) -> tuple[Posting, ...]:
    """Give the energy lines that a leg posted: between the pack and the driver of its account."""
    source, target = place_of(leg.from_account), place_of(leg.to_account)
    if source[0] is Family.DRV:
        debit, credit = energy_account(pack_id), f"Energy:Driver:{source[1][0]}"
    elif target[0] is Family.DRV:
        debit, credit = f"Energy:Driver:{target[1][0]}", energy_account(pack_id)
    else:
        return ()
    return pair(WH, leg.energy_wh, debit=debit, credit=credit)
