"""`assets`: what packs are worth: policies, cost, depreciation, their end."""

from typing import Any

import click
import msgspec

from ledger.domain.money.asset_ends import RecapitalisePack
from ledger.domain.money.asset_rows import ASSETS
from ledger.domain.money.depreciation import CapitalisePack, CapitaliseRepair, ReleaseAssetPolicy
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import parse_amount
from ledger.runtime.depreciating import depreciate as run_depreciation
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    asks,
    number,
    text,
)
from mobilegrid.cli.amounts import CURRENCY, TAX, TAX_CODE, amounts, without_tax
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.wording import quantity_words

_PACK = argument("pack_id", "PACK")
_COST = without_tax("--cost")
_SUPPLIER = text("--supplier", "partner_id", "Who is owed.", required=True, metavar="PARTNER")


def _capitalised(given: dict[str, Any]) -> LedgerCommand:
    return CapitalisePack(
        pack_id=given["pack_id"],
        partner_id=given["partner_id"],
        policy_id=given["policy_id"],
        currency=given["currency"],
        in_service_on=given["in_service_on"],
        baseline_bp=given["baseline_bp"],
        tax_code=given["tax_code"],
        **amounts(given, "cost"),
    )


def _repaired(given: dict[str, Any]) -> LedgerCommand:
    return CapitaliseRepair(
        pack_id=given["pack_id"],
        partner_id=given["partner_id"],
        baseline_bp=given["baseline_bp"],
        tax_code=given["tax_code"],
        **amounts(given, "cost"),
    )


def _found(given: dict[str, Any]) -> LedgerCommand:
    value = parse_amount(given["value"], given["currency"], "value")
    return RecapitalisePack(pack_id=given["pack_id"], value_minor=value, reason=given["reason"])


policy = asks(
    "policy",
    "Release how packs are depreciated; two persons.",
    ReleaseAssetPolicy,
    "finance",
    [
        argument("policy_id", "POLICY"),
        number("--residual-bp", "residual_bp", "Part of the cost that is left.", required=True),
        number("--end-bp", "end_bp", "State of health at the end of life.", required=True),
        number("--life-months", "life_months", "A straight line as the least; 0 for none."),
    ],
    "policy_id",
)

capitalise = asks(
    "capitalise",
    "Take a bought pack into the assets; two persons.",
    _capitalised,
    "finance",
    [
        _PACK,
        _SUPPLIER,
        text("--policy", "policy_id", "How it is depreciated.", required=True, metavar="POLICY"),
        text("--in-service", "in_service_on", "Since when.", required=True, metavar="DAY"),
        number("--baseline-bp", "baseline_bp", "Where it begins; its state of health now."),
        CURRENCY,
        _COST,
        TAX,
        TAX_CODE,
    ],
    "pack_id",
)

repair = asks(
    "repair",
    """Add a repair to the cost; two persons.

    The parts renewed the pack: it is depreciated from a new baseline.
    """,
    _repaired,
    "finance",
    [
        _PACK,
        _SUPPLIER,
        number("--baseline-bp", "baseline_bp", "State of health after it.", required=True),
        CURRENCY,
        _COST,
        TAX,
        TAX_CODE,
    ],
    "pack_id",
)

recover = asks(
    "recover",
    """Take a found pack back in; two persons.

    It had left the assets; it comes back at an approved value.
    """,
    _found,
    "finance",
    [
        _PACK,
        text("--value", "value", "What it is worth.", required=True, metavar="AMOUNT"),
        CURRENCY,
        text("--reason", "reason", "Why.", required=True),
    ],
    "pack_id",
)


def _depreciate(**given: str) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        at = wiring.CLOCK.now()
        done = run_depreciation(ledger, given["posting_date"], actor=acting.actor, at=at)
    lost = ", ".join(quantity_words(minor, of) for of, minor in sorted(done.lost_minor.items()))
    app.console.answer(
        done,
        f"{done.packs:,} packs lost {lost or 'nothing'} by {done.posting_date}",
        f"{done.ended:,} packs left the assets",
    )


depreciate = Command(
    "depreciate",
    params=[argument("posting_date", "DAY"), *acting_parameters("finance", timed=False)],
    callback=_depreciate,
    help="""Depreciate every pack to a day.

    By the lowest verified state of health of each; packs whose life has ended leave the assets.
    """,
)


class Shown(msgspec.Struct, frozen=True):
    """One pack as `assets list` tells it."""

    pack_id: str
    currency: str
    cost_minor: int
    accumulated_minor: int
    book_value_minor: int
    soh_min_bp: int
    is_ended: bool


@click.command("list", cls=Command)
@click.option("--ended", is_flag=True, help="Those that left the assets.")
@click.pass_obj
def list_(app: App, *, ended: bool) -> None:
    """Show what packs are worth in the books."""
    with wiring.reading(app.settings) as reads:
        rows = [row for _, row in reads.rows(ASSETS, listed="ended" if ended else "held")]
    if not rows:
        raise NotFound("no pack is in the assets")
    told = [
        Shown(
            row.pack_id,
            row.currency,
            row.cost_minor,
            row.accumulated_minor,
            row.book_value_minor,
            row.soh_min_bp,
            row.is_ended,
        )
        for row in rows
    ]
    shown = [
        (
            one.pack_id,
            quantity_words(one.cost_minor, one.currency),
            quantity_words(one.accumulated_minor, one.currency),
            quantity_words(one.book_value_minor, one.currency),
        )
        for one in told
    ]
    columns = ("Pack", "Cost", "Depreciated", "Book value")
    app.console.answer(told, table("", columns, shown, right=(1, 2, 3)))
