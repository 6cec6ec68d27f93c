"""What will stand ready at a station: a plain model of what is known, without anything learned.

Near ahead it adds up: what is ready, plus what is being charged by the pace of that station's own
sessions, less what is booked, less the drivers who usually come unannounced. Their number spreads
like that of independent arrivals (Poisson), which gives the bounds. Further ahead than `NEAR_US`
the present says little; then the same hours of past weeks answer, less what is booked. Where there
are no such weeks yet the near answer stands, with the bounds that it has.
"""

from bisect import bisect_right
from math import exp

import msgspec

from ledger.domain.claims import Pool
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.runtime.availability import Stock
from ledger.runtime.ready_history import ReadyHistory

MODEL_VERSION = "ready-1"
NEAR_US = 3 * HOUR
HISTORY_DAYS_MIN = 7
MEAN_MAX = 200
"""More arrivals than that are not told apart: no station has so many packs."""

WAIT_MAX_US = DAY

CHARGED_AFTER_US = 12 * HOUR
"""Policy: after half a day every pack that charges now may be promised."""


class Asked(msgspec.Struct, frozen=True):
    """Of which station and class, seen from now (us)."""

    station_id: str
    pack_class: str
    now: int


class Forecast(msgspec.Struct, frozen=True):
    """How many packs are ready at a time (us): p10, p50 and p90; how many of them are booked.

    `wait_us` is how long one waits at p50 for the next one, 0 where one is ready.
    """

    at: int
    p10: int
    p50: int
    p90: int
    wait_us: int
    booked: int


class Model:
    """Forecasts of one class at one station."""

    def __init__(self, asked: Asked, stock: Stock, pool: Pool, history: ReadyHistory) -> None:
        """Start from what stands there now and what is booked."""
        self._asked = asked
        self._stock = stock
        self._pool = pool
        self._history = history
        _, days = history.typical(asked.station_id, asked.pack_class, asked.now)
        self._has_history = days >= HISTORY_DAYS_MIN
        self._came_to, self._came_x1000 = asked.now, 0

    def at(self, at: int, until: int) -> Forecast:
        """Say what will be ready at a time, beside what is booked for the time until another.

        Times must be asked in order.
        """
        who, pool = self._asked, self._pool
        until = max(until, at + 1)
        booked = pool.claimed(at, until)
        taken = sum(one.count for one in pool.claims if one.window_from < until)
        p10, p50, p90 = self._near(at)
        if at - who.now > NEAR_US and self._has_history:
            seen = self._history.spread(who.station_id, who.pack_class, at, who.now)
            if seen:
                p10, p50, p90 = seen
                taken = booked  # who came before is part of what past weeks saw
        few, usual, many = (max(each - taken, 0) for each in (p10, p50, p90))
        return Forecast(at, few, usual, many, 0 if usual else self._wait(at), booked)

    def promisable(self, at: int) -> int:
        """Give how many packs may be promised for a time, those that are booked among them."""
        if at - self._asked.now > CHARGED_AFTER_US:
            return self._stock.ready + self._stock.pinned + self._stock.charging
        return self._near(at)[1]

    def _near(self, at: int) -> tuple[int, int, int]:
        """Add up what is ready and charged by then, less who usually comes."""
        self._count_arrivals(at)
        supply = self._stock.ready + self._stock.pinned + bisect_right(self._stock.due_at, at)
        few, usual, many = poisson(self._came_x1000)
        return max(supply - many, 0), max(supply - usual, 0), max(supply - few, 0)

    def _count_arrivals(self, at: int) -> None:
        who = self._asked
        while self._came_to < at:
            until = min((self._came_to // HOUR + 1) * HOUR, at)
            rate = self._history.outs_x1000(who.station_id, who.pack_class, self._came_to, who.now)
            self._came_x1000 += rate * (until - self._came_to) // HOUR
            self._came_to = until

    def _wait(self, at: int) -> int:
        """Give how long until the next pack is charged; a day where nothing says it."""
        later = [due for due in self._stock.due_at if due > at]
        return min(later[0] - at, WAIT_MAX_US) if later else WAIT_MAX_US


def poisson(mean_x1000: int) -> tuple[int, int, int]:
    """Give the p10, p50 and p90 of how many come, by the mean in thousandths.

    >>> poisson(0), poisson(3_000)
    ((0, 0, 0), (1, 3, 5))
    """
    mean = min(mean_x1000 / 1_000, MEAN_MAX)
    chance = total = exp(-mean)
    found: list[int] = []
    count = 0
    for share in (0.1, 0.5, 0.9):
        while total < share:
            count += 1
            chance *= mean / count
            total += chance
        found.append(count)
    few, usual, many = found
    return few, usual, many


def seconds(duration_us: int) -> int:
    """Give whole seconds, rounded up."""
    return -(-duration_us // SECOND)
