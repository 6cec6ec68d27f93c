"""Asset numbers: counted by the writer, never given twice, bound as the GIAI they make."""

from typing import Any

import pytest

from ledger.domain.asset_numbers import (
    ASSET_NUMBERS,
    LAST,
    PACKS_AT_ONCE,
    AllocateAssetNumbers,
    AssetNumber,
    AssetNumberAllocated,
)
from ledger.domain.bindings import BINDINGS
from ledger.domain.identity import BindIdentifier, IdentityBound
from ledger.domain.world import World, key_of
from ledger.kernel.gs1 import ASSET_NO_MAX, giai_of
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town, sums_of

PREFIX = "9520001"
DEPOT = "Packs:Depot:DE-1:Stored"


def town(packs: int = 3) -> World:
    world = small_town()
    for number in range(1, packs + 1):
        put_pack(world, DEPOT, f"PK-{number}")
    return world


def allocate(*pack_ids: str, prefix: str = PREFIX) -> AllocateAssetNumbers:
    return AllocateAssetNumbers(pack_ids=pack_ids, prefix=prefix)


def numbers(outcome: Any) -> list[int]:
    return [one.asset_no for one in events(outcome) if isinstance(one, AssetNumberAllocated)]


def test_packs_get_the_next_numbers_in_order_each_bound_as_a_giai():
    world = town()
    first = events(act(world, allocate("PK-2", "PK-1")))
    assert first == [
        AssetNumberAllocated(pack_id="PK-2", asset_no=1, giai="9520001PK0000000001"),
        IdentityBound(pack_id="PK-2", binding_type="GIAI", value="9520001PK0000000001"),
        AssetNumberAllocated(pack_id="PK-1", asset_no=2, giai="9520001PK0000000002"),
        IdentityBound(pack_id="PK-1", binding_type="GIAI", value="9520001PK0000000002"),
    ]
    assert sums_of(first[0]) == {}
    assert act(world, allocate("PK-1")) == ()
    assert numbers(act(world, allocate("PK-1", "PK-3", prefix="952000"))) == [3]
    assert world.need(ASSET_NUMBERS, LAST).asset_no == 3
    binding = world.need(BINDINGS, key_of("GIAI", "952000PK0000000003"))
    assert binding.pack_id == "PK-3"


def test_a_number_that_was_bound_by_hand_is_passed_over():
    world = town()
    taken = BindIdentifier(pack_id="PK-3", binding_type="GIAI", value=giai_of(PREFIX, 1))
    assert events(act(world, taken))
    assert numbers(act(world, allocate("PK-1", "PK-2"))) == [2, 3]


def test_the_numbers_end():
    world = town()
    world.put(ASSET_NUMBERS, LAST, AssetNumber(ASSET_NO_MAX - 1, ""))
    both = act(world, allocate("PK-1", "PK-2"))
    assert isinstance(both, Refusal)
    assert both.code is RefusalCode.IDENTIFIER_TAKEN
    assert numbers(act(world, allocate("PK-1"))) == [ASSET_NO_MAX]


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (allocate("PK-1", "PK-9"), RefusalCode.UNKNOWN_PACK, None),
        (
            allocate(*(f"PK-{n}" for n in range(1, PACKS_AT_ONCE + 2))),
            RefusalCode.UNKNOWN_PACK,
            None,
        ),
        (allocate("PK-1", "PK-1"), RefusalCode.PACK_FIELD_INVALID, "pack_ids"),
        (allocate(), RefusalCode.PACK_FIELD_INVALID, "pack_ids"),
        (allocate("PK-1", prefix="12345"), RefusalCode.PACK_FIELD_INVALID, "prefix"),
    ],
)
def test_numbers_for_nobody_or_behind_no_prefix_are_refused(command, code, field):
    outcome = act(town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code
    assert outcome.facts.get("field") == field


def test_a_limited_number_of_packs_is_numbered_at_once():
    world = town(PACKS_AT_ONCE + 1)
    every = [f"PK-{number}" for number in range(1, PACKS_AT_ONCE + 2)]
    outcome = act(world, allocate(*every))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.TOO_MANY_PACKS
    assert numbers(act(world, allocate(*every[:-1]))) == list(range(1, PACKS_AT_ONCE + 1))
