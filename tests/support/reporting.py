"""Reports of stations for tests: one line makes a message, and the town takes it in."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.bindings import BINDINGS, Binding
from ledger.domain.cases import CASES, Case
from ledger.domain.custody import PACKS, PackEntitlementSet
from ledger.domain.reports import RecordObservation
from ledger.domain.world import World, key_of
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.messages import Actor, ClockReading, Observed, Source
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, fold, put_pack, small_town

NOON = 500 * DAY + 12 * HOUR
STATION = Actor("ST-1", "station")
PREFIX = "Packs:Station"


def slot_of(station: str, slot: str) -> str:
    return f"Packs:Station:{station}:Slot:{slot}"


def report(
    kind: str, seq: int, at: int, *, station: str = "ST-1", boot: str = "B1", **fields: Any
) -> RecordObservation:
    """Make a report that a station's own clock, which is right, times `at` seconds after noon.

    It arrives a second later, or at `arrives` seconds after noon as one that was kept back.
    """
    arrives = fields.pop("arrives", None)
    received_at = NOON + (at + 1 if arrives is None else arrives) * SECOND
    clock = ClockReading("S", raw_at=NOON + at * SECOND)
    source = Source("OP-1", station, boot_id=boot, seq=seq, offline=arrives is not None)
    fields.setdefault("slot", "" if kind in ("snapshot", "boot", "scan") else "1")
    return RecordObservation(
        kind=kind, station_id=station, observed=Observed(received_at, source, clock), **fields
    )


def changed(one: RecordObservation, **fields: Any) -> RecordObservation:
    """Change what a report says about its source."""
    observed = one.observed
    own = {name: fields.pop(name) for name in ("boot_id", "seq", "message_id") if name in fields}
    source = replace(observed.source, **own)
    return replace(one, observed=replace(observed, source=source, **fields))


def report_town() -> World:
    """Build a town where DR-1 has PK-1 and DR-2 has PK-2, and PK-3 stands in slot 2 of ST-1."""
    world = small_town()
    put_pack(world, "Packs:Driver:DR-1", "PK-1")
    put_pack(world, "Packs:Driver:DR-2", "PK-2")
    put_pack(world, slot_of("ST-1", "2"), "PK-3", soc_bp=9_000, energy_wh=9_000)
    for number in (1, 2, 3):
        world.put(BINDINGS, key_of("BMS_SERIAL", f"S-{number}"), Binding(f"PK-{number}", 1))
    for driver in ("DR-1", "DR-2"):
        fold(world, PackEntitlementSet(driver_id=driver, pack_class="C1", count=1))
    return world


def take_in(world: World, one: RecordObservation) -> list[Any]:
    """Let a town take a report in; give the events it made."""
    return events(drafts(world, one))


def drafts(world: World, one: RecordObservation) -> tuple[Any, ...]:
    outcome = act(world, one, at=one.observed.received_at, actor=STATION)
    assert not isinstance(outcome, Refusal), outcome
    return outcome


def kinds(made: list[Any]) -> list[str]:
    """List what was made, but for what is said of the clock."""
    return [event.kind for event in made if event.kind != "clock_offset_estimated"]


def account(world: World, pack: str) -> str:
    return world.need(PACKS, pack).account


def open_cases(world: World) -> list[Case]:
    return [case for _, case in world.rows(CASES) if case.is_open]


def open_types(world: World) -> list[str]:
    return sorted(case.case_type for case in open_cases(world))
