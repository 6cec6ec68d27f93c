"""`settle rents`: what title holders and banks are owed for the days of packs."""

import click
import msgspec

from ledger.domain.money.pack_dues import PackDuesAccrued
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text
from ledger.runtime.pack_dues import accrue_pack_dues
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.settle import FINANCE


class Rents(msgspec.Struct, frozen=True):
    """The new entries of a period, as `settle rents` gives them in JSON."""

    period: str
    accrued: list[PackDuesAccrued]


@click.command(cls=Command)
@click.argument("period")
@click.option("--act-as", default=FINANCE, show_default=True, metavar="ID", help="Who asks for it.")
@click.pass_obj
def rents(app: App, period: str, act_as: str) -> None:
    """Owe rents to title holders and instalments to banks for a period.

    PERIOD is a month, YYYY-MM, or a day, YYYY-MM-DD, in the zone of each contract. Days are counted
    twice from the log. They stand on the statement that covers today. Asked again it adds nothing;
    `settle close` does the same first.
    """
    with wiring.open_ledger(app.settings) as ledger:
        actor, now = Actor(id=act_as, role="finance"), wiring.CLOCK.now()
        positions = accrue_pack_dues(ledger, period, actor=actor, at=now)
        with ledger.reading() as reads:
            found = [one.event for one in reads.at_positions(positions)]
    accrued = [one for one in found if isinstance(one, PackDuesAccrued)]
    rows = (
        (
            one.partner_id,
            one.contract_id,
            one.period,
            f"{sum(rent.pack_days for rent in one.rents):,}",
            _sum(sum(rent.amount_minor for rent in one.rents), one.currency),
            _sum(sum(part.amount_minor for part in one.instalments), one.currency),
        )
        for one in accrued
    )
    columns = ("Partner", "Contract", "Period", "Pack-days", "Rent", "Instalments")
    app.console.answer(
        Rents(period, accrued), table(f"Owed for {period}", columns, rows, right=(3, 4, 5))
    )


def _sum(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"
