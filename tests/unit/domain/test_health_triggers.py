"""What an assessment of health sets off, and what it may rest on."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.cases import CASES, ResolveCase
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.custody import PACKS, SOH_MAX_AGE_US, OpenHold
from ledger.domain.health import AssessSoh
from ledger.domain.health_models import HEALTH_MODELS, ReleaseHealthModel, postings
from ledger.domain.health_state import FOUND_MAX, PACK_HEALTH, PackHealth
from ledger.domain.health_triggers import JUMP_US, TEST_DUE_US
from ledger.domain.measuring import (
    BeginHealthEpoch,
    RecordResistance,
    ReportHealth,
    ReviewHealth,
)
from ledger.domain.measuring import postings as measured_postings
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, put_pack, small_town

STORED = "Packs:Depot:DE-1:Stored"
SLOT = "Packs:Station:ST-1:Slot:1"
TEST: dict[str, Any] = {"pack_id": "PK-1", "method": "full-capacity-test"}
MODEL_ID = "ab" * 32
RELEASE = ReleaseHealthModel(
    model_id=MODEL_ID,
    pack_class="C1",
    cells=42,
    mape_ppm=9_100,
    worst_ppm=49_400,
    coverage_bp=9_320,
    valid_from=DAY,
)


def town(account: str = STORED, **fields: Any):
    world = small_town()
    put_pack(world, account, **({"min_soh_bp": 8_000} | fields))
    return world


def found(world, soh_bp: int, day: int, width: int = 100, **fields: Any) -> list[str]:
    """Assess the pack and list what that set off."""
    usual = TEST | {
        "soh_bp": soh_bp,
        "lower_bp": max(soh_bp - width, 0),
        "upper_bp": min(soh_bp + width, 10_000),
        "occurred_at": day * DAY,
    }
    said = events(act(world, AssessSoh(**usual | fields)))
    names = [getattr(one, "case_type", "") or getattr(one, "reason", "") for one in said[1:]]
    return [
        f"-{n}" if one.kind == "hold_cleared" else n for n, one in zip(names, said[1:], strict=True)
    ]


def reasons(world) -> set[str]:
    return {hold.reason for hold in world.need(PACKS, "PK-1").holds}


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_pack_certainly_below_its_class_is_stopped_until_it_is_assessed_above():
    world = town()
    assert found(world, 7_800, 1) == ["SOH_BELOW_CLASS"]
    assert found(world, 7_790, 2) == []  # stopped already
    assert found(world, 7_950, 3) == ["SOH_TEST_DUE"]
    assert reasons(world) == {"SOH_BELOW_CLASS"}
    assert found(world, 8_150, 4) == ["-assessed again", ""]
    assert reasons(world) == set()
    known = world.need(PACK_HEALTH, "PK-1")
    assert (known.test_due_at, known.test_case_id) == (0, "")
    assert [case.resolution for _, case in world.rows(CASES)] == ["assessed above"]


def test_a_pack_in_doubt_is_tested_within_14_days_or_stopped():
    world = town()
    assert found(world, 8_050, 1) == ["SOH_TEST_DUE"]
    assert found(world, 8_040, 2) == []  # asked for already
    known = world.need(PACK_HEALTH, "PK-1")
    assert known.test_due_at == DAY + TEST_DUE_US
    early = ReviewHealth(pack_id="PK-1", occurred_at=known.test_due_at - 1)
    assert act(world, early) == ()
    assert found(world, 8_045, 15) == ["SOH_BELOW_CLASS"]


def test_a_test_that_a_person_closed_is_not_closed_twice():
    world = town()
    found(world, 8_050, 1)
    (case_id, _), *_ = world.rows(CASES)
    act(world, ResolveCase(case_id=case_id, resolution="measured by hand"))
    assert found(world, 8_300, 2) == []
    assert world.need(CASES, case_id).resolution == "measured by hand"
    assert world.need(PACK_HEALTH, "PK-1").test_due_at == 0


def test_time_alone_stops_a_pack():
    world = town()
    found(world, 8_050, 1)
    at = DAY + SOH_MAX_AGE_US
    (hold,) = events(act(world, ReviewHealth(pack_id="PK-1", occurred_at=at)))
    assert hold.reason == "SOH_BELOW_CLASS"  # the test was not made
    (hold,) = events(act(world, ReviewHealth(pack_id="PK-1", occurred_at=at + 1)))
    assert hold.reason == "SOH_STALE"
    assert act(world, ReviewHealth(pack_id="PK-1", occurred_at=at + 2)) == ()
    assert found(world, 9_000, 182) == [
        "-assessed again",
        "",
        "-assessed again",
        "COUNTERFEIT_SUSPECT",
    ]


def test_an_interval_too_wide_says_too_little():
    world = town()
    assert found(world, 9_000, 1, width=501) == ["SOH_STALE"]
    assert found(world, 9_000, 2, width=502) == []
    assert found(world, 9_000, 3, width=500) == ["-assessed again"]


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": ("narrow_window",), "method": "partial-charge"},
        {"flags": ("extrapolated",), "method": "model"},
        {"method": "bms-reported"},
    ],
)
def test_what_says_too_little_neither_places_nor_clears_a_hold(fields):
    world = town()
    assert found(world, 7_500, 1, **fields) == []
    found(world, 7_500, 2)
    assert found(world, 9_500, 3, **fields) == []
    assert reasons(world) == {"SOH_BELOW_CLASS"}


@pytest.mark.parametrize("fields", [{"retired": True}, {"commissioned": False}])
def test_a_pack_that_serves_nobody_is_only_measured(fields):
    world = town(**fields)
    assert found(world, 5_000, 1) == []
    assert act(world, ReviewHealth(pack_id="PK-1", occurred_at=400 * DAY)) == ()


def test_a_fall_within_30_days_is_looked_at_once_and_stops_a_pack_under_alarm():
    alarm = OpenHold("HD-1", "THERMAL_ALARM", 3, ("isolate",), "P1")
    world = town(holds=(alarm,))
    assert found(world, 9_500, 1) == []
    assert found(world, 9_190, 2) == ["SOH_JUMP", "ELECTRICAL_FAULT"]
    assert found(world, 8_800, 3) == []  # told
    assert found(world, 8_400, 3 + JUMP_US // DAY) == ["SOH_JUMP"]
    assert found(world, 8_100, 200) == []  # so slowly packs age


def test_a_certain_fall_with_a_resistance_that_grew_is_a_jump():
    world = town()
    for re_cmohm, day in ((6_000, 0), (7_900, 2)):
        command = RecordResistance(
            pack_id="PK-1", re_cmohm=re_cmohm, rct_cmohm=9_000, occurred_at=day * DAY + 1
        )
        (event,) = events(act(world, command))
        assert measured_postings(event) == ()
    found(world, 9_500, 1, width=10)
    assert found(world, 9_400, 2, width=10) == ["SOH_JUMP"]
    late = RecordResistance(pack_id="PK-1", re_cmohm=1, rct_cmohm=1, occurred_at=1)
    act(world, late)
    absurd = RecordResistance(pack_id="PK-1", flags=("re_implausible",), occurred_at=3 * DAY)
    act(world, absurd)
    known = world.need(PACK_HEALTH, "PK-1")
    assert (known.re_cmohm, known.re_begin_cmohm, known.resistance_up_bp) == (7_900, 6_000, 3_166)


def test_a_pack_that_heals_is_suspected_but_one_that_was_rested_is_not():
    world = town()
    found(world, 8_500, 1)
    assert found(world, 8_990, 2) == []  # a rest gives some percent back
    assert found(world, 9_600, 3, width=1_500) == ["SOH_STALE"]  # nobody can be sure
    assert found(world, 9_600, 4, width=10) == ["-assessed again"]
    world = town()
    found(world, 8_500, 1)
    assert found(world, 9_100, 2) == ["COUNTERFEIT_SUSPECT"]
    assert found(world, 9_900, 3) == []  # stopped already


def test_soh_drop_between_out_and_in_is_a_case_of_usage_or_of_measurement():
    world = town()
    assert found(world, 9_500, 1, driver_id="DR-1") == []  # nothing to compare with
    assert found(world, 9_300, 40, driver_id="DR-1") == []  # what a driver may use up
    assert found(world, 8_800, 80, driver_id="DR-1") == ["USAGE_DAMAGE"]
    assert found(world, 8_590, 120, driver_id="DR-1") == ["MEASUREMENT"]
    assert found(world, 8_100, 160, width=20) == []  # between several drivers nobody is named
    subjects = [case.subjects for _, case in world.rows(CASES)]
    assert subjects == [("PK-1", "DR-1")] * 2


def test_three_verified_values_below_the_end_of_life_propose_to_retire_once():
    sure: dict[str, Any] = {"instrument_id": "IN-1", "level": 2}
    world = town(min_soh_bp=0)
    days = (40, 80, 120, 160, 200, 240, 280)
    values = (7_900, 7_800, 8_100, 7_700, 7_600, 7_500, 7_400)
    found_ = []
    for day, soh_bp in zip(days, values, strict=True):
        found_ += found(world, soh_bp, day, calibrated_until=day * DAY, **sure)
        found_ += found(world, soh_bp - 10, day + 1)  # nobody verified these
    assert found_ == ["RETIREMENT_PROPOSED"]
    known = world.need(PACK_HEALTH, "PK-1")
    assert (known.verified_min_bp, known.below_count, len(known.found)) == (7_400, 4, FOUND_MAX)


def test_filter_and_model_that_disagree_are_a_case():
    world = town()
    assert found(world, 9_000, 1, is_disputed=True) == ["SOH_DISAGREEMENT"]


def test_a_late_assessment_is_kept_and_changes_nothing():
    world = town(soc_bp=5_000)
    found(world, 9_000, 10)
    late = found(world, 5_000, 5, supersedes=3)
    pack, known = world.need(PACKS, "PK-1"), world.need(PACK_HEALTH, "PK-1")
    assert late == []
    assert (pack.soh_bp, pack.soh_assessed_at) == (9_000, 10 * DAY)
    assert [one.soh_bp for one in known.found] == [5_000, 9_000]


def test_the_same_assessment_again_says_nothing_new():
    world = town()
    found(world, 9_000, 1)
    command = AssessSoh(**TEST, soh_bp=9_000, lower_bp=8_900, upper_bp=9_100, occurred_at=DAY)
    assert act(world, command) == ()


def test_a_model_counts_once_two_persons_released_it():
    world = town()
    asked: dict[str, Any] = {
        "pack_id": "PK-1",
        "method": "model",
        "soh_bp": 9_000,
        "model_version": MODEL_ID,
    }
    assert code(act(world, AssessSoh(**asked, occurred_at=2 * DAY))) == "MODEL_NOT_RELEASED"
    (event,) = events(act(world, RELEASE, at=HOUR))
    assert postings(event) == ()
    assert act(world, RELEASE, at=HOUR) == ()
    assert world.need(HEALTH_MODELS, MODEL_ID).valid_from == DAY
    assert code(act(world, AssessSoh(**asked, occurred_at=DAY - 1))) == "MODEL_NOT_RELEASED"
    (said,) = events(act(world, AssessSoh(**asked, occurred_at=DAY)))
    assert said.model_version == MODEL_ID


@pytest.mark.parametrize(
    "fields",
    [{"model_id": "AB" * 32}, {"pack_class": "no id"}, {"cells": -1}, {"valid_from": -1}],
)
def test_a_model_that_cannot_be_is_not_released(fields):
    assert code(act(town(), replace(RELEASE, **fields))) == "PACK_FIELD_INVALID"


def charged(world) -> None:
    begin = StartChargingSession(
        session_id="CS-1",
        pack_id="PK-1",
        station_id="ST-1",
        slot="1",
        started_at=HOUR,
        register_import_wh=0,
        soc_bp=2_000,
    )
    end = EndChargingSession(
        session_id="CS-1", ended_at=2 * HOUR, register_import_wh=5_500, soc_bp=7_000
    )
    act(world, begin)
    act(world, end)


def test_an_assessment_names_the_sessions_and_measurements_it_rests_on():
    world = town(SLOT, soc_bp=2_000)
    charged(world)
    act(world, ReportHealth(**TEST, capacity_mah=140_000, occurred_at=3 * HOUR))
    ((position, at),) = world.need(PACK_HEALTH, "PK-1").reports
    assert at == 3 * HOUR
    command = AssessSoh(
        pack_id="PK-1",
        method="partial-charge",
        soh_bp=9_000,
        session_ids=("CS-1",),
        report_refs=(position,),
        filter_state=((1, 2, 3),),
        efc_x100=150,
        throughput_wh=5_000,
        soce_bp=9_100,
        occurred_at=4 * HOUR,
    )
    (event,) = events(act(world, command))
    assert len(event.data_refs) == 2
    assert position in event.data_refs
    known = world.need(PACK_HEALTH, "PK-1")
    assert (known.used_to, known.sessions_used, known.filter_state) == (2 * HOUR, 1, ((1, 2, 3),))
    assert (known.efc_x100, known.throughput_wh, known.soce_bp) == (150, 5_000, 9_100)


@pytest.mark.parametrize(
    ("fields", "code_"),
    [
        ({"session_ids": ("CS-9",)}, "NOT_CAUSAL"),
        ({"session_ids": ("CS-1",), "pack_id": "PK-2"}, "NOT_CAUSAL"),
        ({"session_ids": ("CS-1",), "occurred_at": 2 * HOUR - 1}, "NOT_CAUSAL"),
        ({"report_refs": (7,)}, "NOT_CAUSAL"),
        ({"calibrated_until": 4 * HOUR - 1}, "INSTRUMENT_EXPIRED"),
        ({"flags": ("lucky",)}, "PACK_FIELD_INVALID"),
        ({"soce_bp": 10_001}, "PACK_FIELD_INVALID"),
        ({"level": -1}, "PACK_FIELD_INVALID"),
        ({"model_version": "x" * 81}, "PACK_FIELD_INVALID"),
        ({"filter_state": ((1, 0, 1),)}, "PACK_FIELD_INVALID"),
        ({"session_ids": tuple(f"CS-{n}" for n in range(257))}, "NOT_CAUSAL"),
    ],
)
def test_an_assessment_that_rests_on_what_it_cannot_is_refused(fields, code_):
    world = town(SLOT, soc_bp=2_000)
    put_pack(world, STORED, "PK-2")
    charged(world)
    usual = TEST | {"soh_bp": 9_000, "occurred_at": 4 * HOUR}
    outcome = act(world, AssessSoh(**usual | fields))
    assert isinstance(outcome, Refusal)
    assert code_ in {outcome.code.name, *(other.name for other in outcome.others)}


def test_repair_changes_modules_and_the_health_of_the_pack_begins_anew():
    world = town()
    found(world, 8_500, 1, efc_x100=30_000)
    begin = BeginHealthEpoch(pack_id="PK-1", reason="two modules changed", occurred_at=2 * DAY)
    (event,) = events(act(world, begin))
    assert event.epoch == 1
    known = world.need(PACK_HEALTH, "PK-1")
    assert known == PackHealth("PK-1", epoch=1, efc_x100=30_000)
    assert known.resistance_up_bp == 0
    assert found(world, 9_900, 3) == []  # it healed because it was repaired
