"""Allowances: what a month of a subscription gives is used, given back, or lapses.

What was earned after k of n units is the price times k / n, rounded once: the parts re-sum to the
price. What nobody can use any more is earned at the end (breakage). An allowance that a usage gave
back, because the usage itself was taken back, is not earned any more.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.money import templates_credit as templates
from ledger.domain.money.plans import ALLOWANCES, Allowance, allowance_rows, allowances_at
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import round_half_up
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class UseAllowance(Command):
    """A usage took so many swaps and Wh of its driver's allowances; below zero it gave them back.

    `occurred_at` (us) is when it was used.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    driver_id: str
    usage_id: str
    usage_kind: str
    occurred_at: int
    swaps: int = 0
    energy_wh: int = 0


class EndAllowance(Command):
    """Nobody can use what is left of a month (``YYYY-MM``) any more."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    driver_id: str
    period: str


AllowancesCommand = UseAllowance | EndAllowance

# Events -----------------------------------------------------------------------


class SubscriptionUsed(Event):
    """A usage took `quantity` of a month's allowance; `earned_minor` of its price is earned."""

    kind: ClassVar[str] = "subscription.used"

    driver_id: str
    contract_id: str
    period: str
    usage_id: str
    usage_kind: str
    quantity: int
    currency: str
    earned_minor: int = 0


class SubscriptionBroken(Event):
    """What was left of a month's allowance lapsed; the rest of its price is earned."""

    kind: ClassVar[str] = "subscription.breakage"

    driver_id: str
    contract_id: str
    period: str
    quantity: int
    currency: str
    earned_minor: int = 0


AllowancesEvent = SubscriptionUsed | SubscriptionBroken

# touches ----------------------------------------------------------------------


def touches(command: AllowancesCommand) -> Keys:
    """The subscription that is used, or the month that ends."""
    match command:
        case UseAllowance():
            return allowance_rows(World(), command.driver_id, command.occurred_at)
        case EndAllowance():
            return (touch(ALLOWANCES, command.driver_id, command.period),)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: AllowancesCommand) -> Keys:
    """The months that hold when something is used."""
    if isinstance(command, UseAllowance):
        return allowance_rows(world, command.driver_id, command.occurred_at)
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: AllowancesCommand, request: Request) -> Outcome:
    """Use what is left, never more; end what is over."""
    match command:
        case UseAllowance():
            return tuple(map(Draft, _used(world, command)))
        case EndAllowance():
            return _end(world, command, request.at)
        case _ as unknown:
            assert_never(unknown)


def earned_minor(row: Allowance, used: int) -> int:
    """Give what more, or less, of a month's price is earned once so many units are used.

    >>> month = Allowance("D", "C", "2026-01", "I", "EUR", "SWAP", 3, 1000, 0)
    >>> [
    ...     earned_minor(replace(month, recognised_minor=past), k)
    ...     for past, k in ((0, 1), (333, 2), (667, 3))
    ... ]
    [333, 334, 333]
    """
    if row.is_over:
        return 0
    whole = round_half_up(row.total_minor * min(used, row.quantity), row.quantity)
    return whole - row.recognised_minor


def _used(world: World, command: UseAllowance) -> Iterator[SubscriptionUsed]:
    """Take from the oldest month first; give back to the newest one first."""
    rows = allowances_at(world, command.driver_id, command.occurred_at)
    for unit, wanted in (("SWAP", command.swaps), ("KWH", command.energy_wh)):
        yield from _parts([row for row in rows if row.unit == unit], wanted, command)


def _parts(rows: list[Allowance], wanted: int, command: UseAllowance) -> Iterator[SubscriptionUsed]:
    for row in rows if wanted > 0 else reversed(rows):
        part = min(wanted, row.left) if wanted > 0 else max(wanted, -row.used)
        wanted -= part
        if part:
            yield SubscriptionUsed(
                driver_id=row.driver_id,
                contract_id=row.contract_id,
                period=row.period,
                usage_id=command.usage_id,
                usage_kind=command.usage_kind,
                quantity=part,
                currency=row.currency,
                earned_minor=earned_minor(row, row.used + part),
            )


def _end(world: World, command: EndAllowance, at: int) -> Outcome:
    month = world.get(ALLOWANCES, key_of(command.driver_id, command.period))
    if month is None:
        return Refusal(RefusalCode.SUBSCRIPTION_UNKNOWN, {"period": command.period[:10]})
    if month.is_over:
        return ()
    if at < month.usable_until_at:
        return Refusal(RefusalCode.NOT_DUE, {"ends_at": month.usable_until_at})
    broken = SubscriptionBroken(
        driver_id=month.driver_id,
        contract_id=month.contract_id,
        period=month.period,
        quantity=month.left,
        currency=month.currency,
        earned_minor=month.total_minor - month.recognised_minor,
    )
    return (Draft(broken),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AllowancesEvent, _stamp: Stamp) -> None:
    """Keep what is used and what is earned."""
    key = key_of(event.driver_id, event.period)
    row = world.need(ALLOWANCES, key)
    earned = row.recognised_minor + event.earned_minor
    match event:
        case SubscriptionUsed():
            used = row.used + event.quantity
            world.put(ALLOWANCES, key, replace(row, used=used, recognised_minor=earned))
        case SubscriptionBroken():
            world.put(ALLOWANCES, key, replace(row, recognised_minor=earned, is_over=True))
            set_timer(world, "allowance", key, 0)
        case _ as unknown:
            assert_never(unknown)


# postings ---------------------------------------------------------------------


def postings(event: AllowancesEvent) -> tuple[Posting, ...]:
    """Earn what was invoiced in advance."""
    dims = {"driver": event.driver_id, "contract": event.contract_id}
    if isinstance(event, SubscriptionUsed):
        dims[event.usage_kind] = event.usage_id
    return templates.subscription_earned(event.currency, event.earned_minor, dims)
