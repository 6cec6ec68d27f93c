"""The machine's clocks, for processes that hold nothing else: the signer and its drivers."""

import time

from typing_extensions import override

from ledger.kernel.instants import Clock, Instant


class SystemClock(Clock):
    """The machine's clock."""

    @override
    def now(self) -> Instant:
        """Read it, in us."""
        return Instant(time.time_ns() // 1_000)  # the one place that asks the machine for the time


def steady_us() -> int:
    """Read a clock that only counts, in us; nobody can set it."""
    return time.monotonic_ns() // 1_000


CLOCK = SystemClock()
