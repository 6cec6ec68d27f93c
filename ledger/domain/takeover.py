"""Opening stock: packs that already exist come into the books (row X1 of the custody table)."""

from typing import ClassVar

from msgspec.structs import asdict

from ledger.domain.access import refused
from ledger.domain.carrying import TITLE_ISSUED, stand_at, title_account
from ledger.domain.classes import all_classes, class_faults, class_rules, know_class, least_soh
from ledger.domain.custody import PACKS, Pack
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import faults_at, rows_at
from ledger.domain.title_rows import title_row
from ledger.domain.transitions import (
    ACQUIRED,
    REVALUATION,
    STATES,
    TERMINAL,
    Family,
    driver_energy,
    energy_account,
    place_of,
    split_account,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, WH, Posting, move_pack, pair
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class TakeOverPack(Command):
    """A pack exists and is at `account`, in any state that is not the end of a life.

    `soh_bp` is its health baseline, `soc_bp` what was read at rest, if anything was. A `serial` is
    kept as it was read; `BindIdentifier` makes it findable. `book_value_minor` is what it is worth
    in the books, in the currency.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "importer"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    account: str
    pack_class: str
    nominal_wh: int
    soh_bp: int
    title_holder_id: str
    commissioned: bool = True
    min_soh_bp: int = 0
    soc_bp: int | None = None
    serial: str = ""
    book_value_minor: int = 0
    currency: str = ""
    occurred_at: int = 0


TakeoverCommand = TakeOverPack

# Events -----------------------------------------------------------------------


class PackTakenOver(Event):
    """A pack of the existing fleet is in the books, with its title; `energy_wh` was inside it."""

    kind: ClassVar[str] = "pack_taken_over"

    pack_id: str
    account: str
    pack_class: str
    nominal_wh: int
    soh_bp: int
    title_holder_id: str
    commissioned: bool = False
    min_soh_bp: int = 0
    soc_bp: int | None = None
    energy_wh: int = 0
    serial: str = ""
    book_value_minor: int = 0
    currency: str = ""


TakeoverEvent = PackTakenOver

# touches ----------------------------------------------------------------------


def touches(command: TakeoverCommand) -> Keys:
    """Read the pack, its title holder, and what stands at its account."""
    return (
        touch(PACKS, command.pack_id),
        touch(PARTIES, command.title_holder_id),
        all_classes(),
        title_row(command.pack_id),
        class_rules(command.pack_class),
        *rows_at(command.account, command.pack_class),
    )


def follows(_world: World, _command: TakeoverCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: TakeoverCommand, _request: Request) -> Outcome:
    """Take a pack over once, at a place that can hold it."""
    place = split_account(command.account)
    faults = party_faults(world, command.title_holder_id, "title_holder")
    if world.get(PACKS, command.pack_id) is not None:
        faults.append(RefusalCode.IDENTIFIER_TAKEN)
    if place is not None:
        faults += faults_at(world, command.account, command.pack_class)
    faults += class_faults(world, command.pack_class, command.nominal_wh)
    if not (_is_valid(command) and place is not None and _can_open_at(place[0])):
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"pack": command.pack_id[:40], "account": command.account[:130]})
    energy_wh = 0
    if command.soc_bp is not None:
        energy_wh = stored_wh(command.nominal_wh, command.soc_bp, command.soh_bp)
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    fields["min_soh_bp"] = least_soh(world, command.pack_class, command.min_soh_bp)
    return (Draft(PackTakenOver(**fields, energy_wh=energy_wh), occurred_at=occurred_at),)


def _can_open_at(family: Family) -> bool:
    return family not in (Family.ACQ, Family.BAI) and STATES[family] not in TERMINAL


def _is_valid(command: TakeOverPack) -> bool:
    return (
        is_id(command.pack_id)
        and is_id(command.pack_class)
        and command.nominal_wh > 0
        and 0 <= command.soh_bp <= BP_FULL
        and 0 <= command.min_soh_bp <= BP_FULL
        and (command.soc_bp is None or 0 <= command.soc_bp <= BP_FULL)
        and 0 <= command.book_value_minor <= QUANTITY_MAX
        and (command.currency in EXPONENTS if command.book_value_minor else not command.currency)
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: TakeoverEvent, stamp: Stamp) -> None:
    """Put the pack on its account; a fleet that was in use before counts as proven."""
    pack = Pack(
        pack_id=event.pack_id,
        account=event.account,
        pack_class=event.pack_class,
        nominal_wh=event.nominal_wh,
        soh_bp=event.soh_bp,
        commissioned=event.commissioned,
        soc_bp=event.soc_bp,
        energy_wh=event.energy_wh,
        min_soh_bp=event.min_soh_bp,
        soh_assessed_at=stamp.occurred_at,
        moved_at=stamp.occurred_at,
        title_holder_id=event.title_holder_id,
        verified=True,
        proven=True,
    )
    world.put(PACKS, event.pack_id, pack)
    know_class(world, event.pack_class)
    stand_at(world, event.account, pack)


def postings(event: TakeoverEvent) -> tuple[Posting, ...]:
    """Open the pack's custody, its title, and the energy found inside it."""
    family, ids = place_of(event.account)
    inside = driver_energy(ids[0]) if family is Family.DRV else energy_account(event.pack_id)
    return (
        *move_pack(event.pack_id, debit=event.account, credit=ACQUIRED),
        *move_pack(event.pack_id, debit=title_account(event.title_holder_id), credit=TITLE_ISSUED),
        *pair(WH, event.energy_wh, debit=inside, credit=REVALUATION),
    )
