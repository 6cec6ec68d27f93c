"""Energy inside packs: setting the books to what a reading at rest says."""

from typing import ClassVar

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.transitions import STANDING_LOSSES, TERMINAL, energy_account, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import WH, Posting, pair
from ledger.kernel.quantities import BP_FULL, stored_wh
from ledger.kernel.refusal import RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_ABROAD = TERMINAL | {"ORDERED", "INBOUND", "WITH_DRIVER", "MISSING"}
"""States in which a pack is not in our hands, and so nobody of ours can read it."""

# Commands ---------------------------------------------------------------------


class TrueUpEnergy(Command):
    """The state of charge of a pack in our custody was read at rest."""

    roles: ClassVar[frozenset[str]] = frozenset({"station", "operator", "engineer", "workshop"})

    pack_id: str
    soc_bp: int
    occurred_at: int = 0


EnergyCommand = TrueUpEnergy

# Events -----------------------------------------------------------------------


class EnergyTrueUp(Event):
    """What is inside a pack by a reading: the change of the books in Wh, normally a small loss."""

    kind: ClassVar[str] = "energy_true_up"

    pack_id: str
    soc_bp: int
    delta_wh: int = 0


EnergyEvent = EnergyTrueUp

# touches ----------------------------------------------------------------------


def touches(command: EnergyCommand) -> Keys:
    """Read the pack."""
    return (touch(PACKS, command.pack_id),)


def follows(_world: World, _command: EnergyCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: EnergyCommand, _request: Request) -> Outcome:
    """Set the books right where the reading says something new."""
    facts: dict[str, str | int] = {"pack": command.pack_id[:40], "soc_bp": command.soc_bp}
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return refused([RefusalCode.UNKNOWN_PACK], facts)
    tests = (
        (state_of(pack.account) in _ABROAD, RefusalCode.WRONG_STATE),
        (not 0 <= command.soc_bp <= BP_FULL, RefusalCode.PACK_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, facts)
    event = true_up(pack, command.soc_bp)
    if event.delta_wh == 0 and pack.soc_bp == command.soc_bp:
        return ()
    return (Draft(event, occurred_at=command.occurred_at),)


def true_up(pack: Pack, soc_bp: int, soh_bp: int | None = None) -> EnergyTrueUp:
    """Make the event that sets the energy of a pack to a reading; other areas use it too."""
    inside = stored_wh(pack.nominal_wh, soc_bp, pack.soh_bp if soh_bp is None else soh_bp)
    return EnergyTrueUp(pack_id=pack.pack_id, soc_bp=soc_bp, delta_wh=inside - pack.energy_wh)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: EnergyEvent, _stamp: Stamp) -> None:
    """Keep the reading, and the balance of the pack's energy account."""
    pack = world.need(PACKS, event.pack_id)
    pack = replace(pack, soc_bp=event.soc_bp, energy_wh=pack.energy_wh + event.delta_wh)
    world.put(PACKS, event.pack_id, pack)


def postings(event: EnergyEvent) -> tuple[Posting, ...]:
    """Move the difference between the pack and what was lost standing."""
    return pair(WH, event.delta_wh, debit=energy_account(event.pack_id), credit=STANDING_LOSSES)
