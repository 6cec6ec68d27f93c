"""Moves that a bare `MovePack` does not make: commands of their own ask for their facts."""

from typing import Any

import pytest

from ledger.domain.custody import PACKS
from ledger.domain.ending import (
    SECOND_LIFE,
    CertifyRecycling,
    DeploySecondLife,
    HandToRecycler,
    SecondLifeContract,
    WriteOffPack,
)
from ledger.domain.loads import DispatchTransfer, ReceiveTransfer
from ledger.domain.moves import MovePack
from ledger.domain.told import MASS_MAX_G, TOLD_ELSEWHERE
from ledger.domain.transitions import ROWS, state_of
from ledger.domain.warranty import WARRANTY_CLAIMS, SettleWarrantyClaim, WarrantyClaim
from ledger.domain.world import World
from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_order, put_pack, small_town

STORED, STAGED = "Packs:Depot:DE-1:Stored", "Packs:Station:ST-1:Staged"
WORKSHOP, SECOND_LIFE_AT = "Packs:Workshop:WS-1", "Packs:SecondLife:SV-1"
TRANSIT, RECYCLER = "Packs:Carrier:CR-1:Order:TO-1", "Packs:Recycler:SV-1"
RETURNED = "Packs:Ended:ReturnedToSupplier"

OWN = {
    one.__name__: one
    for one in (
        DispatchTransfer,
        ReceiveTransfer,
        DeploySecondLife,
        HandToRecycler,
        CertifyRecycling,
        SettleWarrantyClaim,
        WriteOffPack,
    )
}
DISPATCH = DispatchTransfer(
    order_id="TO-1", pack_ids=("PK-1",), scan_sha256="5a" * 32, carrier_scan_sha256="6b" * 32
)
RECEIVE: dict[str, Any] = {
    "order_id": "TO-1",
    "pack_ids": ("PK-1",),
    "scan_sha256": "5a" * 32,
    "waybill": "WB-7",
    "masses_g": {"PK-1": 400_000},
}
DEPLOY = DeploySecondLife(contract_id="SL-1", pack_id="PK-1")
HAND = HandToRecycler(pack_id="PK-1", recycler_id="SV-1", waybill="WB-7", mass_g=400_000)
SETTLE = SettleWarrantyClaim(claim_id="WC-1", settlement="RETURNED")


def town(account: str, end: str = STAGED, **fields: Any) -> World:
    """Build a town with the papers for a pack at an account: order, contract and claim."""
    world = small_town()
    put_pack(world, account, **fields)
    put_order(world, start=account, end=end)
    world.put(SECOND_LIFE, "SL-1", SecondLifeContract("SL-1", "SV-1", ("PK-1",), 1))
    world.put(WARRANTY_CLAIMS, "WC-1", WarrantyClaim("WC-1", "PK-1", "SV-1", "swollen"))
    return world


@pytest.mark.parametrize("row", [row for row in ROWS if row.event in TOLD_ELSEWHERE])
def test_a_bare_move_is_refused_and_names_the_command_to_ask_for(row):
    wanted = TOLD_ELSEWHERE[row.event]
    role = min(row.who)
    assert role in OWN[wanted].roles
    world = town(STORED)
    move = MovePack(
        pack_id="PK-1", event=row.event, level=5, holder_id="SV-1", order_id="TO-1", place=row.place
    )
    outcome = act(world, move, actor=Actor("P1", role, "P2"))
    facts = {"event": row.event, "ask": wanted}
    assert outcome == Refusal(RefusalCode.PACK_FIELD_INVALID, dict(facts))
    assert world.need(PACKS, "PK-1").account == STORED


@pytest.mark.parametrize(
    ("number", "start", "end", "command", "role"),
    [
        ("10", STORED, TRANSIT, DISPATCH, "depot_clerk"),
        ("10", STORED, TRANSIT, DISPATCH, "carrier"),
        ("11", STAGED, TRANSIT, DISPATCH, "operator"),
        ("12", WORKSHOP, TRANSIT, DISPATCH, "workshop"),
        ("13", SECOND_LIFE_AT, TRANSIT, DISPATCH, "operator"),
        ("18", TRANSIT, RECYCLER, ReceiveTransfer(**RECEIVE), "operator"),
        ("33", STORED, SECOND_LIFE_AT, DEPLOY, "asset_manager"),
        ("35", STORED, RECYCLER, HAND, "asset_manager"),
        ("36", WORKSHOP, RECYCLER, HAND, "workshop"),
        ("37", SECOND_LIFE_AT, RECYCLER, HAND, "operator"),
        ("39", STORED, RETURNED, SETTLE, "asset_manager"),
        ("40", WORKSHOP, RETURNED, SETTLE, "asset_manager"),
    ],
)
def test_a_pack_moves_by_the_row_with_all_its_facts(number, start, end, command, role):
    world = town(start, end=RECYCLER, retired=end == RECYCLER)
    both = Actor("P1", role, "P2", min(command.second_roles.get(role, {""})))
    *_, moved = events(act(world, command, at=5, actor=both))
    assert world.need(PACKS, "PK-1").account == moved.to_account == end
    found = (state_of(start), moved.kind, state_of(end))
    assert found in {(row.source, row.event, row.target) for row in ROWS if row.number == number}


@pytest.mark.parametrize(
    ("start", "command", "role"),
    [
        (STORED, DISPATCH, "depot_clerk"),
        (STORED, DEPLOY, "asset_manager"),
        (WORKSHOP, HAND, "workshop"),
        (STORED, SETTLE, "asset_manager"),
    ],
)
def test_one_person_alone_does_not_make_them(start: str, command: Command, role: str):
    world = town(start, retired=True)
    outcome = act(world, command, at=5, actor=Actor("P1", role))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.SECOND_PERSON_REQUIRED
    assert world.need(PACKS, "PK-1").account == start


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"waybill": ""}, "waybill"),
        ({"masses_g": {}}, "masses_g"),
        ({"masses_g": {"PK-2": 400_000}}, "masses_g"),
        ({"masses_g": {"PK-1": MASS_MAX_G + 1}}, "masses_g"),
    ],
)
def test_a_recycler_takes_nothing_off_a_carrier_unweighed_or_without_a_waybill(fields, field):
    world = town(TRANSIT, end=RECYCLER, retired=True)
    outcome = act(world, ReceiveTransfer(**RECEIVE | fields), actor=Actor("P1", "operator"))
    assert outcome == Refusal(RefusalCode.ORDER_FIELD_INVALID, {"field": field})
    assert world.need(PACKS, "PK-1").account == TRANSIT


def test_only_a_recycler_weighs():
    world = town(TRANSIT)
    told = ReceiveTransfer(**RECEIVE | {"waybill": "", "masses_g": {}})
    (moved,) = events(act(world, told, actor=Actor("P1", "operator")))
    assert moved.to_account == STAGED
