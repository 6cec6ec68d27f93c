"""Purchases as they stand: orders, despatch advices, lots, and how each pack was bought."""

from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.domain.classes import class_faults, rules_of
from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.refusal import RefusalCode

ITEMS = ("pack", "charger", "meter")
"""What a purchase order can buy."""


class PurchaseLine(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: `item` is one of `ITEMS`, `item_class` its class or model; price in minor units."""

    line: int
    item: str
    item_class: str
    quantity: int
    unit_price_minor: int = 0


class PurchaseOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was ordered from a supplier, and the ids given to it so far, by line."""

    po_no: str
    supplier_id: str
    currency: str
    lines: tuple[PurchaseLine, ...]
    due_at: int = 0
    title_holder_id: str = ""
    incoterm: str = ""
    ordered: dict[str, tuple[str, ...]] = {}
    is_cancelled: bool = False

    def line_of(self, number: int) -> PurchaseLine | None:
        """Find a line by its number."""
        return next((line for line in self.lines if line.line == number), None)

    def left(self, number: int) -> int:
        """Tell how many units of a line have no id yet."""
        line = self.line_of(number)
        return 0 if line is None else line.quantity - len(self.ordered.get(str(number), ()))

    def with_units(self, number: int, *unit_ids: str) -> "PurchaseOrder":
        """Give ids to units of a line."""
        known = self.ordered.get(str(number), ())
        return replace(self, ordered=self.ordered | {str(number): known + unit_ids})

    def units(self) -> tuple[str, ...]:
        """List all ids given so far."""
        return tuple(unit_id for unit_ids in self.ordered.values() for unit_id in unit_ids)


PURCHASE_ORDERS = Shelf(
    "purchase_orders",
    PurchaseOrder,
    listed_by=lambda row: "cancelled" if row.is_cancelled else "open",
)


class Despatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A despatch advice: which packs of a purchase order are on their way, and their serials."""

    asn_no: str
    po_no: str
    carrier_id: str
    pack_ids: tuple[str, ...]
    serials: tuple[str, ...] = ()


DESPATCHES = Shelf("despatches", Despatch, listed_by=lambda row: row.po_no)


class PackPurchase(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a pack was bought: order, line, supplier; its warranty ends at `warranty_until` (us).

    `asn_no` is the despatch advice with which it was announced: its lot.
    """

    pack_id: str
    po_no: str = ""
    line: int = 0
    supplier_id: str = ""
    unit_price_minor: int = 0
    currency: str = ""
    warranty_until: int = 0
    asn_no: str = ""


PACK_PURCHASES = Shelf("pack_purchases", PackPurchase, listed_by=lambda row: row.po_no)


def line_faults(world: World, command: Any, role: str) -> list[RefusalCode]:
    """Tell what a purchase order says against units ordered on a line of it.

    `command` is a `PlacePackOrder`. A number that names no purchase order is a bare order: it
    stands for itself. Only packs of a registered class are bought; the `importer`, who tells of
    what was bought before there was a ledger, may order any.
    """
    unknown = role != "importer" and rules_of(world, command.pack_class) is None
    faults = [] if is_id(command.po_no) else [RefusalCode.ORDER_FIELD_INVALID]
    faults += [RefusalCode.CLASS_NOT_REGISTERED] if unknown else []
    faults += class_faults(world, command.pack_class, command.nominal_wh)
    order = world.get(PURCHASE_ORDERS, command.po_no)
    return faults if order is None else faults + _order_faults(order, command)


def _order_faults(order: PurchaseOrder, command: Any) -> list[RefusalCode]:
    line = order.line_of(command.line)
    fits = (
        line is not None
        and (line.item, line.item_class) == ("pack", command.pack_class)
        and line.unit_price_minor == command.unit_price_minor
        and (order.supplier_id, order.currency) == (command.supplier_id, command.currency)
    )
    tests = (
        (order.is_cancelled, RefusalCode.ORDER_ENDED),
        (not fits, RefusalCode.ORDER_FIELD_INVALID),
        (fits and len(command.pack_ids) > order.left(command.line), RefusalCode.QUANTITY_EXCEEDED),
    )
    return [code for failed, code in tests if failed]


class Lot(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a despatch advice brought: how many packs of a class, and which must be tested in full.

    `is_whole` says that all of them must be: the model is new, or one of the lot has failed.
    """

    asn_no: str
    pack_class: str
    size: int
    sample: tuple[str, ...]
    is_whole: bool = False
    tested: int = 0
    failed: tuple[str, ...] = ()


class KnownModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many packs of a class have passed a full test so far."""

    pack_class: str
    tested: int = 0


LOTS = Shelf("lots", Lot, listed_by=lambda row: "whole" if row.is_whole else "sampled")
TESTED_MODELS = Shelf("tested_models", KnownModel)


def lot_rows(world: World, pack_id: str) -> tuple[Key, ...]:
    """Name the lot of a pack and its model; how the pack was bought must be loaded."""
    bought = world.get(PACK_PURCHASES, pack_id)
    if bought is None or not bought.asn_no:
        return ()
    lot = world.get(LOTS, bought.asn_no) if world.is_loaded(LOTS, bought.asn_no) else None
    model = () if lot is None else (touch(TESTED_MODELS, lot.pack_class),)
    return touch(LOTS, bought.asn_no), *model


def lot_of(world: World, pack_id: str) -> Lot | None:
    """Give the lot of a pack, where a sample of it was drawn."""
    bought = world.get(PACK_PURCHASES, pack_id)
    return None if bought is None or not bought.asn_no else world.get(LOTS, bought.asn_no)


def full_test_faults(world: World, command: Any) -> list[RefusalCode]:
    """Tell what lets a pack not pass its incoming test: one of the sample needs a full one.

    Only a `RecordVerification` can pass; other commands lack nothing.
    """
    if not getattr(command, "passed", False) or command.capacity_mah:
        return []
    lot = lot_of(world, command.pack_id)
    must = lot is not None and (lot.is_whole or command.pack_id in lot.sample)
    return [RefusalCode.REPORT_MISSING] if must else []


class Match(msgspec.Struct, frozen=True):
    """One line of the three-way match, before a supplier is paid: units, and what they cost."""

    line: int
    item_class: str
    ordered: int
    received: int
    verified: int
    payable_minor: int

    @property
    def is_met(self) -> bool:
        """Whether all that was ordered is received and verified."""
        return self.ordered == self.received == self.verified


def match_line(order: PurchaseOrder, line: PurchaseLine, stages: list[tuple[bool, bool]]) -> Match:
    """Hold a line against its units: (received, verified) of each; only verified ones are payable.

    >>> line = PurchaseLine(1, "pack", "C1", 2, 500)
    >>> order = PurchaseOrder("PO-1", "SV-1", "EUR", (line,))
    >>> match_line(order, line, [(True, True), (True, False)])
    Match(line=1, item_class='C1', ordered=2, received=2, verified=1, payable_minor=500)
    """
    received = sum(received for received, _ in stages)
    verified = sum(verified for _, verified in stages)
    payable = 0 if order.is_cancelled else verified * line.unit_price_minor
    return Match(line.line, line.item_class, line.quantity, received, verified, payable)
