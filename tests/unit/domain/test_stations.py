from typing import Any

import pytest

from ledger.domain.stations import (
    METERS,
    SLOTS,
    STATIONS,
    BlockSlot,
    CommissionStation,
    Meter,
    RegisterMeter,
    RegisterSlot,
    SetStationService,
    Slot,
    Station,
    UnblockSlot,
)
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, small_town

PILE: dict[str, Any] = {
    "station_id": "ST-9",
    "operator_id": "OP-1",
    "tier": "pile",
    "country": "GB",
    "zone": "Europe/London",
}
SLOT: dict[str, Any] = {"station_id": "ST-1", "slot": "3", "pack_class": "C1", "meter_id": "M-ST-1"}


def code_of(world: World, command: Any) -> str:
    outcome = act(world, command)
    assert isinstance(outcome, Refusal), outcome
    return f"{outcome.code.name} {outcome.facts.get('field', '')}".strip()


def test_a_station_is_built_from_station_meter_and_slots():
    world = small_town()
    act(
        world,
        CommissionStation(
            **PILE, lat_e7=564_620_000, lon_e7=-29_700_000, datum="WGS84", tariff_id="TF-1"
        ),
    )
    act(world, RegisterMeter(meter_id="M-9", station_id="ST-9", slot="1"))
    act(
        world,
        RegisterSlot(station_id="ST-9", slot="1", pack_class="C1", meter_id="M-9", max_w=7_000),
    )
    assert world.need(STATIONS, "ST-9") == Station(
        "ST-9",
        "OP-1",
        "pile",
        "GB",
        "Europe/London",
        "TF-1",
        lat_e7=564_620_000,
        lon_e7=-29_700_000,
    )
    assert world.need(METERS, "M-9") == Meter("M-9", "ST-9", "1")
    assert world.need(SLOTS, "ST-9|1") == Slot("ST-9", "1", "C1", "M-9")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (CommissionStation(**PILE | {"station_id": "ST-1"}), "STATION_EXISTS"),
        (CommissionStation(**PILE | {"operator_id": "OP-7"}), "PARTY_UNKNOWN"),
        (CommissionStation(**PILE | {"operator_id": "DR-1"}), "PARTY_ROLE_MISSING"),
        (CommissionStation(**PILE | {"station_id": "a b"}), "STATION_FIELD_INVALID station_id"),
        (CommissionStation(**PILE | {"tier": "huge"}), "STATION_FIELD_INVALID tier"),
        (CommissionStation(**PILE | {"country": "UK1"}), "STATION_FIELD_INVALID country"),
        (CommissionStation(**PILE | {"zone": "GMT+1"}), "STATION_FIELD_INVALID zone"),
        (CommissionStation(**PILE, tariff_id="t|1"), "STATION_FIELD_INVALID tariff_id"),
        (CommissionStation(**PILE, target_soc_bp=10_001), "STATION_FIELD_INVALID target_soc_bp"),
        (CommissionStation(**PILE, lat_e7=1), "STATION_FIELD_INVALID lat_e7"),
        (RegisterMeter(meter_id="M-9", station_id="ST-7"), "STATION_UNKNOWN"),
        (RegisterMeter(meter_id="M-ST-1", station_id="ST-1"), "METER_EXISTS"),
        (RegisterMeter(meter_id="", station_id="ST-1"), "STATION_FIELD_INVALID meter_id"),
        (RegisterSlot(**SLOT | {"slot": "1"}), "SLOT_EXISTS"),
        (RegisterSlot(**SLOT | {"slot": "01"}), "SLOT_FIELD_INVALID slot"),
        (RegisterSlot(**SLOT | {"pack_class": "c 1"}), "SLOT_FIELD_INVALID pack_class"),
        (RegisterSlot(**SLOT, max_w=-1), "SLOT_FIELD_INVALID max_w"),
        (RegisterSlot(**SLOT | {"meter_id": "M-7"}), "METER_UNKNOWN"),
        (RegisterSlot(**SLOT | {"meter_id": "M-ST-2"}), "METER_UNKNOWN"),
        (BlockSlot(station_id="ST-1", slot="7"), "SLOT_UNKNOWN"),
        (UnblockSlot(station_id="ST-7", slot="1"), "STATION_UNKNOWN"),
        (SetStationService(station_id="ST-7", in_service=False), "STATION_UNKNOWN"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(command, code):
    assert code_of(small_town(), command) == code


@pytest.mark.parametrize("zone", ["UTC", "Asia/Taipei", "America/Argentina/Buenos_Aires"])
def test_a_zone_has_the_form_of_a_name_of_the_time_zone_database(zone):
    assert len(events(act(small_town(), CommissionStation(**PILE | {"zone": zone})))) == 1


def test_a_slot_is_blocked_and_unblocked_once():
    world = small_town()
    block = BlockSlot(station_id="ST-1", slot="1", reason="broken lock")
    assert [event.kind for event in events(act(world, block))] == ["slot_blocked"]
    assert world.need(SLOTS, "ST-1|1").blocked
    assert act(world, block) == ()
    unblock = UnblockSlot(station_id="ST-1", slot="1")
    assert [event.kind for event in events(act(world, unblock))] == ["slot_unblocked"]
    assert not world.need(SLOTS, "ST-1|1").blocked
    assert act(world, unblock) == ()


def test_a_station_closes_and_opens_for_drivers():
    world = small_town()
    close = SetStationService(station_id="ST-1", in_service=False, reason="flood")
    act(world, close)
    assert not world.need(STATIONS, "ST-1").in_service
    assert act(world, close) == ()
    act(world, SetStationService(station_id="ST-1", in_service=True))
    assert world.need(STATIONS, "ST-1").in_service
