"""Invariant I9, checked over the log: no pack goes out under a stop without its case."""

from collections import defaultdict

from ledger.domain.cases import CaseOpened
from ledger.domain.custody import PackSwappedOut
from ledger.domain.holds import HoldCleared, HoldPlaced
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.reads import Entry, Reads

_STOPS = "no_swap_out"
_CASE = "HOLD_VIOLATION"


def check_holds_bind(reads: Reads) -> None:
    """Compare every hand-out of a pack that was ever stopped with the stops in force then.

    A leg that was made again by a later report has its case from the first time.

    Raises:
        ReplayDiffers: a pack went out while a stop was in force, and no case says so.
    """
    stopped: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in reads.entries(kinds=(HoldPlaced.kind, HoldCleared.kind)):
        event = entry.event
        assert isinstance(event, HoldPlaced | HoldCleared), "only these kinds were asked for"
        if isinstance(event, HoldCleared) or _STOPS in event.scopes:
            stopped[event.pack_id].append(entry)
    if not stopped:
        return
    cased = _cases(reads)
    everything = reads.moment()
    for pack_id, holds in stopped.items():
        for entry in reads.pack_history(pack_id, everything):
            event = entry.event
            if not isinstance(event, PackSwappedOut) or not _is_stopped(holds, entry):
                continue
            if not any(at <= entry.envelope.recorded_at for at in cased[pack_id]):
                raise ReplayDiffers(
                    f"{pack_id} went out at position {entry.envelope.position} while it was "
                    "stopped, and no case says so"
                )


def _cases(reads: Reads) -> defaultdict[str, list[int]]:
    """Give by pack when the cases of hand-outs under a stop were recorded."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for entry in reads.entries(kinds=(CaseOpened.kind,)):
        event = entry.event
        if isinstance(event, CaseOpened) and event.case_type == _CASE:
            for subject in event.subjects:
                found[subject].append(entry.envelope.recorded_at)
    return found


def _is_stopped(holds: list[Entry], leg: Entry) -> bool:
    """Tell whether a stop that was known at a leg was in force when it happened."""
    at = leg.envelope.valid_at
    open_ids: set[str] = set()
    for entry in holds:
        if entry.envelope.position > leg.envelope.position:
            break
        match entry.event:
            case HoldPlaced(hold_id=hold_id, expires_at=until):
                if entry.envelope.valid_at <= at and not 0 < until <= at:
                    open_ids.add(hold_id)
            case other:
                open_ids.discard(getattr(other, "hold_id", ""))
    return bool(open_ids)
