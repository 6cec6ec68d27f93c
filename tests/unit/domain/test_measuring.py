"""What is measured of a pack, and what its reporter draws from it."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.custody import PACKS
from ledger.domain.health_state import PACK_HEALTH
from ledger.domain.measuring import Finding, RecordCycles, RecordResistance, ReportHealth
from ledger.kernel.instants import DAY
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, put_pack, small_town

STORED = "Packs:Depot:DE-1:Stored"
TEST: dict[str, Any] = {"pack_id": "PK-1", "method": "full-capacity-test"}


def town():
    world = small_town()
    put_pack(world, STORED, min_soh_bp=8_000)
    return world


def reasons(world) -> set[str]:
    return {hold.reason for hold in world.need(PACKS, "PK-1").holds}


def code(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_measurement_brings_the_assessment_its_reporter_draws_from_it():
    world = town()
    finding = Finding(soh_bp=7_000, method="full-capacity-test", lower_bp=6_950, upper_bp=7_050)
    command = ReportHealth(
        **TEST, capacity_mah=140_000, row_ref="t#1", finding=finding, occurred_at=DAY
    )
    drafts = act(world, command)
    assert not isinstance(drafts, Refusal)
    assert [draft.event.kind for draft in drafts] == [
        "health_reported",
        "soh_assessed",
        "hold_placed",
    ]
    assert [draft.after for draft in drafts] == [(), (0,), (1,)]
    assert drafts[1].event.sets_off == ("hold_placed",)  # type: ignore[attr-defined]
    bad = ReportHealth(**TEST, finding=Finding(soh_bp=9, method="guess"), occurred_at=DAY)
    assert code(act(world, bad)) == "PACK_FIELD_INVALID"


def test_a_measurement_set_aside_is_kept_and_nothing_is_drawn_from_it():
    world = town()
    command = ReportHealth(**TEST, set_aside="TOO_SHORT", occurred_at=DAY)
    (event,) = events(act(world, command))
    assert event.set_aside == "TOO_SHORT"
    assert world.get(PACK_HEALTH, "PK-1") is None
    finding = Finding(soh_bp=9_000, method="full-capacity-test")
    assert code(act(world, replace(command, finding=finding))) == "PACK_FIELD_INVALID"


@pytest.mark.parametrize(
    ("command", "code_"),
    [
        (ReportHealth(**TEST | {"pack_id": "PK-9"}), "UNKNOWN_PACK"),
        (ReportHealth(**TEST | {"pack_id": "PK-2"}), "PACK_ENDED"),
        (ReportHealth(**TEST | {"method": "guess"}), "PACK_FIELD_INVALID"),
        (ReportHealth(**TEST, capacity_mah=-1), "PACK_FIELD_INVALID"),
        (ReportHealth(**TEST, soc_end_bp=10_001), "PACK_FIELD_INVALID"),
        (ReportHealth(**TEST, temp_dc=2_001), "PACK_FIELD_INVALID"),
        (ReportHealth(**TEST, series_sha256="short"), "PACK_FIELD_INVALID"),
        (ReportHealth(**TEST, row_ref="\n"), "PACK_FIELD_INVALID"),
        (RecordCycles(pack_id="PK-1", cycles=-1), "PACK_FIELD_INVALID"),
        (RecordResistance(pack_id="PK-1", re_cmohm=0, rct_cmohm=1), "PACK_FIELD_INVALID"),
        (RecordResistance(pack_id="PK-1", re_cmohm=1, rct_cmohm=-1), "PACK_FIELD_INVALID"),
        (RecordResistance(pack_id="PK-1", flags=("\t",)), "PACK_FIELD_INVALID"),
        (
            RecordResistance(pack_id="PK-1", re_cmohm=1, rct_cmohm=1, temp_dc=-1_001),
            "PACK_FIELD_INVALID",
        ),
        (
            RecordResistance(pack_id="PK-1", re_cmohm=1, rct_cmohm=1, row_ref="r" * 101),
            "PACK_FIELD_INVALID",
        ),
    ],
)
def test_a_measurement_that_cannot_be_is_refused(command, code_):
    world = town()
    put_pack(world, "Packs:Ended:Recycled", "PK-2")
    assert code(act(world, command)) == code_


def test_a_count_of_cycles_that_goes_back_is_that_of_another_system():
    world = town()
    (event,) = events(act(world, RecordCycles(pack_id="PK-1", cycles=300, occurred_at=1)))
    assert event.cycles == 300
    assert act(world, RecordCycles(pack_id="PK-1", cycles=300, occurred_at=2)) == ()
    back = RecordCycles(pack_id="PK-1", cycles=12, occurred_at=3)
    assert [one.kind for one in events(act(world, back))] == ["cycle_count_recorded", "hold_placed"]
    assert reasons(world) == {"COUNTERFEIT_SUSPECT"}
    again = events(act(world, replace(back, cycles=11)))
    assert [one.kind for one in again] == ["cycle_count_recorded"]
    assert world.need(PACK_HEALTH, "PK-1").cycles == 11
