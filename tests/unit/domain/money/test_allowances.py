"""Allowances: used oldest first, given back, earned as they are used, lapsed at the end."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.accounts import check_chart
from ledger.domain.money.allowances import (
    EndAllowance,
    SubscriptionBroken,
    SubscriptionUsed,
    follows,
    postings,
    touches,
)
from ledger.domain.money.plans import ALLOWANCES, SUBSCRIPTIONS, free_of
from ledger.domain.waiting import TIMERS
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.subscribed import TEN_SWAPS, month, subscribed, use

APRIL = parse_instant("2026-03-31T22:00:00Z", "at")


def running(**changes: Any) -> World:
    """Make a world with a month of ten swaps, or of a plan with changes, invoiced."""
    world = subscribed(replace(TEN_SWAPS, **changes))
    events(act(world, month()))
    return world


def books(event: SubscriptionUsed | SubscriptionBroken) -> list[tuple[str, int]]:
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(one.account, one.quantity) for one in lines]


def earned(world: World, *days: str) -> list[int]:
    return [event.earned_minor for day in days for event in events(act(world, use(day)))]


def test_three_of_ten_swaps_earn_three_tenths_of_the_price():
    world = running()
    assert sum(earned(world, "2026-03-10", "2026-03-11", "2026-03-12")) == 1770
    assert world.need(ALLOWANCES, "DR-1|2026-03").left == 7
    (used,) = events(act(world, use()))
    assert books(used) == [
        ("Liabilities:Deferred-Subscriptions", 590),
        ("Income:Subscriptions", -590),
    ]
    assert postings(used)[0].dims == {"driver": "DR-1", "contract": "SUB-1", "swap": "SW-1"}


def test_ten_euro_over_three_units_are_earned_so_that_they_re_sum():
    world = running(price_minor=1000, quantity=3)
    days = ("2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13")
    assert earned(world, *days) == [333, 334, 333]  # the fourth finds nothing left
    assert free_of(world, "DR-1", APRIL - 1) == (0, 0)


def test_what_nobody_can_use_any_more_is_earned_at_the_end():
    world = running()
    earned(world, "2026-03-10", "2026-03-11", "2026-03-12")
    end = EndAllowance(driver_id="DR-1", period="2026-03")
    refusal = act(world, end, at=APRIL - 1)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NOT_DUE
    (broken,) = events(act(world, end, at=APRIL))
    assert isinstance(broken, SubscriptionBroken)
    assert (broken.quantity, books(broken)[0][1]) == (7, 4130)
    assert act(world, end, at=APRIL) == ()
    assert world.need(TIMERS, "allowance|DR-1|2026-03").due_at == 0


def test_late_usage_of_a_past_month_takes_what_is_left_of_it_and_earns_nothing_twice():
    world = running()
    events(act(world, month("2026-04")))
    events(act(world, EndAllowance(driver_id="DR-1", period="2026-03"), at=APRIL))
    (late,) = events(act(world, use("2026-03-30"), at=APRIL + 1))
    assert (late.period, late.earned_minor, postings(late)) == ("2026-03", 0, ())
    assert world.need(ALLOWANCES, "DR-1|2026-03").left == 9
    assert world.need(ALLOWANCES, "DR-1|2026-04").left == 10


def test_without_rollover_a_month_ends_with_itself():
    world = running()
    events(act(world, month("2026-04")))
    assert free_of(world, "DR-1", APRIL) == (10, 0)


def test_with_rollover_the_oldest_month_is_used_first_and_the_newest_given_back_first():
    world = running(rollover_periods=1, quantity=2)
    events(act(world, month("2026-04")))
    assert free_of(world, "DR-1", APRIL) == (4, 0)
    (first,) = events(act(world, use("2026-04-10")))
    assert first.period == "2026-03"
    both = events(act(world, use("2026-04-11", swaps=2)))
    assert [(one.period, one.quantity) for one in both] == [("2026-03", 1), ("2026-04", 1)]
    back = events(act(world, use("2026-04-11", swaps=-2)))
    assert [(one.period, one.quantity, one.earned_minor) for one in back] == [
        ("2026-04", -1, -2950),
        ("2026-03", -1, -2950),
    ]
    assert books(back[0])[0] == ("Liabilities:Deferred-Subscriptions", -2950)
    # March can be used until the end of April
    end = EndAllowance(driver_id="DR-1", period="2026-03")
    refusal = act(world, end, at=APRIL)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NOT_DUE


def test_energy_is_used_by_the_watt_hour():
    world = running(unit="KWH", quantity=100_000, price_minor=4000)
    command = use(swaps=0, energy_wh=41_700)
    assert events(act(world, command))[0].earned_minor == 1668
    assert free_of(world, "DR-1", command.occurred_at) == (0, 58_300)
    assert act(world, use(swaps=3)) == ()  # there are no swaps in it


def test_a_month_that_is_not_known_does_not_end():
    refusal = act(running(), EndAllowance(driver_id="DR-1", period="2026-09"), at=APRIL)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.SUBSCRIPTION_UNKNOWN


@pytest.mark.parametrize(("rollover", "months"), [(0, ["2026-03"]), (1, ["2026-02", "2026-03"])])
def test_the_rows_of_a_usage_are_known_beforehand(rollover, months):
    assert [key for _, key in touches(use())] == ["DR-1"]
    world = running(rollover_periods=rollover)
    narrow = World()
    assert [key for _, key in follows(narrow, use())] == ["DR-1"]
    narrow.admit(SUBSCRIPTIONS, {"DR-1": world.need(SUBSCRIPTIONS, "DR-1")})
    expected = ["DR-1", *(f"DR-1|{month}" for month in months)]
    assert [key for _, key in follows(narrow, use())] == expected
    assert follows(narrow, EndAllowance(driver_id="DR-1", period="2026-03")) == ()
