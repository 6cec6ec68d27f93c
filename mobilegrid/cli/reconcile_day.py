"""`reconcile day`: books and bank as both stood at the end of a day."""

import click
import msgspec

from ledger.domain.money.reconciling_compare import LegResult
from ledger.kernel.money import amount_text
from ledger.runtime.reconciliation_day import bank_days
from mobilegrid import wiring
from mobilegrid.cli.bank_files import reader_of
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table


class DayAnswer(msgspec.Struct, frozen=True):
    """The answer of `reconcile day` in JSON."""

    on: str
    accounts: list[LegResult]


@click.command("day", cls=Command)
@click.argument("on", metavar="DAY")
@click.pass_obj
def day(app: App, on: str) -> None:
    """Compare our books with the bank at the end of a DAY.

    Both as they stood then, whenever they were told of it. Nothing is kept and no break is opened:
    `run` does that. Exit code 1 when an account does not agree.
    """
    with wiring.reading(app.settings) as reads:
        legs = bank_days(reads, on, reader_of(app))
    rows = [
        (
            leg.scope,
            amount_text(leg.ledger_closing, leg.currency),
            amount_text(sum(one.amount_minor for one in leg.differences), leg.currency),
            amount_text(leg.residual_minor, leg.currency),
            amount_text(leg.external_closing, leg.currency),
            leg.currency,
        )
        for leg in legs
    ]
    columns = ("Account", "Our books", "Differences", "Residual", "Bank", "")
    named = [
        f"{one.scope}: {one.reference} since {one.since_on}, "
        f"{amount_text(one.amount_minor, one.currency)} {one.currency}"
        for leg in legs
        for one in leg.differences
    ]
    named += [f"INCOMPLETE: {words}" for leg in legs for words in leg.faults]
    told = table(f"Books and bank at the end of {on}", columns, rows, right=(1, 2, 3, 4))
    app.console.answer(DayAnswer(on, legs), told, *named)
    if any(leg.differences or leg.faults or leg.residual_minor for leg in legs):
        raise click.exceptions.Exit(1)
