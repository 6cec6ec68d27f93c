import pytest
from msgspec.structs import replace

from ledger.domain.charge_begin import ChargeSessionStarted, StartChargingSession
from ledger.domain.charging import ChargeSessionEnded, EndChargingSession
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.energy import EnergyTrueUp, TrueUpEnergy
from ledger.domain.sessions import SESSIONS, STAGES
from ledger.domain.stations import METERS, SLOTS
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import ClockReading, Observed, Source
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town, sums_of

SLOT = "Packs:Station:ST-1:Slot:1"
START = StartChargingSession(
    session_id="CS-1",
    pack_id="PK-1",
    station_id="ST-1",
    slot="1",
    started_at=10 * HOUR,
    register_import_wh=1_000,
    soc_bp=2_000,
)
END = EndChargingSession(
    session_id="CS-1", ended_at=11 * HOUR, register_import_wh=6_500, soc_bp=7_000
)


def town(**pack):
    world = small_town()
    put_pack(world, SLOT, **({"soc_bp": 2_000, "energy_wh": 2_000} | pack))
    return world


def test_a_session_moves_energy_by_the_registers_and_the_state_of_charge():
    world = town()
    (started,) = events(act(world, START))
    assert started.register_import_begin_wh == 1_000
    assert world.need(SLOTS, "ST-1|1").session_id == "CS-1"
    (ended,) = events(act(world, END))
    assert (ended.energy_in_wh, ended.stored_wh_delta, ended.stored_basis) == (5_500, 5_000, "SOC")
    assert (ended.started_at, ended.ended_at) == (10 * HOUR, 11 * HOUR)
    assert sums_of(ended) == {
        ("Energy:Grid:M-ST-1", "WH"): -5_500,
        ("Energy:Pack:PK-1", "WH"): 5_000,
        ("Energy:Losses:Charging:ST-1", "WH"): 500,
    }
    pack, slot = world.need(PACKS, "PK-1"), world.need(SLOTS, "ST-1|1")
    assert (pack.soc_bp, pack.energy_wh, pack.busy_to) == (7_000, 7_000, 11 * HOUR)
    assert (slot.session_id, slot.busy_to) == ("", 11 * HOUR)
    assert world.need(METERS, "M-ST-1").import_wh == 6_500
    row = world.need(SESSIONS, "CS-1")
    assert (row.stage, SESSIONS.listed_by(row)) == ("ENDED", "ST-1")


def test_without_a_reading_the_pack_gets_what_the_meter_counted():
    world = town()
    act(world, replace(START, soc_bp=None))
    clock = Observed(12 * HOUR, Source("ST-1"), ClockReading("I", uncertainty_us=7))
    end = replace(END, register_import_wh=1_500, register_export_wh=200, observed=clock)
    (ended,) = events(act(world, end))
    assert (ended.stored_wh_delta, ended.stored_basis, ended.energy_out_wh) == (300, "METERED", 200)
    assert (ended.clock_quality, ended.clock_uncertainty_us) == ("I", 7)
    pack = world.need(PACKS, "PK-1")
    assert (pack.soc_bp, pack.energy_wh) == (7_000, 2_300)
    assert world.need(METERS, "M-ST-1").export_wh == 200


def test_a_reading_at_only_one_end_is_not_a_basis():
    world = town()
    act(world, START)
    (ended,) = events(act(world, replace(END, soc_bp=None)))
    assert ended.stored_basis == "METERED"
    assert world.need(PACKS, "PK-1").soc_bp is None


def test_a_session_that_cannot_be_true_opens_a_case_or_is_only_marked():
    for opens in (True, False):
        world = town()
        act(world, START)
        ended, *cases = events(
            act(world, replace(END, register_import_wh=9_000, mismatch_case=opens))
        )
        assert ended.mismatch
        assert [case.case_type for case in cases] == ["ENERGY_MISMATCH"] * opens


def test_after_a_reboot_a_session_counts_from_where_the_last_one_ended():
    world = town()
    act(world, START)
    act(world, END)
    again = replace(
        START,
        session_id="CS-2",
        started_at=11 * HOUR,
        register_import_wh=6_900,
        resumed_from="CS-1",
        soc_bp=None,
    )
    act(world, again)
    end = replace(END, session_id="CS-2", ended_at=12 * HOUR, register_import_wh=7_000)
    (ended,) = events(act(world, end))
    assert ended.energy_in_wh == 500


def hold(scope):
    return (OpenHold("H-1", "ELECTRICAL_FAULT", 2, (scope,), "P1"),)


@pytest.mark.parametrize(
    ("changes", "pack", "slot", "code"),
    [
        ({"slot": "9"}, {}, {}, RefusalCode.SLOT_UNKNOWN),
        ({}, {}, {"meter_id": "M-9"}, RefusalCode.METER_UNKNOWN),
        ({"pack_id": "PK-9"}, {}, {}, RefusalCode.UNKNOWN_PACK),
        ({}, {"account": "Packs:Driver:DR-1"}, {}, RefusalCode.WRONG_PLACE),
        ({}, {"holds": hold("no_charge")}, {}, RefusalCode.HOLD_BLOCKS),
        ({"direction": "DISCHARGE"}, {"holds": hold("no_discharge")}, {}, RefusalCode.HOLD_BLOCKS),
        ({}, {}, {"blocked": True}, RefusalCode.SLOT_BLOCKED),
        ({"direction": "UP"}, {}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"soc_bp": 10_001}, {}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"session_id": "no id"}, {}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"resumed_from": "CS-9"}, {}, {}, RefusalCode.CHARGING_SESSION_UNKNOWN),
        ({}, {}, {"session_id": "CS-7"}, RefusalCode.CHARGING_SESSION_OVERLAP),
        ({}, {}, {"busy_to": 10 * HOUR + 1}, RefusalCode.CHARGING_SESSION_OVERLAP),
        ({}, {"busy_to": 10 * HOUR + 1}, {}, RefusalCode.CHARGING_SESSION_OVERLAP),
        ({"register_import_wh": -1}, {}, {}, RefusalCode.ENERGY_NEGATIVE),
        ({"register_export_wh": 2**53}, {}, {}, RefusalCode.ENERGY_LIMIT),
        ({"started_at": 0}, {}, {}, RefusalCode.SESSION_TIME_INVALID),
    ],
)
def test_a_session_that_may_not_begin_is_refused(changes, pack, slot, code):
    world = town(**pack) if "account" not in pack else small_town()
    if "account" in pack:
        put_pack(world, pack["account"])
    world.put(SLOTS, "ST-1|1", replace(world.need(SLOTS, "ST-1|1"), **slot))
    outcome = act(world, replace(START, **changes))
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"soc_bp": -1}, RefusalCode.PACK_FIELD_INVALID),
        ({"session_id": "CS-9"}, RefusalCode.CHARGING_SESSION_UNKNOWN),
        ({"register_import_wh": 999}, RefusalCode.REGISTER_BACKWARDS),
        ({"register_import_wh": 151_001}, RefusalCode.ENERGY_LIMIT),
        ({"ended_at": 10 * HOUR - 1}, RefusalCode.SESSION_TIME_INVALID),
        ({"ended_at": 2**60}, RefusalCode.SESSION_TIME_INVALID),
    ],
)
def test_a_session_that_may_not_end_so_is_refused(changes, code):
    world = town()
    act(world, START)
    outcome = act(world, replace(END, **changes))
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


def test_a_session_begins_once_and_ends_once():
    world = town()
    act(world, START)
    again = act(world, START)
    assert isinstance(again, Refusal)
    assert again.others == (RefusalCode.CHARGING_SESSION_OVERLAP,)
    assert again.code is RefusalCode.CHARGING_SESSION_EXISTS
    act(world, END)
    ended = act(world, END)
    assert isinstance(ended, Refusal)
    assert ended.code is RefusalCode.CHARGING_SESSION_ENDED


def test_the_life_of_a_session_is_the_table():
    world = town()
    act(world, START)
    assert world.need(SESSIONS, "CS-1").stage == STAGES["", ChargeSessionStarted.kind]
    act(world, END)
    assert world.need(SESSIONS, "CS-1").stage == STAGES["OPEN", ChargeSessionEnded.kind]


def test_a_reading_at_rest_sets_the_books_right():
    world = town()
    (event,) = events(act(world, TrueUpEnergy(pack_id="PK-1", soc_bp=1_900)))
    assert event == EnergyTrueUp(pack_id="PK-1", soc_bp=1_900, delta_wh=-100)
    assert sums_of(event) == {
        ("Energy:Pack:PK-1", "WH"): -100,
        ("Energy:Losses:Standing", "WH"): 100,
    }
    pack = world.need(PACKS, "PK-1")
    assert (pack.soc_bp, pack.energy_wh) == (1_900, 1_900)
    assert act(world, TrueUpEnergy(pack_id="PK-1", soc_bp=1_900)) == ()


@pytest.mark.parametrize(
    ("account", "command", "code"),
    [
        (SLOT, TrueUpEnergy(pack_id="PK-9", soc_bp=1), RefusalCode.UNKNOWN_PACK),
        (SLOT, TrueUpEnergy(pack_id="PK-1", soc_bp=10_001), RefusalCode.PACK_FIELD_INVALID),
        (
            "Packs:Driver:DR-1",
            TrueUpEnergy(pack_id="PK-1", soc_bp=1),
            RefusalCode.WRONG_STATE,
        ),
        (
            "Packs:Ended:WrittenOff",
            TrueUpEnergy(pack_id="PK-1", soc_bp=1),
            RefusalCode.WRONG_STATE,
        ),
    ],
)
def test_only_a_pack_in_our_hands_can_be_read(account, command, code):
    world = small_town()
    put_pack(world, account)
    outcome = act(world, command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code
