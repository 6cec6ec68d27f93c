"""How often somebody may ask: requests in a minute by principal, and heavy queries at once."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ledger.kernel.errors import Unavailable
from ledger.kernel.instants import MINUTE, SECOND, Clock
from partner_api.problems import DoorProblem

KEYS_MAX = 10_000
"""Keys remembered; the one that came longest ago is forgotten first."""

HEAVY_AT_ONCE = 4
HEAVY_SECONDS = 30
_WINDOW_S = MINUTE // SECOND


class Rates:
    """Counts requests in windows of a minute, by key; one per process."""

    def __init__(self, clock: Clock) -> None:
        """Take the minutes from `clock`."""
        self._clock = clock
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, policy: str, who: str, limit: int) -> None:
        """Count one request; `rate_limited` when the limit of the minute is used up."""
        now = self._clock.now()
        minute = now // MINUTE
        key = f"{policy} {who}"
        with self._lock:
            then, count = self._counts.pop(key, (minute, 0))
            count = count + 1 if then == minute else 1
            self._counts[key] = (minute, count)
            if len(self._counts) > KEYS_MAX:
                self._counts.popitem(last=False)
        if count > limit:
            wait_s = _WINDOW_S - now // SECOND % _WINDOW_S
            headers = {
                "Retry-After": str(wait_s),
                "RateLimit-Policy": f'"{policy}";q={limit};w={_WINDOW_S}',
                "RateLimit": f'"{policy}";r=0;t={wait_s}',
            }
            raise DoorProblem("rate_limited", f"at most {limit} in a minute", headers=headers)


class Heavy(msgspec.Struct, frozen=True):
    """A few places for queries that read much, shared by all who ask."""

    places: threading.BoundedSemaphore

    @classmethod
    def with_places(cls, count: int = HEAVY_AT_ONCE) -> "Heavy":
        """Make `count` places."""
        return cls(threading.BoundedSemaphore(count))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; `Unavailable` at once when all are taken."""
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"{HEAVY_AT_ONCE} heavy queries are running; try again")
        try:
            yield
        finally:
            self.places.release()
