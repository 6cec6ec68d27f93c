"""Claims: the state of bookings, and how a station counts the open ones of a class.

The rules about it are in `booking.py`; a swap that completes reads it too.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import stand_in_row
from ledger.domain.custody import PACKS
from ledger.domain.money.payments_ending import hold_rows
from ledger.domain.money.pending_rows import pending_rows
from ledger.domain.stations import STATIONS
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, World, key_of, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import RefusalCode

STAGES: dict[tuple[str, str], str] = {
    ("", "booking_requested"): "PENDING",
    ("PENDING", "booking_reserved"): "RESERVED",
    ("PENDING", "booking_confirmed"): "RESERVED",
    ("PENDING", "booking_rejected"): "REJECTED",
    ("PENDING", "booking_canceled"): "CANCELED",
    ("PENDING", "booking_failed"): "FAILED",
    ("RESERVED", "booking_extended"): "RESERVED",
    ("ALLOCATED", "booking_extended"): "ALLOCATED",
    ("RESERVED", "pack_allocated"): "ALLOCATED",
    ("ALLOCATED", "pack_allocated"): "ALLOCATED",
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

Asking and being promised happen in one command, and a station that has nothing to promise refuses:
the refusal stays in the receipt. A booking rests in PENDING, with its packs kept, only while the
bank of a driver is asked to hold money for it.
"""

ENDED = frozenset({"FULFILLED", "REJECTED", "CANCELED", "NO_SHOW", "FAILED"})

POOL_MAX = 256
"""Open bookings that one station keeps for one class."""

WINDOW_MAX_US = DAY
NO_SHOW_GRACE_US = 15 * MINUTE
"""Policy: a booking may span a day, and ends unused a quarter of an hour after its window."""

PIN_LEAD_US = 15 * MINUTE
"""Policy: a pack is pinned so long before the window, or when the driver comes."""

SWAP_AFTER_US = HOUR
"""Policy: so long after a booking would be over it is waited for the swap of who came."""

EXTENSION_MAX_US = 15 * MINUTE
"""Policy: a booking is extended once, by no more."""

COUNT_MAX = 4
"""Packs that one booking claims."""

HOLD_WITHIN_US = 15 * MINUTE
"""Policy: so long packs are kept while the bank is asked to hold money for them."""

OPEN_MAX = 3
"""Policy: bookings that a driver may have open at once, for times that do not meet."""


class BookingTerms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The money of a booking as it was shown before it was made; amounts in minor units, net.

    `deposit_minor` is reserved by `means` until the booking ends; with a `method_id`, a saved card,
    it is held by the bank of that card before the booking is promised. What is taken of it is
    `kept_minor` when the driver gets his packs, `no_show_minor` when he does not come, and
    `cancel_minor` when he cancels at or after `cancel_until_at` (us; 0 = he may cancel freely);
    the two fees are owed whether or not the deposit covers them, with their tax.
    `compensation_minor` is the credit he gets when the network cannot keep its promise. The prices
    of `price_at` (us), as they were published when he booked, are those of his swap; 0 = those of
    the swap's own time.
    """

    deposit_minor: int = 0
    means: str = "card"
    kept_minor: int = 0
    no_show_minor: int = 0
    no_show_after_us: int = NO_SHOW_GRACE_US
    cancel_minor: int = 0
    cancel_until_at: int = 0
    compensation_minor: int = 0
    price_at: int = 0
    method_id: str = ""

    @property
    def is_held(self) -> bool:
        """Tell whether a bank holds the deposit."""
        return bool(self.method_id and self.deposit_minor)

    @property
    def is_valid(self) -> bool:
        """Tell whether no amount or time is negative, and no more is kept than reserved."""
        amounts = (self.deposit_minor, self.no_show_minor, self.cancel_minor)
        times = (self.no_show_after_us, self.cancel_until_at)
        others = (self.kept_minor, self.compensation_minor, self.price_at)
        return min(*amounts, *times, *others) >= 0 and self.kept_minor <= self.deposit_minor

    @property
    def has_fees(self) -> bool:
        """Tell whether a fee may become due, which then has a tax."""
        return bool(self.no_show_minor or self.cancel_minor)


class Booking(msgspec.Struct, frozen=True, omit_defaults=True):
    """One driver's claim on `count` packs; `pack_ids` are the pinned ones, none before.

    `spare_pack_ids` may be pinned instead when one of those cannot be handed out any more.
    `position` is where the log tells that it was made: later price lists are none of his.
    `held_until` is until when its bank is waited for (us). What is `due` when it has `ended_at`
    (us), told at `ended_position`, is one of `DUES`, until it is billed by the usage `usage_id`.
    """

    booking_id: str
    driver_id: str
    station_id: str
    pack_class: str
    window_from: int
    window_to: int
    min_soc_bp: int = 0
    stage: str = "PENDING"
    pack_ids: tuple[str, ...] = ()
    count: int = 1
    spare_pack_ids: tuple[str, ...] = ()
    currency: str = ""
    terms: BookingTerms = BookingTerms()
    is_extended: bool = False
    position: int = 0
    held_until: int = 0
    due: str = ""
    usage_id: str = ""
    ended_at: int = 0
    ended_position: int = 0

    @property
    def over_at(self) -> int:
        """Give when it has ended unused (us)."""
        return self.window_to + self.terms.no_show_after_us

    @property
    def pin_at(self) -> int:
        """Give from when on a pack is pinned to it (us)."""
        return self.window_from - PIN_LEAD_US

    @property
    def due_at(self) -> int:
        """Give when the clock must look at it (us); 0 = never."""
        if self.stage == "PENDING":
            return self.held_until
        if self.stage == "PRESENTED":
            return self.over_at + SWAP_AFTER_US
        return max(self.pin_at, 1) if self.stage in ("RESERVED", "ALLOCATED") else 0

    @property
    def locked_prices(self) -> dict[str, int]:
        """Give the fields of `SwapFacts` (swap.py) that lock its prices; none where it locks none.

        >>> Booking("BK-1", "DR-1", "ST-1", "C1", 0, 1).locked_prices
        {}
        """
        at = self.terms.price_at
        return {"price_at": at, "price_position": self.position} if at else {}

    def may(self, kind: str) -> bool:
        """Tell whether an event of a kind can happen to it now."""
        return (self.stage, kind) in STAGES


DUES = ("no_show", "late_cancel", "swap")
"""What a booking can leave to be billed: that nobody came, or too late a no; or the swap."""


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """An open booking as the pool of its station counts it."""

    booking_id: str
    window_from: int
    window_to: int
    count: int = 1


class Pool(msgspec.Struct, frozen=True, omit_defaults=True):
    """The open bookings of one class at one station."""

    claims: tuple[Claim, ...] = ()

    def claimed(self, window_from: int, window_to: int) -> int:
        """Count the packs of the bookings whose windows meet a window."""
        return sum(
            claim.count
            for claim in self.claims
            if claim.window_from < window_to and window_from < claim.window_to
        )

    def without(self, booking_id: str) -> "Pool":
        """Give the pool as it is without one of its bookings."""
        return Pool(tuple(one for one in self.claims if one.booking_id != booking_id))

    def after(self, booking: Booking) -> "Pool":
        """Give the pool once a booking was promised or changed, or has ended."""
        others = self.without(booking.booking_id)
        if booking.stage in ENDED:
            return others
        window = booking.window_from, booking.window_to
        return Pool((*others.claims, Claim(booking.booking_id, *window, booking.count)))


class DriverBookings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The open bookings of one driver."""

    claims: tuple[Claim, ...] = ()

    def is_full(self, window_from: int, window_to: int) -> bool:
        """Tell whether he has one for that time, or as many as he may have."""
        meets = any(
            one.window_from < window_to and window_from < one.window_to for one in self.claims
        )
        return meets or len(self.claims) >= OPEN_MAX


BOOKINGS = Shelf("bookings", Booking, listed_by=lambda row: row.driver_id)
DRIVER_BOOKINGS = Shelf("driver_bookings", DriverBookings)
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
    named = (*booking.pack_ids, *booking.spare_pack_ids)
    return (
        key,
        touch(STATIONS, booking.station_id),
        touch(POOLS, booking.station_id, booking.pack_class),
        touch(DRIVER_BOOKINGS, booking.driver_id),
        *(touch(PACKS, pack_id) for pack_id in named),
        *stand_in_rows(world, named, booking.pack_class),
        *pending_rows(world, deposit_of(booking_id)),
        *(hold_rows(hold_of(booking_id), booking_id) if booking.terms.is_held else ()),
    )


def stand_in_rows(world: World, pack_ids: Iterable[str], wanted: str) -> Keys:
    """Name what says whether packs may stand in for a class, as far as they are loaded."""
    for pack_id in pack_ids:
        pack = world.get(PACKS, pack_id) if world.is_loaded(PACKS, pack_id) else None
        if pack is not None:
            yield from stand_in_row(pack.pack_class, wanted)


def deposit_of(booking_id: str) -> str:
    """Name the pending posting of a booking's deposit."""
    return derived_id("PE", booking_id) if booking_id else ""


def hold_of(booking_id: str) -> str:
    """Name the payment by which a bank holds the deposit of a booking."""
    return derived_id("PY", "hold", booking_id)


def advance(world: World, booking_id: str, kind: str, **changes: Any) -> Booking:
    """Take a booking one step further, with its pool, its pins and its timer; give its new row."""
    before = world.need(BOOKINGS, booking_id)
    row = replace(before, stage=STAGES[before.stage, kind], **changes)
    if row.stage in ENDED:
        row = replace(row, pack_ids=(), spare_pack_ids=())
    world.put(BOOKINGS, booking_id, row)
    for pack_id in before.pack_ids:
        if pack_id not in row.pack_ids:
            _pin(world, pack_id, booking_id, "")
    for pack_id in row.pack_ids:
        if pack_id not in before.pack_ids:
            _pin(world, pack_id, "", booking_id)
    moved = (before.window_to, before.stage) != (row.window_to, row.stage)
    if moved and row.stage in ("RESERVED", "ALLOCATED", *ENDED):
        count_claim(world, row)
    set_timer(world, "booking", booking_id, row.due_at)
    if row.due != before.due:
        set_timer(world, BILLS, booking_id, row.ended_at if row.due else 0)
    return row


BILLS = "booking_bill"
"""The kind of timer by which what a booking left is billed."""


def count_claim(world: World, row: Booking) -> None:
    """Count a booking as it stands at its station, and among those of its driver."""
    key = key_of(row.station_id, row.pack_class)
    world.put(POOLS, key, (world.get(POOLS, key) or Pool()).after(row))
    own = Pool((world.get(DRIVER_BOOKINGS, row.driver_id) or DriverBookings()).claims)
    world.put(DRIVER_BOOKINGS, row.driver_id, DriverBookings(own.after(row).claims))


def _pin(world: World, pack_id: str, before: str, after: str) -> None:
    """Change whom a pack is pinned to, unless it is pinned to somebody else by now."""
    pack = world.get(PACKS, pack_id)
    if pack is not None and pack.allocated_to == before:
        world.put(PACKS, pack_id, replace(pack, allocated_to=after))


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
