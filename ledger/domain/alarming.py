"""Alarms: what a station's warning does at once to the pack and the slots around it."""

from collections.abc import Iterator

from ledger.domain.custody import PACKS
from ledger.domain.holds import HOLD_RULES, HoldPlaced
from ledger.domain.reported import AlarmReported
from ledger.domain.stations import SLOTS, SlotBlocked
from ledger.domain.world import Key, World, key_of, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Draft

ALARMS: dict[str, str] = {
    "temperature": "THERMAL_ALARM",
    "gas": "THERMAL_ALARM",
    "smoke": "THERMAL_ALARM",
    "temperature_rise": "THERMAL_ALARM",
    "insulation": "ELECTRICAL_FAULT",
    "cell_voltage": "ELECTRICAL_FAULT",
    "contactor": "ELECTRICAL_FAULT",
}
"""Alarms by name, and the reason of the hold that each places (custody handbook 5)."""

SEVERITY_MAX = 3


def around(slot: str) -> tuple[str, ...]:
    """Name a slot and its neighbours; a fire does not keep to one.

    >>> around("4")
    ('4', '3', '5')
    """
    if not slot.isdecimal():
        return ()
    number = int(slot)
    return (slot, *(str(each) for each in (number - 1, number + 1) if each >= 0))


def alarm_rows(world: World, station_id: str, slot: str, pack_id: str) -> list[Key]:
    """Name the slots around an alarm, and the pack in the slot."""
    keys = [touch(SLOTS, station_id, each) for each in around(slot)]
    if slot and world.is_loaded(SLOTS, key_of(station_id, slot)):
        row = world.get(SLOTS, key_of(station_id, slot))
        pack_id = pack_id or ("" if row is None else row.pack_id)
    return [*keys, touch(PACKS, pack_id)] if pack_id else keys


def alarm_drafts(world: World, alarm: AlarmReported, at: int) -> Iterator[Draft]:
    """Stop the pack, and after a thermal alarm block its slot and the slots beside it.

    A booking that the pack is pinned to follows by itself; custody stays.
    """
    reason = ALARMS[alarm.alarm]
    row = world.get(SLOTS, key_of(alarm.station_id, alarm.slot)) if alarm.slot else None
    pack_id = alarm.pack_id or ("" if row is None else row.pack_id)
    pack = world.get(PACKS, pack_id) if pack_id else None
    if pack is not None and all(hold.reason != reason for hold in pack.holds):
        hold = HoldPlaced(
            hold_id=derived_id("HD", pack.pack_id, reason, str(at)),
            pack_id=pack.pack_id,
            reason=reason,
            severity=alarm.severity,
            scopes=HOLD_RULES[reason].scopes,
            placed_by=alarm.station_id,
        )
        yield Draft(hold, occurred_at=at, after=(0,))
    if reason == "THERMAL_ALARM":
        for each in around(alarm.slot):
            near = world.get(SLOTS, key_of(alarm.station_id, each))
            if near is not None and not near.blocked:
                blocked = SlotBlocked(station_id=alarm.station_id, slot=each, reason=reason)
                yield Draft(blocked, occurred_at=at, after=(0,))
