"""An allowance is used with the bill that it pays, and given back with it."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.allowances import SubscriptionUsed
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.plans import ALLOWANCES, PlanTerms, PublishPlan
from ledger.domain.money.subscriptions import BeginSubscription, InvoiceSubscription
from ledger.domain.money.tariff_terms import Element
from ledger.domain.money.tariffs import PublishTariff
from ledger.kernel.instants import HOUR
from ledger.runtime.rerating_preview import apply, preview
from ledger.runtime.verify import verify
from tests.support.ledgers import sqlite_url
from tests.support.town import IMPORTER, MARCH, new_town
from tests.unit.runtime.test_rerating_preview import CHEAPER, FINANCE, MONTH, NOW, ask, stay

OVER = (Element("ENERGY", "KWH", 140_000), Element("SERVICE", "KWH", 200_000))
LATER = MARCH + 100 * HOUR


@pytest.fixture
def subscribed(tmp_path):
    """Give driver DR-1 30 kWh for March."""
    plan = PlanTerms("EUR", "FR", "Europe/Paris", 5_900, "KWH", 30_000, 0, overage_tariff_id="TF-2")
    with new_town(sqlite_url(tmp_path)) as ledger:
        over = replace(CHEAPER, elements=OVER)
        ask(ledger, PublishTariff(tariff_id="TF-2", terms=over), "overage")
        ask(ledger, PublishPlan(plan_id="PL-1", terms=plan), "plan")
        begin = BeginSubscription(
            driver_id="DR-1", plan_id="PL-1", contract_id="CO-1", first_on="2024-03-01"
        )
        ask(ledger, begin, "begin")
        ask(
            ledger,
            InvoiceSubscription(driver_id="DR-1", period="2024-03", issued_at=NOW),
            "invoice",
        )
        yield ledger


def used(ledger):
    with ledger.reading() as reads:
        row = reads.row(ALLOWANCES, "DR-1|2024-03")
        assert row is not None
        told = [one.event for one in reads.entries() if isinstance(one.event, SubscriptionUsed)]
        return row.used, [one.quantity for one in told]


def test_a_session_takes_what_is_left_of_the_month_and_pays_the_rest(subscribed):
    for number in (31, 32):
        at = LATER + number * 10 * HOUR
        ask(subscribed, stay(number, at, 20_000), f"stay {number}", IMPORTER, at + 7 * HOUR)
    with subscribed.reading() as reads:
        bills = [one.event for one in reads.entries() if isinstance(one.event, UsageAccrued)][-2:]
        assert verify(reads, deep=True)
    assert [[line.net_minor for line in bill.lines] for bill in bills] == [
        [0, 0],
        [0, 140, 0, 200],  # by the tariff of his plan
    ]
    assert used(subscribed) == (30_000, [20_000, 10_000])


def test_rating_again_gives_back_what_it_takes_anew(subscribed):
    at = LATER + 10 * HOUR
    ask(subscribed, stay(31, at, 40_000), "stay 31", IMPORTER, at + 7 * HOUR)
    assert used(subscribed) == (30_000, [30_000])
    publish = PublishTariff(tariff_id="TF-2", terms=CHEAPER, supersedes=1)
    ask(subscribed, publish, "cheaper", at=NOW)
    asked = replace(MONTH, tariff_id="TF-2")
    with subscribed.reading() as reads:
        sheet, _ = preview(reads, asked)
    after = {line.before.total_minor: line.after.total_minor for line in sheet.lines}
    assert after == {340: 190}
    apply(subscribed, asked, sheet.root(), actor=FINANCE, reason="TF-2/2", at=at + 99 * HOUR)
    total, told = used(subscribed)
    assert total == 30_000
    assert sum(told) == 30_000
    with subscribed.reading() as reads:
        assert preview(reads, asked)[0].lines == ()


def test_two_bills_that_want_the_last_of_an_allowance_are_not_both_free(subscribed):
    publish = PublishTariff(tariff_id="TF-1", terms=CHEAPER, supersedes=1)
    ask(subscribed, publish, "cheaper", at=NOW)
    with subscribed.reading() as reads:
        sheet, _ = preview(reads, MONTH)  # 20 and 12.345 kWh were used before he subscribed
    assert [line.after.total_minor for line in sheet.lines] == [0, 0, 570]
    done = apply(subscribed, MONTH, sheet.root(), actor=FINANCE, reason="TF-1/2", at=NOW + HOUR)
    assert (done.applied, done.left) == (2, 1)
    with subscribed.reading() as reads:
        rest, _ = preview(reads, MONTH)
    again = apply(subscribed, MONTH, rest.root(), actor=FINANCE, reason="rest", at=NOW + 2 * HOUR)
    assert (again.applied, again.left) == (1, 0)
    assert used(subscribed)[0] == 30_000
