"""Purchasing: purchase orders and despatch advices (operations handbook 10).

A purchase order says what is bought, for how much and for whom; packs get their ids on its lines
(`assets.py`), so that line, price and quantity hold. A despatch advice names the packs that are on
their way, and consigns each of them (row 2 of the custody table). An order is cancelled as a whole,
while nothing of it has left the supplier (row 3).
"""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain import assets
from ledger.domain.access import refused
from ledger.domain.assets import AnnounceShipment, PackCommissioned, PackOrdered
from ledger.domain.composing import move_rows, moving, together
from ledger.domain.custody import PACKS
from ledger.domain.moves import MovePack
from ledger.domain.orders import LINES_MAX
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.purchases import (
    DESPATCHES,
    ITEMS,
    PACK_PURCHASES,
    PURCHASE_ORDERS,
    Despatch,
    PackPurchase,
    PurchaseLine,
    PurchaseOrder,
)
from ledger.domain.transitions import place_of, state_of
from ledger.domain.world import Key, Keys, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (PURCHASE_ORDERS, DESPATCHES, PACK_PURCHASES)
FOLDS: tuple[type[Event], ...] = (PackOrdered, PackCommissioned)

UNITS_MAX = 1_000
"""Units of a purchase order: their ids stand in its row."""

# Commands ---------------------------------------------------------------------


class PlacePurchaseOrder(Command):
    """Order from a supplier; prices in minor units of `currency`, `due_at` in us."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})

    po_no: str
    supplier_id: str
    lines: tuple[PurchaseLine, ...]
    currency: str
    due_at: int
    title_holder_id: str = ""
    incoterm: str = ""
    occurred_at: int = 0


class CancelPurchaseOrder(Command):
    """End an order of which nothing came yet; two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    po_no: str
    reason: str
    occurred_at: int = 0


class AnnounceDespatch(Command):
    """The supplier sent packs of a purchase order; `serials` are theirs, in the same order."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "carrier"})

    asn_no: str
    po_no: str
    carrier_id: str
    pack_ids: tuple[str, ...]
    serials: tuple[str, ...] = ()
    un_no: str = ""
    un38_3_ref: str = ""
    soc_bp: int | None = None
    level: int = 1
    occurred_at: int = 0


PurchasingCommand = PlacePurchaseOrder | CancelPurchaseOrder | AnnounceDespatch

# Events -----------------------------------------------------------------------


class PurchaseOrderPlaced(Event):
    """Something was ordered from a supplier."""

    kind: ClassVar[str] = "purchase_order_placed"

    po_no: str
    supplier_id: str
    lines: tuple[PurchaseLine, ...]
    currency: str
    due_at: int
    title_holder_id: str = ""
    incoterm: str = ""


class PurchaseOrderCancelled(Event):
    """Nothing will come of an order."""

    kind: ClassVar[str] = "purchase_order_cancelled"

    po_no: str
    reason: str


class DespatchAnnounced(Event):
    """Packs of a purchase order are on their way, under a despatch advice."""

    kind: ClassVar[str] = "despatch_announced"

    asn_no: str
    po_no: str
    carrier_id: str
    pack_ids: tuple[str, ...]
    serials: tuple[str, ...] = ()
    un_no: str = ""
    un38_3_ref: str = ""


PurchasingEvent = (
    PurchaseOrderPlaced
    | PurchaseOrderCancelled
    | DespatchAnnounced
    | PackOrdered
    | PackCommissioned
)

# touches ----------------------------------------------------------------------


def touches(command: PurchasingCommand) -> Keys:
    """Read the order, and whom and what the command names."""
    order = touch(PURCHASE_ORDERS, command.po_no)
    match command:
        case PlacePurchaseOrder():
            return (
                order,
                touch(PARTIES, command.supplier_id),
                touch(PARTIES, command.title_holder_id),
            )
        case CancelPurchaseOrder():
            return (order,)
        case AnnounceDespatch():
            shipments = (assets.touches(one) for one in _shipments(command))
            return (
                order,
                touch(DESPATCHES, command.asn_no),
                *(touch(PACK_PURCHASES, pack_id) for pack_id in command.pack_ids),
                *(key for keys in shipments for key in keys),
            )
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: PurchasingCommand) -> Keys:
    """Read what the moves of the packs need."""
    match command:
        case PlacePurchaseOrder():
            return ()
        case CancelPurchaseOrder():
            order = world.get(PURCHASE_ORDERS, command.po_no)
            return () if order is None else _unit_rows(world, order, command)
        case AnnounceDespatch():
            shipments = (assets.follows(world, one) for one in _shipments(command))
            return tuple(key for keys in shipments for key in keys)
        case _ as unknown:
            assert_never(unknown)


def _unit_rows(world: World, order: PurchaseOrder, command: CancelPurchaseOrder) -> tuple[Key, ...]:
    packs = (touch(PACKS, unit_id) for unit_id in order.units())
    return *packs, *move_rows(world, [_step(unit_id, command) for unit_id in order.units()])


def _step(pack_id: str, command: CancelPurchaseOrder) -> MovePack:
    return MovePack(
        pack_id=pack_id,
        event="pack_order_cancelled",
        level=1,
        order_id=command.po_no if is_id(command.po_no) else "",
        reason=command.reason,
        occurred_at=command.occurred_at,
    )


def _shipments(command: AnnounceDespatch) -> list[AnnounceShipment]:
    return [
        AnnounceShipment(
            pack_id=pack_id,
            carrier_id=command.carrier_id,
            asn_no=command.asn_no,
            un_no=command.un_no,
            soc_bp=command.soc_bp,
            level=command.level,
            occurred_at=command.occurred_at,
        )
        for pack_id in command.pack_ids
    ]


# decide -----------------------------------------------------------------------


def decide(world: World, command: PurchasingCommand, request: Request) -> Outcome:
    """Place an order once, announce what is on it, cancel it while nothing came."""
    order = world.get(PURCHASE_ORDERS, command.po_no)
    if isinstance(command, PlacePurchaseOrder):
        return _place(world, command, order)
    if order is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"po_no": command.po_no[:40]})
    if order.is_cancelled:
        return Refusal(RefusalCode.ORDER_ENDED, {"po_no": order.po_no})
    match command:
        case CancelPurchaseOrder():
            return _cancel(world, order, command, request)
        case AnnounceDespatch():
            return _announce(world, order, command, request)
        case _ as unknown:
            assert_never(unknown)


def _place(world: World, command: PlacePurchaseOrder, known: PurchaseOrder | None) -> Outcome:
    if known is not None:
        return Refusal(RefusalCode.ORDER_EXISTS, {"po_no": known.po_no})
    faults = party_faults(world, command.supplier_id, "service")
    if command.title_holder_id:
        faults += party_faults(world, command.title_holder_id, "title_holder")
    field = _wrong_field(command)
    if field:
        faults.append(RefusalCode.ORDER_FIELD_INVALID)
    if faults:
        return refused(faults, {"po_no": command.po_no[:40], "field": field})
    fields = asdict(command)
    occurred_at = fields.pop("occurred_at")
    return (Draft(PurchaseOrderPlaced(**fields), occurred_at=occurred_at),)


def _wrong_field(command: PlacePurchaseOrder) -> str:
    numbers = [line.line for line in command.lines]
    tests = (
        (is_id(command.po_no), "po_no"),
        (command.currency in EXPONENTS, "currency"),
        (command.due_at > 0, "due_at"),
        (bool(numbers) and len(set(numbers)) == len(numbers), "lines"),
        (all(map(_is_line, command.lines)), "lines"),
        (sum(line.quantity for line in command.lines) <= UNITS_MAX, "quantity"),
    )
    return next((name for valid, name in tests if not valid), "")


def _is_line(line: PurchaseLine) -> bool:
    return (
        line.line > 0
        and line.item in ITEMS
        and is_id(line.item_class)
        and line.quantity > 0
        and 0 <= line.unit_price_minor <= QUANTITY_MAX // UNITS_MAX
    )


def _cancel(
    world: World, order: PurchaseOrder, command: CancelPurchaseOrder, request: Request
) -> Outcome:
    packs = [world.get(PACKS, unit_id) for unit_id in order.units()]
    came = [pack for pack in packs if pack is not None and state_of(pack.account) != "ORDERED"]
    if came:
        return Refusal(RefusalCode.WRONG_STATE, {"po_no": order.po_no, "pack": came[0].pack_id})
    event = PurchaseOrderCancelled(po_no=order.po_no, reason=command.reason)
    moves = (moving(world, _step(pack.pack_id, command), request) for pack in packs if pack)
    return together(moves, event, command.occurred_at)


def _announce(
    world: World, order: PurchaseOrder, command: AnnounceDespatch, request: Request
) -> Outcome:
    if world.get(DESPATCHES, command.asn_no) is not None:
        return Refusal(RefusalCode.ORDER_EXISTS, {"asn_no": command.asn_no[:40]})
    packs, serials = command.pack_ids, command.serials
    listed = bool(packs) and len(set(packs)) == len(packs) and len(set(serials)) == len(serials)
    tests = (
        (not set(order.units()).issuperset(packs), RefusalCode.NOT_ON_ORDER),
        (len(packs) > LINES_MAX, RefusalCode.TOO_MANY_PACKS),
        (not listed or len(serials) not in (0, len(packs)), RefusalCode.ORDER_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"asn_no": command.asn_no[:40], "po_no": order.po_no})
    event = DespatchAnnounced(
        asn_no=command.asn_no,
        po_no=order.po_no,
        carrier_id=command.carrier_id,
        pack_ids=packs,
        serials=serials,
        un_no=command.un_no,
        un38_3_ref=command.un38_3_ref,
    )
    moves = (assets.decide(world, one, request) for one in _shipments(command))
    return together(moves, event, command.occurred_at)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PurchasingEvent, _stamp: Stamp) -> None:
    """Keep orders and advices, and how each pack was bought."""
    match event:
        case PurchaseOrderPlaced():
            row = PurchaseOrder(**asdict(event))
            world.put(PURCHASE_ORDERS, event.po_no, row)
        case PurchaseOrderCancelled():
            row = replace(world.need(PURCHASE_ORDERS, event.po_no), is_cancelled=True)
            world.put(PURCHASE_ORDERS, event.po_no, row)
        case DespatchAnnounced():
            advice = Despatch(
                event.asn_no, event.po_no, event.carrier_id, event.pack_ids, event.serials
            )
            world.put(DESPATCHES, event.asn_no, advice)
            for pack_id in event.pack_ids:
                bought = world.get(PACK_PURCHASES, pack_id) or PackPurchase(pack_id)
                world.put(PACK_PURCHASES, pack_id, replace(bought, asn_no=event.asn_no))
        case PackOrdered():
            _bought(world, event)
        case PackCommissioned():
            bought = world.get(PACK_PURCHASES, event.pack_id) or PackPurchase(event.pack_id)
            bought = replace(bought, warranty_until=event.warranty_until)
            world.put(PACK_PURCHASES, event.pack_id, bought)
        case _ as unknown:
            assert_never(unknown)


def _bought(world: World, event: PackOrdered) -> None:
    bought = PackPurchase(
        pack_id=event.pack_id,
        po_no=event.po_no,
        line=event.line,
        supplier_id=place_of(event.account)[1][0],
        unit_price_minor=event.unit_price_minor,
        currency=event.currency,
    )
    world.put(PACK_PURCHASES, event.pack_id, bought)
    order = world.get(PURCHASE_ORDERS, event.po_no)
    if order is not None:
        world.put(PURCHASE_ORDERS, event.po_no, order.with_units(event.line, event.pack_id))


def postings(_event: PurchasingEvent) -> tuple[Posting, ...]:
    """An order moves nothing; its packs do."""
    return ()
