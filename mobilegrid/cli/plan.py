"""`plan`: subscription plans, who subscribes to them, and what is left of a month."""

from pathlib import Path

import click
import msgspec

from ledger.domain.money.plans import (
    ALLOWANCES,
    PLANS,
    SUBSCRIPTIONS,
    Allowance,
    Plan,
    PlanTerms,
    PlanVersion,
    PublishPlan,
    Subscription,
)
from ledger.domain.money.subscriptions import BeginSubscription, EndSubscription
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text
from ledger.kernel.quantities import kwh_text
from mobilegrid import wiring
from mobilegrid.cli.acting import Acting, argument, ask, asks, fresh, tell, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, TwoPersons, read_file, two_persons

_BYTES_MAX = 65_536


@click.command(cls=Command)
@click.argument("plan_id", metavar="PLAN")
@click.argument("file", type=FILE)
@two_persons(role="finance")
@click.pass_obj
def publish(app: App, plan_id: str, file: Path, persons: TwoPersons) -> None:
    """Publish the next version of a plan from a JSON file; two persons.

    Fields: currency, country, zone, price_minor (net), unit SWAP or KWH, quantity (swaps or Wh),
    valid_from_at (us), rollover_periods, overage_tariff_id, tax_product. Who subscribed keeps the
    version he has.
    """
    try:
        terms = msgspec.json.decode(read_file(file, _BYTES_MAX), type=PlanTerms)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)[:200], field="plan", place=file.name) from error
    actor = Actor(persons.by, persons.role, persons.second)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, PublishPlan(plan_id=plan_id, terms=terms), Acting(actor, 0))
    tell(app, "PublishPlan", plan_id, made)


class Listed(msgspec.Struct, frozen=True):
    """What `plan list` gives in JSON."""

    plans: list[Plan]
    subscriptions: list[Subscription]


@click.command("list", cls=Command)
@click.pass_obj
def list_(app: App) -> None:
    """List plans with all their versions, and who subscribes."""
    with wiring.reading(app.settings) as reads:
        plans = [row for _, row in reads.rows(PLANS)]
        running = [row for _, row in reads.rows(SUBSCRIPTIONS)]
    rows = [
        (plan.plan_id, str(one.version), _gives(one.terms.unit, one.terms.quantity), _price(one))
        for plan in plans
        for one in plan.versions
    ]
    columns = ("Plan", "Version", "A month gives", "Price, net")
    people = [
        (row.driver_id, row.plan_id, row.contract_id, row.invoiced_period, row.last_period)
        for row in running
    ]
    heads = ("Driver", "Plan", "Contract", "Invoiced", "Ends with")
    app.console.answer(
        Listed(plans, running),
        table("Plans", columns, rows, right=(1, 3)),
        "",
        table("Subscriptions", heads, people),
    )


def _price(version: PlanVersion) -> str:
    terms = version.terms
    return f"{amount_text(terms.price_minor, terms.currency)} {terms.currency}"


def _gives(unit: str, quantity: int) -> str:
    return f"{kwh_text(quantity)} kWh" if unit == "KWH" else f"{quantity} swaps"


class Left(msgspec.Struct, frozen=True):
    """What `plan show` gives in JSON."""

    driver_id: str
    months: list[Allowance]


@click.command(cls=Command)
@click.argument("driver")
@click.pass_obj
def show(app: App, driver: str) -> None:
    """Show what a driver's months gave, and what he used of them."""
    with wiring.reading(app.settings) as reads:
        months = [row for _, row in reads.rows(ALLOWANCES, listed=driver)]
    rows = [
        (
            row.period,
            _gives(row.unit, row.quantity),
            _gives(row.unit, row.used),
            _earned(row),
            "over" if row.is_over else "",
        )
        for row in months
    ]
    columns = ("Month", "Gave", "Used", "Earned", "")
    app.console.answer(Left(driver, months), table(f"Driver {driver}", columns, rows, right=(3,)))


def _earned(row: Allowance) -> str:
    earned, total = (
        amount_text(minor, row.currency) for minor in (row.recognised_minor, row.total_minor)
    )
    return f"{earned} of {total} {row.currency}"


subscribe = asks(
    "subscribe",
    "Subscribe a driver to the newest version of a plan, from a day on.",
    lambda given: BeginSubscription(
        driver_id=given["driver_id"],
        contract_id=given["contract_id"],
        plan_id=given["plan_id"],
        first_on=given["first_on"],
    ),
    "finance",
    [
        argument("driver_id", "DRIVER"),
        argument("plan_id", "PLAN"),
        text("--from", "first_on", "The first day, YYYY-MM-DD.", required=True, metavar="DAY"),
        fresh("--contract", "contract_id", "SUB"),
    ],
    "contract_id",
)

end = asks(
    "end",
    "End a subscription after a month, YYYY-MM.",
    lambda given: EndSubscription(driver_id=given["driver_id"], last_period=given["last_period"]),
    "finance",
    [argument("driver_id", "DRIVER"), argument("last_period", "MONTH")],
    "driver_id",
)
