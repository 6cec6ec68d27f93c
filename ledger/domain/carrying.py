"""Carrying: what every move of a pack tells, changes and posts.

Shared by every area that moves packs by the table of `transitions.py`; the two legs of a swap have
their own, leaner form in `custody.py`.
"""

from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS, Pack, hold_packs
from ledger.domain.orders import follow_order
from ledger.domain.slots import fill_slot
from ledger.domain.transitions import (
    OUTSIDE,
    STANDING_LOSSES,
    STATES,
    TERMINAL,
    Family,
    driver_energy,
    energy_account,
    place_of,
    state_of,
)
from ledger.domain.world import Stamp, World, key_of
from ledger.kernel.messages import Event
from ledger.kernel.postings import WH, Posting, move_pack, pair

Place = tuple[Family, tuple[str, ...]]
"""What a custody account says: its family, and the ids in it."""

_NOT_OURS = frozenset(family for family, state in STATES.items() if state in {*TERMINAL, OUTSIDE})
_WITH_A_ROW = frozenset({Family.SLT, Family.DRV, Family.SUS, Family.MIS})

TITLE_ISSUED = "Title:Issued"
TITLE_ENDED = "Title:Ended"


def title_account(holder_id: str) -> str:
    """Account of the packs a party has the title of."""
    return f"Title:Holder:{holder_id}"


class PackMoved(Event, kw_only=True):
    """What all moves tell: `energy_wh` is what leaves the pack's energy account with it.

    `level` 5 rests on the pack's own answer with the digest `attestation_sha256`, `cause` is the
    observation it is derived from. A `past` move is told after a later one: the pack has gone on.

    `title_holder_id` is given where a life ends, or is resumed: title follows there, and only
    there.
    """

    pack_id: str
    from_account: str
    to_account: str
    pack_class: str
    level: int
    place: str = ""
    order_id: str = ""
    case_id: str = ""
    title_holder_id: str = ""
    soc_bp: int | None = None
    energy_wh: int = 0
    reason: str = ""
    attestation_sha256: str = ""
    cause: str = ""
    past: bool = False


def carry(world: World, event: PackMoved, stamp: Stamp) -> Pack:
    """Carry the pack from one account to the other, with slot, driver and case."""
    pack = world.need(PACKS, event.pack_id)
    if event.past:
        count_drivers(world, event.from_account, event.to_account, pack.pack_class)
        return pack
    places = place_of(event.from_account), place_of(event.to_account)
    source, target = places[0][0], places[1][0]
    for family, ids in places:
        if family is Family.TRN:
            follow_order(world, ids[1], pack.pack_id, target)
    _stand(world, places[0], pack, "")
    _stand(world, places[1], pack, pack.pack_id)
    if source is Family.DRV:
        _agree(world, places, pack)
    from_driver = source is Family.DRV and target is not Family.DRV
    # What a driver left inside is unknown; what ended is cleared from the pack's energy account.
    emptied = from_driver or target in _NOT_OURS
    known_soc = None if from_driver else pack.soc_bp
    row = replace(
        pack,
        account=event.to_account,
        soc_bp=known_soc if event.soc_bp is None else event.soc_bp,
        energy_wh=0 if emptied else pack.energy_wh,
        moved_at=stamp.occurred_at,
        proven=pack.proven or target is Family.SLT,
    )
    world.put(PACKS, event.pack_id, row)
    return row


def _agree(world: World, places: tuple[Place, Place], pack: Pack) -> None:
    """Note for drivers what no swap or case says: a pack fetched from them, or given another."""
    (_, source_ids), (target, target_ids) = places
    if target in (Family.TRN, Family.DRV):
        hold_packs(world, source_ids[0], pack.pack_class, 0, agreed=-1)
        if target is Family.DRV:
            hold_packs(world, target_ids[0], pack.pack_class, 0, agreed=1)


def count_drivers(world: World, from_account: str, to_account: str, pack_class: str) -> None:
    """Count a move for the drivers it concerns, and for nobody else."""
    for account, more in ((from_account, -1), (to_account, 1)):
        family, ids = place_of(account)
        if family is Family.DRV:
            hold_packs(world, ids[0], pack_class, more)


def leave_and_stand(world: World, from_account: str, to_account: str, pack: Pack) -> None:
    """Take a pack out of the row at one account, and put it into the row at another."""
    _stand(world, place_of(from_account), pack, "")
    _stand(world, place_of(to_account), pack, pack.pack_id)


def stand_at(world: World, account: str, pack: Pack) -> None:
    """Put a new pack into the row that stands at its account."""
    family, ids = place = place_of(account)
    _stand(world, place, pack, pack.pack_id)
    if family is Family.DRV:
        hold_packs(world, ids[0], pack.pack_class, 0, agreed=1)


def _stand(world: World, place: Place, pack: Pack, pack_id: str) -> None:
    """Put a pack into the row at a place, or (empty `pack_id`) take it out."""
    family, ids = place
    if family not in _WITH_A_ROW:
        return
    match family:
        case Family.SLT:
            fill_slot(world, key_of(*ids), pack.pack_id, leaves=not pack_id)
        case Family.DRV:
            hold_packs(world, ids[0], pack.pack_class, 1 if pack_id else -1)
        case _:
            row = world.need(CASES, ids[0])
            world.put(CASES, ids[0], replace(row, suspended_pack_id=pack_id))


def lines_of(event: PackMoved) -> tuple[Posting, ...]:
    """Move the pack, its energy where that leaves with it, and its title where a life ends."""
    lines = move_pack(event.pack_id, debit=event.to_account, credit=event.from_account)
    family, ids = place_of(event.to_account)
    energy_to = driver_energy(ids[0]) if family is Family.DRV else STANDING_LOSSES
    energy = pair(WH, event.energy_wh, debit=energy_to, credit=energy_account(event.pack_id))
    if not event.title_holder_id:
        return (*lines, *energy)
    title = (title_account(event.title_holder_id), TITLE_ENDED)
    if state_of(event.to_account) in TERMINAL:
        title = title[::-1]
    return (*lines, *energy, *move_pack(event.pack_id, debit=title[0], credit=title[1]))
