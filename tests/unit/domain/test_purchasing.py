from typing import Any

import pytest

from ledger.domain.assets import CommissionPack, PlacePackOrder, ReceivePack
from ledger.domain.custody import PACKS
from ledger.domain.orders import LINES_MAX
from ledger.domain.purchases import (
    DESPATCHES,
    PACK_PURCHASES,
    PURCHASE_ORDERS,
    PurchaseLine,
    PurchaseOrder,
    match_line,
)
from ledger.domain.purchasing import (
    UNITS_MAX,
    AnnounceDespatch,
    CancelPurchaseOrder,
    PlacePurchaseOrder,
)
from ledger.domain.warranty import (
    WARRANTY_CLAIMS,
    ClaimWarranty,
    SettleWarrantyClaim,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, approved, events, put_pack, small_town, sums_of

LINE = PurchaseLine(1, "pack", "C1", 3, 850_000)
CHARGERS = PurchaseLine(2, "charger", "CHX", 4, 20_000)
BUYER = Actor("P1", "asset_manager", "P2")
STORED = "Packs:Depot:DE-1:Stored"
PLACE: dict[str, Any] = {
    "po_no": "PO-1",
    "supplier_id": "SV-1",
    "lines": (LINE, CHARGERS),
    "currency": "EUR",
    "due_at": 100,
    "title_holder_id": "TH-1",
    "incoterm": "DAP",
}
PACKS_OF_IT: dict[str, Any] = {
    "pack_ids": ("PK-1", "PK-2"),
    "supplier_id": "SV-1",
    "po_no": "PO-1",
    "line": 1,
    "pack_class": "C1",
    "nominal_wh": 10_000,
    "unit_price_minor": 850_000,
    "currency": "EUR",
}


def bought() -> World:
    world = small_town()
    act(world, PlacePurchaseOrder(**PLACE), at=1, actor=BUYER)
    act(world, approved())
    act(world, PlacePackOrder(**PACKS_OF_IT), at=2, actor=BUYER)
    return world


def announce(*pack_ids: str, **fields: Any) -> AnnounceDespatch:
    usual: dict[str, Any] = {"asn_no": "ASN-1", "po_no": "PO-1", "carrier_id": "CR-1"}
    return AnnounceDespatch(pack_ids=pack_ids, **usual | fields)


def code_of(outcome: Any) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.name


# Purchase orders ------------------------------------------------------------------------------


def test_packs_get_their_ids_on_a_line_of_the_purchase_order_until_it_is_full():
    world = bought()
    order = world.need(PURCHASE_ORDERS, "PO-1")
    assert (order.units(), order.left(1), order.left(9)) == (("PK-1", "PK-2"), 1, 0)
    row = world.need(PACK_PURCHASES, "PK-1")
    assert (row.po_no, row.line, row.supplier_id, row.unit_price_minor) == (
        "PO-1",
        1,
        "SV-1",
        850_000,
    )
    more = PlacePackOrder(**PACKS_OF_IT | {"pack_ids": ("PK-3", "PK-4")})
    assert code_of(act(world, more, at=3, actor=BUYER)) == "QUANTITY_EXCEEDED"
    one = PlacePackOrder(**PACKS_OF_IT | {"pack_ids": ("PK-3",)})
    assert events(act(world, one, at=3, actor=BUYER))
    assert world.need(PURCHASE_ORDERS, "PO-1").left(1) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"line": 9},
        {"line": 2},
        {"unit_price_minor": 1},
        {"currency": "CNY"},
        {"supplier_id": "SV-2"},
    ],
)
def test_packs_that_are_not_what_the_line_says_are_refused(fields):
    world = bought()
    other = PlacePackOrder(**PACKS_OF_IT | {"pack_ids": ("PK-3",)} | fields)
    assert code_of(act(world, other, at=3, actor=BUYER)) == "ORDER_FIELD_INVALID"


def test_a_number_that_names_no_purchase_order_is_a_bare_order():
    world = small_town()
    act(world, approved())
    assert events(act(world, PlacePackOrder(**PACKS_OF_IT), at=2, actor=BUYER))
    assert world.get(PURCHASE_ORDERS, "PO-1") is None
    assert world.need(PACK_PURCHASES, "PK-1").po_no == "PO-1"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"po_no": "no id"}, "ORDER_FIELD_INVALID"),
        ({"currency": "EURO"}, "ORDER_FIELD_INVALID"),
        ({"due_at": 0}, "ORDER_FIELD_INVALID"),
        ({"lines": ()}, "ORDER_FIELD_INVALID"),
        ({"lines": (LINE, LINE)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(0, "pack", "C1", 1),)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(1, "boat", "C1", 1),)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(1, "pack", "no id", 1),)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(1, "pack", "C1", 0),)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(1, "pack", "C1", 1, -1),)}, "ORDER_FIELD_INVALID"),
        ({"lines": (PurchaseLine(1, "pack", "C1", UNITS_MAX + 1),)}, "ORDER_FIELD_INVALID"),
        ({"supplier_id": "SV-9"}, "PARTY_UNKNOWN"),
        ({"title_holder_id": "DE-1"}, "PARTY_ROLE_MISSING"),
    ],
)
def test_a_purchase_order_that_cannot_be_is_refused(fields, code):
    assert code_of(act(small_town(), PlacePurchaseOrder(**PLACE | fields), actor=BUYER)) == code


def test_a_purchase_order_is_placed_once_and_posts_nothing():
    world = small_town()
    placed = PlacePurchaseOrder(**PLACE | {"title_holder_id": ""})
    (event,) = events(act(world, placed, at=1, actor=BUYER))
    assert not sums_of(event)
    assert code_of(act(world, placed, at=1, actor=BUYER)) == "ORDER_EXISTS"


# Despatch advice ------------------------------------------------------------------------------


def test_a_despatch_advice_consigns_every_pack_it_names():
    world = bought()
    told = announce("PK-1", "PK-2", serials=("S-1", "S-2"), un_no="UN3480", soc_bp=3_000)
    advice, *consigned = events(act(world, told, at=3, actor=BUYER))
    assert (advice.serials, advice.un_no) == (("S-1", "S-2"), "UN3480")
    assert [one.to_account for one in consigned] == ["Packs:Carrier:CR-1:Inbound:ASN-1"] * 2
    assert world.need(DESPATCHES, "ASN-1").pack_ids == ("PK-1", "PK-2")
    assert code_of(act(world, told, at=4, actor=BUYER)) == "ORDER_EXISTS"
    received = ReceivePack(pack_id="PK-1", depot_id="DE-1", asn_no="ASN-1")
    assert len(events(act(world, received, at=5))) == 1
    other = ReceivePack(pack_id="PK-2", depot_id="DE-1", asn_no="ASN-2")
    assert code_of(act(world, other, at=5)) == "NOT_ON_ORDER"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (announce("PK-1", po_no="PO-9"), "ORDER_UNKNOWN"),
        (announce("PK-3"), "NOT_ON_ORDER"),
        (announce(), "ORDER_FIELD_INVALID"),
        (announce("PK-1", "PK-1"), "ORDER_FIELD_INVALID"),
        (announce("PK-1", serials=("S-1", "S-2")), "ORDER_FIELD_INVALID"),
        (announce("PK-1", "PK-2", serials=("S-1", "S-1")), "ORDER_FIELD_INVALID"),
        (announce("PK-1", carrier_id="CR-9"), "PARTY_UNKNOWN"),
    ],
)
def test_an_advice_that_cannot_be_is_refused_whole(command, code):
    world = bought()
    assert code_of(act(world, command, at=3, actor=BUYER)) == code
    assert world.need(PACKS, "PK-1").account == "Packs:Supplier:SV-1"


def test_one_advice_names_no_more_packs_than_its_entry_takes():
    world = bought()
    many = tuple(f"PX-{number}" for number in range(LINES_MAX + 1))
    order = world.need(PURCHASE_ORDERS, "PO-1").with_units(1, *many)
    world.put(PURCHASE_ORDERS, "PO-1", order)
    assert code_of(act(world, announce(*many), at=3, actor=BUYER)) == "TOO_MANY_PACKS"


# Cancelled ------------------------------------------------------------------------------------

CANCEL = CancelPurchaseOrder(po_no="PO-1", reason="model withdrawn")


def test_an_order_of_which_nothing_came_is_cancelled_with_its_packs():
    world = bought()
    order = world.need(PURCHASE_ORDERS, "PO-1").with_units(2, "CH-1")
    world.put(PURCHASE_ORDERS, "PO-1", order)
    cancelled, *moves = events(act(world, CANCEL, at=3, actor=BUYER))
    assert cancelled.reason == "model withdrawn"
    assert {one.to_account for one in moves} == {"Packs:Ended:Cancelled"}
    assert len(moves) == 2
    assert code_of(act(world, CANCEL, at=4, actor=BUYER)) == "ORDER_ENDED"
    assert code_of(act(world, announce("PK-1"), at=4, actor=BUYER)) == "ORDER_ENDED"
    more = PlacePackOrder(**PACKS_OF_IT | {"pack_ids": ("PK-3",)})
    assert code_of(act(world, more, at=5, actor=BUYER)) == "ORDER_ENDED"


def test_an_order_of_which_something_is_on_its_way_is_not_cancelled():
    world = bought()
    act(world, announce("PK-1"), at=3, actor=BUYER)
    assert code_of(act(world, CANCEL, at=4, actor=BUYER)) == "WRONG_STATE"
    assert code_of(act(small_town(), CANCEL, at=4, actor=BUYER)) == "ORDER_UNKNOWN"


# Three-way match ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "cancelled", "found"),
    [
        ([], False, (0, 0, 0, False)),
        ([(True, True)] * 3, False, (3, 3, 2_550_000, True)),
        ([(True, True), (True, False)], False, (2, 1, 850_000, False)),
        ([(True, True)] * 3, True, (3, 3, 0, True)),
    ],
)
def test_only_what_was_ordered_received_and_verified_is_paid(stages, cancelled, found):
    order = PurchaseOrder("PO-1", "SV-1", "EUR", (LINE,), is_cancelled=cancelled)
    match = match_line(order, LINE, stages)
    assert (match.received, match.verified, match.payable_minor, match.is_met) == found


# Warranty -------------------------------------------------------------------------------------


def claim(**fields: Any) -> ClaimWarranty:
    usual: dict[str, Any] = {
        "claim_id": "WC-1",
        "pack_id": "PK-1",
        "supplier_id": "SV-1",
        "reason": "swollen",
    }
    return ClaimWarranty(**usual | fields)


def settle(settlement: str) -> SettleWarrantyClaim:
    return SettleWarrantyClaim(claim_id="WC-1", settlement=settlement)


def commissioned() -> World:
    world = bought()
    put_pack(world, STORED, commissioned=False, title_holder_id="")
    command = CommissionPack(
        pack_id="PK-1", soh_bp=10_000, min_soh_bp=7_000, title_holder_id="TH-1", warranty_until=50
    )
    act(world, command, at=10, actor=BUYER)
    return world


def test_a_pack_goes_back_to_its_supplier_on_a_claim_within_the_warranty():
    world = commissioned()
    row = world.need(PACK_PURCHASES, "PK-1")
    assert (row.warranty_until, row.po_no) == (50, "PO-1")
    (claimed,) = events(act(world, claim(work_order_id="WO-1"), at=50, actor=BUYER))
    assert not sums_of(claimed)
    assert world.need(WARRANTY_CLAIMS, "WC-1").work_order_id == "WO-1"
    assert code_of(act(world, claim(), at=50, actor=BUYER)) == "ORDER_EXISTS"
    settled, back = events(act(world, settle("RETURNED"), at=60, actor=BUYER))
    assert settled.settlement == "RETURNED"
    assert (back.order_id, back.to_account) == ("WC-1", "Packs:Ended:ReturnedToSupplier")
    assert code_of(act(world, settle("RETURNED"), at=61, actor=BUYER)) == "ORDER_ENDED"


@pytest.mark.parametrize("settlement", ["REPAIRED", "REJECTED"])
def test_a_claim_can_end_without_the_pack_going_back(settlement):
    world = commissioned()
    act(world, claim(), at=20, actor=BUYER)
    assert len(events(act(world, settle(settlement), at=60, actor=BUYER))) == 1
    assert world.need(PACKS, "PK-1").account == STORED


@pytest.mark.parametrize(
    ("fields", "at", "code"),
    [
        ({}, 51, "WARRANTY_ENDED"),
        ({"pack_id": "PK-2"}, 20, "WARRANTY_ENDED"),
        ({"pack_id": "PK-9"}, 20, "UNKNOWN_PACK"),
        ({"pack_id": "PK-8"}, 20, "PACK_ENDED"),
        ({"supplier_id": "SV-2"}, 20, "ORDER_FIELD_INVALID"),
        ({"supplier_id": "SV-9"}, 20, "PARTY_UNKNOWN"),
        ({"claim_id": "no id"}, 20, "ORDER_FIELD_INVALID"),
        ({"reason": ""}, 20, "ORDER_FIELD_INVALID"),
        ({"work_order_id": "no id"}, 20, "ORDER_FIELD_INVALID"),
    ],
)
def test_a_claim_that_cannot_be_is_refused_by_its_first_fault(fields, at, code):
    world = commissioned()
    put_pack(world, "Packs:Ended:Recycled", "PK-8")
    outcome = act(world, claim(**fields), at=at, actor=BUYER)
    assert isinstance(outcome, Refusal)
    assert RefusalCode[code] in (outcome.code, *outcome.others)


def test_a_claim_nobody_knows_or_a_settlement_that_is_none_is_refused():
    world = commissioned()
    assert code_of(act(world, settle("RETURNED"), actor=BUYER)) == "ORDER_UNKNOWN"
    act(world, claim(), at=20, actor=BUYER)
    assert code_of(act(world, settle("LATER"), actor=BUYER)) == "ORDER_FIELD_INVALID"


def test_a_pack_taken_over_has_the_warranty_of_its_commissioning():
    world = small_town()
    put_pack(world, STORED, "PK-7", commissioned=False, title_holder_id="")
    command = CommissionPack(
        pack_id="PK-7", soh_bp=10_000, min_soh_bp=7_000, title_holder_id="TH-1", warranty_until=50
    )
    act(world, command, at=10, actor=BUYER)
    assert world.need(PACK_PURCHASES, "PK-7").warranty_until == 50
    assert events(act(world, claim(pack_id="PK-7"), at=20, actor=BUYER))


def test_only_packs_of_a_registered_class_are_bought_and_the_number_is_an_id():
    world = small_town()
    order = PlacePackOrder(**PACKS_OF_IT | {"po_no": "PO 1"})
    outcome = act(world, order, at=2, actor=BUYER)
    assert isinstance(outcome, Refusal)
    assert [code.name for code in (outcome.code, *outcome.others)] == [
        "ORDER_FIELD_INVALID",
        "CLASS_NOT_REGISTERED",
    ]
    act(world, approved())
    assert code_of(act(world, order, at=2, actor=BUYER)) == "ORDER_FIELD_INVALID"
    of_another = PlacePackOrder(**PACKS_OF_IT | {"pack_class": "C2"})
    assert code_of(act(world, of_another, at=2, actor=BUYER)) == "CLASS_NOT_REGISTERED"


def test_what_was_bought_before_the_ledger_began_is_told_without_its_class():
    world = small_town()
    order = PlacePackOrder(**PACKS_OF_IT)
    assert events(act(world, order, at=2, actor=Actor("data-import", "importer")))
