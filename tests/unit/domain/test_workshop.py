from typing import Any

import pytest

from ledger.domain.attesting import RecordAttestation
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.identity import ReplaceBms
from ledger.domain.moves import MovePack, ReleasedFromWorkshop
from ledger.domain.orders import PACK_WORK, WORK_ORDERS, Part, WorkOrder
from ledger.domain.workshop import (
    LIST_MAX,
    STAGES,
    AdvanceWorkOrder,
    CloseWorkOrder,
    OpenWorkOrder,
    RecordRepair,
    WorkOrderClosed,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import VALID, Attestation
from tests.support.attested import answer_sha256, attest
from tests.support.meters import private_key, public_key
from tests.support.rules import act, events, put_pack, small_town, sums_of

STORED, WORKSHOP = "Packs:Depot:DE-1:Stored", "Packs:Workshop:WS-1"
REPORT = "7d" * 32
BENCH = Actor("P1", "workshop", "P2")
OPEN: dict[str, Any] = {"work_order_id": "WO-1", "workshop_id": "WS-1", "fault_codes": ("F-17",)}


def shop(account: str = WORKSHOP, **fields: Any) -> World:
    world = small_town()
    put_pack(world, account, **{"soh_assessed_at": 20} | fields)
    act(world, OpenWorkOrder(**OPEN, pack_id="PK-1"), at=10, actor=BENCH)
    return world


def close(outcome: str = "RELEASED", **fields: Any) -> CloseWorkOrder:
    usual: dict[str, Any] = {"report_sha256": REPORT, "depot_id": "DE-1"}
    return CloseWorkOrder(work_order_id="WO-1", outcome=outcome, **usual | fields)


def order_of(world: World) -> WorkOrder:
    return world.need(WORK_ORDERS, "WO-1")


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_pack_goes_to_the_workshop_on_its_order_and_comes_back_with_it():
    world = shop(STORED)
    move = MovePack(
        pack_id="PK-1",
        event="sent_to_workshop",
        level=2,
        holder_id="WS-1",
        order_id="WO-1",
    )
    act(world, move, at=11, actor=Actor("P3", "depot_clerk"))
    for stage in STAGES[1:]:
        advance = AdvanceWorkOrder(work_order_id="WO-1", stage=stage, findings=("a finding",))
        act(world, advance, at=12, actor=BENCH)
        assert order_of(world).stage == stage
    repair = RecordRepair(
        work_order_id="WO-1",
        parts=(Part("FAN", "A", "B"),),
        labour_min=90,
        cost_minor=12_000,
        currency="EUR",
    )
    for _ in range(2):
        act(world, repair, at=13, actor=BENCH)
    row = order_of(world)
    assert (row.stage, row.labour_min, row.cost_minor, row.currency) == (
        "IN_REPAIR",
        180,
        24_000,
        "EUR",
    )
    assert row.parts == (Part("FAN", "A", "B"),) * 2
    closed, released = events(act(world, close(), at=30, actor=BENCH))
    assert isinstance(closed, WorkOrderClosed)
    assert not sums_of(closed)
    assert isinstance(released, ReleasedFromWorkshop)
    assert (released.report_sha256, released.order_id) == (REPORT, "WO-1")
    assert world.need(PACKS, "PK-1").account == STORED
    assert world.need(PACK_WORK, "PK-1").work_order_id == ""
    assert not order_of(world).is_open


def test_a_pack_that_never_came_to_the_workshop_stays_where_it_is():
    world = shop(STORED)
    (closed,) = events(act(world, close(), at=30, actor=BENCH))
    assert isinstance(closed, WorkOrderClosed)
    assert world.need(PACKS, "PK-1").account == STORED


@pytest.mark.parametrize(
    "subject",
    [{"charger_id": "CH-1"}, {"station_id": "ST-1"}, {"station_id": "ST-1", "slot": "2"}],
)
def test_chargers_slots_and_stations_are_repaired_too(subject):
    world = small_town()
    act(world, OpenWorkOrder(**OPEN, **subject), at=10, actor=BENCH)
    (closed,) = events(act(world, close(), at=12, actor=BENCH))
    assert closed.pack_id == ""
    assert order_of(world).stage == "RELEASED"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"pack_id": "PK-1", "work_order_id": "no id"}, "ORDER_FIELD_INVALID"),
        ({}, "ORDER_FIELD_INVALID"),
        ({"pack_id": "PK-1", "charger_id": "CH-1"}, "ORDER_FIELD_INVALID"),
        ({"charger_id": "CH-1", "slot": "1"}, "SLOT_UNKNOWN"),
        ({"pack_id": "PK-1", "fault_codes": ("",)}, "ORDER_FIELD_INVALID"),
        ({"pack_id": "PK-1", "fault_codes": ("F",) * (LIST_MAX + 1)}, "ORDER_FIELD_INVALID"),
        ({"pack_id": "PK-1", "workshop_id": "DE-1"}, "PARTY_ROLE_MISSING"),
        ({"pack_id": "PK-9"}, "UNKNOWN_PACK"),
        ({"pack_id": "PK-2"}, "PACK_ENDED"),
        ({"station_id": "ST-9"}, "STATION_UNKNOWN"),
        ({"station_id": "ST-1", "slot": "9"}, "SLOT_UNKNOWN"),
    ],
)
def test_a_work_order_that_cannot_be_is_refused(fields, code):
    world = small_town()
    put_pack(world, STORED)
    put_pack(world, "Packs:Ended:Recycled", "PK-2")
    assert code_of(act(world, OpenWorkOrder(**OPEN | fields), at=10, actor=BENCH)) == code


def test_an_order_is_opened_once_and_a_pack_has_one_at_a_time():
    world = shop()
    again = OpenWorkOrder(**OPEN, pack_id="PK-1")
    assert code_of(act(world, again, actor=BENCH)) == "ORDER_EXISTS"
    other = OpenWorkOrder(**OPEN | {"work_order_id": "WO-2"}, pack_id="PK-1")
    assert code_of(act(world, other, actor=BENCH)) == "WORK_ORDER_OPEN"
    act(world, close("CANCELLED", report_sha256=""), at=30, actor=BENCH)
    assert len(events(act(world, other, actor=BENCH))) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (AdvanceWorkOrder(work_order_id="WO-1", stage="RELEASED"), "ORDER_FIELD_INVALID"),
        (
            AdvanceWorkOrder(work_order_id="WO-1", stage="TESTING", findings=("",)),
            "ORDER_FIELD_INVALID",
        ),
        (RecordRepair(work_order_id="WO-1", labour_min=-1), "ORDER_FIELD_INVALID"),
        (RecordRepair(work_order_id="WO-1", cost_minor=5), "ORDER_FIELD_INVALID"),
        (RecordRepair(work_order_id="WO-1", cost_minor=-5), "ORDER_FIELD_INVALID"),
        (RecordRepair(work_order_id="WO-1", parts=(Part(""),)), "ORDER_FIELD_INVALID"),
        (RecordRepair(work_order_id="WO-1", parts=(Part("FAN", "X" * 51),)), "ORDER_FIELD_INVALID"),
        (
            RecordRepair(work_order_id="WO-1", parts=(Part("FAN"),) * (LIST_MAX + 1)),
            "ORDER_FIELD_INVALID",
        ),
        (close("MENDED"), "ORDER_FIELD_INVALID"),
        (close(report_sha256="no"), "REPORT_MISSING"),
        (close("SCRAPPED"), "NOT_RETIRED"),
        (close(depot_id="DE-9"), "PARTY_UNKNOWN"),
        (close(level=1), "EVIDENCE_TOO_LOW"),
    ],
)
def test_work_that_cannot_be_is_refused(command, code):
    assert code_of(act(shop(), command, at=30, actor=BENCH)) == code


def test_two_currencies_do_not_meet_on_one_order():
    world = shop()
    for currency in ("EUR", "", "EUR"):
        cost = 5 if currency else 0
        repair = RecordRepair(work_order_id="WO-1", cost_minor=cost, currency=currency)
        assert events(act(world, repair, at=12, actor=BENCH))
    other = RecordRepair(work_order_id="WO-1", cost_minor=5, currency="CNY")
    assert code_of(act(world, other, at=13, actor=BENCH)) == "ORDER_FIELD_INVALID"
    assert order_of(world).currency == "EUR"


def test_a_stage_that_is_reached_is_not_told_twice_without_findings():
    world = shop()
    assert act(world, AdvanceWorkOrder(work_order_id="WO-1", stage="OPEN"), actor=BENCH) == ()


@pytest.mark.parametrize("command", [close(), RecordRepair(work_order_id="WO-1")])
def test_nothing_happens_on_an_order_that_is_unknown_or_ended(command):
    assert code_of(act(small_town(), command, actor=BENCH)) == "ORDER_UNKNOWN"
    world = shop()
    act(world, close(), at=30, actor=BENCH)
    assert code_of(act(world, command, at=31, actor=BENCH)) == "ORDER_ENDED"


def test_a_released_pack_was_measured_after_the_work_began():
    assert code_of(act(shop(soh_assessed_at=9), close(), at=30, actor=BENCH)) == "SOH_STALE"


def test_a_pack_with_a_hold_on_charging_stays_in_the_workshop():
    hold = OpenHold("HD-1", "ELECTRICAL_FAULT", 2, ("no_charge",), "P1")
    world = shop(holds=(hold,))
    assert code_of(act(world, close(), at=30, actor=BENCH)) == "HOLD_BLOCKS"
    assert order_of(world).is_open


def test_a_scrapped_pack_is_retired_and_stays_for_the_recycler():
    world = shop(retired=True)
    (closed,) = events(act(world, close("SCRAPPED"), at=30, actor=BENCH))
    assert closed.outcome == "SCRAPPED"
    assert world.need(PACKS, "PK-1").account == WORKSHOP


def test_repair_changes_bms_which_is_enrolled_and_proves_itself_before_the_pack_leaves():
    world = shop()
    attest(world, seq=2, at=11)
    parts = (Part("BMS", "BMS-PK-1", "BMS-NEW"), Part("FAN"))
    act(world, RecordRepair(work_order_id="WO-1", parts=parts), at=12, actor=BENCH)
    assert code_of(act(world, close(), at=30, actor=BENCH)) == "EVIDENCE_TOO_LOW"
    old = close(level=5, attestation_sha256=answer_sha256("PK-1", 2))
    assert code_of(act(world, old, at=30, actor=BENCH)) == "IDENTITY_NOT_PROVEN"
    key = public_key(private_key("new"))
    proof = Attestation("BMS-NEW", 1, VALID, "5a" * 32, key_id=key.key_id)
    change = ReplaceBms(
        pack_id="PK-1",
        serial="BMS-NEW",
        public_key=key.text,
        attestation=proof,
        reason="WO-1",
    )
    act(world, change, at=25, actor=BENCH)
    assert code_of(act(world, old, at=30, actor=BENCH)) == "EVIDENCE_TOO_LOW"
    shown = Attestation("BMS-NEW", 2, VALID, "6b" * 32, key_id=key.key_id)
    answered = RecordAttestation(
        serial="BMS-NEW", attestation=shown, occurred_at=26, public_key=key.text
    )
    act(world, answered, at=26)
    proven = close(level=5, attestation_sha256="6b" * 32)
    _, released = events(act(world, proven, at=30, actor=BENCH))
    assert released.level == 5
    assert world.need(PACKS, "PK-1").account == STORED


@pytest.mark.parametrize(
    ("order_id", "code"), [("WO-1", "NOT_ON_ORDER"), ("WO-9", "ORDER_UNKNOWN"), ("", "")]
)
def test_a_pack_goes_to_the_workshop_only_on_an_order_of_its_own(order_id, code):
    world = shop()
    put_pack(world, STORED, "PK-2")
    move = MovePack(
        pack_id="PK-2",
        event="sent_to_workshop",
        level=2,
        holder_id="WS-1",
        order_id=order_id,
    )
    outcome = act(world, move, at=11, actor=Actor("P3", "depot_clerk"))
    assert code_of(outcome) == code if code else len(events(outcome)) == 1


def test_a_pack_does_not_go_to_the_workshop_on_an_order_that_ended():
    world = shop(STORED)
    act(world, close("CANCELLED", report_sha256=""), at=30, actor=BENCH)
    move = MovePack(
        pack_id="PK-1", event="sent_to_workshop", level=2, holder_id="WS-1", order_id="WO-1"
    )
    outcome = act(world, move, at=31, actor=Actor("P3", "depot_clerk"))
    assert code_of(outcome) == "ORDER_ENDED"


def test_a_pack_with_an_open_work_order_leaves_the_workshop_only_with_it():
    world = shop()
    move = MovePack(pack_id="PK-1", event="released_from_workshop", level=2, holder_id="DE-1")
    outcome = act(world, move, at=31, actor=BENCH)
    assert outcome == Refusal(RefusalCode.WORK_ORDER_OPEN, {"work_order": "WO-1"})
    act(world, close("CANCELLED", report_sha256=""), at=30, actor=BENCH)
    assert len(events(act(world, move, at=31, actor=BENCH))) == 1
