"""Waiting: what must be looked at again at a time, if nothing happens before.

The rules keep the list, and the clock asks it (`runtime/timers_swaps.py`): a timer that came due
becomes an ordinary command of the system, whose rule decides by the state as it is then.
"""

import msgspec

from ledger.domain.world import Shelf, World, key_of
from ledger.kernel.instants import DAY

RETURN_AFTER_US = 7 * DAY
"""Policy: a driver who has a pack too many keeps it so long before it counts as overdue."""


class Timer(msgspec.Struct, frozen=True, omit_defaults=True):
    """When something is to be looked at (us); 0 = no more."""

    due_at: int = 0


WAITING = "waiting"
"""Under this word lists find the timers that still run."""

TIMERS = Shelf("timers", Timer, listed_by=lambda row: WAITING if row.due_at else "over")
"""Key: what kind of thing waits (``swap``, ``booking``, ``waitlist``…), its id.

Rules write it and never read it, so no command has to load a row of it.
"""


def set_timer(world: World, what: str, subject_id: str, due_at: int) -> None:
    """Have something looked at from `due_at` on, instead of any time before; 0 = never."""
    world.put(TIMERS, key_of(what, subject_id), Timer(due_at))
