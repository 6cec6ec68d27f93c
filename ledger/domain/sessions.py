"""Charging sessions as rows: what is known of one while it runs, and after it ended.

A reboot of a station cuts sessions; the next one goes on from the last registers of the one before,
so a chain is bounded by its first begin and its last end, and nothing is lost or counted twice.
"""

from typing import Any, NamedTuple

import msgspec

from ledger.domain.proofs import Proof
from ledger.domain.transitions import slot_account
from ledger.domain.world import Shelf


class ChargingSession(msgspec.Struct, frozen=True, omit_defaults=True):
    """One charging session; `stage` is ``OPEN``, ``ENDED`` or ``QUARANTINED``.

    The registers are those at its begin, in Wh, and the last ones reported (at a time, us, with a
    state of charge); None where the source has none. `proof` is what was signed of it,
    `ended_position` where the log says its end. `resumed_by` is the session that goes on from it.
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
