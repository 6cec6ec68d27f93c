"""A booking as its driver sees it."""

from collections.abc import Sequence

from ledger.domain.asking import SwapRequested
from ledger.domain.booking import BookingRequested
from ledger.domain.booking_ends import BookingFailed, BookingFulfilled, FeeStep
from ledger.domain.booking_holds import BookingRejected
from ledger.domain.claims import ENDED, EXTENSION_MAX_US, Booking, BookingTerms
from ledger.domain.custody import PACKS
from ledger.domain.pinning import AllocationReplaced
from ledger.domain.transitions import Family, place_of
from ledger.kernel.instants import as_text
from partner_api.driver.bodies_journey import (
    AllocationOut,
    BookingOut,
    QuoteLineOut,
    ReplacedOut,
    WindowOut,
)
from partner_api.driver.journey_reads import Told, told_of
from partner_api.driver.own import Own
from partner_api.driver.quotes import Asked, gross, line_out, rated
from partner_api.driver.station_view import Stations
from partner_api.problems import DoorProblem


def booking_out(own: Own, stations: Stations, row: Booking) -> BookingOut:
    """Say all of a booking."""
    told = told_of(own, row.booking_id)
    end = _end(told)
    event = end.event if end else None
    fee = event.fee_minor + event.tax_minor if isinstance(event, FeeStep) else None
    credit = event.compensation_minor if isinstance(event, BookingFailed) else None
    station = stations.index.one(row.station_id)
    terms = row.terms
    can_extend = row.stage in ("RESERVED", "ALLOCATED") and not row.is_extended
    return BookingOut(
        id=row.booking_id,
        state=row.stage,
        station=stations.ref(row.station_id),
        pack_class=row.pack_class,
        packs_count=row.count,
        window=WindowOut(as_text(row.window_from), as_text(row.window_to)),
        hold_expires_at=as_text(row.over_at),
        made_at=as_text(told[0].envelope.recorded_at),
        allocation=[allocation_of(own, pack_id) for pack_id in row.pack_ids],
        price_locked=bool(terms.price_at),
        replaced=_replaced(told),
        version=told[-1].position,
        currency=row.currency,
        cancel_until=as_text(terms.cancel_until_at) if terms.cancel_until_at else None,
        extendable_until=as_text(row.window_to + EXTENSION_MAX_US) if can_extend else None,
        ended_at=as_text(end.envelope.recorded_at) if end else None,
        end_reason=str(getattr(event, "reason", "")),
        swap_id=_swap_id(told),
        no_show_minor=None
        if station is None
        else gross(station.station, terms.no_show_minor, row.window_from),
        cancel_minor=None
        if station is None
        else gross(station.station, terms.cancel_minor, row.window_from),
        fee_minor=fee,
        credit_minor=credit,
        prices=[] if row.stage in ENDED else _prices(own, stations, row),
    )


def _end(told: Sequence[Told]) -> Told | None:
    kinds = FeeStep | BookingFulfilled | BookingRejected
    ends = [one for one in told if isinstance(one.event, kinds)]
    return ends[-1] if ends else None


def _swap_id(told: Sequence[Told]) -> str | None:
    """Give the last swap that answered the booking."""
    named = [
        one.event.swap_id for one in told if isinstance(one.event, SwapRequested | BookingFulfilled)
    ]
    return named[-1] if named else None


def allocation_of(own: Own, pack_id: str) -> AllocationOut:
    """Say where a pack stands that is kept for a booking."""
    pack = own.reads.row(PACKS, pack_id)
    family, ids = ("", ()) if pack is None else place_of(pack.account)
    return AllocationOut(pack_id, ids[1] if family is Family.SLT else "")


def _replaced(told: Sequence[Told]) -> list[ReplacedOut]:
    return [
        ReplacedOut(
            from_pack_id=one.event.pack_ids[0],
            to_pack_id=one.event.pack_ids[1],
            reason=one.event.reason,
            at=as_text(one.envelope.recorded_at),
        )
        for one in told
        if isinstance(one.event, AllocationReplaced)
    ]


def _prices(own: Own, stations: Stations, row: Booking) -> list[QuoteLineOut]:
    """Rate the booking's swap again, by the prices that were locked for it."""
    station = stations.index.one(row.station_id)
    if station is None:
        return []
    locked_at = row.terms.price_at
    at, position = locked_at or row.window_from, row.position if locked_at else 0
    try:
        made = rated(own, Asked(station.station, row.pack_class, row.count, at, position))
    except DoorProblem:
        return []
    return [line_out(line) for line in made.bill.lines]


def same_wish(event: BookingRequested, wish: tuple[str, str, int, int, int, str]) -> bool:
    """Tell whether a booking is what a request asks for: the same place, class, time and quote."""
    told = (
        event.station_id,
        event.pack_class,
        event.count,
        event.window_from,
        event.window_to,
        event.terms_version.partition(" ")[0],
    )
    return told == wish


def same_means(terms: BookingTerms, pay_with: str) -> bool:
    """Tell whether a booking sets its money aside by the means that a request names."""
    if not terms.deposit_minor:
        return True  # nothing is set aside, by whatever means
    if terms.is_held:
        return pay_with in ("card", terms.method_id)
    return pay_with == terms.means
