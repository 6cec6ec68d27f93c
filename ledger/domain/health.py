"""Health: what a pack can still hold, what that makes of the energy in it, and its retirement."""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.transitions import REVALUATION, TERMINAL, energy_account, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import WH, Posting, pair
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

METHODS = frozenset({"bms-reported", "partial-charge", "full-capacity-test", "model"})

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class AssessSoh(Command):
    """A state of health was found, by one of `METHODS`, with its bounds where they are known.

    `capacity_mah` is the fact measured; it may lie above nominal, `soh_bp` is clipped to 10,000.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"engineer", "workshop", "station", "asset_manager", "system", "importer"}
    )

    pack_id: str
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    capacity_mah: int | None = None
    occurred_at: int = 0


class RetirePack(Command):
    """A pack serves no driver any more; where it goes is another move."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    reason: str
    residual_soh_bp: int = 0
    occurred_at: int = 0


HealthCommand = AssessSoh | RetirePack

# Events -----------------------------------------------------------------------


class SohAssessed(Event):
    """A pack's state of health from now on; `before_wh` and `after_wh` are what it holds by it.

    Both are absent while nothing is known to be in the pack: state of charge unknown, or with a
    driver, whose energy is counted at hand-out and return.
    """

    kind: ClassVar[str] = "soh_assessed"

    pack_id: str
    soh_bp: int
    method: str
    lower_bp: int | None = None
    upper_bp: int | None = None
    capacity_mah: int | None = None
    before_wh: int = 0
    after_wh: int = 0


class PackRetired(Event):
    """It serves no driver any more."""

    kind: ClassVar[str] = "pack_retired"

    pack_id: str
    reason: str
    residual_soh_bp: int = 0


HealthEvent = SohAssessed | PackRetired

# touches ----------------------------------------------------------------------


def touches(command: HealthCommand) -> Keys:
    """Read the pack."""
    return (touch(PACKS, command.pack_id),)


def follows(_world: World, _command: HealthCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: HealthCommand, _request: Request) -> Outcome:
    """Take an assessment of a living pack as it is; retire a pack once."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    state = state_of(pack.account)
    faults = [RefusalCode.PACK_ENDED] if state in TERMINAL else []
    match command:
        case AssessSoh():
            return _assess(pack, command, faults)
        case RetirePack():
            return _retire(pack, command, faults)
        case _ as unknown:
            assert_never(unknown)


def _assess(pack: Pack, command: AssessSoh, faults: list[RefusalCode]) -> Outcome:
    if not _is_valid(command):
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"pack": pack.pack_id, "method": command.method[:40]})
    before_wh = after_wh = 0
    if pack.soc_bp is not None and state_of(pack.account) != "WITH_DRIVER":
        before_wh = stored_wh(pack.nominal_wh, pack.soc_bp, pack.soh_bp)
        after_wh = stored_wh(pack.nominal_wh, pack.soc_bp, command.soh_bp)
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    event = SohAssessed(**fields, before_wh=before_wh, after_wh=after_wh)
    return (Draft(event, occurred_at=occurred_at),)


def _is_valid(command: AssessSoh) -> bool:
    lower = command.soh_bp if command.lower_bp is None else command.lower_bp
    upper = command.soh_bp if command.upper_bp is None else command.upper_bp
    return (
        command.method in METHODS
        and 0 <= lower <= command.soh_bp <= upper <= BP_FULL
        and (command.capacity_mah is None or command.capacity_mah >= 0)
    )


def _retire(pack: Pack, command: RetirePack, faults: list[RefusalCode]) -> Outcome:
    if not pack.commissioned:
        faults.append(RefusalCode.NOT_COMMISSIONED)
    if faults:
        return refused(faults, {"pack": pack.pack_id})
    if pack.retired:
        return ()
    event = PackRetired(
        pack_id=pack.pack_id, reason=command.reason, residual_soh_bp=command.residual_soh_bp
    )
    return (Draft(event, occurred_at=command.occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HealthEvent, stamp: Stamp) -> None:
    """Keep the newest assessment, what it makes of the energy inside, and the end of service."""
    pack = world.need(PACKS, event.pack_id)
    match event:
        case SohAssessed():
            row = replace(
                pack,
                soh_bp=event.soh_bp,
                soh_assessed_at=stamp.occurred_at,
                energy_wh=pack.energy_wh + event.after_wh - event.before_wh,
            )
            world.put(PACKS, event.pack_id, row)
        case PackRetired():
            world.put(PACKS, event.pack_id, replace(pack, retired=True))
        case _ as unknown:
            assert_never(unknown)


def postings(event: HealthEvent) -> tuple[Posting, ...]:
    """Revalue the energy in the pack."""
    if isinstance(event, PackRetired):
        return ()
    change_wh = event.after_wh - event.before_wh
    return pair(WH, change_wh, debit=energy_account(event.pack_id), credit=REVALUATION)
