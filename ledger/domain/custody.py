"""Custody: who holds a pack and where, as double entry on pack accounts.

This file keeps the state of packs and drivers, the entitlements, and the two legs of a swap. The
table of all moves and the accounts are in `transitions.py`, opening stock in `takeover.py`, a pack
from order to service in `assets.py`, every other move in `moves.py`.
"""

from typing import ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import SLOTS, Station
from ledger.domain.transitions import (
    Family,
    driver_account,
    driver_energy,
    energy_account,
    place_of,
    slot_account,
    staged_account,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import WH, Posting, move_pack, pair
from ledger.kernel.quantities import stored_wh
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------


class OpenHold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A safety, identity or legal stop in force on a pack."""

    hold_id: str
    reason: str
    severity: int
    scopes: tuple[str, ...]
    placed_by: str
    expires_at: int = 0


class Pack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pack: the account that holds it, and what the rules need to know about it.

    `soc_bp` is None while unknown. `energy_wh` is the balance of its energy account, or, while it
    is with a driver, what was in it at hand-out. `allocated_to` is the booking it is pinned to.
    `proven` says that its identity was proven when it first came into a slot.
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
    title_holder_id: str = ""
    verified: bool = False
    proven: bool = False


class DriverPacks(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many packs of a class a driver has, and how many he is entitled to."""

    driver_id: str
    pack_class: str
    held: int = 0
    entitled: int = 0

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
    """A driver may keep `count` packs of a class from now on, over all his contracts."""

    roles: ClassVar[frozenset[str]] = frozenset(
        {"operator", "support", "asset_manager", "system", "importer"}
    )

    driver_id: str
    pack_class: str
    count: int
    contract_id: str = ""
    occurred_at: int = 0


CustodyCommand = SetPackEntitlement

# Events -----------------------------------------------------------------------


class PackEntitlementSet(Event):
    """How many packs of a class a driver may keep."""

    kind: ClassVar[str] = "pack_entitlement_set"

    driver_id: str
    pack_class: str
    count: int
    contract_id: str = ""


class SwapLeg(Event, kw_only=True):
    """What both legs tell: `driver_id` held or got the pack in the books; `stored_wh` goes along.

    `slot` is empty for a pack over the desk, `level` the best evidence level (0 to 5).
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
    if row is not None and row.entitled == command.count:
        return ()
    event = PackEntitlementSet(
        driver_id=command.driver_id,
        pack_class=command.pack_class,
        count=command.count,
        contract_id=command.contract_id,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def eligible(
    pack: Pack,
    station: Station,
    *,
    pack_class: str,
    at: int,
    booking_id: str = "",
    soh_max_age_us: int = SOH_MAX_AGE_US,
) -> tuple[RefusalCode, ...]:
    """List what keeps a pack from being handed out at a station, in the order of testing.

    Empty means eligible (custody handbook 5). `booking_id` is the booking it is wanted for, empty
    for a driver who comes without one.
    """
    family, ids = place_of(pack.account)
    in_place = family in {Family.SLT, Family.STG}
    assessed = pack.soh_assessed_at
    tests = (
        (not in_place, RefusalCode.WRONG_STATE),
        (in_place and ids[0] != station.station_id, RefusalCode.WRONG_PLACE),
        (is_stopped(pack, "no_swap_out", at), RefusalCode.HOLD_BLOCKS),
        (not pack.commissioned, RefusalCode.NOT_COMMISSIONED),
        (pack.pack_class != pack_class, RefusalCode.CLASS_MISMATCH),
        ((pack.soc_bp or 0) < station.target_soc_bp, RefusalCode.SOC_BELOW_TARGET),
        (pack.soh_bp < pack.min_soh_bp, RefusalCode.SOH_BELOW_CLASS),
        (at - assessed > soh_max_age_us, RefusalCode.SOH_STALE),
        (pack.allocated_to not in ("", booking_id), RefusalCode.ALLOCATED_ELSEWHERE),
    )
    return tuple(code for failed, code in tests if failed)


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
            _set_slot(world, event.station_id, event.slot, event.pack_id)
            hold_packs(world, event.driver_id, event.pack_class, -1)
            _set_pack(world, event, stamp)
        case PackSwappedOut():
            _set_slot(world, event.station_id, event.slot, "")
            hold_packs(world, event.driver_id, event.pack_class, 1)
            _set_pack(world, event, stamp)
        case PackEntitlementSet():
            key = key_of(event.driver_id, event.pack_class)
            row = world.get(DRIVER_PACKS, key) or DriverPacks(event.driver_id, event.pack_class)
            world.put(DRIVER_PACKS, key, replace(row, entitled=event.count))
        case _ as unknown:
            assert_never(unknown)


def hold_packs(world: World, driver_id: str, pack_class: str, more: int) -> None:
    """Count packs that a driver got (positive) or gave back (negative)."""
    key = key_of(driver_id, pack_class)
    row = world.get(DRIVER_PACKS, key) or DriverPacks(driver_id, pack_class)
    world.put(DRIVER_PACKS, key, replace(row, held=row.held + more))


def _set_slot(world: World, station_id: str, slot: str, pack_id: str) -> None:
    if slot:
        key = key_of(station_id, slot)
        row = world.need(SLOTS, key)
        world.put(SLOTS, key, replace(row, pack_id=pack_id))


def _set_pack(world: World, event: SwapLeg, stamp: Stamp) -> None:
    row = world.need(PACKS, event.pack_id)
    # A driver used what was inside: after a return only a fresh reading says what is left.
    kept = row.soc_bp if isinstance(event, PackSwappedOut) else None
    row = replace(
        row,
        account=event.to_account,
        soc_bp=kept if event.soc_bp is None else event.soc_bp,
        energy_wh=event.stored_wh,
        allocated_to="",
        moved_at=stamp.occurred_at,
    )
    world.put(PACKS, event.pack_id, row)


def postings(event: CustodyEvent) -> tuple[Posting, ...]:
    """Move the pack, and the energy inside it between the pack and the driver."""
    match event:
        case PackReturned():
            debit, credit = energy_account(event.pack_id), driver_energy(event.driver_id)
            return _lines(event, debit, credit)
        case PackSwappedOut():
            debit, credit = driver_energy(event.driver_id), energy_account(event.pack_id)
            return _lines(event, debit, credit)
        case PackEntitlementSet():
            return ()
        case _ as unknown:
            assert_never(unknown)


def _lines(event: SwapLeg, debit: str, credit: str) -> tuple[Posting, ...]:
    return (
        *move_pack(event.pack_id, debit=event.to_account, credit=event.from_account),
        *pair(WH, event.stored_wh, debit=debit, credit=credit),
    )
