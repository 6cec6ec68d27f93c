"""`purchase`: purchase orders, and what may be paid for them."""

import click
import msgspec

from ledger.domain.custody import PACKS, Pack
from ledger.domain.lots import DrawLotSample
from ledger.domain.purchases import PURCHASE_ORDERS, Match, PurchaseOrder, match_line
from ledger.domain.purchasing import CancelPurchaseOrder
from ledger.domain.transitions import state_of
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.wording import quantity_words, time_words

_NOT_HERE = frozenset({"ORDERED", "INBOUND", "CANCELLED"})

cancel = asks(
    "cancel",
    """Cancel a purchase order of which nothing came yet; two persons.

    Its packs are cancelled with it.
    """,
    CancelPurchaseOrder,
    "asset_manager",
    [argument("po_no", "PO"), text("--reason", "reason", "Why.", required=True)],
    "po_no",
)


sample = asks(
    "sample",
    """Draw which packs of a despatch are tested.

    In full, with their capacity; the others pass by inspection. All of them while the model is new,
    and from the first failure on. The seed is somebody else's number, so that nobody chooses.
    """,
    DrawLotSample,
    "engineer",
    [argument("asn_no", "ASN"), text("--seed", "seed", "The number drawn.", required=True)],
    "asn_no",
)


class Shown(msgspec.Struct, frozen=True):
    """What `show` tells: the order, and the three-way match of its lines."""

    po_no: str
    supplier_id: str
    currency: str
    due_at: str
    is_cancelled: bool
    lines: list[Match]
    units: tuple[str, ...]


def matched(reads: Reads, order: PurchaseOrder) -> list[Match]:
    """Hold each line of packs against what is received and verified."""
    found = []
    for line in order.lines:
        units = order.ordered.get(str(line.line), ())
        packs = (reads.row(PACKS, unit_id) for unit_id in units)
        stages = [_stage(pack) for pack in packs if pack is not None]
        found.append(match_line(order, line, stages))
    return found


def _stage(pack: Pack) -> tuple[bool, bool]:
    is_here = state_of(pack.account) not in _NOT_HERE
    return is_here, is_here and pack.verified


@click.command(cls=Command)
@click.argument("po_no", metavar="PO")
@click.pass_obj
def show(app: App, po_no: str) -> None:
    """Show a purchase order: ordered, received, verified, payable.

    Only verified packs are payable; the supplier's invoice is held against it.
    """
    with wiring.reading(app.settings) as reads:
        order = reads.row(PURCHASE_ORDERS, po_no)
        if order is None:
            raise NotFound(f"there is no purchase order {po_no[:40]}")
        lines = matched(reads, order)
    said = (
        ("purchase order", order.po_no),
        ("supplier", order.supplier_id),
        ("due", time_words(order.due_at)),
        ("state", "cancelled" if order.is_cancelled else "open"),
    )
    rows = (
        (
            str(line.line),
            line.item_class,
            str(line.ordered),
            str(line.received),
            str(line.verified),
            quantity_words(line.payable_minor, order.currency),
        )
        for line in lines
    )
    columns = ("Line", "Class", "Ordered", "Received", "Verified", "Payable")
    told = Shown(
        order.po_no,
        order.supplier_id,
        order.currency,
        as_text(order.due_at),
        order.is_cancelled,
        lines,
        order.units(),
    )
    app.console.answer(told, facts(said), "", table("", columns, rows, right=(0, 2, 3, 4, 5)))
