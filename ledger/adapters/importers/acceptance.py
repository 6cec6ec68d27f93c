"""Acceptance: which rows of the networks can have happened, in the order in which they ended.

The rule of the ledger says the same about each row when it is reported; the importer needs to know
it beforehand, because a pack is taken over just before its first accepted stay. Both are compared
for every row. The rule in words, with examples: docs/algorithms/replay.md.
"""

from enum import StrEnum
from typing import NamedTuple

from ledger.adapters.importers.sessions import Stay
from ledger.kernel.instants import HOUR

ENERGY_LIMIT_WH = 150_000
POWER_LIMIT_W = 400_000


class Reason(StrEnum):
    """Why a row is quarantined, in the order of testing."""

    NO_STATION = "NO_STATION"
    OPEN = "OPEN"
    NO_ENERGY = "NO_ENERGY"
    NEGATIVE_ENERGY = "NEGATIVE_ENERGY"
    END_BEFORE_START = "END_BEFORE_START"
    ENERGY_OVER_LIMIT = "ENERGY_OVER_LIMIT"
    POWER_OVER_LIMIT = "POWER_OVER_LIMIT"
    SLOT_OVERLAP = "SLOT_OVERLAP"
    PACK_IN_TWO_PLACES = "PACK_IN_TWO_PLACES"


CONTRADICTIONS = frozenset({Reason.SLOT_OVERLAP, Reason.PACK_IN_TWO_PLACES})
"""Reasons that a person must settle: each opens a case."""


class Busy(NamedTuple):
    """The accepted stays of one slot or pack, as far as a later one can overlap them.

    `until` is the latest end, `instant` says that only stays of no length end there, `before` is
    the latest end before that.
    """

    until: int = 0
    instant: bool = False
    before: int = 0

    def overlaps(self, begin: int, end: int) -> bool:
        """Tell whether [begin, end) overlaps an accepted stay; none of them ends after `end`."""
        if self.until == end and self.instant:
            return self.before > begin
        return self.until > begin

    def with_stay(self, begin: int, end: int) -> "Busy":
        """Accept a stay that does not overlap, and ends no earlier than the others."""
        if end == self.until:
            return Busy(end, self.instant and begin == end, self.before)
        return Busy(end, begin == end, self.until)


FREE = Busy()

PackKey = tuple[str, ...]
"""What tells packs apart: network and driver; where none is known network, station and slot."""


class Verdict(NamedTuple):
    """What a row comes to: its slot, its pack, and why it is quarantined, if it is."""

    slot: str
    pack: PackKey
    reason: Reason | None


class Acceptance:
    """Judges rows in the order of replay; keeps one `Busy` for each slot and pack."""

    def __init__(self, stations: frozenset[tuple[str, str]]) -> None:
        """Know the stations that exist, as (network, station)."""
        self._stations = stations
        self._slots: dict[tuple[str, str, str], Busy] = {}
        self._packs: dict[PackKey, Busy] = {}

    def judge(self, stay: Stay) -> Verdict:
        """Judge the next row; rows must come by end (or begin), then begin."""
        network = stay.network.key
        reason = self._own_fault(stay)
        begin, end = stay.begin_at, stay.received_at
        slot = stay.slot or self._lowest_free(stay)
        pack = pack_key(stay, slot)
        if reason is None:
            place = (network, stay.station, slot)
            in_slot, in_pack = self._slots.get(place, FREE), self._packs.get(pack, FREE)
            if in_slot.overlaps(begin, end):
                reason = Reason.SLOT_OVERLAP
            elif in_pack.overlaps(begin, end):
                reason = Reason.PACK_IN_TWO_PLACES
            else:
                self._slots[place] = in_slot.with_stay(begin, end)
                self._packs[pack] = in_pack.with_stay(begin, end)
        return Verdict(slot, pack, reason)

    def _own_fault(self, stay: Stay) -> Reason | None:
        """Name what is wrong with a row by itself."""
        if (stay.network.key, stay.station) not in self._stations:
            return Reason.NO_STATION
        if stay.end_at is None:
            return Reason.OPEN
        if stay.energy_wh is None:
            return Reason.NO_ENERGY
        span = stay.end_at - stay.begin_at
        tests = (
            (stay.energy_wh < 0, Reason.NEGATIVE_ENERGY),
            (span < 0, Reason.END_BEFORE_START),
            (stay.energy_wh > ENERGY_LIMIT_WH, Reason.ENERGY_OVER_LIMIT),
            (span > 0 and _power_w(stay.energy_wh, span) > POWER_LIMIT_W, Reason.POWER_OVER_LIMIT),
        )
        return next((reason for failed, reason in tests if failed), None)

    def _lowest_free(self, stay: Stay) -> str:
        """Choose the lowest slot that no accepted stay overlaps; the first when all are taken."""
        for port in range(1, stay.network.ports + 1):
            busy = self._slots.get((stay.network.key, stay.station, str(port)), FREE)
            if not busy.overlaps(stay.begin_at, stay.received_at):
                return str(port)
        return "1"


def pack_key(stay: Stay, slot: str) -> PackKey:
    """Tell which pack a row is about."""
    if stay.driver:
        return stay.network.key, stay.driver
    return stay.network.key, stay.station, slot


def _power_w(energy_wh: int, span_us: int) -> int:
    """Mean power, rounded up: over the limit exactly when the true value is."""
    return -(-energy_wh * HOUR // span_us)
