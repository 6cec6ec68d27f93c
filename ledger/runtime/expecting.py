"""What the ledger expects to be counted at an outlet, for the sheet of a shift."""

from ledger.domain.custody import PACKS, Pack, is_stopped
from ledger.domain.eligibility import eligible
from ledger.domain.shifts import Counted
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.transitions import staged_account
from ledger.kernel.errors import NotFound
from ledger.runtime.reads import Reads


def expected_at(reads: Reads, station_id: str, at: int) -> Counted:
    """Count what the books have at a station at a time (us): packs, and nothing they do not know.

    A pack of another operator is foreign; one that a stop keeps in is broken; one that can be
    handed out is ready; all others are charged or wait for it.
    """
    station = reads.row(STATIONS, station_id)
    if station is None:
        raise NotFound(f"there is no station {station_id[:40]}")
    counts = {"ready": 0, "charging": 0, "broken": 0, "foreign": 0}
    for pack in packs_at(reads, station_id):
        if pack.bailor_id:
            counts["foreign"] += 1
        elif is_stopped(pack, "no_swap_out", at):
            counts["broken"] += 1
        else:
            own, booking_id = pack.pack_class, pack.allocated_to
            unfit = eligible(pack, station, pack_class=own, at=at, booking_id=booking_id)
            counts["charging" if unfit else "ready"] += 1
    return Counted(**counts)


def packs_at(reads: Reads, station_id: str) -> list[Pack]:
    """List the packs at a station, those in its slots first."""
    docked = (slot.pack_id for _, slot in reads.rows(SLOTS, listed=station_id))
    packs = [pack for name in docked if name and (pack := reads.row(PACKS, name)) is not None]
    return packs + [pack for _, pack in reads.rows(PACKS, listed=staged_account(station_id))]
