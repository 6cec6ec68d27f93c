"""Dynamic attributes of a passport that follow from sessions, readings and assessments."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.energy import EnergyTrueUp
from ledger.domain.health import SohAssessed
from ledger.domain.measuring import CycleCountRecorded, ResistanceRecorded
from ledger.domain.takeover import PackTakenOver
from ledger.exports._passport_life import known, life_of
from ledger.exports._passport_values import Resistances
from ledger.kernel.instants import DAY, HOUR, as_text
from tests.support.lives import APRIL, told

PACK = PackTakenOver(
    pack_id="PK-1",
    account="Packs:Driver:DR-1",
    pack_class="C1",
    nominal_wh=75_000,
    soh_bp=9_500,
    title_holder_id="MG",
)
NEW = Resistances(pack=Decimal("0.065"), cell=Decimal("0.0007"))


def session(in_wh: int, out_wh: int, stored_wh: int, **fields: Any) -> ChargeSessionEnded:
    usual: dict[str, Any] = {
        "session_id": "CS-1",
        "pack_id": "PK-1",
        "pack_class": "C1",
        "station_id": "ST-1",
        "slot": "1",
        "meter_id": "M-1",
        "started_at": APRIL,
        "ended_at": APRIL + HOUR,
        "stored_basis": "SOC",
        "end_reason": "EVDisconnected",
        "level": 3,
        "soc_end_bp": 9_000,
    }
    return ChargeSessionEnded(
        energy_in_wh=in_wh, energy_out_wh=out_wh, stored_wh_delta=stored_wh, **(usual | fields)
    )


def facts(*events: Any, **told_facts: Any) -> dict[str, Any]:
    history = [told(one, position=n, at=APRIL + n * DAY) for n, one in enumerate((PACK, *events))]
    return known(life_of(history), told_facts)


def test_the_round_trip_is_what_arrives_times_what_comes_back():
    charged, fed_back = session(10_000, 0, 9_500), session(0, 4_600, -5_000)
    found = facts(charged, fed_back, session(1_000, 900, 50))["6.7.4.4"]
    assert (found.value, found.at) == (Decimal("87.40"), as_text(APRIL + 3 * DAY))
    assert "6.7.4.4" not in facts(charged)
    doubtful = [replace(fed_back, mismatch=True), replace(fed_back, stored_basis="METERED")]
    assert "6.7.4.4" not in facts(charged, *doubtful)


def test_what_a_pack_lost_standing_is_its_self_discharge():
    reading = EnergyTrueUp(pack_id="PK-1", soc_bp=8_900, delta_wh=-75)
    # 75 Wh of 75 kWh in a day are 0.1 %, so 3 % in a month
    assert facts(session(10_000, 0, 9_500), reading)["6.7.4.7"].value == Decimal("3.00")
    assert "6.7.4.7" not in facts(reading)  # nobody knows since when
    more = replace(reading, delta_wh=75)
    assert "6.7.4.7" not in facts(session(10_000, 0, 9_500), more)


def test_resistance_grows_from_what_the_class_says_of_a_new_pack():
    test = ResistanceRecorded(pack_id="PK-1", re_cmohm=7_800, rct_cmohm=9_000)
    found = facts(test, **{"6.7.5.2": NEW})["6.7.5.3"]
    assert (found.pack_percent, found.cell_percent) == (Decimal("20.00"), Decimal("20.00"))
    assert (found.pack_ohm, found.cell_ohm) == (Decimal("0.078"), Decimal("0.000840"))
    assert "6.7.5.3" not in facts(test)
    absurd = ResistanceRecorded(pack_id="PK-1", flags=("re_implausible",))
    assert "6.7.5.3" not in facts(absurd, **{"6.7.5.2": NEW})


@pytest.mark.parametrize("order", [1, -1])
def test_sums_of_parts_of_cycles_tell_more_than_a_counter(order):
    assessed = SohAssessed(pack_id="PK-1", soh_bp=9_000, method="partial-charge", efc_x100=31_250)
    counted = CycleCountRecorded(pack_id="PK-1", cycles=400)
    assert facts(*(assessed, counted)[::order])["6.7.6.4"].value == Decimal("312.50")


def test_an_assessment_of_certified_energy_stands_above_a_quotient():
    assessed = SohAssessed(pack_id="PK-1", soh_bp=9_000, method="model", soce_bp=8_870)
    assert facts(assessed, **{"6.7.2.5": Decimal(74)})["6.7.2.7"].value == Decimal("88.70")
