"""`transfer`: packs that a carrier brings from one place to another, on an order."""

import click
import msgspec

from ledger.domain.loads import DispatchTransfer, ReceiveTransfer, ReportTransferLoss
from ledger.domain.logistics import CancelTransferOrder, CreateTransferOrder
from ledger.domain.orders import TRANSFER_ORDERS, TransferOrder
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    argument,
    asks,
    digest,
    fresh,
    many,
    moment,
    number,
    packs,
    pairs,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.wording import place_words, time_words

_ORDER = argument("order_id", "ORDER")
_LEVEL = number("--level", "level", "Evidence level, 0 to 5.", default=2, show_default=True)

create = asks(
    "create",
    """Order packs brought from one custody account to another.

    At most 64 packs. Accounts are written as `balance` shows them, such as
    Packs:Depot:DE-1:Stored or Packs:Station:ST-1:Staged.
    """,
    CreateTransferOrder,
    "depot_clerk",
    [
        packs(),
        fresh("--id", "order_id", "TO"),
        text("--from", "from_account", "Where they are.", required=True, metavar="ACCOUNT"),
        text("--to", "to_account", "Where they shall go.", required=True, metavar="ACCOUNT"),
        text("--carrier", "carrier_id", "Who brings them.", required=True, metavar="PARTY"),
        moment("--due", "due_at", "When they shall be there.", required=True),
        text("--vehicle", "vehicle", "With which vehicle."),
        text("--seal", "seal_no", "Number of the seal."),
        text("--dangerous-goods", "dangerous_goods_doc", "Number of the transport document."),
    ],
    "order_id",
)

dispatch = asks(
    "dispatch",
    """Send packs of an order off.

    Two persons: who gives them (--by) and who takes them (--second), each with his own scan.
    """,
    DispatchTransfer,
    "depot_clerk",
    [
        _ORDER,
        packs(),
        digest("--scan", "scan_sha256", "The sender's scan, or its SHA-256.", required=True),
        digest("--carrier-scan", "carrier_scan_sha256", "The carrier's scan.", required=True),
        text("--seal", "seal_no", "Number of the seal, where another one was put on."),
        pairs("--soc", "socs_bp", "State of charge read at the gate, in 0.01 %."),
        text(
            "--second-role",
            "second_role",
            "In which role the second person acts.",
            default="carrier",
            show_default=True,
            metavar="ROLE",
        ),
        _LEVEL,
    ],
    "order_id",
)

receive = asks(
    "receive",
    """Receive packs of an order, all or some of them.

    A broken seal, and whatever is in the load and not on the order, opens a case.
    """,
    ReceiveTransfer,
    "depot_clerk",
    [
        _ORDER,
        packs(required=False),
        digest("--scan", "scan_sha256", "The scan, or its SHA-256.", required=True),
        text("--seal", "seal_no", "Number on the seal."),
        click.Option(
            ["--seal-intact/--seal-broken", "seal_is_intact"],
            default=True,
            help="How the seal was found.",
        ),
        many("--surplus", "surplus", "Code of something that is not on the order.", metavar="CODE"),
        text("--waybill", "waybill", "Number of the waybill, at a recycler."),
        pairs("--mass", "masses_g", "Mass in g, at a recycler."),
        _LEVEL,
    ],
    "order_id",
)

loss = asks(
    "loss",
    """Report packs of an order as lost.

    They go to a missing account, each with a case.
    """,
    ReportTransferLoss,
    "carrier",
    [
        _ORDER,
        packs(),
        text("--report", "report_no", "Number of the report.", required=True),
        number("--level", "level", "Evidence level.", default=1, show_default=True),
    ],
    "order_id",
)

cancel = asks(
    "cancel",
    """Cancel what did not leave yet.

    What is on its way stays on the order.
    """,
    CancelTransferOrder,
    "depot_clerk",
    [_ORDER, text("--reason", "reason", "Why.", required=True)],
    "order_id",
)


class Line(msgspec.Struct, frozen=True):
    """One order in the list."""

    order_id: str
    stage: str
    packs: int
    from_account: str
    to_account: str
    due_at: str


def _line(order: TransferOrder) -> Line:
    return Line(
        order.order_id,
        order.stage,
        len(order.lines),
        order.from_account,
        order.to_account,
        as_text(order.due_at),
    )


@click.command(cls=Command, name="list")
@click.option("--all", "is_all", is_flag=True, help="Closed ones too.")
@click.pass_obj
def list_(app: App, *, is_all: bool) -> None:
    """List transfer orders that are not closed."""
    with wiring.reading(app.settings) as reads:
        listed = None if is_all else "open"
        lines = [_line(order) for _, order in reads.rows(TRANSFER_ORDERS, listed=listed)]
    rows = (
        (
            line.order_id,
            line.stage,
            str(line.packs),
            place_words(line.from_account),
            place_words(line.to_account),
            line.due_at,
        )
        for line in lines
    )
    columns = ("Order", "Stage", "Packs", "From", "To", "Due")
    app.console.answer(lines, table("", columns, rows, right=(2,)))


@click.command(cls=Command)
@click.argument("order_id", metavar="ORDER")
@click.pass_obj
def show(app: App, order_id: str) -> None:
    """Show a transfer order and how far each of its packs came."""
    with wiring.reading(app.settings) as reads:
        order = reads.row(TRANSFER_ORDERS, order_id)
    if order is None:
        raise NotFound(f"there is no transfer order {order_id[:40]}")
    said = (
        ("order", order.order_id),
        ("stage", order.stage),
        ("from", place_words(order.from_account)),
        ("to", place_words(order.to_account)),
        ("carrier", order.carrier_id),
        ("due", time_words(order.due_at)),
        ("seal", order.seal_no or "none"),
    )
    rows = ((line.pack_id, line.stage) for line in order.lines)
    shown = msgspec.to_builtins(order) | {"stage": order.stage}
    app.console.answer(shown, facts(said), "", table("", ("Pack", "Stage"), rows))
