"""Logistics: transfer orders. What leaves and arrives on them is in `loads.py`.

An order names its packs, the carrier, both ends and when it is due. It has no stage of its own:
the moves of its packs mark its lines (`orders.py`), so that both can never differ.
"""

from typing import ClassVar, assert_never

from ledger.domain.access import refused
from ledger.domain.custody import PACKS
from ledger.domain.orders import (
    CANCELLED,
    LINES_MAX,
    ORDERED,
    TRANSFER_ORDERS,
    OrderLine,
    TransferOrder,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import faults_at, rows_at
from ledger.domain.transitions import TERMINAL, Family, split_account, state_of
from ledger.domain.world import Keys, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (TRANSFER_ORDERS,)
FOLDS: tuple[type[Event], ...] = ()

_FROM = frozenset({Family.DST, Family.STG, Family.WSH, Family.SL2, Family.DRV})
_TO = frozenset({Family.DST, Family.STG, Family.WSH, Family.SL2, Family.RCY})
_STAFF = frozenset({"depot_clerk", "operator", "workshop", "asset_manager"})

# Commands ---------------------------------------------------------------------


class CreateTransferOrder(Command):
    """Order packs brought from one custody account to another until `due_at` (us)."""

    roles: ClassVar[frozenset[str]] = _STAFF

    order_id: str
    from_account: str
    to_account: str
    carrier_id: str
    pack_ids: tuple[str, ...]
    due_at: int
    vehicle: str = ""
    seal_no: str = ""
    dangerous_goods_doc: str = ""
    occurred_at: int = 0


class CancelTransferOrder(Command):
    """What did not leave yet shall not leave any more."""

    roles: ClassVar[frozenset[str]] = _STAFF

    order_id: str
    reason: str
    occurred_at: int = 0


LogisticsCommand = CreateTransferOrder | CancelTransferOrder

# Events -----------------------------------------------------------------------


class TransferOrdered(Event):
    """Packs shall go from one custody account to another, by carrier, until `due_at` (us)."""

    kind: ClassVar[str] = "transfer_ordered"

    order_id: str
    from_account: str
    to_account: str
    carrier_id: str
    pack_ids: tuple[str, ...]
    due_at: int
    vehicle: str = ""
    seal_no: str = ""
    dangerous_goods_doc: str = ""


class TransferCancelled(Event):
    """Packs of an order stay where they are."""

    kind: ClassVar[str] = "transfer_cancelled"

    order_id: str
    pack_ids: tuple[str, ...]
    reason: str


LogisticsEvent = TransferOrdered | TransferCancelled

# touches ----------------------------------------------------------------------


def touches(command: LogisticsCommand) -> Keys:
    """Read the order, its packs, its carrier and both ends."""
    order = touch(TRANSFER_ORDERS, command.order_id)
    if isinstance(command, CancelTransferOrder):
        return (order,)
    return (
        order,
        touch(PARTIES, command.carrier_id),
        *rows_at(command.to_account, ""),
        *(touch(PACKS, pack_id) for pack_id in command.pack_ids),
    )


def follows(_world: World, _command: LogisticsCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: LogisticsCommand, request: Request) -> Outcome:
    """Open an order once; cancel what did not leave yet."""
    order = world.get(TRANSFER_ORDERS, command.order_id)
    match command:
        case CreateTransferOrder():
            if order is not None:
                return Refusal(RefusalCode.ORDER_EXISTS, {"order": order.order_id})
            return _create(world, command, request)
        case CancelTransferOrder():
            if order is None:
                return Refusal(RefusalCode.ORDER_UNKNOWN, {"order": command.order_id[:40]})
            return _cancel(order, command)
        case _ as unknown:
            assert_never(unknown)


def _create(world: World, command: CreateTransferOrder, request: Request) -> Outcome:
    event = TransferOrdered(
        order_id=command.order_id,
        from_account=command.from_account,
        to_account=command.to_account,
        carrier_id=command.carrier_id,
        pack_ids=command.pack_ids,
        due_at=command.due_at,
        vehicle=command.vehicle,
        seal_no=command.seal_no,
        dangerous_goods_doc=command.dangerous_goods_doc,
    )
    field = _wrong_field(command, command.occurred_at or request.at)
    faults = party_faults(world, command.carrier_id, "carrier")
    faults += _pack_faults(world, command.pack_ids)
    if field:
        faults.append(RefusalCode.ORDER_FIELD_INVALID)
    else:
        faults += faults_at(world, command.to_account, "")
    if faults:
        return refused(faults, {"order": command.order_id[:40], "field": field})
    return (Draft(event, occurred_at=command.occurred_at),)


def _wrong_field(command: CreateTransferOrder, at: int) -> str:
    ends = split_account(command.from_account), split_account(command.to_account)
    tests = (
        (is_id(command.order_id), "order_id"),
        (ends[0] is not None and ends[0][0] in _FROM, "from_account"),
        (ends[1] is not None and ends[1][0] in _TO, "to_account"),
        (command.from_account != command.to_account, "to_account"),
        (bool(command.pack_ids), "pack_ids"),
        (len(set(command.pack_ids)) == len(command.pack_ids), "pack_ids"),
        (command.due_at > at, "due_at"),
    )
    return next((name for valid, name in tests if not valid), "")


def _pack_faults(world: World, pack_ids: tuple[str, ...]) -> list[RefusalCode]:
    packs = [world.get(PACKS, pack_id) for pack_id in pack_ids]
    tests = (
        (None in packs, RefusalCode.UNKNOWN_PACK),
        (
            any(pack is not None and state_of(pack.account) in TERMINAL for pack in packs),
            RefusalCode.PACK_ENDED,
        ),
        (len(packs) > LINES_MAX, RefusalCode.TOO_MANY_PACKS),
    )
    return [code for failed, code in tests if failed]


def _cancel(order: TransferOrder, command: CancelTransferOrder) -> Outcome:
    waiting = order.packs_in(ORDERED)
    if not waiting:
        return Refusal(RefusalCode.ORDER_ENDED, {"order": order.order_id, "stage": order.stage})
    event = TransferCancelled(order_id=order.order_id, pack_ids=waiting, reason=command.reason)
    return (Draft(event, occurred_at=command.occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LogisticsEvent, _stamp: Stamp) -> None:
    """Keep the order; its moves mark its lines by themselves (`orders.py`)."""
    match event:
        case TransferOrdered():
            row = TransferOrder(
                order_id=event.order_id,
                from_account=event.from_account,
                to_account=event.to_account,
                carrier_id=event.carrier_id,
                due_at=event.due_at,
                lines=tuple(OrderLine(pack_id) for pack_id in event.pack_ids),
                vehicle=event.vehicle,
                seal_no=event.seal_no,
                dangerous_goods_doc=event.dangerous_goods_doc,
            )
            world.put(TRANSFER_ORDERS, event.order_id, row)
        case TransferCancelled():
            order = world.need(TRANSFER_ORDERS, event.order_id)
            row = order.marked(CANCELLED, *event.pack_ids)
            world.put(TRANSFER_ORDERS, event.order_id, row)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: LogisticsEvent) -> tuple[Posting, ...]:
    """An order moves nothing; the carrier does."""
    return ()
