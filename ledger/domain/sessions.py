"""Charging sessions as rows: what is known of one while it runs, and after it ended.

A reboot of a station cuts sessions; the next one goes on from the last registers of the one before,
so a chain is bounded by its first begin and its last end, and nothing is lost or counted twice.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from ledger.domain.money.rating_facts import Interval, fitting
from ledger.domain.proofs import Proof
from ledger.domain.transitions import slot_account
from ledger.domain.world import Shelf

REGISTERS_MAX = 1_000
"""Readings that are kept of one session: every quarter of an hour for ten days."""


class ChargingSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """One charging session; `stage` is ``OPEN``, ``ENDED`` or ``QUARANTINED``.

    The registers are those at its begin, in Wh, and the last ones reported (at a time, us, with a
    state of charge); None where the source has none. `proof` is what was signed of it,
    `ended_position` where the log says its end. `resumed_by` is the session that goes on from it.
    `registers` are the readings between begin and end of a driver's session (us, Wh drawn), for
    they say when it drew what, and so at which price.
    """

    session_id: str
    pack_id: str
    station_id: str
    slot: str
    meter_id: str
    started_at: int
    driver_id: str = ""
    stage: str = "OPEN"
    import_begin_wh: int = 0
    export_begin_wh: int = 0
    soc_begin_bp: int | None = None
    proof: Proof | None = None
    last_import_wh: int | None = None
    last_export_wh: int = 0
    last_soc_bp: int | None = None
    last_at: int = 0
    ended_at: int = 0
    ended_position: int = 0
    resumed_by: str = ""
    pack_class: str = ""
    clock_quality: str = "S"
    clock_uncertainty_us: int = 0
    registers: tuple[tuple[int, int], ...] = ()

    def read_at(self, at: int, import_wh: int) -> tuple[tuple[int, int], ...]:
        """Give its readings with one more; the last of one instant counts."""
        if not self.driver_id:
            return ()
        known = self.registers
        if known and known[-1][0] == at:
            return (*known[:-1], (at, import_wh))
        return (*known, (at, import_wh)) if len(known) < REGISTERS_MAX else known

    def intervals(self, ended_at: int, import_wh: int | None) -> tuple[Interval, ...]:
        """Divide what it drew until a register at its end over the times between its readings.

        None where nothing was read meanwhile, or no register tells the end.
        """
        inside = [one for one in self.registers if self.started_at < one[0] < ended_at]
        if import_wh is None or not inside:
            return ()
        points = ((self.started_at, self.import_begin_wh), *inside, (ended_at, import_wh))
        return tuple(
            Interval(begin, end, now - before) for (begin, before), (end, now) in pairwise(points)
        )

    def intervals_of(self, energy_wh: int) -> tuple[Interval, ...]:
        """Give the intervals of an ended session where they sum to its energy (Wh), else none."""
        return fitting(self.intervals(self.ended_at, self.last_import_wh), energy_wh)

    def goes_on_with(self, pack_id: str, account: str) -> bool:
        """Tell whether a session of a pack at an account may go on from this one."""
        here = slot_account(self.station_id, self.slot) == account
        return here and self.pack_id == pack_id and not self.resumed_by and self.is_metered

    @property
    def is_metered(self) -> bool:
        """Tell whether registers of it are known."""
        return self.last_import_wh is not None


SESSIONS = Shelf("charging_sessions", ChargingSession, listed_by=lambda row: row.station_id)

STAGES: dict[tuple[str, str], str] = {
    ("", "charge_session_started"): "OPEN",
    ("OPEN", "charge_session_checkpoint"): "OPEN",
    ("OPEN", "charge_session_ended"): "ENDED",
    ("", "observation_quarantined"): "QUARANTINED",
}
"""The life of a session: (stage, event) to the next stage; "" is before it."""

END_REASONS = frozenset(
    {"EVDisconnected", "EnergyLimitReached", "EmergencyStop", "PowerLoss", "Reboot"}
)
"""Why energy stopped."""

SUBSTITUTES = frozenset({"last_good", "state_of_charge", "same_hours", "statement"})
"""How energy was estimated that no register tells: the last good reading, two readings of the state
of charge, sessions like it, what a person states."""


class Substitute(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Energy in Wh that was estimated, and by which of `SUBSTITUTES`."""

    in_wh: int
    method: str
    out_wh: int = 0


class Moved(NamedTuple):
    """What a session moved in Wh, and the registers that say so, None for an estimate."""

    in_wh: int
    out_wh: int
    import_wh: int | None
    export_wh: int | None


def shared(source: msgspec.Struct, target: type[msgspec.Struct]) -> dict[str, Any]:
    """Give the fields that one and the other have by the same name."""
    names = set(source.__struct_fields__).intersection(target.__struct_fields__)
    return {name: getattr(source, name) for name in names}
