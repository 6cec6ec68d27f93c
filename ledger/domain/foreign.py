"""Foreign packs: packs of another operator that come into our slots, and go back to him.

They are in our care, never in our stock: custody comes from his bailment account and ends
there, and title never moves (rows X2 and X3 of the custody table). From the first moment a hold
keeps them from being handed out.
"""

from typing import ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.carrying import PackMoved, carry, lines_of, stand_at
from ledger.domain.classes import all_classes, know_class
from ledger.domain.custody import PACKS, Pack
from ledger.domain.holds import HoldCleared, stopped
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import faults_at, rows_at
from ledger.domain.transitions import (
    Family,
    account_of,
    find_row,
    place_of,
    row_faults,
    slot_account,
    staged_account,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

FOREIGN_OWNER = "FOREIGN_OWNER"

# Commands ---------------------------------------------------------------------


class TakeForeignPack(Command):
    """A station took a registered pack of another operator in; `slot` empty for its floor."""

    roles: ClassVar[frozenset[str]] = frozenset({"station"})

    pack_id: str
    bailor_id: str
    station_id: str
    slot: str
    pack_class: str
    nominal_wh: int
    soh_bp: int
    level: int = 3
    soc_bp: int | None = None
    occurred_at: int = 0


class HandBackForeignPack(Command):
    """Its operator has it again; staff and a person of its operator answer for it."""

    roles: ClassVar[frozenset[str]] = frozenset({"operator"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    level: int = 2
    reason: str = ""
    occurred_at: int = 0


ForeignCommand = TakeForeignPack | HandBackForeignPack

# Events -----------------------------------------------------------------------


class ForeignPackTaken(PackMoved, kw_only=True):
    """A pack of another operator is in our care (row X2)."""

    kind: ClassVar[str] = "foreign_pack_taken"

    bailor_id: str
    nominal_wh: int
    soh_bp: int


class ForeignPackHandedBack(PackMoved):
    """It left our care (row X3)."""

    kind: ClassVar[str] = "foreign_pack_handed_back"


ForeignEvent = ForeignPackTaken | ForeignPackHandedBack

# touches ----------------------------------------------------------------------


def touches(command: ForeignCommand) -> Keys:
    """Read the pack, and for a new one its operator and where it stands."""
    pack = touch(PACKS, command.pack_id)
    match command:
        case TakeForeignPack():
            bailor = touch(PARTIES, command.bailor_id)
            return pack, bailor, all_classes(), *rows_at(_target(command), command.pack_class)
        case HandBackForeignPack():
            return (pack,)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: ForeignCommand) -> Keys:
    """Read what stands where the pack is."""
    pack = world.get(PACKS, command.pack_id)
    return () if pack is None else rows_at(pack.account, pack.pack_class)


def _target(command: TakeForeignPack) -> str:
    if command.slot:
        return slot_account(command.station_id, command.slot)
    return staged_account(command.station_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: ForeignCommand, request: Request) -> Outcome:
    """Take a foreign pack into our care under a hold; give it back to its operator alone."""
    match command:
        case TakeForeignPack():
            return _take(world, command, request)
        case HandBackForeignPack():
            return _hand_back(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _take(world: World, command: TakeForeignPack, request: Request) -> Outcome:
    pack = world.get(PACKS, command.pack_id)
    source = account_of(Family.BAI, command.bailor_id)
    valid = all(map(is_id, (command.pack_id, command.bailor_id, command.pack_class)))
    valid = valid and command.nominal_wh > 0 and 0 <= command.soh_bp <= BP_FULL
    faults = party_faults(world, command.bailor_id, "operator")
    if pack is not None and pack.account != source:
        faults.append(RefusalCode.IDENTIFIER_TAKEN)
    if not (valid and (command.soc_bp is None or 0 <= command.soc_bp <= BP_FULL)):
        faults.append(RefusalCode.PACK_FIELD_INVALID)
        return refused(faults, {"pack": command.pack_id[:40], "bailor": command.bailor_id[:40]})
    row = find_row(source, ForeignPackTaken.kind, "" if command.slot else "staged")
    assert not isinstance(row, RefusalCode), "the table has both rows X2"
    faults += row_faults(row, request.actor, command.level, proven=True)
    faults += faults_at(world, _target(command), command.pack_class)
    if faults:
        return refused(faults, {"pack": command.pack_id, "bailor": command.bailor_id})
    taken = ForeignPackTaken(
        pack_id=command.pack_id,
        from_account=source,
        to_account=_target(command),
        pack_class=command.pack_class,
        level=command.level,
        place=row.place,
        soc_bp=command.soc_bp,
        bailor_id=command.bailor_id,
        nominal_wh=command.nominal_wh,
        soh_bp=command.soh_bp,
    )
    at = command.occurred_at
    seed = str(at or request.at)
    hold = stopped(command.pack_id, FOREIGN_OWNER, seed)
    return Draft(taken, occurred_at=at), Draft(hold, occurred_at=at, after=(0,))


def _hand_back(world: World, command: HandBackForeignPack, request: Request) -> Outcome:
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    facts: dict[str, str | int] = {"pack": pack.pack_id, "account": pack.account}
    row = find_row(pack.account, ForeignPackHandedBack.kind)
    if isinstance(row, RefusalCode):
        return Refusal(row, facts)
    if not pack.bailor_id:
        return Refusal(RefusalCode.WRONG_STATE, {**facts, "bailor": "ours"})
    faults = row_faults(row, request.actor, command.level, proven=pack.proven)
    if faults:
        return refused(faults, facts)
    back = ForeignPackHandedBack(
        pack_id=pack.pack_id,
        from_account=pack.account,
        to_account=account_of(Family.BAI, pack.bailor_id),
        pack_class=pack.pack_class,
        level=command.level,
        reason=command.reason,
        energy_wh=pack.energy_wh,
    )
    holds = [hold for hold in pack.holds if hold.reason == FOREIGN_OWNER]
    cleared = [
        HoldCleared(
            hold_id=hold.hold_id,
            pack_id=pack.pack_id,
            cleared_by=request.actor.id,
            second_person=request.actor.second_person,
            reason=back.kind,
        )
        for hold in holds
    ]
    at = command.occurred_at
    return (
        Draft(back, occurred_at=at),
        *(Draft(event, occurred_at=at, after=(0,)) for event in cleared),
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ForeignEvent, stamp: Stamp) -> None:
    """Keep the pack as one that is in our care for its operator, until he has it again."""
    match event:
        case ForeignPackTaken():
            pack = Pack(
                pack_id=event.pack_id,
                account=event.to_account,
                pack_class=event.pack_class,
                nominal_wh=event.nominal_wh,
                soh_bp=event.soh_bp,
                soc_bp=event.soc_bp,
                soh_assessed_at=stamp.occurred_at,
                moved_at=stamp.occurred_at,
                proven=place_of(event.to_account)[0] is Family.SLT,
                bailor_id=event.bailor_id,
            )
            world.put(PACKS, event.pack_id, pack)
            know_class(world, event.pack_class)
            stand_at(world, event.to_account, pack)
        case ForeignPackHandedBack():
            carry(world, event, stamp)
        case _ as unknown:
            assert_never(unknown)


def postings(event: ForeignEvent) -> tuple[Posting, ...]:
    """Move the pack between its bailment and its place with us; title stays with him."""
    return lines_of(event)
