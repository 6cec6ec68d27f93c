"""Time: the virtual clock that everything waits on, and the device's own clock beside it.

Times are integer microseconds. A clock of the outside may be handed in; it needs `now` and `sleep`,
and `sleep` may do nothing where somebody else moves the time.
"""

from dataclasses import dataclass
from typing import Protocol

SECOND = 1_000_000
DAY = 86_400 * SECOND
_MILLION = 1_000_000


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> int:
        """Read the clock."""
        ...

    def sleep(self, duration_us: int) -> None:
        """Let time pass."""
        ...


class VirtualClock:
    """A clock that moves only when somebody waits on it."""

    def __init__(self, at: int = 0) -> None:
        self.at = at

    def now(self) -> int:
        """Read the clock."""
        return self.at

    def sleep(self, duration_us: int) -> None:
        """Move the clock on."""
        if duration_us < 0:
            raise ValueError("time does not run backwards")
        self.at += duration_us


@dataclass(slots=True)
class DeviceClock:
    """The clock inside a device: set apart from the host's, running fast or slow, or absent."""

    offset_us: int = 0
    drift_ppm: int = 0
    present: bool = True
    since: int = 0

    def read(self, host_at: int) -> int | None:
        """Give the device's time at a moment of the host; None when there is no clock.

        >>> DeviceClock(offset_us=5, drift_ppm=100).read(1_000_000)
        1000105
        """
        if not self.present:
            return None
        return host_at + self.offset_us + (host_at - self.since) * self.drift_ppm // _MILLION
