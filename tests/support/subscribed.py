"""Drivers with a plan, for the tests of subscriptions and of what they give."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.money.allowances import UseAllowance
from ledger.domain.money.plans import PlanTerms, PublishPlan
from ledger.domain.money.subscriptions import BeginSubscription, InvoiceSubscription
from ledger.domain.parties import PARTIES, Party
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from tests.support.rules import act, events

MARCH = parse_instant("2026-02-28T23:00:00Z", "at")  # midnight in Berlin
TEN_SWAPS = PlanTerms(
    currency="EUR",
    country="DE",
    zone="Europe/Berlin",
    price_minor=5900,
    unit="SWAP",
    quantity=10,
    valid_from_at=0,
)


def subscribed(terms: PlanTerms = TEN_SWAPS, *, first_on: str = "2026-03-01") -> World:
    """Make a world in which driver DR-1 has subscribed to plan PL-1 by contract SUB-1."""
    world = World(complete=True)
    world.put(PARTIES, "DR-1", Party("DR-1", ("driver",), "DE"))
    events(act(world, PublishPlan(plan_id="PL-1", terms=terms)))
    begin = BeginSubscription(
        driver_id="DR-1", contract_id="SUB-1", plan_id="PL-1", first_on=first_on
    )
    events(act(world, begin, at=MARCH))
    return world


def month(period: str = "2026-03", **changes: Any) -> InvoiceSubscription:
    """Ask for the invoice of a month, as soon as it has begun."""
    issued_at = parse_instant(f"{period}-01T00:00:00Z", "at")
    plain = InvoiceSubscription(driver_id="DR-1", period=period, issued_at=issued_at)
    return replace(plain, **changes)


def use(at: str = "2026-03-10", **changes: Any) -> UseAllowance:
    """Use one swap on a day, at noon."""
    plain = UseAllowance(
        driver_id="DR-1",
        usage_id="SW-1",
        usage_kind="swap",
        occurred_at=parse_instant(f"{at}T12:00:00Z", "at"),
        swaps=1,
    )
    return replace(plain, **changes)
