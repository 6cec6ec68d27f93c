"""The timers: what the clock alone decides, asked once, and nothing more at the same time."""

from typing import Any

import pytest

from ledger.domain.custody import PACKS
from ledger.domain.loads import DispatchTransfer
from ledger.domain.logistics import CreateTransferOrder
from ledger.domain.moves import MISSING_AFTER_US, MovePack
from ledger.domain.orders import OVERDUE_AFTER_US
from ledger.domain.parties import RegisterParty
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Command
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.timers import due_deliveries, run_timers
from tests.support.ledgers import OPENED_AT, SYSTEM, asking, new_ledger, sqlite_url

DUE = OPENED_AT + 10 * HOUR
LATE = DUE + OVERDUE_AFTER_US
STORED = "Packs:Depot:DE-1:Stored"
PACK_IDS = ("PK-1", "PK-2", "PK-3")


def do(ledger: Ledger, role: str, command: Command, at: int = OPENED_AT) -> None:
    actor = Actor("P1", role, "P2", min(command.second_roles.get(role, {""})))
    accepted(ledger.execute(asking(command, f"{command} {at}", actor=actor, at=at)))


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as opened:
        for party_id, role in (
            ("DE-1", "depot"),
            ("DE-2", "depot"),
            ("CR-1", "carrier"),
            ("TH-1", "title_holder"),
        ):
            party = RegisterParty(party_id=party_id, party_roles=(role,), country="FR")
            do(opened, "asset_manager", party)
        for pack_id in PACK_IDS:
            usual: dict[str, Any] = {"pack_class": "C1", "nominal_wh": 10_000, "soh_bp": 10_000}
            take = TakeOverPack(pack_id=pack_id, account=STORED, title_holder_id="TH-1", **usual)
            do(opened, "asset_manager", take)
        order = CreateTransferOrder(
            order_id="TO-1",
            from_account=STORED,
            to_account="Packs:Depot:DE-2:Stored",
            carrier_id="CR-1",
            pack_ids=PACK_IDS,
            due_at=DUE,
        )
        do(opened, "depot_clerk", order)
        sent = DispatchTransfer(
            order_id="TO-1",
            pack_ids=("PK-1", "PK-2"),
            scan_sha256="5a" * 32,
            carrier_scan_sha256="6b" * 32,
        )
        do(opened, "depot_clerk", sent, OPENED_AT + HOUR)
        yield opened


def account_of(ledger: Ledger, pack_id: str) -> str:
    with ledger.reading() as reads:
        row = reads.row(PACKS, pack_id)
    assert row is not None
    return row.account


def test_what_is_on_its_way_a_day_after_it_was_due_goes_to_suspense_once(ledger):
    early = run_timers(ledger, LATE - 1, SYSTEM)
    assert (early.asked, early.done) == (0, {})
    done = run_timers(ledger, LATE, SYSTEM)
    assert (done.asked, done.done, done.refused) == (2, {"delivery_overdue": 2}, {})
    assert account_of(ledger, "PK-1").startswith("Packs:Suspense:CA-")
    assert account_of(ledger, "PK-3") == STORED
    again = run_timers(ledger, LATE + HOUR, SYSTEM)
    assert (again.asked, again.may_be_missing) == (0, ())


def test_a_pack_that_came_meanwhile_is_not_overdue(ledger):
    move = MovePack(
        pack_id="PK-1",
        event="transfer_received",
        level=2,
        holder_id="DE-2",
        order_id="TO-1",
    )
    do(ledger, "depot_clerk", move, LATE - 1)
    assert run_timers(ledger, LATE, SYSTEM).done == {"delivery_overdue": 1}
    assert account_of(ledger, "PK-1") == "Packs:Depot:DE-2:Stored"


def test_no_more_is_asked_at_once_than_the_limit(ledger):
    with ledger.reading() as reads:
        assert len(due_deliveries(reads, LATE, limit=1)) == 1
        assert len(due_deliveries(reads, LATE)) == 2


def test_a_refusal_is_counted_and_ends_the_asking(ledger):
    done = run_timers(ledger, LATE, Actor("P1", "depot_clerk"))
    assert done.done == {}
    assert done.refused == {"role_not_allowed": 2}


def test_packs_in_suspense_for_a_month_are_named_and_two_persons_decide(ledger):
    run_timers(ledger, LATE, SYSTEM)
    assert run_timers(ledger, LATE + MISSING_AFTER_US - 1, SYSTEM).may_be_missing == ()
    month = LATE + MISSING_AFTER_US
    assert run_timers(ledger, month, SYSTEM).may_be_missing == ("PK-1", "PK-2")
    given_up = MovePack(pack_id="PK-1", event="declared_missing", level=2)
    do(ledger, "asset_manager", given_up, month)
    assert run_timers(ledger, month, SYSTEM).may_be_missing == ("PK-2",)
