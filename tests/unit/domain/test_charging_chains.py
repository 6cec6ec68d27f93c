"""Sessions over reboots, checkpoints, estimates: energy is neither lost nor counted twice."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.charge_begin import (
    ChargeSessionCheckpoint,
    RecordChargeCheckpoint,
    StartChargingSession,
    postings,
)
from ledger.domain.charging import ChargeSessionEnded, EndChargingSession
from ledger.domain.custody import PACKS
from ledger.domain.money.rating_facts import Interval
from ledger.domain.sessions import (
    REGISTERS_MAX,
    SESSIONS,
    STAGES,
    SUBSTITUTES,
    Substitute,
)
from ledger.domain.stations import METERS, SLOTS
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import Refusal
from ledger.kernel.signed_facts import UNSIGNED
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
    direction="BIDIRECTIONAL",
)
HALF = RecordChargeCheckpoint(
    session_id="CS-1",
    at=11 * HOUR,
    register_import_wh=3_200,
    register_export_wh=100,
    soc_bp=4_000,
)
RESUMED = replace(
    START,
    session_id="CS-2",
    started_at=12 * HOUR,
    register_import_wh=3_900,
    register_export_wh=100,
    resumed_from="CS-1",
    reason="rebooted",
    soc_bp=4_500,
)
END = EndChargingSession(
    session_id="CS-2",
    ended_at=13 * HOUR,
    register_import_wh=6_500,
    register_export_wh=300,
    soc_bp=7_000,
    temp_max_dc=315,
)


def town():
    world = small_town()
    put_pack(world, SLOT, soc_bp=2_000, energy_wh=2_000)
    return world


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_chain_is_bounded_by_its_first_begin_and_its_last_end():
    world = town()
    act(world, START)
    (mark,) = events(act(world, HALF))
    assert isinstance(mark, ChargeSessionCheckpoint)
    assert postings(mark) == ()
    assert world.need(SESSIONS, "CS-1").stage == STAGES["OPEN", mark.kind]
    cut, begun = events(act(world, RESUMED))
    assert (cut.end_reason, cut.ended_at, cut.soc_end_bp) == ("Reboot", 11 * HOUR, 4_000)
    assert (begun.register_import_begin_wh, begun.register_export_begin_wh) == (3_200, 100)
    assert world.need(SLOTS, "ST-1|1").session_id == "CS-2"
    (ended,) = events(act(world, END))
    both = [one for one in (cut, ended) if isinstance(one, ChargeSessionEnded)]
    assert sum(one.energy_in_wh for one in both) == 6_500 - 1_000
    assert sum(one.energy_out_wh for one in both) == 300
    assert ended.temp_max_dc == 315
    assert world.need(METERS, "M-ST-1").import_wh == 6_500
    first, second = world.need(SESSIONS, "CS-1"), world.need(SESSIONS, "CS-2")
    assert (first.resumed_by, first.stage, second.stage) == ("CS-2", "ENDED", "ENDED")
    assert (second.ended_at, second.pack_class) == (13 * HOUR, "C1")
    # the pack holds what its readings say; what is between readings and meter is loss
    pack = world.need(PACKS, "PK-1")
    assert (pack.soc_bp, pack.energy_wh) == (7_000, 2_000 + 2_000 + 2_500)


def test_a_session_that_was_never_heard_of_again_ends_where_it_began():
    world = town()
    act(world, START)
    cut, begun = events(act(world, RESUMED))
    assert (cut.ended_at, cut.energy_in_wh, cut.stored_wh_delta) == (10 * HOUR, 0, 0)
    assert begun.register_import_begin_wh == 1_000
    assert sums_of(cut) == {}


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"pack_id": "PK-2"}, "SESSION_CHAIN_BROKEN"),
        ({"slot": "2"}, "SESSION_CHAIN_BROKEN"),
        ({"started_at": 11 * HOUR - 1}, "SESSION_TIME_INVALID"),
        ({"register_import_wh": 3_199}, "REGISTER_BACKWARDS"),
        ({"register_export_wh": 99}, "REGISTER_BACKWARDS"),
    ],
)
def test_a_session_goes_on_only_from_one_of_its_own_pack_and_slot(changes, code_):
    world = town()
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-2")
    act(world, START)
    act(world, HALF)
    outcome = act(world, replace(RESUMED, **changes))
    assert isinstance(outcome, Refusal)
    assert code_ in {outcome.code.name, *(other.name for other in outcome.others)}


def test_a_session_is_resumed_once():
    world = town()
    act(world, START)
    act(world, RESUMED)
    act(world, END)
    again = replace(RESUMED, session_id="CS-3", started_at=14 * HOUR, register_import_wh=6_500)
    assert code(act(world, again)) == "SESSION_CHAIN_BROKEN"


@pytest.mark.parametrize(
    ("changes", "code_"),
    [
        ({"session_id": "CS-9"}, "CHARGING_SESSION_UNKNOWN"),
        ({"reason": "boredom"}, "PACK_FIELD_INVALID"),
        ({"soc_bp": 10_001}, "PACK_FIELD_INVALID"),
        ({"at": 10 * HOUR - 1}, "SESSION_TIME_INVALID"),
        ({"register_import_wh": 999}, "REGISTER_BACKWARDS"),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(changes, code_):
    world = town()
    act(world, START)
    assert code(act(world, replace(HALF, **changes))) == code_


def test_an_ended_session_has_no_checkpoints():
    world = town()
    act(world, START)
    act(world, replace(END, session_id="CS-1"))
    assert code(act(world, replace(HALF, at=14 * HOUR, register_import_wh=7_000))) == (
        "CHARGING_SESSION_ENDED"
    )


def test_meter_backwards_is_estimated_and_a_person_looks_at_it():
    world = town()
    act(world, START)
    act(world, HALF)
    back = replace(END, session_id="CS-1", register_import_wh=40)
    assert code(act(world, back)) == "REGISTER_BACKWARDS"
    estimate = Substitute(in_wh=5_400, method="state_of_charge")
    ended, case = events(act(world, replace(back, substitute=estimate)))
    assert (ended.energy_in_wh, ended.substitute_method) == (5_400, "state_of_charge")
    assert (ended.register_import_end_wh, ended.billing_class) == (None, UNSIGNED)
    assert case.case_type == "METER"
    assert world.need(METERS, "M-ST-1").import_wh == 0  # an estimate is no reading
    assert world.need(CASES, case.case_id).is_open


@pytest.mark.parametrize(
    "changes",
    [
        {"substitute": Substitute(10_001, "last_good")},  # more than the pack holds
        {"substitute": Substitute(-1, "last_good")},
        {"substitute": Substitute(1, "guess")},
        {"end_reason": "Boredom"},
    ],
)
def test_an_end_that_cannot_be_is_refused(changes):
    world = town()
    act(world, START)
    outcome = act(world, replace(END, session_id="CS-1", **changes))
    assert code(outcome) == "PACK_FIELD_INVALID"
    assert "guess" not in SUBSTITUTES


# Readings meanwhile -----------------------------------------------------------

OWN = replace(START, driver_id="DR-1", direction="CHARGE")
ALONE = replace(END, session_id="CS-1", ended_at=12 * HOUR, register_export_wh=0)


def read_between(*readings: tuple[int, int], start: Any = OWN, end: Any = ALONE) -> Any:
    """Let a session run with these readings (time, Wh drawn); gives its row and its end."""
    world = town()
    act(world, start)
    for at, wh in readings:
        mark = replace(HALF, at=at, register_import_wh=wh, register_export_wh=0)
        assert not isinstance(act(world, mark), Refusal)
    ended = events(act(world, end))[0]
    return world.need(SESSIONS, "CS-1"), ended


def test_readings_meanwhile_say_when_a_driver_drew_what():
    quarter = HOUR // 4
    row, ended = read_between(
        (10 * HOUR, 1_100),  # of the begin: its own register counts
        (10 * HOUR + quarter, 1_500),
        (10 * HOUR + quarter, 1_600),  # the last one of an instant counts
        (11 * HOUR, 3_000),
        (12 * HOUR, 6_400),  # of the end
    )
    assert ended.intervals == (
        Interval(10 * HOUR, 10 * HOUR + quarter, 600),
        Interval(10 * HOUR + quarter, 11 * HOUR, 1_400),
        Interval(11 * HOUR, 12 * HOUR, 3_500),
    )
    assert row.intervals_of(5_500) == ended.intervals
    assert row.intervals_of(5_499) == ()


def test_without_readings_that_tell_there_are_no_intervals():
    estimate = replace(ALONE, substitute=Substitute(in_wh=5_500, method="last_good"))
    for row, ended in (
        read_between(),
        read_between((11 * HOUR, 3_000), start=replace(OWN, driver_id="")),
        read_between((11 * HOUR, 3_000), end=estimate),
    ):
        assert (ended.intervals, row.registers, row.intervals_of(5_500)) == ((), (), ())


def test_only_so_many_readings_of_a_session_are_kept():
    row, ended = read_between((11 * HOUR, 3_000))
    full = replace(row, registers=tuple((at, at) for at in range(REGISTERS_MAX)))
    assert full.read_at(REGISTERS_MAX, 9) == full.registers
    assert len(ended.intervals) == 2
