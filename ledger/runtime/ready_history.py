"""What used to stand ready at stations, by the hour of the week; and how well bookings were kept.

Read from the log alone: where each pack stood and how full it was. A pack counts as ready while it
stands at a station with at least the charge at which that station hands packs out; holds and health
are left out here, they are rare. The past that counts is eight weeks; of a log that is older than
that, the first day of them only says where the packs stood.
"""

import threading
from bisect import bisect_left
from collections import defaultdict, deque
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from ledger.domain.booking import BookingRequested
from ledger.domain.booking_ends import (
    BookingCanceled,
    BookingFailed,
    BookingFulfilled,
    BookingNoShow,
)
from ledger.domain.booking_holds import BookingRejected
from ledger.domain.custody import PackSwappedOut
from ledger.domain.stations import STATIONS, Station
from ledger.domain.transitions import Family, place_of
from ledger.kernel.instants import DAY, HOUR, as_datetime
from ledger.kernel.messages import Event
from ledger.kernel.postings import PACK
from ledger.runtime.reads import Entry, Reads

PAST_US = 56 * DAY
PROMISES_US = 30 * DAY
HOURS_OF_WEEK = 168
UNSEEN = -1
STEP = 500
"""Entries that are read in one go, so that whoever waits for the lock gets it soon."""

QUANTILES = (1, 5, 9)
"""In tenths: what is likely reached or exceeded, the middle, what is unlikely exceeded."""

_NOT_OURS = frozenset({"nothing_inserted", "no_swap_came"})
"""Reasons why a booking failed that are no fault of the network."""


class _Row:
    """One class at one station: what is ready since when, and for how long it was so before."""

    __slots__ = ("outs", "ready", "seen_us", "since", "times")

    def __init__(self, since: int) -> None:
        self.ready = 0
        self.since = since
        self.seen_us = 0
        self.times: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        """By hour of the week: how long (us) so many were ready."""
        self.outs: defaultdict[int, int] = defaultdict(int)
        """By hour of the week: packs that went out."""

    def bring_to(self, now: int, zone: str) -> None:
        """Count the time since the last change."""
        at = self.since
        while at < now:
            until = min((at // HOUR + 1) * HOUR, now)
            self.times[hour_of_week(at // HOUR, zone)][max(self.ready, 0)] += until - at
            at = until
        self.seen_us += max(now - self.since, 0)
        self.since = max(now, self.since)


class ReadyHistory:
    """The history of every station; one per process, safe for many threads."""

    def __init__(self) -> None:
        """Begin with nothing: `follow` reads."""
        self._lock = threading.Lock()
        self._size = 0
        self._counts_from = 0
        self._packs: dict[str, tuple[str, str, int]] = {}
        self._stations: dict[str, Station] = {}
        self._rows: dict[tuple[str, str], _Row] = {}
        self._booked: dict[str, str] = {}
        self._promises: defaultdict[str, deque[tuple[int, bool]]] = defaultdict(deque)

    @property
    def size(self) -> int:
        """How many entries it knows."""
        return self._size

    def follow(self, reads: Reads, now: int) -> bool:
        """Read on, at most `STEP` entries; tell whether there are more."""
        with self._lock:
            if not self._size and reads.size:
                self._size = reads.end_known_at(max(now - PAST_US, 0))
                self._counts_from = self._first_at(reads, now) + DAY if self._size else 0
            end = min(self._size + STEP, reads.size)
            for one in reads.entries(self._size, end):
                self._hear(reads, one)
            self._size = end
            return end < reads.size

    def _first_at(self, reads: Reads, now: int) -> int:
        """Give the time of the first entry that is read; now where all of them are too old."""
        if self._size == reads.size:
            return now
        return reads.entry(self._size).envelope.recorded_at

    def typical(self, station_id: str, pack_class: str, now: int) -> tuple[list[list[int]], int]:
        """Give 7 days of 24 typical counts, `UNSEEN` where there is none, and the days seen."""
        with self._lock:
            row = self._brought(station_id, pack_class, now)
            if row is None:
                return [[UNSEEN] * 24 for _ in range(7)], 0
            cells = [_quantile(row.times.get(hour), 5) for hour in range(HOURS_OF_WEEK)]
            days = [cells[first : first + 24] for first in range(0, HOURS_OF_WEEK, 24)]
            return days, row.seen_us // DAY

    def spread(self, station_id: str, pack_class: str, at: int, now: int) -> tuple[int, ...]:
        """Give the p10, p50 and p90 of the count at that hour of the week; () where not seen."""
        with self._lock:
            row = self._brought(station_id, pack_class, now)
            times = None if row is None else row.times.get(self._hour(station_id, at))
            return tuple(_quantile(times, tenth) for tenth in QUANTILES) if times else ()

    def outs_x1000(self, station_id: str, pack_class: str, at: int, now: int) -> int:
        """Give thousandths of packs that typically go out in the hour of the week of a time."""
        with self._lock:
            row = self._brought(station_id, pack_class, now)
            if row is None:
                return 0
            hour = self._hour(station_id, at)
            seen_us = sum(row.times.get(hour, {}).values())
            return row.outs.get(hour, 0) * 1_000 * HOUR // seen_us if seen_us else 0

    def kept_bp(self, station_id: str, now: int) -> int | None:
        """Give the share of the bookings of 30 days that were served; None where there were none.

        Bookings that drivers called off, or did not come for, are no promise that was broken.
        """
        with self._lock:
            told = self._promises.get(station_id)
            while told and told[0][0] < now - PROMISES_US:
                told.popleft()
            if not told:
                return None
            return sum(kept for _, kept in told) * 10_000 // len(told)

    def _hour(self, station_id: str, at: int) -> int:
        return hour_of_week(at // HOUR, self._stations[station_id].zone)

    def _brought(self, station_id: str, pack_class: str, now: int) -> _Row | None:
        row = self._rows.get((station_id, pack_class))
        if row is not None:
            row.bring_to(now, self._stations[station_id].zone)
        return row

    # Reading the log

    def _hear(self, reads: Reads, one: Entry) -> None:
        told = one.envelope
        moved = {
            line.dims["pack"]: line.account
            for line in told.postings
            if line.commodity == PACK and line.quantity > 0 and line.account.startswith("Packs:")
        }
        if moved or told.packs:
            event = one.event
            for pack_id in moved.keys() | {link.pack for link in told.packs}:
                self._pack(reads, event, (pack_id, moved.get(pack_id, "")), told.valid_at)
        if told.kind in _PROMISES:
            self._promise(one.event, told.recorded_at)

    def _pack(self, reads: Reads, event: Event, moved: tuple[str, str], at: int) -> None:
        pack_id, account = moved
        station_id, pack_class, soc_bp = self._packs.get(pack_id, ("", "", 0))
        before = self._is_ready(station_id, soc_bp)
        if isinstance(event, PackSwappedOut) and station_id and at >= self._counts_from:
            row = self._row(station_id, pack_class, at)
            row.outs[self._hour(station_id, at)] += 1
        if account:
            family, ids = place_of(account)
            there = ids[0] if family in (Family.SLT, Family.STG) else ""
            if there and there not in self._stations:
                known = reads.row(STATIONS, there)
                there = there if known is not None else ""
                if known is not None:
                    self._stations[there] = known
            if before:
                self._add(station_id, pack_class, -1, at)
                before = False
            station_id = there
        pack_class = getattr(event, "pack_class", "") or pack_class
        told_bp = getattr(event, "soc_end_bp", None) or getattr(event, "soc_bp", None)
        soc_bp = soc_bp if told_bp is None else told_bp
        self._packs[pack_id] = (station_id, pack_class, soc_bp)
        if station_id:
            self._row(station_id, pack_class, at)
        after = self._is_ready(station_id, soc_bp)
        if after != before:
            self._add(station_id, pack_class, 1 if after else -1, at)

    def _is_ready(self, station_id: str, soc_bp: int) -> bool:
        station = self._stations.get(station_id)
        return station is not None and soc_bp >= max(station.target_soc_bp, 1)

    def _row(self, station_id: str, pack_class: str, at: int) -> _Row:
        key = station_id, pack_class
        if key not in self._rows:
            self._rows[key] = _Row(max(at, self._counts_from))
        return self._rows[key]

    def _add(self, station_id: str, pack_class: str, count: int, at: int) -> None:
        row = self._row(station_id, pack_class, at)
        row.bring_to(at, self._stations[station_id].zone)
        row.ready += count

    def _promise(self, event: Event, at: int) -> None:
        match event:
            case BookingRequested(booking_id=booking_id, station_id=station_id):
                self._booked[booking_id] = station_id
            case BookingFulfilled(booking_id=booking_id):
                self._keep(booking_id, at, is_kept=True)
            case BookingFailed(booking_id=booking_id, reason=reason):
                if reason in _NOT_OURS or event.fee_minor:
                    self._booked.pop(booking_id, None)
                else:
                    self._keep(booking_id, at, is_kept=False)
            case BookingCanceled() | BookingNoShow() | BookingRejected():
                self._booked.pop(event.booking_id, None)
            case _:
                raise AssertionError(event)

    def _keep(self, booking_id: str, at: int, *, is_kept: bool) -> None:
        station_id = self._booked.pop(booking_id, "")
        if station_id:
            self._promises[station_id].append((at, is_kept))


_PROMISES = frozenset(
    each.kind
    for each in (
        *(BookingRequested, BookingFulfilled, BookingFailed, BookingCanceled, BookingNoShow),
        BookingRejected,
    )
)


def _quantile(times: dict[int, int] | None, tenth: int) -> int:
    """Give the count below which so many tenths of the time were; `UNSEEN` without any."""
    if not times:
        return UNSEEN
    counts = sorted(times)
    sums = list(accumulate(times[each] for each in counts))
    wanted = -(-sums[-1] * tenth // 10)
    return counts[bisect_left(sums, wanted)]


@lru_cache(maxsize=65_536)
def hour_of_week(hour: int, zone: str) -> int:
    """Give the hour of the week, 0 for Monday's first, of a UTC hour since 1970 in a zone.

    >>> hour_of_week(0, "UTC")  # a Thursday
    72
    """
    local = as_datetime(hour * HOUR).astimezone(ZoneInfo(zone))
    return local.weekday() * 24 + local.hour
