"""A swap within a subscription: free on the bill, earned in the same commit, given back."""

from collections.abc import Iterator

import pytest

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.plans import ALLOWANCES, Allowance, PlanTerms, PublishPlan
from ledger.domain.money.subscriptions import BeginSubscription, InvoiceSubscription
from ledger.kernel.instants import DAY
from ledger.runtime.ledger import Ledger
from ledger.runtime.settling import close_period
from ledger.runtime.verify import verify
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import AT, FINANCE, SWAP, find_it_again, lose_a_leg, swapped_town
from tests.support.town import MARCH

APRIL = MARCH + 31 * DAY
PLAN = PlanTerms(
    currency="EUR",
    country="FR",
    zone="Europe/Paris",
    price_minor=5_900,
    unit="SWAP",
    quantity=10,
    valid_from_at=0,
)


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    """Build a town in which DR-1 subscribed before he swapped."""
    subscribe = (
        PublishPlan(plan_id="PL-1", terms=PLAN),
        BeginSubscription(
            driver_id="DR-1", contract_id="SUB-1", plan_id="PL-1", first_on="2024-03-01"
        ),
        InvoiceSubscription(driver_id="DR-1", period="2024-03", issued_at=AT),
    )
    with swapped_town(sqlite_url(tmp_path), subscribe) as town:
        yield town


def month(ledger: Ledger) -> Allowance:
    with ledger.reading() as reads:
        verify(reads, deep=True)
        row = reads.row(ALLOWANCES, "DR-1|2024-03")
    assert row is not None
    return row


def kinds(ledger: Ledger) -> list[str]:
    with ledger.reading() as reads:
        names = [one.envelope.kind for one in reads.entries()]
    return [one for one in names if one.startswith(("usage", "subscription.u"))][-2:]


def test_a_swap_within_the_allowance_costs_nothing_and_earns_its_part(ledger):
    assert kinds(ledger) == ["usage.accrued", "subscription.used"]
    row = month(ledger)
    assert (row.used, row.left, row.recognised_minor) == (1, 9, 590)
    with ledger.reading() as reads:
        found = [one.event for one in reads.entries(0, None, (UsageAccrued.kind,))]
    bill = next(one for one in found if isinstance(one, UsageAccrued) and one.usage_id == SWAP)
    assert (bill.net_minor, {line.formula for line in bill.lines}) == (0, {"allowance-1"})
    assert sum(line.quantity for line in bill.lines if line.component == "ENERGY") == 53_438


def test_a_swap_that_is_taken_back_gives_its_allowance_back(ledger):
    lose_a_leg(ledger, AT + DAY)
    assert (month(ledger).used, month(ledger).recognised_minor) == (0, 0)
    find_it_again(ledger, AT + 2 * DAY)
    assert (month(ledger).used, month(ledger).recognised_minor) == (1, 590)


def test_its_invoice_stands_beside_that_of_the_usages(ledger):
    closed = close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
    assert closed.invoices == ("MG1-INV-2024-000002", "MG1-INV-2024-000003")
