"""Neighbours: what a slot said of itself gives a time to a swap report that has none.

A station without our profile sends its swaps without a time, but the state of its slots and its
charging transactions with one. The report of a swap takes the time of the one beside it, where
that came first and lies within two minutes of the arrival; else it has no time of its own.
"""

import msgspec

from ledger.domain.report_fields import StationReport
from ledger.domain.reported import ChargingReported, SlotStateReported
from ledger.domain.sources import Moment
from ledger.domain.world import Key, Shelf, World, key_of, touch
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import ClockReading

# State ------------------------------------------------------------------------

BESIDE_US = 2 * MINUTE
"""Policy: what a slot said is of the same swap so long before (or after) the report arrived."""

CAME, WENT = "came", "went"


class SlotTime(msgspec.Struct, frozen=True, omit_defaults=True):
    """When something came into a slot, or left it, by the slot's own report (us)."""

    at: int
    uncertainty_us: int = 0


SLOT_TIMES = Shelf("slot_times", SlotTime)  # key: station_id, slot, CAME or WENT

_WAYS = {"swap_in": CAME, "swap_out": WENT}


def neighbour_rows(command: StationReport) -> tuple[Key, ...]:
    """Name the times that a report needs or may move on, for `touches`."""
    if not command.slot:
        return ()
    if command.kind in _WAYS and not command.observed.clock.raw_at:
        return (touch(SLOT_TIMES, command.station_id, command.slot, _WAYS[command.kind]),)
    if command.kind in ("slot_state", "charging"):
        ways = (CAME, WENT)
        return tuple(touch(SLOT_TIMES, command.station_id, command.slot, way) for way in ways)
    return ()


def moment_beside(world: World, command: StationReport, moment: Moment) -> Moment:
    """Give a report of a swap without a time that of its neighbour; all others keep theirs."""
    way = _WAYS.get(command.kind)
    if way is None or not command.slot or command.observed.clock.raw_at:
        return moment
    found = world.get(SLOT_TIMES, key_of(command.station_id, command.slot, way))
    if found is None or abs(command.observed.received_at - found.at) > BESIDE_US:
        return moment
    return Moment(found.at, ClockReading("I", uncertainty_us=found.uncertainty_us))


def hear(world: World, event: SlotStateReported | ChargingReported, at: int) -> None:
    """Keep when a slot said that something came or went; older news change nothing."""
    way = _told_way(event)
    if not way or event.clock_quality == "U":
        return
    key = key_of(event.station_id, event.slot, way)
    known = world.get(SLOT_TIMES, key)
    if known is None or known.at < at:
        world.put(SLOT_TIMES, key, SlotTime(at, event.clock_uncertainty_us))


def _told_way(event: SlotStateReported | ChargingReported) -> str:
    if isinstance(event, SlotStateReported):
        return {"Occupied": CAME, "Available": WENT}.get(event.state, "")
    if event.phase == "Started":
        return CAME
    return WENT if event.has_departed else ""
