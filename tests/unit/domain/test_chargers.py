from typing import Any

import pytest

from ledger.domain.chargers import (
    CHARGERS,
    METER_ACCEPTANCES,
    WATTS_MAX,
    AcceptMeter,
    Charger,
    InstallCharger,
    MeterAcceptance,
    OrderCharger,
    ReceiveCharger,
    ReturnCharger,
    VerifyCharger,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, small_town, sums_of

DIGEST = "5a" * 32
ORDER: dict[str, Any] = {"charger_id": "CH-1", "supplier_id": "SV-1", "max_w": 30_000}
RECEIVE = ReceiveCharger(charger_id="CH-1", depot_id="DE-1", serial="S-1")
INSTALL = InstallCharger(charger_id="CH-1", station_id="ST-1", slot="1")
RETURN = ReturnCharger(charger_id="CH-1", reason="failed twice")


def verify(**fields: Any) -> VerifyCharger:
    usual: dict[str, Any] = {"passed": True, "report_sha256": DIGEST, "calibrated_until": 100}
    return VerifyCharger(charger_id="CH-1", **usual | fields)


def accept(**fields: Any) -> AcceptMeter:
    usual: dict[str, Any] = {
        "meter_id": "M-ST-1",
        "passed": True,
        "report_sha256": DIGEST,
        "calibrated_until": 100,
    }
    return AcceptMeter(**usual | fields)


def town(*steps: Any) -> World:
    world = small_town()
    act(world, OrderCharger(**ORDER), at=1)
    for step in steps:
        assert events(act(world, step, at=2))
    return world


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_a_charger_goes_from_its_order_into_a_slot():
    world = small_town()
    bought = OrderCharger(**ORDER, po_no="PO-1", line=2, unit_price_minor=20_000, currency="EUR")
    (ordered,) = events(act(world, bought, at=1))
    assert (ordered.po_no, ordered.line) == ("PO-1", 2)
    assert not sums_of(ordered)
    for step in (RECEIVE, verify(efficiency_50_bp=9_500, meter_id="M-ST-1"), INSTALL):
        assert len(events(act(world, step, at=2))) == 1
    assert world.need(CHARGERS, "CH-1") == Charger(
        "CH-1", "SV-1", 30_000, "INSTALLED", "DE-1", "S-1", "ST-1", "1", 100
    )


def test_a_charger_that_fails_is_tested_again_or_sent_back():
    world = town(RECEIVE, verify(passed=False))
    assert world.need(CHARGERS, "CH-1").stage == "FAILED"
    assert code_of(act(world, INSTALL, at=3)) == "CHARGER_STAGE"
    act(world, verify(), at=3)
    assert world.need(CHARGERS, "CH-1").stage == "VERIFIED"
    act(world, RETURN, at=4)
    assert world.need(CHARGERS, "CH-1").stage == "RETURNED"
    assert code_of(act(world, RETURN, at=5)) == "CHARGER_STAGE"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (OrderCharger(**ORDER), "CHARGER_EXISTS"),
        (OrderCharger(**ORDER | {"charger_id": "no id"}), "ORDER_FIELD_INVALID"),
        (
            OrderCharger(**ORDER | {"charger_id": "CH-2", "max_w": WATTS_MAX + 1}),
            "ORDER_FIELD_INVALID",
        ),
        (OrderCharger(**ORDER | {"charger_id": "CH-2"}, line=-1), "ORDER_FIELD_INVALID"),
        (
            OrderCharger(**ORDER | {"charger_id": "CH-2"}, unit_price_minor=-1),
            "ORDER_FIELD_INVALID",
        ),
        (OrderCharger(**ORDER | {"charger_id": "CH-2", "supplier_id": "X"}), "PARTY_UNKNOWN"),
        (verify(), "CHARGER_STAGE"),
        (ReceiveCharger(charger_id="CH-9", depot_id="DE-1", serial="S"), "CHARGER_UNKNOWN"),
        (ReceiveCharger(charger_id="CH-1", depot_id="DE-9", serial="S"), "PARTY_UNKNOWN"),
        (ReceiveCharger(charger_id="CH-1", depot_id="DE-1", serial=""), "ORDER_FIELD_INVALID"),
    ],
)
def test_an_ordered_charger_takes_one_step_at_a_time(command, code):
    assert code_of(act(town(), command, at=2)) == code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (verify(meter_id="M-9"), "METER_UNKNOWN"),
        (verify(efficiency_25_bp=10_001), "ORDER_FIELD_INVALID"),
        (verify(insulation_kohm=-1), "ORDER_FIELD_INVALID"),
        (verify(calibrated_until=2), "ORDER_FIELD_INVALID"),
        (verify(report_sha256=""), "REPORT_MISSING"),
        (ReturnCharger(charger_id="CH-1", reason=""), "ORDER_FIELD_INVALID"),
    ],
)
def test_a_test_that_cannot_be_is_refused(command, code):
    assert code_of(act(town(RECEIVE), command, at=2)) == code


def test_a_charger_is_built_into_a_slot_that_is_there():
    world = town(RECEIVE, verify())
    nowhere = InstallCharger(charger_id="CH-1", station_id="ST-1", slot="9")
    assert code_of(act(world, nowhere, at=3)) == "SLOT_UNKNOWN"


def test_a_meter_is_accepted_by_two_persons_with_its_calibration():
    world = small_town()
    (accepted,) = events(act(world, accept(), at=2))
    assert not sums_of(accepted)
    assert world.need(METER_ACCEPTANCES, "M-ST-1") == MeterAcceptance(
        "M-ST-1", passed=True, calibrated_until=100
    )
    alone = act(world, accept(), at=2, actor=Actor("P1", "engineer"))
    assert code_of(alone) == "SECOND_PERSON_REQUIRED"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"meter_id": "M-9"}, "METER_UNKNOWN"),
        ({"calibrated_until": 2}, "ORDER_FIELD_INVALID"),
        ({"report_sha256": "x"}, "REPORT_MISSING"),
    ],
)
def test_a_meter_that_is_unknown_or_out_of_calibration_is_not_accepted(fields, code):
    assert code_of(act(small_town(), accept(**fields), at=2)) == code
