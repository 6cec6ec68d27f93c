"""What must follow a station's report at once, beside what the report itself derives."""

from ledger.domain.claims import booking_rows
from ledger.domain.custody import PACKS
from ledger.domain.reported import AlarmReported
from ledger.domain.reports import RecordObservation, source_of, tell
from ledger.domain.sources import SOURCES
from ledger.domain.stations import SLOTS
from ledger.domain.world import Key, World, key_of


def report_needs(world: World, command: RecordObservation) -> list[Key]:
    """Name the rows that follow-ups of a report read, of bookings that packs are pinned to."""
    if not world.is_loaded(SOURCES, source_of(command)):
        return []
    event = tell(world, command).event
    keys: list[Key] = []
    named = {getattr(event, "pack_id", ""), *(one.pack for one in getattr(event, "slots", ()))}
    if isinstance(event, AlarmReported) and event.slot:
        slot = world.get(SLOTS, key_of(event.station_id, event.slot))
        named |= set() if slot is None else {slot.pack_id}
    for pack_id in sorted(named - {""}):
        pack = world.get(PACKS, pack_id) if world.is_loaded(PACKS, pack_id) else None
        if pack is not None and pack.allocated_to:
            keys += booking_rows(world, pack.allocated_to)
    return keys
