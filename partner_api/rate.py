"""How often somebody may ask: requests in a window by principal, and heavy queries at once."""

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


class Rates:
    """Counts requests in windows of time, by key; one per process."""

    def __init__(self, clock: Clock) -> None:
        """Take the windows from `clock`."""
        self._clock = clock
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, policy: str, who: str, limit: int, window_us: int = MINUTE) -> None:
        """Count one request; `rate_limited` when the limit of the window (us) is used up."""
        now = self._clock.now()
        minute, window_s = now // window_us, window_us // SECOND
        key = f"{policy} {who}"
        with self._lock:
            then, count = self._counts.pop(key, (minute, 0))
            count = count + 1 if then == minute else 1
            self._counts[key] = (minute, count)
            if len(self._counts) > KEYS_MAX:
                self._counts.popitem(last=False)
        if count > limit:
            wait_s = window_s - now // SECOND % window_s
            headers = {
                "Retry-After": str(wait_s),
                "RateLimit-Policy": f'"{policy}";q={limit};w={window_s}',
                "RateLimit": f'"{policy}";r=0;t={wait_s}',
            }
            words = "a minute" if window_us == MINUTE else f"{window_s} s"
            raise DoorProblem("rate_limited", f"at most {limit} in {words}", headers=headers)


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
