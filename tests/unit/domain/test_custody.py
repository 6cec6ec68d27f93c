from typing import Any

import msgspec
import pytest

from ledger.domain.custody import (
    DRIVER_PACKS,
    PACKS,
    SOH_MAX_AGE_US,
    DriverPacks,
    Leg,
    OpenHold,
    Pack,
    PackEntitlementSet,
    SetPackEntitlement,
    is_stopped,
    postings,
    returned,
    swapped_out,
)
from ledger.domain.eligibility import eligible
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.world import World
from ledger.kernel.postings import WH, Posting, check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, fold, put_pack, small_town

LEG = Leg("PK-1", "ST-1", "1", "DR-1", "SW-1")
SLOT_1 = "Packs:Station:ST-1:Slot:1"


def energy(event: Any) -> dict[str, int]:
    lines = postings(event)
    check_zero(lines)
    return {line.account: line.quantity for line in lines if line.commodity == WH}


def held(world: World, driver_id: str) -> int:
    return world.need(DRIVER_PACKS, f"{driver_id}|C1").held


# Entitlement ----------------------------------------------------------------------------------


def test_a_driver_owes_what_he_has_beyond_his_entitlement():
    world = small_town()
    act(world, SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=2, contract_id="CO-1"))
    assert world.need(DRIVER_PACKS, "DR-1|C1") == DriverPacks("DR-1", "C1", 0, 2, -2)
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == -2
    put_pack(world, "Packs:Driver:DR-1")
    assert world.need(DRIVER_PACKS, "DR-1|C1").deviation == -1
    assert act(world, SetPackEntitlement(driver_id="DR-1", pack_class="C1", count=2)) == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"driver_id": "DR-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"driver_id": "OP-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"count": -1}, RefusalCode.PACK_FIELD_INVALID),
        ({"pack_class": "a|b"}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_an_entitlement_names_a_driver_a_class_and_a_number(fields, code):
    command = SetPackEntitlement(**{"driver_id": "DR-1", "pack_class": "C1", "count": 1} | fields)
    outcome = act(small_town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


# The two legs ---------------------------------------------------------------------------------


def test_a_pack_in_goes_from_its_recorded_holder_into_the_slot_whoever_brings_it():
    world = small_town()
    put_pack(world, "Packs:Driver:DR-2", energy_wh=8_000, soc_bp=8_000, allocated_to="BK-1")
    event = returned(world, msgspec.structs.replace(LEG, soc_bp=2_500))
    assert (event.driver_id, event.presenter_id, event.swap_id) == ("DR-2", "DR-1", "SW-1")
    assert energy(event) == {"Energy:Pack:PK-1": 2_500, "Energy:Driver:DR-2": -2_500}
    assert Posting(SLOT_1, "PACK", 1, {"pack": "PK-1"}) in postings(event)
    fold(world, event, at=7)
    pack = world.need(PACKS, "PK-1")
    assert (pack.account, pack.soc_bp, pack.energy_wh) == (SLOT_1, 2_500, 2_500)
    assert (pack.moved_at, pack.allocated_to) == (7, "BK-1")
    assert world.need(SLOTS, "ST-1|1").pack_id == "PK-1"
    assert held(world, "DR-2") == 0


def test_of_a_pack_in_without_state_of_charge_nothing_is_known():
    world = small_town()
    put_pack(world, "Packs:Driver:DR-1", energy_wh=8_000, soc_bp=8_000)
    event = returned(world, LEG)
    assert energy(event) == {}
    fold(world, event)
    pack = world.need(PACKS, "PK-1")
    assert (pack.soc_bp, pack.energy_wh) == (None, 0)


def test_a_pack_out_takes_the_stored_energy_to_the_driver():
    world = small_town()
    put_pack(world, SLOT_1, energy_wh=8_820, soc_bp=9_000, allocated_to="BK-1")
    event = swapped_out(world, msgspec.structs.replace(LEG, soc_bp=9_000, soh_bp=9_800))
    assert energy(event) == {"Energy:Driver:DR-1": 8_820, "Energy:Pack:PK-1": -8_820}
    fold(world, event, at=9)
    pack = world.need(PACKS, "PK-1")
    assert (pack.account, pack.energy_wh) == ("Packs:Driver:DR-1", 8_820)
    assert not world.need(SLOTS, "ST-1|1").pack_id
    assert held(world, "DR-1") == 1


def test_a_pack_out_without_state_of_charge_takes_what_was_metered():
    world = small_town()
    put_pack(world, SLOT_1, energy_wh=20_530, soc_bp=7_000)
    event = swapped_out(world, LEG)
    assert event.stored_wh == 20_530
    fold(world, event)
    assert world.need(PACKS, "PK-1").soc_bp == 7_000


def test_a_pack_over_the_desk_touches_no_slot():
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Staged", energy_wh=5)
    desk = msgspec.structs.replace(LEG, slot="")
    fold(world, swapped_out(world, desk))
    assert held(world, "DR-1") == 1
    event = returned(world, desk)
    assert event.to_account == "Packs:Station:ST-1:Staged"
    fold(world, event)
    assert not world.need(SLOTS, "ST-1|1").pack_id


def test_an_entitlement_moves_nothing():
    assert postings(PackEntitlementSet(driver_id="DR-1", pack_class="C1", count=1)) == ()


# Eligibility ----------------------------------------------------------------------------------

HOLD = OpenHold("HD-1", "RECALL", 1, ("no_swap_out",), "P1")
GOOD = Pack("PK-1", SLOT_1, "C1", 10_000, 9_000, commissioned=True, soc_bp=8_000)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, ()),
        ({"account": "Packs:Station:ST-1:Staged"}, ()),
        ({"allocated_to": "BK-1"}, ()),
        ({"account": "Packs:Depot:DE-1:Stored"}, (RefusalCode.WRONG_STATE,)),
        ({"account": "Packs:Station:ST-2:Slot:1"}, (RefusalCode.WRONG_PLACE,)),
        ({"holds": (HOLD,)}, (RefusalCode.HOLD_BLOCKS,)),
        ({"commissioned": False}, (RefusalCode.NOT_COMMISSIONED,)),
        ({"pack_class": "C2"}, (RefusalCode.CLASS_MISMATCH,)),
        ({"soc_bp": 7_999}, (RefusalCode.SOC_BELOW_TARGET,)),
        ({"soc_bp": None}, (RefusalCode.SOC_BELOW_TARGET,)),
        ({"min_soh_bp": 9_001}, (RefusalCode.SOH_BELOW_CLASS,)),
        ({"soh_assessed_at": -1}, (RefusalCode.SOH_STALE,)),
        ({"allocated_to": "BK-2"}, (RefusalCode.ALLOCATED_ELSEWHERE,)),
        (
            {"allocated_to": "BK-2", "soc_bp": 0, "holds": (HOLD,)},
            (
                RefusalCode.HOLD_BLOCKS,
                RefusalCode.SOC_BELOW_TARGET,
                RefusalCode.ALLOCATED_ELSEWHERE,
            ),
        ),
    ],
)
def test_all_that_keeps_a_pack_from_being_handed_out_is_listed_in_order(change, codes):
    station = small_town().need(STATIONS, "ST-1")
    pack = msgspec.structs.replace(GOOD, **change)
    answer = eligible(pack, station, pack_class="C1", at=SOH_MAX_AGE_US, booking_id="BK-1")
    assert answer == codes


@pytest.mark.parametrize(
    ("expires_at", "scope", "answer"),
    [
        (0, "no_swap_out", True),
        (51, "no_swap_out", True),
        (50, "no_swap_out", False),
        (0, "no_charge", False),
    ],
)
def test_a_hold_stops_what_it_names_until_it_expires(expires_at, scope, answer):
    hold = msgspec.structs.replace(HOLD, expires_at=expires_at)
    pack = msgspec.structs.replace(GOOD, holds=(hold,))
    assert is_stopped(pack, scope, 50) is answer
    assert not is_stopped(GOOD, scope, 50)
