"""Claims: the state of bookings, and how a station counts the open ones of a class.

The rules about it are in `booking.py`; a swap that completes reads it too.
"""

import msgspec

from ledger.domain.custody import PACKS
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, World, touch
from ledger.kernel.instants import DAY, MINUTE
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import RefusalCode

STAGES: dict[tuple[str, str], str] = {
    ("", "booking_requested"): "PENDING",
    ("PENDING", "booking_reserved"): "RESERVED",
    ("RESERVED", "pack_allocated"): "ALLOCATED",
    ("ALLOCATED", "allocation_replaced"): "ALLOCATED",
    ("RESERVED", "booking_presented"): "PRESENTED",
    ("ALLOCATED", "booking_presented"): "PRESENTED",
    ("PRESENTED", "booking_fulfilled"): "FULFILLED",
    ("RESERVED", "booking_canceled"): "CANCELED",
    ("ALLOCATED", "booking_canceled"): "CANCELED",
    ("RESERVED", "booking_no_show"): "NO_SHOW",
    ("ALLOCATED", "booking_no_show"): "NO_SHOW",
    ("RESERVED", "booking_failed"): "FAILED",
    ("ALLOCATED", "booking_failed"): "FAILED",
    ("PRESENTED", "booking_failed"): "FAILED",
}
"""The life of a booking: (stage, event) to the next stage; "" is before it.

Asking and being promised happen in one command, so no booking rests in PENDING; a station that has
nothing to promise refuses, and the refusal stays in the receipt.
"""

ENDED = frozenset({"FULFILLED", "CANCELED", "NO_SHOW", "FAILED"})

POOL_MAX = 256
"""Open bookings that one station keeps for one class."""

WINDOW_MAX_US = DAY
NO_SHOW_GRACE_US = 15 * MINUTE
"""Policy: a booking may span a day, and ends unused a quarter of an hour after its window."""


class Booking(msgspec.Struct, frozen=True, omit_defaults=True):
    """One driver's claim on one pack; `pack_id` is the pinned one, empty before."""

    booking_id: str
    driver_id: str
    station_id: str
    pack_class: str
    window_from: int
    window_to: int
    min_soc_bp: int = 0
    stage: str = "PENDING"
    pack_id: str = ""

    def may(self, kind: str) -> bool:
        """Tell whether an event of a kind can happen to it now."""
        return (self.stage, kind) in STAGES


class Claim(msgspec.Struct, frozen=True):
    """An open booking as the pool of its station counts it."""

    booking_id: str
    window_from: int
    window_to: int


class Pool(msgspec.Struct, frozen=True, omit_defaults=True):
    """The open bookings of one class at one station."""

    claims: tuple[Claim, ...] = ()

    def claimed(self, window_from: int, window_to: int) -> int:
        """Count the bookings whose windows meet a window."""
        return sum(
            claim.window_from < window_to and window_from < claim.window_to for claim in self.claims
        )

    def after(self, booking: Booking) -> "Pool":
        """Give the pool once a booking was promised, or has ended."""
        others = tuple(one for one in self.claims if one.booking_id != booking.booking_id)
        if booking.stage in ENDED:
            return Pool(others)
        return Pool((*others, Claim(booking.booking_id, booking.window_from, booking.window_to)))


BOOKINGS = Shelf("bookings", Booking, listed_by=lambda row: row.driver_id)
POOLS = Shelf("booking_pools", Pool)  # key: station_id, pack_class


def is_window(window_from: int, window_to: int) -> bool:
    """Tell whether a booking may ask for these times."""
    return 0 < window_from < window_to <= window_from + WINDOW_MAX_US <= QUANTITY_MAX


def booking_rows(world: World, booking_id: str) -> Keys:
    """Name a booking, and once it is loaded the rows that move when it moves on."""
    key = touch(BOOKINGS, booking_id)
    booking = world.get(BOOKINGS, booking_id) if world.is_loaded(BOOKINGS, booking_id) else None
    if booking is None:
        return (key,)
    return (
        key,
        touch(STATIONS, booking.station_id),
        touch(POOLS, booking.station_id, booking.pack_class),
        *((touch(PACKS, booking.pack_id),) if booking.pack_id else ()),
    )


def claim_faults(
    booking: Booking | None, driver_id: str, station_id: str, pack_class: str
) -> list[RefusalCode]:
    """Tell what keeps a driver from swapping a class of packs at a station by a booking."""
    if booking is None:
        return [RefusalCode.BOOKING_UNKNOWN]
    tests = (
        (booking.station_id != station_id, RefusalCode.WRONG_PLACE),
        (booking.pack_class != pack_class, RefusalCode.CLASS_MISMATCH),
        (booking.driver_id != driver_id, RefusalCode.BOOKING_OF_ANOTHER_DRIVER),
        (booking.stage in ENDED, RefusalCode.BOOKING_ENDED),
    )
    return [code for failed, code in tests if failed]
