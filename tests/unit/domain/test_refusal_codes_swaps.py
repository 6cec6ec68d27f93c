"""One command for each refusal of custody that fails with exactly this one first."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.booking import ReserveSwap
from ledger.domain.cases import OpenCase
from ledger.domain.custody import OpenHold
from ledger.domain.ending import HandToRecycler
from ledger.domain.loads import DispatchTransfer
from ledger.domain.moves import MovePack
from ledger.domain.pinning import AllocatePack
from ledger.domain.stations import SLOTS
from ledger.domain.takeover import TakeOverPack
from ledger.domain.warranty import WARRANTY_CLAIMS, SettleWarrantyClaim, WarrantyClaim
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_order, put_pack, small_town
from tests.support.swaps import NOON, REQUEST

STAFF = Actor("P1", "operator", "P2")
ALONE = Actor("P1", "operator")
STAGED, STORED = "Packs:Station:ST-1:Staged", "Packs:Depot:DE-1:Stored"
DOCK = MovePack(pack_id="PK-1", event="pack_docked", level=5, station_id="ST-1", slot="1")
PIN = AllocatePack(booking_id="BK-1", pack_id="PK-1")
BOOK = ReserveSwap(
    booking_id="BK-1",
    driver_id="DR-1",
    station_id="ST-1",
    pack_class="C1",
    window_from=NOON,
    window_to=NOON + HOUR,
    forecast_ready=9,
    forecast_version="F1",
)
TAKE = TakeOverPack(
    pack_id="PK-1",
    account=STORED,
    pack_class="C1",
    nominal_wh=1,
    soh_bp=1,
    title_holder_id="TH-1",
)
CASE = OpenCase(case_id="CA-1", case_type="OTHER", subjects=("PK-1",), reason="odd")
HELD = OpenHold("HD-1", "RECALL", 1, ("no_swap_out",), "P1")
LIEN = OpenHold("HD-2", "LEGAL_LIEN", 1, ("no_title_change", "no_disposal"), "P1")
SEND = DispatchTransfer(
    order_id="TO-1", pack_ids=("PK-1",), scan_sha256="5a" * 32, carrier_scan_sha256="6b" * 32
)
HAND = HandToRecycler(pack_id="PK-1", recycler_id="SV-1", waybill="WB-7", mass_g=400_000)
SETTLE = SettleWarrantyClaim(claim_id="WC-1", settlement="RETURNED")
FULL: dict[str, Any] = {"soc_bp": 9_000, "soh_assessed_at": NOON}


def town(account: str = STAGED, **pack: Any) -> World:
    world = small_town()
    put_pack(world, account, "PK-1", **pack)
    assert not isinstance(act(world, BOOK, at=NOON - HOUR, actor=ALONE), Refusal)
    return world


def blocked() -> World:
    world = town()
    world.put(SLOTS, "ST-1|1", replace(world.need(SLOTS, "ST-1|1"), blocked=True))
    return world


def occupied() -> World:
    world = town()
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-2")
    return world


def with_case() -> World:
    world = town()
    act(world, CASE, actor=Actor("P1", "support"))
    return world


def on_order(listed: str = "PK-1", **pack: Any) -> World:
    world = town(STORED, **pack)
    put_order(world, packs=(listed,))
    return world


def claimed(**pack: Any) -> World:
    world = town(STORED, **pack)
    world.put(WARRANTY_CLAIMS, "WC-1", WarrantyClaim("WC-1", "PK-1", "SV-1", "swollen"))
    return world


SUPPORT = Actor("P1", "support", "P2")
ASSETS = Actor("P1", "asset_manager", "P2")
CLERK = Actor("P1", "depot_clerk", "P2", "carrier")
TABLE: list[tuple[str, World, Any, Actor]] = [
    ("UNKNOWN_PACK", town(), replace(DOCK, pack_id="PK-9"), STAFF),
    ("IDENTIFIER_TAKEN", town(), TAKE, Actor("P1", "importer", "P2")),
    ("PACK_ENDED", town("Packs:Ended:Recycled"), DOCK, STAFF),
    ("WRONG_STATE", town(STORED), DOCK, STAFF),
    ("WRONG_PLACE", town(), replace(DOCK, station_id="ST-2"), STAFF),
    ("VERSION_CONFLICT", town(), replace(DOCK, expected_account="Packs:Acquired"), STAFF),
    ("ROLE_NOT_ALLOWED", town(), DOCK, Actor("P1", "workshop")),
    (
        "SECOND_PERSON_REQUIRED",
        town("Packs:Workshop:WS-1"),
        replace(DOCK, event="released_from_workshop", holder_id="DE-1"),
        Actor("P1", "workshop"),
    ),
    ("EVIDENCE_TOO_LOW", town(), replace(DOCK, level=1), STAFF),
    ("IDENTITY_NOT_PROVEN", town(proven=False), replace(DOCK, level=3), Actor("S", "station")),
    ("HOLD_BLOCKS", town(holds=(HELD,), **FULL), PIN, ALONE),
    ("NOT_COMMISSIONED", town(commissioned=False, **FULL), PIN, ALONE),
    ("SLOT_OCCUPIED", occupied(), DOCK, STAFF),
    ("SLOT_BLOCKED", blocked(), DOCK, STAFF),
    ("CLASS_MISMATCH", town(pack_class="C2"), DOCK, STAFF),
    ("SOC_ABOVE_TRANSPORT_LIMIT", on_order(soc_bp=9_501), SEND, CLERK),
    ("SOC_BELOW_TARGET", town(soh_assessed_at=NOON), PIN, ALONE),
    ("SOH_BELOW_CLASS", town(min_soh_bp=10_001, **FULL), PIN, ALONE),
    ("SOH_STALE", town(soc_bp=9_000, soh_assessed_at=NOON - 181 * DAY), PIN, ALONE),
    ("ALLOCATED_ELSEWHERE", town(allocated_to="BK-9", **FULL), PIN, ALONE),
    ("NOT_ON_ORDER", on_order("PK-2"), SEND, CLERK),
    ("NOT_RETIRED", town(STORED), HAND, ASSETS),
    ("LIEN_EXISTS", claimed(holds=(LIEN,)), SETTLE, ASSETS),
    ("CASE_OPEN", with_case(), CASE, SUPPORT),
    ("TOO_MANY_PACKS", town(), replace(REQUEST, count=9), Actor("S", "station")),
]


@pytest.mark.parametrize(
    ("code", "world", "command", "actor"), TABLE, ids=[row[0] for row in TABLE]
)
def test_a_command_that_breaks_one_rule_is_refused_for_that_one(code, world, command, actor):
    outcome = act(world, command, at=NOON, actor=actor)
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is RefusalCode[code], outcome


def test_the_refusals_come_in_the_order_of_the_handbook():
    wanted = [RefusalCode[row[0]] for row in TABLE]
    assert wanted == sorted(wanted)
