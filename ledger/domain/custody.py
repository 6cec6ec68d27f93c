"""Custody: who holds a pack and where, as double entry on pack accounts.

This file keeps the state of packs and drivers, the entitlements, and the two legs of a swap. The
table of all moves and the accounts are in `transitions.py`, opening stock in `takeover.py`, a pack
from order to service in `assets.py`, every other move in `moves.py`.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.classes import StandIn
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.slots import fill_slot
from ledger.domain.transitions import (
    driver_account,
    driver_energy,
    energy_account,
    slot_account,
    staged_account,
)
from ledger.domain.waiting import RETURN_AFTER_US, set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import WH, Posting, move_pack, pair
from ledger.kernel.quantities import stored_wh
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------


class OpenHold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A safety, identity or legal stop in force on a pack since `placed_at` (us)."""

    hold_id: str
    reason: str
    severity: int
    scopes: tuple[str, ...]
    placed_by: str
    expires_at: int = 0
    placed_at: int = 0


class Pack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pack: the account that holds it, and what the rules need to know about it.

    `soc_bp` is None while unknown. `energy_wh` is the balance of its energy account, or, while it
    is with a driver, what was in it at hand-out. `allocated_to` is the booking it is pinned to.
    `proven` says that its identity was proven when it first came into a slot. `bailor_id` is the
    operator whose pack is only in our care. Before `settled_at` no stay is taken in any more.
    """

    pack_id: str
    account: str
    pack_class: str
    nominal_wh: int
    soh_bp: int
    commissioned: bool = False
    retired: bool = False
    soc_bp: int | None = None
    energy_wh: int = 0
    min_soh_bp: int = 0
    soh_assessed_at: int = 0
    allocated_to: str = ""
    holds: tuple[OpenHold, ...] = ()
    moved_at: int = 0
    busy_to: int = 0
    busy_point: bool = False
    busy_before: int = 0
    settled_at: int = 0
    title_holder_id: str = ""
    verified: bool = False
    proven: bool = False
    bailor_id: str = ""


class DriverPacks(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many packs of a class a driver has, and how many he is entitled to.

    `agreed` is the part of their difference that an agreement explains, not a swap or a case:
    an entitlement that was set ahead of its pack (negative), or that ended before the pack came.
    `stand_ins` are those of them that stand in for another class.
    """

    driver_id: str
    pack_class: str
    held: int = 0
    entitled: int = 0
    agreed: int = 0
    stand_ins: tuple[StandIn, ...] = ()

    @property
    def deviation(self) -> int:
        """Positive: the driver owes packs; negative: packs are owed to him."""
        return self.held - self.entitled


PACKS = Shelf("packs", Pack, listed_by=lambda row: row.account)
DRIVER_PACKS = Shelf(  # key: driver, class
    "driver_packs", DriverPacks, listed_by=lambda row: row.driver_id
)

SHELVES = (PACKS, DRIVER_PACKS)
FOLDS: tuple[type[Event], ...] = ()

SOH_MAX_AGE_US = 180 * DAY
"""Policy: an older assessment of health does not let a pack out."""

# Commands ---------------------------------------------------------------------


class SetPackEntitlement(Command):
    """A driver may keep `count` packs of a class from now on, over all his contracts.

    `settles` is what a swap or a case did to his packs that the entitlement now follows.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"operator", "support", "asset_manager", "system", "importer"}
    )

    driver_id: str
    pack_class: str
    count: int
    contract_id: str = ""
    occurred_at: int = 0
    settles: int = 0


CustodyCommand = SetPackEntitlement

# Events -----------------------------------------------------------------------


class PackEntitlementSet(Event):
    """How many packs of a class a driver may keep; `settles` is explained by a swap or a case."""

    kind: ClassVar[str] = "pack_entitlement_set"

    driver_id: str
    pack_class: str
    count: int
    contract_id: str = ""
    settles: int = 0


class SwapLeg(Event, kw_only=True):
    """What both legs tell: `driver_id` held or got the pack in the books; `stored_wh` goes along.

    `slot` is empty for a pack over the desk, `level` the best evidence level (0 to 5), `cause` the
    observation it is derived from. A `past` leg is told after a later one: the pack has gone on.
    """

    pack_id: str
    station_id: str
    driver_id: str
    from_account: str
    to_account: str
    pack_class: str
    stored_wh: int
    level: int
    slot: str = ""
    swap_id: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    cause: str = ""
    past: bool = False


class PackReturned(SwapLeg):
    """A pack came in (rows 25, 26), brought by `presenter_id`."""

    kind: ClassVar[str] = "pack_returned"

    presenter_id: str


class PackSwappedOut(SwapLeg):
    """A pack went out to a driver (rows 23, 24)."""

    kind: ClassVar[str] = "pack_swapped_out"


CustodyEvent = PackEntitlementSet | PackReturned | PackSwappedOut

# touches ----------------------------------------------------------------------


def touches(command: CustodyCommand) -> Keys:
    """Read the driver and his packs of the class."""
    return (
        touch(PARTIES, command.driver_id),
        touch(DRIVER_PACKS, command.driver_id, command.pack_class),
    )


def follows(_world: World, _command: CustodyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: CustodyCommand, _request: Request) -> Outcome:
    """Set an entitlement; the legs of a swap are decided in `swap.py`."""
    faults = party_faults(world, command.driver_id, "driver")
    if command.count < 0 or not is_id(command.pack_class):
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"driver": command.driver_id[:40], "count": command.count})
    row = world.get(DRIVER_PACKS, key_of(command.driver_id, command.pack_class))
    if row is not None and row.entitled == command.count and not command.settles:
        return ()
    event = PackEntitlementSet(
        driver_id=command.driver_id,
        pack_class=command.pack_class,
        count=command.count,
        contract_id=command.contract_id,
        settles=command.settles,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def holds_on(pack: Pack, scope: str, at: int) -> tuple[OpenHold, ...]:
    """List the holds that are in force at an instant and cover a scope."""
    return tuple(
        hold for hold in pack.holds if scope in hold.scopes and not 0 < hold.expires_at <= at
    )


def is_stopped(pack: Pack, scope: str, at: int) -> bool:
    """Tell whether a hold that is in force at an instant covers a scope."""
    return bool(pack.holds) and bool(holds_on(pack, scope, at))


class Leg(msgspec.Struct, frozen=True):
    """One leg of a swap as it was observed; `slot` empty for a pack handed over a desk.

    `driver_id` is who stood there: the taker of a pack out, the presenter of a pack in. Unknown
    `soc_bp` and `soh_bp` are None. `level` is the best evidence level, 0 to 5.
    """

    pack_id: str
    station_id: str
    slot: str
    driver_id: str
    swap_id: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    level: int = 3


def returned(world: World, leg: Leg) -> PackReturned:
    """Make the event of a pack in: the credit goes to whoever held the pack in the books.

    The pack must be with a driver. Without a state of charge nothing is known to be inside.
    """
    pack = world.need(PACKS, leg.pack_id)
    return PackReturned(
        pack_id=leg.pack_id,
        station_id=leg.station_id,
        driver_id=pack.account.removeprefix(_DRIVER),
        presenter_id=leg.driver_id,
        from_account=pack.account,
        to_account=_station_account(leg),
        pack_class=pack.pack_class,
        stored_wh=0 if leg.soc_bp is None else _inside(pack, leg.soc_bp, leg.soh_bp),
        level=leg.level,
        slot=leg.slot,
        swap_id=leg.swap_id,
        soc_bp=leg.soc_bp,
        soh_bp=leg.soh_bp,
    )


def swapped_out(world: World, leg: Leg) -> PackSwappedOut:
    """Make the event of a pack out: without a state of charge all metered energy goes with it.

    The pack must be at the station. Where the state of charge is known, the energy account of the
    pack is expected to be true to it already (an `EnergyTrueUp` before this event).
    """
    pack = world.need(PACKS, leg.pack_id)
    inside = pack.energy_wh if leg.soc_bp is None else _inside(pack, leg.soc_bp, leg.soh_bp)
    return PackSwappedOut(
        pack_id=leg.pack_id,
        station_id=leg.station_id,
        driver_id=leg.driver_id,
        from_account=_station_account(leg),
        to_account=_DRIVER + leg.driver_id,
        pack_class=pack.pack_class,
        stored_wh=inside,
        level=leg.level,
        slot=leg.slot,
        swap_id=leg.swap_id,
        soc_bp=leg.soc_bp,
        soh_bp=leg.soh_bp,
    )


_DRIVER = driver_account("")


def _station_account(leg: Leg) -> str:
    if leg.slot:
        return slot_account(leg.station_id, leg.slot)
    return staged_account(leg.station_id)


def _inside(pack: Pack, soc_bp: int, soh_bp: int | None) -> int:
    return stored_wh(pack.nominal_wh, soc_bp, pack.soh_bp if soh_bp is None else soh_bp)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CustodyEvent, stamp: Stamp) -> None:
    """Move the pack between slot and driver, and count what each driver has."""
    match event:
        case PackReturned():
            hold_packs(world, event.driver_id, event.pack_class, -1)
            _set_pack(world, event, stamp)
        case PackSwappedOut():
            hold_packs(world, event.driver_id, event.pack_class, 1, at=stamp.recorded_at)
            _set_pack(world, event, stamp)
        case PackEntitlementSet():
            key = key_of(event.driver_id, event.pack_class)
            row = world.get(DRIVER_PACKS, key) or DriverPacks(event.driver_id, event.pack_class)
            more = event.count - row.entitled
            agreed = row.agreed + event.settles - more
            changed = replace(row, entitled=event.count, agreed=agreed)
            world.put(DRIVER_PACKS, key, changed)
            _watch(world, row, changed, stamp.recorded_at)
        case _ as unknown:
            assert_never(unknown)


def hold_packs(
    world: World, driver_id: str, pack_class: str, more: int, *, agreed: int = 0, at: int = 0
) -> None:
    """Count packs that a driver got (positive) or gave back (negative).

    `agreed` are those of them that neither a swap nor a case explains. With `at` (us) the ledger
    begins to wait for a pack that he now owes.
    """
    key = key_of(driver_id, pack_class)
    row = world.get(DRIVER_PACKS, key) or DriverPacks(driver_id, pack_class)
    changed = replace(row, held=row.held + more, agreed=row.agreed + agreed)
    world.put(DRIVER_PACKS, key, changed)
    _watch(world, row, changed, at)


def _watch(world: World, before: DriverPacks, row: DriverPacks, at: int) -> None:
    owes, owed = row.deviation > 0, before.deviation > 0
    if owes != owed and (at or owed):
        due_at = at + RETURN_AFTER_US if owes else 0
        set_timer(world, "return", key_of(row.driver_id, row.pack_class), due_at)


def _set_pack(world: World, event: SwapLeg, stamp: Stamp) -> None:
    if event.past:
        return
    if event.slot:
        key, leaves = key_of(event.station_id, event.slot), isinstance(event, PackSwappedOut)
        fill_slot(world, key, event.pack_id, leaves=leaves)
    row = world.need(PACKS, event.pack_id)
    if isinstance(event, PackReturned) and not event.cause and row.moved_at != row.busy_to:
        row = replace(row, settled_at=row.moved_at)  # it moved since its last session
    # A driver used what was inside: after a return only a fresh reading says what is left.
    kept = row.soc_bp if isinstance(event, PackSwappedOut) else None
    row = replace(
        row,
        account=event.to_account,
        soc_bp=kept if event.soc_bp is None else event.soc_bp,
        energy_wh=event.stored_wh,
        moved_at=stamp.occurred_at,
    )
    world.put(PACKS, event.pack_id, row)


def postings(event: CustodyEvent) -> tuple[Posting, ...]:
    """Move the pack, and the energy inside it between the pack and the driver."""
    if isinstance(event, PackEntitlementSet):
        return ()
    inside, with_driver = energy_account(event.pack_id), driver_energy(event.driver_id)
    is_back = isinstance(event, PackReturned)
    debit, credit = (inside, with_driver) if is_back else (with_driver, inside)
    return (
        *move_pack(event.pack_id, debit=event.to_account, credit=event.from_account),
        *pair(WH, event.stored_wh, debit=debit, credit=credit),
    )
