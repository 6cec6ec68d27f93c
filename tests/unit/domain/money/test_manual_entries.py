from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import CHART
from ledger.domain.money.manual_entries import (
    MANUAL_ENTRIES,
    OWN_RULES,
    PostManualEntry,
    ReverseManualEntry,
)
from ledger.domain.money.period_close import BeginClosing, OpenBooks
from ledger.domain.money.posting_dates import PERIODS
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.postings import Posting, negate
from ledger.kernel.refusal import Refusal
from tests.support.books import at
from tests.support.rules import act, events, sums_of

NOW = at("2026-02-05T08:00")
BANK = Posting("Assets:Bank:Operating", "EUR", 100_000, {"bank_account": "BA-1"})
CAPITAL = Posting("Equity:Capital", "EUR", -100_000)
POST = PostManualEntry(
    manual_id="ME-1", lines=(BANK, CAPITAL), reason="capital paid in", documents=("5a" * 32,)
)
REVERSE = ReverseManualEntry(manual_id="ME-2", reversed_id="ME-1", reason="paid to another bank")


def codes(outcome: Any) -> list[str]:
    assert isinstance(outcome, Refusal), outcome
    return [one.wire for one in (outcome.code, *outcome.others)]


def posted(*commands: Any) -> World:
    world = World(complete=True)
    for command in (POST, *commands):
        events(act(world, command, at=NOW))
    return world


def test_an_entry_by_hand_moves_its_lines_and_is_reversed_exactly_once() -> None:
    world = posted()
    (back,) = found = act(world, REVERSE, at=NOW)  # type: ignore[misc]
    (event,) = events(found)
    row = world.need(MANUAL_ENTRIES, "ME-1")
    assert back.reverses == row.position
    assert event.lines == POST.lines
    assert sums_of(back.event) == {
        (BANK.account, "EUR"): -100_000,
        (CAPITAL.account, "EUR"): 100_000,
    }
    mirror = world.need(MANUAL_ENTRIES, "ME-2")
    assert (mirror.lines, mirror.reverses) == (negate(POST.lines), row.position)
    assert row.reversed_by == mirror.position
    again = replace(REVERSE, manual_id="ME-3")
    assert codes(act(world, again, at=NOW)) == ["already_reversed"]
    assert codes(act(world, replace(again, reversed_id="ME-2"), at=NOW)) == ["is_reversal"]
    assert codes(act(world, replace(again, reversed_id="ME-9"), at=NOW)) == ["reverses_unknown"]
    assert codes(act(world, replace(again, reason=" "), at=NOW)) == [
        "already_reversed",
        "reason_missing",
    ]


def line(**fields: Any) -> Posting:
    return replace(CAPITAL, **fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"manual_id": "no id"}, "malformed_entry"),
        ({"lines": ()}, "malformed_entry"),
        ({"lines": (BANK, line(account="Assets:Cash"))}, "account_unknown"),
        ({"lines": (BANK, line(account="Liabilities:Wallets:Paid-In"))}, "account_closed"),
        ({"lines": (BANK, line(commodity="XXX"))}, "commodity_unknown"),
        ({"lines": (BANK, line(commodity="WH"))}, "commodity_not_allowed"),
        ({"lines": (BANK, line(dims={"color": "red"}))}, "dimension_invalid"),
        ({"lines": (BANK, line(dims={"driver": "no id"}))}, "dimension_invalid"),
        ({"lines": (replace(BANK, dims={}), CAPITAL)}, "dimension_invalid"),
        ({"lines": (BANK, line(account="Assets:Receivables:Unbilled"))}, "dimension_invalid"),
        ({"lines": (BANK, CAPITAL, line(quantity=0))}, "quantity_zero"),
        (
            {"lines": (replace(BANK, quantity=2**53), line(quantity=-(2**53)))},
            "quantity_out_of_range",
        ),
        ({"lines": (BANK, line(quantity=-99_999))}, "unbalanced"),
        ({"posting_date": "soon"}, "malformed_entry"),
        ({"posting_date": "2026-01-31"}, "period_closed"),
        ({"reason": ""}, "reason_missing"),
        ({"documents": ()}, "document_invalid"),
        ({"documents": ("a paper",)}, "document_invalid"),
    ],
)
def test_what_is_wrong_with_an_entry_by_hand_is_refused_by_its_name(
    fields: dict[str, Any], code: str
) -> None:
    assert code in codes(act(World(complete=True), replace(POST, **fields), at=NOW))


@pytest.mark.parametrize(
    ("second", "code"), [("", "approval_missing"), ("F1", "approver_is_maker")]
)
def test_nobody_posts_by_hand_alone(second: str, code: str) -> None:
    actor = Actor("F1", "finance", second)
    assert codes(act(World(complete=True), POST, at=NOW, actor=actor)) == [code]
    assert codes(act(posted(), REVERSE, at=NOW, actor=actor)) == [code]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_codes() -> None:
    wrong = PostManualEntry(
        manual_id="ME-1",
        lines=(line(account="Assets:Cash"), line(account="Assets:Inventory:Energy", quantity=0)),
        reason="",
        documents=("x",),
        posting_date="2026-01-31",
    )
    outcome = act(posted(), wrong, at=NOW, actor=Actor("F1", "finance"))
    assert codes(outcome) == [
        "account_unknown",
        "account_closed",
        "quantity_zero",
        "unbalanced",
        "period_closed",
        "approval_missing",
        "manual_entry_exists",
        "reason_missing",
        "document_invalid",
    ]
    assert isinstance(outcome, Refusal)
    assert outcome.facts["line"] == 1
    assert sorted([outcome.code, *outcome.others]) == [outcome.code, *outcome.others]


def test_an_entry_of_a_named_date_is_booked_in_its_period() -> None:
    world = World(complete=True)
    for command in (OpenBooks(period="2026-01", zone="UTC"), BeginClosing(period="2026-01")):
        events(act(world, command, at=NOW))
    (draft,) = act(world, replace(POST, posting_date="2026-01-31"), at=NOW)  # type: ignore[misc]
    assert draft.occurred_at == at("2026-01-31T00:00")
    position = world.need(MANUAL_ENTRIES, "ME-1").position
    assert world.need(PERIODS, "2026-01").dated == ((position - 1, position),)


def test_accounts_that_rows_add_up_to_take_nothing_by_hand() -> None:
    money = {info.name for info in CHART if info.holds == "money"}
    assert money >= OWN_RULES
    limited = {info.name for info in CHART if info.rule == "credit_min_0"}
    assert limited <= OWN_RULES
    unbilled = line(account="Assets:Receivables:Unbilled", dims={"driver": "DR-1"})
    events(act(World(complete=True), replace(POST, lines=(BANK, unbilled)), at=NOW))
