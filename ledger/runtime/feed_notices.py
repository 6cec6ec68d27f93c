"""What of an entry a driver is told: which of his objects changed, and in one word how."""

from heapq import heappop, heappush

import msgspec

from ledger.domain.asking import SwapAccepted, SwapAuthorised, SwapRefused, SwapRequested
from ledger.domain.booking import BookingExtended, BookingRequested
from ledger.domain.booking_ends import (
    BookingCanceled,
    BookingFailed,
    BookingFulfilled,
    BookingNoShow,
)
from ledger.domain.booking_holds import BookingRejected
from ledger.domain.cases import CaseOpened
from ledger.domain.claims import BOOKINGS, Booking
from ledger.domain.custody import PACKS, PackReturned, PackSwappedOut
from ledger.domain.helping import SlotReopened
from ledger.domain.holds import HoldPlaced
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.rating_facts import SWAP as BILLED_SWAP
from ledger.domain.pinning import AllocationReplaced
from ledger.domain.saga import OUT, SWAPS, Swap
from ledger.domain.swap import (
    SwapClosedIncomplete,
    SwapCompleted,
    SwapExpired,
    SwapInTimedOut,
    SwapOutTimedOut,
)
from ledger.domain.transitions import Family, place_of
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.world import KEY_SEPARATOR
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry, Reads
from ledger.store.queries import rows

RESET = "reset"
SWAP, BOOKING, PACK = "swap", "booking", "pack"

_BOOKING_TIMER = f"booking{KEY_SEPARATOR}"


_ENDS = (BookingCanceled, BookingFailed, BookingFulfilled, BookingNoShow, BookingRejected)


class Notice(msgspec.Struct, frozen=True):
    """A hint: an object of a kind changed with the entry at `version`; `name` says how.

    `slot` is the one that is open, `code` what needs attention, both for swaps only. The kind
    `RESET` asks to read everything again.
    """

    kind: str
    object_id: str
    version: int
    driver_id: str = ""
    name: str = ""
    slot: str = ""
    code: str = ""


_SWAP_NAMES: dict[type[Event], str] = {
    SwapRequested: "swap_requested",
    SwapAuthorised: "swap_authorised",
    SwapAccepted: "slot_opened",
    SwapRefused: "swap_refused",
    SwapExpired: "swap_expired",
    SwapOutTimedOut: "swap_timed_out",
    SwapInTimedOut: "swap_timed_out",
    SwapCompleted: "swap_completed",
    SwapClosedIncomplete: "swap_closed",
    SlotReopened: "slot_opened",
}
# further objects of drivers, by how the kinds of their events begin, and the member that names them
_OTHERS: tuple[tuple[str, str, str], ...] = (
    ("usage.", "wallet", "usage_id"),
    ("invoice.", "invoice", "invoice_no"),
    ("credit_note.", "invoice", "invoice_no"),
    ("payment.", "payment", "payment_id"),
    ("psp.", "payment", "payment_id"),
    ("refund.", "payment", "payment_id"),
    ("checkout.", "checkout", "checkout_id"),
    ("wallet.", "wallet", "driver_id"),
    ("promo", "wallet", "driver_id"),
    ("pending.", "wallet", "pending_id"),
    ("deposit.", "wallet", "deposit_id"),
    ("subscription.", "subscription", "driver_id"),
    ("driver.", "profile", "driver_id"),
    ("support_case.", "case", "case_id"),
    ("pack_entitlement_set", "profile", "driver_id"),
    ("waitlist", "waiting", "station_id"),
)


class Teller:
    """Makes notices; it remembers which bookings will be over soon."""

    def __init__(self) -> None:
        """Know of no booking yet."""
        self._ends: list[tuple[int, str]] = []
        self._open: dict[str, tuple[int, str]] = {}

    def begin(self, reads: Reads) -> None:
        """Take in the bookings that are open."""
        keys = (key for key, _ in reads.rows(TIMERS, listed=WAITING))
        names = (key.removeprefix(_BOOKING_TIMER) for key in keys if key.startswith(_BOOKING_TIMER))
        for row in rows.many(reads.tx, reads.name.log_id, BOOKINGS, names).values():
            if row.stage in ("RESERVED", "ALLOCATED"):
                self._watch(row)

    def of(self, reads: Reads, one: Entry) -> list[Notice]:
        """Give what an entry makes of notices; none for what concerns no driver."""
        event, at = one.event, one.envelope.position
        match event:
            case PackReturned() | PackSwappedOut():
                return _of_leg(reads, event, at)
            case CaseOpened():
                return _of_case(reads, event, one.envelope.correlation_id, at)
            case HoldPlaced():
                return _of_hold(reads, event, at)
            case UsageAccrued() if event.usage_kind == BILLED_SWAP:
                return [_swap(event.usage_id, at, event.driver_id, "swap_priced")]
            case _:
                pass
        if type(event) in _SWAP_NAMES:
            return _of_swap(reads, event, at)
        if one.envelope.kind.startswith("booking_") or isinstance(event, AllocationReplaced):
            return self._of_booking(reads, event, at)
        return _of_other(reads, event, at)

    def expiring(self, before: int, position: int) -> list[Notice]:
        """Give the bookings that will be over at a time (us), each once."""
        told = []
        while self._ends and self._ends[0][0] <= before:
            at, booking_id = heappop(self._ends)
            ends_at, driver_id = self._open.get(booking_id, (0, ""))
            if at == ends_at:
                told.append(Notice(BOOKING, booking_id, position, driver_id, "hold_expiring"))
                del self._open[booking_id]
        return told

    def _watch(self, row: Booking) -> None:
        self._open[row.booking_id] = row.over_at, row.driver_id
        heappush(self._ends, (row.over_at, row.booking_id))

    def _of_booking(self, reads: Reads, event: Event, at: int) -> list[Notice]:
        booking_id = str(getattr(event, "booking_id", ""))
        row = reads.row(BOOKINGS, booking_id)
        if row is None:
            return []
        if isinstance(event, BookingRequested | BookingExtended):
            self._watch(row)
        elif isinstance(event, _ENDS):
            self._open.pop(booking_id, None)
        replaced = isinstance(event, AllocationReplaced)
        name = "allocation_replaced" if replaced else "booking_changed"
        return [Notice(BOOKING, booking_id, at, row.driver_id, name)]


def _swap(
    swap_id: str, at: int, driver_id: str, name: str, *, slot: str = "", code: str = ""
) -> Notice:
    return Notice(SWAP, swap_id, at, driver_id, name, slot, code)


def _of_swap(reads: Reads, event: Event, at: int) -> list[Notice]:
    swap_id = str(getattr(event, "swap_id", ""))
    row = reads.row(SWAPS, swap_id)
    if row is None:
        return []
    slot = ""
    if isinstance(event, SwapAccepted):
        slot = next(iter(event.open_slots), "")
    elif isinstance(event, SlotReopened):
        slot = event.slot
    return [_swap(swap_id, at, row.driver_id, _SWAP_NAMES[type(event)], slot=slot)]


def _of_leg(reads: Reads, event: PackReturned | PackSwappedOut, at: int) -> list[Notice]:
    came = isinstance(event, PackReturned)
    told = [Notice(PACK, event.pack_id, at, event.driver_id, "pack_in" if came else "pack_out")]
    row = reads.row(SWAPS, event.swap_id) if event.swap_id else None
    if row is None:
        return told
    name, slot = ("pack_in" if came else "pack_out"), event.slot
    told.append(_swap(row.swap_id, at, row.driver_id, name, slot=slot))
    if came and row.expects(OUT) and row.order == "In-Out":
        offered = offered_slot(reads, row)
        told.append(_swap(row.swap_id, at, row.driver_id, "pack_offered", slot=offered))
    return told


def offered_slot(reads: Reads, row: Swap) -> str:
    """Give the slot of the next pack that is offered in a swap, "" where it is not known."""
    gone = {leg.pack_id for leg in row.legs_out}
    for pack_id in row.pack_ids:
        pack = None if pack_id in gone else reads.row(PACKS, pack_id)
        family, ids = ("", ()) if pack is None else place_of(pack.account)
        if family is Family.SLT:
            return ids[1]
    return ""


def _of_case(reads: Reads, event: CaseOpened, correlation_id: str, at: int) -> list[Notice]:
    for name in (correlation_id, *event.subjects):
        row = reads.row(SWAPS, name)
        if row is not None:
            code = event.case_type.lower()
            return [_swap(row.swap_id, at, row.driver_id, "attention", code=code)]
    return []


def _of_hold(reads: Reads, event: HoldPlaced, at: int) -> list[Notice]:
    pack = reads.row(PACKS, event.pack_id)
    family, ids = ("", ()) if pack is None else place_of(pack.account)
    if family is not Family.DRV:
        return []
    return [Notice(PACK, event.pack_id, at, ids[0], "attention", code=event.reason.lower())]


def _of_other(reads: Reads, event: Event, at: int) -> list[Notice]:
    found = [(kind, member) for begin, kind, member in _OTHERS if event.kind.startswith(begin)]
    if not found:
        return []
    kind, member = found[0]
    driver_id = getattr(event, "driver_id", "")
    if not driver_id and hasattr(event, "payment_id"):
        payment = reads.row(CARD_PAYMENTS, event.payment_id)
        driver_id = payment.driver_id if payment is not None else ""
    object_id = getattr(event, member, "") or driver_id
    name = event.kind.replace(".", "_")
    return [Notice(kind, str(object_id), at, driver_id, name)] if driver_id else []
