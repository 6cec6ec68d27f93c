"""Following views: tables for people, filled from the log by position, outside the batch.

A view reads the entries after the position it has reached, and writes its rows and the new position
in one transaction: exactly once, whatever is killed when. Live following and starting again from 0
are the same function. A notice that the log grew is only a hint; the position decides.
"""

from collections import defaultdict

import msgspec

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.kernel.instants import utc_day
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from ledger.runtime.replay import Progress, no_progress
from ledger.store import following

STATION_DAY = "station_day"
STEP = 5_000
"""Entries in one transaction of a following view."""

_KINDS = (ChargeSessionEnded.kind, PackReturned.kind, PackSwappedOut.kind)


class Lag(msgspec.Struct, frozen=True):
    """How far a following view is: entries read, entries there are."""

    view: str
    position: int
    size: int


def follow(ledger: Ledger, *, again: bool = False, progress: Progress = no_progress) -> Lag:
    """Bring the following views to the end of the log; `again` starts them from the beginning."""
    while True:
        with ledger.reading() as reads:
            log_id = ledger.name.log_id
            size = reads.size
            at = 0 if again else following.position(reads.tx, log_id, STATION_DAY)
            if at >= size and not again:
                return Lag(STATION_DAY, at, size)
            end = min(at + STEP, size)
            sums = _station_days(list(reads.entries(at, end, _KINDS)))
        with ledger.writing() as tx:
            since = None if again else at
            if not following.move(tx, log_id, STATION_DAY, at=since, reached=end):
                continue  # another follower was here first
            if again:
                following.clear_station_days(tx, log_id)
            following.add_station_days(tx, log_id, sums)
        again = False
        progress(end, size)


def _station_days(entries: list[Entry]) -> dict[tuple[str, str], tuple[int, ...]]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in entries:
        day = utc_day(one.envelope.valid_at)
        match one.event:
            case ChargeSessionEnded() as ended:
                row = sums[(ended.station_id, day)]
                row[0] += 1
                row[1] += ended.energy_in_wh
            case PackReturned() as returned:
                sums[(returned.station_id, day)][2] += 1
            case PackSwappedOut() as out:
                sums[(out.station_id, day)][3] += 1
            case _:
                pass
    return {key: tuple(counts) for key, counts in sums.items()}
