"""`charger` and `meter accept`: equipment from its order into a slot."""

import click
import msgspec

from ledger.domain.chargers import (
    CHARGERS,
    AcceptMeter,
    InstallCharger,
    OrderCharger,
    ReceiveCharger,
    ReturnCharger,
    VerifyCharger,
)
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, digest, fresh, many, moment, number, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table

_CHARGER = argument("charger_id", "CHARGER")
_REPORT = digest("--report", "report_sha256", "The report, or its SHA-256.", required=True)
_UNTIL = moment("--calibrated-until", "calibrated_until", "Until when it holds.", required=True)
_PASSED = click.Option(["--passed/--failed", "passed"], default=True, help="What was found.")

order = asks(
    "order",
    "Order a charger.",
    OrderCharger,
    "asset_manager",
    [
        fresh("--id", "charger_id", "CH"),
        text("--supplier", "supplier_id", "Who delivers.", required=True, metavar="PARTY"),
        number("--max-w", "max_w", "Its largest power in W.", required=True),
        text("--po", "po_no", "Number of the purchase order.", metavar="PO"),
        number("--line", "line", "Its line."),
        number("--price-minor", "unit_price_minor", "Its price, smallest unit."),
        text("--currency", "currency", "ISO 4217."),
    ],
    "charger_id",
)

receive = asks(
    "receive",
    "Take a charger into a depot.",
    ReceiveCharger,
    "depot_clerk",
    [
        _CHARGER,
        text("--depot", "depot_id", "Where.", required=True, metavar="PARTY"),
        text("--serial", "serial", "The maker's serial.", required=True),
        text("--condition", "condition", "How it looks."),
    ],
    "charger_id",
)

verify = asks(
    "verify",
    "Record the test of a charger.",
    VerifyCharger,
    "engineer",
    [
        _CHARGER,
        _PASSED,
        _REPORT,
        _UNTIL,
        number("--efficiency-25-bp", "efficiency_25_bp", "At a quarter of its load, in 0.01 %."),
        number("--efficiency-50-bp", "efficiency_50_bp", "At half its load."),
        number("--efficiency-100-bp", "efficiency_100_bp", "At full load."),
        number("--insulation-kohm", "insulation_kohm", "Insulation, in kOhm."),
        many("--protection", "protection_tests", "A protection that was tested."),
        text("--meter", "meter_id", "Its meter.", metavar="METER"),
        text("--firmware", "firmware", "Version of its program."),
    ],
    "charger_id",
)

install = asks(
    "install",
    "Build a verified charger into a slot.",
    InstallCharger,
    "engineer",
    [_CHARGER, argument("station_id", "STATION"), argument("slot", "SLOT")],
    "charger_id",
)

return_ = asks(
    "return",
    "Send a charger back to its supplier.",
    ReturnCharger,
    "asset_manager",
    [_CHARGER, text("--reason", "reason", "Why.", required=True)],
    "charger_id",
)

accept_meter = asks(
    "accept",
    "Record the test of a meter; two persons.",
    AcceptMeter,
    "engineer",
    [argument("meter_id", "METER"), _PASSED, _REPORT, _UNTIL],
    "meter_id",
)


@click.command(cls=Command, name="list")
@click.pass_obj
def list_(app: App) -> None:
    """List chargers and how far each came."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(CHARGERS)]
    rows = (
        (
            row.charger_id,
            row.stage,
            f"{row.max_w:,} W",
            f"{row.station_id} {row.slot}".strip() or row.depot_id,
        )
        for row in found
    )
    lines = table("", ("Charger", "Stage", "Power", "Where"), rows, right=(2,))
    app.console.answer([msgspec.to_builtins(row) for row in found], lines)
