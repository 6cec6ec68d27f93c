from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.meter_keys import (
    KEYS_MAX,
    SIGNED_METERS,
    RegisterMeterKey,
    RevokeMeterKey,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import Registers
from tests.support.meters import private_key, public_key
from tests.support.rules import act, events, small_town

A, B, C = (public_key(private_key(name)) for name in "ABC")


def register(key=A, valid_from: int = 10, **fields: Any) -> RegisterMeterKey:
    usual = {
        "meter_id": "M-ST-1",
        "maker": "MAKER",
        "model": "MODEL",
        "serial": "M-1",
        "public_key": key.text,
        "calibrated_until": 1_000,
    }
    return RegisterMeterKey(**(usual | {"valid_from": valid_from} | fields))


def revoke(key=A, valid_to: int = 20, **fields: Any) -> RevokeMeterKey:
    usual = {"meter_id": "M-ST-1", "key_id": key.key_id, "reason": "seal broken"}
    return RevokeMeterKey(**(usual | {"valid_to": valid_to} | fields))


def key_at(world: World, at: int) -> str:
    key = world.need(SIGNED_METERS, "M-ST-1").key_at(at)
    return "" if key is None else key.key_id


def test_a_key_is_bound_to_a_meter_with_what_its_plate_says():
    world = small_town()
    (event,) = events(act(world, register()))
    assert (event.curve, event.key_id) == ("secp256r1", A.key_id)
    assert postings(event) == ()
    row = world.need(SIGNED_METERS, "M-ST-1")
    assert (row.station_id, row.serial, row.calibrated_until) == ("ST-1", "M-1", 1_000)
    assert [key_at(world, at) for at in (9, 10, 999)] == ["", A.key_id, A.key_id]
    assert act(world, register(valid_from=11)) == ()


def test_a_new_key_ends_the_one_before_it_and_both_stay_known():
    world = small_town()
    act(world, register(A, 10))
    act(world, register(B, 20))
    assert [key_at(world, at) for at in (9, 10, 19, 20)] == ["", A.key_id, A.key_id, B.key_id]
    act(world, register(A, 30))  # the first device is back
    assert [key_at(world, at) for at in (10, 29, 30)] == [A.key_id, B.key_id, A.key_id]


def test_a_revoked_key_counts_no_more_from_that_time_on():
    world = small_town()
    act(world, register(A, 10))
    act(world, revoke(A, 20))
    assert [key_at(world, at) for at in (10, 19, 20)] == [A.key_id, A.key_id, ""]
    assert act(world, revoke(A, 25)) == ()
    act(world, revoke(A, 15))  # it was broken earlier than thought
    assert [key_at(world, at) for at in (14, 15)] == [A.key_id, ""]
    act(world, register(B, 30))
    assert [key_at(world, at) for at in (14, 20, 30)] == [A.key_id, "", B.key_id]


def test_without_a_time_a_key_counts_from_the_request_on():
    world = small_town()
    drafts = act(world, register(valid_from=0), at=7)
    assert not isinstance(drafts, Refusal)
    assert [draft.occurred_at for draft in drafts] == [7]


def test_a_new_calibration_keeps_key_and_registers():
    world = small_town()
    act(world, register())
    row = world.need(SIGNED_METERS, "M-ST-1")
    world.put(SIGNED_METERS, "M-ST-1", replace(row, registers=Registers(50)))
    (event,) = events(act(world, register(valid_from=500, calibrated_until=2_000)))
    assert event.calibrated_until == 2_000
    after = world.need(SIGNED_METERS, "M-ST-1")
    assert (after.calibrated_until, after.registers, len(after.keys)) == (2_000, Registers(50), 1)
    assert key_at(world, 10) == A.key_id


def test_another_device_in_the_place_of_a_meter_counts_anew():
    world = small_town()
    act(world, register())
    row = world.need(SIGNED_METERS, "M-ST-1")
    world.put(SIGNED_METERS, "M-ST-1", replace(row, registers=Registers(50)))
    act(world, register(B, 20, serial="M-2"))
    assert world.need(SIGNED_METERS, "M-ST-1").registers == Registers()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"public_key": "AAAA"}, "public_key"),
        ({"public_key": ""}, "public_key"),
        ({"maker": ""}, "maker"),
        ({"maker": "M" * 81}, "maker"),
        ({"model": "a\nb"}, "model"),
        ({"serial": ""}, "serial"),
        ({"firmware": "F" * 81}, "firmware"),
        ({"conformity_ref": "\0"}, "firmware"),
        ({"calibrated_until": 0}, "calibrated_until"),
        ({"calibrated_until": 2**53}, "calibrated_until"),
        ({"valid_from": -1}, "valid_from"),
        ({"valid_from": 2**53}, "valid_from"),
    ],
)
def test_a_plate_that_cannot_be_is_refused_by_its_field(change, field):
    outcome = act(small_town(), register(**change))
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts["field"]) == (RefusalCode.STATION_FIELD_INVALID, field)


def test_keys_are_bound_in_the_order_of_their_times_and_not_without_end():
    world = small_town()
    act(world, register(A, 10))
    for at in (5, 10):
        outcome = act(world, register(B, at))
        assert isinstance(outcome, Refusal)
        assert outcome.facts["field"] == "valid_from"
    for number in range(1, KEYS_MAX):
        act(world, register((A, B)[number % 2], 10 + number))
    outcome = act(world, register(C, 1_000))
    assert isinstance(outcome, Refusal)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (register(meter_id="M-9"), RefusalCode.METER_UNKNOWN),
        (revoke(meter_id="M-9"), RefusalCode.METER_UNKNOWN),
        (revoke(meter_id="M-ST-2"), RefusalCode.STATION_FIELD_INVALID),
        (revoke(B), RefusalCode.STATION_FIELD_INVALID),
        (revoke(A, 9), RefusalCode.STATION_FIELD_INVALID),
    ],
)
def test_a_key_that_is_not_there_is_not_revoked(command, code):
    world = small_town()
    act(world, register(A, 10))
    outcome = act(world, command)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


@pytest.mark.parametrize("command", [register(), revoke()])
def test_a_key_needs_two_persons(command):
    outcome = act(small_town(), command, actor=Actor("P1", "operator"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.SECOND_PERSON_REQUIRED
