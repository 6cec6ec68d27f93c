"""Eligibility: whether a pack may be handed out, as a list of the terms that fail."""

from ledger.domain.custody import SOH_MAX_AGE_US, Pack, is_stopped
from ledger.domain.stations import Station
from ledger.domain.transitions import Family, place_of
from ledger.kernel.refusal import RefusalCode


def eligible(
    pack: Pack,
    station: Station,
    *,
    pack_class: str,
    at: int,
    booking_id: str = "",
    soh_max_age_us: int = SOH_MAX_AGE_US,
) -> tuple[RefusalCode, ...]:
    """List what keeps a pack from being handed out at a station, in the order of testing.

    Empty means eligible (custody handbook 5). `booking_id` is the booking it is wanted for, empty
    for a driver who comes without one.
    """
    family, ids = place_of(pack.account)
    in_place = family in {Family.SLT, Family.STG}
    assessed = pack.soh_assessed_at
    tests = (
        (not in_place, RefusalCode.WRONG_STATE),
        (in_place and ids[0] != station.station_id, RefusalCode.WRONG_PLACE),
        (is_stopped(pack, "no_swap_out", at), RefusalCode.HOLD_BLOCKS),
        (not pack.commissioned or pack.retired, RefusalCode.NOT_COMMISSIONED),
        (pack.pack_class != pack_class, RefusalCode.CLASS_MISMATCH),
        ((pack.soc_bp or 0) < station.target_soc_bp, RefusalCode.SOC_BELOW_TARGET),
        (pack.soh_bp < pack.min_soh_bp, RefusalCode.SOH_BELOW_CLASS),
        (at - assessed > soh_max_age_us, RefusalCode.SOH_STALE),
        (pack.allocated_to not in ("", booking_id), RefusalCode.ALLOCATED_ELSEWHERE),
    )
    return tuple(code for failed, code in tests if failed)
