"""Subscription plans, and what a driver may still use of the ones he pays for.

A plan has versions; the newest one that holds on a day is what a driver subscribes to, and he
keeps it. Every month of a subscription opens an **allowance**: so many swaps, or so many
watt-hours, that his usages take before they cost anything. Rating reads what is left with
`free_of`; `subscriptions.py` opens, uses and ends allowances, and recognises what was paid for.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from ledger.domain.money.tariff_faults import is_zone
from ledger.domain.money.tax import PRODUCTS
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import local_date
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

ROLLOVER_MAX = 12
ALLOWANCE_MAX = 10**9


class PlanTerms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a version of a plan says; a period is a calendar month in `zone`.

    `price_minor` is net of tax. `quantity` counts swaps (unit ``SWAP``) or Wh (``KWH``). What is
    not used can be used in the next `rollover_periods` months. The first month is priced by day.
    """

    currency: str
    country: str
    zone: str
    price_minor: int
    unit: Literal["SWAP", "KWH"]
    quantity: int
    valid_from_at: int
    rollover_periods: int = 0
    overage_tariff_id: str = ""
    tax_product: str = "service"


class PlanVersion(msgspec.Struct, frozen=True):
    """One version of a plan; versions count from 1."""

    version: int
    terms: PlanTerms


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A plan with its versions, oldest first."""

    plan_id: str
    versions: tuple[PlanVersion, ...] = ()

    def at(self, instant: int) -> PlanVersion | None:
        """Find the version that holds at a time (us); None before the first one."""
        held = [one for one in self.versions if one.terms.valid_from_at <= instant]
        return held[-1] if held else None


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a driver subscribes to; he has one plan at a time.

    `first_on` is the day it began; `last_period` is the month after which it ends, "" = it goes on;
    `invoiced_period` the month that was invoiced last.
    """

    driver_id: str
    contract_id: str
    plan_id: str
    version: int
    terms: PlanTerms
    first_on: str
    invoiced_period: str = ""
    last_period: str = ""


class Allowance(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one month of a subscription gives, and how much of it was used.

    `total_minor` was invoiced for it (net), `recognised_minor` of that is earned. What is left can
    be used before `usable_until_at` (us).
    """

    driver_id: str
    contract_id: str
    period: str
    invoice_no: str
    currency: str
    unit: Literal["SWAP", "KWH"]
    quantity: int
    total_minor: int
    usable_until_at: int
    used: int = 0
    recognised_minor: int = 0
    is_over: bool = False

    @property
    def left(self) -> int:
        """What can be used still: swaps or Wh."""
        return max(self.quantity - self.used, 0)


PLANS = Shelf("plans", Plan)
SUBSCRIPTIONS = Shelf("subscriptions", Subscription)  # key: driver
ALLOWANCES = Shelf("allowances", Allowance, listed_by=lambda row: row.driver_id)
"""Key: driver, month ``YYYY-MM`` in the zone of the plan."""
SHELVES: tuple[Shelf[Any], ...] = (PLANS, SUBSCRIPTIONS, ALLOWANCES)
FOLDS: tuple[type[Event], ...] = ()


# Allowances -------------------------------------------------------------------


class Free(NamedTuple):
    """What a driver may use without paying for it again."""

    swaps: int
    energy_wh: int


def month_at(instant: int, zone: str) -> str:
    """Name the month of a time (us) in a zone."""
    return local_date(instant, zone).isoformat()[:7]


def month_after(period: str, months: int = 1) -> str:
    """Name the month so many months later, or earlier.

    >>> month_after("2026-12"), month_after("2026-01", -2)
    ('2027-01', '2025-11')
    """
    count = int(period[:4]) * 12 + int(period[5:7]) - 1 + months
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def allowance_rows(world: World, driver_id: str, at: int) -> Iterator[Key]:
    """Name what a usage of a driver at a time (us) may be free by, as far as it is known yet.

    First his subscription; once that is loaded, the months that hold then, oldest first.
    """
    yield touch(SUBSCRIPTIONS, driver_id)
    if world.is_loaded(SUBSCRIPTIONS, driver_id):
        for key in _keys(world, driver_id, at):
            yield touch(ALLOWANCES, key)


def _keys(world: World, driver_id: str, at: int) -> list[str]:
    row = world.get(SUBSCRIPTIONS, driver_id)
    if row is None:
        return []
    month = month_at(at, row.terms.zone)
    earlier = range(-row.terms.rollover_periods, 1)
    return [key_of(driver_id, month_after(month, step)) for step in earlier]


def allowances_at(world: World, driver_id: str, at: int) -> list[Allowance]:
    """List the allowances of a driver that hold at a time (us), oldest first."""
    found = (world.get(ALLOWANCES, key) for key in _keys(world, driver_id, at))
    return [row for row in found if row is not None]


def free_of(world: World, driver_id: str, at: int) -> Free:
    """Tell what is left for a usage at a time (us); its rows must be loaded (`allowance_rows`)."""
    rows = allowances_at(world, driver_id, at)
    swaps = sum(row.left for row in rows if row.unit == "SWAP")
    return Free(swaps, sum(row.left for row in rows if row.unit == "KWH"))


# Commands ---------------------------------------------------------------------


class PublishPlan(Command):
    """Publish the next version of a plan, by two persons; who subscribed keeps his version."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    plan_id: str
    terms: PlanTerms


PlansCommand = PublishPlan

# Events -----------------------------------------------------------------------


class PlanPublished(Event):
    """A version of a plan holds from a time on."""

    kind: ClassVar[str] = "plan.published"

    plan_id: str
    plan_version: int
    terms: PlanTerms


PlansEvent = PlanPublished

# touches ----------------------------------------------------------------------


def touches(command: PlansCommand) -> Keys:
    """Read the plan."""
    return (touch(PLANS, command.plan_id),)


def follows(_world: World, _command: PlansCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PlansCommand, _request: Request) -> Outcome:
    """Add a version unless a field cannot be, or it begins before the newest one."""
    plan = world.get(PLANS, command.plan_id) or Plan(command.plan_id)
    newest = plan.versions[-1] if plan.versions else PlanVersion(0, command.terms)
    if newest.version and newest.terms == command.terms:
        return ()
    field = "" if is_id(command.plan_id) else "plan_id"
    field = field or fault_of(command.terms)
    if not field and command.terms.valid_from_at < newest.terms.valid_from_at:
        field = "valid_from_at"
    if not field and command.terms.currency != newest.terms.currency:
        field = "currency"
    if field:
        return Refusal(RefusalCode.PRICE_PLAN_INVALID, {"field": field})
    version = newest.version + 1
    return (
        Draft(PlanPublished(plan_id=command.plan_id, plan_version=version, terms=command.terms)),
    )


def fault_of(terms: PlanTerms) -> str:
    """Name the first field that cannot be; "" when all can."""
    tests = (
        (terms.currency not in EXPONENTS, "currency"),
        (len(terms.country) != 2 or not terms.country.isupper(), "country"),  # noqa: PLR2004
        (not is_zone(terms.zone), "zone"),
        (not 0 <= terms.price_minor <= QUANTITY_MAX, "price_minor"),
        (not 1 <= terms.quantity <= ALLOWANCE_MAX, "quantity"),
        (not 0 <= terms.valid_from_at <= QUANTITY_MAX, "valid_from_at"),
        (not 0 <= terms.rollover_periods <= ROLLOVER_MAX, "rollover_periods"),
        (bool(terms.overage_tariff_id) and not is_id(terms.overage_tariff_id), "overage_tariff_id"),
        (terms.tax_product not in PRODUCTS, "tax_product"),
    )
    return next((field for failed, field in tests if failed), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PlansEvent, _stamp: Stamp) -> None:
    """Keep all versions."""
    plan = world.get(PLANS, event.plan_id) or Plan(event.plan_id)
    versions = (*plan.versions, PlanVersion(event.plan_version, event.terms))
    world.put(PLANS, event.plan_id, Plan(event.plan_id, versions))


def postings(_event: PlansEvent) -> tuple[Posting, ...]:
    """A plan moves nothing."""
    return ()
