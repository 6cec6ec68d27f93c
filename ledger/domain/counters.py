"""Counters: what a pack's management system has counted over its life (operations handbook 1.2).

Charge, minutes at temperatures, deep discharges and overcharges are counted by the pack itself and
by nobody else. A reading tells what was read and leaves out the rest; a count never goes back,
but begins anew with another management system.
"""

from typing import ClassVar

import msgspec
from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Counts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one management system has counted since it was new; None where it was never read.

    Charge is what went in and out together, in mAh. Minutes are those above and below the range
    of temperatures that the class allows, of them those while it was charged.
    """

    charge_mah: int | None = None
    hot_min: int | None = None
    cold_min: int | None = None
    hot_charging_min: int | None = None
    cold_charging_min: int | None = None
    deep_discharges: int | None = None
    overcharges: int | None = None

    def told(self) -> dict[str, int]:
        """Give what was read, by name."""
        return {name: count for name, count in asdict(self).items() if count is not None}


class PackCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest counts of a pack, by the serial of the management system that counted."""

    pack_id: str
    counts: dict[str, Counts] = {}


PACK_COUNTERS = Shelf("pack_counters", PackCounters)
SHELVES = (PACK_COUNTERS,)
FOLDS: tuple[type[Event], ...] = ()

SYSTEMS_MAX = 16
"""Management systems that one pack can have had."""

# Commands ---------------------------------------------------------------------


class RecordCounters(Command):
    """Somebody read the counters of the management system with this serial."""

    roles: ClassVar[frozenset[str]] = frozenset(
        {"engineer", "workshop", "station", "operator", "system", "importer"}
    )

    pack_id: str
    serial: str
    counts: Counts
    occurred_at: int = 0


CountersCommand = RecordCounters

# Events -----------------------------------------------------------------------


class CountersRecorded(Event):
    """What the counters of a pack's management system said."""

    kind: ClassVar[str] = "counters_recorded"

    pack_id: str
    serial: str
    counts: Counts


CountersEvent = CountersRecorded

# touches ----------------------------------------------------------------------


def touches(command: CountersCommand) -> Keys:
    """Read the pack, and what was read before."""
    return touch(PACKS, command.pack_id), touch(PACK_COUNTERS, command.pack_id)


def follows(_world: World, _command: CountersCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: CountersCommand, _request: Request) -> Outcome:
    """Keep a reading that goes on; the same again changes nothing."""
    if world.get(PACKS, command.pack_id) is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    row = world.get(PACK_COUNTERS, command.pack_id) or PackCounters(command.pack_id)
    known = row.counts.get(command.serial, Counts()).told()
    told = command.counts.told()
    fresh = command.serial not in row.counts
    tests = (
        (not is_serial(command.serial) or not told, RefusalCode.PACK_FIELD_INVALID),
        (not all(0 <= count <= QUANTITY_MAX for count in told.values()), _RANGE),
        (fresh and len(row.counts) >= SYSTEMS_MAX, RefusalCode.PACK_FIELD_INVALID),
        (_goes_back(known, told), RefusalCode.COUNTER_BACKWARDS),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"pack": command.pack_id, "serial": command.serial[:40]})
    if known | told == known:
        return ()
    event = CountersRecorded(pack_id=command.pack_id, serial=command.serial, counts=command.counts)
    return (Draft(event, occurred_at=command.occurred_at),)


SERIAL_MAX = 50


def is_serial(text: str) -> bool:
    """Tell whether a text can be the serial of a management system, as stations report it."""
    return 0 < len(text) <= SERIAL_MAX and text.isprintable()


_RANGE = RefusalCode.PACK_FIELD_INVALID


def _goes_back(known: dict[str, int], told: dict[str, int]) -> bool:
    return any(count < known.get(name, 0) for name, count in told.items())


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CountersEvent, _stamp: Stamp) -> None:
    """Keep what was read last of each counter."""
    row = world.get(PACK_COUNTERS, event.pack_id) or PackCounters(event.pack_id)
    known = row.counts.get(event.serial, Counts())
    read = replace(known, **event.counts.told())
    world.put(PACK_COUNTERS, event.pack_id, replace(row, counts=row.counts | {event.serial: read}))


def postings(_event: CountersEvent) -> tuple[Posting, ...]:
    """A reading moves nothing."""
    return ()
