"""The money that is set aside for a booking: reserved in a wallet, or held by the bank of a card.

A hold is asked for with the booking and stands before the booking is promised: the call to the
provider is written down in the commit that keeps the packs, so that whoever dies in between leaves
neither a promise without money nor money without a promise.
"""

from msgspec.structs import replace

from ledger.domain.claims import Booking, BookingTerms, deposit_of, hold_of
from ledger.domain.money import payments
from ledger.domain.money.payments import ReserveCard
from ledger.domain.money.payments_ending import end_call, is_releasable
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.pending import ReserveMoney, reserve_faults
from ledger.domain.money.tax import tax_rule
from ledger.domain.stations import Station
from ledger.domain.world import Keys, World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Draft, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.refusal import RefusalCode

DEPOSIT_AFTER_US = DAY
"""Policy: so long after a booking is over its deposit can still be posted."""


def deposit_order(booking: Booking) -> ReserveMoney | None:
    """Say what to reserve of our own: until a day after the booking is over at the latest."""
    terms = booking.terms
    if not terms.deposit_minor or terms.is_held:
        return None
    return ReserveMoney(
        pending_id=deposit_of(booking.booking_id),
        driver_id=booking.driver_id,
        means=terms.means,
        currency=booking.currency,
        amount_minor=terms.deposit_minor,
        expires_at=booking.over_at + DEPOSIT_AFTER_US,
        booking_id=booking.booking_id,
    )


def hold_order(booking: Booking) -> ReserveCard | None:
    """Say what the bank of a card shall hold; None where no card was named."""
    terms = booking.terms
    if not terms.is_held:
        return None
    return ReserveCard(
        payment_id=hold_of(booking.booking_id),
        driver_id=booking.driver_id,
        subject_id=booking.booking_id,
        currency=booking.currency,
        amount_minor=terms.deposit_minor,
        method_id=terms.method_id,
    )


def hold_order_rows(booking: Booking) -> Keys:
    """Name what asking for the hold reads."""
    order = hold_order(booking)
    return () if order is None else payments.touches(order)


def held(world: World, booking: Booking, request: Request) -> Outcome:
    """Plan the hold of a booking with its call; nothing where no card was named."""
    order = hold_order(booking)
    return () if order is None else payments.decide(world, order, request)


def behind(drafts: tuple[Draft, ...], first: int, name: str) -> tuple[Draft, ...]:
    """Put drafts behind `first` others of the same command, the first of which caused them."""
    return tuple(
        replace(one, after=tuple(first + index for index in one.after) or (0,), correlation_id=name)
        for one in drafts
    )


def released(world: World, booking: Booking) -> tuple[Draft, ...]:
    """Plan giving back what is held for a booking; nothing while that cannot be asked for.

    What the provider has not told of yet is given back when he does (`booking_holds`).
    """
    row = world.get(CARD_PAYMENTS, hold_of(booking.booking_id)) if booking.terms.is_held else None
    if row is None or not is_releasable(world, row):
        return ()
    return (Draft(end_call(world, row), correlation_id=booking.booking_id),)


def _is_payable(terms: BookingTerms) -> bool:
    """Tell whether a bill can take of the deposit: a bank holds it, or it is in the wallet."""
    if terms.method_id:
        return terms.means == "card" and bool(terms.price_at)
    return not (terms.means == "card" and terms.deposit_minor and terms.price_at)


def money_faults(
    world: World, booking: Booking, station: Station | None, at: int
) -> list[RefusalCode]:
    """Tell what is wrong with the money of a booking that is asked for.

    A bank holds money only for what has a locked price; its hold is planned by `held`.
    """
    terms = booking.terms
    if not terms.is_valid:
        return [RefusalCode.QUANTITY_OUT_OF_RANGE]
    faults: list[RefusalCode] = []
    if not _is_payable(terms):
        faults.append(RefusalCode.PAYMENT_FIELD_INVALID)
    if terms.has_fees and station is not None and tax_rule(station.country, "service", at) is None:
        faults.append(RefusalCode.TAX_RULE_MISSING)
    if (terms.has_fees or terms.compensation_minor) and booking.currency not in EXPONENTS:
        faults.append(RefusalCode.COMMODITY_UNKNOWN)
    deposit = deposit_order(booking)
    return faults if deposit is None else faults + reserve_faults(world, deposit)
