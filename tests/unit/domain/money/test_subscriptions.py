"""Subscriptions: begun, invoiced month by month, ended."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.invoices import INVOICES, SERIES
from ledger.domain.money.plans import ALLOWANCES, SUBSCRIPTIONS
from ledger.domain.money.subscriptions import (
    BeginSubscription,
    EndSubscription,
    SubscriptionInvoiced,
    follows,
    next_period,
    postings,
)
from ledger.domain.parties import PARTIES, Party
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World
from ledger.kernel.instants import as_text
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.subscribed import MARCH, TEN_SWAPS, month, subscribed


def invoice(world: World, period: str = "2026-03") -> SubscriptionInvoiced:
    (issued,) = events(act(world, month(period)))
    assert isinstance(issued, SubscriptionInvoiced)
    return issued


def code_of(outcome: object) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def begin(**changes: str) -> BeginSubscription:
    plain = BeginSubscription(
        driver_id="DR-1", contract_id="SUB-1", plan_id="PL-1", first_on="2026-03-01"
    )
    return replace(plain, **changes)


def test_a_month_is_invoiced_in_advance_and_deferred():
    world = subscribed()
    issued = invoice(world)
    assert (issued.net_minor, issued.gross_minor, issued.quantity) == (5900, 7021, 10)
    assert (issued.invoice_no, issued.due_on) == ("MG1-INV-2026-000001", "2026-03-15")
    lines = postings(issued)
    check_zero(lines)
    assert check_chart(lines) is None
    assert [(one.account, one.quantity, item_of(one)) for one in lines] == [
        ("Assets:Receivables:Drivers", 7021, "DR-1|MG1-INV-2026-000001"),
        ("Liabilities:Deferred-Subscriptions", -5900, "SUB-1"),
        ("Liabilities:Tax:Output-VAT", -1121, "DE-S-1900"),
    ]
    row = world.need(INVOICES, issued.invoice_no)
    assert (row.open_minor, row.state, row.allowance) == (7021, "issued", "DR-1|2026-03")
    assert world.need(ALLOWANCES, "DR-1|2026-03").left == 10
    assert act(world, month()) == ()  # once


def test_months_follow_each_other_in_one_series_with_all_other_invoices():
    world = subscribed()
    numbers = [invoice(world, period).number for period in ("2026-03", "2026-04")]
    assert (numbers, world.need(SERIES, "MG1|INV|2026").last) == ([1, 2], 2)
    assert code_of(act(world, month("2026-06"))) is RefusalCode.SUBSCRIPTION_STATE


@pytest.mark.parametrize(
    ("first_on", "net", "quantity", "days"),
    [("2026-03-01", 5900, 10, 31), ("2026-03-16", 3045, 5, 16), ("2026-03-31", 190, 1, 1)],
)
def test_the_first_month_is_priced_by_day(first_on, net, quantity, days):
    issued = invoice(subscribed(first_on=first_on))
    assert (issued.net_minor, issued.quantity) == (net, quantity)
    assert (issued.days, issued.days_of_month) == (days, 31)


def test_a_month_waits_for_its_beginning_in_the_zone_of_the_plan():
    world = subscribed()
    early = month(issued_at=MARCH - 1)
    assert code_of(act(world, early)) is RefusalCode.NOT_DUE
    assert as_text(world.need(TIMERS, "subscription|DR-1").due_at) == "2026-02-28T23:00:00Z"
    invoice(world)
    assert world.need(TIMERS, "subscription|DR-1").due_at > MARCH
    assert as_text(world.need(TIMERS, "allowance|DR-1|2026-03").due_at).startswith("2026-03-31T22")


def test_a_subscription_ends_after_a_month():
    world = subscribed()
    invoice(world)
    end = EndSubscription(driver_id="DR-1", last_period="2026-03")
    assert len(events(act(world, end))) == 1
    assert act(world, end) == ()
    row = world.need(SUBSCRIPTIONS, "DR-1")
    assert (next_period(row), world.need(TIMERS, "subscription|DR-1").due_at) == ("", 0)
    assert code_of(act(world, month("2026-04"))) is RefusalCode.SUBSCRIPTION_STATE
    # a new one may follow in a later month
    assert code_of(act(world, begin(contract_id="SUB-2"), at=MARCH)) is (
        RefusalCode.SUBSCRIPTION_STATE
    )
    assert len(events(act(world, begin(contract_id="SUB-2", first_on="2026-04-01"), at=MARCH))) == 1


@pytest.mark.parametrize(
    ("last_period", "code"),
    [
        ("2026-02", RefusalCode.SUBSCRIPTION_STATE),
        ("2026-3", RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ("never", RefusalCode.SUBSCRIPTION_FIELD_INVALID),
    ],
)
def test_a_subscription_does_not_end_before_what_was_invoiced(last_period, code):
    world = subscribed()
    invoice(world)
    assert code_of(act(world, EndSubscription(driver_id="DR-1", last_period=last_period))) is code


def test_a_driver_subscribes_once():
    world = subscribed()
    assert act(world, begin(), at=MARCH) == ()
    assert code_of(act(world, begin(contract_id="SUB-2"), at=MARCH)) is (
        RefusalCode.SUBSCRIPTION_STATE
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"driver_id": "DR-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"plan_id": "PL-9"}, RefusalCode.PRICE_PLAN_UNKNOWN),
        ({"first_on": "2026-3-1"}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"first_on": "20260301"}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"first_on": "1969-12-31"}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"contract_id": "no id"}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(changes, code):
    world = subscribed()
    world.put(PARTIES, "DR-2", Party("DR-2", ("driver",), "DE"))
    assert code_of(act(world, begin(**{"driver_id": "DR-2"} | changes), at=MARCH)) is code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"driver_id": "DR-9"}, RefusalCode.SUBSCRIPTION_UNKNOWN),
        ({"entity": "mg|1"}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"due_days": 367}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"issued_at": 2**53}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
        ({"issued_at": -1}, RefusalCode.SUBSCRIPTION_FIELD_INVALID),
    ],
)
def test_an_invoice_of_a_month_that_cannot_be_is_refused(changes, code):
    assert code_of(act(subscribed(), month(**changes))) is code


def test_without_a_tax_rule_a_month_is_not_invoiced():
    world = subscribed(replace(TEN_SWAPS, country="AQ"))
    assert code_of(act(world, month())) is RefusalCode.TAX_RULE_MISSING


def test_the_rows_of_a_subscription_are_known_beforehand():
    world = subscribed()
    assert follows(World(), month()) == ()
    (ended,) = events(act(world, EndSubscription(driver_id="DR-1", last_period="2026-03")))
    assert postings(ended) == ()
