"""`settle`: closing periods, statements, bills."""

from pathlib import Path

import click
import msgspec

from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.invoices import InvoiceIssued
from ledger.domain.money.settlement import StatementIssued
from ledger.domain.money.settlement_rows import Amounts, Statement
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text
from ledger.kernel.postings import WH
from ledger.kernel.quantities import kwh_text
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.signed_documents import signed_option, write_signed
from mobilegrid.cli.wording import (
    kind_words,
    percent,
    rate_words,
    span_words,
    time_words,
    unit_words,
    used_words,
)

FINANCE = "finance-desk"


@click.command(cls=Command)
@click.argument("period")
@click.option("--operator", default="", metavar="ID", help="Only this operator's statement.")
@click.option(
    "--act-as", default=FINANCE, show_default=True, metavar="ID", help="Who closes the period."
)
@click.option(
    "--approve-as", required=True, metavar="ID", help="The second person, who checked it."
)
@click.pass_obj
def close(app: App, period: str, operator: str, act_as: str, approve_as: str) -> None:
    """Close a period: a statement for each operator.

    PERIOD is a month, YYYY-MM, or a day, YYYY-MM-DD, in the ledger's zone; it covers the entries
    recorded in it. Every driver gets an invoice as well. Closing again adds nothing.
    """
    actor = Actor(id=act_as, role="finance", second_person=approve_as)
    now = wiring.CLOCK.now()
    with wiring.open_ledger(app.settings) as ledger, app.console.bars() as progress:
        closed = settling.close_period(
            ledger, period, actor=actor, at=now, partner_id=operator, progress=progress
        )
    app.console.answer(
        closed,
        f"{closed.period}: {len(closed.statements):,} statements and "
        f"{len(closed.invoices):,} invoices issued",
        *(f"  {name}" for name in closed.statements),
    )


# Statements -------------------------------------------------------------------


@click.command(cls=Command)
@click.argument("operator")
@click.argument("period")
@click.option(
    "--lines",
    "line_count",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many lines to print; the sums are over all of them.",
)
@signed_option
@click.pass_obj
def statement(app: App, operator: str, period: str, line_count: int, signed: Path | None) -> None:
    """Show an operator's statement.

    It is calculated once more from its entries; a difference is evidence, exit code 3. With
    --signed it is written as a document that anybody can check offline, with the document keys.
    """
    with wiring.reading(app.settings) as reads:
        view = settling.statement(reads, operator, period)
    if not view.agrees:
        raise ReplayDiffers(f"the lines of {view.statement.statement_id} are not what was issued")
    if signed is not None:
        write_signed(app, lambda ledger: _issued_at(ledger, view.statement), signed)
    app.console.answer(view, *_statement_text(view, line_count))


def _issued_at(ledger: Ledger, said: Statement) -> list[int]:
    with ledger.reading() as reads:
        found = reads.entries(said.to_position + 1, None, (StatementIssued.kind,))
        return [
            each.envelope.position
            for each in found
            if isinstance(each.event, StatementIssued)
            and each.event.statement_id == said.statement_id
        ]


def _statement_text(view: settling.StatementView, line_count: int) -> list[object]:
    said = view.statement
    sums = [(f"sums in {each.currency}", _sums(each)) for each in said.calculation.amounts]
    head = (
        ("statement", said.statement_id),
        ("operator", said.partner_id),
        ("period", f"{said.period}, positions {said.from_position + 1} to {said.to_position}"),
        ("lines", f"{said.calculation.line_count:,}"),
        ("energy", f"{kwh_text(said.calculation.energy_wh)} kWh"),
        *sums,
        ("lines root", said.calculation.lines_root),
    )
    rows = [
        (
            str(line.position),
            time_words(line.service_start_at),
            line.station,
            line.swap or line.charging_session,
            kwh_text(line.energy_wh),
            _net(
                line.energy_net_minor + line.service_net_minor + line.fee_net_minor, line.currency
            ),
            _net(line.share_minor, line.currency),
        )
        for line in view.lines[:line_count]
    ]
    columns = ("Entry", "Began", "Station", "Usage", "kWh", "Net", "Share")
    rest = len(view.lines) - len(rows)
    shown: list[object] = [facts(head)]
    if rows:
        shown += ["", table("Lines", columns, rows, right=(0, 4, 5, 6))]
    if rest > 0:
        shown.append(f"and {rest:,} more; all of them: --json or `export statement`")
    return shown


def _sums(each: Amounts) -> str:
    energy, service, fees, share = (
        amount_text(minor, each.currency)
        for minor in (
            each.energy_net_minor,
            each.service_net_minor,
            each.fee_net_minor,
            each.share_minor,
        )
    )
    return f"energy {energy}, service {service}, fees {fees}, net of tax; share {share}"


def _net(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"


# Bills ------------------------------------------------------------------------


class Usage(msgspec.Struct, frozen=True):
    """One usage on a driver's bill: the position of its entry, when it began, and the event."""

    position: int
    valid_at: int
    event: UsageAccrued


class Bill(msgspec.Struct, frozen=True):
    """A driver's bill as `settle bill` gives it in JSON."""

    driver_id: str
    period: str
    usages: list[Usage]
    invoices: list[InvoiceIssued]


@click.command(cls=Command)
@click.argument("driver")
@click.argument("period")
@signed_option
@click.pass_obj
def bill(app: App, driver: str, period: str, signed: Path | None) -> None:
    """Show a driver's itemised bill.

    Every line names the entry it comes from; invoices stand at the end once the period is closed.
    With --signed they are written as documents that anybody can check offline.
    """
    with wiring.reading(app.settings) as reads:
        view = settling.bill(reads, driver, period)
    usages = [
        Usage(each.envelope.position, each.envelope.valid_at, each.event)
        for each in view.usages
        if isinstance(each.event, UsageAccrued)
    ]
    if signed is not None:
        write_signed(app, lambda ledger: _invoiced_at(ledger, view), signed)
    rows = [row for usage in usages for row in _usage_rows(usage)]
    columns = ("Entry", "When", "What", "Quantity", "Rate", "Tariff", "Net")
    app.console.answer(
        Bill(driver, period, usages, view.invoices),
        table(f"Driver {driver}, {period}", columns, rows, right=(0, 3, 4, 6)),
        "",
        *(facts(_invoice_facts(each)) for each in view.invoices),
        *([] if view.invoices else ["Not invoiced yet: close the period first."]),
    )


def _invoiced_at(ledger: Ledger, view: settling.BillView) -> list[int]:
    numbers = {each.invoice_no for each in view.invoices}
    after = view.usages[-1].envelope.position
    with ledger.reading() as reads:
        return [
            each.envelope.position
            for each in reads.entries(after + 1, None, (InvoiceIssued.kind,))
            if isinstance(each.event, InvoiceIssued) and each.event.invoice_no in numbers
        ]


def _usage_rows(usage: Usage) -> list[tuple[str, ...]]:
    event = usage.event
    head = (
        str(usage.position),
        time_words(usage.valid_at),
        f"{kind_words(event.usage_kind)} {event.usage_id} at {event.station_id}",
        used_words(event.energy_wh, WH),
        "",
        "",
        _net(event.net_minor, event.currency),
    )
    lines = [
        (
            "",
            f"  {span_words(line.service_start_at, line.service_end_at)}",
            f"  {line.component.lower()}",
            used_words(line.quantity, line.unit),
            f"{rate_words(line.rate_micro)} {event.currency}/{unit_words(line.unit)}",
            f"{event.tariff_id} v{line.tariff_version} (#{line.tariff_position})",
            _net(line.net_minor, event.currency),
        )
        for line in event.lines
    ]
    return [head, *lines]


def _invoice_facts(invoice: InvoiceIssued) -> list[tuple[str, str]]:
    currency = invoice.currency
    taxes = [
        (
            f"tax {tax.country} {tax.category} {percent(tax.rate_bp)}",
            f"{_net(tax.tax_minor, currency)} on {_net(tax.net_minor, currency)}",
        )
        for tax in invoice.taxes
    ]
    sold_by = [("sold by", invoice.seller.name)] if invoice.seller else []
    return [
        *sold_by,
        ("invoice", f"{invoice.invoice_no} of {invoice.issued_on}, due {invoice.due_on}"),
        ("net", _net(invoice.net_minor, currency)),
        *taxes,
        ("to pay", _net(invoice.gross_minor, currency)),
        ("lines", f"{invoice.line_count:,}, root {invoice.lines_root}"),
    ]
