"""Notices to drivers: made by following the log, and by the clock where nothing is written.

Each notice has an id that follows from what it tells, so following again, or twice at once, tells
nobody anything twice. What a notice says is a key of words and what fills them; whoever shows it
has the words.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ledger.domain.booking_ends import BookingCanceled, BookingFailed, BookingNoShow
from ledger.domain.booking_holds import BookingRejected
from ledger.domain.claims import BOOKINGS, Booking
from ledger.domain.money.invoices import INVOICES, InvoiceIssued
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.payments_told import PaymentMoved
from ledger.domain.money.subscriptions import SubscriptionInvoiced
from ledger.domain.pinning import AllocationReplaced
from ledger.domain.support import SupportCaseClosed, SupportMessageAdded
from ledger.domain.support_rows import SUPPORT
from ledger.domain.swap import SwapClosedIncomplete, SwapCompleted, SwapOutTimedOut
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.world import KEY_SEPARATOR
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import HOUR, MINUTE, as_text
from ledger.kernel.messages import Event
from ledger.runtime.ledger import Ledger
from ledger.runtime.notice_sending import Channel, plan
from ledger.runtime.reads import Entry, Reads
from ledger.store import following, notices
from ledger.store.notices import NoticeBody, NoticeRow

FOLLOWER = "driver_notices"
STEP = 5_000
"""Entries in one transaction."""

HOLD_ENDING_US = 5 * MINUTE
STATION_DOWN_US = 15 * MINUTE

HOLD_ENDING, BOOKING_CHANGED, SWAP_DONE = "hold_ending", "booking_changed", "swap_done"
BILL_DUE, PAYMENT_FAILED = "bill_due", "payment_failed"
STATION_DOWN, CASE_ANSWERED = "station_down", "case_answered"
KINDS = (
    HOLD_ENDING,
    BOOKING_CHANGED,
    SWAP_DONE,
    BILL_DUE,
    PAYMENT_FAILED,
    STATION_DOWN,
    CASE_ANSWERED,
)
_TOLD: tuple[type[Event], ...] = (
    AllocationReplaced,
    BookingCanceled,
    BookingFailed,
    BookingNoShow,
    BookingRejected,
    InvoiceIssued,
    PaymentMoved,
    SubscriptionInvoiced,
    SupportCaseClosed,
    SupportMessageAdded,
    SwapClosedIncomplete,
    SwapCompleted,
    SwapOutTimedOut,
)
_KINDS = tuple(event.kind for event in _TOLD)


def follow(
    ledger: Ledger, *, again: bool = False, now: int = 0, carried: Sequence[Channel] = ()
) -> int:
    """Make the notices of what was written since the last time; give how many are new.

    `again` makes all of them anew; what was read counts as unread then. The new ones of the
    day before `now` (us) also leave the house by the channels `carried`, as their drivers want.
    """
    log_id, made = ledger.name.log_id, 0
    while True:
        with ledger.reading() as reads:
            at = 0 if again else following.position(reads.tx, log_id, FOLLOWER)
            if at >= reads.size and not again:
                return made
            end = min(at + STEP, reads.size)
            rows = list(_of_entries(reads, reads.entries(at, end, _KINDS)))
        with ledger.writing() as tx:
            if not following.move(tx, log_id, FOLLOWER, at=None if again else at, reached=end):
                continue  # another follower was here first
            if again:
                notices.clear(tx, log_id)
            fresh = notices.add(tx, log_id, rows)
            plan(tx, log_id, fresh, now, carried)
            made += len(fresh)
        again = False


def _of_entries(reads: Reads, entries: Iterable[Entry]) -> Iterator[NoticeRow]:
    for entry in entries:
        at, event = entry.envelope.recorded_at, entry.event
        found = _of_event(reads, event)
        if found is not None:
            driver_id, kind, object_id, body = found
            seed = str(entry.envelope.position)
            yield _row(driver_id, kind, object_id, at, body, seed=seed)


def _row(
    driver_id: str, kind: str, object_id: str, at: int, body: NoticeBody, *, seed: str
) -> NoticeRow:
    return NoticeRow(derived_id("NO", driver_id, kind, seed), driver_id, kind, object_id, at, body)


_Found = tuple[str, str, str, NoticeBody]
"""Driver, kind, object, words."""


def _of_event(reads: Reads, event: Event) -> _Found | None:
    match event:
        case SwapCompleted() | SwapClosedIncomplete() | SwapOutTimedOut():
            return _of_swap(event)
        case AllocationReplaced():
            return _of_booking(reads, event.booking_id, "booking.replaced", {})
        case BookingCanceled() | BookingFailed() | BookingNoShow() | BookingRejected():
            return _of_booking(reads, event.booking_id, _ENDS[type(event)], {})
        case InvoiceIssued() | SubscriptionInvoiced():
            facts = {"invoice_no": event.invoice_no, "due_on": event.due_on}
            body = NoticeBody("invoice.issued", facts, "invoice", event.invoice_no)
            return event.driver_id, BILL_DUE, event.invoice_no, body
        case PaymentMoved():
            return _of_payment(reads, event)
        case SupportMessageAdded():
            if event.sender != SUPPORT:
                return None
            return _of_case(event.driver_id, event.case_id, "case.answered")
        case SupportCaseClosed():
            return _of_case(event.driver_id, event.case_id, "case.closed")
        case _:
            return None


_ENDS: dict[type[Event], str] = {
    BookingCanceled: "booking.canceled",
    BookingFailed: "booking.failed",
    BookingNoShow: "booking.no_show",
    BookingRejected: "booking.rejected",
}


def _of_swap(event: SwapCompleted | SwapClosedIncomplete | SwapOutTimedOut) -> _Found:
    kinds = {SwapCompleted: "swap.completed", SwapClosedIncomplete: "swap.closed"}
    key = kinds.get(type(event), "swap.half")
    facts = {"station_id": event.station_id}
    return event.driver_id, SWAP_DONE, event.swap_id, NoticeBody(key, facts, "swap", event.swap_id)


def _of_booking(reads: Reads, booking_id: str, key: str, facts: dict[str, str]) -> _Found | None:
    row = reads.row(BOOKINGS, booking_id)
    if row is None:
        return None
    told = {"station_id": row.station_id, **facts}
    body = NoticeBody(key, told, "booking", booking_id)
    return row.driver_id, BOOKING_CHANGED, booking_id, body


def _of_payment(reads: Reads, event: PaymentMoved) -> _Found | None:
    """Tell of a payment of an invoice that did not go through, or waits for its driver."""
    row = reads.row(CARD_PAYMENTS, event.payment_id)
    if event.state not in ("FAILED", "NEEDS_ACTION") or row is None or not row.invoice_no:
        return None
    invoice = reads.row(INVOICES, row.invoice_no)
    facts = {
        "invoice_no": row.invoice_no,
        "amount_minor": str(row.amount_minor),
        "currency": row.currency,
        "due_on": invoice.due_on if invoice else "",
    }
    key = "payment.failed" if event.state == "FAILED" else "payment.needs_action"
    body = NoticeBody(key, facts, "invoice", row.invoice_no)
    return event.driver_id, PAYMENT_FAILED, event.payment_id, body


def _of_case(driver_id: str, case_id: str, key: str) -> _Found:
    return driver_id, CASE_ANSWERED, case_id, NoticeBody(key, {}, "case", case_id)


# By the clock -----------------------------------------------------------------


LastHeard = Callable[[str], int]
"""When a station reported last (us), 0 where that is not known."""


def remind(ledger: Ledger, now: int, last_heard: LastHeard, carried: Sequence[Channel] = ()) -> int:
    """Tell drivers who have a booking that it ends soon, or that its station is not heard of.

    Gives how many notices are new; they leave the house as those of `follow`. To be called about
    once a minute.
    """
    with ledger.reading() as reads:
        bookings = list(_waiting(reads))
    rows = [row for one in bookings for row in _of_hold(one, last_heard(one.station_id), now)]
    if not rows:
        return 0
    with ledger.writing() as tx:
        fresh = notices.add(tx, ledger.name.log_id, rows)
        plan(tx, ledger.name.log_id, fresh, now, carried)
        return len(fresh)


def _waiting(reads: Reads) -> Iterator[Booking]:
    """Yield the bookings that the clock looks at."""
    for key, _ in reads.rows(TIMERS, listed=WAITING):
        what, _, booking_id = key.partition(KEY_SEPARATOR)
        row = reads.row(BOOKINGS, booking_id) if what == "booking" else None
        if row is not None and row.stage in ("RESERVED", "ALLOCATED"):
            yield row


def _of_hold(row: Booking, heard_at: int, now: int) -> Iterator[NoticeRow]:
    facts = {"station_id": row.station_id, "until": as_text(row.over_at)}
    if 0 <= row.over_at - now <= HOLD_ENDING_US:
        body = NoticeBody("booking.hold_ending", facts, "booking", row.booking_id)
        yield _row(
            row.driver_id,
            HOLD_ENDING,
            row.booking_id,
            now,
            body,
            seed=f"{row.booking_id} {row.over_at}",
        )
    if heard_at and now - heard_at > STATION_DOWN_US and row.window_from - now <= HOUR:
        facts = {"station_id": row.station_id, "since": as_text(heard_at)}
        body = NoticeBody("station.down", facts, "booking", row.booking_id)
        yield _row(
            row.driver_id,
            STATION_DOWN,
            row.booking_id,
            now,
            body,
            seed=f"{row.booking_id} {heard_at}",
        )
