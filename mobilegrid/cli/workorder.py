"""`workorder`: work on packs, chargers, slots and stations."""

from typing import Any

import click
import msgspec

from ledger.domain.moves import MovePack
from ledger.domain.orders import WORK_ENDINGS, WORK_ORDERS, Part, WorkOrder
from ledger.domain.workshop import (
    STAGES,
    AdvanceWorkOrder,
    CloseWorkOrder,
    OpenWorkOrder,
    RecordRepair,
)
from ledger.kernel.errors import NotFound
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    digest,
    fresh,
    many,
    number,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table

_ORDER = argument("work_order_id", "WORKORDER")
_LEVEL = number("--level", "level", "Evidence level, 0 to 5.", default=2, show_default=True)


def _repair(given: dict[str, Any]) -> RecordRepair:
    parts = []
    for part in given.pop("parts"):
        code, _, serials = part.partition("=")
        old, _, new = serials.partition(":")
        parts.append(Part(code, old, new))
    return RecordRepair(**given, parts=tuple(parts))


open_ = asks(
    "open",
    """Open a work order on one thing.

    A pack, a charger, a station, or a slot of a station.
    """,
    OpenWorkOrder,
    "workshop",
    [
        fresh("--id", "work_order_id", "WO"),
        text("--workshop", "workshop_id", "Who works.", required=True, metavar="PARTY"),
        many("--fault", "fault_codes", "Code of a fault.", metavar="CODE"),
        text("--pack", "pack_id", "The pack.", metavar="PACK"),
        text("--charger", "charger_id", "The charger.", metavar="CHARGER"),
        text("--station", "station_id", "The station.", metavar="STATION"),
        text("--slot", "slot", "The slot of the station.", metavar="SLOT"),
    ],
    "work_order_id",
)


def _send(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            order = _known(reads, given["work_order_id"])
        move = MovePack(
            pack_id=order.pack_id,
            event="sent_to_workshop",
            level=given["level"],
            holder_id=order.workshop_id,
            order_id=order.work_order_id,
            occurred_at=acting.at,
        )
        made = ask(ledger, move, acting)
    tell(app, "MovePack", order.pack_id, made)


send = Command(
    "send",
    params=[_ORDER, _LEVEL, *acting_parameters("depot_clerk")],
    callback=_send,
    help="""Send the pack of a work order to its workshop.

    From a depot (role depot_clerk) or from a station (role operator).
    """,
)

advance = asks(
    "advance",
    """Say at which stage the work is, and what was found.""",
    AdvanceWorkOrder,
    "workshop",
    [
        _ORDER,
        click.Argument(["stage"], type=click.Choice(STAGES)),
        many("--finding", "findings", "What was found."),
    ],
    "work_order_id",
)

repair = asks(
    "repair",
    """Record parts, labour and cost of a repair.

    A part is CODE, or CODE=OLD:NEW with the serials that came out and went in. The code BMS is the
    pack's management system: it must be enrolled anew before the pack may leave.
    """,
    _repair,
    "workshop",
    [
        _ORDER,
        many("--part", "parts", "A part that was changed.", metavar="PART"),
        number("--labour-min", "labour_min", "Minutes of work."),
        number("--cost-minor", "cost_minor", "Cost in the smallest unit of the currency."),
        text("--currency", "currency", "ISO 4217.", metavar="CODE"),
    ],
    "work_order_id",
)

release = asks(
    "release",
    """Close a work order; two persons.

    A pack in the workshop goes to the depot, when its report is there, its health was assessed
    since the work began, and no hold on charging is left.
    """,
    CloseWorkOrder,
    "workshop",
    [
        _ORDER,
        click.Option(
            ["--outcome"],
            type=click.Choice(WORK_ENDINGS),
            default=WORK_ENDINGS[0],
            show_default=True,
            help="How it ended.",
        ),
        digest("--report", "report_sha256", "The test report, or its SHA-256."),
        text("--depot", "depot_id", "Where a released pack goes.", metavar="PARTY"),
        _LEVEL,
        text("--attestation", "attestation_sha256", "Digest of the pack's own answer."),
    ],
    "work_order_id",
)


@click.command(cls=Command)
@click.argument("work_order_id", metavar="WORKORDER")
@click.pass_obj
def show(app: App, work_order_id: str) -> None:
    """Show a work order with its parts."""
    with wiring.reading(app.settings) as reads:
        order = _known(reads, work_order_id)
    at = order.pack_id or order.charger_id or f"{order.station_id} {order.slot}".strip()
    said = (
        ("work order", order.work_order_id),
        ("stage", order.stage),
        ("on", at),
        ("workshop", order.workshop_id),
        ("faults", ", ".join(order.fault_codes) or "none named"),
        ("labour", f"{order.labour_min} min"),
        ("cost", f"{order.cost_minor} {order.currency}".strip()),
    )
    rows = ((part.code, part.serial_old, part.serial_new) for part in order.parts)
    parts = table("", ("Part", "Came out", "Went in"), rows)
    app.console.answer(msgspec.to_builtins(order), facts(said), "", parts)


def _known(reads: Reads, work_order_id: str) -> WorkOrder:
    order = reads.row(WORK_ORDERS, work_order_id)
    if order is None:
        raise NotFound(f"there is no work order {work_order_id[:40]}")
    return order
