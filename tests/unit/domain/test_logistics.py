from typing import Any

import pytest

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.ending import PACK_ENDS
from ledger.domain.loads import (
    CODE_MAX,
    DispatchTransfer,
    ReceiveTransfer,
    ReportTransferLoss,
    postings,
)
from ledger.domain.logistics import CancelTransferOrder, CreateTransferOrder, TransferOrdered
from ledger.domain.moves import MovePack, TransferDispatched, TransferReceived
from ledger.domain.orders import LINES_MAX, OVERDUE_AFTER_US, TRANSFER_ORDERS, TransferOrder
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_order, put_pack, small_town, sums_of

STORED = "Packs:Depot:DE-1:Stored"
STAGED = "Packs:Station:ST-1:Staged"
WITH_DRIVER = "Packs:Driver:DR-1"
TRANSIT = "Packs:Carrier:CR-1:Order:TO-1"
SCAN, OTHER_SCAN = "5a" * 32, "6b" * 32
CLERK = Actor("P1", "depot_clerk", "P2", "carrier")
OPERATOR = Actor("P3", "operator")
CREATE: dict[str, Any] = {
    "order_id": "TO-1",
    "from_account": STORED,
    "to_account": STAGED,
    "carrier_id": "CR-1",
    "pack_ids": ("PK-1", "PK-2"),
    "due_at": 100,
    "seal_no": "S-1",
}


def town(*, account: str = STORED, **fields: Any) -> World:
    world = small_town()
    for pack_id in ("PK-1", "PK-2"):
        put_pack(world, account, pack_id, **fields)
    return world


def ordered(**fields: Any) -> World:
    world = town()
    act(world, CreateTransferOrder(**CREATE | fields), at=5, actor=CLERK)
    return world


def dispatch(*pack_ids: str, **fields: Any) -> DispatchTransfer:
    usual: dict[str, Any] = {"scan_sha256": SCAN, "carrier_scan_sha256": OTHER_SCAN}
    return DispatchTransfer(order_id="TO-1", pack_ids=pack_ids, **usual | fields)


def receive(*pack_ids: str, **fields: Any) -> ReceiveTransfer:
    usual: dict[str, Any] = {"scan_sha256": SCAN, "seal_no": "S-1"}
    return ReceiveTransfer(order_id="TO-1", pack_ids=pack_ids, **usual | fields)


def order_of(world: World) -> TransferOrder:
    return world.need(TRANSFER_ORDERS, "TO-1")


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


def test_an_order_goes_out_in_parts_and_comes_in_in_parts_and_closes_by_itself():
    world = ordered()
    assert order_of(world).stage == "OPEN"
    assert TRANSFER_ORDERS.listed_by(order_of(world)) == "open"
    (first,) = events(act(world, dispatch("PK-1", socs_bp={"PK-1": 3_000}), at=6, actor=CLERK))
    assert isinstance(first, TransferDispatched)
    assert (first.seal_no, first.scans, first.order_id) == ("S-1", (SCAN, OTHER_SCAN), "TO-1")
    assert first.soc_bp == world.need(PACKS, "PK-1").soc_bp == 3_000
    assert order_of(world).stage == "UNDER_WAY"
    act(world, dispatch("PK-2"), at=7, actor=CLERK)
    assert world.need(PACKS, "PK-2").account == TRANSIT
    (came,) = events(act(world, receive("PK-2"), at=8, actor=OPERATOR))
    assert isinstance(came, TransferReceived)
    assert (came.place, came.scans) == ("station", (SCAN,))
    assert order_of(world).packs_in("IN_TRANSIT") == ("PK-1",)
    assert order_of(world).stage == "UNDER_WAY"
    act(world, receive("PK-1"), at=9, actor=OPERATOR)
    assert order_of(world).stage == "CLOSED"
    assert TRANSFER_ORDERS.listed_by(order_of(world)) == "closed"
    assert not postings(came)
    assert {world.need(PACKS, one).account for one in ("PK-1", "PK-2")} == {STAGED}


def test_an_order_posts_nothing_and_an_order_of_that_id_is_not_made_twice():
    world = town()
    command = CreateTransferOrder(**CREATE)
    (event,) = events(act(world, command, at=5, actor=CLERK))
    assert isinstance(event, TransferOrdered)
    assert not sums_of(event)
    assert code_of(act(world, command, at=5, actor=CLERK)) == "ORDER_EXISTS"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"order_id": "no id"}, "ORDER_FIELD_INVALID"),
        ({"from_account": "Packs:Moon"}, "ORDER_FIELD_INVALID"),
        ({"from_account": "Packs:Missing:CA-1"}, "ORDER_FIELD_INVALID"),
        ({"to_account": "Packs:Driver:DR-1"}, "ORDER_FIELD_INVALID"),
        ({"to_account": "nowhere"}, "ORDER_FIELD_INVALID"),
        ({"to_account": STORED}, "ORDER_FIELD_INVALID"),
        ({"pack_ids": ()}, "ORDER_FIELD_INVALID"),
        ({"pack_ids": ("PK-1", "PK-1")}, "ORDER_FIELD_INVALID"),
        ({"due_at": 5}, "ORDER_FIELD_INVALID"),
        ({"carrier_id": "CR-9"}, "PARTY_UNKNOWN"),
        ({"carrier_id": "DE-1"}, "PARTY_ROLE_MISSING"),
        ({"to_account": "Packs:Station:ST-9:Staged"}, "STATION_UNKNOWN"),
        ({"pack_ids": ("PK-9",)}, "UNKNOWN_PACK"),
        ({"pack_ids": ("PK-3",)}, "PACK_ENDED"),
    ],
)
def test_an_order_that_cannot_be_is_refused(fields, code):
    world = town()
    put_pack(world, "Packs:Ended:Recycled", "PK-3")
    assert code_of(act(world, CreateTransferOrder(**CREATE | fields), at=5, actor=CLERK)) == code
    assert world.get(TRANSFER_ORDERS, "TO-1") is None


def test_an_order_holds_no_more_packs_than_one_entry_takes():
    world = town()
    many = tuple(f"PK-{number}" for number in range(100, 101 + LINES_MAX))
    for pack_id in many:
        put_pack(world, STORED, pack_id)
    command = CreateTransferOrder(**CREATE | {"pack_ids": many})
    assert code_of(act(world, command, at=5, actor=CLERK)) == "TOO_MANY_PACKS"
    put_order(world, packs=many)
    assert code_of(act(world, dispatch(*many), actor=CLERK)) == "TOO_MANY_PACKS"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (dispatch(), "ORDER_FIELD_INVALID"),
        (dispatch("PK-1", "PK-1"), "ORDER_FIELD_INVALID"),
        (dispatch("PK-1", scan_sha256="scan"), "ORDER_FIELD_INVALID"),
        (dispatch("PK-1", carrier_scan_sha256=SCAN), "ORDER_FIELD_INVALID"),
        (dispatch("PK-1", socs_bp={"PK-1": 10_001}), "ORDER_FIELD_INVALID"),
        (dispatch("PK-3"), "NOT_ON_ORDER"),
        (dispatch("PK-1", socs_bp={"PK-1": 9_501}), "SOC_ABOVE_TRANSPORT_LIMIT"),
        (dispatch("PK-1", level=1), "EVIDENCE_TOO_LOW"),
        (receive(), "ORDER_FIELD_INVALID"),
        (receive("PK-1", scan_sha256=""), "ORDER_FIELD_INVALID"),
        (receive("PK-1", masses_g={"PK-1": 0}), "ORDER_FIELD_INVALID"),
        (receive("PK-1", surplus=("X",) * (LINES_MAX + 1)), "ORDER_FIELD_INVALID"),
        (receive("PK-1", surplus=("X" * (CODE_MAX + 1),)), "ORDER_FIELD_INVALID"),
        (receive("PK-1"), "WRONG_STATE"),
        (ReportTransferLoss(order_id="TO-1", pack_ids=(), report_no="7"), "ORDER_FIELD_INVALID"),
        (
            ReportTransferLoss(order_id="TO-1", pack_ids=("PK-1",), report_no=""),
            "ORDER_FIELD_INVALID",
        ),
    ],
)
def test_a_load_that_cannot_be_is_refused_whole(command, code):
    world = ordered()
    put_pack(world, STORED, "PK-3")
    actors: dict[Any, Actor] = {DispatchTransfer: CLERK, ReceiveTransfer: OPERATOR}
    actor = actors.get(type(command))
    assert code_of(act(world, command, at=6, actor=actor)) == code
    assert order_of(world).packs_in("ORDERED") == ("PK-1", "PK-2")


def test_one_pack_that_may_not_go_keeps_the_whole_load_and_every_fault_is_named():
    world = ordered()
    hold = OpenHold("HD-1", "TRANSPORT_LIMIT", 1, ("no_transport",), "P1")
    put_pack(world, STORED, "PK-2", holds=(hold,))
    outcome = act(world, dispatch("PK-1", "PK-2", socs_bp={"PK-1": 9_900}), at=6, actor=CLERK)
    assert isinstance(outcome, Refusal)
    assert [outcome.code, *outcome.others] == [
        RefusalCode.HOLD_BLOCKS,
        RefusalCode.SOC_ABOVE_TRANSPORT_LIMIT,
    ]
    assert world.need(PACKS, "PK-1").account == STORED


@pytest.mark.parametrize(
    ("actor", "is_refused"),
    [
        (Actor("P1", "depot_clerk"), True),
        (Actor("P1", "depot_clerk", "P2"), True),
        (Actor("P1", "depot_clerk", "P2", "operator"), True),
        (Actor("P1", "depot_clerk", "P1", "carrier"), True),
        (Actor("P1", "carrier", "P2", "carrier"), True),
        (Actor("P1", "depot_clerk", "P2", "carrier"), False),
        (Actor("P1", "carrier", "P2", "depot_clerk"), False),
    ],
)
def test_a_load_leaves_with_who_gives_and_who_carries_it(actor, is_refused):
    outcome = act(ordered(), dispatch("PK-1"), at=6, actor=actor)
    assert isinstance(outcome, Refusal) == is_refused
    if is_refused:
        assert code_of(outcome) == "SECOND_PERSON_REQUIRED"


@pytest.mark.parametrize(
    "command",
    [
        dispatch("PK-1"),
        receive("PK-1"),
        ReportTransferLoss(order_id="TO-1", pack_ids=("PK-1",), report_no="7"),
        CancelTransferOrder(order_id="TO-1", reason="changed"),
    ],
)
def test_nothing_happens_on_an_order_nobody_knows(command):
    assert code_of(act(town(), command)) == "ORDER_UNKNOWN"


def test_a_pack_does_not_leave_from_where_the_order_does_not_have_it():
    world = ordered()
    put_pack(world, "Packs:Depot:DE-2:Stored", "PK-1")
    assert code_of(act(world, dispatch("PK-1"), at=6, actor=CLERK)) == "WRONG_PLACE"


def test_a_pack_that_arrived_does_not_leave_on_the_same_order_again():
    world = ordered()
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    act(world, receive("PK-1"), at=7, actor=OPERATOR)
    put_pack(world, STORED, "PK-1")
    assert code_of(act(world, dispatch("PK-1"), at=8, actor=CLERK)) == "NOT_ON_ORDER"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"seal_is_intact": False}, "the seal is broken"),
        ({"seal_no": "S-2"}, "the seal is another one"),
    ],
)
def test_a_broken_seal_opens_one_case_and_the_packs_are_received(fields, said):
    world = ordered()
    act(world, dispatch("PK-1", "PK-2"), at=6, actor=CLERK)
    came, case = events(act(world, receive("PK-1", **fields), at=7, actor=OPERATOR))
    assert (case.case_type, case.reason) == ("SEAL_BROKEN", said)
    assert case.subjects == ("TO-1", "PK-1")
    assert world.need(PACKS, "PK-1").account == came.to_account == STAGED
    assert len(events(act(world, receive("PK-2", **fields), at=8, actor=OPERATOR))) == 1
    assert len(list(world.rows(CASES))) == 1


def test_the_seal_that_counts_is_the_one_the_load_left_with():
    world = ordered(seal_no="")
    act(world, dispatch("PK-1", seal_no="S-7"), at=6, actor=CLERK)
    act(world, dispatch("PK-2"), at=6, actor=CLERK)
    assert order_of(world).seal_no == "S-7"
    assert len(events(act(world, receive("PK-1", seal_no="S-7"), at=7, actor=OPERATOR))) == 1


def test_a_load_without_a_seal_arrives_without_one():
    world = ordered(seal_no="")
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    assert order_of(world).seal_no == ""
    assert len(events(act(world, receive("PK-1", seal_no=""), at=7, actor=OPERATOR))) == 1


def test_what_is_in_a_load_and_not_on_the_order_opens_a_case_for_each():
    world = ordered()
    cases = events(act(world, receive(surplus=("QR 7", "QR 8")), at=7, actor=OPERATOR))
    assert [case.case_type for case in cases] == ["UNANNOUNCED", "UNANNOUNCED"]
    assert "QR 7" in cases[0].reason


def test_a_loss_on_the_way_ends_the_line_and_opens_a_case():
    world = ordered()
    act(world, dispatch("PK-1", "PK-2"), at=6, actor=CLERK)
    lost = ReportTransferLoss(order_id="TO-1", pack_ids=("PK-1",), report_no="police 7")
    case, moved = events(act(world, lost, at=7))
    assert (case.case_type, case.reason) == ("LOSS", "police 7")
    assert moved.to_account == f"Packs:Missing:{case.case_id}"
    assert order_of(world).stage_of("PK-1") == "LOST"
    act(world, receive("PK-2"), at=8, actor=OPERATOR)
    assert order_of(world).stage == "CLOSED"


def test_a_delivery_is_overdue_a_day_after_it_was_due_and_may_still_come():
    world = ordered()
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    late = MovePack(pack_id="PK-1", event="delivery_overdue", level=0)
    clock = Actor("system", "system")
    early = act(world, late, at=99 + OVERDUE_AFTER_US, actor=clock)
    assert code_of(early) == "NOT_DUE"
    act(world, late, at=100 + OVERDUE_AFTER_US, actor=clock)
    assert order_of(world).stage_of("PK-1") == "OVERDUE"
    found = MovePack(
        pack_id="PK-1",
        event="leg_confirmed",
        place="transit",
        level=2,
        holder_id="CR-1",
        order_id="TO-1",
    )
    act(world, found, at=101 + OVERDUE_AFTER_US, actor=Actor("P1", "carrier"))
    assert order_of(world).stage_of("PK-1") == "IN_TRANSIT"


def test_what_did_not_leave_can_be_cancelled_and_the_order_closes_with_the_rest():
    world = ordered()
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    cancel = CancelTransferOrder(order_id="TO-1", reason="not needed")
    (event,) = events(act(world, cancel, at=7))
    assert event.pack_ids == ("PK-2",)
    assert not sums_of(event)
    assert code_of(act(world, cancel, at=7)) == "ORDER_ENDED"
    assert code_of(act(world, dispatch("PK-2"), at=8, actor=CLERK)) == "NOT_ON_ORDER"
    act(world, receive("PK-1"), at=9, actor=OPERATOR)
    assert order_of(world).stage == "CLOSED"


@pytest.mark.parametrize(
    ("target", "role", "account", "fields"),
    [
        ("Packs:Depot:DE-2:Stored", "depot_clerk", "Packs:Depot:DE-2:Stored", {}),
        ("Packs:Workshop:WS-1", "workshop", "Packs:Workshop:WS-1", {}),
        ("Packs:SecondLife:SV-1", "operator", "Packs:SecondLife:SV-1", {}),
        ("Packs:Recycler:SV-1", "operator", "Packs:Recycler:SV-1", {"retired": True}),
    ],
)
def test_a_transfer_reaches_every_kind_of_place(target, role, account, fields):
    world = town(**fields)
    act(world, CreateTransferOrder(**CREATE | {"to_account": target}), at=5, actor=CLERK)
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    told = receive("PK-1", waybill="WB-7", masses_g={"PK-1": 395_000})
    (came,) = events(act(world, told, at=7, actor=Actor("P5", role)))
    assert world.need(PACKS, "PK-1").account == came.to_account == account
    if account.startswith("Packs:Recycler"):
        assert (came.waybill, came.mass_g) == ("WB-7", 395_000)
        assert world.need(PACK_ENDS, "PK-1").mass_g == 395_000


def test_a_pack_that_was_taken_over_on_its_way_arrives_without_an_order():
    world = town(account=TRANSIT)
    move = MovePack(
        pack_id="PK-1",
        event="transfer_received",
        level=2,
        holder_id="DE-1",
        order_id="TO-1",
    )
    act(world, move, at=5, actor=Actor("P1", "depot_clerk"))
    assert world.need(PACKS, "PK-1").account == STORED
    late = MovePack(pack_id="PK-2", event="delivery_overdue", level=0)
    act(world, late, at=5, actor=Actor("system", "system"))
    assert world.need(PACKS, "PK-2").account.startswith("Packs:Suspense:")


def test_a_load_without_a_seal_keeps_the_seal_it_never_had():
    world = ordered(seal_no="")
    act(world, dispatch("PK-1"), at=6, actor=CLERK)
    assert (order_of(world).seal_no, order_of(world).stage) == ("", "UNDER_WAY")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"order_id": "TO-9"}, "ORDER_UNKNOWN"),
        ({"holder_id": "CR-2"}, "NOT_ON_ORDER"),
        ({"pack_id": "PK-3"}, "NOT_ON_ORDER"),
    ],
)
def test_a_bare_move_onto_a_carrier_answers_to_the_order_it_names(fields, code):
    world = town(account=WITH_DRIVER)
    act(world, CreateTransferOrder(**CREATE | {"from_account": WITH_DRIVER}), at=5, actor=CLERK)
    put_pack(world, WITH_DRIVER, "PK-3")
    usual: dict[str, Any] = {"pack_id": "PK-1", "holder_id": "CR-1", "order_id": "TO-1"}
    move = MovePack(**usual | fields, event="pack_collected_from_driver", level=2)
    assert code_of(act(world, move, at=6, actor=Actor("P1", "carrier"))) == code
