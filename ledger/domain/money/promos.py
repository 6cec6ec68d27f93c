"""Promos: credit that a driver did not pay for, granted, used on invoices, or out of time.

A promo of this kind is a means of payment, after tax; one that takes a percentage or a swap off a
bill is a line of it, before tax (`rating_facts.Promo`). What a failed booking compensates is a
promo too, under the id of the booking.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.booking_ends import BookingFailed
from ledger.domain.money import templates, templates_credit
from ledger.domain.money.invoice_policy import approval_faults, policy_row
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class PromoCredit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A promo of a driver in minor units; `expires_at` 0 = never."""

    promo_id: str
    driver_id: str
    currency: str
    amount_minor: int
    expires_at: int = 0
    used_minor: int = 0
    is_over: bool = False

    def left_minor(self, at: int) -> int:
        """Give what can be used at a time (us); past its end nothing, written or not."""
        if self.is_over or (self.expires_at and at >= self.expires_at):
            return 0
        return self.amount_minor - self.used_minor


PROMOS = Shelf("promos", PromoCredit, listed_by=lambda row: row.driver_id)  # key: driver, promo
SHELVES: tuple[Shelf[Any], ...] = (PROMOS,)
FOLDS: tuple[type[Event], ...] = (BookingFailed,)

# Commands ---------------------------------------------------------------------


class GrantPromo(Command):
    """Give a driver credit; above the limit of the policy a second person agrees."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "system"})

    promo_id: str
    driver_id: str
    currency: str
    amount_minor: int
    reason: str
    expires_at: int = 0


class ExpirePromo(Command):
    """The time of a promo is over."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    promo_id: str
    driver_id: str


PromosCommand = GrantPromo | ExpirePromo

# Events -----------------------------------------------------------------------


class PromoStep(Event):
    """What every step of a promo tells (minor units)."""

    promo_id: str
    driver_id: str
    currency: str
    amount_minor: int


class PromoGranted(PromoStep, kw_only=True):
    """A driver has credit that he did not pay for."""

    kind: ClassVar[str] = "promo.granted"

    reason: str
    expires_at: int = 0


class PromoUsed(PromoStep, kw_only=True):
    """A promo paid some of an invoice, or all."""

    kind: ClassVar[str] = "promo.used"

    invoice_no: str


class PromoExpired(PromoStep):
    """What was left of a promo is no credit any more."""

    kind: ClassVar[str] = "promo.expired"


PromosEvent = PromoGranted | PromoUsed | PromoExpired

# touches ----------------------------------------------------------------------


def touches(command: PromosCommand) -> Keys:
    """Read the promo; for a new one the driver and the policy."""
    key = touch(PROMOS, command.driver_id, command.promo_id)
    if isinstance(command, GrantPromo):
        return key, touch(PARTIES, command.driver_id), policy_row()
    return (key,)


def follows(_world: World, _command: PromosCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PromosCommand, request: Request) -> Outcome:
    """Grant once; take back what is left once its time is over."""
    row = world.get(PROMOS, key_of(command.driver_id, command.promo_id))
    match command:
        case GrantPromo():
            return _grant(world, command, row, request)
        case ExpirePromo():
            return _expire(command, row, request.at)
        case _ as unknown:
            assert_never(unknown)


def _grant(world: World, command: GrantPromo, row: PromoCredit | None, request: Request) -> Outcome:
    wrong = (
        not is_id(command.promo_id)
        or not command.reason
        or not 0 < command.amount_minor <= QUANTITY_MAX
        or (command.expires_at != 0 and not request.at < command.expires_at <= QUANTITY_MAX)
    )
    tests = (
        (command.currency not in EXPONENTS, RefusalCode.COMMODITY_UNKNOWN),
        (wrong, RefusalCode.PROMO_FIELD_INVALID),
        (row is not None and not _is_same(row, command), RefusalCode.KEY_REUSED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += approval_faults(world, request.actor, command.amount_minor)
    faults += [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"promo": command.promo_id[:40]})
    if row is not None:
        return ()
    granted = PromoGranted(
        promo_id=command.promo_id,
        driver_id=command.driver_id,
        currency=command.currency,
        amount_minor=command.amount_minor,
        reason=command.reason,
        expires_at=command.expires_at,
    )
    return (Draft(granted),)


def _is_same(row: PromoCredit, command: GrantPromo) -> bool:
    return (row.currency, row.amount_minor) == (command.currency, command.amount_minor)


def _expire(command: ExpirePromo, row: PromoCredit | None, at: int) -> Outcome:
    if row is None:
        return Refusal(RefusalCode.PROMO_UNKNOWN, {"promo": command.promo_id[:40]})
    if row.is_over:
        return ()
    if not row.expires_at or at < row.expires_at:
        return Refusal(RefusalCode.NOT_DUE, {"expires_at": row.expires_at})
    expired = PromoExpired(
        promo_id=row.promo_id,
        driver_id=row.driver_id,
        currency=row.currency,
        amount_minor=row.amount_minor - row.used_minor,
    )
    return (Draft(expired),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PromosEvent | BookingFailed, _stamp: Stamp) -> None:
    """Keep what is left of each promo."""
    if isinstance(event, BookingFailed):
        if event.compensation_minor:
            _put(world, event.booking_id, event, event.compensation_minor)
        return
    key = key_of(event.driver_id, event.promo_id)
    match event:
        case PromoGranted():
            _put(world, event.promo_id, event, event.amount_minor, event.expires_at)
            if event.expires_at:
                set_timer(world, "promo", key, event.expires_at)
        case PromoUsed():
            row = world.need(PROMOS, key)
            used = row.used_minor + event.amount_minor
            world.put(PROMOS, key, replace(row, used_minor=used))
        case PromoExpired():
            world.put(PROMOS, key, replace(world.need(PROMOS, key), is_over=True))
            set_timer(world, "promo", key, 0)
        case _ as unknown:
            assert_never(unknown)


def _put(
    world: World,
    promo_id: str,
    event: PromoGranted | BookingFailed,
    amount_minor: int,
    expires_at: int = 0,
) -> None:
    row = PromoCredit(promo_id, event.driver_id, event.currency, amount_minor, expires_at)
    world.put(PROMOS, key_of(event.driver_id, promo_id), row)


# postings ---------------------------------------------------------------------


def postings(event: PromosEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    dims = {"driver": event.driver_id, "promo": event.promo_id}
    match event:
        case PromoGranted():
            return templates.promo_granted(event.currency, event.amount_minor, dims)
        case PromoUsed():
            paid = {**dims, "invoice": event.invoice_no}
            return templates_credit.promo_used(event.currency, event.amount_minor, paid)
        case PromoExpired():
            return templates_credit.promo_expired(event.currency, event.amount_minor, dims)
        case _ as unknown:
            assert_never(unknown)
