"""One command for every refusal of the custody handbook 3.3 that fails with exactly that code."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ledger.domain.assets import CommissionPack
from ledger.domain.cases import CASES, Case, ResolveCase
from ledger.domain.custody import SOH_MAX_AGE_US, OpenHold
from ledger.domain.eligibility import eligible
from ledger.domain.ending import HandToRecycler
from ledger.domain.loads import DispatchTransfer, ReceiveTransfer
from ledger.domain.moves import MovePack
from ledger.domain.stations import STATIONS, BlockSlot
from ledger.domain.takeover import TakeOverPack
from ledger.domain.world import World
from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_order, put_pack, small_town

STORED, STAGED = "Packs:Depot:DE-1:Stored", "Packs:Station:ST-1:Staged"
TRANSIT = "Packs:Carrier:CR-1:Order:TO-1"
IN_SLOT = {"station_id": "ST-1", "slot": "1"}
LIEN = OpenHold("HD-1", "LEGAL_LIEN", 1, ("no_title_change", "no_disposal"), "P1")
HEAT = OpenHold("HD-2", "THERMAL_ALARM", 3, ("no_transport",), "P1")
SCANS = {"scan_sha256": "5a" * 32, "carrier_scan_sha256": "6b" * 32}


class Try(NamedTuple):
    """A command, who asks, and what is done to the town before."""

    command: Command
    role: str
    prepare: Callable[[World], Any] = lambda _world: None
    second: str = "P2"


def move(event: str, role: str, **fields: Any) -> Try:
    prepare = fields.pop("prepare", lambda _world: None)
    second = fields.pop("second", "P2")
    usual: dict[str, Any] = {"pack_id": "PK-1", "level": 4}
    return Try(MovePack(event=event, **usual | fields), role, prepare, second)


def dock(prepare: Callable[[World], Any], **fields: Any) -> Try:
    return move("pack_docked", "station", **IN_SLOT, prepare=prepare, **fields)


def at(account: str, **fields: Any) -> Callable[[World], Any]:
    return lambda world: put_pack(world, account, **fields)


def blocked(world: World) -> None:
    put_pack(world, STAGED)
    act(world, BlockSlot(station_id="ST-1", slot="1"))


def occupied(world: World) -> None:
    put_pack(world, STAGED)
    put_pack(world, "Packs:Station:ST-1:Slot:1", "PK-2")


def suspended(world: World) -> None:
    world.put(CASES, "CA-1", Case("CA-1", "LOSS", 0))
    put_pack(world, "Packs:Suspense:CA-1")


def dispatch(*pack_ids: str, second: str = "P2", **fields: Any) -> DispatchTransfer:
    return DispatchTransfer(order_id="TO-1", pack_ids=pack_ids, **SCANS | fields)


COMMISSION = CommissionPack(pack_id="PK-1", soh_bp=9_000, min_soh_bp=7_000, title_holder_id="TH-1")
TAKE_OVER = TakeOverPack(
    pack_id="PK-1",
    account=STORED,
    pack_class="C1",
    nominal_wh=10_000,
    soh_bp=10_000,
    title_holder_id="TH-1",
)
HAND = HandToRecycler(pack_id="PK-1", recycler_id="SV-1", waybill="WB-7", mass_g=400_000)
MANY = tuple(f"PX-{number}" for number in range(65))

TRIES: dict[str, Try] = {
    "UNKNOWN_PACK": move("pack_undocked", "station"),
    "IDENTIFIER_TAKEN": Try(TAKE_OVER, "asset_manager", at(STORED)),
    "PACK_ENDED": move("pack_docked", "station", prepare=at("Packs:Ended:Recycled")),
    "WRONG_STATE": move("pack_docked", "station", prepare=at(STORED)),
    "WRONG_PLACE": dock(at("Packs:Station:ST-2:Staged")),
    "VERSION_CONFLICT": dock(at(STAGED), expected_account=STORED),
    "ROLE_NOT_ALLOWED": move("pack_docked", "carrier", **IN_SLOT, prepare=at(STAGED)),
    "SECOND_PERSON_REQUIRED": move(
        "declared_missing", "asset_manager", second="", prepare=suspended, occurred_at=1
    ),
    "EVIDENCE_TOO_LOW": dock(at(STAGED), level=1),
    "IDENTITY_NOT_PROVEN": dock(at(STAGED, proven=False), second=""),
    "HOLD_BLOCKS": Try(dispatch("PK-1"), "carrier", at(STORED, holds=(HEAT,))),
    "SLOT_OCCUPIED": dock(occupied),
    "SLOT_BLOCKED": dock(blocked),
    "CLASS_MISMATCH": dock(at(STAGED, pack_class="C2")),
    "SOC_ABOVE_TRANSPORT_LIMIT": Try(dispatch("PK-1"), "carrier", at(STORED, soc_bp=9_501)),
    "NOT_ON_ORDER": Try(
        ReceiveTransfer(order_id="TO-1", pack_ids=("PK-9",), scan_sha256="5a" * 32),
        "operator",
        at(TRANSIT),
    ),
    "NOT_RETIRED": Try(HAND, "asset_manager", at(STORED)),
    "LIEN_EXISTS": Try(HAND, "asset_manager", at(STORED, retired=True, holds=(LIEN,))),
    "CASE_OPEN": Try(ResolveCase(case_id="CA-1", resolution="lost"), "support", suspended),
    "TOO_MANY_PACKS": Try(dispatch(*MANY), "carrier", at(STORED)),
}

HAND_OUTS: dict[str, dict[str, Any]] = {
    "NOT_COMMISSIONED": {"commissioned": False},
    "SOC_BELOW_TARGET": {"soc_bp": 7_999},
    "SOH_BELOW_CLASS": {"min_soh_bp": 9_501, "soh_bp": 9_500},
    "SOH_STALE": {"soh_assessed_at": -1},
    "ALLOCATED_ELSEWHERE": {"allocated_to": "BK-9"},
}
"""What keeps a pack from being handed out, by what is wrong with the pack."""

ORDER = [code.name for code in RefusalCode if 400 <= code <= RefusalCode.TOO_MANY_PACKS]


@pytest.mark.parametrize("code", TRIES)
def test_a_command_fails_with_exactly_this_first_code(code):
    tried = TRIES[code]
    world = small_town()
    tried.prepare(world)
    put_order(world, packs=("PK-1",))
    second_role = min(tried.command.second_roles.get(tried.role, {""}))
    actor = Actor("P1", tried.role, tried.second, second_role)
    outcome = act(world, tried.command, actor=actor, at=5)
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code.name == code
    named = [outcome.code, *outcome.others]
    assert named == sorted(named)


@pytest.mark.parametrize("code", HAND_OUTS)
def test_a_pack_is_not_handed_out_for_exactly_this_first_reason(code):
    world = small_town()
    station = world.need(STATIONS, "ST-1")
    fields = {"soc_bp": 9_000} | HAND_OUTS[code]
    pack = put_pack(world, STAGED, **fields)
    assert [one.name for one in eligible(pack, station, pack_class="C1", at=SOH_MAX_AGE_US)] == [
        code
    ]


def test_a_retired_pack_is_not_handed_out():
    world = small_town()
    pack = put_pack(world, STAGED, soc_bp=9_000, retired=True)
    faults = eligible(pack, world.need(STATIONS, "ST-1"), pack_class="C1", at=5)
    assert faults == (RefusalCode.NOT_COMMISSIONED,)


def test_every_code_of_the_list_is_tried_here():
    assert set(TRIES) | set(HAND_OUTS) == set(ORDER)
    assert not set(TRIES) & set(HAND_OUTS)
