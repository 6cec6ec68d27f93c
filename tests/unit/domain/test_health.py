from typing import Any

import pytest

from ledger.domain.custody import PACKS
from ledger.domain.health import AssessSoh, RetirePack, postings
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, put_pack, small_town

STORED = "Packs:Depot:DE-1:Stored"
ASSESS: dict[str, Any] = {"pack_id": "PK-1", "soh_bp": 9_000, "method": "full-capacity-test"}
RETIRE = RetirePack(pack_id="PK-1", reason="three tests below 80 %", residual_soh_bp=7_900)


def test_a_new_state_of_health_revalues_the_energy_inside():
    world = small_town()
    put_pack(world, STORED, soc_bp=5_000, energy_wh=4_990)
    command = AssessSoh(**ASSESS, lower_bp=8_900, upper_bp=9_100, capacity_mah=140_000)
    (event,) = events(act(world, command, at=7))
    assert (event.before_wh, event.after_wh) == (5_000, 4_500)
    assert {line.account: line.quantity for line in postings(event)} == {
        "Energy:Pack:PK-1": -500,
        "Energy:Revaluation": 500,
    }
    pack = world.need(PACKS, "PK-1")
    assert (pack.soh_bp, pack.soh_assessed_at, pack.energy_wh) == (9_000, 7, 4_490)


@pytest.mark.parametrize(("account", "soc_bp"), [(STORED, None), ("Packs:Driver:DR-1", 5_000)])
def test_energy_that_is_not_known_or_not_ours_is_not_revalued(account, soc_bp):
    world = small_town()
    put_pack(world, account, soc_bp=soc_bp)
    (event,) = events(act(world, AssessSoh(**ASSESS)))
    assert postings(event) == ()
    assert world.need(PACKS, "PK-1").soh_bp == 9_000


def test_a_pack_is_retired_once():
    world = small_town()
    put_pack(world, STORED)
    (event,) = events(act(world, RETIRE))
    assert postings(event) == ()
    assert world.need(PACKS, "PK-1").retired
    assert act(world, RETIRE) == ()


@pytest.mark.parametrize(
    ("account", "fields", "command", "code"),
    [
        (STORED, {}, AssessSoh(**ASSESS | {"pack_id": "PK-9"}), "UNKNOWN_PACK"),
        ("Packs:Ended:Recycled", {}, AssessSoh(**ASSESS), "PACK_ENDED"),
        (STORED, {}, AssessSoh(**ASSESS | {"method": "guess"}), "PACK_FIELD_INVALID"),
        (STORED, {}, AssessSoh(**ASSESS | {"soh_bp": 10_001}), "BOUNDS_INVALID"),
        (STORED, {}, AssessSoh(**ASSESS, lower_bp=9_001), "BOUNDS_INVALID"),
        (STORED, {}, AssessSoh(**ASSESS, upper_bp=8_999), "BOUNDS_INVALID"),
        (STORED, {}, AssessSoh(**ASSESS, capacity_mah=-1), "PACK_FIELD_INVALID"),
        ("Packs:Ended:Recycled", {}, RETIRE, "PACK_ENDED"),
        (STORED, {"commissioned": False}, RETIRE, "NOT_COMMISSIONED"),
    ],
)
def test_an_assessment_or_a_retirement_that_cannot_be_is_refused(account, fields, command, code):
    world = small_town()
    put_pack(world, account, **fields)
    outcome = act(world, command)
    assert isinstance(outcome, Refusal)
    assert outcome.code.name == code
