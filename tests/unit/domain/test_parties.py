from typing import Any

import pytest

from ledger.domain.parties import PARTIES, Party, RegisterParty, party_faults
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act

BANK: dict[str, Any] = {
    "party_id": "BK-1",
    "party_roles": ("bank",),
    "country": "DE",
    "legal_name": "Bank",
}


def test_a_registered_party_is_known_with_its_roles_sorted_and_the_same_again_changes_nothing():
    world = World(complete=True)
    command = RegisterParty(**BANK | {"party_roles": ("service", "bank", "bank")})
    act(world, command)
    assert world.need(PARTIES, "BK-1") == Party("BK-1", ("bank", "service"), "DE", "Bank")
    assert act(world, command) == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"party_id": "BK:1"}, "party_id"),
        ({"party_roles": ()}, "party_roles"),
        ({"party_roles": ("bank", "king")}, "party_roles"),
        ({"country": "Germany"}, "country"),
        ({"country": "de"}, "country"),
        ({"party_roles": ("bank", "driver")}, "legal_name"),
    ],
)
def test_a_party_with_a_field_that_cannot_be_is_refused_by_its_name(change, field):
    outcome = act(World(complete=True), RegisterParty(**BANK | change))
    assert outcome == Refusal(RefusalCode.PARTY_FIELD_INVALID, {"field": field})


def test_a_known_party_is_not_registered_as_another():
    world = World(complete=True)
    act(world, RegisterParty(**BANK))
    outcome = act(world, RegisterParty(**BANK | {"country": "FR"}))
    assert outcome == Refusal(RefusalCode.PARTY_EXISTS, {"party": "BK-1"})


def test_a_party_acts_only_in_its_roles():
    world = World(complete=True)
    act(world, RegisterParty(**BANK))
    assert party_faults(world, "BK-1", "bank") == []
    assert party_faults(world, "BK-1", "driver") == [RefusalCode.PARTY_ROLE_MISSING]
    assert party_faults(world, "BK-2", "bank") == [RefusalCode.PARTY_UNKNOWN]
