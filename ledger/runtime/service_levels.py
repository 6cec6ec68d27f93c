"""Service levels: how well what was agreed between us and a partner was kept, over a span.

From the entries of the log alone, so both sides count the same: swaps at his stations by how they
ended, statements by how they were answered, disputes by whether they were settled in time, payouts
that left and came back.
"""

from collections import Counter, defaultdict
from typing import Any

import msgspec

from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.domain.money.line_disputes import LineDisputeRaised
from ledger.domain.money.line_resolutions import LineDisputeClosed
from ledger.domain.money.payouts import PayoutConfirmedBank, PayoutConfirmedStripe, PayoutReturned
from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_answers import (
    StatementAccepted,
    StatementContested,
    StatementDeemedAccepted,
)
from ledger.domain.saga import SWAPS
from ledger.domain.stations import STATIONS
from ledger.domain.swap import (
    SwapClosedIncomplete,
    SwapCompleted,
    SwapExpired,
    SwapInTimedOut,
    SwapOutTimedOut,
)
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry, Reads

ALL_BP = 10_000

_SWAPS: dict[type[Event], str] = {
    SwapCompleted: "swaps_completed",
    SwapClosedIncomplete: "swaps_incomplete",
    SwapExpired: "swaps_expired",
    SwapInTimedOut: "waits_for_driver",
    SwapOutTimedOut: "waits_for_station",
}
_PARTNERS: dict[type[Event], str] = {
    StatementIssued: "statements_issued",
    StatementAccepted: "statements_accepted",
    StatementDeemedAccepted: "statements_deemed",
    StatementContested: "statements_contested",
    PayoutConfirmedBank: "payouts_left",
    PayoutConfirmedStripe: "payouts_left",
    PayoutReturned: "payouts_returned",
}
_COUNTED: tuple[type[Event], ...] = (*_SWAPS, *_PARTNERS, LineDisputeRaised, LineDisputeClosed)
_KINDS = tuple(one.kind for one in _COUNTED)


class ServiceLevel(msgspec.Struct, frozen=True):
    """A partner over a range of entries: counts, and `completed_bp` of the swaps that ended.

    A swap ends completed, incomplete or expired; `waits_for_driver` and `waits_for_station` count
    halves that came too late, whatever became of them. Of disputes `settled_late` are those closed
    after their day, `late` those that are open after it now.
    """

    partner_id: str
    completed_bp: int = 0
    swaps_completed: int = 0
    swaps_incomplete: int = 0
    swaps_expired: int = 0
    waits_for_driver: int = 0
    waits_for_station: int = 0
    statements_issued: int = 0
    statements_accepted: int = 0
    statements_deemed: int = 0
    statements_contested: int = 0
    disputes_raised: int = 0
    disputes_settled: int = 0
    disputes_settled_late: int = 0
    disputes_late: int = 0
    payouts_left: int = 0
    payouts_returned: int = 0


def service_levels(reads: Reads, first: int, end: int, now: int) -> list[ServiceLevel]:
    """Count by partner over the entries of [first, end), sorted by id; `now` (us) ages disputes."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in reads.entries(first, end, _KINDS):
        partner_id, name = _counted(reads, entry)
        if partner_id and name:
            counts[partner_id][name] += 1
        event = entry.event
        if isinstance(event, LineDisputeRaised) and event.line_hash:
            row = reads.row(LINE_DISPUTES, event.dispute_id)
            is_late = row is not None and row.is_open and event.due_at < now
            counts[event.party_id]["disputes_late"] += is_late
        if isinstance(event, LineDisputeClosed) and partner_id:
            row = reads.row(LINE_DISPUTES, event.dispute_id)
            is_late = row is not None and row.due_at < entry.envelope.recorded_at
            counts[partner_id]["disputes_settled_late"] += is_late
    return [_level(name, counts[name]) for name in sorted(counts)]


def _counted(reads: Reads, entry: Entry) -> tuple[str, str]:
    """Name whose entry it is and what of his it counts as; "" where it is nobody's."""
    event: Any = entry.event
    if type(event) in _PARTNERS:
        return event.partner_id, _PARTNERS[type(event)]
    if isinstance(event, LineDisputeRaised | LineDisputeClosed):
        row = reads.row(LINE_DISPUTES, event.dispute_id)
        is_partners = row is not None and bool(row.line_hash)
        raised = isinstance(event, LineDisputeRaised)
        name = "disputes_raised" if raised else "disputes_settled"
        return (event.party_id if is_partners else ""), name
    swap = reads.row(SWAPS, event.swap_id)
    station = reads.row(STATIONS, swap.station_id) if swap else None
    return (station.operator_id if station else ""), _SWAPS[type(event)]


def _level(partner_id: str, found: Counter[str]) -> ServiceLevel:
    completed = found["swaps_completed"]
    ended = completed + found["swaps_incomplete"] + found["swaps_expired"]
    share = completed * ALL_BP // ended if ended else 0
    return ServiceLevel(partner_id, share, **found)
