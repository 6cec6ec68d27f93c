from typing import Any

import pytest

from ledger.domain.cases import CASES, Case, CaseOpened, CaseResolved, Debt
from ledger.domain.custody import DRIVER_PACKS, PACKS, OpenHold
from ledger.domain.ending import WriteOffPack
from ledger.domain.holds import HoldPlaced
from ledger.domain.loads import DispatchTransfer
from ledger.domain.moves import MISSING_AFTER_US, MovePack, postings
from ledger.domain.moves import MOVES as KINDS
from ledger.domain.orders import OVERDUE_AFTER_US
from ledger.domain.places import rows_at
from ledger.domain.stations import SLOTS, BlockSlot
from ledger.domain.told import TOLD_ELSEWHERE
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_order, put_pack, small_town

SLOT_1 = "Packs:Station:ST-1:Slot:1"
STAGED = "Packs:Station:ST-1:Staged"
STORED = "Packs:Depot:DE-1:Stored"
WITH_DRIVER = "Packs:Driver:DR-1"
TRANSIT = "Packs:Carrier:CR-1:Order:TO-1"
WORKSHOP = "Packs:Workshop:WS-1"
SECOND_LIFE = "Packs:SecondLife:SV-1"
IN_SUSPENSE = "Packs:Suspense:CA-1"
NEW_SUSPENSE = "Packs:Suspense:CA-*"
IS_MISSING = "Packs:Missing:CA-1"
NEW_MISSING = "Packs:Missing:CA-*"
WRITTEN_OFF = "Packs:Ended:WrittenOff"

BY_CARRIER = {"holder_id": "CR-1", "order_id": "TO-1"}
ORDER = {"order_id": "TO-1"}
DEPOT = {"holder_id": "DE-1"}
SHOP = {"holder_id": "WS-1"}
PARTNER = {"holder_id": "SV-1"}
AT_ST_1 = {"station_id": "ST-1"}
IN_SLOT_1 = {"station_id": "ST-1", "slot": "1"}


def town(account: str, **fields: Any) -> World:
    world = small_town()
    if account.startswith(("Packs:Suspense", "Packs:Missing")):
        case_id = account.rsplit(":", 1)[-1]
        world.put(CASES, case_id, Case(case_id, "LOSS", 0, ("PK-1",)))
    put_pack(world, account, **fields)
    put_order(world, start=account)
    return world


def move(event: str, role: str, **fields: Any) -> tuple[MovePack, Actor]:
    name, _, place = event.partition("@")
    usual: dict[str, Any] = {"pack_id": "PK-1", "event": name, "place": place, "level": 5}
    return MovePack(**usual | fields), Actor("P1", role, "P2")


# Number of the row, from, to, move; CA-* is a case that the move opens. The rows with facts of
# their own are in test_told_elsewhere.py.
MOVES = [
    (
        "3",
        "Packs:Supplier:SV-1",
        "Packs:Ended:Cancelled",
        move("pack_order_cancelled", "asset_manager"),
    ),
    ("6", "Packs:Carrier:CR-1:Inbound:ASN-1", NEW_MISSING, move("loss_reported", "carrier")),
    ("14", TRANSIT, STORED, move("transfer_received", "depot_clerk", **DEPOT, **ORDER)),
    ("15", TRANSIT, STAGED, move("transfer_received@station", "operator", **ORDER, **AT_ST_1)),
    ("16", TRANSIT, WORKSHOP, move("transfer_received@workshop", "workshop", **SHOP, **ORDER)),
    (
        "17",
        TRANSIT,
        SECOND_LIFE,
        move("transfer_received@second_life", "operator", **PARTNER, **ORDER),
    ),
    (
        "19",
        TRANSIT,
        NEW_SUSPENSE,
        move("delivery_overdue", "system", level=0, occurred_at=OVERDUE_AFTER_US + 1),
    ),
    ("20", TRANSIT, NEW_MISSING, move("loss_reported", "carrier")),
    ("21", STAGED, SLOT_1, move("pack_docked", "station", **IN_SLOT_1)),
    ("22", SLOT_1, STAGED, move("pack_undocked", "station")),
    ("27", WITH_DRIVER, TRANSIT, move("pack_collected_from_driver", "carrier", **BY_CARRIER)),
    ("28", WITH_DRIVER, NEW_SUSPENSE, move("return_overdue", "system", level=0)),
    ("29", WITH_DRIVER, NEW_MISSING, move("loss_reported", "driver", level=1)),
    ("30", STORED, WORKSHOP, move("sent_to_workshop", "depot_clerk", **SHOP)),
    ("31", STAGED, WORKSHOP, move("sent_to_workshop", "operator", **SHOP)),
    ("32", WORKSHOP, STORED, move("released_from_workshop", "workshop", **DEPOT)),
    ("34", SECOND_LIFE, STORED, move("second_life_ended", "operator", **DEPOT)),
    ("41", STORED, "Packs:Ended:TitleTransferredOut", move("title_transferred_out", "finance")),
    ("42", SLOT_1, NEW_SUSPENSE, move("leg_inferred", "system", level=0)),
    ("43", WITH_DRIVER, NEW_SUSPENSE, move("leg_inferred", "system", level=0)),
    ("48", SLOT_1, NEW_SUSPENSE, move("slot_found_empty", "station", level=3)),
    ("49", STAGED, NEW_SUSPENSE, move("stocktake_short", "auditor")),
    ("51", IN_SUSPENSE, SLOT_1, move("leg_confirmed@slot", "station", **IN_SLOT_1)),
    ("52", IN_SUSPENSE, STAGED, move("leg_confirmed@staged", "operator", **AT_ST_1)),
    ("53", IN_SUSPENSE, WITH_DRIVER, move("leg_confirmed@driver", "station", holder_id="DR-1")),
    ("54", IN_SUSPENSE, STORED, move("leg_confirmed@depot", "depot_clerk", **DEPOT)),
    ("55", IN_SUSPENSE, TRANSIT, move("leg_confirmed@transit", "carrier", **BY_CARRIER)),
    (
        "58",
        IN_SUSPENSE,
        IS_MISSING,
        move("declared_missing", "asset_manager", occurred_at=MISSING_AFTER_US),
    ),
    ("59", IS_MISSING, STORED, move("pack_recovered", "depot_clerk", **DEPOT)),
    ("60", IS_MISSING, STAGED, move("pack_recovered@station", "operator", **AT_ST_1)),
    ("62", WRITTEN_OFF, STORED, move("pack_recovered", "depot_clerk", **DEPOT)),
    ("X8", IS_MISSING, NEW_SUSPENSE, move("leg_inferred", "system", level=0)),
    (
        "X9",
        WITH_DRIVER,
        "Packs:Driver:DR-2",
        move("pack_reattributed", "support", holder_id="DR-2"),
    ),
]


@pytest.mark.parametrize(("number", "start", "end", "asked"), MOVES)
def test_a_pack_moves_by_the_rows_of_the_table(number, start, end, asked):
    world = town(start)
    command, actor = asked
    outcome = act(world, command, actor=actor, at=5)
    assert not isinstance(outcome, Refusal), (number, outcome)
    account = world.need(PACKS, "PK-1").account
    assert account == end or (end.endswith("CA-*") and account.startswith(end[:-1])), number
    slots = [row.pack_id for _, row in world.rows(SLOTS) if row.pack_id]
    assert slots == (["PK-1"] if ":Slot:" in account else [])
    held = {row.driver_id: row.held for _, row in world.rows(DRIVER_PACKS) if row.held}
    assert held == ({account.rsplit(":", 1)[-1]: 1} if "Driver" in account else {})
    suspended = [row.case_id for _, row in world.rows(CASES) if row.suspended_pack_id]
    unexplained = account.startswith(("Packs:Suspense", "Packs:Missing"))
    assert suspended == ([account.rsplit(":", 1)[-1]] if unexplained else [])


def test_every_kind_of_move_is_shown_above():
    shown = {command.event for _, _, _, (command, _) in MOVES}
    assert set(KINDS) - shown == set(TOLD_ELSEWHERE)


def test_a_lost_pack_opens_a_case_that_explains_what_the_driver_lacks():
    world = town(WITH_DRIVER)
    command, actor = move("loss_reported", "driver", reason="police report 7", occurred_at=3)
    case, moved = events(act(world, command, actor=actor))
    assert isinstance(case, CaseOpened)
    assert (case.case_type, case.reason) == ("LOSS", "police report 7")
    assert case.vector == (Debt("DR-1", "C1", -1),)
    assert moved.to_account == f"Packs:Missing:{case.case_id}"
    assert moved.case_id == case.case_id


def test_the_case_ends_when_the_pack_is_found_where_nobody_lacks_it():
    world = town(SLOT_1)
    lost, finder = move("slot_found_empty", "station", occurred_at=3)
    (case, _) = events(act(world, lost, actor=finder))
    assert not case.vector
    found, finder = move("leg_confirmed@slot", "station", slot="2", station_id="ST-2")
    _, resolved = events(act(world, found, actor=finder))
    assert resolved == CaseResolved(case_id=case.case_id, resolution="leg_confirmed")
    assert not world.need(CASES, case.case_id).is_open


@pytest.mark.parametrize(("driver_id", "is_open"), [("DR-1", False), ("DR-2", True)])
def test_the_case_of_a_driver_ends_only_when_he_has_his_pack_again(driver_id, is_open):
    world = town(WITH_DRIVER, energy_wh=900)
    late, clock = move("return_overdue", "system", occurred_at=3)
    (case, _) = events(act(world, late, actor=clock))
    assert world.need(PACKS, "PK-1").energy_wh == 0
    found, finder = move("leg_confirmed", "station", place="driver", holder_id=driver_id)
    act(world, found, actor=finder)
    assert world.need(CASES, case.case_id).is_open is is_open


def test_a_case_that_was_settled_before_is_not_settled_again():
    world = town("Packs:Suspense:CA-1")
    world.put(CASES, "CA-1", Case("CA-1", "LOSS", 0, is_open=False, suspended_pack_id="PK-1"))
    found, finder = move("leg_confirmed", "operator", place="staged", station_id="ST-1")
    assert len(events(act(world, found, actor=finder))) == 1


def test_a_recovered_pack_waits_for_an_inspection():
    world = town("Packs:Missing:CA-1")
    found, finder = move("pack_recovered", "depot_clerk", holder_id="DE-1")
    _, resolved, hold = events(act(world, found, actor=finder))
    assert isinstance(resolved, CaseResolved)
    assert isinstance(hold, HoldPlaced)
    assert world.need(PACKS, "PK-1").holds[0].reason == "INSPECTION_AFTER_RECOVERY"


def test_when_a_life_ends_title_ends_and_the_energy_is_lost_and_a_recovery_brings_title_back():
    world = town("Packs:Missing:CA-1", energy_wh=700)
    command = WriteOffPack(
        pack_id="PK-1", book_value_minor=5, currency="EUR", decision_sha256="5a" * 32
    )
    (ended,) = events(act(world, command))
    assert {line.account: line.quantity for line in postings(ended)} == {
        "Packs:Ended:WrittenOff": 1,
        "Packs:Missing:CA-1": -1,
        "Title:Ended": 1,
        "Title:Holder:TH-1": -1,
        "Energy:Losses:Standing": 700,
        "Energy:Pack:PK-1": -700,
    }
    assert world.need(PACKS, "PK-1").energy_wh == 0
    found, finder = move("pack_recovered", "depot_clerk", holder_id="DE-1")
    back = events(act(world, found, actor=finder))[0]
    assert {line.account: line.quantity for line in postings(back)} == {
        STORED: 1,
        "Packs:Ended:WrittenOff": -1,
        "Title:Holder:TH-1": 1,
        "Title:Ended": -1,
    }


def test_energy_goes_with_a_pack_that_is_confirmed_with_a_driver():
    world = town("Packs:Suspense:CA-1", energy_wh=900, soc_bp=900)
    command, actor = move("leg_confirmed", "station", place="driver", holder_id="DR-1")
    moved = events(act(world, command, actor=actor))[0]
    lines = {line.account: line.quantity for line in postings(moved)}
    assert (lines["Energy:Driver:DR-1"], lines["Energy:Pack:PK-1"]) == (900, -900)
    pack = world.need(PACKS, "PK-1")
    assert (pack.energy_wh, pack.soc_bp) == (900, 900)


def test_a_mix_up_is_settled_without_moving_energy():
    world = town(WITH_DRIVER, energy_wh=900)
    command, actor = move("pack_reattributed", "support", holder_id="DR-2")
    (moved,) = events(act(world, command, actor=actor))
    assert [line.commodity for line in postings(moved)] == ["PACK", "PACK"]
    assert world.need(PACKS, "PK-1").energy_wh == 900


def test_a_pack_is_proven_by_its_first_slot_and_a_reading_is_kept():
    world = town(STAGED, proven=False)
    command, actor = move("pack_docked", "station", slot="1", station_id="ST-1", soc_bp=4_000)
    act(world, command, actor=actor)
    pack = world.need(PACKS, "PK-1")
    assert (pack.proven, pack.soc_bp) == (True, 4_000)


# Refusals -------------------------------------------------------------------------------------

HOLD = OpenHold("HD-1", "THERMAL_ALARM", 3, ("no_transport", "no_charge", "no_disposal"), "P1")
LIEN = OpenHold("HD-2", "LEGAL_LIEN", 1, ("no_title_change", "no_disposal"), "P1")
REFUSALS = [
    (STORED, {}, move("flown_to_the_moon", "system"), "PACK_FIELD_INVALID"),
    (
        WITH_DRIVER,
        {},
        move("pack_collected_from_driver", "carrier", **BY_CARRIER | {"holder_id": "CR-9"}),
        "PARTY_UNKNOWN",
    ),
    (
        WITH_DRIVER,
        {},
        move("pack_collected_from_driver", "carrier", **BY_CARRIER | {"holder_id": "DR-1"}),
        "PARTY_ROLE_MISSING",
    ),
    (STAGED, {}, move("pack_docked", "station", slot="9", **AT_ST_1), "SLOT_UNKNOWN"),
    (
        TRANSIT,
        {},
        move("transfer_received@station", "operator", **ORDER, station_id="ST-9"),
        "STATION_UNKNOWN",
    ),
    ("Packs:Ended:Recycled", {}, move("sent_to_workshop", "depot_clerk"), "PACK_ENDED"),
    (WITH_DRIVER, {}, move("pack_docked", "station"), "WRONG_STATE"),
    (
        IN_SUSPENSE,
        {},
        move("declared_missing", "asset_manager", occurred_at=MISSING_AFTER_US - 1),
        "WRONG_STATE",
    ),
    (TRANSIT, {}, move("transfer_received@moon", "depot_clerk"), "WRONG_PLACE"),
    (STAGED, {}, move("pack_docked", "station", slot="1", station_id="ST-2"), "WRONG_PLACE"),
    (SLOT_1, {}, move("pack_undocked", "station", expected_account=STAGED), "VERSION_CONFLICT"),
    (SLOT_1, {}, move("pack_undocked", "carrier"), "ROLE_NOT_ALLOWED"),
    (SLOT_1, {}, move("pack_undocked", "operator", level=1), "EVIDENCE_TOO_LOW"),
    (
        STAGED,
        {"proven": False},
        move("pack_docked", "station", **IN_SLOT_1, level=1),
        "EVIDENCE_TOO_LOW",
    ),
    (
        WORKSHOP,
        {"holds": (HOLD,)},
        move("released_from_workshop", "workshop", **DEPOT),
        "HOLD_BLOCKS",
    ),
    (STAGED, {"pack_class": "C2"}, move("pack_docked", "station", **IN_SLOT_1), "CLASS_MISMATCH"),
    (
        TRANSIT,
        {},
        move("transfer_received", "depot_clerk", **DEPOT, order_id="TO-2"),
        "NOT_ON_ORDER",
    ),
    (STORED, {"holds": (LIEN,)}, move("title_transferred_out", "finance"), "LIEN_EXISTS"),
    (
        WITH_DRIVER,
        {},
        move("pack_collected_from_driver", "carrier", holder_id="CR-1"),
        "PACK_FIELD_INVALID",
    ),
]


@pytest.mark.parametrize(("start", "fields", "asked", "code"), REFUSALS)
def test_a_move_that_breaks_a_guard_is_refused_by_its_first_fault(start, fields, asked, code):
    command, actor = asked
    outcome = act(town(start, **fields), command, actor=actor)
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code.name == code


def test_a_pack_nobody_knows_does_not_move():
    outcome = act(small_town(), move("pack_undocked", "station")[0])
    assert outcome == Refusal(RefusalCode.UNKNOWN_PACK)


def test_a_slot_takes_one_pack_and_none_while_it_is_blocked():
    world = town(STAGED)
    put_pack(world, SLOT_1, "PK-2")
    act(world, BlockSlot(station_id="ST-1", slot="1"))
    command, actor = move("pack_docked", "station", slot="1", station_id="ST-1")
    outcome = act(world, command, actor=actor)
    assert isinstance(outcome, Refusal)
    assert [outcome.code, *outcome.others] == [RefusalCode.SLOT_OCCUPIED, RefusalCode.SLOT_BLOCKED]


@pytest.mark.parametrize(
    ("start", "asked", "code"),
    [
        (IS_MISSING, move("declared_missing", "asset_manager"), "WRONG_STATE"),
        (WORKSHOP, move("released_from_workshop", "workshop", **DEPOT), "SECOND_PERSON_REQUIRED"),
        (STAGED, move("pack_docked", "station", level=3, **IN_SLOT_1), "IDENTITY_NOT_PROVEN"),
    ],
)
def test_one_person_does_not_end_a_life_or_vouch_for_an_unproven_pack(start, asked, code):
    command, actor = asked
    outcome = act(town(start, proven=False), command, actor=Actor("P1", actor.role))
    assert isinstance(outcome, Refusal)
    assert outcome.code.name == code


def test_the_same_loss_does_not_open_a_second_case():
    world = town(STAGED)
    short, auditor = move("stocktake_short", "auditor", occurred_at=3)
    act(world, short, actor=auditor)
    found, clerk = move("leg_confirmed", "operator", place="staged", station_id="ST-1")
    act(world, found, actor=clerk)
    outcome = act(world, short, actor=auditor)
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.CASE_OPEN


def test_all_faults_of_a_move_are_named_at_once_in_order():
    world = town(STORED, soc_bp=9_900, holds=(HOLD,))
    scans: dict[str, Any] = {"scan_sha256": "5a" * 32, "carrier_scan_sha256": "6b" * 32}
    command = DispatchTransfer(order_id="TO-1", pack_ids=("PK-1",), level=1, **scans)
    outcome = act(world, command, actor=Actor("P1", "carrier", "P2", "depot_clerk"))
    assert isinstance(outcome, Refusal)
    assert [outcome.code, *outcome.others] == [
        RefusalCode.EVIDENCE_TOO_LOW,
        RefusalCode.HOLD_BLOCKS,
        RefusalCode.SOC_ABOVE_TRANSPORT_LIMIT,
    ]


def test_an_account_that_is_none_has_no_rows():
    assert rows_at("Packs:Moon:X", "C1") == ()
    assert rows_at("Packs:Ended:Recycled", "C1") == ()
