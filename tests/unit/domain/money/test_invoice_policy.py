"""The policy of bills: versions by two persons, and which fields cannot be."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.invoice_policy import (
    BillingPolicySet,
    BillingTerms,
    SetBillingPolicy,
    follows,
    policy_of,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events


def test_until_one_is_set_the_defaults_of_the_handbook_hold():
    terms = policy_of(World(complete=True))
    assert (terms.retry_days, terms.block_after_days, terms.uncollectable_after_days) == (
        (1, 3, 7),
        14,
        90,
    )
    assert terms.means == ("promo", "wallet", "card")


def test_versions_count_and_the_same_terms_change_nothing():
    world = World(complete=True)
    ours = BillingTerms(retry_days=(2, 5), means=("wallet", "card"))
    (first,) = events(act(world, SetBillingPolicy(terms=ours)))
    assert isinstance(first, BillingPolicySet)
    assert (first.number, postings(first), policy_of(world)) == (1, (), ours)
    assert act(world, SetBillingPolicy(terms=ours)) == ()
    (second,) = events(act(world, SetBillingPolicy(terms=BillingTerms())))
    assert second.number == 2
    assert follows(World(), SetBillingPolicy(terms=ours)) == ()


def test_a_policy_is_set_by_two_persons():
    refusal = act(
        World(complete=True), SetBillingPolicy(terms=BillingTerms()), actor=Actor("P1", "finance")
    )
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("means", {"means": ("card", "card")}),
        ("means", {"means": ("cash",)}),
        ("retry_days", {"retry_days": (3, 1)}),
        ("retry_days", {"retry_days": (0, 1)}),
        ("retry_days", {"retry_days": tuple(range(1, 22)), "block_after_days": 30}),
        ("block_after_days", {"block_after_days": 7}),
        ("block_after_days", {"block_after_days": 3651}),
        ("uncollectable_after_days", {"uncollectable_after_days": 14}),
        ("uncollectable_after_days", {"uncollectable_after_days": 3651}),
        ("minor amounts", {"second_person_above_minor": -1}),
        ("minor amounts", {"inconvenience_minor": 2**53}),
        ("minor amounts", {"rounding_max_minor": -1}),
        ("payee_cooling_days", {"payee_cooling_days": -1}),
        ("dispute_answer_days", {"dispute_answer_days": 0}),
    ],
)
def test_a_policy_that_cannot_be_names_its_field(field, changes):
    terms = replace(BillingTerms(), **changes)
    refusal = act(World(complete=True), SetBillingPolicy(terms=terms))
    assert refusal == Refusal(RefusalCode.POLICY_FIELD_INVALID, {"field": field})
