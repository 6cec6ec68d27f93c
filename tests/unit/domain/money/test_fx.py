from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.fx import ExchangeMoney, RevaluePair
from ledger.domain.money.period_close import BeginClosing, OpenBooks
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal
from tests.support.books import at
from tests.support.rules import act, events, sums_of

NOW = at("2026-02-05T08:00")
EXCHANGE = ExchangeMoney(
    bank_account="BA-1",
    bought_currency="CNY",
    bought_minor=780_000,
    sold_currency="EUR",
    sold_minor=100_000,
)
REVALUE = RevaluePair(
    currency_pair="CNY-EUR",
    currency="EUR",
    gained_minor=-250,
    rate_source="central bank, 2026-01-31",
    posting_date="2026-01-31",
    back_on="2026-02-01",
)


def closing() -> World:
    world = World(complete=True)
    for command in (OpenBooks(period="2026-01", zone="UTC"), BeginClosing(period="2026-01")):
        events(act(world, command, at=NOW))
    return world


def test_an_exchange_passes_through_conversion_in_each_currency() -> None:
    (bought,) = events(act(closing(), EXCHANGE, at=NOW))
    assert sums_of(bought) == {
        ("Assets:Bank:Operating", "CNY"): 780_000,
        ("Equity:Conversion", "CNY"): -780_000,
        ("Equity:Conversion", "EUR"): 100_000,
        ("Assets:Bank:Operating", "EUR"): -100_000,
    }


def test_a_difference_is_booked_at_the_end_and_taken_back_on_the_next_day() -> None:
    world = closing()
    drafts = act(world, REVALUE, at=NOW)
    assert not isinstance(drafts, Refusal)
    assert [draft.occurred_at for draft in drafts] == [
        at("2026-01-31T00:00"),
        at("2026-02-01T00:00"),
    ]
    lost, back = events(drafts)
    assert sums_of(lost) == {
        ("Equity:Conversion", "EUR"): -250,
        ("Expenses:FX-Differences", "EUR"): 250,
    }
    assert {key: -value for key, value in sums_of(lost).items()} == sums_of(back)
    assert (back.is_back, back.posting_date) == (True, "2026-02-01")
    assert len(world.need(PERIODS, "2026-01").dated) == 1


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (replace(EXCHANGE, bank_account=""), "bank_account"),
        (replace(EXCHANGE, bought_currency="XXX"), "bought_currency"),
        (replace(EXCHANGE, sold_currency="CNY"), "sold_currency"),
        (replace(EXCHANGE, bought_minor=0), "bought_minor"),
        (replace(EXCHANGE, sold_minor=2**53), "sold_minor"),
        (replace(REVALUE, currency_pair=""), "currency_pair"),
        (replace(REVALUE, currency="XXX"), "currency"),
        (replace(REVALUE, gained_minor=0), "gained_minor"),
        (replace(REVALUE, rate_source=" "), "rate_source"),
        (replace(REVALUE, back_on="2026-01-31"), "back_on"),
        (replace(REVALUE, posting_date=""), "back_on"),
    ],
)
def test_a_field_that_cannot_be_is_named(command: Any, field: str) -> None:
    outcome = act(closing(), command, at=NOW)
    assert isinstance(outcome, Refusal)
    assert (outcome.code.wire, outcome.facts["field"]) == ("exchange_field_invalid", field)


def test_a_closed_period_takes_no_difference() -> None:
    outcome = act(World(complete=True), REVALUE, at=NOW)
    assert isinstance(outcome, Refusal)
    assert outcome.code.wire == "period_closed"


@pytest.mark.parametrize("command", [EXCHANGE, REVALUE])
def test_currencies_need_two_persons(command: Any) -> None:
    outcome = act(closing(), command, at=NOW, actor=Actor("F1", "finance"))
    assert isinstance(outcome, Refusal)
    assert outcome.code.wire == "second_person_required"
