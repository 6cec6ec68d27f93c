"""Keys of subjects outside their seal: for a short time, only so many, gone without a trace.

Opened keys are kept so that readers are served while the device is away; keys sealed in advance
let persons be registered meanwhile. Python keeps copies of what it computes with, so zeroing is
what can be done, not a promise.
"""

import threading
from collections import OrderedDict, deque

import msgspec

from ledger.kernel.errors import Unavailable
from ledger.kernel.instants import MINUTE, Clock
from ledger.kernel.sealing import Chance, KeyWrapper

AGE_MAX_US = 15 * MINUTE
KEYS_MAX = 10_000
POOL_MAX = 1_000
KEY_BYTES = 32

KeyName = tuple[str, str]
"""(subject, purpose)"""


class KeyCache:
    """Opened keys by name, each for at most `AGE_MAX_US`, at most `KEYS_MAX`; oldest goes first."""

    def __init__(self, clock: Clock, *, keys_max: int = KEYS_MAX) -> None:
        self._clock = clock
        self._keys_max = keys_max
        self._keys: OrderedDict[KeyName, tuple[int, bytearray]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, name: KeyName) -> bytes | None:
        """Give a key that is young enough, else None."""
        with self._lock:
            self._evict()
            found = self._keys.get(name)
            return None if found is None else bytes(found[1])

    def put(self, name: KeyName, key: bytes) -> None:
        """Keep a key from now on."""
        with self._lock:
            self._remove(name)
            self._keys[name] = (self._clock.now(), bytearray(key))
            self._evict()

    def drop(self, name: KeyName) -> None:
        """Forget a key."""
        with self._lock:
            self._remove(name)

    def clear(self) -> None:
        """Forget every key."""
        with self._lock:
            for name in list(self._keys):
                self._remove(name)

    def _evict(self) -> None:
        now = self._clock.now()
        while self._keys:
            name, (since, _) = next(iter(self._keys.items()))
            # a clock that was set back must not keep keys alive
            if len(self._keys) <= self._keys_max and 0 <= now - since < AGE_MAX_US:
                return
            self._remove(name)

    def _remove(self, name: KeyName) -> None:
        found = self._keys.pop(name, None)
        if found is not None:
            found[1][:] = bytes(len(found[1]))


class SpareSubject(msgspec.Struct, frozen=True):
    """An id nobody has yet, with its keys by purpose, sealed and open."""

    subject: str
    epoch: int
    keys: dict[str, tuple[bytes, bytes]]
    """purpose to (sealed, open)"""


class SparePool:
    """Subjects made in advance, so that registering a person does not wait for the device."""

    def __init__(self, wrapper: KeyWrapper, chance: Chance, purposes: tuple[str, ...]) -> None:
        self._wrapper = wrapper
        self._chance = chance
        self._purposes = purposes
        self._spares: deque[SpareSubject] = deque()

    def __len__(self) -> int:
        return len(self._spares)

    def fill(self, epoch: int, count: int = POOL_MAX) -> int:
        """Make subjects until there are `count` of this epoch; those of another epoch go."""
        kept = [spare for spare in self._spares if spare.epoch == epoch]
        self._spares = deque(kept)
        while len(self._spares) < min(count, POOL_MAX):
            self._spares.append(self.make(epoch))
        return len(self._spares)

    def take(self, epoch: int) -> SpareSubject:
        """Take a subject; made now when none waits. `Unavailable` without pool and device."""
        while self._spares:
            spare = self._spares.popleft()
            if spare.epoch == epoch:
                return spare
        return self.make(epoch)

    def make(self, epoch: int, subject: str = "") -> SpareSubject:
        """Make a subject of 128 random bits, or the one named, and a key for each purpose."""
        subject = subject or f"DR-{self._chance(16).hex().upper()}"
        keys = {}
        for purpose in self._purposes:
            key = self._chance(KEY_BYTES)
            if len(key) != KEY_BYTES:
                raise Unavailable("the source of randomness gave too little")
            keys[purpose] = (self._wrapper.wrap(epoch, purpose, subject, key), key)
        return SpareSubject(subject, epoch, keys)
