"""Journeys: where the log tells of a driver's bookings and swaps.

Rows are written and never read by a rule: they only find, for people, the entries of one booking or
swap, and what a driver has booked and swapped, the newest first.
"""

import msgspec

from ledger.domain.asking import SwapAccepted, SwapAuthorised, SwapRefused, SwapRequested
from ledger.domain.booking import BookingExtended, BookingPresented, BookingRequested
from ledger.domain.booking_ends import (
    BookingCanceled,
    BookingFailed,
    BookingFulfilled,
    BookingNoShow,
)
from ledger.domain.booking_holds import BookingConfirmed, BookingRejected
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.helping import SlotReopened
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.rating_facts import SWAP
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.pinning import AllocationReplaced, PackAllocated
from ledger.domain.swap import (
    SwapClosedIncomplete,
    SwapCompleted,
    SwapExpired,
    SwapInTimedOut,
    SwapOutTimedOut,
)
from ledger.domain.world import Shelf, Stamp, World, key_of
from ledger.kernel.messages import Event

# State ------------------------------------------------------------------------

_DIGITS = 16
_LAST = 10**_DIGITS - 1

SWAPS_OF, BOOKINGS_OF = "swaps", "bookings"


class Step(msgspec.Struct, frozen=True):
    """One entry of a journey; `listed_as` is the journey, or whose and of what kind it is."""

    listed_as: str
    object_id: str
    kind: str
    position: int


JOURNEYS = Shelf("journeys", Step, listed_by=lambda row: row.listed_as)
"""Key of a step: the journey, its position. Key of a begin: driver, kind, position from the end."""

SHELVES = (JOURNEYS,)
_BEGINS: dict[type[Event], str] = {SwapRequested: SWAPS_OF, BookingRequested: BOOKINGS_OF}
FOLDS: tuple[type[Event], ...] = (
    SwapRequested,
    SwapAuthorised,
    SwapAccepted,
    SwapRefused,
    SwapExpired,
    SwapOutTimedOut,
    SwapInTimedOut,
    SwapCompleted,
    SwapClosedIncomplete,
    SlotReopened,
    PackReturned,
    PackSwappedOut,
    UsageAccrued,
    UsageReversed,
    BookingRequested,
    BookingExtended,
    BookingPresented,
    BookingCanceled,
    BookingNoShow,
    BookingFailed,
    BookingFulfilled,
    BookingConfirmed,
    BookingRejected,
    PackAllocated,
    AllocationReplaced,
)


def journeys_of(what: str, driver_id: str) -> str:
    """Name the list of a driver's journeys of a kind, `SWAPS_OF` or `BOOKINGS_OF`."""
    return key_of(what, driver_id)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Event, stamp: Stamp) -> None:
    """Note where a step of a journey stands."""
    for object_id in _journeys(event):
        key = key_of(object_id, f"{stamp.position:0{_DIGITS}}")
        world.put(JOURNEYS, key, Step(object_id, object_id, event.kind, stamp.position))
    what = _BEGINS.get(type(event))
    if what is not None:
        assert isinstance(event, SwapRequested | BookingRequested), "the two that begin one"
        listed_as = journeys_of(what, event.driver_id)
        object_id = event.swap_id if isinstance(event, SwapRequested) else event.booking_id
        key = key_of(listed_as, f"{_LAST - stamp.position:0{_DIGITS}}")
        world.put(JOURNEYS, key, Step(listed_as, object_id, event.kind, stamp.position))


def _journeys(event: Event) -> tuple[str, ...]:
    """Name the journeys of which an event is a step."""
    if isinstance(event, UsageAccrued | UsageReversed):
        return (event.usage_id,) if event.usage_kind == SWAP else ()
    if isinstance(event, BookingFulfilled):
        return (event.booking_id,)
    if isinstance(event, SwapRequested):
        # the booking that a swap answers goes on in that swap
        return tuple(filter(None, (event.swap_id, event.booking_id)))
    swap_id: str = getattr(event, "swap_id", "")
    return (swap_id or getattr(event, "booking_id", ""),) if swap_id or _is_booked(event) else ()


def _is_booked(event: Event) -> bool:
    return bool(getattr(event, "booking_id", ""))
