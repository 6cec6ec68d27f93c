"""What stations report beside the legs of swaps: the shapes of these observations.

None of them moves anything by itself. `seen_in` says what each tells of packs at places; what
follows from that is derived (`remaking.py`).
"""

from typing import Any, ClassVar

import msgspec

from ledger.domain import sights, sources
from ledger.domain.legs import LegReported, leg_sight, station_place
from ledger.domain.observations import ABSENT, PRESENT, SCAN, Observation
from ledger.domain.pack_sights import OLDER_SIGHTS, PACK_SIGHTS
from ledger.domain.sights import SLOT_SIGHTS
from ledger.domain.sources import SOURCES, Sent
from ledger.domain.world import Shelf, Stamp, World
from ledger.kernel.messages import Event
from ledger.kernel.postings import Posting

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (SOURCES, PACK_SIGHTS, OLDER_SIGHTS, SLOT_SIGHTS)
FOLDS: tuple[type[Event], ...] = ()

SLOT_STATES = frozenset({"Occupied", "Available", "Unavailable"})
DEPARTED = "EVDeparted"
"""Trigger of a charging transaction that ends because nothing is in the slot any more."""
LOCKS = frozenset({"", "Open", "Locked", "Faulted"})


# Events -----------------------------------------------------------------------


class SlotSeen(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One slot in a snapshot; `pack` is who the serial names, empty for nobody known.

    `soc_bp` in hundredths of a percent, `temp_dc` in tenths of a degree Celsius.
    """

    slot: str
    state: str
    serial: str = ""
    pack: str = ""
    soc_bp: int | None = None
    temp_dc: int | None = None


class Measured(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One value of a charging report, as whole units of `unit`."""

    measurand: str
    quantity: int
    unit: str = ""


class Reported(Event, kw_only=True):
    """What all reports tell: the station, and where the report stands among those of its source."""

    station_id: str
    sent: Sent
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    level: int = 3


class SwapOutTimeoutReported(Reported):
    """A station gave up waiting for a driver to take a pack."""

    kind: ClassVar[str] = "swap_out_timeout_reported"

    request: str
    swap_id: str


class SlotStateReported(Reported):
    """A slot is occupied, available or unavailable, and what its lock says."""

    kind: ClassVar[str] = "slot_state_reported"

    slot: str
    state: str
    lock: str = ""


class SlotSnapshotRecorded(Reported):
    """All slots of a station at once."""

    kind: ClassVar[str] = "slot_snapshot_recorded"

    slots: tuple[SlotSeen, ...]


class ChargingReported(Reported):
    """Energy began, went on or stopped to flow in a slot, as the station's own transaction says."""

    kind: ClassVar[str] = "charging_reported"

    slot: str
    transaction: str
    phase: str
    trigger: str = ""
    values: tuple[Measured, ...] = ()
    signed_sha256: str = ""

    @property
    def has_departed(self) -> bool:
        """Tell whether the transaction ended because its pack is in the slot no more."""
        return (self.phase, self.trigger) == ("Ended", DEPARTED)


class AlarmReported(Reported):
    """Something is wrong with a pack or a slot; severity 1 to 3."""

    kind: ClassVar[str] = "alarm_reported"

    alarm: str
    severity: int
    slot: str = ""
    pack_id: str = ""
    reading: int = 0


class BootReported(Reported):
    """A station started anew: its count begins again."""

    kind: ClassVar[str] = "boot_reported"

    reason: str = ""
    firmware: str = ""


class PackSighted(Reported):
    """Somebody scanned a pack where a depot, workshop, carrier or partner has it."""

    kind: ClassVar[str] = "pack_sighted"

    pack_id: str
    account: str
    serial: str = ""
    verdict: str = ""


ReportedEvent = (
    SwapOutTimeoutReported
    | SlotStateReported
    | SlotSnapshotRecorded
    | ChargingReported
    | AlarmReported
    | BootReported
    | PackSighted
)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ReportedEvent, stamp: Stamp) -> None:
    """Keep that it came, and what it tells of packs."""
    sources.keep(world, event.sent)
    sights.keep(world, seen_in(event, stamp.occurred_at, stamp.position))


def postings(_event: ReportedEvent) -> tuple[Posting, ...]:
    """An observation moves nothing."""
    return ()


# What they tell -----------------------------------------------------------------


def seen_in(event: Event, at: int, position: int = -1) -> list[Observation]:
    """List what an observation event tells of packs at places; nothing for most of them."""
    match event:
        case LegReported():
            return [leg_sight(event, at, position)]
        case SlotSnapshotRecorded():
            return [
                _seen(event, (at, position), place=station_place(event.station_id, one.slot))
                if one.state == "Available"
                else _present(event, one, (at, position))
                for one in event.slots
                if one.state == "Available" or (one.state == "Occupied" and one.serial)
            ]
        case SlotStateReported(state="Available", slot=slot):
            place = station_place(event.station_id, slot)
            return [_seen(event, (at, position), place=place)]
        case ChargingReported(slot=slot) if event.has_departed:
            place = station_place(event.station_id, slot)
            return [_seen(event, (at, position), place=place)]
        case PackSighted():
            seen = _seen(event, (at, position), place=event.account)
            return [
                msgspec.structs.replace(
                    seen, kind=SCAN, pack_id=event.pack_id, verdict=event.verdict
                )
            ]
        case _:
            return []


def _present(event: SlotSnapshotRecorded, one: SlotSeen, stamp: tuple[int, int]) -> Observation:
    seen = _seen(event, stamp, place=station_place(event.station_id, one.slot))
    return msgspec.structs.replace(seen, kind=PRESENT, pack_id=one.pack, soc_bp=one.soc_bp)


def _seen(event: Reported, stamp: tuple[int, int], *, place: str) -> Observation:
    """Say that nobody is at a place; `stamp` is the corrected time and the position."""
    sent = event.sent
    return Observation(
        source=sent.source,
        boot=sent.boot,
        seq=sent.seq,
        kind=ABSENT,
        place=place,
        pack_id="",
        at=stamp[0],
        digest=sent.digest,
        level=event.level,
        uncertainty_us=event.clock_uncertainty_us,
        quality=event.clock_quality,
        received_at=sent.received_at,
        position=stamp[1],
    )
