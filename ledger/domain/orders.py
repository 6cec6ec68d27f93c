"""Orders: what moves by carrier and work in a workshop answer to, as they stand now.

A move follows its order by itself: whatever carries a pack (`carrying.py`) marks the line of the
order too. An order has no stage beside its lines that could drift away from them.
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.transitions import Family
from ledger.domain.world import Key, Shelf, World, touch
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import RefusalCode

OVERDUE_AFTER_US = 24 * HOUR
"""Policy: so long after it was due a delivery is overdue."""

LINES_MAX = 64
"""Packs of one order: each of its entries holds them all."""

# Stages of a line
ORDERED = "ORDERED"
IN_TRANSIT = "IN_TRANSIT"
ARRIVED = "ARRIVED"
OVERDUE = "OVERDUE"
LOST = "LOST"
CANCELLED = "CANCELLED"

_UNDER_WAY = frozenset({ORDERED, IN_TRANSIT})
_ENDINGS = {Family.SUS: OVERDUE, Family.MIS: LOST}


class OrderLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pack of a transfer order, and how far it came."""

    pack_id: str
    stage: str = ORDERED


class TransferOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packs that a carrier shall bring from one custody account to another until `due_at` (us).

    `seal_no` is the seal that the load left with, or shall leave with.
    """

    order_id: str
    from_account: str
    to_account: str
    carrier_id: str
    due_at: int
    lines: tuple[OrderLine, ...]
    vehicle: str = ""
    seal_no: str = ""
    dangerous_goods_doc: str = ""

    @property
    def stage(self) -> str:
        """OPEN until the first pack left, UNDER_WAY until the last one's way ended, then CLOSED."""
        stages = {line.stage for line in self.lines}
        if not stages & _UNDER_WAY:
            return "CLOSED"
        return "OPEN" if stages <= {ORDERED, CANCELLED} else "UNDER_WAY"

    def stage_of(self, pack_id: str) -> str:
        """Give how far a pack came, "" when it is not on the order."""
        return next((line.stage for line in self.lines if line.pack_id == pack_id), "")

    def packs_in(self, *stages: str) -> tuple[str, ...]:
        """List the packs whose lines are in one of the stages."""
        return tuple(line.pack_id for line in self.lines if line.stage in stages)

    def marked(self, stage: str, *pack_ids: str) -> "TransferOrder":
        """Bring the lines of packs to a stage."""
        lines = (
            replace(line, stage=stage) if line.pack_id in pack_ids else line for line in self.lines
        )
        return replace(self, lines=tuple(lines))


def _order_list(order: TransferOrder) -> str:
    return "closed" if order.stage == "CLOSED" else "open"


TRANSFER_ORDERS = Shelf("transfer_orders", TransferOrder, listed_by=_order_list)


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One part that was changed: its code, what came out and what went in."""

    code: str
    serial_old: str = ""
    serial_new: str = ""


class WorkOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job of a workshop on a pack, a charger, a slot or a station, whichever is named."""

    work_order_id: str
    workshop_id: str
    opened_at: int
    stage: str = "OPEN"
    pack_id: str = ""
    charger_id: str = ""
    station_id: str = ""
    slot: str = ""
    fault_codes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    labour_min: int = 0
    cost_minor: int = 0
    currency: str = ""

    @property
    def is_open(self) -> bool:
        """Whether work goes on."""
        return self.stage not in WORK_ENDINGS

    def new_bms(self) -> str:
        """Give the serial of the management system that was put in last, "" for none."""
        return next((part.serial_new for part in reversed(self.parts) if part.code == BMS), "")


BMS = "BMS"
"""Code of the part that is a pack's management system."""

WORK_ENDINGS = ("RELEASED", "SCRAPPED", "CANCELLED")

WORK_ORDERS = Shelf(
    "work_orders", WorkOrder, listed_by=lambda row: "open" if row.is_open else "closed"
)


class PackWork(msgspec.Struct, frozen=True, omit_defaults=True):
    """The open work order of a pack, "" for none."""

    pack_id: str
    work_order_id: str = ""


PACK_WORK = Shelf("pack_work", PackWork)

# Moves --------------------------------------------------------------------------


def order_rows(event: str, pack_id: str, order_id: str) -> tuple[Key, ...]:
    """Name the rows of the order that a move answers to."""
    if event in ("sent_to_workshop", "released_from_workshop"):
        work = touch(PACK_WORK, pack_id)
        return (work, touch(WORK_ORDERS, order_id)) if order_id else (work,)
    return (touch(TRANSFER_ORDERS, order_id),) if order_id else ()


def shipping_faults(
    world: World, order_id: str, pack_id: str, carrier_id: str, account: str
) -> list[RefusalCode]:
    """Tell what keeps a carrier from taking a pack that stands at an account on an order."""
    order = world.get(TRANSFER_ORDERS, order_id)
    if order is None:
        return [RefusalCode.ORDER_UNKNOWN]
    stage = order.stage_of(pack_id)
    fits = stage not in ("", CANCELLED, ARRIVED) and order.carrier_id == carrier_id
    tests = (
        (not fits, RefusalCode.NOT_ON_ORDER),
        (stage == ORDERED and order.from_account != account, RefusalCode.WRONG_PLACE),
    )
    return [code for failed, code in tests if failed]


def workshop_faults(world: World, order_id: str, pack_id: str) -> list[RefusalCode]:
    """Tell what keeps a pack from going to a workshop on a work order; none named asks nothing."""
    if not order_id:
        return []
    order = world.get(WORK_ORDERS, order_id)
    if order is None:
        return [RefusalCode.ORDER_UNKNOWN]
    tests = (
        (order.pack_id != pack_id, RefusalCode.NOT_ON_ORDER),
        (not order.is_open, RefusalCode.ORDER_ENDED),
    )
    return [code for failed, code in tests if failed]


def follow_order(world: World, order_id: str, pack_id: str, target: Family) -> None:
    """Mark on a transfer order, where there is one, that a pack came on its way or off it."""
    order = world.get(TRANSFER_ORDERS, order_id)
    if order is not None:
        stage = IN_TRANSIT if target is Family.TRN else _ENDINGS.get(target, ARRIVED)
        world.put(TRANSFER_ORDERS, order_id, order.marked(stage, pack_id))
