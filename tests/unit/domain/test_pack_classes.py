"""Classes of packs: registered in versions, and read by the rules that depend on the class."""

from typing import Any

import pytest

from ledger.domain.assets import CommissionPack, PlacePackOrder
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.classes import CLASS_RULES, rules_of
from ledger.domain.custody import PACKS
from ledger.domain.loads import DispatchTransfer
from ledger.domain.pack_classes import PackClassRegistered, RegisterPackClass
from ledger.domain.parties import PARTIES, Party
from ledger.domain.passport_facts import ToldFact
from ledger.domain.stays import ReportStay
from ledger.domain.takeover import TakeOverPack
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_order, put_pack, small_town, sums_of

DEPOT = "Packs:Depot:DE-1:Stored"


def register(**changes: Any) -> RegisterPackClass:
    usual: dict[str, Any] = {
        "pack_class": "C1",
        "facts_version": 1,
        "source": "Technical file, revision 3",
        "nominal_wh": 10_000,
        "rated_mv": 355_200,
    }
    return RegisterPackClass(**(usual | changes))


def registered(**changes: Any) -> World:
    world = small_town()
    assert events(act(world, register(**changes)))
    return world


def codes_of(outcome: Any) -> list[RefusalCode]:
    assert isinstance(outcome, Refusal), outcome
    return [outcome.code, *outcome.others]


def test_a_class_is_registered_with_its_facts_in_the_order_of_their_clauses():
    world = small_town()
    facts = (ToldFact("6.7.2.2", "205.20"), ToldFact("6.1.3.5", '"ev"'))
    (event,) = events(act(world, register(facts=facts, catena_x='{"version":"1"}')))
    assert event == PackClassRegistered(
        pack_class="C1",
        facts_version=1,
        source="Technical file, revision 3",
        nominal_wh=10_000,
        rated_mv=355_200,
        min_soh_bp=7_000,
        transport_soc_bp=9_500,
        efficiency_min_bp=8_500,
        efficiency_max_bp=10_000,
        facts=(ToldFact("6.1.3.5", '"ev"'), ToldFact("6.7.2.2", "205.20")),
        catena_x='{"version":"1"}',
    )
    assert sums_of(event) == {}
    row = rules_of(world, "C1")
    assert row is not None
    assert (row.nominal_wh, row.efficiency_bp, len(row.positions)) == (10_000, (8_500, 10_000), 1)


def test_a_change_is_the_next_version_and_the_same_again_is_nothing():
    world = registered()
    assert act(world, register()) == ()
    changed = act(world, register(rated_mv=1))
    assert codes_of(changed) == [RefusalCode.CLASS_EXISTS]
    assert isinstance(changed, Refusal)
    assert changed.facts["newest"] == 1
    assert events(act(world, register(facts_version=3, min_soh_bp=7_500)))
    row = world.need(CLASS_RULES, "C1")
    assert (row.facts_version, row.min_soh_bp, len(row.positions)) == (3, 7_500, 2)
    assert codes_of(act(world, register(facts_version=2))) == [RefusalCode.CLASS_EXISTS]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pack_class": "c 1"}, "pack_class"),
        ({"facts_version": 0}, "facts_version"),
        ({"source": ""}, "source"),
        ({"nominal_wh": 0}, "nominal_wh"),
        ({"rated_mv": 0}, "rated_mv"),
        ({"min_soh_bp": 10_001}, "min_soh_bp"),
        ({"transport_soc_bp": -1}, "transport_soc_bp"),
        ({"efficiency_min_bp": 9_000, "efficiency_max_bp": 8_000}, "efficiency_min_bp"),
        ({"facts": tuple(ToldFact(f"6.{n}.2", "1") for n in range(1, 95))}, "facts"),
        ({"facts": (ToldFact("6.1.2", "1"), ToldFact("6.1.2", "2"))}, "facts"),
        ({"facts": (ToldFact("7.1.2", "1"),)}, "facts.7.1.2"),
        ({"facts": (ToldFact("6.1.2.4", "{"),)}, "facts.6.1.2.4"),
        ({"catena_x": "none"}, "catena_x"),
    ],
)
def test_a_class_that_cannot_be_names_the_field(fields, field):
    outcome = act(small_town(), register(**fields))
    assert codes_of(outcome) == [RefusalCode.CLASS_FIELD_INVALID]
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == field


def test_a_pack_of_another_energy_is_not_of_the_class():
    world = registered(nominal_wh=10_001)
    order = PlacePackOrder(
        pack_ids=("PK-1",), supplier_id="SV-1", po_no="PO-1", line=1, pack_class="C1",
        nominal_wh=10_000,
    )  # fmt: skip
    assert RefusalCode.CLASS_MISMATCH in codes_of(act(world, order))
    taken = TakeOverPack(
        pack_id="PK-1", account=DEPOT, pack_class="C1", nominal_wh=10_000, soh_bp=9_000,
        title_holder_id="TH-1",
    )  # fmt: skip
    assert codes_of(act(world, taken)) == [RefusalCode.CLASS_MISMATCH]


def test_a_pack_gets_at_least_the_least_health_of_its_class():
    world = registered(min_soh_bp=8_000)
    usual: dict[str, Any] = {"pack_class": "C1", "nominal_wh": 10_000, "title_holder_id": "TH-1"}
    for pack_id, least_bp in (("PK-1", 0), ("PK-2", 8_500)):
        taken = TakeOverPack(
            pack_id=pack_id, account=DEPOT, soh_bp=9_000, min_soh_bp=least_bp, **usual
        )
        assert events(act(world, taken))
        assert world.need(PACKS, pack_id).min_soh_bp == max(8_000, least_bp)
    put_pack(world, DEPOT, "PK-3", commissioned=False)
    commission = CommissionPack(
        pack_id="PK-3", soh_bp=9_000, min_soh_bp=7_000, title_holder_id="TH-1"
    )
    (event,) = events(act(world, commission))
    assert event.min_soh_bp == 8_000
    put_pack(world, DEPOT, "PK-4", commissioned=False)
    weak = CommissionPack(pack_id="PK-4", soh_bp=7_900, min_soh_bp=7_000, title_holder_id="TH-1")
    assert codes_of(act(world, weak)) == [RefusalCode.PACK_FIELD_INVALID]


@pytest.mark.parametrize(("limit_bp", "travels"), [(3_000, True), (2_999, False)])
def test_the_class_says_how_full_a_pack_may_travel(limit_bp, travels):
    world = registered(transport_soc_bp=limit_bp)
    put_pack(world, DEPOT, soc_bp=3_000)
    put_order(world, start=DEPOT)
    scans: dict[str, Any] = {"scan_sha256": "5a" * 32, "carrier_scan_sha256": "6b" * 32}
    ship = DispatchTransfer(order_id="TO-1", pack_ids=("PK-1",), **scans)
    outcome = act(world, ship, actor=Actor("DC-1", "depot_clerk", "CA-1", "carrier"))
    too_full = RefusalCode.SOC_ABOVE_TRANSPORT_LIMIT
    assert (isinstance(outcome, Refusal) and too_full in codes_of(outcome)) != travels


@pytest.mark.parametrize(("least_bp", "fits"), [(8_500, False), (7_000, True)])
def test_the_class_says_how_much_of_the_energy_arrives(least_bp, fits):
    # 10 kWh that gain 50 % by 7 kWh: 71 %, less than the policy for all allows
    world = registered(efficiency_min_bp=least_bp)
    slot = "Packs:Station:ST-1:Slot:1"
    put_pack(world, slot, soc_bp=2_000)
    start = StartChargingSession(
        session_id="CS-1", pack_id="PK-1", station_id="ST-1", slot="1", started_at=10,
        register_import_wh=0, soc_bp=2_000,
    )  # fmt: skip
    assert events(act(world, start))
    end = EndChargingSession(session_id="CS-1", ended_at=11, register_import_wh=7_000, soc_bp=7_000)
    ended, *_ = events(act(world, end))
    assert ended.mismatch is not fits
    put_pack(world, "Packs:Driver:DR-1", "PK-2")
    world.put(PARTIES, "NW-1", Party("NW-1", ("network",), "CN"))
    stay = ReportStay(
        report_id="RP-1", network="NW-1", station_id="ST-1", slot="2", driver_id="DR-1",
        pack_id="PK-2", begin_at=20 * DAY, received_at=21 * DAY, seq=1, row_ref="rows#1",
        end_at=20 * DAY + 10 * HOUR, energy_wh=7_000, meter_id="M-ST-1", soc_begin_bp=2_000,
        soc_end_bp=7_000,
    )  # fmt: skip
    _, _, _, stayed, _ = events(act(world, stay))
    assert stayed.mismatch is not fits
