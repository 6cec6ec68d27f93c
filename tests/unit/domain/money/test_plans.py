"""Plans of subscriptions and their versions, and the names of months."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.plans import (
    PLANS,
    Plan,
    PlanPublished,
    PublishPlan,
    follows,
    free_of,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.subscribed import TEN_SWAPS, subscribed


def publish(world: World, **changes: object) -> object:
    terms = replace(TEN_SWAPS, **changes)
    return act(world, PublishPlan(plan_id="PL-1", terms=terms))


def test_versions_of_a_plan_count_from_one_and_hold_from_their_time():
    world = World(complete=True)
    (first,) = events(act(world, PublishPlan(plan_id="PL-1", terms=TEN_SWAPS)))
    assert isinstance(first, PlanPublished)
    assert (first.plan_version, postings(first)) == (1, ())
    assert publish(world) == ()
    publish(world, price_minor=6900, valid_from_at=1000)
    plan = world.need(PLANS, "PL-1")
    held = [plan.at(at) for at in (0, 999, 1000)]
    assert [one.version for one in held if one] == [1, 1, 2]
    assert Plan("PL-2").at(5) is None


def test_a_plan_is_published_by_two_persons():
    command = PublishPlan(plan_id="PL-1", terms=TEN_SWAPS)
    for actor in (Actor("P1", "finance"), Actor("P1", "finance", "P1")):
        refusal = act(World(complete=True), command, actor=actor)
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("currency", "XXX"),
        ("country", "Germany"),
        ("country", "de"),
        ("zone", "Nowhere"),
        ("price_minor", -1),
        ("quantity", 0),
        ("quantity", 10**9 + 1),
        ("valid_from_at", -1),
        ("rollover_periods", 13),
        ("overage_tariff_id", "no id"),
        ("tax_product", "mood"),
    ],
)
def test_a_plan_that_cannot_be_names_its_field(field, wrong):
    refusal = publish(World(complete=True), **{field: wrong})
    assert refusal == Refusal(RefusalCode.PRICE_PLAN_INVALID, {"field": field})


def test_a_plan_keeps_its_currency_and_the_order_of_its_versions():
    world = World(complete=True)
    publish(world, valid_from_at=1000)
    for field, other in (("valid_from_at", 999), ("currency", "GBP")):
        refusal = publish(world, **({"valid_from_at": 1000} | {field: other}))
        assert refusal == Refusal(RefusalCode.PRICE_PLAN_INVALID, {"field": field})
    refusal = act(world, PublishPlan(plan_id="no id", terms=TEN_SWAPS))
    assert refusal == Refusal(RefusalCode.PRICE_PLAN_INVALID, {"field": "plan_id"})


def test_who_subscribes_to_nothing_uses_nothing_for_free():
    assert free_of(World(complete=True), "DR-9", 0) == (0, 0)
    assert free_of(subscribed(), "DR-1", 0) == (0, 0)
    assert follows(World(), PublishPlan(plan_id="PL-1", terms=TEN_SWAPS)) == ()
