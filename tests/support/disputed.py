"""A statement of two lines whose first is disputed, and what closes the dispute."""

from typing import Any

import msgspec

from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.documents import StatementLine, statement_lines
from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.payout_rows import PAYABLES
from ledger.domain.money.rerating_bills import SWAP_BILLS, ShareEntry, SwapBill
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.cycles import BOTH, STM, accept, approve_statement, disputing, issue, line
from tests.support.partners import JUNE, partner
from tests.support.rules import act, events

SHARE = ShareAccrued(
    usage_id="SW-1",
    usage_kind="swap",
    station_id="ST-1",
    partner_id="OP-1",
    contract_id="CO-1",
    contract_version=1,
    currency="EUR",
    base="SERVICE_NET",
    base_minor=600,
    ours="MG",
    shares={"OP-1": 180, "CAR-1": 60, "MG": 360},
    service_start_at=JUNE - 10**9,
    energy_wh=41_700,
    energy_net_minor=1501,
    service_net_minor=500,
    fee_net_minor=100,
)
FOUND = {"OP-1": 150, "CAR-1": 60, "MG": 390}


def lines_of_share() -> list[StatementLine]:
    """Give two lines of OP-1, the first one of `SHARE` at position 10."""
    (first,) = statement_lines(10, SHARE, "OP-1")
    return [first, line(1)]


def codes(refusal: Any) -> tuple[RefusalCode, ...]:
    assert isinstance(refusal, Refusal), refusal
    return (refusal.code, *refusal.others)


def disputed(*, answered: bool = True, approved: bool = True, **terms: Any) -> World:
    """Make a statement of two lines whose first is disputed and under review."""
    world = partner(**terms)
    lines = lines_of_share()
    issue(world, lines)
    events(act(world, disputing(lines, 0)))
    events(act(world, ReviewLineDispute(dispute_id="LD-0")))
    if answered:
        accept(world)
    if answered and approved:
        approve_statement(world)
    world.put(SWAP_BILLS, "SW-1", SwapBill((), (ShareEntry(10, JUNE, SHARE),)))
    return world


def close(world: World, verdict: str, actor: Actor = BOTH, **changes: Any) -> Any:
    command = CloseLineDispute(dispute_id="LD-0", verdict=verdict, reason="we looked at it")
    return act(world, msgspec.structs.replace(command, **changes), at=JUNE, actor=actor)


def owed(world: World) -> int:
    return world.need(PAYABLES, "OP-1").of(STM, "EUR").owed_minor
