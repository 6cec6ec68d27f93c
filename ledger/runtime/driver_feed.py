"""The feed of drivers: who is told that something of his changed, as soon as the log says so.

A notice is a hint and holds no data: what is true is read through the doors. It names the object
and the position of the entry that changed it. The notices of the last hour, at most `WINDOW_MAX`,
are kept, so that whoever was away goes on where he was; after a restart they come from the log.

One thread follows the log for all: it wakes the listeners, and brings on the index of stations and
their history. Listeners are asynchronous: each has a queue of its own, and one that does not keep
up is told to read everything again.
"""

import asyncio
import threading
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import msgspec

from ledger.kernel.errors import MobileGridError
from ledger.kernel.instants import HOUR, MINUTE, Clock
from ledger.runtime.availability import Availability
from ledger.runtime.feed_notices import RESET, Notice, Teller
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.ready_history import ReadyHistory

WINDOW_US = HOUR
WINDOW_MAX = 10_000
QUEUE_MAX = 1_000
POLL_S = 0.1
EXPIRING_US = 5 * MINUTE
"""A driver is told so long before the time of his booking is over."""


class Pace(msgspec.Struct, frozen=True):
    """How streams over HTTP behave: a sign of life so often, an end after so long (s)."""

    comment_s: float = 15
    lasts_s: float = 1_800
    at_once: int = 3
    look_s: float = 2


class Listener:
    """One who listens for a driver; `next` waits for what comes."""

    def __init__(self, driver_id: str, loop: asyncio.AbstractEventLoop) -> None:
        """Listen in an event loop."""
        self.driver_id = driver_id
        self._loop = loop
        self._queue: asyncio.Queue[Notice] = asyncio.Queue(QUEUE_MAX)

    async def next(self) -> Notice:
        """Wait for the next notice."""
        return await self._queue.get()

    def tell(self, notice: Notice) -> None:
        """Hand over a notice from any thread."""
        with suppress(RuntimeError):  # its loop has ended: nobody listens any more
            self._loop.call_soon_threadsafe(self.put, notice)

    def put(self, notice: Notice) -> None:
        """Queue a notice; whoever is too slow for them loses them all and is told so."""
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            notice = Notice(RESET, "", notice.version, notice.driver_id)
        self._queue.put_nowait(notice)


class DriverFeed:
    """Follows one log and tells drivers; one per process."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        availability: Availability | None = None,
        history: ReadyHistory | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Bring on `availability` and `history` too; nothing runs before `start`."""
        self._ledger = ledger
        self._clock = clock
        self._availability = availability or Availability()
        self._history = history or ReadyHistory()
        self.pace = pace or Pace()
        self._teller = Teller()
        self._streams: Counter[str] = Counter()
        self._size = -1
        self._window: deque[Notice] = deque(maxlen=WINDOW_MAX)
        self._begins_at = 0
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # Running ----------------------------------------------------------------------

    def start(self) -> None:
        """Follow on a thread of its own, once what there is has been read."""
        self.step()
        self._availability.is_kept = True
        self._thread = threading.Thread(target=self._run, name="driver-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; who listens hears nothing more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._availability.is_kept = False

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            with suppress(MobileGridError):  # the store is away: the next round reads on
                self.step()

    def step(self) -> None:
        """Read what the log has more, and tell of it."""
        now = self._clock.now()
        with self._ledger.reading() as reads:
            self._availability.follow(reads, now)
            self._history.follow(reads, now)
            self._read(reads, now)

    def _read(self, reads: Reads, now: int) -> None:
        first = self._size
        if first < 0:
            first = max(reads.end_known_at(max(now - WINDOW_US, 0)), reads.size - WINDOW_MAX, 0)
            self._begins_at = first
            self._teller.begin(reads)
        told = []
        for one in reads.entries(first, reads.size):
            told += self._teller.of(reads, one)
        told += self._teller.expiring(now + EXPIRING_US, max(reads.size - 1, 0))
        self._size = reads.size
        with self._lock:
            if len(self._window) + len(told) > WINDOW_MAX and self._window:
                self._begins_at = self._window[min(len(told), len(self._window) - 1)].version
            self._window.extend(told)
            for notice in told:
                for listener in self._listeners.get(notice.driver_id, ()):
                    listener.tell(notice)

    # Listening --------------------------------------------------------------------

    @asynccontextmanager
    async def listening(self, driver_id: str, after: int | None = None) -> AsyncIterator[Listener]:
        """Listen for a driver; what came after a position first, or a reset where that is gone."""
        listener = Listener(driver_id, asyncio.get_running_loop())
        with self._lock:
            if after is not None:
                for notice in self._since(driver_id, after):
                    listener.put(notice)
            self._listeners[driver_id].append(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners[driver_id].remove(listener)
                if not self._listeners[driver_id]:
                    del self._listeners[driver_id]

    async def subscribe(self, driver_id: str, after: int | None = None) -> AsyncIterator[Notice]:
        """Yield the notices of a driver until the caller stops."""
        async with self.listening(driver_id, after) as listener:
            while True:
                yield await listener.next()

    def _since(self, driver_id: str, after: int) -> list[Notice]:
        if after + 1 < self._begins_at or after >= self._size:
            return [Notice(RESET, "", max(self._size - 1, 0), driver_id)]
        first = bisect_right(self._window, after, key=lambda notice: notice.version)
        later = list(self._window)[first:]
        return [notice for notice in later if notice.driver_id == driver_id]

    @contextmanager
    def stream(self, whose: str) -> Iterator[bool]:
        """Take one of the few streams over HTTP that one may have; False where all are taken."""
        with self._lock:
            is_free = self._streams[whose] < self.pace.at_once
            self._streams[whose] += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._streams[whose] -= is_free
                self._streams += Counter()  # drops those that have none
