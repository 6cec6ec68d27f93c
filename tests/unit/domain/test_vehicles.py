"""Vehicles: kept by their driver alone, for a class that there is."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.vehicles import (
    SET_MAX,
    VEHICLES,
    RemoveVehicle,
    SetVehicle,
    Vehicle,
    VehicleRemoved,
    VehicleSet,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, approved, events, small_town

DRIVER, OTHER = Actor("DR-1", "driver"), Actor("DR-2", "driver")
SET = SetVehicle(vehicle_id="VH-1", driver_id="DR-1", pack_class="C1", packs_per_set=2)
GONE = RemoveVehicle(vehicle_id="VH-1", driver_id="DR-1")


def town() -> World:
    world = small_town()
    events(act(world, approved()))
    return world


def refusal(outcome: Any) -> Refusal:
    assert isinstance(outcome, Refusal), outcome
    return outcome


def test_a_driver_keeps_a_vehicle_changes_it_and_lets_it_go():
    world = town()
    (event,) = events(act(world, SET, actor=DRIVER))
    assert event == VehicleSet(
        vehicle_id="VH-1", driver_id="DR-1", pack_class="C1", packs_per_set=2
    )
    row = world.need(VEHICLES, "VH-1")
    assert (row, VEHICLES.listed_by(row)) == (Vehicle("VH-1", "DR-1", "C1", 2), "DR-1")
    assert act(world, SET, actor=DRIVER) == ()
    (event,) = events(act(world, replace(SET, packs_per_set=1), actor=DRIVER))
    assert world.need(VEHICLES, "VH-1").packs_per_set == event.packs_per_set == 1
    (event,) = events(act(world, GONE, actor=DRIVER))
    assert event == VehicleRemoved(vehicle_id="VH-1", driver_id="DR-1")
    row = world.need(VEHICLES, "VH-1")
    assert (row.is_removed, VEHICLES.listed_by(row)) == (True, "")
    assert act(world, GONE, actor=DRIVER) == ()
    assert postings(event) == ()


def test_the_entry_vouches_for_what_names_it():
    outcome = act(town(), replace(SET, named=bytes(32)), actor=DRIVER)
    assert not isinstance(outcome, Refusal)
    assert outcome[0].sealed == {"vehicle": bytes(32)}
    world = town()
    events(act(world, SET, actor=DRIVER))
    again = act(world, replace(SET, named=bytes(32)), actor=DRIVER)
    assert len(events(again)) == 1  # the same packs, but another name


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("vehicle_id", {"vehicle_id": "vh 1"}),
        ("pack_class", {"pack_class": "C9"}),
        ("packs_per_set", {"packs_per_set": 0}),
        ("packs_per_set", {"packs_per_set": SET_MAX + 1}),
        ("named", {"named": b"short"}),
    ],
)
def test_a_wrong_field_is_named(field, wrong):
    outcome = refusal(act(town(), replace(SET, **wrong), actor=DRIVER))
    assert outcome.code is RefusalCode.VEHICLE_FIELD_INVALID
    assert outcome.facts["field"] == field


def test_nobody_touches_the_vehicle_of_another():
    world = town()
    unknown = refusal(act(world, GONE, actor=DRIVER))
    assert unknown.code is RefusalCode.VEHICLE_UNKNOWN
    events(act(world, SET, actor=DRIVER))
    his = replace(SET, driver_id="DR-2")
    for command, actor in ((SET, OTHER), (his, OTHER), (GONE, OTHER)):
        assert refusal(act(world, command, actor=actor)).code is RefusalCode.VEHICLE_UNKNOWN
    support = Actor("SU-1", "support")
    assert act(world, replace(SET, packs_per_set=3), actor=support)
    nobody = replace(SET, driver_id="OP-1")
    assert refusal(act(world, nobody, actor=support)).code is RefusalCode.PARTY_UNKNOWN
    nobody = replace(SET, driver_id="DR-9")
    assert refusal(act(world, nobody, actor=support)).code is RefusalCode.PARTY_UNKNOWN
