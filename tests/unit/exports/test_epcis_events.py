"""What each kind of entry is in EPCIS 2.0, row by row of the custody table."""

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.attesting import PackAttested
from ledger.domain.carrying import PackMoved
from ledger.domain.catalogue import KINDS
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.holds import HoldCleared, HoldPlaced
from ledger.domain.pinning import AllocationReplaced, PackAllocated
from ledger.domain.scans import ScanRecorded
from ledger.domain.stations import Station
from ledger.domain.stocktake import StocktakeRecorded
from ledger.domain.takeover import PackTakenOver
from ledger.domain.transitions import ROWS, Family, account_of
from ledger.domain.workshop import RepairRecorded
from ledger.exports._epcis_events import Lookups, Teller
from ledger.exports._epcis_names import Naming, offset_text
from ledger.exports._epcis_steps import MOVES
from ledger.kernel.instants import HOUR, parse_instant
from tests.support.lives import APRIL, told

NAMING = Naming("https://id.example.net")
STATION = Station("ST-1", "OP-1", "medium", "FR", "Europe/Paris")
NEVER_TOLD = {"pack_ordered", "pack_order_cancelled", "pack_reattributed"}
IDS: dict[Family, tuple[str, ...]] = {
    Family.SLT: ("ST-1", "2"),
    Family.STG: ("ST-1",),
    Family.CIN: ("CR-1", "ASN-1"),
    Family.TRN: ("CR-1", "TO-1"),
}


def teller(vehicle: str = "") -> Teller:
    stations = {"ST-1": STATION}
    return Teller(NAMING, Lookups(stations.get, lambda _swap: vehicle))


def moved(kind: str, came: str, went: str) -> PackMoved:
    event: Any = KINDS[kind, 1].event
    fields: dict[str, Any] = {"report_sha256": "ab" * 32} if "verification" in kind else {}
    if kind == "foreign_pack_taken":
        fields = {"bailor_id": "OP-2", "nominal_wh": 75_000, "soh_bp": 9_000}
    made: PackMoved = event(
        pack_id="PK-1",
        from_account=came,
        to_account=went,
        pack_class="C1",
        level=2,
        **fields,
    )
    return made


def test_every_move_is_told_or_is_on_the_list_of_those_that_nobody_can_see():
    moves = {
        rule.event.kind
        for rule in KINDS.values()
        if issubclass(rule.event, PackMoved | PackSwappedOut | PackReturned)
    }
    assert moves - {"pack_swapped_out", "pack_returned"} == set(MOVES) | (
        NEVER_TOLD - {"pack_ordered"}
    )


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.event in MOVES],
    ids=lambda row: f"{row.number}-{row.source}-{row.target}",
)
def test_a_row_of_the_custody_table_is_one_event_of_its_words(row):
    came, went = (
        account_of(family, *IDS.get(family, ("XX-1",))) for family in (row.credit, row.debit)
    )
    (event,) = teller().tell(told(moved(row.event, came, went)))
    step = MOVES[row.event]
    in_slot = row.debit is Family.SLT
    if row.event in {"leg_confirmed", "foreign_pack_taken"} and in_slot:
        assert (event["action"], event["bizStep"]) == ("ADD", "installing")
    else:
        assert (event["action"], event["bizStep"]) == (step.action, step.biz_step)
    associated = in_slot or row.event == "pack_undocked"
    assert event["type"] == ("AssociationEvent" if associated else "ObjectEvent")
    if associated:
        assert event["parentID"] == "https://id.example.net/station/ST-1/slot/2"
        assert event["childEPCs"] == ["https://id.example.net/pack/PK-1"]
    at_station = {row.credit, row.debit} & {Family.SLT, Family.STG}
    assert event["eventTimeZoneOffset"] == ("+02:00" if at_station else "+00:00")
    assert (event["mg:kind"], event["mg:evidenceLevel"]) == (row.event, 2)
    if step.biz_step in {"other", "stock_taking"} and not in_slot:
        assert "readPoint" not in event, "nobody saw it"


@pytest.mark.parametrize(
    ("kind", "account", "steps"),
    [
        ("out", "Packs:Station:ST-1:Slot:2", [("slot", "DELETE"), ("vehicle", "ADD")]),
        ("in", "Packs:Station:ST-1:Slot:2", [("vehicle", "DELETE"), ("slot", "ADD")]),
        ("out", "Packs:Station:ST-1:Staged", [("", "OBSERVE"), ("vehicle", "ADD")]),
        ("in", "Packs:Station:ST-1:Staged", [("vehicle", "DELETE"), ("", "OBSERVE")]),
    ],
)
@pytest.mark.parametrize("vehicle", ["", "VH-1"])
def test_a_swap_leg_tells_the_slot_and_the_vehicle_that_is_known(kind, account, steps, vehicle):
    driver = "Packs:Driver:DR-1"
    leg: dict[str, Any] = {
        "pack_id": "PK-1",
        "station_id": "ST-1",
        "driver_id": "DR-1",
        "pack_class": "C1",
        "stored_wh": 1,
        "level": 3,
        "swap_id": "SW-1",
    }
    said = (
        PackSwappedOut(**leg, from_account=account, to_account=driver)
        if kind == "out"
        else PackReturned(**leg, from_account=driver, to_account=account, presenter_id="DR-1")
    )
    found = list(teller(vehicle).tell(told(said)))
    wanted = [step for step in steps if vehicle or step[0] != "vehicle"]
    assert [event["action"] for event in found] == [action for _, action in wanted]
    parents = [event.get("parentID", "").rsplit("/", 2)[-2:-1] for event in found]
    assert parents == [[parent] if parent else [] for parent, _ in wanted]
    assert "DR-1" not in json.dumps(found, default=str), "drivers are never told"
    assert len({event["eventID"] for event in found}) == len(found)


def test_a_pack_taken_over_is_commissioned_only_where_it_was_in_service():
    usual: dict[str, Any] = {
        "pack_id": "PK-1",
        "account": "Packs:Depot:DE-1:Stored",
        "pack_class": "C1",
        "nominal_wh": 75_000,
        "soh_bp": 9_500,
        "title_holder_id": "MG",
    }
    (new,) = teller().tell(told(PackTakenOver(**usual, commissioned=True)))
    assert (new["action"], new["bizStep"], new["disposition"]) == ("ADD", "commissioning", "active")
    assert new["ilmd"]["mg:nominalEnergyWh"] == 75_000
    (idle,) = teller().tell(told(PackTakenOver(**usual)))
    assert (idle["action"], idle["bizStep"]) == ("OBSERVE", "receiving")
    assert "ilmd" not in idle


def test_a_booked_pack_is_reserved_under_its_booking():
    (pinned,) = teller().tell(told(PackAllocated(booking_id="BK-1", pack_id="PK-1")))
    (instead,) = teller().tell(
        told(AllocationReplaced(booking_id="BK-1", pack_ids=("PK-1", "PK-2"), reason="held"))
    )
    for event, pack_id in ((pinned, "PK-1"), (instead, "PK-2")):
        assert event["epcList"] == [f"https://id.example.net/pack/{pack_id}"]
        assert (event["bizStep"], event["disposition"]) == ("reserving", "reserved")
        (transaction,) = event["bizTransactionList"]
        assert transaction["bizTransaction"] == "https://id.example.net/booking/BK-1"


def test_a_charging_session_tells_its_meter_and_the_charge_it_ended_with():
    usual: dict[str, Any] = {
        "session_id": "CS-1",
        "pack_id": "PK-1",
        "pack_class": "C1",
        "station_id": "ST-1",
        "slot": "2",
        "meter_id": "MT-1",
        "started_at": APRIL,
        "ended_at": APRIL + HOUR,
        "energy_in_wh": 38_201,
        "stored_wh_delta": 36_000,
        "stored_basis": "METERED",
        "end_reason": "Local",
        "level": 3,
    }
    (metered,) = teller().tell(told(ChargeSessionEnded(**usual)))
    (read,) = teller().tell(told(ChargeSessionEnded(**usual, soc_end_bp=9_050)))
    energy = {"type": "mg:chargeEnergy", "value": Decimal("38.201"), "uom": "KWH"}
    state = {"type": "mg:stateOfCharge", "value": Decimal("90.50"), "uom": "P1"}
    assert metered["sensorElementList"][0]["sensorReport"] == [energy]
    assert read["sensorElementList"] == [
        {
            "sensorMetadata": {
                "startTime": "2024-04-01T00:00:00.000Z",
                "endTime": "2024-04-01T01:00:00.000Z",
            },
            "sensorReport": [energy, state],
        }
    ]
    assert read["readPoint"] == {"id": "https://id.example.net/station/ST-1/slot/2"}
    assert "action" in read
    assert "disposition" not in read


def test_a_repair_of_a_pack_is_told_and_one_of_a_charger_is_not():
    (repaired,) = teller().tell(told(RepairRecorded(work_order_id="WO-1", pack_id="PK-1")))
    assert (repaired["bizStep"], repaired["action"]) == ("repairing", "OBSERVE")
    assert list(teller().tell(told(RepairRecorded(work_order_id="WO-1")))) == []


def test_a_disposition_is_unset_when_the_last_hold_of_its_kind_ends():
    def placed(hold_id: str, reason: str, expires_at: int = 0) -> HoldPlaced:
        return HoldPlaced(
            hold_id=hold_id,
            pack_id="PK-1",
            reason=reason,
            severity=1,
            scopes=(),
            placed_by="P1",
            expires_at=expires_at,
        )

    def cleared(hold_id: str) -> HoldCleared:
        return HoldCleared(hold_id=hold_id, pack_id="PK-1", cleared_by="P1")

    one = teller()
    script = [
        (placed("HD-1", "SOH_STALE"), {"set": ["unavailable"]}),
        (placed("HD-2", "SOH_STALE"), {"set": ["unavailable"]}),
        (placed("HD-3", "RECALL"), {"set": ["recalled"]}),
        (placed("HD-4", "SOH_STALE", expires_at=APRIL), {"set": ["unavailable"]}),
        (cleared("HD-1"), None),
        (cleared("HD-9"), None),
        (cleared("HD-2"), {"unset": ["unavailable"]}),
        (cleared("HD-3"), {"unset": ["recalled"]}),
    ]
    for said, wanted in script:
        (event,) = one.tell(told(said, at=APRIL + HOUR))
        assert event.get("persistentDisposition") == wanted


@pytest.mark.parametrize(
    ("at", "zone", "offset"),
    [
        ("2024-03-31T00:59:59Z", "Europe/Paris", "+01:00"),
        ("2024-03-31T01:00:00Z", "Europe/Paris", "+02:00"),
        ("2024-07-01T00:00:00Z", "America/St_Johns", "-02:30"),
        ("2024-07-01T00:00:00Z", "Pacific/Kiritimati", "+14:00"),
        ("2024-07-01T00:00:00Z", "UTC", "+00:00"),
        ("2024-07-01T00:00:00Z", "Mars/Olympus_Mons", "+00:00"),
    ],
)
def test_the_offset_is_that_of_the_sites_clocks_at_that_time(at, zone, offset):
    assert offset_text(parse_instant(at, "at"), zone) == offset


# Who looked at a pack


def test_a_scan_is_an_inspection_at_the_place_where_it_was_made():
    scan = ScanRecorded(place_id="DE-1", texts=("yard 17",), pack_id="PK-1")
    (event,) = teller().tell(told(scan))
    assert (event["type"], event["action"], event["bizStep"]) == (
        "ObjectEvent",
        "OBSERVE",
        "inspecting",
    )
    assert event["readPoint"] == {"id": "https://id.example.net/site/DE-1"}
    assert event["eventTimeZoneOffset"] == "+00:00"
    assert "disposition" not in event
    at_station = ScanRecorded(place_id="ST-1", texts=("yard 17",), pack_id="PK-1")
    (event,) = teller().tell(told(at_station))
    assert event["readPoint"] == {"id": "https://id.example.net/station/ST-1"}
    assert event["eventTimeZoneOffset"] == "+02:00"
    nobody = ScanRecorded(place_id="DE-1", texts=("yard 17",))
    assert list(teller().tell(told(nobody))) == []


@pytest.mark.parametrize(
    ("verdict", "finding", "disposition"),
    [
        ("VALID", "", "conformant"),
        ("VALID", "CLONE_SUSPECT", "non_conformant"),
        ("INVALID", "", "non_conformant"),
    ],
)
@pytest.mark.parametrize(
    ("place", "name"),
    [(("ST-1", "2"), "station/ST-1/slot/2"), (("ST-1", ""), "station/ST-1"), (("", ""), "")],
)
def test_an_answer_of_a_pack_says_whether_it_is_what_it_claims(
    verdict, finding, disposition, place, name
):
    answer = PackAttested(
        serial="S-1",
        verdict=verdict,
        finding=finding,
        pack_id="PK-1",
        station_id=place[0],
        slot=place[1],
    )
    (event,) = teller().tell(told(answer))
    assert (event["bizStep"], event["disposition"]) == ("inspecting", disposition)
    where = {"id": f"https://id.example.net/{name}"} if name else None
    assert event.get("readPoint") == where
    unknown = PackAttested(serial="S-9", verdict="NO_KEY")
    assert list(teller().tell(told(unknown))) == []


def test_a_counted_place_tells_of_each_pack_that_was_seen_and_of_nobody_else():
    sheet = StocktakeRecorded(
        stocktake_id="SK-1",
        sheet_sha256="ab" * 32,
        found=("PK-1", "PK-7", "yard-17"),
        missing=("PK-2",),
        surplus=("PK-7", "yard-17"),
        pack_ids=("PK-2", "PK-7"),
        depot_id="DE-1",
    )
    events = list(teller().tell(told(sheet)))
    assert [event["epcList"] for event in events] == [
        ["https://id.example.net/pack/PK-1"],
        ["https://id.example.net/pack/PK-7"],
    ]
    for event in events:
        assert (event["type"], event["action"]) == ("ObjectEvent", "OBSERVE")
        assert event["bizStep"] == "stock_taking"
        assert "disposition" not in event
        assert event["readPoint"] == {"id": "https://id.example.net/site/DE-1"}
    assert len({event["eventID"] for event in events}) == 2
    at_station = replace(sheet, depot_id="", station_id="ST-1")
    (event, _) = teller().tell(told(at_station))
    assert event["readPoint"] == {"id": "https://id.example.net/station/ST-1"}
    assert event["eventTimeZoneOffset"] == "+02:00"
