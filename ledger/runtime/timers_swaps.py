"""What the clock has to do about swaps, bookings, deposits and packs that are owed.

`due_swaps` reads the timers that the rules keep (`domain/waiting.py`) and gives commands for the
system to ask, oldest first. It decides nothing: each command is decided by its rule on the state as
it is then, so an answer that came meanwhile wins, and asking twice does no harm. The same log and
the same time give the same commands.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ledger.domain.booking_ends import FailBooking, MarkNoShow
from ledger.domain.booking_holds import NOT_TOLD, RejectBooking
from ledger.domain.claims import BOOKINGS, POOLS, Booking, Pool
from ledger.domain.classes import CLASS_RULES
from ledger.domain.custody import DRIVER_PACKS, PACKS, Pack
from ledger.domain.eligibility import eligible
from ledger.domain.extra_packs import ClaimExtraPack
from ledger.domain.maintenance import CheckMaintenance
from ledger.domain.money.pending import ExpirePending
from ledger.domain.money.settlement_answers import DeemStatementAccepted
from ledger.domain.moves import MovePack
from ledger.domain.pinning import SPARES_MAX, AllocatePack, ReviewPins
from ledger.domain.stations import STATIONS
from ledger.domain.swap import TimeOutSwap
from ledger.domain.transitions import driver_account
from ledger.domain.waiting import TIMERS, WAITING
from ledger.domain.waitlist import OFFER_US, WAITLISTS, ServeWaitlist, Waitlist
from ledger.domain.world import KEY_SEPARATOR
from ledger.kernel.messages import Command
from ledger.runtime.dunning import BILL_ANSWERS
from ledger.runtime.expecting import packs_at
from ledger.runtime.reads import Reads

DUE_MAX = 256
"""Commands that are given at once; the rest waits for the next look."""

READY_NOW = "ready-now"
"""The forecast version of what stands at the station ready to be handed out."""


def _none(_command: Command) -> bool:
    return False


def due_swaps(
    reader: Reads, now: int, *, limit: int = DUE_MAX, skip: Callable[[Command], bool] = _none
) -> tuple[Command, ...]:
    """Give what the system must ask at a time (us), at most `limit` commands, oldest first.

    Those that `skip` names were asked already and are left out: what stays due, because the rules
    say no, must not keep what is younger from its turn.
    """
    due = [
        (timer.due_at, key)
        for key, timer in reader.rows(TIMERS, listed=WAITING)
        if timer.due_at <= now
    ]
    found: list[Command] = []
    for _, key in sorted(due):
        what, _, subject_id = key.partition(KEY_SEPARATOR)
        found += [one for one in _ANSWERS[what](reader, subject_id, now) if not skip(one)]
        if len(found) >= limit:
            break
    return tuple(found[:limit])


def _swap(_reader: Reads, swap_id: str, _now: int) -> Iterable[Command]:
    yield TimeOutSwap(swap_id=swap_id)


def _extra_pack(_reader: Reads, swap_id: str, _now: int) -> Iterable[Command]:
    yield ClaimExtraPack(swap_id=swap_id)


def _maintenance(_reader: Reads, plan_id: str, _now: int) -> Iterable[Command]:
    yield CheckMaintenance(plan_id=plan_id)


def _pending(_reader: Reads, pending_id: str, _now: int) -> Iterable[Command]:
    yield ExpirePending(pending_id=pending_id)


def _statement(_reader: Reads, statement_id: str, _now: int) -> Iterable[Command]:
    yield DeemStatementAccepted(statement_id=statement_id)


def _booking(reader: Reads, booking_id: str, now: int) -> Iterator[Command]:
    """Pin packs before the window, look at them again, and give up after it."""
    row = reader.row(BOOKINGS, booking_id)
    if row is None:
        return
    if row.stage == "PENDING":
        yield RejectBooking(booking_id=booking_id, reason=NOT_TOLD)
        return
    if row.stage == "PRESENTED":
        yield FailBooking(booking_id=booking_id, reason="no_swap_came", fault="nobody")
        return
    if now >= row.over_at:
        yield MarkNoShow(booking_id=booking_id)
        return
    if any(map(partial(_is_unfit, reader, row, now), row.pack_ids)):
        yield ReviewPins(booking_id=booking_id)
        return
    wanted = row.count - len(row.pack_ids)
    fit = [pack.pack_id for pack in _fit_packs(reader, row, now)]
    spares = tuple(fit[wanted : wanted + SPARES_MAX])
    for pack_id in fit[:wanted]:
        yield AllocatePack(booking_id=booking_id, pack_id=pack_id, spare_pack_ids=spares)


def _is_unfit(reader: Reads, booking: Booking, now: int, pack_id: str) -> bool:
    pack, station = reader.row(PACKS, pack_id), reader.row(STATIONS, booking.station_id)
    if pack is None or station is None:
        return True
    own, wanted = booking.booking_id, _tested(reader, pack, booking)
    return bool(eligible(pack, station, pack_class=wanted, at=now, booking_id=own))


def _tested(reader: Reads, pack: Pack, booking: Booking) -> str:
    """Give the class that a pack is held against: its own where it may stand in."""
    if pack.pack_class == booking.pack_class:
        return pack.pack_class
    rules = reader.row(CLASS_RULES, pack.pack_class)
    stands_in = rules is not None and booking.pack_class in rules.stands_in_for
    return pack.pack_class if stands_in else booking.pack_class


def _fit_packs(reader: Reads, booking: Booking, now: int) -> list[Pack]:
    """List the packs of a station that may be pinned to a booking.

    Those of its own class come first, then better ones; the fullest first among them.
    """
    station = reader.row(STATIONS, booking.station_id)
    if station is None:
        return []
    fit = [
        pack
        for pack in packs_at(reader, station.station_id)
        if (pack.soc_bp or 0) >= booking.min_soc_bp
        and not eligible(pack, station, pack_class=_tested(reader, pack, booking), at=now)
    ]
    own = booking.pack_class
    return sorted(fit, key=lambda one: (one.pack_class != own, -(one.soc_bp or 0), one.pack_id))


def _return(reader: Reads, key: str, now: int) -> Iterator[Command]:
    """Give up waiting for the packs a driver has too many: those he has had longest."""
    row = reader.row(DRIVER_PACKS, key)
    if row is None:
        return
    held = [
        pack
        for _, pack in reader.rows(PACKS, listed=driver_account(row.driver_id))
        if pack.pack_class == row.pack_class
    ]
    held.sort(key=lambda pack: (pack.moved_at, pack.pack_id))
    for pack in held[: max(row.deviation, 0)]:
        yield MovePack(
            pack_id=pack.pack_id,
            event="return_overdue",
            level=0,
            reason="not returned in time",
            expected_account=pack.account,
            occurred_at=now,
        )


def _waitlist(reader: Reads, key: str, now: int) -> Iterator[Command]:
    """Serve who waits, where an offer has lapsed or a pack is free."""
    row = reader.row(WAITLISTS, key)
    if row is None:
        return
    ready = _ready(reader, row, now)
    pool = reader.row(POOLS, key) or Pool()
    is_over = any(one.ends_at() <= now for one in row.places)
    if is_over or ready > pool.claimed(now, now + OFFER_US):
        yield ServeWaitlist(
            station_id=row.station_id,
            pack_class=row.pack_class,
            forecast_ready=ready,
            forecast_version=READY_NOW,
        )


def _ready(reader: Reads, row: Waitlist, now: int) -> int:
    """Count the packs that could go out now; those pinned too, for their bookings count as well."""
    station = reader.row(STATIONS, row.station_id)
    if station is None:
        return 0
    wanted = row.pack_class
    return sum(
        not eligible(pack, station, pack_class=wanted, at=now, booking_id=pack.allocated_to)
        for pack in packs_at(reader, row.station_id)
    )


_ANSWERS: dict[str, Callable[[Reads, str, int], Iterable[Command]]] = {
    "swap": _swap,
    "booking": _booking,
    "extra_pack": _extra_pack,
    "maintenance": _maintenance,
    "pending": _pending,
    "return": _return,
    "statement": _statement,
    "waitlist": _waitlist,
    **BILL_ANSWERS,
}
